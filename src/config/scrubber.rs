//! `[scrubber]`: what is ours alone.
//!
//! Promises: nothing is ignored here. A guard that is mistyped is a guard that is off, so an unknown name and an empty
//! value are errors, unlike anywhere else in the file.

use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use croner::Cron;

use super::database::DatabaseConfig;
use super::error::{ConfigError, Place};
use super::listen::{self, Listen};
use super::options;
use super::rbd::{self, RbdPolicy};
use super::reader::{Reader, Setting};
use super::s3::{self, S3Policy};
use super::sharing::{self, Sharing};
use super::stores::StoresConfig;
use super::text::looks_like_a_name;

const GROUP: &str = "scrubber";

/// `[scrubber]`: options of this program that Glance does not know. An unknown key there is an error.
#[derive(Debug, Clone)]
pub struct ScrubberConfig {
    /// At most so many images a cycle, oldest first; the rest waits for the next one. Unset: no limit.
    pub max_images_per_cycle: Option<u64>,
    /// At most so many bytes (sizes as in Glance's database) a cycle. Unset: no limit.
    pub max_bytes_per_cycle: Option<u64>,
    /// Refuse the cycle when more than this share (0..=100) of the images that are not deleted or due would go. Unset: no limit.
    pub max_percent_of_images: Option<u8>,
    /// Never delete what has been pending for less than this, whatever `scrub_time` says. Default 0.
    pub min_age: Duration,
    /// Name of a file that must stand in each data directory of the `file` stores; without it the directory is
    /// `unavailable`. Unset: not looked for.
    pub file_marker: Option<String>,
    /// Deadline of one call to a store. Default 60 s.
    pub store_deadline: Duration,
    /// The longest that a call to any configured store takes without a sign of life.
    pub longest_call: Duration,
    /// Deadline of one statement to the database. Default 60 s.
    pub database_deadline: Duration,
    /// How long a cycle waits for a database that went away under it. Default 60 s.
    pub database_patience: Duration,
    /// How scrubbers share their work.
    pub sharing: Sharing,
    /// `give_up_after`: how long a location may fail before it is not tried any more. Unset: for ever.
    pub give_up_after: Option<Duration>,
    /// Where the daemon shows metrics and status. Unset: nowhere.
    pub listen: Option<Listen>,
    /// The file that gets a line for each location. Unset: none.
    pub audit_log: Option<PathBuf>,
    /// What is about Ceph.
    pub rbd: RbdPolicy,
    /// What is about S3.
    pub s3: S3Policy,
    /// `start_jitter`: the longest random time before the daemon's first cycle.
    pub start_jitter: Duration,
    /// `wakeup_cron`: when the daemon's cycles begin, in UTC, instead of `wakeup_time`.
    pub wakeup_cron: Option<Box<Cron>>,
    /// `window`: how long after such an instant work may be started.
    pub window: Option<Duration>,
    /// `shutdown_grace`: how long a daemon that is to stop waits for what it has in hand.
    pub shutdown_grace: Duration,
}

pub(super) fn load(reader: &mut Reader, database: Option<&DatabaseConfig>, stores: &StoresConfig) -> ScrubberConfig {
    reject_unknown(reader);
    let store_deadline = seconds(reader, "store_deadline");
    let longest_call = sharing::longest_call(store_deadline, stores);
    ScrubberConfig {
        max_images_per_cycle: reader.number_not_empty(GROUP, "max_images_per_cycle"),
        max_bytes_per_cycle: reader.number_not_empty(GROUP, "max_bytes_per_cycle"),
        max_percent_of_images: reader
            .number_not_empty(GROUP, "max_percent_of_images")
            .and_then(|percent| u8::try_from(percent).ok()),
        min_age: seconds(reader, "min_age"),
        file_marker: file_marker(reader),
        store_deadline,
        longest_call,
        database_deadline: seconds(reader, "database_deadline"),
        database_patience: seconds(reader, "database_patience"),
        sharing: sharing::load(reader, GROUP, database, longest_call),
        give_up_after: reader.number_not_empty(GROUP, "give_up_after").map(Duration::from_secs),
        listen: listen::load(reader, GROUP),
        audit_log: audit_log(reader),
        rbd: rbd::policy(reader, GROUP),
        s3: s3::policy(reader, GROUP),
        start_jitter: seconds(reader, "start_jitter"),
        wakeup_cron: wakeup_cron(reader),
        window: window(reader),
        shutdown_grace: seconds(reader, "shutdown_grace"),
    }
}

/// A time; the table has a default and bounds for each.
fn seconds(reader: &mut Reader, name: &str) -> Duration {
    Duration::from_secs(reader.number_not_empty(GROUP, name).unwrap_or_default())
}

fn wakeup_cron(reader: &mut Reader) -> Option<Box<Cron>> {
    let setting = reader.setting(GROUP, "wakeup_cron")?;
    let place = setting.place.clone();
    match Cron::from_str(&setting.into_text()?) {
        Ok(cron) => Some(Box::new(cron)),
        Err(error) => {
            let reason = format!("is no cron expression ({error}); 0 2 * * * is two o'clock each night");
            reader.report.error(ConfigError::of(place, GROUP, "wakeup_cron", reason));
            None
        }
    }
}

/// Only where there is something that it is a window of: alone it would look like a limit, and be none.
fn window(reader: &mut Reader) -> Option<Duration> {
    let window = reader.number_not_empty(GROUP, "window").map(Duration::from_secs)?;
    let is_set = |setting: Setting| setting.is_set();
    if !reader.setting(GROUP, "wakeup_cron").is_some_and(is_set) {
        let place = reader.setting(GROUP, "window").map_or(Place::Unset, |setting| setting.place);
        let reason = "has no effect without wakeup_cron";
        reader.report.error(ConfigError::of(place, GROUP, "window", reason));
    }
    Some(window)
}

/// A plain file name: a path would be looked for outside the data directory.
fn file_marker(reader: &mut Reader) -> Option<String> {
    let setting = reader.setting(GROUP, "file_marker")?;
    let place = setting.place.clone();
    let name = setting.into_text()?;
    if name.is_empty() || name.contains(['/', '\0', '\n']) || name == "." || name == ".." {
        let reason = "must be the name of a file, without a directory";
        reader.report.error(ConfigError::of(place, GROUP, "file_marker", reason));
        return None;
    }
    Some(name)
}

/// A file by its path, relative to the directory that the program was started in.
fn audit_log(reader: &mut Reader) -> Option<PathBuf> {
    let setting = reader.setting(GROUP, "audit_log")?;
    let place = setting.place.clone();
    let path = setting.into_text()?;
    if path.is_empty() || path.ends_with('/') || path.contains('\0') {
        reader.report.error(ConfigError::of(place, GROUP, "audit_log", "must be the path of a file"));
        return None;
    }
    Some(PathBuf::from(path))
}

fn reject_unknown(reader: &mut Reader) {
    let files = reader.raw.keys(GROUP).filter(|(key, _)| !is_known(key));
    let mut unknown: Vec<_> = files.map(|(key, place)| (place, key.to_owned())).collect();
    // `keys` comes from a hash map; within a file the reader wants them from top to bottom.
    unknown.sort_by_key(|(place, _)| match place {
        Place::File { path, line } => (path.clone(), *line),
        _ => Default::default(),
    });
    let env = reader.raw.env_names().filter_map(|name| {
        let key = name.strip_prefix("OS_SCRUBBER__")?.to_lowercase();
        (!is_known(&key)).then(|| (Place::Environment(name.to_owned()), key))
    });
    unknown.extend(env);
    for (place, key) in unknown {
        let shown = if looks_like_a_name(&key) { format!("`{key}`") } else { "the name on this line".to_owned() };
        let hint = nearest(&key).map(|name| format!("; did you mean {name}?")).unwrap_or_default();
        reader.report.error(ConfigError::at(place, format!("[scrubber] has no option {shown}{hint}")));
    }
}

fn is_known(key: &str) -> bool {
    options::find(GROUP, key).is_some()
}

/// The option whose name is closest, if a slip of the fingers can explain the difference.
fn nearest(key: &str) -> Option<&'static str> {
    let names = options::GROUPS.iter().filter(|group| group.section == GROUP).flat_map(|group| group.options);
    let key = key.to_lowercase().replace('-', "_");
    // Longer keys than any name need no look, and keep the work small.
    (key.len() <= 40).then_some(())?;
    names
        .map(|option| (distance(&key, option.name), option.name))
        .filter(|(distance, name)| *distance <= name.len() / 4)
        .min()
        .map(|(_, name)| name)
}

/// Levenshtein's distance.
fn distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.chars().count()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut next = vec![i + 1];
        for (y, pair) in b.chars().zip(row.windows(2)) {
            let [diagonal, above] = [pair.first(), pair.last()].map(|n| n.copied().unwrap_or_default());
            let left = next.last().copied().unwrap_or_default();
            next.push((diagonal + usize::from(x != y)).min(above + 1).min(left + 1));
        }
        row = next;
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_finds_its_option_and_another_word_does_not() {
        assert_eq!(distance("kitten", "sitting"), 3);
        assert_eq!(distance("", "abc"), 3);
        for (key, want) in [
            ("max_image_per_cycle", Some("max_images_per_cycle")),
            ("Min-Age", Some("min_age")),
            ("storedeadline", Some("store_deadline")),
            ("old_encryption_key", Some("old_encryption_keys")),
            ("scrub_time", None),
            ("password", None),
        ] {
            assert_eq!(nearest(key), want, "{key}");
        }
    }
}
