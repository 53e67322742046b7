//! The status while a cycle is at work, and after it.

use std::path::Path;
use std::sync::Arc;

use chrono::{TimeDelta, Utc};
use glance_scrubber::config::StoreId;
use glance_scrubber::observe::status::Status;
use glance_scrubber::scrub::{BreakerPosition, BreakerState, Several, SystemClock};
use glance_scrubber::store::{Answer, Outcome};
use serde_json::{Value, json};
use tokio::sync::Notify;

use super::{cycle, status};
use crate::lanes::{Fake, fill};
use crate::support::eventually;
use crate::support::servers::Engine;
use crate::support::site::Site;

/// Replaces what differs from run to run: times, durations, the cycle's name, the version.
fn masked(value: &Value) -> Value {
    match value {
        Value::Object(map) => map
            .iter()
            .map(|(key, value)| {
                let changes = key == "cycle" || key == "program" || key.ends_with("seconds");
                (key.clone(), if changes && !value.is_null() { json!("MASKED") } else { masked(value) })
            })
            .collect(),
        Value::Array(values) => values.iter().map(masked).collect(),
        Value::String(text) if text.len() == 27 && text.ends_with('Z') && text.contains('T') => json!("TIME"),
        other => other.clone(),
    }
}

#[track_caller]
fn assert_golden(file: &str, value: &Value) {
    let text = serde_json::to_string_pretty(&masked(value)).unwrap() + "\n";
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/golden").join(file);
    if std::env::var_os("SCRUBBER_TEST_BLESS").is_some() {
        std::fs::write(&path, &text).unwrap();
    }
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(text == kept, "{file} was:\n{kept}\nis:\n{text}\nSCRUBBER_TEST_BLESS=1 renews it");
}

/// The gate holds a store's first calls, so that the status can be looked at in the middle.
#[test]
fn what_hangs_is_seen_with_its_image_and_since_when() {
    let site = Site::new(Engine::Sqlite);
    fill(&site, &[("slow", 5)]);
    let status = status(&["slow", "idle"]);
    let gate = Arc::new(Notify::new());
    let mut store = Fake::new("slow", |uri| match uri {
        "rbd://slow4" => Answer::because(Outcome::Unavailable, "no answer in 60 s"),
        _ => Answer::plain(Outcome::Deleted),
    });
    store.gate = Some(Arc::clone(&gate));
    status.database_answers();
    status.overrun();
    status.breakers_from(Box::new(|| {
        let (store, container) = (StoreId("slow".to_owned()), "pool".to_owned());
        vec![BreakerState { store, container, state: BreakerPosition::HalfOpen, until: None }]
    }));
    assert_eq!(status.line(), "Idle");
    std::thread::scope(|scope| {
        let running = scope.spawn(|| cycle(&site, vec![store], &Several(&[&*status])));
        let seen = eventually("two calls in flight", || {
            let seen = status.to_json();
            (seen["lanes"][1]["in_flight"] == 2 && seen["lanes"][1]["calls"].as_array()?.len() == 2).then_some(seen)
        });
        assert_golden("status-at-work.json", &seen);
        assert_eq!(status.line(), "Scrubbing: 0 of 5 locations, 0 B of 4.9 KiB");
        let dump = status.dump();
        assert!(dump.contains("store slow: 1 locations wait, 2 calls in flight"), "{dump}");
        assert!(dump.contains("in pool: location 2 of image slow0, location 3 of image slow1"), "{dump}");
        assert!(dump.contains("breaker of pool in store slow: half_open"), "{dump}");
        eventually("the cycle's end", || {
            gate.notify_one();
            running.is_finished().then_some(())
        });
        status.cycle_ended(&running.join().unwrap());
    });
    status.next_wakeup(Some(Utc::now() + TimeDelta::minutes(5)));
    assert_golden("status-idle.json", &status.to_json());
    assert!(status.line().starts_with("Idle; next wake-up at 2"), "{}", status.line());
    assert!(status.line().ends_with("kept: 1 unavailable (slow)"), "{}", status.line());
}

#[test]
fn the_database_and_the_end_come_before_everything_else() {
    let status = Status::new(Box::new(SystemClock));
    assert_eq!(status.not_ready().as_deref(), Some("the configuration has not been read yet"));
    status.config_loaded(Utc::now(), &[]);
    assert_eq!(status.not_ready().as_deref(), Some("the database has not answered yet"));
    status.waiting_for_database("2026-01-02T03:04:05Z".parse().unwrap(), "connection\nrefused");
    assert_eq!(status.line(), "Waiting for the database since 2026-01-02T03:04:05Z: connection\\nrefused");
    assert!(status.not_ready().unwrap().starts_with("waiting for the database since 2026-01-02T03:04:05Z"));
    status.database_answers();
    assert_eq!(status.not_ready(), None);
    status.stopping();
    assert_eq!(status.line(), "Stopping. Idle");
    assert_eq!(status.not_ready().as_deref(), Some("stopping"));
    assert!(status.metrics().is_none(), "without somebody to ask for them there are none");
}

/// Every event of a cycle's ends in one of these numbers, whatever the number of locations.
#[test]
fn memory_does_not_grow_with_the_number_of_locations() {
    let site = Site::new(Engine::Sqlite);
    fill(&site, &[("a", 60)]);
    let status = status(&["a"]);
    let report = cycle(&site, vec![Fake::saying("a", Outcome::InUse)], &*status);
    assert_eq!(status.to_json()["lanes"][0]["calls"].as_array().unwrap().len(), 0, "before the report resets them");
    status.cycle_ended(&report);
    let seen = status.to_json();
    assert_eq!(seen["results"].as_array().unwrap().len(), 1);
    assert_eq!(seen["results"][0]["locations"], 60);
    assert_eq!(seen["results"][0]["examples"].as_array().unwrap().len(), 5);
}
