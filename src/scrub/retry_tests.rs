//! When it is tried again, and when no more.

use proptest::prelude::*;

use super::*;

const BACK_OFFS: [BackOff; 3] = [BackOff::SILENT, BackOff::IN_USE, BackOff::GENERAL];
const MIDDLE: Chance = Chance::MAX / 2;

fn image() -> ImageId {
    ImageId("e9f0a2c4-0000-4000-8000-00000000abcd".to_owned())
}

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
fn another_reason_begins_its_waits_anew_and_the_same_goes_on() {
    let (failed, busy) = (Reason::Outcome(Outcome::Failed), Reason::Outcome(Outcome::InUse));
    let first = Attempt::asked(None, failed, noon(), 0);
    let later = noon() + TimeDelta::minutes(2);
    let second = Attempt::asked(Some(&first), failed, later, 0);
    assert_eq!((second.tries, second.first), (2, noon()));
    let other = Attempt::asked(Some(&second), busy, later, 0);
    assert_eq!((other.tries, other.first), (1, later));
    let detail = second.keep().detail.unwrap();
    assert_eq!(detail, "tried 2 times, stays since 2026-11-21T12:00:00Z, again at 2026-11-21T12:03:42Z");
    let detail = Attempt { words: Some("a clone".into()), ..other }.keep().detail.unwrap();
    assert_eq!(detail, "tried once, stays since 2026-11-21T12:02:00Z, again at 2026-11-21T12:07:00Z: a clone");
}

#[test]
fn failing_counts_from_the_first_failure_of_all() {
    let reason = Reason::Outcome;
    let later = noon() + TimeDelta::hours(1);
    let first = Attempt::asked(None, reason(Outcome::Failed), noon(), 0);
    let asked = |before: &Attempt, outcome| Attempt::asked(Some(before), reason(outcome), later, 0);
    let other = asked(&first, Outcome::Unavailable);
    assert_eq!((other.tries, other.first), (1, noon()), "another failure waits anew, and fails as long");
    assert_eq!(Attempt::unasked(Some(&other), Reason::Orphaned, later).first, noon());
    assert_eq!(asked(&asked(&other, Outcome::InUse), Outcome::Failed).first, later, "in between it did not fail");
}

#[test]
fn it_is_given_up_after_a_late_failure_and_not_by_time_alone() {
    let (failed, day) = (Reason::Outcome(Outcome::Failed), TimeDelta::days(1));
    let at = |hours| noon() + TimeDelta::hours(hours);
    let once = Attempt::asked(None, failed, noon(), 0);
    assert!(!once.is_given_up(at(100), Some(day)), "nobody has tried for four days");
    let mut late = Attempt::asked(Some(&once), failed, at(100), 0);
    assert!(late.is_given_up(at(100), Some(day)) && !late.is_given_up(at(100), None));
    assert!(!late.is_given_up(at(100), Some(TimeDelta::days(5))));
    // Tried an hour before its day is over, and again after it: given up when the day is over.
    let almost = Attempt { tries: 9, ..Attempt::asked(Some(&Attempt { tries: 8, ..once.clone() }), failed, at(23), 0) };
    assert!(almost.next.unwrap() > at(24) && !almost.is_given_up(at(24), Some(day)));
    assert!(almost.is_given_up(at(25), Some(day)));
    assert_eq!([late.tell_given_up(), late.tell_given_up()], [true, false]);
    assert!(late.is_given_up(at(100), Some(day)) && late.is_given_up(at(1000), Some(day)));
    late.wait_no_longer();
    assert!(!late.is_given_up(at(1000), Some(day)) && !late.waits(at(100)), "a new config lets it be tried");
    let busy = Attempt::asked(None, Reason::Outcome(Outcome::InUse), noon(), 0);
    let busy = Attempt::asked(Some(&busy), Reason::Outcome(Outcome::InUse), at(1000), 0);
    assert!(!busy.is_given_up(at(1000), Some(day)), "in use is no failure");
    let unasked = Attempt::unasked(None, Reason::Outcome(Outcome::Undecryptable), noon());
    assert!(!unasked.is_given_up(at(24), Some(day)) && unasked.is_given_up(at(25), Some(day)));
}

#[test]
fn what_is_given_up_says_how_it_failed_and_what_to_do() {
    let attempt = Attempt::asked(None, Reason::Outcome(Outcome::Failed), noon(), 0);
    let keep = attempt.given_up(Some("its words"), Remedy::RetryNow);
    assert_eq!(keep.reason, Reason::GivenUp);
    let detail = "failed, tried once, stays since 2026-11-21T12:00:00Z: its words; --retry-now tries it again";
    assert_eq!(keep.detail.unwrap(), detail);
    let unasked = Attempt::unasked(None, Reason::Outcome(Outcome::NoStore), noon());
    let keep = unasked.given_up(None, Remedy::Signal);
    assert_eq!(keep.detail.unwrap(), "no_store, stays since 2026-11-21T12:00:00Z; SIGUSR1 tries it again");
}

#[test]
fn a_row_is_what_was_written_by_the_clock_of_the_table() {
    let ahead = TimeDelta::hours(1);
    let first = Attempt::asked(None, Reason::Outcome(Outcome::Forbidden), noon(), 0);
    let written = Attempt::asked(Some(&first), Reason::Outcome(Outcome::Forbidden), noon(), 0).to_row(ahead);
    assert_eq!((written.attempts, written.outcome.as_str()), (2, "forbidden"));
    assert_eq!((written.first, written.next), (noon() - ahead, Some(noon() - ahead + TimeDelta::seconds(102))));
    let read = Attempt::known(&image(), &written, ahead);
    assert_eq!((read.tries, read.first, read.reason), (2, noon(), first.reason));
    assert!(read.waits(noon()) && Attempt::asked(Some(&read), first.reason, noon(), 0).tries == 3);
}

#[test]
fn what_is_known_of_another_image_is_not_this_ones() {
    let row = Attempt::asked(None, Reason::Outcome(Outcome::Failed), noon(), 0);
    assert!(row.is_of(Some(&image())), "a try of this process");
    let known = Attempt::known(&image(), &row.to_row(TimeDelta::zero()), TimeDelta::zero());
    assert!(known.is_of(Some(&image())) && known.is_of(Some(&ImageId(image().0.to_uppercase()))) && known.is_of(None));
    assert!(!known.is_of(Some(&ImageId("another".to_owned()))));
}

#[test]
fn a_word_of_a_later_version_waits_as_that_said_and_is_no_obstacle() {
    let (first, next) = (noon(), Some(noon() + TimeDelta::days(30)));
    let error = Some("by policy".to_owned());
    for outcome in ["quarantined", "not_due", "deleted", "given_up", ""] {
        let failed =
            FailedAttempt { attempts: 7, outcome: outcome.to_owned(), error: error.clone(), store: None, first, next };
        let known = Attempt::known(&image(), &failed, TimeDelta::zero());
        assert!(known.waits(noon() + TimeDelta::days(29)) && !known.waits(noon() + TimeDelta::days(30)), "{outcome}");
        assert!(!known.is_given_up(noon() + TimeDelta::days(90), Some(TimeDelta::days(1))));
        assert_eq!(known.foreign_words(&failed).unwrap(), format!("{outcome}: by policy"));
        assert_eq!(Attempt::asked(Some(&known), Reason::Outcome(Outcome::Failed), noon(), 0).tries, 1);
        assert!(!Attempt::known(&image(), &FailedAttempt { next: None, ..failed }, TimeDelta::zero()).waits(noon()));
    }
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
    assert!(!not.into_iter().any(is_remembered));
    let passing = [Outcome::Shared, Outcome::Deleting];
    assert!(!passing.into_iter().any(|outcome| is_remembered(Reason::Outcome(outcome))));
    for outcome in Outcome::ALL.into_iter().filter(|outcome| !passing.contains(outcome) && !outcome.finishes()) {
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
