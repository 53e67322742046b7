//! From an [`Invocation`] to a [`Config`], or to everything that is wrong with it.

use std::time::Duration;

use secrecy::SecretString;

use super::error::{ConfigError, ConfigErrors, Place, Report};
use super::raw::RawValues;
use super::reader::Reader;
use super::sources::{self, Invocation};
use super::types::Value;
use super::{Config, database, log, options, scrubber, stores, swift};

const GROUP: &str = "DEFAULT";

/// Reads, merges and checks the config. Fails with all faults at once.
pub fn load(invocation: &Invocation) -> Result<Config, ConfigErrors> {
    let mut report = Report::default();
    let files = sources::read(invocation, &mut report);
    // With a file unread, "not set" would be a second error about the same fault.
    let complete = report.is_clean();
    let raw = RawValues::new(files, invocation.env.clone(), invocation.overrides.clone());
    let mut reader = Reader { raw, report, stores: Vec::new(), beside: invocation.beside(), service_section: None };
    reject_unknown_overrides(&mut reader);
    // The sections of stores come first, since any value may refer to their options.
    let backends = stores::enabled_backends(&mut reader);
    reader.stores.clone_from(&backends);
    let scrub_time = seconds(&mut reader, "scrub_time");
    let wakeup_time = seconds(&mut reader, "wakeup_time");
    let scrub_pool_size = reader.unsigned(GROUP, "scrub_pool_size").and_then(|size| usize::try_from(size).ok());
    let daemon = reader.flag(GROUP, "daemon");
    let restore = reader.text(GROUP, "restore");
    let encryption_keys = encryption_keys(&mut reader);
    let database = database::load(&mut reader, complete);
    let mut stores = stores::load(&mut reader, backends);
    swift::load_service(&mut reader, "scrubber", &mut stores.stores);
    let scrubber = scrubber::load(&mut reader, database.as_ref(), &stores);
    let log = log::load(&mut reader);
    let warnings = reader.report.finish()?;
    // Where the database is missing, the report is not clean, and we are gone by now.
    let database = database.ok_or_else(|| ConfigError::at(Place::Unset, "no database; please report this as a bug"))?;
    Ok(Config {
        scrub_time,
        scrub_pool_size,
        wakeup_time,
        daemon,
        restore,
        encryption_keys,
        database,
        stores,
        scrubber,
        log,
        warnings,
    })
}

/// A time that must not be empty: Python fails at every wake-up then, and 0 would delete at once.
fn seconds(reader: &mut Reader, name: &str) -> Duration {
    Duration::from_secs(reader.number_not_empty(GROUP, name).unwrap_or_default())
}

fn reject_unknown_overrides(reader: &mut Reader) {
    let unknown: Vec<_> = reader.raw.override_names().filter(|name| options::find(GROUP, name).is_none()).collect();
    let errors: Vec<_> = unknown
        .into_iter()
        .map(|name| ConfigError::of(Place::CommandLine, GROUP, name, "there is no such option"))
        .collect();
    errors.into_iter().for_each(|error| reader.report.error(error));
}

/// The current key, then the former ones. An empty one is no key: Glance takes it for "not encrypted".
fn encryption_keys(reader: &mut Reader) -> Vec<SecretString> {
    let mut keys = Vec::new();
    for (group, name) in [(GROUP, "metadata_encryption_key"), ("scrubber", "old_encryption_keys")] {
        let Some(setting) = reader.setting(group, name) else { continue };
        let texts = match setting.value {
            Some(Value::Text(text)) => vec![text],
            Some(Value::List(texts)) => texts,
            _ => Vec::new(),
        };
        for (key, place) in texts.into_iter().zip(setting.places).filter(|(key, _)| !key.is_empty()) {
            if [16, 24, 32].contains(&key.len()) {
                keys.push(SecretString::from(key));
            } else {
                let reason = format!("a key of {} bytes; AES needs 16, 24 or 32 bytes (not characters)", key.len());
                reader.report.error(ConfigError::of(place, group, name, reason));
            }
        }
    }
    keys
}

#[cfg(test)]
#[path = "load_tests.rs"]
mod tests;
