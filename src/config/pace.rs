//! How fast a store is worked on: `max_deletes_per_second`, `workers` and `pause`.
//!
//! Promises: what is set for a store (in its section, else in `[backend_defaults]`; in `[glance_store]` where there is one
//! store of each type) goes before `[scrubber]`, option by option. The narrower option wins: `[scrubber] rbd_workers`, which
//! is about one type, goes before `[scrubber] workers`, which is about all, and both go after a store's own `workers`.
//! Within `[scrubber]` an empty number is an error, as for all options there; in a store's section it counts as not set, as
//! for all options there.

use std::num::NonZeroU64;
use std::time::Duration;

use super::reader::{Reader, Setting};
use super::stores::StoreOptions;
use super::types::Value;

const GROUP: &str = "scrubber";

/// How fast one store is worked on.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PaceConfig {
    /// `max_deletes_per_second`. Unset: no limit.
    pub rate: Option<Rate>,
    /// `workers`: calls at once. Unset: what the store thinks best.
    pub workers: Option<usize>,
    /// `pause`: its locations are kept, and it is not spoken to for them.
    pub paused: bool,
}

/// Locations in a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// In thousand seconds.
    thousandths: NonZeroU64,
}

impl Rate {
    /// So many locations in a thousand seconds; `None` of none, which would be a pause.
    pub const fn from_thousandths(thousandths: u64) -> Option<Self> {
        match NonZeroU64::new(thousandths) {
            Some(thousandths) => Some(Self { thousandths }),
            None => None,
        }
    }

    /// For how long so many locations are enough.
    pub fn time_of(self, locations: u64) -> Duration {
        let nanos = u128::from(locations) * 1_000_000_000_000 / u128::from(self.thousandths.get());
        Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }

    /// How many locations may be begun in a time, at least one.
    pub fn in_time(self, time: Duration) -> usize {
        let locations = time.as_millis() * u128::from(self.thousandths.get()) / 1_000_000;
        usize::try_from(locations).unwrap_or(usize::MAX).max(1)
    }
}

/// What `[scrubber]` says for every store.
pub(super) struct Common {
    pace: PaceConfig,
    rbd_workers_are_set: bool,
}

pub(super) fn common(reader: &mut Reader) -> Common {
    // Asked for by its own reader as well, which reports what is wrong with it.
    let rbd_workers_are_set = reader.setting(GROUP, "rbd_workers").is_some_and(|setting| setting.is_set());
    let rate = reader.not_empty(GROUP, "max_deletes_per_second").and_then(rate);
    let workers = reader.not_empty(GROUP, "workers").and_then(workers);
    Common { pace: PaceConfig { rate, workers, paused: reader.flag(GROUP, "pause") }, rbd_workers_are_set }
}

pub(super) fn load(reader: &mut Reader, options: &StoreOptions, kind: &str, common: &Common) -> PaceConfig {
    let mut own = |name| options.get(reader, name).map(|(setting, _)| setting).filter(Setting::is_set);
    let of_all = common.pace.workers.filter(|_| kind != "rbd" || !common.rbd_workers_are_set);
    PaceConfig {
        rate: own("max_deletes_per_second").and_then(rate).or(common.pace.rate),
        workers: own("workers").and_then(workers).or(of_all),
        paused: own("pause").map_or(common.pace.paused, |setting| setting.value == Some(Value::Bool(true))),
    }
}

fn rate(setting: Setting) -> Option<Rate> {
    match setting.value {
        Some(Value::Thousandths(thousandths)) => Rate::from_thousandths(thousandths),
        _ => None,
    }
}

fn workers(setting: Setting) -> Option<usize> {
    match setting.value {
        Some(Value::Int(workers)) => usize::try_from(workers).ok(),
        _ => None,
    }
}

#[cfg(test)]
#[path = "pace_tests.rs"]
mod tests;
