//! When a location that stayed pending is tried again.
//!
//! Promises: pure. A location that its store did not delete waits, each time twice as long, never less than its
//! outcome's shortest wait nor more than its longest; another outcome begins anew. What the plan alone finds out
//! (a value that cannot be decrypted, say) never waits: the row is read in each cycle anyway, and looking at it again
//! costs nobody anything, so that a corrected row goes at once.
//!
//! How long a location has failed counts from its first failure, whatever came after it; only an answer that is no
//! failure (`in_use`) begins that anew. It is given up when that is longer than `[scrubber] give_up_after`, and a try
//! failed so late that the next one would come after it too: a scrubber that was switched off for a month tries once
//! more before it gives up.
//!
//! Rejected: the time of each outcome beside the first of all, which would be one more column for a number that nobody
//! acts on; `backon`, as in `patience`. It hands out waits one after the other, and would have to be kept alive for
//! each location. And a wait for whole images: two locations of one may lie in two stores.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

use super::plan::{self, Keep, Reason};
use crate::catalog::{FailedAttempt, ImageId};
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
    /// Since when it fails, for whatever reasons; or since when it is in use.
    first: DateTime<Utc>,
    /// None where no store was asked, and where it was told that it is given up.
    next: Option<DateTime<Utc>>,
    /// A later version wrote down why it stays, in a word of its own. `reason` stands in for it.
    foreign: bool,
    /// A hash of its image, where that is known: a database may give the id of a row that was purged to another one.
    image: Option<NonZeroU32>,
    /// The cycle that last saw it pending.
    pub seen: u32,
}

/// Who lets a location be tried that was given up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Remedy {
    /// Failures are in a table: `--retry-now`.
    RetryNow,
    /// Failures are in this process alone.
    Signal,
}

impl Attempt {
    /// Kept without a question to its store.
    pub(super) fn unasked(before: Option<&Self>, reason: Reason, now: DateTime<Utc>) -> Self {
        let tries = before.filter(|before| before.reason == reason && !before.foreign).map_or(0, |same| same.tries);
        let on = before.filter(|before| before.reason.is_failure() == reason.is_failure());
        let first = on.map_or(now, |before| before.first);
        Self { store: None, reason, words: None, tries, first, next: None, foreign: false, image: None, seen: 0 }
    }

    /// Kept by its store, or at least on the way to it.
    pub(super) fn asked(before: Option<&Self>, reason: Reason, now: DateTime<Utc>, chance: Chance) -> Self {
        let unasked = Self::unasked(before, reason, now);
        let tries = unasked.tries.saturating_add(1);
        let next = unasked.back_off().map(|back_off| now + back_off.wait(tries, chance));
        Self { tries, next, ..unasked }
    }

    /// As the table has it, with its times by our clock. `store` and `words` are left to who shares them.
    pub(super) fn known(image: &ImageId, failed: &FailedAttempt, ahead: TimeDelta) -> Self {
        const SHARED: Reason = Reason::Outcome(Outcome::Shared);
        let known = |reason: &Reason| *reason == SHARED || is_remembered(*reason) && *reason != Reason::GivenUp;
        let reason = Reason::of_word(&failed.outcome).filter(known);
        Self {
            store: None,
            reason: reason.unwrap_or(Reason::Outcome(Outcome::Failed)),
            words: None,
            tries: failed.attempts,
            first: shifted(failed.first, ahead),
            next: failed.next.map(|next| shifted(next, ahead)),
            // `shared` is the word of a restore, and how long it holds is not ours to judge either.
            foreign: reason.is_none_or(|reason| reason == SHARED),
            image: hashed(image),
            seen: 0,
        }
    }

    /// The words of a later version: its own reason, then its detail.
    pub(super) fn foreign_words(&self, failed: &FailedAttempt) -> Option<String> {
        let error = failed.error.as_ref().map_or_else(String::new, |error| format!(": {error}"));
        self.foreign.then(|| format!("{}{error}", failed.outcome))
    }

    /// For the table, whose clock ours is `ahead` of.
    pub(super) fn to_row(&self, ahead: TimeDelta) -> FailedAttempt {
        FailedAttempt {
            attempts: self.tries,
            outcome: self.reason.as_str().to_owned(),
            error: self.words.as_deref().map(str::to_owned),
            store: self.store.as_deref().map(|store| store.0.clone()),
            first: shifted(self.first, -ahead),
            next: self.next.map(|next| shifted(next, -ahead)),
        }
    }

    /// Whether it may be about a location of this image.
    pub(super) fn is_of(&self, image: Option<&ImageId>) -> bool {
        let other = |known| image.and_then(hashed).is_some_and(|image| image != known);
        !self.image.is_some_and(other)
    }

    /// Whether it is not to be tried yet.
    pub(super) fn waits(&self, now: DateTime<Utc>) -> bool {
        // What a later version waits for, and how long, is not ours to judge.
        if self.foreign {
            return self.next.is_some_and(|next| next > now);
        }
        let next = self.next.zip(self.back_off());
        next.is_some_and(|(next, back_off)| back_off.lasts(next, now))
    }

    /// Whether it is not to be tried any more, where locations are given up `after` so long.
    pub(super) fn is_given_up(&self, now: DateTime<Utc>, after: Option<TimeDelta>) -> bool {
        let Some(after) = after else { return false };
        let late = |at: DateTime<Utc>| at - self.first > after;
        !self.foreign && self.reason.is_failure() && late(now) && self.next.is_none_or(late)
    }

    /// Takes note that it is told as given up. Whether that is news; of what no store was asked about, it never is.
    pub(super) fn tell_given_up(&mut self) -> bool {
        self.next.take().is_some()
    }

    /// Whether a store was ever asked about it.
    pub(super) const fn was_asked(&self) -> bool {
        self.tries > 0
    }

    /// What a report says of it while it waits.
    pub(super) fn keep(&self) -> Keep {
        let next = self.next.map_or_else(String::new, |next| format!(", again at {}", plan::shown(next)));
        let words = self.words.as_ref().map_or_else(String::new, |words| format!(": {words}"));
        Keep { reason: self.reason, detail: Some(format!("{}{next}{words}", self.history())) }
    }

    /// What a report says of it after it was given up. `words` are the last ones heard.
    pub(super) fn given_up(&self, words: Option<&str>, remedy: Remedy) -> Keep {
        let words = words.map_or_else(String::new, |words| format!(": {words}"));
        let remedy = match remedy {
            Remedy::RetryNow => "--retry-now tries it again",
            Remedy::Signal => "SIGUSR1 tries it again",
        };
        let detail = format!("{}, {}{words}; {remedy}", self.reason.as_str(), self.history());
        Keep { reason: Reason::GivenUp, detail: Some(detail) }
    }

    fn history(&self) -> String {
        let first = plan::shown(self.first);
        match self.tries {
            0 => format!("stays since {first}"),
            1 => format!("tried once, stays since {first}"),
            tries => format!("tried {tries} times, stays since {first}"),
        }
    }

    /// A changed config, an address in it, may have made its store answer.
    pub(super) fn hangs_on_answer(&self) -> bool {
        self.reason == Reason::Outcome(Outcome::Unavailable)
    }

    /// A changed config may have mended it. What a config cannot mend stays as it is.
    pub(super) const fn hangs_on_config(&self) -> bool {
        use Outcome::{Forbidden, Malformed, NoStore, Undecryptable};
        matches!(self.reason, Reason::Outcome(Undecryptable | Malformed | NoStore | Forbidden))
    }

    /// Lets it be tried at once, without forgetting that it failed, also where it was given up.
    pub(super) fn wait_no_longer(&mut self) {
        self.next = Some(self.first);
    }

    const fn back_off(&self) -> Option<BackOff> {
        match self.reason {
            Reason::Outcome(outcome) => Some(BackOff::after(outcome)),
            _ => None,
        }
    }
}

/// Ids of images compare without case. One in four milliards has no hash.
fn hashed(image: &ImageId) -> Option<NonZeroU32> {
    let step = |hash: u32, byte: u8| (hash ^ u32::from(byte.to_ascii_lowercase())).wrapping_mul(0x0100_0193);
    NonZeroU32::new(image.0.bytes().fold(0x811c_9dc5, step))
}

/// A time by another clock. Beyond all time it stays as it is.
fn shifted(at: DateTime<Utc>, by: TimeDelta) -> DateTime<Utc> {
    at.checked_add_signed(by).unwrap_or(at)
}

#[cfg(test)]
#[path = "retry_tests.rs"]
mod tests;
