//! The cycle: plan, guard, lanes, record. One function, the same for `--once` and for each wake-up.
//!
//! Promises: it takes no input but the config and the clock, and doing it twice is harmless. Data is deleted only
//! after its rows were read again in this cycle, and recorded as deleted only on its store's word. One location, one
//! store or one page that fails holds up nothing else. The report says everything, also how the cycle failed.

mod apart;
mod audit;
mod backlog;
mod breaker;
mod claiming;
mod fresh;
mod going;
mod guard;
mod holder;
mod known;
mod lanes;
mod look_up;
mod memory;
mod observer;
mod others;
mod patience;
mod plan;
mod probe;
mod pulse;
mod queue;
mod rate;
mod reclaim;
mod record;
mod report;
mod retry;
mod shared;
mod silence;
mod skew;
mod survey;
mod watched;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use chrono::{DateTime, Utc};
use futures::future::join_all;
use tokio::sync::{Semaphore, mpsc};
use tokio_util::sync::CancellationToken;

pub use audit::{Audit, Entry, Verdict};
pub use backlog::{AGES, BANDS, Backlog, Bands};
pub use breaker::BreakerPosition;
pub use guard::{Approval, Approved, Guards, Reclaimable, Refusal, approve, judge};
pub use holder::Leases;
pub use look_up::LookUp;
pub use memory::{BreakerState, Memory};
pub use observer::{CycleId, Ended, InHand, Observer, SettledLocation, Several, Statement, StoreCall};
pub use plan::{Decision, Keep, Policy, Reason, Resolved, decide, horizon, resolve};
pub use probe::Prober;
pub use pulse::{Pulse, UnderWay};
pub use report::{CycleReport, Example, JSON_VERSION, Kept, KeptLine, Tally, TrashTally};
pub use retry::Standing;
pub use skew::Skew;
pub use survey::{Limits, Notice, Plan, acquaint, survey};

use crate::catalog::{Catalog, CatalogError, Coordination, Ledger, LocationId};
use crate::config::{Config, Sharing};
use crate::location::{KeyError, Keyring};
use crate::store::{self, Stores};
use guard::ApprovedPlan;
use holder::Holder;
use lanes::Lanes;
use queue::Left;
use reclaim::Reclaim;
use record::Recorder;
use watched::Watched;

/// The time. Everything that asks for it asks here.
pub trait Clock: Send + Sync {
    /// Now, in UTC.
    fn now(&self) -> DateTime<Utc>;
}

impl<C: Clock + ?Sized> Clock for Arc<C> {
    fn now(&self) -> DateTime<Utc> {
        self.as_ref().now()
    }
}

/// The host's clock.
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> DateTime<Utc> {
        Utc::now()
    }
}

/// Long enough that a store which answers in time is never asked for twice the reading; short enough that a restore
/// which an operator began just before is seen.
const LOOK_LASTS: Duration = Duration::from_secs(10);

/// What a config asks of every cycle.
#[derive(Debug, Clone, Copy)]
pub struct Settings {
    /// The longer of `scrub_time` and `[scrubber] min_age`.
    pub grace: Duration,
    /// Per-cycle limits.
    pub limits: Limits,
    /// What a whole plan is held against.
    pub guards: Guards,
    /// `scrub_pool_size`, where set.
    pub pool: Option<usize>,
    /// How long a look at a row is fresh enough to delete by: [`LOOK_LASTS`].
    pub look_lasts: Duration,
    /// `[scrubber] database_patience`.
    pub patience: Duration,
    /// `[scrubber] give_up_after`, where set.
    pub give_up_after: Option<Duration>,
    /// How claims are held, where there are any.
    pub leases: Leases,
}

impl Settings {
    /// Takes them from the config; `allow_empty` comes from the command line alone, so that nobody forgets it in a file.
    pub fn of(config: &Config, allow_empty: bool) -> Self {
        let own = &config.scrubber;
        Self {
            grace: config.scrub_time.max(own.min_age),
            limits: Limits { images: own.max_images_per_cycle, bytes: own.max_bytes_per_cycle },
            guards: Guards { max_percent: own.max_percent_of_images, allow_empty },
            pool: config.scrub_pool_size,
            look_lasts: LOOK_LASTS,
            patience: own.database_patience,
            give_up_after: own.give_up_after,
            leases: Leases::of(own),
        }
    }
}

/// The keys of a config.
///
/// # Errors
/// A key of a length that AES does not have; the config checks that before.
pub fn keyring(config: &Config) -> Result<Keyring, KeyError> {
    Keyring::new(&config.encryption_keys)
}

/// All that a cycle needs, opened once.
pub struct Scrubber {
    /// Glance's database, writable.
    pub ledger: Arc<dyn Ledger>,
    /// How the work is shared with other scrubbers.
    pub coordination: Coordination,
    /// What keeps cycles and restores of this host apart, where there are no claims.
    pub lock_file: Option<PathBuf>,
    /// The configured stores.
    pub stores: Stores,
    /// Keys for encrypted locations.
    pub keys: Keyring,
    /// The config's demands.
    pub settings: Settings,
    /// The time.
    pub clock: Box<dyn Clock>,
    /// What is known from earlier cycles. It outlives a scrubber where a new config makes a new one.
    pub memory: Arc<Memory>,
}

impl Scrubber {
    /// Puts one together for a config, with a database that is connected; opens the stores.
    ///
    /// # Errors
    /// A key of a length that AES does not have; the config checks that before.
    pub fn new(
        config: &Config,
        allow_empty: bool,
        ledger: Arc<dyn Ledger>,
        coordination: Coordination,
        clock: Box<dyn Clock>,
        memory: Arc<Memory>,
    ) -> Result<Self, KeyError> {
        let lock_file = match &config.scrubber.sharing {
            Sharing::Alone { lock_file } => Some(lock_file.clone()),
            Sharing::Database { .. } => None,
        };
        let (keys, stores, settings) = (keyring(config)?, store::open(config), Settings::of(config, allow_empty));
        Ok(Self { ledger, coordination, lock_file, stores, keys, settings, clock, memory })
    }

    /// One cycle, from the scan to the last record. `stop` ends it early but in order.
    pub async fn cycle(&self, observer: &dyn Observer, stop: &CancellationToken) -> CycleReport {
        let now = self.clock.now();
        self.memory.begin(now, self.settings.give_up_after);
        let mut report = CycleReport::begin(CycleId::random(), now);
        observer.began(report.cycle, now);
        match apart::from_restores(self.lock_file.as_deref(), stop, observer).await {
            Ok(lock) => {
                report.failure = self.work(now, observer, stop, &mut report).await.err();
                apart::release(lock, &report, self.settings.leases.longest_call);
            }
            Err(refusal) => refuse(&mut report, refusal),
        }
        report.interrupted |= stop.is_cancelled();
        report.ended_at = self.clock.now();
        report
    }

    async fn work(
        &self,
        now: DateTime<Utc>,
        observer: &dyn Observer,
        stop: &CancellationToken,
        report: &mut CycleReport,
    ) -> Result<(), CatalogError> {
        let reader = Arc::clone(&self.ledger).reader();
        let catalog: &dyn Catalog = &Watched { catalog: reader.as_ref(), observer };
        let memory = self.memory.as_ref();
        let claims = self.coordination.claims().map(Arc::as_ref);
        let skew = Skew::measure(catalog, self.clock.as_ref()).await?;
        skew.tell(memory);
        report.skew = skew;
        let horizon = horizon(skew.earlier(now), self.settings.grace);
        let policy = &Policy { horizon, keys: &self.keys, stores: &self.stores };
        known::adopt(claims, memory).await?;
        let notice = &mut |kept: &Kept, one: &SettledLocation<'_>| {
            record::log_kept(kept, one);
            observer.passed_over(one);
        };
        let plan = survey(catalog, policy, self.settings.limits, memory, claims, notice).await?;
        plan.describe(report);
        if let Some(claims) = claims {
            known::tidy(catalog, claims, memory).await?;
        }
        backlog::tell(catalog, policy, plan.ages, observer).await;
        let census = plan.census(catalog).await?;
        let due = plan.due;
        let ApprovedPlan { approval, lanes, finishable } =
            match approve(plan, census, self.settings.guards, &self.ledger) {
                Ok(approved) => approved,
                Err(refusal) => {
                    refuse(report, refusal);
                    return Ok(());
                }
            };
        // The last moment to find out that nothing could be recorded: after it, data goes.
        if let Some(first) = lanes.iter().find_map(|ids| ids.first()) {
            self.rehearse(*first, observer).await?;
        }
        observer.planned(due);
        let pool = self.settings.pool.map(Semaphore::new);
        let (ledger, clock, patience) = (Arc::clone(&self.ledger), self.clock.as_ref(), self.settings.patience);
        let (approval, pool) = (&approval, pool.as_ref());
        let look_lasts = self.settings.look_lasts;
        let (under_way, lost, calls) = (observer.under_way(), AtomicU64::new(0), AtomicU64::new(0));
        let reclaim = Reclaim { catalog, policy, approval, stop, patience, observer, under_way: under_way.clone() };
        let holder = &Holder::new(&self.coordination, self.settings.leases, patience, observer);
        let common = Lanes {
            catalog,
            policy,
            approval,
            memory,
            holder,
            clock,
            pool,
            stop,
            patience,
            look_lasts,
            under_way,
            observer,
            calls,
            lost,
        };
        let mut recorder = Recorder { ledger, policy, memory, holder, clock, observer, patience, report };
        recorder.finish(&finishable).await?;
        let done = tokio::select! {
            done = self.run_lanes(&common, &lanes, recorder) => done,
            never = holder.keep() => match never {},
        };
        holder.release().await;
        done?;
        // What lies in a trash is of images that are `deleted`: nobody restores those, and so it needs no claim.
        reclaim.run(report).await
    }

    async fn rehearse(&self, location: LocationId, observer: &dyn Observer) -> Result<(), CatalogError> {
        let now = self.clock.now();
        let rehearse = || watched::timed(observer, Statement::Rehearse, self.ledger.rehearse(location, now));
        patience::retry(self.settings.patience, "see whether deletions can be recorded", rehearse).await
    }

    /// Runs all lanes beside the recorder and adds what the lanes left behind.
    async fn run_lanes(
        &self,
        common: &Lanes<'_>,
        lanes: &[Vec<LocationId>],
        recorder: Recorder<'_>,
    ) -> Result<(), CatalogError> {
        let (sender, receiver) = mpsc::channel(record::QUEUE);
        let busy = lanes.iter().enumerate().filter(|(_, ids)| !ids.is_empty());
        let running: Vec<_> = busy
            .map(|(lane, ids)| {
                let settled = sender.clone();
                async move { (lane, common.run(lane, ids, settled).await) }
            })
            .collect();
        drop(sender);
        let ((report, recorded), ends) = tokio::join!(recorder.run(receiver), join_all(running));
        report.unrecorded += common.lost.load(Ordering::Relaxed);
        if report.unrecorded > 0 {
            tracing::error!(
                "The data of {} locations was removed but could not be recorded; the next cycle will find it absent",
                report.unrecorded
            );
        }
        let mut failed = recorded;
        for (lane, end) in ends {
            match end {
                Ok(left) => left.iter().for_each(|left| self.tell_left(report, lane, left)),
                Err(error) => failed = failed.and(Err(error)),
            }
        }
        failed
    }

    /// Says what a lane did not get to.
    fn tell_left(&self, report: &mut CycleReport, lane: usize, left: &Left) {
        let Left { locations, keep } = left;
        let store = self.stores.all()[lane].id();
        let why = keep.detail.as_deref().unwrap_or(keep.reason.as_str());
        tracing::warn!(store = store.as_str(), "{locations} due locations of store {store} were not tried: {why}");
        report.kept.add_unseen(store, keep, *locations);
    }
}

fn refuse(report: &mut CycleReport, refusal: Refusal) {
    tracing::error!("Nothing is deleted in this cycle: {refusal}");
    report.refusal = Some(refusal);
}
