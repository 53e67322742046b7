//! How far this host's clock and the database's are apart.
//!
//! Promises: a difference counts only as far as it is certain, whatever the question took on its way. Beyond
//! [`TOLERANCE`] one of the two clocks is wrong, and nobody here knows which: then the earlier one decides what is due,
//! so that nothing is deleted before its time by either. Fails by the database alone.
//!
//! Rejected: the database's clock for everything. A cycle would have to ask for it again and again, and what waits in
//! this process is this process's own.

use chrono::{DateTime, TimeDelta, Utc};

use super::Clock;
use super::memory::Memory;
use crate::catalog::{Catalog, CatalogError};

/// Clocks that are synchronised differ by less, and some databases tell whole seconds.
const TOLERANCE: TimeDelta = TimeDelta::seconds(60);

/// How the host's clock stands to the database's.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Skew {
    ahead: TimeDelta,
}

impl Skew {
    /// Asks the database for the time.
    ///
    /// # Errors
    /// The database's.
    pub async fn measure(catalog: &dyn Catalog, clock: &dyn Clock) -> Result<Self, CatalogError> {
        let before = clock.now();
        let database = catalog.clock().await?;
        Ok(Self::of(before, database, clock.now()))
    }

    /// Of the database's time, asked for between two of the host's.
    pub(super) fn of(before: DateTime<Utc>, database: DateTime<Utc>, after: DateTime<Utc>) -> Self {
        let ahead = if database < before {
            before - database
        } else if database > after {
            after - database
        } else {
            TimeDelta::zero()
        };
        Self { ahead }
    }

    /// How far the host's clock is ahead; negative where it is behind.
    pub const fn ahead(self) -> TimeDelta {
        self.ahead
    }

    /// Whether one of the clocks is wrong.
    pub fn is_large(self) -> bool {
        self.ahead.abs() > TOLERANCE
    }

    /// The earlier of both clocks when the host's says `now`; its own while they agree.
    pub fn earlier(self, now: DateTime<Utc>) -> DateTime<Utc> {
        if self.is_large() && self.ahead > TimeDelta::zero() {
            now.checked_sub_signed(self.ahead).unwrap_or(now)
        } else {
            now
        }
    }

    /// Whether there is something new to say after `told`.
    fn is_news(self, told: Self) -> bool {
        self.is_large() != told.is_large() || (self.is_large() && (self.ahead - told.ahead).abs() > TOLERANCE)
    }

    /// Says it where that is news.
    pub(super) fn tell(self, memory: &Memory) {
        if !self.is_news(memory.note_skew(self)) {
            return;
        }
        memory.told_skew(self);
        if self.is_large() {
            tracing::warn!("{self}; what is due is decided by the earlier one");
        } else {
            tracing::info!("This host's clock and the database's agree again");
        }
    }
}

impl std::fmt::Display for Skew {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let side = if self.ahead < TimeDelta::zero() { "behind" } else { "ahead of" };
        write!(f, "This host's clock is {} s {side} the database's", self.ahead.num_seconds().abs())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + TimeDelta::seconds(seconds)
    }

    fn skew(host: i64, database: i64) -> Skew {
        Skew::of(at(host), at(database), at(host))
    }

    #[test]
    fn only_what_is_certain_counts() {
        assert_eq!(Skew::of(at(0), at(100), at(200)), Skew::default(), "a slow answer is no difference");
        assert_eq!(Skew::of(at(0), at(-100), at(200)).ahead(), TimeDelta::seconds(100));
        assert_eq!(Skew::of(at(0), at(300), at(200)).ahead(), TimeDelta::seconds(-100));
        assert!(!skew(60, 0).is_large() && skew(61, 0).is_large() && skew(0, 61).is_large());
    }

    #[test]
    fn the_earlier_clock_decides() {
        assert_eq!(skew(3600, 0).earlier(at(3600)), at(0), "ours is ahead");
        assert_eq!(skew(0, 3600).earlier(at(0)), at(0), "ours is behind");
        assert_eq!(skew(50, 0).earlier(at(50)), at(50), "they agree");
    }

    #[test]
    fn it_is_news_once() {
        let (ahead, behind) = (skew(3600, 0), skew(0, 3600));
        assert!(ahead.is_news(Skew::default()) && behind.is_news(ahead) && Skew::default().is_news(ahead));
        assert!(!ahead.is_news(ahead) && !skew(3630, 0).is_news(ahead) && skew(3700, 0).is_news(ahead));
        assert!(!skew(30, 0).is_news(Skew::default()));
        assert_eq!(ahead.to_string(), "This host's clock is 3600 s ahead of the database's");
        assert_eq!(behind.to_string(), "This host's clock is 3600 s behind the database's");
    }
}
