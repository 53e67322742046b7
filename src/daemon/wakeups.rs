//! When the next cycle begins: pure decisions on times that the caller brings.
//!
//! Promises: never two cycles at once, since the next one is only asked for when the last has ended; a cycle that took
//! longer than the time to the next wake-up is an overrun and followed at once; with `wakeup_time = 0` a cycle that
//! found nothing to do is followed by a pause, so that an idle daemon does not spin. Seconds between wake-ups are
//! counted by a clock that nobody sets; a cron expression means the clock on the wall, in UTC.
//! Rejected: tokio-cron-scheduler, whose loop wakes the process twice a second to ask whether it is time, and whose
//! repeated jobs overlap; its parser, croner, is used alone.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use croner::Cron;
use tokio::time::Instant;

/// The pause of `wakeup_time = 0` after a cycle without work.
const IDLE_PAUSE: Duration = Duration::from_secs(1);

/// By how much a clock may be set back without a cycle being repeated. Time servers step by seconds; a repeated cycle is
/// harmless, but one that does not come is not.
const CORRECTION: TimeDelta = TimeDelta::hours(1);

/// When cycles begin.
#[derive(Debug, Clone)]
pub(crate) enum Rhythm {
    /// `wakeup_time` after the last one began.
    Every(Duration),
    /// `[scrubber] wakeup_cron`, and for how long work may be started after such an instant (`window`).
    Cron(Box<Cron>, Option<Duration>),
}

/// The beginning of a cycle, by the clock that its rhythm goes by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wake {
    /// In the process's own time.
    At(Instant),
    /// By the clock on the wall. The clock may be set while one waits, so it is to be asked again.
    On(DateTime<Utc>),
    /// Never: the expression names no instant that is still to come.
    Never,
}

/// What a cycle leaves to decide the next one by.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Past {
    /// When it began, in both times.
    pub began: Instant,
    pub began_at: DateTime<Utc>,
    /// There was something to do.
    pub worked: bool,
}

impl Rhythm {
    /// The first cycle: at once, or in the window that is open now, or when the next one opens.
    pub(crate) fn first(&self, now: Instant, clock: DateTime<Utc>, jitter: Duration) -> Wake {
        match self {
            Self::Every(_) => Wake::At(now + jitter),
            Self::Cron(cron, window) => {
                // An instant of this very second counts as past: its window is open.
                let past = cron.find_previous_occurrence(&clock, true).ok();
                match (past, window) {
                    (Some(past), Some(window)) if clock < later(past, *window) => Wake::At(now + jitter),
                    _ => upcoming(cron, clock),
                }
            }
        }
    }

    /// The cycle after `past`, which has just ended, and whether that one took too long.
    pub(crate) fn next(&self, past: Past, now: Instant, clock: DateTime<Utc>) -> (Wake, bool) {
        match self {
            Self::Every(period) if period.is_zero() => {
                (Wake::At(if past.worked { now } else { now + IDLE_PAUSE }), false)
            }
            Self::Every(period) => {
                let due = past.began + *period;
                (Wake::At(due.max(now)), due < now)
            }
            Self::Cron(cron, window) => {
                // From the last beginning on, so that an instant that passed under the cycle is not lost; not backwards,
                // should the clock have been corrected. One that was set back by much was wrong when the cycle began: by
                // that time, the next one may be years away.
                let since = if past.began_at - clock > CORRECTION { clock } else { past.began_at };
                let Wake::On(due) = upcoming(cron, since) else { return (Wake::Never, false) };
                if due > clock {
                    return (Wake::On(due), false);
                }
                // Only if the window of the latest instant that passed is open still.
                let latest = cron.find_previous_occurrence(&clock, true).unwrap_or(due);
                let open = window.is_none_or(|window| clock < later(latest, window));
                (if open { Wake::At(now) } else { upcoming(cron, clock) }, true)
            }
        }
    }

    /// How long a cycle that begins at `clock` may start new work; `None` is no limit.
    pub(crate) fn window(&self, clock: DateTime<Utc>) -> Option<Duration> {
        let Self::Cron(cron, Some(window)) = self else { return None };
        let opened = cron.find_previous_occurrence(&clock, true).unwrap_or(clock);
        (later(opened, *window) - clock).to_std().ok().or(Some(Duration::ZERO))
    }
}

fn upcoming(cron: &Cron, clock: DateTime<Utc>) -> Wake {
    cron.find_next_occurrence(&clock, false).map_or(Wake::Never, Wake::On)
}

fn later(instant: DateTime<Utc>, by: Duration) -> DateTime<Utc> {
    let by = TimeDelta::from_std(by).unwrap_or(TimeDelta::MAX);
    instant.checked_add_signed(by).unwrap_or(DateTime::<Utc>::MAX_UTC)
}

#[cfg(test)]
mod tests {
    use std::str::FromStr;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn at(text: &str) -> DateTime<Utc> {
        DateTime::from_str(text).unwrap()
    }

    fn cron(text: &str, window: Option<u64>) -> Rhythm {
        Rhythm::Cron(Box::new(Cron::from_str(text).unwrap()), window.map(Duration::from_secs))
    }

    fn past(began: Instant, began_at: &str, worked: bool) -> Past {
        Past { began, began_at: at(began_at), worked }
    }

    #[test]
    fn a_period_counts_from_the_beginning_and_an_overrun_is_followed_at_once() {
        let (begun, clock) = (Instant::now(), at("2026-01-01T00:00:00Z"));
        let rhythm = Rhythm::Every(10 * SECOND);
        assert_eq!(rhythm.first(begun, clock, 3 * SECOND), Wake::At(begun + 3 * SECOND));
        let last = past(begun, "2026-01-01T00:00:00Z", true);
        assert_eq!(rhythm.next(last, begun + 4 * SECOND, clock), (Wake::At(begun + 10 * SECOND), false));
        assert_eq!(rhythm.next(last, begun + 25 * SECOND, clock), (Wake::At(begun + 25 * SECOND), true));
        assert_eq!(rhythm.next(last, begun + 10 * SECOND, clock), (Wake::At(begun + 10 * SECOND), false));
    }

    #[test]
    fn without_a_period_an_idle_daemon_pauses_and_a_busy_one_does_not() {
        let (now, clock) = (Instant::now(), at("2026-01-01T00:00:00Z"));
        let rhythm = Rhythm::Every(Duration::ZERO);
        let next = |worked| rhythm.next(past(now, "2026-01-01T00:00:00Z", worked), now, clock).0;
        assert_eq!(next(true), Wake::At(now));
        assert_eq!(next(false), Wake::At(now + IDLE_PAUSE));
    }

    #[test]
    fn a_daemon_that_starts_outside_of_its_window_waits_for_the_next() {
        let now = Instant::now();
        let nightly = cron("0 2 * * *", Some(7200));
        let first = |clock| nightly.first(now, at(clock), Duration::ZERO);
        assert_eq!(first("2026-01-01T12:00:00Z"), Wake::On(at("2026-01-02T02:00:00Z")));
        assert_eq!(first("2026-01-01T03:59:59Z"), Wake::At(now), "a restart within the window goes on");
        assert_eq!(first("2026-01-01T02:00:00Z"), Wake::At(now));
        assert_eq!(first("2026-01-01T04:00:00Z"), Wake::On(at("2026-01-02T02:00:00Z")));
        let no_window = cron("0 2 * * *", None);
        assert_eq!(no_window.first(now, at("2026-01-01T02:00:01Z"), SECOND), Wake::On(at("2026-01-02T02:00:00Z")));
    }

    #[test]
    fn an_instant_that_passed_under_a_cycle_is_an_overrun() {
        let now = Instant::now();
        let hourly = cron("0 * * * *", None);
        let last = past(now, "2026-01-01T01:00:00Z", true);
        assert_eq!(hourly.next(last, now, at("2026-01-01T01:20:00Z")), (Wake::On(at("2026-01-01T02:00:00Z")), false));
        assert_eq!(hourly.next(last, now, at("2026-01-01T02:00:00Z")), (Wake::At(now), true));
        let windowed = cron("0 * * * *", Some(600));
        assert_eq!(windowed.next(last, now, at("2026-01-01T03:05:00Z")), (Wake::At(now), true));
        let missed = windowed.next(last, now, at("2026-01-01T03:15:00Z"));
        assert_eq!(missed, (Wake::On(at("2026-01-01T04:00:00Z")), true), "its window has closed");
    }

    #[test]
    fn a_clock_that_is_set_back_a_little_does_not_repeat_a_cycle_and_one_that_was_wrong_is_not_believed() {
        let now = Instant::now();
        let last = past(now, "2026-01-01T01:00:00Z", true);
        let next = |rhythm: &Rhythm, clock| rhythm.next(last, now, at(clock));
        let hourly = cron("0 * * * *", None);
        for clock in ["2026-01-01T00:59:58Z", "2026-01-01T00:00:00Z"] {
            assert_eq!(next(&hourly, clock), (Wake::On(at("2026-01-01T02:00:00Z")), false), "{clock}");
        }
        assert_eq!(next(&hourly, "2025-06-30T20:30:00Z"), (Wake::On(at("2025-06-30T21:00:00Z")), false));
        let windowed = cron("0 * * * *", Some(600));
        assert_eq!(next(&windowed, "2025-06-30T20:05:00Z"), (Wake::On(at("2025-06-30T21:00:00Z")), false));
    }

    #[test]
    fn a_clock_that_is_set_forward_is_followed_at_once() {
        let now = Instant::now();
        let last = past(now, "2026-01-01T01:00:00Z", true);
        assert_eq!(cron("0 2 * * *", None).next(last, now, at("2027-06-01T12:00:00Z")), (Wake::At(now), true));
        let night = cron("0 2 * * *", Some(7200));
        let next = night.next(last, now, at("2027-06-01T12:00:00Z"));
        assert_eq!(next, (Wake::On(at("2027-06-02T02:00:00Z")), true), "but not outside of the window");
    }

    /// Whatever the clock on the wall says, seconds are counted by another one.
    #[test]
    fn a_period_does_not_care_about_the_clock() {
        let now = Instant::now();
        let last = past(now, "2026-01-01T01:00:00Z", true);
        for clock in ["1970-01-01T00:00:00Z", "2026-01-01T01:00:01Z", "2099-01-01T00:00:00Z"] {
            let next = Rhythm::Every(10 * SECOND).next(last, now + SECOND, at(clock));
            assert_eq!(next, (Wake::At(now + 10 * SECOND), false), "{clock}");
        }
    }

    #[test]
    fn an_expression_without_a_future_never_wakes() {
        let last = past(Instant::now(), "2026-01-01T01:00:00Z", true);
        let never = cron("0 0 30 2 *", None);
        assert_eq!(never.first(Instant::now(), at("2026-01-01T00:00:00Z"), SECOND), Wake::Never);
        assert_eq!(never.next(last, Instant::now(), at("2026-01-01T01:00:01Z")), (Wake::Never, false));
    }

    #[test]
    fn a_window_shrinks_with_the_time() {
        let nightly = cron("0 2 * * *", Some(7200));
        assert_eq!(nightly.window(at("2026-01-01T02:30:00Z")), Some(5400 * SECOND));
        assert_eq!(nightly.window(at("2026-01-01T09:00:00Z")), Some(Duration::ZERO));
        assert_eq!(cron("0 2 * * *", None).window(at("2026-01-01T02:30:00Z")), None);
        assert_eq!(Rhythm::Every(SECOND).window(at("2026-01-01T02:30:00Z")), None);
    }
}
