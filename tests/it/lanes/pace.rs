//! `max_deletes_per_second`, `workers` and `pause`, as the lanes keep to them.

use std::time::Instant;

use chrono::Utc;
use glance_scrubber::config::{PaceConfig, Rate};
use glance_scrubber::observe::audit_log::AuditLog;
use glance_scrubber::observe::status::Status;
use glance_scrubber::scrub::{Audit, Clock, Memory, Policy, Prober, Several, Verdict, horizon, survey};

use super::sharing::One;
use super::*;
use crate::support::eventually;

const FRESH: Duration = Duration::from_secs(600);

fn paced(stores: &[&Arc<Fake>], paces: &[PaceConfig]) -> Stores {
    let stores = stores.iter().map(|store| -> Arc<dyn Store> { Arc::<Fake>::clone(store) }).collect();
    Stores::new(true, stores).paced(paces.to_vec())
}

fn rate(thousandths: u64) -> PaceConfig {
    PaceConfig { rate: Rate::from_thousandths(thousandths), ..PaceConfig::default() }
}

const PAUSED: PaceConfig = PaceConfig { paused: true, rate: None, workers: None };

/// A fake with `workers` and `batch`.
fn fake(id: &str, workers: usize, batch: usize) -> Fake {
    Fake { pace: Pace { workers, batch }, ..Fake::saying(id, Outcome::Deleted) }
}

/// The gate opens only when so many calls wait before it.
#[test]
fn workers_are_as_many_as_the_config_says() {
    for wanted in [1, 5] {
        let site = Site::new(Engine::Sqlite);
        fill(&site, &[("a", 30)]);
        let gate = Arc::new(Notify::new());
        let store = Arc::new(Fake { gate: Some(Arc::clone(&gate)), ..fake("a", 2, 2) });
        let pace = PaceConfig { workers: Some(wanted), ..PaceConfig::default() };
        let (runtime, scrubber) = scrubber(&site, paced(&[&store], &[pace]), None, FRESH);
        let report = std::thread::scope(|scope| {
            let running = scope.spawn(|| run(&runtime, &scrubber, &(), &CancellationToken::new()));
            eventually("all workers", || (store.running.load(Ordering::SeqCst) == wanted).then_some(()));
            while !running.is_finished() {
                gate.notify_one();
                std::thread::yield_now();
            }
            running.join().unwrap()
        });
        expect(&report, &[("a deleted", 30)]);
        assert_eq!(store.most_running.load(Ordering::SeqCst), wanted);
    }
}

#[test]
fn a_rate_spreads_deletes_and_cuts_calls() {
    let site = Site::new(Engine::Sqlite);
    fill(&site, &[("a", 30), ("b", 30)]);
    let (a, b) = (Arc::new(fake("a", 64, 32)), Arc::new(fake("b", 64, 32)));
    let (runtime, scrubber) = scrubber(&site, paced(&[&a, &b], &[rate(10_000)]), None, FRESH);
    let begun = Instant::now();
    let report = run(&runtime, &scrubber, &(), &CancellationToken::new());
    let took = begun.elapsed();
    expect(&report, &[("a deleted", 30), ("b deleted", 30)]);
    let (largest, free) = (a.largest.load(Ordering::SeqCst), b.largest.load(Ordering::SeqCst));
    assert_eq!((largest, free), (10, 30), "what goes in a second; and a store without a rate takes as many as ever");
    // Two seconds between the first call's begin and the third's.
    assert!((Duration::from_secs(2)..Duration::from_secs(30)).contains(&took), "{took:?}");
}

/// Each has work for a moment; at each wake-up one call would go for nothing if the cycles did not know of each other.
#[test]
fn cycles_of_one_process_have_one_rate() {
    let site = Site::new(Engine::Sqlite);
    let store = Arc::new(fake("a", 8, 8));
    let (runtime, scrubber) = scrubber(&site, paced(&[&store], &[rate(2_000)]), None, FRESH);
    Image::active("living", &["file:///living"]).insert(&site.database);
    let begun = Instant::now();
    for cycle in 0..4 {
        for id in [format!("a{cycle}0"), format!("a{cycle}1")] {
            let image = Image::pending(&id, HOUR * 2, &[&format!("rbd://{id}")]);
            image.with_meta_data(Some(r#"{"store": "a"}"#)).insert(&site.database);
        }
        expect(&run(&runtime, &scrubber, &(), &CancellationToken::new()), &[("a deleted", 2)]);
    }
    assert!(begun.elapsed() >= Duration::from_secs(3), "{:?}", begun.elapsed());
    assert_eq!(store.calls.load(Ordering::SeqCst), 4);
}

/// The second location's turn would come in a quarter of an hour.
#[test]
fn a_lane_that_waits_for_its_rate_shows_life_and_can_be_stopped() {
    struct Stopper(CancellationToken);
    impl Observer for Stopper {
        fn alive(&self) {
            self.0.cancel();
        }
    }
    let site = Site::new(Engine::Sqlite);
    fill(&site, &[("a", 5)]);
    let (store, stopper) = (Arc::new(fake("a", 2, 2)), Stopper(CancellationToken::new()));
    let (runtime, scrubber) = scrubber(&site, paced(&[&store], &[rate(1)]), None, FRESH);
    let report = run(&runtime, &scrubber, &stopper, &stopper.0);
    expect(&report, &[("a deleted", 1), ("a interrupted", 4)]);
    // The next cycle has to wait as well, and is stopped at once.
    let report = run(&runtime, &scrubber, &(), &stopper.0);
    assert_eq!((report.finished().locations, store.calls.load(Ordering::SeqCst)), (0, 1));
}

/// Nobody else could have them meanwhile.
#[test]
fn no_more_is_claimed_than_goes_while_a_look_is_fresh() {
    let site = Arc::new(Site::new(Engine::Sqlite));
    fill(&site, &[("a", 60)]);
    let (counting, most) = (Arc::clone(&site), Arc::new(AtomicUsize::new(0)));
    let (seen, stop) = (Arc::clone(&most), CancellationToken::new());
    let (stopper, calls) = (stop.clone(), AtomicUsize::new(0));
    let store = Arc::new(Fake {
        pace: Pace { workers: 4, batch: 4 },
        ..Fake::new("a", move |_| {
            let held = counting.database.rows("SELECT count(*) FROM scrubber_locations WHERE owner IS NOT NULL");
            seen.fetch_max(held[0][0].as_ref().unwrap().parse().unwrap(), Ordering::SeqCst);
            if calls.fetch_add(1, Ordering::SeqCst) == 2 {
                stopper.cancel();
            }
            Answer::plain(Outcome::Deleted)
        })
    });
    let mut one = One::new(&site, &store, Duration::from_secs(60), Duration::from_secs(10));
    one.scrubber.stores = paced(&[&store], &[rate(2_000)]);
    one.scrubber.settings.look_lasts = Duration::from_secs(2);
    one.cycle(&stop);
    // Those before it may wait to be recorded.
    assert!((1..=8).contains(&most.load(Ordering::SeqCst)), "{most:?}");
}

/// `a<n>` lies in store a, which is paused; `both` in a and in b; `b<n>` in b.
fn half_paused() -> (Site, Arc<Fake>, Arc<Fake>) {
    let site = Site::new(Engine::Sqlite);
    fill(&site, &[("a", 3), ("b", 2)]);
    let sql = |store: &str| format!("UPDATE image_locations SET image_id = 'a0' WHERE image_id = '{store}'");
    site.database.execute(&sql("b0"));
    site.database.execute("DELETE FROM images WHERE id = 'b0'");
    (site, Arc::new(fake("a", 2, 2)), Arc::new(fake("b", 2, 2)))
}

#[test]
fn a_store_that_is_paused_is_not_spoken_to_and_the_others_go_on() {
    let (site, a, b) = half_paused();
    let (runtime, scrubber) = scrubber(&site, paced(&[&a, &b], &[PAUSED]), None, FRESH);
    let status = Status::with_metrics(Box::new(SystemClock)).unwrap();
    status.config_loaded(Utc::now(), &[a.id.clone(), b.id.clone()]);
    let log = AuditLog::open(&site.directory.path().join("audit.log")).unwrap();
    let report = run(&runtime, &scrubber, &Several(&[&status, &log]), &CancellationToken::new());
    status.cycle_ended(&report);
    expect(&report, &[("a paused", 3), ("b deleted", 2)]);
    assert!(!report.needs_attention(), "{report}");
    let metric = "\nglance_scrubber_kept_locations{store=\"a\",reason=\"paused\"} 3\n";
    assert!(status.metrics().unwrap().contains(metric));
    assert!(status.to_json()["results"].to_string().contains("\"paused\""), "{}", status.to_json());
    let lines = std::fs::read_to_string(site.directory.path().join("audit.log")).unwrap();
    assert_eq!(
        lines.matches("\"deleted\"").count(),
        lines.lines().count(),
        "nothing became of what is paused: {lines}"
    );
    assert_eq!((a.calls.load(Ordering::SeqCst), a.prepared.load(Ordering::SeqCst)), (0, 0));
    assert_eq!(b.prepared.load(Ordering::SeqCst), 1);
    let (image, mut locations) = states(&site.database, "a0");
    locations.sort();
    assert_eq!((image.as_str(), locations.join(" ").as_str()), ("pending_delete", "deleted pending_delete"));
    assert_eq!(states(&site.database, "b1").0, "deleted");

    let resumed = Scrubber { stores: paced(&[&a, &b], &[]), ..scrubber };
    expect(&run(&runtime, &resumed, &(), &CancellationToken::new()), &[("a deleted", 3)]);
    assert_eq!(states(&site.database, "a0").0, "deleted");
}

/// What has failed and waits is told as paused, too, and waits on after that.
#[test]
fn a_pause_hides_no_failure_and_forgets_none() {
    let site = Site::new(Engine::Sqlite);
    fill(&site, &[("a", 2)]);
    let store = Arc::new(Fake::saying("a", Outcome::Forbidden));
    let (runtime, first) = scrubber(&site, paced(&[&store], &[]), None, FRESH);
    let go = || CancellationToken::new();
    expect(&run(&runtime, &first, &(), &go()), &[("a forbidden", 2)]);
    let paused = Scrubber { stores: paced(&[&store], &[PAUSED]), ..first };
    let report = run(&runtime, &paused, &(), &go());
    expect(&report, &[("a paused", 2)]);
    assert_eq!(report.kept.failures(), 0);
    let resumed = Scrubber { stores: paced(&[&store], &[]), ..paused };
    expect(&run(&runtime, &resumed, &(), &go()), &[("a forbidden", 2)]);
    assert_eq!(store.asked.lock().unwrap().len(), 2, "each once: the waits are remembered");
}

#[test]
fn a_dry_run_tells_what_is_paused_and_speaks_to_nobody_for_it() {
    let (site, a, b) = half_paused();
    let (runtime, scrubber) = scrubber(&site, paced(&[&a, &b], &[PAUSED]), None, FRESH);
    let grace = Duration::from_secs(3600);
    let stores = &scrubber.stores;
    let policy = Policy { horizon: horizon(SystemClock.now(), grace), keys: &scrubber.keys, stores };
    let catalog = Arc::clone(&scrubber.ledger).reader();
    let said = runtime.block_on(async {
        let catalog = catalog.as_ref();
        let plan = survey(catalog, &policy, Limits::default(), &Memory::default(), None, &mut |_, _| ()).await.unwrap();
        let (limits, prober) = (Limits::default(), Some(Prober::new(stores, None)));
        let audit = Audit { catalog, policy: &policy, plan: &plan, limits, grace, look_up: None, prober };
        let mut said = Vec::new();
        let see = &mut |entry: &glance_scrubber::scrub::Entry| {
            let reason = match &entry.verdict {
                Verdict::Keep(keep) => keep.reason.as_str(),
                _ => "",
            };
            said.push(format!("{} {} {reason}", entry.store.as_ref().unwrap(), entry.verdict.as_str()));
            Ok(())
        };
        audit.each::<catalog::CatalogError>(see).await.unwrap();
        said
    });
    let count = |word: &str| said.iter().filter(|said| said.trim() == word).count();
    assert_eq!((count("a keep paused"), count("b delete"), said.len()), (3, 2, 5), "{said:?}");
    assert_eq!((a.prepared.load(Ordering::SeqCst), b.prepared.load(Ordering::SeqCst)), (0, 1));
}

/// The program itself: a list, its sums, a cycle, a check, a restore.
#[test]
fn a_pause_is_seen_in_each_view() {
    let site = Site::new(Engine::Sqlite);
    Image::active("living", &[&site.file("living")]).insert(&site.database);
    let mut held = Image::pending("held", HOUR * 2, &[&site.file("held")]);
    held.size = 4;
    held.insert(&site.database);
    let config = site.config("[scrubber]\npause = true\n");
    let run = |arguments: &[&str], code| site.run_with(&config, arguments).expect_code(code).stdout;
    let words = |line: &str| line.split(['|', ' ']).filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ");
    let list = run(&["--dry-run"], 0);
    assert!(list.lines().any(|line| words(line).contains("keep paused")), "{list}");
    assert!(list.lines().any(|line| words(line).starts_with("file keep paused 1")), "the sum: {list}");
    let json: serde_json::Value = serde_json::from_str(&run(&["--once", "-f", "json"], 0)).unwrap();
    assert!(json.to_string().contains("\"paused\""), "{json}");
    assert!(site.has("held"));
    let check = run(&["--check"], 0);
    assert!(check.lines().any(|line| words(line).starts_with("store file: pause warning")), "{check}");
    run(&["--restore", "held"], 0);
    assert_eq!(states(&site.database, "held").0, "active");
}
