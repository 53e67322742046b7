//! What is remembered, and what is forgotten.

use chrono::TimeDelta;
use proptest::prelude::*;

use super::*;

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
    memory.begin(noon());
    memory
}

/// A cycle's plan that sees these, and which of them wait.
fn plan(memory: &Memory, now: DateTime<Utc>, locations: impl IntoIterator<Item = i64>) -> Vec<i64> {
    memory.begin(now);
    let waiting = locations.into_iter().filter(|location| memory.see(LocationId(*location)).is_some()).collect();
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
    let (keep, of) = memory.see(LocationId(1)).unwrap();
    assert_eq!(keep.reason, busy.reason);
    assert_eq!(keep.detail.unwrap(), "tried once since 2026-11-21T12:00:00Z, again at 2026-11-21T12:05:00Z: a clone");
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
    let unasked = |reason| memory.kept_unasked(LocationId(2), reason);
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
    let detail = |id| memory.see(LocationId(id)).unwrap().0.detail.unwrap();
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
    memory.begin(noon());
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
    memory.begin(noon() + TimeDelta::seconds(1));
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
    memory.begin(later);
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
    memory.begin(noon());
    memory.leave_alone(&store(), "pool");
    memory.forget_unseen();
    assert_eq!(states(&memory).len(), 1);
    plan(&memory, noon(), []);
    assert_eq!(states(&memory), []);
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
