//! `--mode sharing`: two scrubbers share a backlog by claims, against one of them alone.
//!
//! The store takes a while for each location and costs nothing, as a store on other machines does; each scrubber has the
//! same number of calls to it. So what is measured is how much of the second scrubber the claims leave. Both are in this
//! process, each with connections of its own. One alone uses claims too.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use async_trait::async_trait;
use futures::future::try_join_all;
use glance_scrubber::catalog;
use glance_scrubber::config::{Config, ConfigSource, Invocation, StoreId, load};
use glance_scrubber::location::{Location, Scheme};
use glance_scrubber::scrub::{Approved, CycleReport, Scrubber, SystemClock};
use glance_scrubber::store::{Answer, Finding, Outcome, Pace, Store, Stores, Target};
use tokio_util::sync::CancellationToken;

use crate::Bench;
use crate::cloud::After;
use crate::fill::{Detail, fill};
use crate::measure::median;
use crate::table::{note, print, say};

/// What a location takes: an image of a few gigabytes in Ceph, or an object in a slow Swift.
const DELETE: Duration = Duration::from_millis(50);

/// Calls at once, for each scrubber.
const WORKERS: usize = 8;

const DEADLINE: Duration = Duration::from_secs(20);

pub async fn run(bench: &Bench<'_>) -> Result<()> {
    bench.write_file_config()?;
    let source = vec![ConfigSource::File(bench.claims_config_file())];
    let config = load(&Invocation::from_process(source, Vec::new())).map_err(|errors| anyhow::anyhow!("{errors:?}"))?;
    let mut seconds = [Vec::new(), Vec::new()];
    for run in 1..=bench.args.runs {
        // In turn within a run, so that a machine that becomes slower does so for both.
        for (scrubbers, seconds) in (1..).zip(&mut seconds) {
            let wall = one_round(bench, &config, scrubbers).await?;
            note(&format!("run {run}: {scrubbers} at work {wall:.3} s"));
            seconds.push(wall);
        }
    }
    report(bench.cloud.counts.due, &seconds)
}

/// Refills, runs, verifies. Seconds.
async fn one_round(bench: &Bench<'_>, config: &Config, scrubbers: usize) -> Result<f64> {
    fill(&bench.cloud, &bench.place, Detail::ImagesAndLocations).await?;
    let deleted = Arc::new(AtomicU64::new(0));
    let stores = (0..scrubbers).map(|_| Slow { id: StoreId("file".to_owned()), deleted: Arc::clone(&deleted) });
    let scrubbers = try_join_all(stores.map(|store| scrubber(config, store))).await?;
    let begun = Instant::now();
    let reports = scrubbers.iter().map(|scrubber| async {
        // A task of its own for each, as if it were a process.
        scrubber.cycle(&(), &CancellationToken::new()).await
    });
    let reports: Vec<CycleReport> = futures::future::join_all(reports).await;
    let wall = begun.elapsed().as_secs_f64();
    for report in reports {
        ensure!(report.failure.is_none() && report.lost == 0, "a scrubber failed: {:?}", report.failure);
    }
    let (deleted, due) = (deleted.load(Ordering::Relaxed), bench.cloud.counts.due);
    ensure!(deleted == due, "{deleted} deletes of {due} locations");
    let mut database = bench.place.connect().await?;
    bench.cloud.verify_rows(&mut database, After::Scrubbing).await?;
    database.close().await?;
    Ok(wall)
}

async fn scrubber(config: &Config, store: Slow) -> Result<Scrubber> {
    let ledger = catalog::open(&config.database, DEADLINE).await?;
    let coordination = catalog::coordinate(&config.scrubber.sharing, &ledger, DEADLINE).await?;
    let scrubber = Scrubber::new(config, false, ledger, coordination, Box::new(SystemClock), Arc::default())?;
    Ok(Scrubber { stores: Stores::new(false, vec![Arc::new(store)]), ..scrubber })
}

fn report(due: u64, seconds: &[Vec<f64>; 2]) -> Result<()> {
    let row = |(scrubbers, seconds): (usize, &Vec<f64>)| {
        let (least, most) = seconds.iter().fold((f64::MAX, f64::MIN), |(least, most), s| (least.min(*s), most.max(*s)));
        let wall = median(seconds.iter().copied());
        [
            format!("{scrubbers} at work"),
            format!("{wall:.3}"),
            format!("{least:.3} to {most:.3}"),
            format!("{:.0}", due as f64 / wall),
        ]
    };
    print(["scrubbers", "seconds", "spread", "images/s"], (1..).zip(seconds).map(row).collect())?;
    let [one, two] = seconds;
    let (one, two) = (median(one.iter().copied()), median(two.iter().copied()));
    say(&format!("two scrubbers do {:.2} times one's images/s", one / two))
}

/// A store that takes its time and has nothing.
struct Slow {
    id: StoreId,
    deleted: Arc<AtomicU64>,
}

#[async_trait]
impl Store for Slow {
    fn id(&self) -> &StoreId {
        &self.id
    }
    fn schemes(&self) -> &'static [Scheme] {
        &[Scheme::File]
    }
    fn pace(&self) -> Pace {
        Pace { workers: WORKERS, batch: 1 }
    }
    fn locate(&self, location: &Location) -> Result<Target, Answer> {
        Ok(Target { container: "slow".to_owned(), identity: Some(location.uri.expose().to_owned()) })
    }
    fn owns(&self, _location: &Location) -> bool {
        false
    }
    async fn delete(&self, targets: &[Approved]) -> Vec<Answer> {
        tokio::time::sleep(DELETE).await;
        self.deleted.fetch_add(targets.len() as u64, Ordering::Relaxed);
        targets.iter().map(|_| Answer::plain(Outcome::Deleted)).collect()
    }
    async fn check(&self) -> Vec<Finding> {
        Vec::new()
    }
}
