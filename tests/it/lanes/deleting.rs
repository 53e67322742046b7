//! Deletes that go on in the backend after the call.

use glance_scrubber::config::{PaceConfig, Rate};
use glance_scrubber::observe::audit_log::AuditLog;

use super::sharing::One;
use super::*;
use crate::support::eventually;
use crate::support::servers::engines_at_hand;

const FRESH: Duration = Duration::from_secs(600);
const HELD: &str = "SELECT count(*) FROM scrubber_locations WHERE owner IS NOT NULL";

/// Says `deleting` so often of each location, then this.
fn slow(id: &str, often: usize, last: Outcome) -> Fake {
    let asked = Mutex::new(HashMap::<String, usize>::new());
    Fake::new(id, move |uri| {
        let mut asked = asked.lock().unwrap();
        let times = asked.entry(uri.to_owned()).or_default();
        *times += 1;
        match *times > often {
            true => Answer::plain(last),
            false => Answer::because(Outcome::Deleting, "the volume is being deleted"),
        }
    })
}

fn asked(store: &Fake) -> Vec<String> {
    store.asked.lock().unwrap().clone()
}

/// One worker and one location a call: if a worker were held, the second would wait for the first.
#[test]
fn what_a_store_is_at_holds_no_worker_and_is_finished_in_the_same_cycle() {
    let site = Site::new(Engine::Sqlite);
    fill(&site, &[("a", 4)]);
    let store = Arc::new(Fake { pace: Pace { workers: 1, batch: 1 }, ..slow("a", 2, Outcome::Deleted) });
    let report = cycle(&site, vec![store.clone()], None, &CancellationToken::new());
    expect(&report, &[("a deleted", 4)]);
    assert!(!report.needs_attention());
    let asked = asked(&store);
    assert_eq!(asked.len(), 12);
    let first: HashSet<_> = asked[..4].iter().collect();
    assert_eq!(first.len(), 4, "all are begun before one is looked at again: {asked:?}");
    assert_eq!(states(&site.database, "a0").0, "deleted");
}

#[test]
fn what_went_in_one_call_comes_back_in_one_call() {
    let site = Site::new(Engine::Sqlite);
    fill(&site, &[("a", 6)]);
    let store = Arc::new(Fake { pace: Pace { workers: 2, batch: 8 }, ..slow("a", 2, Outcome::Deleted) });
    let log = AuditLog::open(&site.directory.path().join("audit.log")).unwrap();
    let stores: Vec<Arc<dyn Store>> = vec![store.clone()];
    let report = watched_cycle(&site, stores, None, FRESH, &CancellationToken::new(), &log);
    expect(&report, &[("a deleted", 6)]);
    assert_eq!((store.calls.load(Ordering::SeqCst), store.largest.load(Ordering::SeqCst)), (3, 6));
    let lines = std::fs::read_to_string(site.directory.path().join("audit.log")).unwrap();
    assert_eq!(lines.matches("\"deleted\"").count(), lines.lines().count(), "one line at the end: {lines}");
    assert_eq!(lines.lines().count(), 6);
}

/// One worker and one location a call: four may wait, and four more may have been read by then.
#[test]
fn a_store_is_not_given_everything_at_once() {
    let site = Site::new(Engine::Sqlite);
    fill(&site, &[("a", 24)]);
    let (most, under_way) = (Arc::new(AtomicUsize::new(0)), Mutex::new(HashSet::new()));
    let seen = Arc::clone(&most);
    let store = Fake::new("a", move |uri| {
        let mut under_way = under_way.lock().unwrap();
        if under_way.remove(uri) {
            return Answer::plain(Outcome::Deleted);
        }
        under_way.insert(uri.to_owned());
        seen.fetch_max(under_way.len(), Ordering::SeqCst);
        Answer::plain(Outcome::Deleting)
    });
    let store = Arc::new(Fake { pace: Pace { workers: 1, batch: 1 }, ..store });
    let report = cycle(&site, vec![store], None, &CancellationToken::new());
    expect(&report, &[("a deleted", 24)]);
    assert!((4..=8).contains(&most.load(Ordering::SeqCst)), "{most:?}");
}

#[test]
fn a_store_may_say_in_the_end_that_it_failed() {
    for last in [Outcome::Failed, Outcome::Unavailable, Outcome::InUse] {
        let site = Site::new(Engine::Sqlite);
        fill(&site, &[("a", 2)]);
        let store = Arc::new(slow("a", 1, last));
        let (runtime, scrubber) = scrubber(&site, Stores::new(true, vec![store.clone()]), None, FRESH);
        let report = run(&runtime, &scrubber, &(), &CancellationToken::new());
        expect(&report, &[(&format!("a {last}"), 2)]);
        assert_eq!((scrubber.memory.remembered(), asked(&store).len()), (2, 4));
        assert_eq!(states(&site.database, "a0").1, ["pending_delete"]);
    }
}

/// A rate at which a look that were paid for would come in a quarter of an hour.
#[test]
fn to_look_again_costs_nothing() {
    let site = Site::new(Engine::Sqlite);
    fill(&site, &[("a", 1)]);
    let store: Arc<dyn Store> = Arc::new(slow("a", 3, Outcome::Deleted));
    let pace = PaceConfig { rate: Rate::from_thousandths(1), ..PaceConfig::default() };
    let (runtime, scrubber) = scrubber(&site, Stores::new(true, vec![store]).paced(vec![pace]), None, FRESH);
    expect(&run(&runtime, &scrubber, &(), &CancellationToken::new()), &[("a deleted", 1)]);
}

/// Both what waits and what was on its way. The next cycle asks at once: nothing failed, and nothing is remembered.
#[test]
fn asked_to_stop_it_leaves_what_a_store_is_at_to_the_next_cycle() {
    let site = Site::new(Engine::Sqlite);
    fill(&site, &[("a", 4)]);
    let (stop, often) = (CancellationToken::new(), AtomicUsize::new(0));
    let (stopper, gone) = (stop.clone(), Arc::new(std::sync::atomic::AtomicBool::new(false)));
    let is_gone = Arc::clone(&gone);
    let store = Arc::new(Fake::new("a", move |_| {
        if often.fetch_add(1, Ordering::SeqCst) == 3 {
            stopper.cancel();
        }
        let detail = "the volume is being deleted";
        if is_gone.load(Ordering::SeqCst) {
            Answer::plain(Outcome::Absent)
        } else {
            Answer::because(Outcome::Deleting, detail)
        }
    }));
    let (runtime, scrubber) = scrubber(&site, Stores::new(true, vec![store.clone()]), None, FRESH);
    let report = run(&runtime, &scrubber, &(), &stop);
    expect(&report, &[("a deleting", 4)]);
    assert!(report.interrupted && report.kept.failures() == 0 && report.failure.is_none(), "{report}");
    let (_, _, line) = report.kept.lines().next().unwrap();
    assert_eq!(line.detail.as_deref(), Some("the volume is being deleted"));
    assert_eq!((scrubber.memory.remembered(), asked(&store).len()), (0, 4));
    gone.store(true, Ordering::SeqCst);
    expect(&run(&runtime, &scrubber, &(), &CancellationToken::new()), &[("a absent", 4)]);
}

/// Restored by hand while it waited: the store is not called again.
#[test]
fn a_row_that_changes_while_its_store_is_at_it_is_kept() {
    let site = Arc::new(Site::new(Engine::Sqlite));
    fill(&site, &[("a", 2)]);
    let changing = Arc::clone(&site);
    let store = Arc::new(Fake::new("a", move |_| {
        changing.database.execute(
            "UPDATE image_locations SET status = 'active', deleted = 0 WHERE image_id = 'a0';
             DELETE FROM image_locations WHERE image_id = 'a1'",
        );
        Answer::plain(Outcome::Deleting)
    }));
    let report = cycle(&site, vec![store.clone()], None, &CancellationToken::new());
    expect(&report, &[("a changed", 2)]);
    assert_eq!(asked(&store).len(), 2);
    assert_eq!(states(&site.database, "a0").1, ["active"]);
}

/// Its data may still go: a restore waits for it, another scrubber does not.
#[test]
fn a_restore_waits_for_what_a_store_was_last_seen_to_be_at() {
    for engine in engines_at_hand() {
        let site = Site::new(engine);
        fill(&site, &[("a", 2)]);
        let stop = CancellationToken::new();
        let stopper = stop.clone();
        let store = Arc::new(Fake::new("a", move |_| {
            stopper.cancel();
            Answer::plain(Outcome::Deleting)
        }));
        let one = One::new(&site, &store, Duration::from_secs(300), Duration::from_secs(10));
        expect(&one.cycle(&stop), &[("a deleting", 2)]);
        let rows = "SELECT count(*) FROM scrubber_locations WHERE rests_until IS NOT NULL AND last_outcome IS NULL";
        assert_eq!((count(&site, rows), count(&site, HELD)), (2, 0), "{engine:?}: released, resting, no failure");
        let config = site.config("[scrubber]\ncoordination = database\n");
        let refused = site.run_with(&config, &["--restore", "a0"]).expect_code(7);
        assert!(refused.stderr.contains("may still take effect"), "{}", refused.output());
        let done = Arc::new(Fake::saying("a", Outcome::Absent));
        let other = One::new(&site, &done, Duration::from_secs(300), Duration::from_secs(10));
        expect(&other.cycle(&CancellationToken::new()), &[("a absent", 2)]);
    }
}

/// While it waits it is in hand like anything else: no restore comes between, and its claim is renewed.
#[test]
fn what_a_store_is_at_keeps_its_claim() {
    for engine in engines_at_hand() {
        let site = Site::new(engine);
        fill(&site, &[("a", 2)]);
        // Looks at 0.5, 1.25 and 2.4 s; the lease would have run out before the next one.
        let store = Arc::new(slow("a", 4, Outcome::Deleted));
        let one = One::new(&site, &store, Duration::from_secs(3), Duration::from_secs(1));
        let report = std::thread::scope(|scope| {
            let running = scope.spawn(|| one.cycle(&CancellationToken::new()));
            eventually("a look again", || (asked(&store).len() >= 4).then_some(()));
            let config = site.config("[scrubber]\ncoordination = database\n");
            let refused = site.run_with(&config, &["--restore", "a0"]).expect_code(7);
            assert!(refused.stderr.contains("is being worked on by"), "{}", refused.output());
            running.join().unwrap()
        });
        expect(&report, &[("a deleted", 2)]);
        assert_eq!(count(&site, "SELECT count(*) FROM scrubber_locations"), 0, "{engine:?}");
    }
}

/// Found out by the next renewal; whoever has it now asks the store.
#[test]
fn what_is_taken_over_while_its_store_is_at_it_is_left_to_the_other() {
    for engine in engines_at_hand() {
        let site = Arc::new(Site::new(engine));
        fill(&site, &[("a", 1)]);
        let changing = Arc::clone(&site);
        let store = Arc::new(Fake::new("a", move |_| {
            changing.database.execute("UPDATE scrubber_locations SET owner = 'scrubber other 1 00'");
            Answer::plain(Outcome::Deleting)
        }));
        let one = One::new(&site, &store, Duration::from_secs(3), Duration::from_secs(1));
        let report = one.cycle(&CancellationToken::new());
        expect(&report, &[("a claimed", 1)]);
        assert!(asked(&store).len() <= 4, "{engine:?}: looks before the renewal, at most");
        assert_eq!(site.database.rows("SELECT owner FROM scrubber_locations"), [[Some("scrubber other 1 00".into())]]);
    }
}

/// Set in the process that is killed: its config file.
const VICTIM: &str = "SCRUBBER_TEST_VICTIM";

#[test]
fn a_kill_while_a_store_is_at_it_strands_nothing() {
    for engine in engines_at_hand() {
        let site = Site::new(engine);
        fill(&site, &[("a", 3)]);
        site.config("[scrubber]\ncoordination = database\n");
        let told = site.directory.path().join("told");
        let mut victim = std::process::Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "lanes::deleting::the_process_that_is_killed", "--nocapture"])
            .env(VICTIM, site.directory.path())
            .spawn()
            .unwrap();
        eventually("all to be begun", || {
            std::fs::read_to_string(&told).is_ok_and(|told| told.len() >= 6).then_some(())
        });
        assert_eq!(count(&site, HELD), 3, "{engine:?}: claimed while they wait");
        victim.kill().unwrap();
        victim.wait().unwrap();
        let store = Arc::new(Fake::saying("a", Outcome::Absent));
        let one = One::new(&site, &store, Duration::from_secs(3), Duration::from_secs(1));
        expect(&one.cycle(&CancellationToken::new()), &[("a absent", 3)]);
        assert_eq!(states(&site.database, "a0").0, "deleted", "{engine:?}");
        assert_eq!(count(&site, "SELECT count(*) FROM scrubber_locations"), 0, "{engine:?}");
    }
}

/// Not a test by itself: [`a_kill_while_a_store_is_at_it_strands_nothing`] runs it in another process.
#[test]
fn the_process_that_is_killed() {
    let Some(directory) = std::env::var_os(VICTIM).map(std::path::PathBuf::from) else { return };
    let told = Mutex::new(std::fs::File::create(directory.join("told")).unwrap());
    let store = Arc::new(Fake::new("a", move |_| {
        std::io::Write::write_all(&mut *told.lock().unwrap(), b".").unwrap();
        Answer::plain(Outcome::Deleting)
    }));
    let file = directory.join("glance-scrubber.conf");
    One::of(file, &store, Duration::from_secs(3), Duration::from_secs(1)).cycle(&CancellationToken::new());
    panic!("it was to be killed");
}

fn count(site: &Site, sql: &str) -> u64 {
    site.database.rows(sql)[0][0].as_ref().unwrap().parse().unwrap()
}
