//! The status at one moment, and its JSON form.

use std::time::Duration;

use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use super::{Current, Held, Lane, Last, Line, NO_STORE, Now};
use crate::config::StoreId;
use crate::scrub::{BANDS, Bands, BreakerState, JSON_VERSION};

/// Everything that is shown, copied.
#[derive(Debug, Clone)]
pub struct Snapshot {
    pub(in crate::observe) now: Now,
    /// When it was taken.
    pub(in crate::observe) at: DateTime<Utc>,
    /// Since the last sign of life.
    pub(in crate::observe) silence: Duration,
    pub(in crate::observe) not_ready: Option<String>,
    pub(in crate::observe) breakers: Vec<BreakerState>,
    pub(in crate::observe) audit_log_lost: Option<u64>,
}

impl Snapshot {
    /// One word for what it does: `stopping`, `waiting` (for the database), `scrubbing` or `idle`.
    pub(in crate::observe) fn word(&self) -> &'static str {
        match &self.now {
            Now { stopping: true, .. } => "stopping",
            Now { waiting_for_database: Some(_), .. } => "waiting",
            Now { current: Some(_), .. } => "scrubbing",
            _ => "idle",
        }
    }

    /// The same in one line.
    pub(in crate::observe) fn line(&self) -> String {
        super::text::line(self)
    }

    /// The stable JSON form.
    pub fn to_json(&self) -> Value {
        let Now { current, last, waiting_for_database: waiting, .. } = &self.now;
        json!({
            "version": JSON_VERSION,
            "kind": "status",
            "at": time(self.at),
            "program": env!("CARGO_PKG_VERSION"),
            "started_at": time(self.now.started_at),
            "config_loaded": self.now.config_loaded.map(time),
            "ready": self.not_ready.is_none(),
            "not_ready": self.not_ready,
            "stopping": self.now.stopping,
            "silent_seconds": self.silence.as_secs(),
            "database": {
                "answers": self.now.database_answered && waiting.is_none(),
                "waiting_since": waiting.as_ref().map(|(since, _)| time(*since)),
                "why": waiting.as_ref().map(|(_, why)| why),
            },
            "next_wakeup": self.now.next_wakeup.map(time),
            "cycles": self.now.cycles,
            "overruns": self.now.overruns,
            "last_success": self.now.last_success.map(time),
            "current_cycle": current.as_ref().map(current_json),
            "last_cycle": last.as_ref().map(last_json),
            "lanes": self.now.lanes.iter().map(|(store, lane)| self.lane_json(store, lane)).collect::<Vec<_>>(),
            "results": self.results_json(),
            "backlog": self.now.backlog.map(|backlog| json!({
                "due": bands(backlog.due), "waiting": backlog.waiting.map(bands),
            })),
            "breakers": self.breakers.iter().map(|breaker| json!({
                "store": breaker.store.as_str(), "container": breaker.container, "state": breaker.state,
                "until": breaker.until.map(time),
            })).collect::<Vec<_>>(),
            "audit_log_lost": self.audit_log_lost,
        })
    }

    fn lane_json(&self, store: &StoreId, lane: &Lane) -> Value {
        let call = |held: &Held| {
            json!({
                "since": time(held.since), "seconds": (self.at - held.since).num_seconds(),
                "container": held.container, "locations": held.locations, "examples": held.examples,
            })
        };
        json!({
            "store": store.as_str(), "depth": lane.depth, "in_flight": lane.in_flight,
            "calls": lane.calls.values().map(call).collect::<Vec<_>>(),
        })
    }

    fn results_json(&self) -> Value {
        let lines = self.now.results.iter().flat_map(|(store, lines)| lines.iter().map(move |line| (store, line)));
        let line = |(store, (word, line)): (&String, (&&str, &Line))| {
            json!({
                "store": Some(store).filter(|store| store.as_str() != NO_STORE), "outcome": word,
                "locations": line.tally.locations, "bytes": line.tally.bytes,
                "oldest_due_at": line.oldest.map(time), "detail": line.detail, "examples": line.examples,
            })
        };
        lines.map(line).collect()
    }
}

fn current_json(current: &Current) -> Value {
    json!({
        "cycle": current.cycle.to_string(), "began": time(current.began), "planned": current.planned,
        "settled": current.done,
    })
}

/// The report's own form, with the number of unfinished images beside some of their ids.
fn last_json(last: &Last) -> Value {
    let mut report = last.report.to_json();
    report["images_unfinished_count"] = last.images_unfinished.into();
    report
}

fn bands(bands: Bands) -> Value {
    BANDS.iter().zip(bands).map(|(age, locations)| json!({ "age": age, "locations": locations })).collect()
}

/// A time as in every JSON form of ours.
pub(in crate::observe) fn time(at: DateTime<Utc>) -> String {
    at.format("%Y-%m-%dT%H:%M:%S%.6fZ").to_string()
}
