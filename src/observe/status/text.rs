//! The status in words: one line for systemd, several for the log.

use std::fmt::Write as _;
use std::time::Duration;

use chrono::{DateTime, Utc};

use super::{Held, Line, NO_STORE, Now, Snapshot};
use crate::observe::human;
use crate::observe::text::harmless;

/// The first of these that is the case: stopping, waiting for the database, at work, idle.
pub(super) fn line(snapshot: &Snapshot) -> String {
    let now = &snapshot.now;
    let mut line = match (&now.waiting_for_database, &now.current) {
        (Some((since, why)), _) => format!("Waiting for the database since {}: {}", time(*since), harmless(why)),
        (None, Some(current)) => match current.planned {
            Some(plan) => format!(
                "Scrubbing: {} of {} locations, {} of {}",
                current.done.locations,
                plan.locations,
                human::bytes(current.done.bytes),
                human::bytes(plan.bytes)
            ),
            None => format!("Looking for what is due since {}", time(current.began)),
        },
        (None, None) => idle(now),
    };
    if now.stopping {
        line.insert_str(0, "Stopping. ");
    }
    line
}

fn idle(now: &Now) -> String {
    let mut line = "Idle".to_owned();
    if let Some(at) = now.next_wakeup {
        let _ = write!(line, "; next wake-up at {}", time(at));
    }
    if let Some(last) = &now.last {
        let how = match (&last.report.failure, &last.report.refusal) {
            (Some(error), _) => format!("ended early: {error}"),
            (None, Some(refusal)) => format!("refused: {refusal}"),
            (None, None) => last.report.to_string(),
        };
        let _ = write!(line, "; last cycle: {}", harmless(&how));
    }
    line
}

/// For a person who wants to know what hangs, and where.
pub(super) fn dump(snapshot: &Snapshot) -> String {
    let now = &snapshot.now;
    let mut out = line(snapshot);
    let _ = write!(
        out,
        "\n{} cycles, {} overruns; last sign of life {} ago",
        now.cycles,
        now.overruns,
        human::duration(snapshot.silence)
    );
    if let Some(lost) = snapshot.audit_log_lost.filter(|lost| *lost > 0) {
        let _ = write!(out, "\n{lost} lines of the audit log were lost");
    }
    for (store, lane) in &now.lanes {
        let store = harmless(store.as_str());
        let _ = write!(out, "\nstore {store}: {} locations wait, {} calls in flight", lane.depth, lane.in_flight);
        for held in lane.calls.values() {
            let _ = write!(out, "\n  {}", describe(held, snapshot.at));
        }
    }
    for breaker in &snapshot.breakers {
        let (store, container) = (harmless(breaker.store.as_str()), harmless(&breaker.container));
        let until = breaker.until.map(|until| format!(" until {}", time(until))).unwrap_or_default();
        let _ = write!(out, "\nbreaker of {container} in store {store}: {}{until}", breaker.state.as_str());
    }
    for (store, lines) in &now.results {
        let store = if store == NO_STORE { "no store" } else { store };
        for (word, line) in lines {
            let _ = write!(out, "\n{} {word} ({}){}", line.tally.locations, harmless(store), examples(line));
        }
    }
    out
}

fn describe(held: &Held, at: DateTime<Utc>) -> String {
    let age = (at - held.since).to_std().unwrap_or(Duration::ZERO);
    let names: Vec<_> = held
        .examples
        .iter()
        .map(|one| format!("location {} of image {}", one.location, one.image.as_ref().map_or("?", |id| &id.0)))
        .collect();
    let more = held.locations.saturating_sub(names.len());
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    format!(
        "since {} ({}), in {}: {}{more}",
        time(held.since),
        human::duration(age),
        harmless(&held.container),
        harmless(&names.join(", "))
    )
}

fn examples(line: &Line) -> String {
    let oldest = line.oldest.map(|oldest| format!(", oldest due at {}", time(oldest))).unwrap_or_default();
    let ids: Vec<_> = line.examples.iter().filter_map(|one| one.image.as_ref()).map(|id| harmless(&id.0)).collect();
    if ids.is_empty() { oldest } else { format!("{oldest}: images {}", ids.join(", ")) }
}

/// Whole seconds, for people.
pub(super) fn time(at: DateTime<Utc>) -> String {
    at.format("%Y-%m-%dT%H:%M:%SZ").to_string()
}
