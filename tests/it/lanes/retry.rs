//! Cycle after cycle with one memory: what failed waits, what does not answer is left alone, and comes back.

use std::sync::atomic::AtomicBool;

use chrono::{DateTime, Utc};
use glance_scrubber::scrub::{BreakerPosition, Clock, Memory, Refusal};
use tokio::runtime::Runtime;
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt as _};

use super::*;

/// A clock that the test moves.
#[derive(Clone)]
struct Hand(Arc<Mutex<DateTime<Utc>>>);

impl Clock for Hand {
    fn now(&self) -> DateTime<Utc> {
        *self.0.lock().unwrap()
    }
}

/// What this program logs.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<(Level, String)>>>);

impl<S: Subscriber> Layer<S> for Log {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        struct Message(String);
        impl Visit for Message {
            fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
                if field.name() == "message" {
                    self.0 = format!("{value:?}");
                }
            }
        }
        if event.metadata().target().starts_with("glance_scrubber") {
            let mut message = Message(String::new());
            event.record(&mut message);
            self.0.lock().unwrap().push((*event.metadata().level(), message.0));
        }
    }
}

/// One scrubber, as in a daemon.
struct Daemon {
    scrubber: Scrubber,
    clock: Hand,
    runtime: Runtime,
    log: Log,
}

impl Daemon {
    fn new(site: &Site, stores: &[&Arc<Fake>]) -> Daemon {
        Self::with(site, stores, Limits::default(), Guards::default())
    }

    fn with(site: &Site, stores: &[&Arc<Fake>], limits: Limits, guards: Guards) -> Daemon {
        let config = load(&Invocation::from_process(vec![ConfigSource::File(site.config(""))], Vec::new())).unwrap();
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let clock = Hand(Arc::new(Mutex::new(Utc::now())));
        let (grace, patience, look_lasts) =
            (Duration::from_secs(3600), Duration::from_secs(5), Duration::from_secs(600));
        let stores = stores.iter().map(|store| -> Arc<dyn Store> { Arc::<Fake>::clone(store) }).collect();
        let scrubber = Scrubber {
            coordination: Coordination::Alone,
            ledger: runtime.block_on(catalog::open(&config.database, Duration::from_secs(20))).unwrap(),
            stores: Stores::new(true, stores),
            keys: Keyring::empty(),
            settings: Settings {
                grace,
                limits,
                guards,
                pool: None,
                patience,
                look_lasts,
                ..Settings::of(&config, false)
            },
            clock: Box::new(clock.clone()),
            // The shortest waits, to the second.
            memory: Arc::new(Memory::with_chance(|| 0)),
        };
        Daemon { scrubber, clock, runtime, log: Log::default() }
    }

    fn cycle(&self) -> CycleReport {
        self.log.0.lock().unwrap().clear();
        let stop = CancellationToken::new();
        let cycle = async { tokio::time::timeout(Duration::from_secs(300), self.scrubber.cycle(&(), &stop)).await };
        let run = || self.runtime.block_on(cycle).expect("the cycle hangs");
        let report = tracing::subscriber::with_default(tracing_subscriber::registry().with(self.log.clone()), run);
        assert!(report.failure.is_none(), "{:?}", report.failure);
        report
    }

    fn cycle_after(&self, seconds: i64) -> CycleReport {
        *self.clock.0.lock().unwrap() += TimeDelta::seconds(seconds);
        self.cycle()
    }

    /// Lines of a level in the last cycle's log that contain a text.
    fn logged(&self, level: Level, text: &str) -> usize {
        let log = self.log.0.lock().unwrap();
        log.iter().filter(|(of, line)| *of == level && line.contains(text)).count()
    }

    fn breaker(&self) -> Vec<(String, BreakerPosition)> {
        self.scrubber.memory.breakers().into_iter().map(|breaker| (breaker.container, breaker.state)).collect()
    }
}

/// A store whose answer can be changed.
fn changing(id: &str, first: Outcome) -> (Arc<Fake>, Arc<Mutex<Outcome>>) {
    let answer = Arc::new(Mutex::new(first));
    let said = Arc::clone(&answer);
    let fake = Fake::new(id, move |_| Answer::because(*said.lock().unwrap(), "its words"));
    (Arc::new(fake), answer)
}

fn asked(fake: &Fake) -> usize {
    std::mem::take(&mut *fake.asked.lock().unwrap()).len()
}

const UNABLE: &str = "Unable to scrub image";

#[test]
fn what_failed_waits_and_is_told_once() {
    let site = Site::new(Engine::Sqlite);
    fill(&site, &[("a", 1)]);
    let (a, answer) = changing("a", Outcome::Failed);
    let daemon = Daemon::new(&site, &[&a]);
    expect(&daemon.cycle(), &[("a failed", 1)]);
    assert_eq!((asked(&a), daemon.logged(Level::ERROR, UNABLE)), (1, 1));
    assert_eq!(daemon.logged(Level::WARN, "Leaving image 'a0' in 'pending_delete' status"), 1);

    let waiting = daemon.cycle_after(59);
    expect(&waiting, &[("a failed", 1)]);
    let (_, _, line) = waiting.kept.lines().next().unwrap();
    let detail = line.detail.as_ref().unwrap();
    assert!(detail.starts_with("tried once, stays since 20") && detail.ends_with("Z: its words"), "{detail}");
    assert_eq!((waiting.kept.waiting(), waiting.kept.failures(), waiting.planned.locations), (1, 1, 0));
    assert_eq!(waiting.to_json()["kept"][0]["waiting"], 1);
    assert!(waiting.to_string().ends_with("kept: 1 failed (a); 1 of these not tried yet again"), "{waiting}");
    assert_eq!((asked(&a), a.prepared.load(Ordering::SeqCst)), (0, 1));
    assert_eq!(daemon.logged(Level::DEBUG, "is kept: failed: tried once, stays since"), 1);
    assert_eq!(daemon.logged(Level::ERROR, "") + daemon.logged(Level::WARN, ""), 0);

    let again = daemon.cycle_after(1);
    assert_eq!((asked(&a), again.kept.waiting()), (1, 0));
    assert_eq!(daemon.logged(Level::DEBUG, "is kept: failed: its words"), 1);
    assert_eq!(daemon.logged(Level::ERROR, "") + daemon.logged(Level::WARN, ""), 0);

    *answer.lock().unwrap() = Outcome::Forbidden;
    expect(&daemon.cycle_after(120), &[("a forbidden", 1)]);
    assert_eq!(daemon.logged(Level::ERROR, "Reason: forbidden: its words"), 1, "a new reason is news");

    *answer.lock().unwrap() = Outcome::Deleted;
    expect(&daemon.cycle_after(60), &[("a deleted", 1)]);
    assert_eq!(daemon.scrubber.memory.remembered(), 0);
}

/// Seconds at which a location is tried, with a cycle every ten seconds.
fn tries(outcome: Outcome, until: i64) -> Vec<i64> {
    let site = Site::new(Engine::Sqlite);
    fill(&site, &[("a", 1)]);
    let a = Arc::new(Fake::saying("a", outcome));
    let daemon = Daemon::new(&site, &[&a]);
    let mut tries = Vec::new();
    for seconds in (0..until).step_by(10) {
        expect(&daemon.cycle_after(if seconds == 0 { 0 } else { 10 }), &[(&format!("a {outcome}"), 1)]);
        tries.extend((asked(&a) > 0).then_some(seconds));
    }
    tries
}

#[test]
fn each_outcome_waits_in_its_own_way() {
    // Each wait but the first is shortened by 15 %: 300, 510, 1020, 2040 s and 3060 s; then 60, 102, 204, 408 s.
    assert_eq!(tries(Outcome::InUse, 4000), [0, 300, 810, 1830, 3870]);
    assert_eq!(tries(Outcome::Failed, 1000), [0, 60, 170, 380, 790]);
}

#[test]
fn one_location_that_gets_no_answer_waits_less() {
    let site = Site::new(Engine::Sqlite);
    fill(&site, &[("a", 2)]);
    let is_bad = |uri: &str| uri.ends_with('0');
    let a = Arc::new(Fake::new("a", move |uri| {
        Answer::plain(if is_bad(uri) { Outcome::Unavailable } else { Outcome::InUse })
    }));
    let daemon = Daemon::new(&site, &[&a]);
    let mut tries = Vec::new();
    for seconds in (0..400).step_by(10) {
        let report = daemon.cycle_after(if seconds == 0 { 0 } else { 10 });
        expect(&report, &[("a unavailable", 1), ("a in_use", 1)]);
        let asked = std::mem::take(&mut *a.asked.lock().unwrap());
        tries.extend(asked.iter().any(|uri| is_bad(uri)).then_some(seconds));
        // Two silent calls in a row at most: the other location answers in time.
        daemon.scrubber.memory.breakers().iter().for_each(|breaker| assert_eq!(breaker.until, None));
        if tries.len() == 3 {
            break;
        }
    }
    assert_eq!(tries, [0, 30, 90], "30 s, then 51 s");
}

#[test]
fn what_is_not_due_any_more_is_told_as_it_is_and_forgotten() {
    let site = Site::new(Engine::Sqlite);
    fill(&site, &[("a", 3)]);
    let a = Arc::new(Fake::saying("a", Outcome::InUse));
    let daemon = Daemon::new(&site, &[&a]);
    expect(&daemon.cycle(), &[("a in_use", 3)]);
    assert_eq!(daemon.scrubber.memory.remembered(), 3);
    site.database.execute(
        "UPDATE image_locations SET status = 'active' WHERE image_id = 'a0';
         UPDATE images SET status = 'active', deleted = 0 WHERE id = 'a1'",
    );
    let report = daemon.cycle_after(10);
    expect(&report, &[("- restored", 1), ("a in_use", 1)]);
    assert_eq!((report.kept.waiting(), daemon.scrubber.memory.remembered()), (1, 2), "a1 is pending still");
    site.database.execute("DELETE FROM image_locations");
    daemon.cycle_after(10);
    assert_eq!(daemon.scrubber.memory.remembered(), 0);
}

#[test]
fn what_waits_takes_nothing_from_the_limits_and_hides_from_no_guard() {
    let site = Site::new(Engine::Sqlite);
    fill(&site, &[("a", 4)]);
    let a = Arc::new(Fake::new("a", |uri| {
        Answer::plain(if uri.ends_with('3') { Outcome::Deleted } else { Outcome::InUse })
    }));
    let limits = Limits { images: Some(1), bytes: None };
    let daemon = Daemon::with(&site, &[&a], limits, Guards::default());
    for cycle in 0..3 {
        let report = daemon.cycle_after(1);
        expect(&report, &[("a in_use", cycle + 1), ("a limit", 3 - cycle)]);
    }
    expect(&daemon.cycle_after(1), &[("a deleted", 1), ("a in_use", 3)]);

    // Three due images, all of them waiting, and one that lives.
    let guarded = Daemon::with(&site, &[&a], Limits::default(), Guards { max_percent: Some(75), allow_empty: false });
    expect(&guarded.cycle(), &[("a in_use", 3)]);
    site.database
        .execute("DELETE FROM image_locations WHERE image_id = 'living'; DELETE FROM images WHERE id = 'living'");
    let refusal = guarded.cycle_after(1).refusal;
    assert_eq!(refusal, Some(Refusal::NothingLives { images: 3 }));
}

#[test]
fn a_new_config_and_forgetting_let_try_at_once() {
    let site = Site::new(Engine::Sqlite);
    fill(&site, &[("a", 1), ("b", 1)]);
    let (a, b) = (Fake::saying("a", Outcome::Forbidden), Fake::saying("b", Outcome::InUse));
    let (a, b) = (Arc::new(a), Arc::new(b));
    let daemon = Daemon::new(&site, &[&a, &b]);
    let cycle = || {
        expect(&daemon.cycle(), &[("a forbidden", 1), ("b in_use", 1)]);
        (asked(&a), asked(&b), daemon.logged(Level::ERROR, UNABLE))
    };
    assert_eq!(cycle(), (1, 1, 1));
    assert_eq!(cycle(), (0, 0, 0));
    daemon.scrubber.memory.config_changed();
    assert_eq!(cycle(), (1, 0, 1));
    daemon.scrubber.memory.forget();
    assert_eq!(cycle(), (1, 1, 1));
}

/// A store with room for 64 calls that is down, or not.
fn wide(id: &str, is_down: &Arc<AtomicBool>) -> Fake {
    let is_down = Arc::clone(is_down);
    let outcome = move || if is_down.load(Ordering::SeqCst) { Outcome::Unavailable } else { Outcome::Deleted };
    let mut fake = Fake::new(id, move |_| Answer::plain(outcome()));
    fake.pace = Pace { workers: 64, batch: 1 };
    fake
}

#[test]
fn a_breaker_opens_probes_with_one_call_and_closes() {
    let site = Site::new(Engine::Sqlite);
    fill(&site, &[("down", 300), ("up", 100)]);
    let is_down = Arc::new(AtomicBool::new(true));
    let (down, up) = (Arc::new(wide("down", &is_down)), Arc::new(wide("up", &Arc::default())));
    let daemon = Daemon::new(&site, &[&down, &up]);
    let calls = || down.calls.swap(0, Ordering::SeqCst);
    let pool = |state| vec![("pool".to_owned(), state)];

    expect(&daemon.cycle(), &[("down unavailable", 300), ("up deleted", 100)]);
    let first = calls();
    assert!((3..=66).contains(&first), "{first} calls: three, and those beside them");
    assert_eq!(up.calls.load(Ordering::SeqCst), 100);
    assert_eq!(daemon.logged(Level::WARN, "pool in store down gave no answer 3 times in a row"), 1);
    assert_eq!(daemon.breaker(), pool(BreakerPosition::Open));

    fill_more(&site, "up", 50);
    let report = daemon.cycle_after(29);
    expect(&report, &[("down unavailable", 300), ("up deleted", 50)]);
    assert_eq!((calls(), report.kept.waiting(), report.planned.locations), (0, 300, 50));
    assert_eq!(daemon.logged(Level::ERROR, "") + daemon.logged(Level::WARN, ""), 0, "told already");

    // Half open: one call, and no other one beside it.
    down.most_running.store(0, Ordering::SeqCst);
    fill_more(&site, "up", 50);
    expect(&daemon.cycle_after(1), &[("down unavailable", 300), ("up deleted", 50)]);
    assert_eq!((calls(), down.most_running.load(Ordering::SeqCst)), (1, 1));
    assert_eq!(daemon.logged(Level::WARN, "gave no answer"), 1, "what was left, in one line");
    assert_eq!(daemon.logged(Level::DEBUG, "gave no answer again"), 1);

    // A minute, less its spread, later it may answer.
    assert_eq!(daemon.cycle_after(50).kept.waiting(), 300);
    assert_eq!(calls(), 0);
    is_down.store(false, Ordering::SeqCst);
    let report = daemon.cycle_after(1);
    assert_eq!(counts(&report)["down deleted"] + report.kept.waiting(), 300, "{report}");
    assert_eq!(daemon.logged(Level::INFO, "pool in store down answers again"), 1);
    assert_eq!(daemon.breaker(), pool(BreakerPosition::Closed));
    assert_eq!(down.most_running.load(Ordering::SeqCst), 64, "full pace after the probe");
    daemon.cycle_after(600);
    assert_eq!(daemon.breaker(), []);
    assert_eq!(
        site.database.rows("SELECT count(*) FROM image_locations WHERE status = 'pending_delete'"),
        [["0"].map(|count| Some(count.to_owned()))]
    );
}

/// The probe's answer is waited for: when it comes, nothing else is under way.
#[test]
fn the_others_wait_for_the_probe() {
    let site = Site::new(Engine::Sqlite);
    fill(&site, &[("a", 100)]);
    let (down, most) = (Arc::new(AtomicBool::new(true)), Arc::<AtomicUsize>::default());
    let mut fake = wide("a", &down);
    let (first, seen) = (Arc::new(Mutex::new(None)), Arc::clone(&most));
    let told = Arc::clone(&first);
    let is_down = Arc::clone(&down);
    fake.most_running = most;
    fake.answer = Box::new(move |_| {
        if is_down.load(Ordering::SeqCst) {
            return Answer::plain(Outcome::Unavailable);
        }
        told.lock().unwrap().get_or_insert_with(|| seen.load(Ordering::SeqCst));
        Answer::plain(Outcome::InUse)
    });
    let a = Arc::new(fake);
    let daemon = Daemon::new(&site, &[&a]);
    daemon.cycle();
    down.store(false, Ordering::SeqCst);
    a.most_running.store(0, Ordering::SeqCst);
    let report = daemon.cycle_after(40);
    assert_eq!(report.kept.waiting(), 0, "{report}");
    expect(&report, &[("a in_use", 100)]);
    assert_eq!(*first.lock().unwrap(), Some(1), "calls that had been made when the probe answered");
    assert!(a.most_running.load(Ordering::SeqCst) > 30);
}

#[test]
fn a_probe_holds_up_no_other_container() {
    let site = Site::new(Engine::Sqlite);
    fill(&site, &[("a", 200)]);
    let is_bad = |uri: &str| uri.ends_with(['0', '1', '2', '3', '4']);
    let mut fake =
        Fake::new("a", move |uri| Answer::plain(if is_bad(uri) { Outcome::Unavailable } else { Outcome::InUse }));
    fake.container = |uri| if uri.ends_with(['0', '1', '2', '3', '4']) { "bad" } else { "good" };
    fake.pace = Pace { workers: 4, batch: 1 };
    let a = Arc::new(fake);
    let daemon = Daemon::new(&site, &[&a]);
    expect(&daemon.cycle(), &[("a unavailable", 100), ("a in_use", 100)]);
    for (wait, probes) in [(10, 0), (300, 1), (10, 0), (600, 1)] {
        a.asked.lock().unwrap().clear();
        expect(&daemon.cycle_after(wait), &[("a unavailable", 100), ("a in_use", 100)]);
        assert_eq!(a.asked.lock().unwrap().iter().filter(|uri| is_bad(uri)).count(), probes, "after {wait} s");
        let good = if wait == 10 { 0 } else { 100 };
        assert_eq!(a.asked.lock().unwrap().iter().filter(|uri| !is_bad(uri)).count(), good, "after {wait} s");
    }
}

/// Deleted so many minutes ago, where the grace period is an hour.
fn deleted(site: &Site, id: &str, minutes: i64) {
    let image = Image::pending(id, TimeDelta::minutes(minutes), &[&format!("rbd://{id}")]);
    image.with_meta_data(Some(r#"{"store": "a"}"#)).insert(&site.database);
}

#[test]
fn by_a_clock_that_is_ahead_nothing_goes_too_early() {
    let site = Site::new(Engine::Sqlite);
    fill(&site, &[]);
    deleted(&site, "due", 90);
    deleted(&site, "young", 30);
    let a = Arc::new(Fake::saying("a", Outcome::Deleted));
    let daemon = Daemon::new(&site, &[&a]);
    let report = daemon.cycle_after(3600);
    expect(&report, &[("a deleted", 1)]);
    assert_eq!(*a.asked.lock().unwrap(), ["rbd://due"]);
    assert_eq!(daemon.logged(Level::WARN, "s ahead of the database's; what is due is decided by the earlier one"), 1);
    let ahead = report.skew.ahead().num_seconds();
    assert!((3540..=3660).contains(&ahead), "{ahead}");
    assert_eq!(report.to_json()["clock_skew_seconds"], ahead);
    daemon.cycle_after(10);
    assert_eq!(daemon.logged(Level::WARN, ""), 0, "said once");
    daemon.cycle_after(7200);
    assert_eq!(daemon.logged(Level::WARN, "ahead of the database's"), 1, "it has changed");
    // Set right.
    daemon.cycle_after(-3600 - 10 - 7200);
    assert_eq!(daemon.logged(Level::INFO, "This host's clock and the database's agree again"), 1);
    assert_eq!(states(&site.database, "young").0, "pending_delete");
}

#[test]
fn by_a_clock_that_is_behind_nothing_goes_too_early_either() {
    let site = Site::new(Engine::Sqlite);
    fill(&site, &[]);
    deleted(&site, "old", 150);
    deleted(&site, "due", 90);
    deleted(&site, "young", 30);
    let a = Arc::new(Fake::saying("a", Outcome::Deleted));
    let daemon = Daemon::new(&site, &[&a]);
    let report = daemon.cycle_after(-3600);
    expect(&report, &[("a deleted", 1), ("- clock_skew", 1)]);
    assert_eq!(*a.asked.lock().unwrap(), ["rbd://old"]);
    assert_eq!(daemon.logged(Level::WARN, "s behind the database's"), 1);
    assert!(report.skew.ahead().num_seconds() < -3500);
}

#[test]
fn what_fails_for_long_is_given_up_and_told_once() {
    let site = Site::new(Engine::Sqlite);
    fill(&site, &[("a", 1), ("b", 1)]);
    let (a, answer) = changing("a", Outcome::Failed);
    let b = Arc::new(Fake::saying("b", Outcome::InUse));
    let mut daemon = Daemon::new(&site, &[&a, &b]);
    daemon.scrubber.settings.give_up_after = Some(Duration::from_secs(1200));
    expect(&daemon.cycle(), &[("a failed", 1), ("b in_use", 1)]);
    *answer.lock().unwrap() = Outcome::Unavailable;
    expect(&daemon.cycle_after(1000), &[("a unavailable", 1), ("b in_use", 1)]);
    // Later than 1200 s, but nobody has tried so late.
    expect(&daemon.cycle_after(300), &[("a unavailable", 1), ("b in_use", 1)]);
    assert_eq!((asked(&a), daemon.logged(Level::ERROR, "given_up")), (3, 0));
    let given_up = daemon.cycle_after(300);
    expect(&given_up, &[("a given_up", 1), ("b in_use", 1)]);
    assert_eq!(daemon.logged(Level::ERROR, "Reason: given_up: unavailable, tried 2 times, stays since"), 1);
    assert!(given_up.needs_attention(), "exit code 3");
    for _ in 0..3 {
        let report = daemon.cycle_after(100_000);
        expect(&report, &[("a given_up", 1), ("b in_use", 1)]);
        assert_eq!((daemon.logged(Level::ERROR, ""), report.kept.failures()), (0, 1));
    }
    assert_eq!(asked(&a), 0);
    assert_eq!(states(&site.database, "a0"), ("pending_delete".to_owned(), vec!["pending_delete".to_owned()]));
    // A new config may have mended what gave no answer.
    daemon.scrubber.memory.config_changed();
    expect(&daemon.cycle(), &[("a unavailable", 1), ("b in_use", 1)]);
    assert_eq!(asked(&a), 1);
    expect(&daemon.cycle_after(100_000), &[("a given_up", 1), ("b in_use", 1)]);
    *answer.lock().unwrap() = Outcome::Deleted;
    daemon.scrubber.memory.forget();
    expect(&daemon.cycle(), &[("a deleted", 1), ("b in_use", 1)]);
}

/// More due images of a store, which `fill` has not made.
fn fill_more(site: &Site, store: &str, count: usize) {
    let there = site.database.rows("SELECT count(*) FROM images")[0][0].clone().unwrap();
    let mut sql = String::new();
    for number in 0..count {
        let id = format!("{store}-{there}-{number}");
        let image = Image::pending(&id, HOUR * 2, &[&format!("rbd://{id}")]);
        sql += &image.with_meta_data(Some(&format!(r#"{{"store": "{store}"}}"#))).sql(Engine::Sqlite);
    }
    site.database.execute(&sql);
}

#[test]
fn a_hundred_thousand_that_wait_cost_no_call() {
    const COUNT: usize = 100_000;
    let site = Site::new(Engine::Sqlite);
    Image::active("living", &["file:///living"]).insert(&site.database);
    Image::pending("a", HOUR * 2, &["rbd://a"]).with_meta_data(Some(r#"{"store": "a"}"#)).insert(&site.database);
    // The first one, over and over.
    site.database.execute(&format!(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {COUNT} - 1)
         INSERT INTO images (id, size, status, created_at, deleted_at, deleted, min_disk, min_ram, visibility)
         SELECT 'a' || i, 1, status, created_at, deleted_at, deleted, 0, 0, visibility FROM images, n WHERE id = 'a';
         INSERT INTO image_locations (image_id, value, status, created_at, deleted_at, deleted, meta_data)
         SELECT images.id, 'rbd://' || images.id, l.status, l.created_at, l.deleted_at, l.deleted, l.meta_data
         FROM images, image_locations l WHERE l.image_id = 'a' AND images.id LIKE 'a_%'"
    ));
    let mut fake = Fake::new("a", |uri| Answer::because(Outcome::Failed, format!("{uri} is broken")));
    fake.pace = Pace { workers: 64, batch: 8 };
    let a = Arc::new(fake);
    let daemon = Daemon::new(&site, &[&a]);
    expect(&daemon.cycle(), &[("a failed", COUNT as u64)]);
    assert_eq!((asked(&a), daemon.scrubber.memory.remembered()), (COUNT, COUNT));
    assert_eq!(daemon.logged(Level::ERROR, UNABLE), 1000);
    a.calls.store(0, Ordering::SeqCst);
    let waiting = daemon.cycle_after(30);
    expect(&waiting, &[("a failed", COUNT as u64)]);
    assert_eq!((waiting.kept.waiting(), daemon.scrubber.memory.remembered()), (COUNT as u64, COUNT));
    assert_eq!((a.calls.load(Ordering::SeqCst), a.prepared.load(Ordering::SeqCst)), (0, 1));
    assert_eq!(daemon.logged(Level::ERROR, ""), 0);
}
