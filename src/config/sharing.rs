//! How scrubbers share their work, and keep out of a restore's way.

use std::path::PathBuf;
use std::time::Duration;

use super::database::{self, DatabaseConfig};
use super::error::{ConfigError, Place};
use super::rbd::LEAST_DEADLINE;
use super::reader::Reader;
use super::stores::{StoreKind, StoresConfig};

/// `[scrubber] coordination`, with what belongs to it.
#[derive(Debug, Clone)]
pub enum Sharing {
    /// `none`: no trace in the database. Scrubbers and restores of one host lock a file.
    Alone {
        /// `lock_file`.
        lock_file: PathBuf,
    },
    /// `database`: by claims.
    Database {
        /// `state_connection`, where the claims are not in Glance's own database.
        state: Option<Box<DatabaseConfig>>,
        /// `claim_lease`: longer than any call to a store.
        lease: Duration,
    },
}

/// The longest that a call to any of these stores takes without a sign of life.
pub(super) fn longest_call(store_deadline: Duration, stores: &StoresConfig) -> Duration {
    let of_store = |kind: &StoreKind| match kind {
        StoreKind::File(file) => file.timeout.unwrap_or(store_deadline),
        // Once for the connection, and once for the call itself.
        StoreKind::Rbd(_) => store_deadline.max(LEAST_DEADLINE).saturating_mul(2),
        // Once until the answer begins, and once for a silence in it: Amazon answers DeleteObjects at once, and then works,
        // and so does Swift with many objects. vSphere is asked for a task, and then how that goes.
        StoreKind::Swift(_) | StoreKind::S3(_) | StoreKind::Cinder(_) | StoreKind::Vsphere(_) => {
            store_deadline.saturating_mul(2)
        }
        StoreKind::Http | StoreKind::Unsupported(_) => store_deadline,
    };
    stores.stores.iter().map(|store| of_store(&store.kind)).max().unwrap_or(store_deadline)
}

pub(super) fn load(
    reader: &mut Reader,
    group: &str,
    database: Option<&DatabaseConfig>,
    longest_call: Duration,
) -> Sharing {
    let by_claims = reader.text(group, "coordination").as_deref() == Some("database");
    let lease = Duration::from_secs(reader.number_not_empty(group, "claim_lease").unwrap_or_default());
    let state = database::load_other(reader, group, "state_connection", database);
    if by_claims {
        if lease <= longest_call {
            let reason = format!(
                "{} s are not longer than a call to a store may take, {} s (see store_deadline): its claim would lapse \
                 under it",
                lease.as_secs(),
                longest_call.as_secs()
            );
            refuse(reader, group, "claim_lease", reason);
        }
        return Sharing::Database { state: state.map(Box::new), lease };
    }
    if reader.setting(group, "state_connection").is_some_and(|setting| setting.is_set()) {
        let reason = "has no effect without coordination = database";
        refuse(reader, group, "state_connection", reason);
    }
    Sharing::Alone { lock_file: PathBuf::from(lock_file(reader, group)) }
}

fn lock_file(reader: &mut Reader, group: &str) -> String {
    let path = reader.text(group, "lock_file").unwrap_or_default();
    if path.is_empty() || path.ends_with('/') || path.contains('\0') {
        let reason = "must be the path of a file";
        refuse(reader, group, "lock_file", reason);
    }
    path
}

fn refuse(reader: &mut Reader, group: &str, name: &str, reason: impl Into<String>) {
    let place = reader.setting(group, name).map_or(Place::Unset, |setting| setting.place);
    reader.report.error(ConfigError::of(place, group, name, reason));
}

#[cfg(test)]
#[path = "sharing_tests.rs"]
mod tests;
