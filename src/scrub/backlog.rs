//! How much is pending, by how long ago it was deleted.

use chrono::{DateTime, TimeDelta, Utc};

use super::observer::Observer;
use super::plan::{self, Policy};
use crate::catalog::Catalog;

/// The ages that divide the backlog: what is younger than the first, than the second, …; and everything older.
pub const AGES: [TimeDelta; 5] =
    [TimeDelta::hours(1), TimeDelta::hours(6), TimeDelta::days(1), TimeDelta::days(7), TimeDelta::days(30)];

/// The words for the bands that [`AGES`] make.
pub const BANDS: [&str; AGES.len() + 1] = ["1h", "6h", "1d", "7d", "30d", "more"];

/// Locations in each band; a location is in one band only.
pub type Bands = [u64; BANDS.len()];

/// Pending locations by age: the time since they were deleted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Backlog {
    /// Those whose grace period is over, when the cycle began.
    pub due: Bands,
    /// Those that wait for its end. `None` where the database could not say.
    pub waiting: Option<Bands>,
}

/// Tells an observer that wants to know. What is due was read anyway; what is not, takes a statement. Where that fails
/// the cycle goes on: numbers are not worth holding up deletions, and a database that is gone shows soon enough.
pub(super) async fn tell(catalog: &dyn Catalog, policy: &Policy<'_>, due: Bands, observer: &dyn Observer) {
    if !observer.wants_backlog() {
        return;
    }
    let waiting = catalog.waiting(policy.horizon, &limits(plan::began(policy.horizon))).await;
    if let Err(error) = &waiting {
        tracing::warn!("It could not be counted how much is not due yet: {error}");
    }
    let waiting = waiting.ok().and_then(|bands| Bands::try_from(bands).ok());
    observer.backlog(&Backlog { due, waiting });
}

/// Which band something belongs to that was deleted at `from`.
pub(super) fn band(from: DateTime<Utc>, now: DateTime<Utc>) -> usize {
    let age = now - from;
    AGES.iter().position(|limit| age < *limit).unwrap_or(AGES.len())
}

/// The instants between the bands, youngest first.
pub(super) fn limits(now: DateTime<Utc>) -> [DateTime<Utc>; AGES.len()] {
    AGES.map(|age| now - age)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_band_begins_where_the_one_before_ends() {
        let now = DateTime::UNIX_EPOCH;
        let word = |age: TimeDelta| BANDS[band(now - age, now)];
        assert_eq!(word(-TimeDelta::hours(1)), "1h", "the future is young");
        assert_eq!(word(TimeDelta::minutes(59)), "1h");
        assert_eq!(word(TimeDelta::hours(1)), "6h");
        assert_eq!(word(TimeDelta::days(29)), "30d");
        assert_eq!(word(TimeDelta::days(30)), "more");
        assert_eq!(limits(now)[0], now - TimeDelta::hours(1));
    }
}
