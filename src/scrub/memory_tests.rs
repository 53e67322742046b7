//! What is remembered, and what is forgotten.

use chrono::TimeDelta;
use proptest::prelude::*;

use super::*;
use crate::claim::Hold;

fn noon() -> DateTime<Utc> {
    "2026-11-21T12:00:00Z".parse().unwrap()
}

fn store() -> StoreId {
    StoreId("ceph".to_owned())
}

fn keep(outcome: Outcome, detail: &str) -> Keep {
    Keep { reason: Reason::Outcome(outcome), detail: Some(detail.to_owned()) }
}

/// With the shortest waits.
fn memory() -> Memory {
    let memory = Memory::with_chance(|| 0);
    memory.begin(noon(), None);
    memory
}

/// A cycle's plan that sees these, and which of them wait.
fn plan(memory: &Memory, now: DateTime<Utc>, locations: impl IntoIterator<Item = i64>) -> Vec<i64> {
    memory.begin(now, None);
    let waiting = locations.into_iter().filter(|location| memory.see(LocationId(*location), None).is_some()).collect();
    memory.forget_unseen();
    waiting
}

fn silent(memory: &Memory, container: &str, calls: usize) {
    (0..calls).for_each(|_| memory.heard(&store(), container, Heard::Silence, None, noon()));
}

fn states(memory: &Memory) -> Vec<(String, &'static str)> {
    memory.breakers().into_iter().map(|breaker| (breaker.container, breaker.state.as_str())).collect()
}

#[test]
fn a_location_takes_few_bytes() {
    assert!(size_of::<(LocationId, Attempt)>() <= 72, "{}", size_of::<(LocationId, Attempt)>());
}

#[test]
fn a_location_waits_and_says_what_it_was_told() {
    let memory = memory();
    let busy = keep(Outcome::InUse, "a clone");
    assert_eq!(memory.kept(LocationId(1), &store(), &busy, noon()), Standing::New);
    assert!(plan(&memory, noon() + TimeDelta::minutes(4), [1, 2]) == [1]);
    let Untried { keep, store: of, standing } = memory.see(LocationId(1), None).unwrap();
    assert_eq!(standing, Standing::Waiting);
    assert_eq!(keep.reason, busy.reason);
    assert_eq!(
        keep.detail.unwrap(),
        "tried once, stays since 2026-11-21T12:00:00Z, again at 2026-11-21T12:05:00Z: a clone"
    );
    assert_eq!(of.as_deref(), Some(&store()));
    let now = noon() + TimeDelta::minutes(5);
    assert!(plan(&memory, now, [1]).is_empty());
    assert_eq!(memory.kept(LocationId(1), &store(), &busy, now), Standing::Again);
    assert!(!memory.lets_any(&[LocationId(1)]) && memory.lets_any(&[LocationId(1), LocationId(2)]));
    assert!(!memory.lets_any(&[]), "nothing to try");
    memory.gone(LocationId(1));
    assert_eq!(memory.remembered(), 0);
}

#[test]
fn another_reason_is_news() {
    let memory = memory();
    let kept = |outcome| memory.kept(LocationId(1), &store(), &keep(outcome, "-"), noon());
    assert_eq!([kept(Outcome::Failed), kept(Outcome::Failed)], [Standing::New, Standing::Again]);
    assert_eq!([kept(Outcome::InUse), kept(Outcome::Failed)], [Standing::New, Standing::New]);
    assert_eq!([kept(Outcome::Shared), kept(Outcome::Failed)], [Standing::New, Standing::Again], "no failure");
    let unasked = |reason| memory.kept_unasked(LocationId(2), Keep::plain(reason)).1;
    assert_eq!([unasked(Reason::Orphaned), unasked(Reason::Orphaned)], [Standing::New, Standing::Again]);
    unasked(Reason::NotDue);
    assert_eq!(memory.remembered(), 2);
}

#[test]
fn what_no_plan_sees_any_more_is_forgotten() {
    let memory = memory();
    for id in 0..10 {
        memory.kept(LocationId(id), &store(), &keep(Outcome::Failed, "-"), noon());
    }
    assert_eq!(plan(&memory, noon(), 3..5), [3, 4]);
    assert_eq!(memory.remembered(), 2);
    plan(&memory, noon(), []);
    assert_eq!((memory.remembered(), memory.lock_locations().words.len()), (0, 0));
    assert!(memory.lock_locations().known.capacity() < 10);
}

#[test]
fn it_is_bounded() {
    let memory = memory();
    for id in 0..i64::try_from(LOCATIONS).unwrap() + 10 {
        memory.kept(LocationId(id), &store(), &keep(Outcome::Failed, &format!("file {id}")), noon());
    }
    assert_eq!(memory.remembered(), LOCATIONS);
    // A table is never more than seven eighths full, and has one byte for each place.
    assert!(memory.lock_locations().known.capacity() / 7 * 8 * 73 < 20_000_000);
    assert_eq!(memory.lock_locations().words.values().map(Vec::len).collect::<Vec<_>>(), [WORDS]);
    let detail = |id| memory.see(LocationId(id), None).unwrap().keep.detail.unwrap();
    assert!(detail(0).ends_with(": file 0") && !detail(1000).contains("file"));
    // Who is known already is remembered still.
    assert_eq!(memory.kept(LocationId(0), &store(), &keep(Outcome::Failed, "-"), noon()), Standing::Again);
    assert_eq!(memory.kept(LocationId(-1), &store(), &keep(Outcome::Failed, "-"), noon()), Standing::New);
    let long = "ä".repeat(WORD_LENGTH * 2);
    memory.kept(LocationId(0), &store(), &keep(Outcome::InUse, &long), noon());
    assert!(detail(0).ends_with(&format!(": {}", "ä".repeat(WORD_LENGTH))));
}

#[test]
fn a_new_config_lets_try_what_hung_on_the_old_one() {
    let memory = memory();
    let outcomes = [Outcome::NoStore, Outcome::Forbidden, Outcome::Malformed, Outcome::Undecryptable];
    for (id, outcome) in (0..).zip(outcomes.into_iter().chain([Outcome::InUse, Outcome::Failed, Outcome::Unavailable]))
    {
        memory.kept(LocationId(id), &store(), &keep(outcome, "-"), noon());
    }
    silent(&memory, "pool", 3);
    assert_eq!(plan(&memory, noon(), 0..7), [0, 1, 2, 3, 4, 5, 6]);
    silent(&memory, "pool", 3);
    memory.config_changed();
    assert_eq!(plan(&memory, noon(), 0..7), [4, 5]);
    let standing = |outcome, id| memory.kept(LocationId(id), &store(), &keep(outcome, "-"), noon());
    assert_eq!(standing(Outcome::NoStore, 0), Standing::New, "told again: the new config did not mend it");
    assert_eq!(standing(Outcome::Unavailable, 6), Standing::Again);
}

#[test]
fn a_new_config_probes_at_once_and_forgetting_closes() {
    let memory = memory();
    silent(&memory, "pool", 3);
    memory.config_changed();
    memory.begin(noon(), None);
    assert!(memory.leave_alone(&store(), "pool").is_none());
    let Turn::Ask(Some(probe)) = memory.turn(&store(), "pool", noon()) else { panic!("no probe") };
    assert!(matches!(memory.turn(&store(), "pool", noon()), Turn::Wait));
    drop(probe);
    memory.forget();
    assert!(matches!(memory.turn(&store(), "pool", noon()), Turn::Ask(None)));
    assert_eq!(memory.breakers(), []);
}

#[test]
fn breakers_are_of_one_container_of_one_store() {
    let memory = memory();
    silent(&memory, "pool", 3);
    silent(&memory, "other", 2);
    assert_eq!(states(&memory), [("other".to_owned(), "closed"), ("pool".to_owned(), "open")]);
    assert_eq!(memory.breakers()[1].until, Some(noon() + TimeDelta::seconds(30)));
    memory.begin(noon() + TimeDelta::seconds(1), None);
    let kept = memory.leave_alone(&store(), "pool").unwrap();
    assert_eq!(kept.reason, Reason::Outcome(Outcome::Unavailable));
    assert!(kept.detail.unwrap().ends_with("left alone until 2026-11-21T12:00:30Z"));
    assert!(memory.leave_alone(&store(), "other").is_none());
    assert!(memory.leave_alone(&StoreId("swift".to_owned()), "pool").is_none());
}

#[test]
fn a_probe_that_is_lost_is_given_back() {
    let memory = memory();
    silent(&memory, "pool", 3);
    let later = noon() + TimeDelta::minutes(1);
    memory.begin(later, None);
    let turn = || memory.turn(&store(), "pool", later);
    for _ in 0..3 {
        let Turn::Ask(Some(probe)) = turn() else { panic!("no probe") };
        assert!(probe.is_for("pool") && matches!(turn(), Turn::Wait));
        assert_eq!(states(&memory), [("pool".to_owned(), "half_open")]);
        // Dropped, or its call was not made after all.
        memory.heard(&store(), "pool", Heard::Nothing, Some(probe), later);
    }
    let Turn::Ask(probe) = turn() else { panic!("no probe") };
    memory.heard(&store(), "pool", Heard::Answer, probe, later);
    assert!(matches!(turn(), Turn::Ask(None)));
    assert_eq!(states(&memory), [("pool".to_owned(), "closed")]);
    plan(&memory, later, []);
    assert_eq!(states(&memory), []);
}

#[test]
fn a_breaker_with_nothing_due_behind_it_is_forgotten() {
    let memory = memory();
    silent(&memory, "pool", 3);
    memory.begin(noon(), None);
    memory.leave_alone(&store(), "pool");
    memory.forget_unseen();
    assert_eq!(states(&memory).len(), 1);
    plan(&memory, noon(), []);
    assert_eq!(states(&memory), []);
}

#[test]
fn what_is_given_up_is_told_once_and_not_tried() {
    let (memory, hour) = (memory(), Duration::from_secs(3600));
    let failed = keep(Outcome::Failed, "its words");
    memory.kept(LocationId(1), &store(), &failed, noon());
    let mut now = noon() + TimeDelta::hours(2);
    memory.begin(now, Some(hour));
    assert!(memory.see(LocationId(1), None).is_none(), "one more try");
    memory.kept(LocationId(1), &store(), &failed, now);
    for standing in [Standing::New, Standing::Again, Standing::Again] {
        now += TimeDelta::days(1);
        memory.begin(now, Some(hour));
        assert!(!memory.lets_any(&[LocationId(1)]));
        let untried = memory.see(LocationId(1), None).unwrap();
        assert_eq!((untried.keep.reason, untried.standing), (Reason::GivenUp, standing));
        let detail = "failed, tried 2 times, stays since 2026-11-21T12:00:00Z: its words; SIGUSR1 tries it again";
        assert_eq!(untried.keep.detail.unwrap(), detail);
        assert_eq!(untried.store.as_deref(), Some(&store()));
    }
    memory.begin(now, None);
    assert!(memory.see(LocationId(1), None).is_none(), "nothing is given up any more");
    memory.begin(now, Some(hour));
    memory.forget();
    memory.begin(now, Some(hour));
    assert!(memory.see(LocationId(1), None).is_none());
}

#[test]
fn what_no_store_is_asked_about_is_given_up_in_word_and_looked_at_still() {
    let (memory, hour) = (memory(), Some(Duration::from_secs(3600)));
    let unasked = |now, outcome| {
        memory.begin(now, hour);
        assert!(memory.see(LocationId(1), None).is_none() && memory.lets_any(&[LocationId(1)]));
        let (keep, standing) = memory.kept_unasked(LocationId(1), keep(outcome, "no key"));
        (keep.reason, standing, keep.detail.unwrap())
    };
    let reason = Reason::Outcome(Outcome::Undecryptable);
    assert_eq!(unasked(noon(), Outcome::Undecryptable), (reason, Standing::New, "no key".to_owned()));
    let later = noon() + TimeDelta::minutes(61);
    let detail = "undecryptable, stays since 2026-11-21T12:00:00Z: no key; SIGUSR1 tries it again".to_owned();
    assert_eq!(unasked(later, Outcome::Undecryptable), (Reason::GivenUp, Standing::Again, detail));
    assert_eq!(unasked(later, Outcome::Malformed).0, Reason::GivenUp, "it fails as long");
}

fn row(outcome: &str, next: Option<DateTime<Utc>>) -> FailedAttempt {
    let (error, store) = (Some("a clone".to_owned()), Some("ceph".to_owned()));
    FailedAttempt { attempts: 3, outcome: outcome.to_owned(), error, store, first: noon(), next }
}

fn claim_row(id: i64, failed: Option<FailedAttempt>) -> ClaimRow {
    ClaimRow { location: LocationId(id), image: ImageId(format!("image-{id}")), hold: Hold::default(), failed }
}

/// Takes over these rows, in a cycle of its own.
fn adopt(memory: &Memory, now: DateTime<Utc>, rows: &[(i64, FailedAttempt)], config_changed: bool) -> Vec<i64> {
    memory.begin(now, None);
    memory.adopt();
    let taken =
        |(id, failed): &&(i64, FailedAttempt)| memory.adopt_row(&claim_row(*id, Some(failed.clone())), config_changed);
    let taken = rows.iter().filter(taken).map(|(id, _)| *id).collect();
    memory.adopted();
    taken
}

#[test]
fn the_table_is_what_is_known() {
    let memory = memory();
    memory.kept(LocationId(1), &store(), &keep(Outcome::InUse, "not in the table"), noon());
    memory.kept(LocationId(2), &store(), &keep(Outcome::Failed, "older than the table"), noon());
    let next = noon() + TimeDelta::minutes(30);
    adopt(&memory, noon(), &[(2, row("in_use", Some(next))), (3, row("later_word", Some(next)))], false);
    assert!(memory.see(LocationId(1), None).is_none());
    let Untried { keep: kept, store: of, .. } = memory.see(LocationId(2), None).unwrap();
    let detail = "tried 3 times, stays since 2026-11-21T12:00:00Z, again at 2026-11-21T12:30:00Z: a clone";
    assert_eq!((kept.detail.as_deref(), of.as_deref()), (Some(detail), Some(&store())));
    let later_word = memory.see(LocationId(3), None).unwrap().keep;
    assert_eq!(later_word.reason, Reason::Outcome(Outcome::Failed));
    assert!(later_word.detail.unwrap().ends_with(": later_word: a clone"));
    // Tries count on, and what is told already is not told again.
    assert_eq!(memory.kept(LocationId(2), &store(), &keep(Outcome::InUse, "-"), next), Standing::Again);
    let written = memory.failed_attempt(LocationId(2)).unwrap();
    assert_eq!((written.attempts, written.first), (4, noon()));
    assert_eq!(memory.failed_attempt(LocationId(1)), None);
    adopt(&memory, noon(), &[], false);
    assert_eq!(memory.remembered(), 0);
}

#[test]
fn an_id_that_was_given_to_another_image_is_another_location() {
    let memory = memory();
    adopt(&memory, noon(), &[(1, row("in_use", Some(noon() + TimeDelta::minutes(30))))], false);
    assert!(memory.see(LocationId(1), Some(&ImageId("image-1".to_owned()))).is_some());
    assert!(memory.see(LocationId(1), Some(&ImageId("another".to_owned()))).is_none());
    assert_eq!(memory.remembered(), 0);
}

#[test]
fn rows_that_no_scan_finds_may_be_history() {
    let memory = memory();
    adopt(&memory, noon(), &[(1, row("failed", None)), (2, row("failed", None))], false);
    assert!(memory.adopt_row(&claim_row(3, None), false), "a claim alone");
    memory.scanned(&[LocationId(2), LocationId(4)]);
    assert_eq!(memory.take_unseen_rows(), [LocationId(1), LocationId(3)]);
    assert_eq!(memory.take_unseen_rows(), []);
}

#[test]
fn a_new_config_takes_over_what_it_cannot_have_mended() {
    let words = ["no_store", "forbidden", "unavailable", "in_use", "failed", "later_word"];
    let rows: Vec<_> = (0..).zip(words.map(|word| row(word, Some(noon())))).collect();
    let memory = memory();
    assert_eq!(adopt(&memory, noon(), &rows, true), [3, 4, 5]);
    assert_eq!(memory.remembered(), 3);
    assert_eq!(adopt(&memory, noon(), &rows, false).len(), 6);
}

#[test]
fn what_is_asked_for_stays_asked_for_until_it_is_done() {
    let memory = memory();
    memory.config_changed();
    memory.forget();
    assert_eq!(memory.orders(), Orders { forget: true, config_changed: true });
    memory.orders_done(Orders { forget: true, config_changed: false });
    assert_eq!(memory.orders(), Orders { forget: false, config_changed: true });
}

#[test]
fn a_copy_of_the_table_is_bounded_too() {
    let memory = memory();
    memory.begin(noon(), None);
    memory.adopt();
    for id in 0..i64::try_from(LOCATIONS).unwrap() + 10 {
        memory.adopt_row(&claim_row(id, Some(row("failed", None))), false);
    }
    memory.adopted();
    assert_eq!((memory.remembered(), memory.take_unseen_rows().len()), (LOCATIONS, LOCATIONS));
}

proptest! {
    /// However it goes on: only what is pending is remembered, and in the end everything is tried again.
    #[test]
    fn memory_forgets(cycles in proptest::collection::vec((0..40_000_i64, 0..50_i64, 0..50_i64, 0..12_usize), 0..40)) {
        let (memory, mut now) = (Memory::default(), noon());
        for (seconds, from, count, outcome) in cycles {
            now += TimeDelta::seconds(seconds);
            let waiting = plan(&memory, now, from..from + count);
            for id in (from..from + count).filter(|id| !waiting.contains(id)) {
                memory.kept(LocationId(id), &store(), &keep(Outcome::ALL[outcome], "-"), now);
            }
            prop_assert!(memory.remembered() <= usize::try_from(count).unwrap());
        }
        prop_assert!(plan(&memory, now + TimeDelta::hours(6), 0..100).is_empty());
    }
}
