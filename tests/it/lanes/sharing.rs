//! Several scrubbers over one backlog, with claims.

use std::collections::HashSet;
use std::sync::Barrier;
use std::sync::atomic::AtomicBool;
use std::time::Instant;

use chrono::Utc;
use glance_scrubber::catalog::{
    CatalogError, ClaimRow, Claims, FailedAttempt, ImageId, LocationId, Settlement, Table, Taken, Wanted,
};
use glance_scrubber::claim::{Owner, Party};
use glance_scrubber::scrub::Leases;
use tokio::runtime::Runtime;

use super::*;
use crate::support::eventually;
use crate::support::servers::engines_at_hand;

const LEASE: Duration = Duration::from_secs(60);
const CALL: Duration = Duration::from_secs(10);
const COUNT: &str = "SELECT count(*) FROM scrubber_locations";

/// One scrubber's process, as far as a test needs it.
pub struct One {
    runtime: Runtime,
    pub scrubber: Scrubber,
}

impl One {
    pub fn new(site: &Site, store: &Arc<Fake>, lease: Duration, longest_call: Duration) -> One {
        One::of(site.config("[scrubber]\ncoordination = database\n"), store, lease, longest_call)
    }

    /// With a config file that shares the work.
    pub fn of(file: std::path::PathBuf, store: &Arc<Fake>, lease: Duration, longest_call: Duration) -> One {
        let config = load(&Invocation::from_process(vec![ConfigSource::File(file)], Vec::new())).unwrap();
        let runtime = Runtime::new().unwrap();
        let (ledger, coordination) = runtime.block_on(async {
            let ledger = catalog::open(&config.database, Duration::from_secs(20)).await.unwrap();
            let sharing = &config.scrubber.sharing;
            let coordination = catalog::coordinate(sharing, &ledger, Duration::from_secs(20)).await.unwrap();
            (ledger, coordination)
        });
        let settings = Settings {
            patience: Duration::from_secs(3),
            look_lasts: Duration::from_secs(600),
            leases: Leases { length: lease, longest_call },
            ..Settings::of(&config, false)
        };
        let scrubber = Scrubber {
            ledger,
            coordination,
            lock_file: None,
            stores: Stores::new(true, vec![Arc::<Fake>::clone(store)]),
            keys: Keyring::empty(),
            settings,
            clock: Box::new(SystemClock),
            memory: Arc::default(),
        };
        One { runtime, scrubber }
    }

    pub fn cycle(&self, stop: &CancellationToken) -> CycleReport {
        let cycle = async { tokio::time::timeout(Duration::from_secs(50), self.scrubber.cycle(&(), stop)).await };
        self.runtime.block_on(cycle).expect("the cycle hangs")
    }

    fn claims(&self) -> &Arc<dyn Claims> {
        self.scrubber.coordination.claims().unwrap()
    }

    /// Claims everything that is pending for somebody else.
    fn claim_all(&self, site: &Site, party: Party, lease: Duration) {
        let rows = site.database.rows("SELECT id, image_id FROM image_locations WHERE status = 'pending_delete'");
        let wanted = rows.iter().map(|row| Wanted {
            location: LocationId(row[0].as_ref().unwrap().parse().unwrap()),
            image: ImageId(row[1].clone().unwrap()),
        });
        let wanted: Vec<_> = wanted.collect();
        let owner = Owner::new(party);
        let taken = self.runtime.block_on(self.claims().take(&owner, &wanted, lease, false)).unwrap();
        assert!(taken.iter().all(|taken| matches!(taken, Taken::Granted(_))));
    }
}

/// Claims that do something on the way.
struct Spied {
    inner: Arc<dyn Claims>,
    before_take: Box<dyn Fn() + Send + Sync>,
    before_renewal: Box<dyn Fn() -> Result<(), CatalogError> + Send + Sync>,
}

#[async_trait]
impl Claims for Spied {
    async fn prepare(&self) -> Result<(), CatalogError> {
        self.inner.prepare().await
    }
    async fn take(
        &self,
        owner: &Owner,
        wanted: &[Wanted],
        lease: Duration,
        retry: bool,
    ) -> Result<Vec<Taken>, CatalogError> {
        (self.before_take)();
        self.inner.take(owner, wanted, lease, retry).await
    }
    async fn renew(
        &self,
        owner: &Owner,
        locations: &[LocationId],
        lease: Duration,
    ) -> Result<Vec<LocationId>, CatalogError> {
        (self.before_renewal)()?;
        self.inner.renew(owner, locations, lease).await
    }
    async fn settle(&self, gone: &[LocationId], settlement: &Settlement) -> Result<(), CatalogError> {
        self.inner.settle(gone, settlement).await
    }
    async fn note(&self, failed: &[(Wanted, FailedAttempt)]) -> Result<(), CatalogError> {
        self.inner.note(failed).await
    }
    async fn table(&self) -> Result<Table, CatalogError> {
        self.inner.table().await
    }
    async fn rows(&self, visit: &mut (dyn for<'r> FnMut(ClaimRow) + Send)) -> Result<u64, CatalogError> {
        self.inner.rows(visit).await
    }
    async fn of_images(&self, images: &[ImageId]) -> Result<Vec<ClaimRow>, CatalogError> {
        self.inner.of_images(images).await
    }
    async fn retry_now(&self, images: &[ImageId]) -> Result<u64, CatalogError> {
        self.inner.retry_now(images).await
    }
    async fn forget(&self, locations: &[LocationId]) -> Result<(), CatalogError> {
        self.inner.forget(locations).await
    }
}

fn go() -> CancellationToken {
    CancellationToken::new()
}

fn count(site: &Site, sql: &str) -> u64 {
    site.database.rows(sql)[0][0].as_ref().unwrap().parse().unwrap()
}

#[test]
fn two_scrubbers_share_a_backlog_and_delete_each_location_once() {
    for engine in engines_at_hand() {
        let site = Site::new(engine);
        fill(&site, &[("a", 200)]);
        // Each is in its first call when the other one is: both have a share.
        let barrier = Arc::new(Barrier::new(2));
        let store = || {
            let (barrier, first) = (Arc::clone(&barrier), AtomicBool::new(true));
            Arc::new(Fake::new("a", move |_| {
                if first.swap(false, Ordering::SeqCst) {
                    barrier.wait();
                }
                Answer::plain(Outcome::Deleted)
            }))
        };
        let stores = [store(), store()];
        let reports: Vec<_> = std::thread::scope(|scope| {
            let running = stores.each_ref().map(|store| {
                let one = One::new(&site, store, LEASE, CALL);
                scope.spawn(move || one.cycle(&go()))
            });
            running.into_iter().map(|one| one.join().unwrap()).collect()
        });
        let asked: Vec<_> = stores.iter().flat_map(|store| store.asked.lock().unwrap().clone()).collect();
        assert_eq!((asked.len(), asked.iter().collect::<HashSet<_>>().len()), (200, 200), "{engine:?}: {reports:?}");
        let finished = reports.iter().map(|report| report.finished().locations);
        assert_eq!(finished.sum::<u64>(), 200, "{engine:?}");
        assert!(
            reports.iter().all(|report| report.finished().locations > 0 && !report.needs_attention()),
            "{reports:?}"
        );
        assert_eq!(count(&site, COUNT), 0, "{engine:?}: all is released");
        assert_eq!(count(&site, "SELECT count(*) FROM images WHERE status = 'deleted'"), 200, "{engine:?}");
    }
}

/// The cycle waits for it: whoever has claimed it may be dead.
#[test]
fn what_a_lost_scrubber_claimed_is_taken_over_when_its_lease_is_over() {
    for engine in engines_at_hand() {
        let site = Site::new(engine);
        fill(&site, &[("a", 5)]);
        let store = Arc::new(Fake::saying("a", Outcome::Deleted));
        let one = One::new(&site, &store, LEASE, CALL);
        let begun = Instant::now();
        one.claim_all(&site, Party::Scrubber, Duration::from_secs(2));
        expect(&one.cycle(&go()), &[("a deleted", 5)]);
        assert!(begun.elapsed() >= Duration::from_secs(2), "{engine:?}: not before its time");
        assert_eq!(store.asked.lock().unwrap().len(), 5);
    }
}

/// Nobody waits for a scrubber that lives: its claims are renewed.
#[test]
fn what_a_living_scrubber_has_claimed_is_left_to_it() {
    for engine in engines_at_hand() {
        let site = Site::new(engine);
        fill(&site, &[("a", 5)]);
        let store = Arc::new(Fake::saying("a", Outcome::Deleted));
        let one = One::new(&site, &store, LEASE, CALL);
        one.claim_all(&site, Party::Scrubber, LEASE);
        let report = std::thread::scope(|scope| {
            let running = scope.spawn(|| one.cycle(&go()));
            let begun = Instant::now();
            while !running.is_finished() && begun.elapsed() < LEASE / 2 {
                let later = (Utc::now() + TimeDelta::hours(1)).format("%Y-%m-%d %H:%M:%S%.3f");
                let renew = format!("UPDATE scrubber_locations SET claimed_until = '{later}'");
                site.database.execute(&renew);
                std::thread::yield_now();
            }
            running.join().unwrap()
        });
        expect(&report, &[("a claimed", 5)]);
        assert!(!report.needs_attention() && report.failure.is_none(), "{report}");
        let detail = report.kept.lines().next().unwrap().2.detail.clone().unwrap();
        assert!(detail.starts_with("claimed by scrubber on ") && detail.contains(", pid "), "{detail}");
        assert!(store.asked.lock().unwrap().is_empty());
    }
}

#[test]
fn a_claim_of_a_restore_keeps_its_location_also_for_a_lease_after_it_lapsed() {
    for engine in engines_at_hand() {
        let site = Site::new(engine);
        fill(&site, &[("a", 2)]);
        let store = Arc::new(Fake::saying("a", Outcome::Deleted));
        let one = One::new(&site, &store, LEASE, CALL);
        one.claim_all(&site, Party::Restore, Duration::from_millis(1));
        expect(&one.cycle(&go()), &[("a claimed", 2)]);
        assert_eq!(store.calls.load(Ordering::SeqCst), 0);
    }
}

#[test]
fn a_stop_releases_what_was_not_tried() {
    for engine in engines_at_hand() {
        let site = Site::new(engine);
        fill(&site, &[("a", 100)]);
        let stop = go();
        let stopper = stop.clone();
        let store = Arc::new(Fake::new("a", move |_| {
            stopper.cancel();
            Answer::plain(Outcome::Deleted)
        }));
        let report = One::new(&site, &store, LEASE, CALL).cycle(&stop);
        let asked = store.asked.lock().unwrap().len() as u64;
        assert!(report.interrupted && asked < 10);
        assert_eq!(count(&site, COUNT), 0, "{engine:?}");
        assert_eq!(count(&site, "SELECT count(*) FROM image_locations WHERE status = 'deleted'"), asked);
    }
}

/// Its result is the other one's to find out, and to record.
#[test]
fn what_was_taken_over_during_its_call_is_not_recorded() {
    for engine in engines_at_hand() {
        let site = Arc::new(Site::new(engine));
        fill(&site, &[("a", 1)]);
        let changing = Arc::clone(&site);
        let store = Arc::new(Fake::new("a", move |_| {
            changing.database.execute("UPDATE scrubber_locations SET owner = 'scrubber other 1 00'");
            Answer::plain(Outcome::Deleted)
        }));
        let report = One::new(&site, &store, LEASE, CALL).cycle(&go());
        assert_eq!((report.lost, report.finished().locations), (1, 0), "{engine:?}: {report}");
        assert!(!report.needs_attention());
        assert_eq!(states(&site.database, "a0"), ("pending_delete".into(), vec!["pending_delete".into()]));
        assert_eq!(site.database.rows("SELECT owner FROM scrubber_locations"), [[Some("scrubber other 1 00".into())]]);
    }
}

/// Restored by another between the plan and the claim: only a look after the claim sees it.
#[test]
fn a_row_that_changes_while_it_is_claimed_is_kept_and_released() {
    let site = Arc::new(Site::new(Engine::Sqlite));
    fill(&site, &[("a", 1)]);
    let store = Arc::new(Fake::saying("a", Outcome::Deleted));
    let mut one = One::new(&site, &store, LEASE, CALL);
    let changing = Arc::clone(&site);
    let before_take = Box::new(move || {
        changing.database.execute("UPDATE image_locations SET status = 'active' WHERE image_id = 'a0'");
    });
    let inner = Arc::clone(one.claims());
    let spied = Spied { inner, before_take, before_renewal: Box::new(|| Ok(())) };
    one.scrubber.coordination = Coordination::Within(Arc::new(spied));
    expect(&one.cycle(&go()), &[("a changed", 1)]);
    assert_eq!((store.calls.load(Ordering::SeqCst), count(&site, COUNT)), (0, 0));
}

#[test]
fn a_long_call_keeps_its_claim() {
    for engine in engines_at_hand() {
        let site = Site::new(engine);
        fill(&site, &[("a", 1)]);
        let gate = Arc::new(Notify::new());
        let mut store = Fake::saying("a", Outcome::Deleted);
        store.gate = Some(Arc::clone(&gate));
        let one = One::new(&site, &Arc::new(store), Duration::from_secs(3), Duration::from_secs(1));
        let report = std::thread::scope(|scope| {
            let running = scope.spawn(|| one.cycle(&go()));
            let until = || {
                site.database.rows("SELECT claimed_until FROM scrubber_locations").pop().and_then(|mut row| row.pop())
            };
            let mut seen = HashSet::new();
            // Four renewals are at least one lease more than it had at first.
            eventually("its claim to be renewed", || {
                seen.extend(until().flatten());
                (seen.len() > 4).then_some(())
            });
            gate.notify_one();
            running.join().unwrap()
        });
        expect(&report, &[("a deleted", 1)]);
        assert_eq!(count(&site, COUNT), 0, "{engine:?}");
    }
}

/// The claims cannot be renewed: what is in hand is finished, nothing new begins, and the cycle ends with the error.
#[test]
fn nothing_begins_under_claims_that_cannot_be_renewed() {
    let site = Site::new(Engine::Sqlite);
    fill(&site, &[("a", 4)]);
    let gate = Arc::new(Notify::new());
    let mut store = Fake::saying("a", Outcome::Deleted);
    (store.pace, store.gate) = (Pace { workers: 1, batch: 1 }, Some(Arc::clone(&gate)));
    let store = Arc::new(store);
    // A call is covered for one second after a renewal.
    let mut one = One::new(&site, &store, LEASE, LEASE - Duration::from_secs(1));
    let (asked, failing) = (Arc::clone(&store), Mutex::new(None));
    let before_renewal = Box::new(move || {
        if asked.calls.load(Ordering::SeqCst) == 0 {
            return Ok(());
        }
        let since = *failing.lock().unwrap().get_or_insert_with(Instant::now);
        if since.elapsed() > Duration::from_millis(1500) {
            gate.notify_one();
        }
        Err(CatalogError::Unreachable("the test says so".to_owned()))
    });
    let spied = Spied { inner: Arc::clone(one.claims()), before_take: Box::new(|| ()), before_renewal };
    one.scrubber.coordination = Coordination::Within(Arc::new(spied));
    let report = one.cycle(&go());
    assert!(matches!(report.failure, Some(CatalogError::Unreachable(_))), "{report:?}");
    assert_eq!(store.calls.load(Ordering::SeqCst), 1, "{report}");
}

#[test]
fn without_coordination_there_is_no_table_and_with_it_an_empty_one() {
    for engine in engines_at_hand() {
        let site = Site::new(engine);
        Image::active("living", &[&site.file("living")]).insert(&site.database);
        Image::pending("gone", HOUR * 2, &[&site.file("gone")]).insert(&site.database);
        let config = site.config("");
        site.run_with(&config, &["--once"]).expect_code(0);
        let tables = match engine {
            Engine::Sqlite => "SELECT count(*) FROM sqlite_master WHERE name LIKE 'scrubber%'",
            Engine::Mariadb => {
                "SELECT count(*) FROM information_schema.tables
                 WHERE table_schema = database() AND table_name LIKE 'scrubber%'"
            }
            Engine::Postgres => "SELECT count(*) FROM pg_tables WHERE tablename LIKE 'scrubber%'",
        };
        assert_eq!(count(&site, tables), 0, "{engine:?}");
        assert!(!site.has("gone") && site.lock_file().exists());

        Image::pending("later", HOUR * 2, &[&site.file("later")]).insert(&site.database);
        let config = site.config("[scrubber]\ncoordination = database\n");
        for _ in 0..2 {
            site.run_with(&config, &["--once"]).expect_code(0);
            assert_eq!(count(&site, COUNT), 0, "{engine:?}");
        }
        assert!(!site.has("later"));
    }
}

#[test]
fn a_lock_file_that_cannot_be_used_is_a_warning() {
    let site = Site::new(Engine::Sqlite);
    Image::active("living", &[&site.file("living")]).insert(&site.database);
    let program = crate::support::binary::Scrubber::new().config_file(&site.config(""));
    let run = program.env("OS_SCRUBBER__LOCK_FILE", "/nowhere/lock").arg("--once").run().expect_code(0);
    assert_eq!(run.stderr.matches("cannot be used").count(), 1, "{}", run.stderr);
}

#[test]
fn a_cycle_waits_for_a_restore_on_its_host() {
    use crate::support::binary::Scrubber as Program;
    use glance_scrubber::host_lock::HostLock;
    let site = Site::new(Engine::Sqlite);
    Image::active("living", &[&site.file("living")]).insert(&site.database);
    Image::pending("gone", HOUR * 2, &[&site.file("gone")]).insert(&site.database);
    let config = site.config("");
    let restore = HostLock::own(&site.lock_file()).unwrap();
    let run = Program::new().config_file(&config).arg("--once").start();
    run.until_stderr("A restore is at work on this host");
    assert!(site.has("gone"));
    drop(restore);
    run.wait().expect_code(0);
    assert!(!site.has("gone"));
}
