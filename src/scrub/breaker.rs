//! Whether a container (directory, pool, bucket) of a store is asked at all, over many cycles.
//!
//! Promises: pure. After a few calls in a row without one answer the breaker opens: what lies in the container is left
//! alone for the rest of the cycle, and in later ones while its wait lasts. Then it is half open: exactly one call goes
//! through, as a probe, and the others of that lane wait for its answer. Any answer closes the breaker, silence opens
//! it again, for longer. So a container that is down costs one call in a cycle, however many calls a lane has room for.
//!
//! The others wait, rather than being left for the next cycle, because that cycle may be a night away: a store that was
//! down in one night would lose the next one as well. The wait is bounded, as every call to a store is; what lies
//! elsewhere in the same store goes on meanwhile, as far as the lane has looked ahead.
//!
//! Rejected: probing again within the cycle that opened it. Its lane has nothing left to wait for by then.

use chrono::{DateTime, Utc};

use super::retry::{BackOff, Chance};
use super::silence::{CALLS, Heard};

/// How a breaker stands.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum BreakerPosition {
    /// Calls go through.
    #[default]
    Closed,
    /// None does; once `until` has passed, the next cycle's first one will.
    Open,
    /// A probe is on its way.
    HalfOpen,
}

impl BreakerPosition {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Closed, Self::Open, Self::HalfOpen];

    /// The word for people and machines.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Open => "open",
            Self::HalfOpen => "half_open",
        }
    }
}

/// What may be done with a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Permit {
    /// Make it.
    Ask,
    /// Make it, as the only one; its answer decides.
    Probe,
    /// Wait for the probe.
    Wait,
    /// Do not make it in this cycle.
    LeaveAlone,
}

/// What an answer changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Change {
    Opened(DateTime<Utc>),
    Reopened(DateTime<Utc>),
    Closed,
}

/// One container's breaker.
#[derive(Debug, Clone, Default)]
pub(super) struct Breaker {
    position: BreakerPosition,
    /// Calls in a row without an answer, while closed.
    silent: u32,
    /// How often in a row it opened.
    openings: u32,
    /// While not closed: when a probe may go.
    until: DateTime<Utc>,
    /// The cycle in which it last opened.
    opened_in: u32,
    /// The cycle that last had something due in the container.
    pub seen: u32,
}

impl Breaker {
    pub(super) const fn position(&self) -> BreakerPosition {
        self.position
    }

    /// Until when it is open, at least. None while it is closed.
    pub(super) fn until(&self) -> Option<DateTime<Utc>> {
        (self.position != BreakerPosition::Closed).then_some(self.until)
    }

    /// Whether it is as if nothing had ever been heard of the container.
    pub(super) fn is_blank(&self) -> bool {
        self.position == BreakerPosition::Closed && self.silent == 0
    }

    /// Whether a cycle that begins now leaves the container alone from the start.
    pub(super) fn is_open(&self, now: DateTime<Utc>) -> bool {
        self.position == BreakerPosition::Open && BackOff::SILENT.lasts(self.until, now)
    }

    /// May a call be made?
    pub(super) fn ask(&mut self, now: DateTime<Utc>, cycle: u32) -> Permit {
        match self.position {
            BreakerPosition::Closed => Permit::Ask,
            BreakerPosition::HalfOpen => Permit::Wait,
            BreakerPosition::Open if self.opened_in == cycle || self.is_open(now) => Permit::LeaveAlone,
            BreakerPosition::Open => {
                self.position = BreakerPosition::HalfOpen;
                Permit::Probe
            }
        }
    }

    /// Takes note of what a call brought. An answer counts, whenever its call was made; silence counts against a
    /// breaker that is half open only from the probe, since others may have been on their way for long.
    pub(super) fn note(
        &mut self,
        heard: Heard,
        is_probe: bool,
        now: DateTime<Utc>,
        cycle: u32,
        chance: Chance,
    ) -> Option<Change> {
        match (heard, self.position) {
            (Heard::Nothing, _) => None,
            (Heard::Answer, position) => {
                *self = Self { seen: self.seen, ..Self::default() };
                (position != BreakerPosition::Closed).then_some(Change::Closed)
            }
            (Heard::Silence, BreakerPosition::Closed) => {
                self.silent += 1;
                (self.silent >= CALLS).then(|| Change::Opened(self.open(now, cycle, chance)))
            }
            (Heard::Silence, BreakerPosition::HalfOpen) if is_probe => {
                Some(Change::Reopened(self.open(now, cycle, chance)))
            }
            (Heard::Silence, _) => None,
        }
    }

    fn open(&mut self, now: DateTime<Utc>, cycle: u32, chance: Chance) -> DateTime<Utc> {
        self.position = BreakerPosition::Open;
        self.openings = self.openings.saturating_add(1);
        self.until = now + BackOff::SILENT.wait(self.openings, chance);
        self.opened_in = cycle;
        self.until
    }

    /// A probe that was never made: the next call may be one.
    pub(super) fn give_back(&mut self) {
        if self.position == BreakerPosition::HalfOpen {
            self.position = BreakerPosition::Open;
        }
    }

    /// Lets the next cycle probe at once.
    pub(super) fn wait_no_longer(&mut self, now: DateTime<Utc>) {
        self.until = self.until.min(now);
    }
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;
    use proptest::prelude::*;

    use super::*;

    fn noon() -> DateTime<Utc> {
        "2026-11-21T12:00:00Z".parse().unwrap()
    }

    fn after(seconds: i64) -> DateTime<Utc> {
        noon() + TimeDelta::seconds(seconds)
    }

    /// Opened at noon, in the first cycle.
    fn open() -> Breaker {
        let mut breaker = Breaker::default();
        let changes: Vec<_> = (0..4).map(|_| breaker.note(Heard::Silence, false, noon(), 1, 0)).collect();
        assert_eq!(changes, [None, None, Some(Change::Opened(after(30))), None], "one opening");
        breaker
    }

    #[test]
    fn it_opens_after_a_few_silent_calls_in_a_row() {
        let mut breaker = Breaker::default();
        for heard in [Heard::Silence, Heard::Silence, Heard::Answer, Heard::Silence, Heard::Nothing, Heard::Silence] {
            assert_eq!(breaker.note(heard, false, noon(), 1, 0), None);
            assert_eq!(breaker.ask(noon(), 1), Permit::Ask);
        }
        assert_eq!(breaker.note(Heard::Silence, false, noon(), 1, 0), Some(Change::Opened(after(30))));
        assert_eq!(breaker.ask(noon(), 1), Permit::LeaveAlone);
    }

    #[test]
    fn it_stays_open_for_its_cycle_and_its_time() {
        let mut breaker = open();
        assert_eq!(breaker.ask(after(3600), 1), Permit::LeaveAlone, "the cycle that opened it goes on");
        assert_eq!(breaker.ask(after(29), 2), Permit::LeaveAlone);
        assert_eq!(breaker.ask(after(30), 2), Permit::Probe);
        let mut set_back = open();
        assert_eq!(set_back.ask(after(-86400), 2), Permit::Probe, "a clock that was set back prolongs nothing");
    }

    #[test]
    fn half_open_lets_one_call_through_at_a_time() {
        let mut breaker = open();
        let turns: Vec<_> = (0..64).map(|_| breaker.ask(after(31), 2)).collect();
        assert_eq!(turns.iter().filter(|turn| **turn == Permit::Probe).count(), 1);
        assert!(turns[1..].iter().all(|turn| *turn == Permit::Wait));
        breaker.give_back();
        assert_eq!([breaker.ask(after(31), 2), breaker.ask(after(31), 2)], [Permit::Probe, Permit::Wait]);
    }

    #[test]
    fn an_answer_closes_it_and_silence_opens_it_for_longer() {
        let mut breaker = open();
        breaker.ask(after(30), 2);
        assert_eq!(breaker.note(Heard::Silence, false, after(31), 2, 0), None, "an old call says nothing new");
        let until = after(40 + 51); // a minute, less the spread
        assert_eq!(breaker.note(Heard::Silence, true, after(40), 2, 0), Some(Change::Reopened(until)));
        assert_eq!(breaker.ask(after(90), 3), Permit::LeaveAlone);
        assert_eq!(breaker.ask(after(91), 3), Permit::Probe);
        assert_eq!(breaker.note(Heard::Answer, true, after(92), 3, 0), Some(Change::Closed));
        assert_eq!(breaker.ask(after(92), 3), Permit::Ask);
        assert!(breaker.is_blank());
        // The next time begins with the shortest wait.
        breaker.note(Heard::Silence, false, noon(), 4, 0);
        breaker.note(Heard::Silence, false, noon(), 4, 0);
        assert_eq!(breaker.note(Heard::Silence, false, noon(), 4, 0), Some(Change::Opened(after(30))));
    }

    #[test]
    fn a_late_answer_closes_it_too() {
        let mut breaker = open();
        assert_eq!(breaker.note(Heard::Answer, false, noon(), 1, 0), Some(Change::Closed));
        let mut probing = open();
        probing.ask(after(30), 2);
        assert_eq!(probing.note(Heard::Answer, false, after(31), 2, 0), Some(Change::Closed));
        assert_eq!(probing.note(Heard::Silence, true, after(32), 2, 0), None, "its probe counts as any call now");
        assert_eq!(probing.ask(after(32), 2), Permit::Ask);
    }

    proptest! {
        /// Whatever happens, there is at most one probe, and the way back is never lost.
        #[test]
        fn it_never_sticks(events in proptest::collection::vec((0..6_u8, 0..400_i64), 0..200)) {
            let (mut breaker, mut now, mut cycle, mut probe) = (Breaker::default(), noon(), 1, false);
            for (event, seconds) in events {
                now += TimeDelta::seconds(seconds);
                match event {
                    0 => { breaker.note(Heard::Answer, std::mem::take(&mut probe), now, cycle, 7); }
                    1 => { breaker.note(Heard::Silence, std::mem::take(&mut probe), now, cycle, 7); }
                    2 => { breaker.note(Heard::Silence, false, now, cycle, 7); }
                    3 if probe => {
                        breaker.give_back();
                        probe = false;
                    }
                    // A cycle ends when all its calls have come back.
                    4 if !probe => cycle += 1,
                    _ => {
                        let leave = breaker.ask(now, cycle);
                        prop_assert!(leave != Permit::Probe || !probe, "a second probe");
                        prop_assert!(leave != Permit::Wait || probe, "waits for nobody");
                        probe |= leave == Permit::Probe;
                    }
                }
                if let Some(until) = breaker.until() {
                    prop_assert!(until <= now + TimeDelta::minutes(10));
                }
            }
            if probe {
                breaker.give_back();
            }
            let leave = breaker.ask(now + TimeDelta::minutes(10), cycle + 1);
            prop_assert!(matches!(leave, Permit::Ask | Permit::Probe), "{leave:?}");
        }
    }
}
