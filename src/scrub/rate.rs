//! How fast a lane goes: its width, the size of its calls, and when the next one may begin.
//!
//! Promises: with `max_deletes_per_second`, a call of n locations takes the time of n, so that deletes are spread evenly:
//! there is no burst at the start, none after a pause, and none at a wake-up, since what began last outlives the cycle
//! ([`Memory`]). Calls are cut to what goes in a second, and no more rows are read (and claimed) than go while a look at
//! them is fresh. The time of the last call counts by the rate of now, so that a new config holds at once. Pure but for
//! what `Memory` keeps; times are brought by the caller. Each scrubber counts for itself.
//!
//! Rejected: governor. Its limiter has one burst for all calls: as large as the largest call, it would let as many small
//! ones go at once, and smaller, it would never admit the large one.

use std::time::Duration;

use tokio::time::Instant;

use super::memory::Memory;
use super::survey::PAGE;
use crate::config::{Rate, StoreId};
use crate::store::{Pace, Stores};

/// A call that begins this late, because a timer is no more exact, is made up for.
const LATE: Duration = Duration::from_millis(50);

/// The last call to a store: when it should have begun at the latest, and for how many locations.
#[derive(Debug, Clone, Copy)]
pub(super) struct Begun {
    at: Instant,
    locations: u64,
}

impl Begun {
    /// A call for so many begins now.
    fn after(last: Option<Self>, rate: Rate, now: Instant, locations: usize) -> Self {
        let next = last.map(|last| last.next(rate)).filter(|next| *next <= now && now - *next <= LATE);
        Self { at: next.unwrap_or(now), locations: locations as u64 }
    }

    /// When the next call may begin.
    fn next(self, rate: Rate) -> Instant {
        // A time beyond all clocks: nobody configures that, and nobody waits for it.
        self.at.checked_add(rate.time_of(self.locations)).unwrap_or(self.at)
    }
}

/// What one lane may do.
pub(super) struct Tempo<'a> {
    memory: &'a Memory,
    store: &'a StoreId,
    rate: Option<Rate>,
    /// Calls at the same time.
    pub workers: usize,
    /// Locations in a call.
    pub batch: usize,
    /// Locations in a call that were paid for before.
    pub full_batch: usize,
    /// Locations whose rows are read at once.
    pub look_ahead: usize,
    /// Locations that the store may be at, beyond the calls to it, before more are begun.
    pub most_going: usize,
}

impl<'a> Tempo<'a> {
    /// `look_lasts`: for how long a look at a row is fresh.
    pub(super) fn of(stores: &'a Stores, lane: usize, memory: &'a Memory, look_lasts: Duration) -> Self {
        let (rate, Pace { workers, batch }) = (stores.rate(lane), stores.pace(lane));
        let within = |time| rate.map_or(usize::MAX, |rate| rate.in_time(time));
        let most_going = workers.saturating_mul(batch).saturating_mul(4).clamp(1, PAGE);
        let look_ahead = most_going.min(within(look_lasts));
        let cut = batch.min(within(Duration::from_secs(1)));
        let store = stores.all()[lane].id();
        Self { memory, store, rate, workers: workers.max(1), batch: cut, full_batch: batch, look_ahead, most_going }
    }

    /// When a call may begin that costs something. `None`: at any time.
    pub(super) fn next(&self) -> Option<Instant> {
        self.memory.begun(self.store).zip(self.rate).map(|(last, rate)| last.next(rate))
    }

    /// A call for so many locations begins now.
    pub(super) fn begin(&self, now: Instant, locations: usize) {
        if let Some(rate) = self.rate.filter(|_| locations > 0) {
            self.memory.note_begun(self.store, |last| Begun::after(last, rate, now, locations));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rate(thousandths: u64) -> Rate {
        Rate::from_thousandths(thousandths).unwrap()
    }

    fn at(from: Instant, millis: u64) -> Instant {
        from + Duration::from_millis(millis)
    }

    #[test]
    fn a_call_takes_the_time_of_its_locations() {
        let (now, fast, slow) = (Instant::now(), rate(20_000), rate(500));
        let one = Begun::after(None, fast, now, 1);
        assert_eq!(one.next(fast), at(now, 50));
        let many = Begun::after(Some(one), fast, at(now, 50), 10);
        assert_eq!(many.next(fast), at(now, 550));
        assert_eq!(Begun::after(None, slow, now, 1).next(slow), at(now, 2000));
    }

    #[test]
    fn a_little_late_is_made_up_for_and_a_pause_is_not() {
        let (now, rate) = (Instant::now(), rate(100_000));
        let first = Begun::after(None, rate, now, 1);
        let late = Begun::after(Some(first), rate, at(now, 13), 1);
        assert_eq!(late.next(rate), at(now, 20), "the timer's fault, not the operator's");
        let idle = Begun::after(Some(first), rate, at(now, 10_000), 1);
        assert_eq!(idle.next(rate), at(now, 10_010), "nothing is saved up");
    }

    #[test]
    fn a_new_rate_holds_for_the_call_before_it() {
        let now = Instant::now();
        let begun = Begun::after(None, rate(1), now, 1);
        assert_eq!(begun.next(rate(1)), at(now, 1_000_000));
        assert_eq!(begun.next(rate(1_000_000)), at(now, 1));
    }

    #[test]
    fn whatever_the_calls_a_minute_has_no_more_than_its_rate() {
        let (begin, rate) = (Instant::now(), rate(7_300));
        let (mut last, mut now, mut begun) = (None, begin, 0);
        for number in 0.. {
            let locations = 1 + number % 7;
            last = Some(Begun::after(last, rate, now, locations));
            begun += locations;
            // Some calls are late, by less and by more than is made up for.
            now = last.unwrap().next(rate) + Duration::from_millis([0, 3, 49, 51, 400][number % 5]);
            if now - begin >= Duration::from_secs(60) {
                break;
            }
        }
        assert!((300..=438 + 7).contains(&begun), "{begun}");
    }
}
