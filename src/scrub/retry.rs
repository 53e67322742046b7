//! When a location that stayed pending is tried again.
//!
//! Promises: pure. A location that its store did not delete waits, each time twice as long, never less than its
//! outcome's shortest wait nor more than its longest; another outcome begins anew. What the plan alone finds out
//! (a value that cannot be decrypted, say) never waits: the row is read in each cycle anyway, and looking at it again
//! costs nobody anything, so that a corrected row goes at once.
//!
//! Rejected: `backon`, as in `patience`. It hands out waits one after the other, and would have to be kept alive for
//! each location. And a wait for whole images: two locations of one may lie in two stores.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

use super::plan::{self, Keep, Reason};
use crate::catalog::FailedAttempt;
use crate::config::StoreId;
use crate::store::Outcome;

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);

/// A wait is spread over this part of itself, shorter and longer, in percent: what failed in one moment does not all
/// come back in one moment, nor in step with another scrubber.
const SPREAD: u32 = 15;

/// Where in its spread a wait lies: 0 at the beginning, `u32::MAX` at the end.
pub(super) type Chance = u32;

/// Waits that double from `least` to `most`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct BackOff {
    least: Duration,
    most: Duration,
}

impl BackOff {
    /// A store or container that gives no answer: back within minutes, as a rule. The breaker spares it meanwhile, so
    /// the longest wait can be short.
    pub(super) const SILENT: Self = Self { least: SECOND.saturating_mul(30), most: MINUTE.saturating_mul(10) };
    /// Clones, watchers, attached volumes: somebody's work, which lasts longer than a minute and mostly longer than an
    /// hour. An hour is how long space may lie about after the last clone has gone.
    const IN_USE: Self = Self { least: MINUTE.saturating_mul(5), most: HOUR };
    /// Everything else, which a person has to mend. Six hours: a scrubber that runs once a night tries each night.
    const GENERAL: Self = Self { least: MINUTE, most: HOUR.saturating_mul(6) };

    const fn after(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Unavailable => Self::SILENT,
            Outcome::InUse => Self::IN_USE,
            _ => Self::GENERAL,
        }
    }

    /// How long to wait after so many tries.
    pub(super) fn wait(self, tries: u32, chance: Chance) -> TimeDelta {
        let middle = self.least.saturating_mul(2_u32.saturating_pow(tries.saturating_sub(1))).min(self.most);
        let spread = middle / 100 * SPREAD;
        let (from, to) = ((middle - spread).max(self.least), (middle + spread).min(self.most));
        let width = (to - from).as_millis() * u128::from(chance) / u128::from(Chance::MAX);
        let wait = from + Duration::from_millis(u64::try_from(width).unwrap_or_default());
        TimeDelta::from_std(wait).unwrap_or(TimeDelta::MAX)
    }

    /// Whether a wait until `next` is not over. One that is longer than any comes from a clock that was set back.
    pub(super) fn lasts(self, next: DateTime<Utc>, now: DateTime<Utc>) -> bool {
        (next - now).to_std().is_ok_and(|left| !left.is_zero() && left <= self.most)
    }
}

/// How a kept location stands to what was known of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// It was not known to stay, or stays for another reason now.
    New,
    /// It stays again, for the same reason.
    Again,
    /// It was not tried: its next try is still to come.
    Waiting,
}

/// Whether a reason is remembered: what a person should see once, and what a store is asked about again.
/// The others (not due, shared, over a limit) are no failures, and may be over at any moment.
pub(super) const fn is_remembered(reason: Reason) -> bool {
    reason.is_failure() || matches!(reason, Reason::Outcome(Outcome::InUse))
}

/// What is known of a location that stayed.
#[derive(Debug, Clone)]
pub(super) struct Attempt {
    pub store: Option<Arc<StoreId>>,
    pub reason: Reason,
    /// Its store's words.
    pub words: Option<Arc<str>>,
    /// How often its store was asked in vain, for this reason.
    tries: u32,
    /// Since when it stays for this reason.
    first: DateTime<Utc>,
    /// None where no store was asked.
    next: Option<DateTime<Utc>>,
    /// The cycle that last saw it pending.
    pub seen: u32,
}

impl Attempt {
    /// Kept without a question to its store.
    pub(super) fn unasked(before: Option<&Self>, reason: Reason, now: DateTime<Utc>) -> Self {
        let same = before.filter(|before| before.reason == reason);
        let (tries, first) = same.map_or((0, now), |same| (same.tries, same.first));
        Self { store: None, reason, words: None, tries, first, next: None, seen: 0 }
    }

    /// Kept by its store, or at least on the way to it.
    pub(super) fn asked(before: Option<&Self>, reason: Reason, now: DateTime<Utc>, chance: Chance) -> Self {
        let unasked = Self::unasked(before, reason, now);
        let tries = unasked.tries.saturating_add(1);
        let next = unasked.back_off().map(|back_off| now + back_off.wait(tries, chance));
        Self { tries, next, ..unasked }
    }

    /// For the table of claims.
    pub(super) fn to_row(&self) -> FailedAttempt {
        FailedAttempt {
            attempts: self.tries,
            outcome: self.reason.as_str().to_owned(),
            error: self.words.as_deref().map(str::to_owned),
            store: self.store.as_deref().map(|store| store.0.clone()),
            first: self.first,
            next: self.next,
        }
    }

    /// Whether it is not to be tried yet.
    pub(super) fn waits(&self, now: DateTime<Utc>) -> bool {
        let next = self.next.zip(self.back_off());
        next.is_some_and(|(next, back_off)| back_off.lasts(next, now))
    }

    /// What a report says of it while it waits.
    pub(super) fn keep(&self) -> Keep {
        let times = if self.tries == 1 { "once" } else { &format!("{} times", self.tries) };
        let first = plan::shown(self.first);
        let next = self.next.map_or_else(String::new, |next| format!(", again at {}", plan::shown(next)));
        let words = self.words.as_ref().map_or_else(String::new, |words| format!(": {words}"));
        Keep { reason: self.reason, detail: Some(format!("tried {times} since {first}{next}{words}")) }
    }

    /// A changed config may have mended it. What a config cannot mend stays as it is.
    pub(super) const fn hangs_on_config(&self) -> bool {
        use Outcome::{Forbidden, Malformed, NoStore, Undecryptable};
        matches!(self.reason, Reason::Outcome(Undecryptable | Malformed | NoStore | Forbidden))
    }

    /// Lets it be tried at once, without forgetting that it failed.
    pub(super) fn wait_no_longer(&mut self) {
        self.next = None;
    }

    const fn back_off(&self) -> Option<BackOff> {
        match self.reason {
            Reason::Outcome(outcome) => Some(BackOff::after(outcome)),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const BACK_OFFS: [BackOff; 3] = [BackOff::SILENT, BackOff::IN_USE, BackOff::GENERAL];
    const MIDDLE: Chance = Chance::MAX / 2;

    fn noon() -> DateTime<Utc> {
        "2026-11-21T12:00:00Z".parse().unwrap()
    }

    fn minutes(back_off: BackOff, tries: std::ops::Range<u32>) -> Vec<i64> {
        tries.map(|tries| (back_off.wait(tries, MIDDLE) + TimeDelta::seconds(30)).num_minutes()).collect()
    }

    #[test]
    fn waits_double_up_to_the_longest() {
        // At its ends a wait can only be spread to one side.
        assert_eq!(minutes(BackOff::GENERAL, 1..11), [1, 2, 4, 8, 16, 32, 64, 128, 256, 333]);
        assert_eq!(minutes(BackOff::IN_USE, 1..7), [5, 10, 20, 40, 55, 55]);
        assert_eq!(minutes(BackOff::SILENT, 1..8), [1, 1, 2, 4, 8, 9, 9]);
        assert!(BackOff::SILENT.wait(1, 0) == TimeDelta::seconds(30));
    }

    #[test]
    fn each_outcome_has_its_own_waits() {
        let next = |outcome| {
            let attempt = Attempt::asked(None, Reason::Outcome(outcome), noon(), 0);
            (attempt.next.unwrap() - noon()).num_seconds()
        };
        assert_eq!(next(Outcome::Unavailable), 30);
        assert_eq!(next(Outcome::InUse), 300);
        for outcome in [Outcome::Failed, Outcome::Forbidden, Outcome::NoStore, Outcome::Malformed] {
            assert_eq!(next(outcome), 60, "{outcome}");
        }
    }

    #[test]
    fn another_reason_begins_anew_and_the_same_goes_on() {
        let (failed, busy) = (Reason::Outcome(Outcome::Failed), Reason::Outcome(Outcome::InUse));
        let first = Attempt::asked(None, failed, noon(), 0);
        let later = noon() + TimeDelta::minutes(2);
        let second = Attempt::asked(Some(&first), failed, later, 0);
        assert_eq!((second.tries, second.first), (2, noon()));
        let other = Attempt::asked(Some(&second), busy, later, 0);
        assert_eq!((other.tries, other.first), (1, later));
        let detail = second.keep().detail.unwrap();
        assert_eq!(detail, "tried 2 times since 2026-11-21T12:00:00Z, again at 2026-11-21T12:03:42Z");
        let detail = Attempt { words: Some("a clone".into()), ..other }.keep().detail.unwrap();
        assert_eq!(detail, "tried once since 2026-11-21T12:02:00Z, again at 2026-11-21T12:07:00Z: a clone");
    }

    #[test]
    fn what_no_store_was_asked_about_never_waits_and_is_no_try() {
        let reason = Reason::Outcome(Outcome::Undecryptable);
        let mut attempt = Attempt::unasked(None, reason, noon());
        for _ in 0..100 {
            attempt = Attempt::unasked(Some(&attempt), reason, noon());
        }
        assert!(!attempt.waits(noon()));
        assert_eq!(Attempt::asked(Some(&attempt), reason, noon(), 0).tries, 1);
    }

    #[test]
    fn a_clock_that_was_set_back_prolongs_no_wait() {
        let attempt = Attempt::asked(None, Reason::Outcome(Outcome::Failed), noon(), 0);
        let at = |minutes: i64| attempt.waits(noon() + TimeDelta::minutes(minutes));
        assert!(at(0) && !at(1) && !at(2));
        assert!(at(-60), "an hour is less than the longest wait");
        assert!(!at(-60 * 24));
        assert!(!attempt.waits(DateTime::<Utc>::MIN_UTC) && !attempt.waits(DateTime::<Utc>::MAX_UTC));
    }

    #[test]
    fn only_what_failed_is_remembered() {
        let not = [Reason::NotDue, Reason::Limit, Reason::Changed, Reason::Interrupted, Reason::Restored];
        assert!(!not.into_iter().any(is_remembered) && !is_remembered(Reason::Outcome(Outcome::Shared)));
        for outcome in Outcome::ALL.into_iter().filter(|outcome| *outcome != Outcome::Shared && !outcome.finishes()) {
            assert!(is_remembered(Reason::Outcome(outcome)), "{outcome}");
        }
        assert!(is_remembered(Reason::Orphaned), "told once, too");
    }

    proptest! {
        #[test]
        fn a_wait_is_never_too_short_nor_too_long(which in 0..3_usize, tries: u32, chance: u32) {
            let back_off = BACK_OFFS[which];
            let wait = back_off.wait(tries, chance).to_std().unwrap();
            prop_assert!((back_off.least..=back_off.most).contains(&wait), "{wait:?}");
            let longer = back_off.wait(tries.saturating_add(2), chance).to_std().unwrap();
            prop_assert!(longer >= wait, "{longer:?} after {wait:?}");
        }

        #[test]
        fn a_location_is_tried_again_in_the_end(
            outcomes in proptest::collection::vec(0..Outcome::ALL.len(), 1..100), chance: u32,
        ) {
            let (mut now, mut before) = (noon(), None);
            for reason in outcomes.into_iter().map(|index| Reason::Outcome(Outcome::ALL[index])) {
                let attempt = Attempt::asked(before.as_ref(), reason, now, chance);
                let next = attempt.next.unwrap();
                prop_assert!(attempt.waits(now) && attempt.waits(next - TimeDelta::milliseconds(1)));
                prop_assert!(!attempt.waits(next) && next - now <= TimeDelta::hours(6));
                (now, before) = (next, Some(attempt));
            }
        }
    }
}
