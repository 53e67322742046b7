//! The protocol between scrubbers and a restore, checked exhaustively.
//!
//! One image with two locations, two scrubbers, a restore; any of them may be stopped for any time and lost at any
//! moment, any number of times, and the clock has no end. Every decision is made by the product's own functions
//! (`rules`). Each step that the protocol asks for is then left out once, to see that the model notices.
#![cfg(test)] // always so; it is what lets clippy know that these modules are tests

mod properties;
mod recovery;
mod restoring;
mod rules;
mod scrubbing;
mod steps;
mod world;

use std::io::Write;

use stateright::{Checker, HasDiscoveries, Model, Path};

use properties::{HOLDER_ONLY, LIVING_DATA, NOT_STRANDED};
use rules::{Fault, Rules};
use steps::Step;
use world::World;

#[test]
fn claims_in_glances_database_keep_what_they_promise() {
    holds("claims in Glance's database", Rules::new());
}

#[test]
fn claims_in_another_database_keep_what_they_promise() {
    holds("claims in another database", Rules { beside: true, ..Rules::new() });
}

#[test]
fn what_the_protocol_is_for_is_seen_to_happen() {
    shows("claims in Glance's database", Rules::new());
    shows("claims in another database", Rules { beside: true, ..Rules::new() });
}

#[test]
fn longer_times_change_nothing() {
    let rules = || Rules { lease: 4, longest: 2, slack: 3, scrubbed: 1, ..Rules::new() };
    holds("longer times, one location scrubbed", rules());
    holds("longer times, one location scrubbed, claims in another database", Rules { beside: true, ..rules() });
}

#[test]
fn a_clock_that_is_ahead_costs_as_much_as_a_late_call() {
    holds("a clock that is ahead, one location scrubbed", Rules { skew: 1, slack: 0, scrubbed: 1, ..Rules::new() });
    let both = Rules { skew: 1, slack: 1, ..Rules::new() };
    fails("a clock that is ahead, and a late call", both, LIVING_DATA);
}

#[test]
fn a_call_that_is_late_by_a_whole_lease_is_too_late() {
    let rules = Rules::new();
    fails("a call that is late by a whole lease", Rules { slack: rules.lease, ..rules }, LIVING_DATA);
}

#[test]
fn a_lease_that_is_not_longer_than_a_call_strands_everything() {
    let rules = Rules::new();
    fails("a lease as long as a call", Rules { lease: rules.longest, slack: 0, ..rules }, NOT_STRANDED);
}

#[test]
fn a_look_before_the_claim_is_too_early() {
    fails_by(Fault::LookBeforeClaim, LIVING_DATA);
}

#[test]
fn a_restore_must_let_a_claim_rest() {
    fails_by(Fault::NoRest, LIVING_DATA);
}

#[test]
fn a_call_must_end_before_the_lease() {
    fails_by(Fault::NoLeaseCheck, LIVING_DATA);
}

#[test]
fn whoever_has_lost_a_claim_must_not_release_it() {
    fails_by(Fault::NoOwnerCheck, HOLDER_ONLY);
    fails_by(Fault::NoOwnerCheck, LIVING_DATA);
}

#[test]
fn a_restore_must_hold_its_claims_when_it_commits() {
    fails_by(Fault::CommitUnverified, LIVING_DATA);
}

#[test]
fn a_take_over_must_not_end_the_rest() {
    fails_by(Fault::TakeOverForgetsRest, LIVING_DATA);
}

#[test]
fn a_call_without_an_answer_must_rest() {
    fails_by(Fault::SilenceForgetsRest, LIVING_DATA);
}

#[test]
fn beside_another_database_a_lapsed_claim_is_not_enough_to_commit() {
    let rules = Rules { beside: true, fault: Some(Fault::CommitLapsed), ..Rules::new() };
    fails("CommitLapsed, claims in another database", rules, LIVING_DATA);
}

/// Goes through all worlds, and finds nothing wrong.
#[track_caller]
fn holds(name: &str, rules: Rules) {
    let rules = Rules { renames: true, ..rules };
    let about = about(&rules);
    let checker = rules.checker().finish_when(HasDiscoveries::AnyFailures).spawn_bfs().join();
    let (states, depth) = (checker.unique_state_count(), checker.max_depth());
    note(&format!("model | {name} | {about} | holds | {states} states, depth {depth}"));
    checker.assert_properties();
}

/// Looks until it has seen everything that is to be seen.
#[track_caller]
fn shows(name: &str, rules: Rules) {
    let checker = Rules { shows: true, ..rules }.checker().finish_when(HasDiscoveries::All).spawn_bfs().join();
    let (states, depth) = (checker.unique_state_count(), checker.max_depth());
    for (property, path) in checker.discoveries() {
        note(&format!("model | {name} | seen: {property} | {states} states, depth {depth} | {}", told(path)));
    }
    checker.assert_properties();
}

#[track_caller]
fn fails_by(fault: Fault, property: &'static str) {
    fails(&format!("{fault:?}"), Rules { fault: Some(fault), ..Rules::new() }, property);
}

/// Finds a way to break `property`, and tells it.
#[track_caller]
fn fails(name: &str, rules: Rules, property: &'static str) {
    // One location is enough to show it, and is quicker.
    let rules = Rules { scrubbed: if property == NOT_STRANDED { 2 } else { 1 }, ..rules };
    let about = about(&rules);
    let checker = rules.checker().finish_when(HasDiscoveries::AnyOf([property].into())).spawn_bfs().join();
    let (states, depth) = (checker.unique_state_count(), checker.max_depth());
    let way = checker.discovery(property).map(told);
    let told = way.as_deref().unwrap_or("no way to break it");
    note(&format!("model | {name} | {about} | breaks: {property} | {states} states, depth {depth} | {told}"));
    assert!(way.is_some(), "the model does not notice {name}");
}

fn told(path: Path<World, Step>) -> String {
    path.into_actions().iter().map(|step| format!("{step:?}")).collect::<Vec<_>>().join(" ")
}

fn about(rules: &Rules) -> String {
    let Rules { lease, longest, slack, skew, .. } = rules;
    format!("lease {lease}, call {longest}, late by {slack}, clock ahead by {skew}")
}

/// Adds a line to those that `tests/all` prints.
fn note(line: &str) {
    println!("{line}");
    let Some(file) = std::env::var_os("SCRUBBER_TEST_CASES") else { return };
    let mut file = std::fs::OpenOptions::new().append(true).create(true).open(file).unwrap();
    file.write_all(format!("{line}\n").as_bytes()).unwrap(); // in one write: others write too
}
