//! A scrape, read as strictly as Prometheus' text format is written down.

use std::collections::BTreeMap;

use chrono::TimeDelta;
use glance_scrubber::scrub::{BANDS, Reason};
use glance_scrubber::store::Outcome;
use tokio_util::sync::CancellationToken;

use super::{cycle, cycle_until, get, server, status};
use crate::lanes::{Fake, fill};
use crate::support::rows::Image;
use crate::support::servers::Engine;
use crate::support::site::Site;

/// Samples by name and labels, as they stand in a line.
type Samples = BTreeMap<String, f64>;

/// Reads a scrape. Panics at a family without HELP and TYPE, at one that comes twice or in pieces, at a sample that
/// comes twice or is no number, and at a histogram that does not add up.
fn parse(text: &str) -> Samples {
    assert!(text.ends_with('\n'), "the last line must end");
    let (mut samples, mut families) = (Samples::new(), BTreeMap::new());
    let mut family = String::new();
    let mut help = None;
    for line in text.lines().filter(|line| !line.is_empty()) {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            let (name, words) = rest.split_once(' ').unwrap();
            assert!(words.len() > 20, "{name} has no help");
            help = Some(name.to_owned());
        } else if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').unwrap();
            assert_eq!(help.take().as_deref(), Some(name), "HELP comes before TYPE");
            assert!(families.insert(name.to_owned(), kind.to_owned()).is_none(), "{name} comes twice");
            family = name.to_owned();
        } else {
            let (key, value) = line.rsplit_once(' ').unwrap();
            let name = key.split('{').next().unwrap();
            let suffixes: &[&str] =
                if families[&family] == "histogram" { &["_bucket", "_sum", "_count"] } else { &[""] };
            assert!(suffixes.iter().any(|suffix| name == format!("{family}{suffix}")), "{name} lies in {family}");
            assert!(name.starts_with("glance_scrubber_"), "{name}");
            assert_eq!(families[&family] == "counter", name.ends_with("_total"), "{name}");
            assert!(samples.insert(key.to_owned(), value.parse().unwrap()).is_none(), "{key} comes twice");
        }
    }
    for (key, value) in &samples {
        if let Some((bucket, rest)) = key.split_once("_bucket{")
            && let Some(labels) = rest.strip_suffix("le=\"+Inf\"}")
        {
            let labels = labels.trim_end_matches(',');
            let count =
                if labels.is_empty() { format!("{bucket}_count") } else { format!("{bucket}_count{{{labels}}}") };
            assert_eq!(samples[&count], *value, "{key}");
        }
    }
    samples
}

/// The sum of a family's samples whose labels hold all of `labels`.
fn sum(samples: &Samples, name: &str, labels: &[&str]) -> f64 {
    let is_it = |key: &str| key.split('{').next() == Some(name) && labels.iter().all(|label| key.contains(label));
    samples.iter().filter(|(key, _)| is_it(key)).map(|(_, value)| value).sum()
}

#[test]
fn every_label_set_is_there_from_the_start() {
    let status = status(&["ceph", "fast"]);
    let samples = parse(&get(&server(&status), "/metrics").body);
    for store in ["ceph", "fast", ""] {
        for outcome in Outcome::ALL {
            for name in ["glance_scrubber_locations_total", "glance_scrubber_bytes_total"] {
                assert_eq!(samples[&format!("{name}{{store=\"{store}\",outcome=\"{outcome}\"}}")], 0.0);
            }
        }
        for reason in Reason::all() {
            let key = format!("glance_scrubber_kept_locations{{store=\"{store}\",reason=\"{}\"}}", reason.as_str());
            assert_eq!(samples[&key], 0.0);
        }
        assert_eq!(samples[&format!("glance_scrubber_store_call_duration_seconds_count{{store=\"{store}\"}}")], 0.0);
    }
    for (state, band) in ["due", "waiting"].into_iter().flat_map(|state| BANDS.map(|band| (state, band))) {
        assert_eq!(samples[&format!("glance_scrubber_backlog_locations{{state=\"{state}\",age=\"{band}\"}}")], 0.0);
    }
    for result in ["clean", "attention", "refused", "failed", "interrupted"] {
        assert_eq!(samples[&format!("glance_scrubber_cycles_total{{result=\"{result}\"}}")], 0.0);
    }
    assert_eq!(samples["glance_scrubber_lateness_seconds_count"], 0.0);
    assert_eq!(sum(&samples, "glance_scrubber_build_info", &[env!("CARGO_PKG_VERSION")]), 1.0);
}

/// One location for each outcome, one that is not due yet, one that no store can be found for.
#[test]
fn numbers_move_with_a_cycle_and_add_up() {
    let site = Site::new(Engine::Sqlite);
    fill(&site, &[("a", Outcome::ALL.len())]);
    Image::pending("young", TimeDelta::minutes(10), &["rbd://young"]).insert(&site.database);
    Image::pending("broken", TimeDelta::days(2), &["no uri at all"]).insert(&site.database);
    let status = status(&["a"]);
    let before = parse(&status.metrics().unwrap());
    let stop = CancellationToken::new();
    let report = cycle_until(&site, vec![Fake::by_number("a", &stop)], &*status, &stop);
    status.cycle_ended(&report);
    let after = parse(&status.metrics().unwrap());

    assert_eq!(before.keys().collect::<Vec<_>>(), after.keys().collect::<Vec<_>>(), "nothing appears only later");
    for outcome in Outcome::ALL {
        let outcome = format!("outcome=\"{outcome}\"");
        assert_eq!(sum(&after, "glance_scrubber_locations_total", &["store=\"a\"", &outcome]), 1.0, "{outcome}");
        assert_eq!(sum(&after, "glance_scrubber_bytes_total", &["store=\"a\"", &outcome]), 1000.0, "{outcome}");
    }
    assert_eq!(sum(&after, "glance_scrubber_locations_total", &["store=\"\"", "outcome=\"undecryptable\""]), 1.0);
    assert_eq!(after["glance_scrubber_lateness_seconds_count"], 4.0, "as many as were finished");
    assert!((3590.0..3700.0).contains(&(after["glance_scrubber_lateness_seconds_sum"] / 4.0)), "an hour too late");
    assert_eq!(after["glance_scrubber_images_finished_total"], report.images_finished as f64);
    assert_eq!(sum(&after, "glance_scrubber_kept_locations", &[]), 10.0);
    assert_eq!(sum(&after, "glance_scrubber_kept_locations", &["reason=\"unavailable\""]), 1.0);
    assert_eq!(sum(&after, "glance_scrubber_backlog_locations", &["state=\"due\"", "age=\"6h\""]), 13.0);
    assert_eq!(sum(&after, "glance_scrubber_backlog_locations", &["state=\"due\"", "age=\"7d\""]), 1.0);
    assert_eq!(sum(&after, "glance_scrubber_backlog_locations", &["state=\"waiting\"", "age=\"1h\""]), 1.0);
    assert_eq!(sum(&after, "glance_scrubber_backlog_locations", &[]), 15.0, "everything that is pending");
    assert_eq!(sum(&after, "glance_scrubber_cycles_total", &["result=\"interrupted\""]), 1.0);
    assert_eq!(after["glance_scrubber_cycle_duration_seconds_count"], 1.0);
    assert_eq!(after["glance_scrubber_store_call_duration_seconds_count{store=\"a\"}"], 7.0, "two in a call");
    assert!(sum(&after, "glance_scrubber_database_statement_duration_seconds_count", &["\"record\""]) >= 1.0);

    // What is kept is a level and what was done a count: with nothing left, one falls and the other stays.
    let report = cycle(&site, vec![Fake::saying("a", Outcome::Deleted)], &*status);
    status.cycle_ended(&report);
    let last = parse(&status.metrics().unwrap());
    assert_eq!(last["glance_scrubber_last_success_timestamp_seconds"], report.ended_at.timestamp() as f64);
    assert_eq!(sum(&last, "glance_scrubber_kept_locations", &["store=\"a\""]), 0.0);
    assert_eq!(sum(&last, "glance_scrubber_locations_total", &["outcome=\"deleted\""]), 10.0);
    assert_eq!(sum(&last, "glance_scrubber_locations_total", &["outcome=\"unavailable\""]), 1.0);
}

#[test]
fn a_hostile_store_id_stays_in_its_label() {
    let id = "a\"} 1\nglance_scrubber_forged_total 7\\";
    let samples = parse(&status(&[id]).metrics().unwrap());
    assert!(!samples.keys().any(|key| key.starts_with("glance_scrubber_forged")));
}
