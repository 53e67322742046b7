//! Every metric, in one place.
//!
//! Promises: each family has a help text that says how it adds up, and each label set is there from the start with a zero
//! (what appears only with its first failure cannot be alerted on). Label values come from the config and from enums:
//! their number is bounded. Recording needs no global state: handles are made once, and belong to this value.
//! Fails never after [`Metrics::new`]. Rejected: the exporter's own listener (one port, one set of rules), and the
//! process-wide recorder (tests would see each other's numbers).

use std::collections::HashMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{PoisonError, RwLock};
use std::time::Duration;

use chrono::{DateTime, Utc};
use metrics::{Counter, Gauge, Histogram, Key, Label, Level, Metadata, Recorder as _};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle, PrometheusRecorder};

use crate::config::StoreId;
use crate::scrub::{
    BANDS, Backlog, BreakerPosition, BreakerState, CycleReport, Ended, Reason, SettledLocation, Standing, Statement,
};
use crate::store::Outcome;

/// The metrics' library refused what is declared here.
#[derive(Debug, thiserror::Error)]
#[error("the metrics cannot be set up: {0}")]
pub struct MetricsError(#[from] metrics_exporter_prometheus::BuildError);

/// What kind a family is.
enum Kind {
    Counter,
    Gauge,
    /// With these upper bounds, in seconds.
    Histogram(&'static [f64]),
}

/// From a call that costs nothing to the longest deadline.
const CALLS: &[f64] = &[0.001, 0.005, 0.025, 0.1, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0];
/// A statement takes milliseconds, a scan of a large table minutes.
const STATEMENTS: &[f64] = &[0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0, 60.0, 300.0];
const CYCLES: &[f64] = &[0.1, 1.0, 5.0, 15.0, 60.0, 300.0, 900.0, 3600.0, 14_400.0, 86_400.0];
/// A minute, the default wake-up, then the ages of the backlog.
const LATENESS: &[f64] = &[60.0, 300.0, 900.0, 3600.0, 21_600.0, 86_400.0, 604_800.0, 2_592_000.0];

const LOCATIONS: &str = "glance_scrubber_locations_total";
const BYTES: &str = "glance_scrubber_bytes_total";
const IMAGES: &str = "glance_scrubber_images_finished_total";
const OVERTAKEN: &str = "glance_scrubber_overtaken_locations_total";
const UNRECORDED: &str = "glance_scrubber_unrecorded_locations_total";
const KEPT: &str = "glance_scrubber_kept_locations";
const BACKLOG: &str = "glance_scrubber_backlog_locations";
const LATE: &str = "glance_scrubber_lateness_seconds";
const CYCLE: &str = "glance_scrubber_cycle_duration_seconds";
const ENDED: &str = "glance_scrubber_cycles_total";
const OVERRUNS: &str = "glance_scrubber_overruns_total";
const CALL: &str = "glance_scrubber_store_call_duration_seconds";
const STATEMENT: &str = "glance_scrubber_database_statement_duration_seconds";
const WAITING: &str = "glance_scrubber_lane_depth";
const IN_FLIGHT: &str = "glance_scrubber_store_calls_in_flight";
const BREAKERS: &str = "glance_scrubber_breakers";
const TRASH_IMAGES: &str = "glance_scrubber_trash_freed_images_total";
const TRASH_BYTES: &str = "glance_scrubber_trash_freed_bytes_total";
const DATABASE_UP: &str = "glance_scrubber_database_up";
const SKEW: &str = "glance_scrubber_clock_skew_seconds";
const SUCCESS: &str = "glance_scrubber_last_success_timestamp_seconds";
const WAKEUP: &str = "glance_scrubber_next_wakeup_timestamp_seconds";
const AUDIT_LOST: &str = "glance_scrubber_audit_log_lost_lines_total";
const BUILD: &str = "glance_scrubber_build_info";

/// The families: name, kind, help.
const FAMILIES: &[(&str, Kind, &str)] = &[
    (
        LOCATIONS,
        Kind::Counter,
        "Locations by store and outcome. deleted, absent, trashed and nothing_to_delete add up to all that were finished, \
         each of them once; the other outcomes stay pending and are counted again in every cycle that tries them. \
         store=\"\" is what could not be assigned to a store.",
    ),
    (
        BYTES,
        Kind::Counter,
        "Bytes of the locations in glance_scrubber_locations_total, by the sizes in Glance's database, where an unknown \
         size counts as 0. An image with several locations counts once for each.",
    ),
    (
        IMAGES,
        Kind::Counter,
        "Images that became deleted in the database. Not by store: an image's locations may lie in several.",
    ),
    (
        OVERTAKEN,
        Kind::Counter,
        "Locations whose data was removed and whose row another had changed before it could be recorded. Not in \
         glance_scrubber_locations_total.",
    ),
    (
        UNRECORDED,
        Kind::Counter,
        "Locations whose data was removed and that could not be recorded because the database went away. Not in \
         glance_scrubber_locations_total; the next cycle finds them absent, and counts them there.",
    ),
    (
        KEPT,
        Kind::Gauge,
        "Locations that the last cycle kept, by store and reason. All reasons of all stores add up to what was due, or \
         seemed to be, and stayed. What is not due is not looked at; see glance_scrubber_backlog_locations.",
    ),
    (
        BACKLOG,
        Kind::Gauge,
        "Pending locations when the last cycle began, by state and by age since the deletion. state is due (grace period \
         over) or waiting; age is the upper bound of its band, and bands do not overlap: all of them add up to all that is \
         pending, but for rows that no cycle can work on (restored, without a deletion time, or in the future).",
    ),
    (
        LATE,
        Kind::Histogram(LATENESS),
        "Seconds from the end of a location's grace period to the record of its deletion. Its count is that of the finished \
         locations in glance_scrubber_locations_total.",
    ),
    (CYCLE, Kind::Histogram(CYCLES), "Seconds that cycles took. Its count is glance_scrubber_cycles_total's sum."),
    (
        ENDED,
        Kind::Counter,
        "Cycles that ended, each with one result: clean, attention (something failed and stays), refused (a guard), failed \
         (the database), interrupted.",
    ),
    (OVERRUNS, Kind::Counter, "Wake-ups that came while the cycle before was still at work, and were left out."),
    (CALL, Kind::Histogram(CALLS), "Seconds that delete calls to a store took; a call may be for several locations."),
    (
        STATEMENT,
        Kind::Histogram(STATEMENTS),
        "Seconds that the database took, by what it was asked; for a stream (scan, living) until its last row, for record the \
         whole transaction. Failed statements count too.",
    ),
    (WAITING, Kind::Gauge, "Locations of the cycle under way that a store's lane has not begun with."),
    (IN_FLIGHT, Kind::Gauge, "Delete calls that a store has not answered yet."),
    (
        BREAKERS,
        Kind::Gauge,
        "Containers (directories, pools, buckets) of a store by the state of their breaker, as far as they have one: \
         closed, open (left alone), half_open (tried).",
    ),
    (TRASH_IMAGES, Kind::Counter, "Images freed from a store's own trash (reclaim_trash)."),
    (TRASH_BYTES, Kind::Counter, "Bytes freed from a store's own trash (reclaim_trash)."),
    (DATABASE_UP, Kind::Gauge, "1 while the database answers, 0 while the daemon waits for it."),
    (
        SKEW,
        Kind::Gauge,
        "How far this host's clock was ahead of the database's when the last cycle began; negative: behind. Only what is \
         certain of it counts. Beyond 60 s the earlier clock decides what is due.",
    ),
    (
        SUCCESS,
        Kind::Gauge,
        "When the last cycle ended that went through to its end, whatever single locations came to. 0: none yet.",
    ),
    (WAKEUP, Kind::Gauge, "When the next cycle begins. 0: not known, as while a cycle is under way."),
    (AUDIT_LOST, Kind::Counter, "Lines that could not be written to the audit log."),
    (BUILD, Kind::Gauge, "Always 1; the version is a label."),
];

/// The results of a cycle, in `glance_scrubber_cycles_total`.
const RESULTS: [&str; 5] = ["clean", "attention", "refused", "failed", "interrupted"];

/// Samples of histograms between two upkeeps: the library gathers them until then, 8 bytes each.
const UPKEEP: u32 = 4096;

/// All metrics of one daemon.
pub struct Metrics {
    recorder: PrometheusRecorder,
    handle: PrometheusHandle,
    stores: RwLock<HashMap<String, StoreMetrics>>,
    statements: [Histogram; Statement::ALL.len()],
    images: Counter,
    overtaken: Counter,
    unrecorded: Counter,
    overruns: Counter,
    audit_lost: Counter,
    cycle: Histogram,
    late: Histogram,
    results: [Counter; RESULTS.len()],
    due: [Gauge; BANDS.len()],
    waiting: [Gauge; BANDS.len()],
    database_up: Gauge,
    skew: Gauge,
    success: Gauge,
    wakeup: Gauge,
    samples: AtomicU32,
}

/// One store's. The store without an id stands for locations that have none.
struct StoreMetrics {
    locations: [Counter; Outcome::ALL.len()],
    bytes: [Counter; Outcome::ALL.len()],
    kept: Vec<(Reason, Gauge)>,
    call: Histogram,
    depth: Gauge,
    in_flight: Gauge,
    breakers: [Gauge; BreakerPosition::ALL.len()],
    trash_images: Counter,
    trash_bytes: Counter,
}

impl Metrics {
    /// All families, described, with the label sets that depend on no store.
    ///
    /// # Errors
    /// Never in practice: no histogram here is without buckets.
    pub fn new() -> Result<Self, MetricsError> {
        let mut builder = PrometheusBuilder::new();
        for (name, kind, _) in FAMILIES {
            if let Kind::Histogram(buckets) = kind {
                builder = builder.set_buckets_for_metric(Matcher::Full((*name).to_owned()), buckets)?;
            }
        }
        let recorder = builder.build_recorder();
        for (name, kind, help) in FAMILIES {
            let (name, help) = ((*name).into(), (*help).into());
            match kind {
                Kind::Counter => recorder.describe_counter(name, None, help),
                Kind::Gauge => recorder.describe_gauge(name, None, help),
                Kind::Histogram(_) => recorder.describe_histogram(name, None, help),
            }
        }
        let make = Make(&recorder);
        make.gauge(BUILD, &[("version", env!("CARGO_PKG_VERSION"))]).set(1.0);
        let metrics = Self {
            handle: recorder.handle(),
            stores: RwLock::default(),
            statements: Statement::ALL.map(|one| make.histogram(STATEMENT, &[("statement", one.as_str())])),
            images: make.counter(IMAGES, &[]),
            overtaken: make.counter(OVERTAKEN, &[]),
            unrecorded: make.counter(UNRECORDED, &[]),
            overruns: make.counter(OVERRUNS, &[]),
            audit_lost: make.counter(AUDIT_LOST, &[]),
            cycle: make.histogram(CYCLE, &[]),
            late: make.histogram(LATE, &[]),
            results: RESULTS.map(|result| make.counter(ENDED, &[("result", result)])),
            due: BANDS.map(|band| make.gauge(BACKLOG, &[("state", "due"), ("age", band)])),
            waiting: BANDS.map(|band| make.gauge(BACKLOG, &[("state", "waiting"), ("age", band)])),
            database_up: make.gauge(DATABASE_UP, &[]),
            skew: make.gauge(SKEW, &[]),
            success: make.gauge(SUCCESS, &[]),
            wakeup: make.gauge(WAKEUP, &[]),
            samples: AtomicU32::new(0),
            recorder,
        };
        metrics.stores(&[]);
        Ok(metrics)
    }

    /// The text that a scrape gets.
    pub fn render(&self) -> String {
        self.handle.render()
    }

    /// Makes every label set of these stores. Those of a store that a reload took away stay as they are: a counter
    /// that vanishes looks like a restart.
    pub(super) fn stores(&self, ids: &[StoreId]) {
        let make = Make(&self.recorder);
        let mut stores = self.stores.write().unwrap_or_else(PoisonError::into_inner);
        for id in ids.iter().map(StoreId::as_str).chain([""]) {
            if !stores.contains_key(id) {
                stores.insert(id.to_owned(), StoreMetrics::new(&make, id));
            }
        }
    }

    pub(super) fn settled(&self, one: &SettledLocation<'_>) {
        let outcome = match one.end {
            Ended::Finished(outcome) => outcome,
            // Its store was not asked again; the gauge of what is kept has it.
            Ended::Kept(_) if one.standing == Standing::Waiting => return,
            Ended::Kept(keep) => match keep.reason {
                Reason::Outcome(outcome) => outcome,
                // No store was asked, and nothing failed: the gauge of what is kept shows it.
                _ => return,
            },
            Ended::Overtaken => return self.overtaken.increment(1),
        };
        self.with(one.store, |store| {
            store.locations[outcome as usize].increment(1);
            store.bytes[outcome as usize].increment(one.bytes);
        });
        if let (Ended::Finished(_), Some(due_at)) = (one.end, one.due_at) {
            self.sample(&self.late, (one.at - due_at).as_seconds_f64().max(0.0));
        }
    }

    pub(super) fn images_finished(&self, images: u64) {
        self.images.increment(images);
    }

    pub(super) fn lane(&self, store: &StoreId, depth: usize, in_flight: usize) {
        self.with(Some(store), |store| {
            store.depth.set(depth as f64);
            store.in_flight.set(in_flight as f64);
        });
    }

    pub(super) fn store_answered(&self, store: &StoreId, took: Duration) {
        self.with(Some(store), |store| self.sample(&store.call, took.as_secs_f64()));
    }

    pub(super) fn database_answered(&self, statement: Statement, took: Duration) {
        self.sample(&self.statements[statement as usize], took.as_secs_f64());
    }

    pub(super) fn backlog(&self, backlog: &Backlog) {
        let set = |gauges: &[Gauge; BANDS.len()], bands: [u64; BANDS.len()]| {
            gauges.iter().zip(bands).for_each(|(gauge, locations)| gauge.set(locations as f64));
        };
        set(&self.due, backlog.due);
        if let Some(waiting) = backlog.waiting {
            set(&self.waiting, waiting);
        }
    }

    pub(super) fn cycle_ended(&self, report: &CycleReport) {
        let result = match report {
            CycleReport { failure: Some(_), .. } => 3,
            CycleReport { refusal: Some(_), .. } => 2,
            CycleReport { interrupted: true, .. } => 4,
            _ => usize::from(report.needs_attention()),
        };
        self.results[result].increment(1);
        if result < 2 {
            self.success.set(report.ended_at.timestamp() as f64);
        }
        self.sample(&self.cycle, (report.ended_at - report.started_at).as_seconds_f64().max(0.0));
        self.unrecorded.increment(report.unrecorded);
        self.skew.set(report.skew.ahead().as_seconds_f64());
        let stores = self.stores.read().unwrap_or_else(PoisonError::into_inner);
        for store in stores.values() {
            store.depth.set(0.0);
            store.in_flight.set(0.0);
            store.kept.iter().for_each(|(_, gauge)| gauge.set(0.0));
        }
        for (id, reason, line) in report.kept.lines() {
            let kept = stores.get(id.map_or("", StoreId::as_str)).map(|store| &store.kept);
            let gauge = kept.and_then(|kept| kept.iter().find(|(known, _)| *known == reason));
            if let Some((_, gauge)) = gauge {
                gauge.set(line.tally.locations as f64);
            }
        }
        for (id, tally) in &report.trash {
            if let Some(store) = stores.get(id.as_str()) {
                store.trash_images.increment(tally.freed);
                store.trash_bytes.increment(tally.bytes);
            }
        }
        drop(stores);
        self.handle.run_upkeep();
    }

    pub(super) fn overrun(&self) {
        self.overruns.increment(1);
    }

    pub(super) fn database_up(&self, up: bool) {
        self.database_up.set(if up { 1.0 } else { 0.0 });
    }

    pub(super) fn next_wakeup(&self, at: Option<DateTime<Utc>>) {
        self.wakeup.set(at.map_or(0.0, |at| at.timestamp() as f64));
    }

    pub(super) fn audit_log_lost(&self, lines: u64) {
        self.audit_lost.absolute(lines);
    }

    pub(super) fn breakers(&self, breakers: &[BreakerState]) {
        let stores = self.stores.read().unwrap_or_else(PoisonError::into_inner);
        for (id, store) in stores.iter() {
            for (state, gauge) in BreakerPosition::ALL.iter().zip(&store.breakers) {
                let count = breakers.iter().filter(|one| one.store.as_str() == id && one.state == *state).count();
                gauge.set(count as f64);
            }
        }
    }

    fn with(&self, store: Option<&StoreId>, what: impl FnOnce(&StoreMetrics)) {
        let stores = self.stores.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(store) = stores.get(store.map_or("", StoreId::as_str)) {
            what(store);
        }
    }

    /// Records a sample, and has the gathered ones counted before they take much memory.
    fn sample(&self, histogram: &Histogram, value: f64) {
        histogram.record(value);
        if self.samples.fetch_add(1, Ordering::Relaxed) % UPKEEP == UPKEEP - 1 {
            self.handle.run_upkeep();
        }
    }
}

impl StoreMetrics {
    fn new(make: &Make<'_>, id: &str) -> Self {
        let store = ("store", id);
        let outcome = |name| Outcome::ALL.map(|outcome| make.counter(name, &[store, ("outcome", outcome.as_str())]));
        let kept = |reason: Reason| (reason, make.gauge(KEPT, &[store, ("reason", reason.as_str())]));
        Self {
            locations: outcome(LOCATIONS),
            bytes: outcome(BYTES),
            kept: Reason::all().map(kept).collect(),
            call: make.histogram(CALL, &[store]),
            depth: make.gauge(WAITING, &[store]),
            in_flight: make.gauge(IN_FLIGHT, &[store]),
            breakers: BreakerPosition::ALL.map(|state| make.gauge(BREAKERS, &[store, ("state", state.as_str())])),
            trash_images: make.counter(TRASH_IMAGES, &[store]),
            trash_bytes: make.counter(TRASH_BYTES, &[store]),
        }
    }
}

/// Makes handles, which are there with a zero from then on.
struct Make<'a>(&'a PrometheusRecorder);

impl Make<'_> {
    const METADATA: Metadata<'static> = Metadata::new(module_path!(), Level::INFO, None);

    fn key(name: &'static str, labels: &[(&'static str, &str)]) -> Key {
        let labels: Vec<_> = labels.iter().map(|(label, value)| Label::new(*label, (*value).to_owned())).collect();
        Key::from_parts(name, labels)
    }

    fn counter(&self, name: &'static str, labels: &[(&'static str, &str)]) -> Counter {
        self.0.register_counter(&Self::key(name, labels), &Self::METADATA)
    }

    fn gauge(&self, name: &'static str, labels: &[(&'static str, &str)]) -> Gauge {
        self.0.register_gauge(&Self::key(name, labels), &Self::METADATA)
    }

    fn histogram(&self, name: &'static str, labels: &[(&'static str, &str)]) -> Histogram {
        self.0.register_histogram(&Self::key(name, labels), &Self::METADATA)
    }
}
