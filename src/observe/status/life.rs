//! When the process last showed life.
//!
//! Promises: a sign of life is one store to memory, from any thread. A delete that is under way shows life by its
//! progress, which is looked at when somebody asks.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::scrub::UnderWay;

/// Longer than the longest silence of a sound cycle with the default deadlines: a scan that the database sorts for ten
/// of its deadlines.
const DEFAULT_BOUND: Duration = Duration::from_secs(15 * 60);

#[derive(Debug)]
pub(super) struct Life {
    begun: Instant,
    /// Milliseconds since `begun`.
    last: AtomicU64,
    /// How old the last sign may be, in milliseconds.
    bound: AtomicU64,
    pub(super) under_way: UnderWay,
    under_way_seen: AtomicU64,
}

impl Life {
    pub(super) fn new() -> Self {
        let life = Self {
            begun: Instant::now(),
            last: AtomicU64::new(0),
            bound: AtomicU64::new(0),
            under_way: UnderWay::default(),
            under_way_seen: AtomicU64::new(0),
        };
        life.set_bound(DEFAULT_BOUND);
        life
    }

    pub(super) fn sign(&self) {
        self.last.fetch_max(millis(self.begun.elapsed()), Ordering::Relaxed);
    }

    pub(super) fn set_bound(&self, bound: Duration) {
        self.bound.store(millis(bound), Ordering::Relaxed);
    }

    pub(super) fn last(&self) -> Instant {
        let now = self.under_way.beats();
        if self.under_way_seen.swap(now, Ordering::Relaxed) != now {
            self.sign();
        }
        self.begun + Duration::from_millis(self.last.load(Ordering::Relaxed))
    }

    /// How long ago the last sign was, if that is too long.
    pub(super) fn silence(&self) -> Option<Duration> {
        let silence = self.last().elapsed();
        (silence > Duration::from_millis(self.bound.load(Ordering::Relaxed))).then_some(silence)
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scrub::Pulse;

    #[test]
    fn silence_is_measured_against_the_bound() {
        let life = Life::new();
        assert_eq!(life.silence(), None);
        life.set_bound(Duration::ZERO);
        let later = Instant::now() + Duration::from_millis(5);
        while Instant::now() < later {
            std::thread::yield_now();
        }
        assert!(life.silence().is_some());
        life.set_bound(DEFAULT_BOUND);
        assert_eq!(life.silence(), None);
    }

    #[test]
    fn progress_of_a_delete_is_life() {
        let life = Life::new();
        let pulse = Pulse::of(0, &life.under_way);
        let later = Instant::now() + Duration::from_millis(5);
        while Instant::now() < later {
            std::thread::yield_now();
        }
        let before = life.last();
        pulse.tell(0, 1);
        let after = life.last();
        assert!(after > before);
        assert_eq!(life.last(), after, "the same progress is no new sign");
    }
}
