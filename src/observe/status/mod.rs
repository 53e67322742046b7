//! What the daemon does at this moment, for `STATUS=`, for SIGUSR2, for the pages and for the metrics.
//!
//! Promises: memory is bounded by the number of stores and of calls in flight, whatever a cycle finds; who reads copies
//! under a short lock and writes afterwards, so that no reader holds up a cycle. No credential and no URI comes in here.
//! It never fails. Rejected: one lock for each store (the lock is held for less than a microsecond an event).

mod life;
mod snapshot;
mod text;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};

pub use snapshot::Snapshot;

use self::life::Life;
use super::audit_log::AuditLog;
use super::metrics::Metrics;
use crate::catalog::{CatalogError, ImageId, LocationId};
use crate::config::StoreId;
use crate::scrub::{
    Backlog, BreakerState, Clock, CycleId, CycleReport, Ended, Observer, SettledLocation, Statement, StoreCall, Tally,
    UnderWay,
};

/// Images or locations named for each line; more would not help anybody.
const EXAMPLES: usize = 5;

/// Breakers shown; a store may have many containers.
const BREAKERS: usize = 100;

/// Asked for the breakers whenever somebody looks.
pub type BreakerSource = Box<dyn Fn() -> Vec<BreakerState> + Send + Sync>;

/// What the daemon does at this moment.
pub struct Status {
    clock: Box<dyn Clock>,
    life: Life,
    now: Mutex<Now>,
    metrics: Option<Metrics>,
    breakers: Mutex<Option<BreakerSource>>,
    audit_log: OnceLock<Arc<AuditLog>>,
}

/// Everything that changes.
#[derive(Debug, Clone, Default)]
pub(super) struct Now {
    pub(super) started_at: DateTime<Utc>,
    pub(super) config_loaded: Option<DateTime<Utc>>,
    pub(super) database_answered: bool,
    pub(super) waiting_for_database: Option<(DateTime<Utc>, String)>,
    pub(super) next_wakeup: Option<DateTime<Utc>>,
    pub(super) stopping: bool,
    pub(super) cycles: u64,
    pub(super) overruns: u64,
    pub(super) current: Option<Current>,
    pub(super) last: Option<Last>,
    pub(super) last_success: Option<DateTime<Utc>>,
    pub(super) lanes: BTreeMap<StoreId, Lane>,
    /// By store's id and word.
    pub(super) results: BTreeMap<String, BTreeMap<&'static str, Line>>,
    pub(super) backlog: Option<Backlog>,
}

/// The cycle under way.
#[derive(Debug, Clone)]
pub(super) struct Current {
    pub(super) cycle: CycleId,
    pub(super) began: DateTime<Utc>,
    pub(super) planned: Option<Tally>,
    pub(super) done: Tally,
}

/// The last cycle that ended. Its report has no more than some of the unfinished images.
#[derive(Debug, Clone)]
pub(super) struct Last {
    pub(super) report: CycleReport,
    pub(super) images_unfinished: u64,
}

/// One store's lane.
#[derive(Debug, Clone, Default)]
pub(super) struct Lane {
    pub(super) depth: usize,
    pub(super) in_flight: usize,
    pub(super) calls: BTreeMap<u64, Held>,
}

/// What a call has in hand.
#[derive(Debug, Clone)]
pub(super) struct Held {
    pub(super) since: DateTime<Utc>,
    pub(super) container: String,
    pub(super) locations: usize,
    pub(super) examples: Vec<Named>,
}

/// A location by its ids.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub(super) struct Named {
    pub(super) image: Option<ImageId>,
    pub(super) location: LocationId,
}

/// What ended in one word, in one store, in the cycle under way or else the last one.
#[derive(Debug, Clone, Default)]
pub(super) struct Line {
    pub(super) tally: Tally,
    /// The earliest end of a grace period.
    pub(super) oldest: Option<DateTime<Utc>>,
    pub(super) detail: Option<String>,
    pub(super) examples: Vec<Named>,
}

/// Stands for the store of a location that did not get as far as having one; no store's id is empty.
pub(super) const NO_STORE: &str = "";

impl Status {
    /// Without metrics: what a daemon needs that listens nowhere.
    pub fn new(clock: Box<dyn Clock>) -> Self {
        let now = Now { started_at: clock.now(), ..Now::default() };
        Self {
            clock,
            life: Life::new(),
            now: Mutex::new(now),
            metrics: None,
            breakers: Mutex::new(None),
            audit_log: OnceLock::new(),
        }
    }

    /// With metrics, for a daemon that listens.
    ///
    /// # Errors
    /// Never in practice: the metrics' library refuses histograms without buckets.
    pub fn with_metrics(clock: Box<dyn Clock>) -> Result<Self, super::metrics::MetricsError> {
        Ok(Self { metrics: Some(Metrics::new()?), ..Self::new(clock) })
    }

    /// A config was read, at the start or at a reload, with these stores.
    pub fn config_loaded(&self, at: DateTime<Utc>, stores: &[StoreId]) {
        let mut now = self.lock();
        now.config_loaded = Some(at);
        let mut known = std::mem::take(&mut now.lanes);
        now.lanes = stores.iter().map(|store| (store.clone(), known.remove(store).unwrap_or_default())).collect();
        drop(now);
        if let Some(metrics) = &self.metrics {
            metrics.stores(stores);
        }
        self.life.sign();
    }

    /// The database does not answer, and is tried again and again. `why` is what it said last.
    pub fn waiting_for_database(&self, since: DateTime<Utc>, why: &str) {
        let mut now = self.lock();
        let since = now.waiting_for_database.as_ref().map_or(since, |(first, _)| since.min(*first));
        now.waiting_for_database = Some((since, why.to_owned()));
        drop(now);
        self.life.sign();
        if let Some(metrics) = &self.metrics {
            metrics.database_up(false);
        }
    }

    /// The database answers (again).
    pub fn database_answers(&self) {
        let mut now = self.lock();
        now.waiting_for_database = None;
        now.database_answered = true;
        drop(now);
        self.life.sign();
        if let Some(metrics) = &self.metrics {
            metrics.database_up(true);
        }
    }

    /// When the next cycle begins; `None` while that is not known.
    pub fn next_wakeup(&self, at: Option<DateTime<Utc>>) {
        self.lock().next_wakeup = at;
        if let Some(metrics) = &self.metrics {
            metrics.next_wakeup(at);
        }
    }

    /// A cycle came back with its report.
    pub fn cycle_ended(&self, report: &CycleReport) {
        let mut kept = report.clone();
        kept.images_unfinished.truncate(EXAMPLES);
        let last = Last { report: kept, images_unfinished: report.images_unfinished.len() as u64 };
        let mut now = self.lock();
        now.current = None;
        now.cycles += 1;
        now.last = Some(last);
        if report.failure.is_none() && report.refusal.is_none() && !report.interrupted {
            now.last_success = Some(report.ended_at);
        }
        now.lanes.values_mut().for_each(|lane| *lane = Lane::default());
        drop(now);
        self.life.sign();
        if let Some(metrics) = &self.metrics {
            metrics.cycle_ended(report);
        }
    }

    /// A cycle took so long that a wake-up was due before its end.
    pub fn overrun(&self) {
        self.lock().overruns += 1;
        if let Some(metrics) = &self.metrics {
            metrics.overrun();
        }
    }

    /// Asked to stop: what is in hand is finished.
    pub fn stopping(&self) {
        self.lock().stopping = true;
    }

    /// How old the last sign of life may be for `/healthz`; 15 minutes unless told.
    pub fn life_bound(&self, bound: Duration) {
        self.life.set_bound(bound);
    }

    /// Where the breakers are asked for; replaced at a reload.
    pub fn breakers_from(&self, source: BreakerSource) {
        *self.breakers.lock().unwrap_or_else(PoisonError::into_inner) = Some(source);
    }

    /// The audit log whose lost lines are shown. Once.
    pub fn audit_log(&self, log: Arc<AuditLog>) {
        let _ = self.audit_log.set(log);
    }

    /// When the process last showed life.
    pub fn last_sign_of_life(&self) -> Instant {
        self.life.last()
    }

    /// How long nothing has shown life, where that is longer than the bound.
    pub fn silence(&self) -> Option<Duration> {
        self.life.silence()
    }

    /// Why it is not ready to work, if it is not.
    pub fn not_ready(&self) -> Option<String> {
        let now = self.lock();
        if now.config_loaded.is_none() {
            return Some("the configuration has not been read yet".to_owned());
        }
        if now.stopping {
            return Some("stopping".to_owned());
        }
        match &now.waiting_for_database {
            Some((since, why)) => Some(format!("waiting for the database since {}: {why}", text::time(*since))),
            None if !now.database_answered => Some("the database has not answered yet".to_owned()),
            None => None,
        }
    }

    /// One line for `STATUS=`.
    pub fn line(&self) -> String {
        text::line(&self.snapshot())
    }

    /// Several lines: every lane, what each call has in hand and since when.
    pub fn dump(&self) -> String {
        text::dump(&self.snapshot())
    }

    /// The stable JSON form, version [`crate::scrub::JSON_VERSION`].
    pub fn to_json(&self) -> serde_json::Value {
        self.snapshot().to_json()
    }

    /// Everything at once, as it is now.
    pub fn snapshot(&self) -> Snapshot {
        let now = self.lock().clone();
        let (silence, not_ready) = (self.life.last().elapsed(), self.not_ready());
        let lost = self.audit_log.get().map(|log| log.lost());
        Snapshot { now, at: self.clock.now(), silence, not_ready, breakers: self.breakers(), audit_log_lost: lost }
    }

    /// The metrics in Prometheus' text format, where there are metrics.
    pub fn metrics(&self) -> Option<String> {
        let metrics = self.metrics.as_ref()?;
        metrics.breakers(&self.breakers());
        metrics.audit_log_lost(self.audit_log.get().map_or(0, |log| log.lost()));
        Some(metrics.render())
    }

    fn breakers(&self) -> Vec<BreakerState> {
        let source = self.breakers.lock().unwrap_or_else(PoisonError::into_inner);
        let mut breakers = source.as_ref().map(|source| source()).unwrap_or_default();
        breakers.truncate(BREAKERS);
        breakers
    }

    fn lock(&self) -> MutexGuard<'_, Now> {
        self.now.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Now {
    fn note(&mut self, one: &SettledLocation<'_>) {
        let store = one.store.map_or(NO_STORE, StoreId::as_str);
        // Looked for first: the usual case needs no copy of the key.
        if !self.results.contains_key(store) {
            self.results.insert(store.to_owned(), BTreeMap::new());
        }
        let Some(lines) = self.results.get_mut(store) else { return };
        let line = lines.entry(one.word()).or_default();
        line.tally.locations += 1;
        line.tally.bytes = line.tally.bytes.saturating_add(one.bytes);
        line.oldest = match (line.oldest, one.due_at) {
            (Some(oldest), Some(due)) => Some(oldest.min(due)),
            (oldest, due) => oldest.or(due),
        };
        if line.examples.len() < EXAMPLES {
            line.examples.push(Named { image: one.which.image.clone(), location: one.which.location });
        }
        if let (None, Ended::Kept(keep)) = (&line.detail, one.end) {
            line.detail.clone_from(&keep.detail);
        }
    }
}

impl Observer for Status {
    fn began(&self, cycle: CycleId, began: DateTime<Utc>) {
        let mut now = self.lock();
        now.current = Some(Current { cycle, began, planned: None, done: Tally::default() });
        now.next_wakeup = None;
        now.results.clear();
        drop(now);
        self.life.sign();
    }

    fn wants_backlog(&self) -> bool {
        self.metrics.is_some()
    }

    fn backlog(&self, backlog: &Backlog) {
        self.lock().backlog = Some(*backlog);
        if let Some(metrics) = &self.metrics {
            metrics.backlog(backlog);
        }
    }

    fn passed_over(&self, one: &SettledLocation<'_>) {
        self.lock().note(one);
        if let Some(metrics) = &self.metrics {
            metrics.settled(one);
        }
    }

    fn planned(&self, plan: Tally) {
        if let Some(current) = &mut self.lock().current {
            current.planned = Some(plan);
        }
    }

    fn settled(&self, one: &SettledLocation<'_>) {
        let mut now = self.lock();
        now.note(one);
        if let Some(current) = &mut now.current {
            current.done.locations += 1;
            current.done.bytes = current.done.bytes.saturating_add(one.bytes);
        }
        drop(now);
        if let Some(metrics) = &self.metrics {
            metrics.settled(one);
        }
    }

    fn images_finished(&self, images: &[ImageId]) {
        if let Some(metrics) = &self.metrics {
            metrics.images_finished(images.len() as u64);
        }
    }

    fn lane(&self, store: &StoreId, depth: usize, in_flight: usize) {
        if let Some(lane) = self.lock().lanes.get_mut(store) {
            (lane.depth, lane.in_flight) = (depth, in_flight);
        }
        if let Some(metrics) = &self.metrics {
            metrics.lane(store, depth, in_flight);
        }
    }

    fn call_began(&self, call: &StoreCall<'_>) {
        let named = call.in_hand.iter().take(EXAMPLES);
        let held = Held {
            since: self.clock.now(),
            container: call.container.to_owned(),
            locations: call.in_hand.len(),
            examples: named.map(|one| Named { image: one.which.image.clone(), location: one.which.location }).collect(),
        };
        if let Some(lane) = self.lock().lanes.get_mut(call.store) {
            lane.calls.insert(call.number, held);
        }
    }

    fn call_ended(&self, call: &StoreCall<'_>, took: Duration) {
        if let Some(lane) = self.lock().lanes.get_mut(call.store) {
            lane.calls.remove(&call.number);
        }
        self.life.sign();
        if let Some(metrics) = &self.metrics {
            metrics.store_answered(call.store, took);
        }
    }

    /// A cycle waits for it in its own way, and may go on: the daemon hears of it only when patience is over.
    fn database_away(&self, why: &CatalogError) {
        self.waiting_for_database(self.clock.now(), &why.to_string());
    }

    fn database_answered(&self, statement: Statement, took: Duration) {
        // Of a database that is not away, the usual case, there is nothing new to tell.
        if self.lock().waiting_for_database.is_some() {
            self.database_answers();
        }
        self.life.sign();
        if let Some(metrics) = &self.metrics {
            metrics.database_answered(statement, took);
        }
    }

    fn alive(&self) {
        self.life.sign();
    }

    fn under_way(&self) -> UnderWay {
        self.life.under_way.clone()
    }
}
