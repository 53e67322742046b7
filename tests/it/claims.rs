//! The claims' contract: one set of functions, run on every database at hand.

mod failures;
mod recording;
mod rights;
mod several;
mod state;
mod tables;
mod taking;

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use glance_scrubber::catalog::{
    self, Catalog, ClaimRow, Claims, FailedAttempt, ImageId, KeptClaim, Ledger, LocationId, Scope, Settlement, Taken,
    Wanted,
};
use glance_scrubber::claim::{Owner, Party};
use glance_scrubber::config::{Config, ConfigSource, Invocation, load};

use crate::support::rows::Image;
use crate::support::servers::{Engine, engines_at_hand};
use crate::support::site::Site;

const DEADLINE: Duration = Duration::from_secs(30);
const LEASE: Duration = Duration::from_secs(300);
const HOUR: TimeDelta = TimeDelta::hours(1);

/// Scrubbers of one database, which has the tables already.
struct Shared {
    site: Site,
    config: Config,
    ledger: Arc<dyn Ledger>,
    claims: Arc<dyn Claims>,
}

impl Shared {
    async fn new(engine: Engine) -> Shared {
        let site = Site::new(engine);
        let config = config(&site, "");
        let ledger = catalog::open(&config.database, DEADLINE).await.unwrap();
        let claims = Arc::clone(&ledger).claims().unwrap();
        claims.prepare().await.unwrap();
        Shared { site, config, ledger, claims }
    }

    /// Another scrubber: with connections of its own.
    async fn another(&self) -> Arc<dyn Ledger> {
        catalog::open(&self.config.database, DEADLINE).await.unwrap()
    }

    /// A pending image with so many locations; all that there is to be claimed then.
    async fn pending(&self, image: &str, locations: usize) -> Vec<Wanted> {
        let values: Vec<_> = (0..locations).map(|number| format!("file:///{image}-{number}")).collect();
        let values: Vec<_> = values.iter().map(String::as_str).collect();
        Image::pending(image, HOUR * 2, &values).insert(&self.site.database);
        let ids = self.ledger.scan(Scope::Pending).await.unwrap().locations;
        let rows = self.ledger.locations(&ids).await.unwrap().into_iter().map(Result::unwrap);
        let mut all: Vec<_> = rows.map(|row| Wanted { location: row.id, image: row.image_id }).collect();
        all.sort_by_key(|one| one.location);
        all
    }

    async fn row(&self, wanted: &Wanted) -> Option<ClaimRow> {
        self.all().await.into_iter().find(|row| row.location == wanted.location)
    }

    async fn all(&self) -> Vec<ClaimRow> {
        let mut rows = Vec::new();
        self.claims.rows(&mut |row| rows.push(row)).await.unwrap();
        rows.sort_by_key(|row| row.location);
        rows
    }

    fn engine(&self) -> Engine {
        self.site.database.engine
    }
}

fn config(site: &Site, more: &str) -> Config {
    let more = format!("[scrubber]\ncoordination = database\n{more}");
    load(&Invocation::from_process(vec![ConfigSource::File(site.config(&more))], Vec::new())).unwrap()
}

/// Runs `test` on a fresh database of each engine.
fn on_each<F: Future<Output = ()>>(test: impl Fn(Shared) -> F) {
    for engine in engines_at_hand() {
        on(engine, &test);
    }
}

fn on<F: Future<Output = ()>>(engine: Engine, test: impl Fn(Shared) -> F) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async { test(Shared::new(engine).await).await });
}

fn scrubber() -> Owner {
    Owner::new(Party::Scrubber)
}

fn restore() -> Owner {
    Owner::new(Party::Restore)
}

fn granted(taken: &[Taken]) -> usize {
    taken.iter().filter(|one| matches!(one, Taken::Granted(_))).count()
}

/// A failure as it comes back: with milliseconds.
fn failure(attempts: u32, error: &str) -> FailedAttempt {
    FailedAttempt {
        attempts,
        outcome: "unavailable".to_owned(),
        error: Some(error.to_owned()),
        store: Some("ceph-1".to_owned()),
        first: at("2026-03-04T05:06:07.089Z"),
        next: Some(at("2026-03-04T06:06:07.891Z")),
    }
}

fn at(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

fn kept(wanted: &Wanted, failed: Option<FailedAttempt>) -> KeptClaim {
    KeptClaim { wanted: wanted.clone(), failed, unanswered: false }
}

fn settlement(owner: &Owner, kept: Vec<KeptClaim>) -> Settlement {
    Settlement { owner: owner.clone(), lease: LEASE, kept }
}

fn ids(wanted: &[Wanted]) -> Vec<LocationId> {
    wanted.iter().map(|one| one.location).collect()
}

fn image(id: &str) -> ImageId {
    ImageId(id.to_owned())
}

async fn clock(catalog: &dyn Ledger) -> DateTime<Utc> {
    Catalog::clock(catalog).await.unwrap()
}
