//! A cycle with stores that misbehave: they hang, lie, fail, or change the database while they delete.

mod deleting;
mod pace;
mod retry;
mod sharing;

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use chrono::TimeDelta;
use glance_scrubber::catalog::{self, Coordination};
use glance_scrubber::config::{ConfigSource, Invocation, StoreId, load};
use glance_scrubber::location::{Keyring, Location, Scheme};
use glance_scrubber::scrub::{
    Approved, CycleReport, Guards, Limits, Observer, Reason, Scrubber, Settings, SystemClock,
};
use glance_scrubber::store::{Answer, Finding, Outcome, Pace, Store, Stores, Target};
use tokio::runtime::Runtime;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::support::rows::{Image, states};
use crate::support::servers::Engine;
use crate::support::site::Site;

const HOUR: TimeDelta = TimeDelta::hours(1);

type Answers = Box<dyn Fn(&str) -> Answer + Send + Sync>;

/// A store that answers as it is told, and counts.
pub struct Fake {
    id: StoreId,
    pace: Pace,
    answer: Answers,
    /// Waited for before each answer, where set.
    pub gate: Option<Arc<Notify>>,
    calls: AtomicUsize,
    largest: AtomicUsize,
    prepared: AtomicUsize,
    /// What a URI lies in.
    container: fn(&str) -> &str,
    running: Arc<AtomicUsize>,
    most_running: Arc<AtomicUsize>,
    asked: Mutex<Vec<String>>,
}

impl Fake {
    pub fn new(id: &str, answer: impl Fn(&str) -> Answer + Send + Sync + 'static) -> Fake {
        Fake {
            id: StoreId(id.to_owned()),
            pace: Pace { workers: 2, batch: 2 },
            answer: Box::new(answer),
            gate: None,
            calls: AtomicUsize::new(0),
            largest: AtomicUsize::new(0),
            prepared: AtomicUsize::new(0),
            container: |_| "pool",
            running: Arc::default(),
            most_running: Arc::default(),
            asked: Mutex::default(),
        }
    }

    pub fn saying(id: &str, outcome: Outcome) -> Fake {
        Fake::new(id, move |_| Answer::plain(outcome))
    }

    /// Answers for `<id><number>` with the outcome of that number. What is `deleting` is for ever: the cycle is stopped
    /// once everything has been asked about.
    pub fn by_number(id: &str, stop: &CancellationToken) -> Fake {
        let (stop, asked) = (stop.clone(), Mutex::new(HashSet::new()));
        Fake::new(id, move |uri| {
            let number: usize = uri.trim_matches(|letter: char| !letter.is_ascii_digit()).parse().unwrap();
            let mut asked = asked.lock().unwrap();
            asked.insert(number);
            if asked.len() == Outcome::ALL.len() {
                stop.cancel();
            }
            Answer::plain(Outcome::ALL[number])
        })
    }
}

#[async_trait]
impl Store for Fake {
    fn id(&self) -> &StoreId {
        &self.id
    }
    fn schemes(&self) -> &'static [Scheme] {
        &[Scheme::Rbd]
    }
    fn pace(&self) -> Pace {
        self.pace
    }
    async fn prepare(&self) {
        self.prepared.fetch_add(1, Ordering::SeqCst);
    }
    fn locate(&self, location: &Location) -> Result<Target, Answer> {
        let uri = location.uri.expose().to_owned();
        let container = (self.container)(&uri).to_owned();
        Ok(Target { container, identity: Some(format!("{}:{uri}", self.id)) })
    }
    fn owns(&self, _location: &Location) -> bool {
        false
    }
    async fn delete(&self, targets: &[Approved]) -> Vec<Answer> {
        self.calls.fetch_add(1, Ordering::SeqCst);
        self.largest.fetch_max(targets.len(), Ordering::SeqCst);
        let running = self.running.fetch_add(1, Ordering::SeqCst) + 1;
        self.most_running.fetch_max(running, Ordering::SeqCst);
        if let Some(gate) = &self.gate {
            gate.notified().await;
        }
        tokio::task::yield_now().await;
        let uris: Vec<_> = targets.iter().map(|target| target.location().uri.expose().to_owned()).collect();
        self.asked.lock().unwrap().extend(uris.iter().cloned());
        self.running.fetch_sub(1, Ordering::SeqCst);
        uris.iter().map(|uri| (self.answer)(uri)).collect()
    }
    async fn check(&self) -> Vec<Finding> {
        Vec::new()
    }
}

/// Due images `<store><number>`, each with one location in its store, and a living one.
pub fn fill(site: &Site, stores: &[(&str, usize)]) {
    Image::active("living", &["file:///living"]).insert(&site.database);
    let mut sql = String::new();
    for (store, count) in stores {
        for number in 0..*count {
            let id = format!("{store}{number}");
            let image = Image::pending(&id, HOUR * 2, &[&format!("rbd://{id}")]);
            sql += &image.with_meta_data(Some(&format!(r#"{{"store": "{store}"}}"#))).sql(site.database.engine);
        }
    }
    site.database.execute(&sql);
}

fn cycle(site: &Site, stores: Vec<Arc<dyn Store>>, pool: Option<usize>, stop: &CancellationToken) -> CycleReport {
    cycle_with(site, stores, pool, Duration::from_secs(600), stop)
}

fn cycle_with(
    site: &Site,
    stores: Vec<Arc<dyn Store>>,
    pool: Option<usize>,
    look_lasts: Duration,
    stop: &CancellationToken,
) -> CycleReport {
    watched_cycle(site, stores, pool, look_lasts, stop, &())
}

pub fn watched_cycle(
    site: &Site,
    stores: Vec<Arc<dyn Store>>,
    pool: Option<usize>,
    look_lasts: Duration,
    stop: &CancellationToken,
    observer: &dyn Observer,
) -> CycleReport {
    let (runtime, scrubber) = scrubber(site, Stores::new(true, stores), pool, look_lasts);
    run(&runtime, &scrubber, observer, stop)
}

/// A scrubber that can have several cycles, without claims.
fn scrubber(site: &Site, stores: Stores, pool: Option<usize>, look_lasts: Duration) -> (Runtime, Scrubber) {
    let config = load(&Invocation::from_process(vec![ConfigSource::File(site.config(""))], Vec::new())).unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let grace = Duration::from_secs(3600);
    let (limits, guards, patience) = (Limits::default(), Guards::default(), Duration::from_secs(5));
    let settings = Settings { grace, limits, guards, pool, patience, look_lasts, ..Settings::of(&config, false) };
    let scrubber = Scrubber {
        coordination: Coordination::Alone,
        lock_file: None,
        ledger: runtime.block_on(catalog::open(&config.database, Duration::from_secs(20))).unwrap(),
        stores,
        keys: Keyring::empty(),
        settings,
        clock: Box::new(SystemClock),
        memory: Arc::default(),
    };
    (runtime, scrubber)
}

fn run(runtime: &Runtime, scrubber: &Scrubber, observer: &dyn Observer, stop: &CancellationToken) -> CycleReport {
    let cycle = async { tokio::time::timeout(Duration::from_secs(50), scrubber.cycle(observer, stop)).await };
    runtime.block_on(cycle).expect("the cycle hangs")
}

/// Counts of a report: finished by outcome, kept by reason.
fn counts(report: &CycleReport) -> HashMap<String, u64> {
    let done = report.done.iter().map(|((store, outcome), tally)| (format!("{store} {outcome}"), tally.locations));
    let kept = report.kept.lines().map(|(store, reason, line)| {
        (format!("{} {}", store.map_or("-", StoreId::as_str), reason.as_str()), line.tally.locations)
    });
    done.chain(kept).collect()
}

fn expect(report: &CycleReport, expected: &[(&str, u64)]) {
    let expected = expected.iter().map(|(name, count)| ((*name).to_owned(), *count)).collect();
    assert_eq!(counts(report), expected, "{report}");
}

#[test]
fn every_outcome_ends_where_the_vocabulary_says() {
    let site = Site::new(Engine::Sqlite);
    fill(&site, &[("a", Outcome::ALL.len())]);
    let stop = CancellationToken::new();
    let report = cycle(&site, vec![Arc::new(Fake::by_number("a", &stop))], None, &stop);
    for (number, outcome) in Outcome::ALL.into_iter().enumerate() {
        let expected = if outcome.finishes() { "deleted" } else { "pending_delete" };
        assert_eq!(states(&site.database, &format!("a{number}")).0, expected, "{outcome}");
        assert_eq!(counts(&report)[&format!("a {outcome}")], 1);
    }
    assert_eq!(report.images_finished, 4);
    assert_eq!(report.kept.failures(), 6, "in_use, deleting and shared are as they should be");
}

/// The fast store finishes while the slow one has not answered once: only then is the slow one's gate opened.
#[test]
fn a_store_that_hangs_holds_up_itself_alone() {
    let site = Site::new(Engine::Sqlite);
    fill(&site, &[("slow", 4), ("fast", 50)]);
    let gate = Arc::new(Notify::new());
    let done = Arc::new(AtomicUsize::new(0));
    let (opened, counted) = (Arc::clone(&gate), Arc::clone(&done));
    let fast = Fake::new("fast", move |_| {
        if counted.fetch_add(1, Ordering::SeqCst) + 1 == 50 {
            opened.notify_one();
        }
        Answer::plain(Outcome::Deleted)
    });
    let again = Arc::clone(&gate);
    let mut slow = Fake::new("slow", move |_| {
        again.notify_one();
        Answer::plain(Outcome::Deleted)
    });
    slow.gate = Some(gate);
    let report = cycle(&site, vec![Arc::new(slow), Arc::new(fast)], None, &CancellationToken::new());
    expect(&report, &[("slow deleted", 4), ("fast deleted", 50)]);
}

#[test]
fn a_store_that_is_down_is_left_alone_after_a_few_calls() {
    let site = Site::new(Engine::Sqlite);
    fill(&site, &[("down", 100), ("up", 10)]);
    let down = Arc::new(Fake::saying("down", Outcome::Unavailable));
    let up = Arc::new(Fake::saying("up", Outcome::Deleted));
    let report = cycle(&site, vec![down.clone(), up], None, &CancellationToken::new());
    expect(&report, &[("down unavailable", 100), ("up deleted", 10)]);
    let calls = down.calls.load(Ordering::SeqCst);
    assert!((3..=4).contains(&calls), "{calls} calls: three in a row, and one that was on its way beside the third");
}

#[test]
fn a_container_that_is_down_holds_up_no_other_one_of_its_store() {
    let site = Site::new(Engine::Sqlite);
    fill(&site, &[("half", 100)]);
    let is_down = |uri: &str| uri.contains("half0") || !uri.ends_with(['1', '2', '3']);
    let mut half =
        Fake::new("half", move |uri| Answer::plain(if is_down(uri) { Outcome::Unavailable } else { Outcome::Deleted }));
    half.container = |uri| if uri.contains("half0") || !uri.ends_with(['1', '2', '3']) { "down" } else { "up" };
    let half = Arc::new(half);
    let report = cycle(&site, vec![half.clone()], None, &CancellationToken::new());
    expect(&report, &[("half deleted", 30), ("half unavailable", 70)]);
    assert_eq!(half.asked.lock().unwrap().iter().filter(|uri| !is_down(uri)).count(), 30);
    assert!(half.calls.load(Ordering::SeqCst) <= 7 * 3 + 4, "a few a look at 16 rows, and a few to what is down");
}

#[test]
fn an_answer_that_is_missing_is_no_success() {
    struct Terse(Fake);
    #[async_trait]
    impl Store for Terse {
        fn id(&self) -> &StoreId {
            self.0.id()
        }
        fn schemes(&self) -> &'static [Scheme] {
            self.0.schemes()
        }
        fn pace(&self) -> Pace {
            self.0.pace()
        }
        fn locate(&self, location: &Location) -> Result<Target, Answer> {
            self.0.locate(location)
        }
        fn owns(&self, location: &Location) -> bool {
            self.0.owns(location)
        }
        async fn delete(&self, _targets: &[Approved]) -> Vec<Answer> {
            vec![Answer::plain(Outcome::Deleted)]
        }
        async fn check(&self) -> Vec<Finding> {
            Vec::new()
        }
    }
    let site = Site::new(Engine::Sqlite);
    fill(&site, &[("a", 4)]);
    let terse = Terse(Fake::saying("a", Outcome::Deleted));
    let report = cycle(&site, vec![Arc::new(terse)], None, &CancellationToken::new());
    expect(&report, &[("a deleted", 2), ("a failed", 2)]);
}

/// The first delete restores an image that is planned for later: the fresh look must see it.
#[test]
fn a_row_that_changes_after_the_plan_is_kept() {
    let site = Arc::new(Site::new(Engine::Sqlite));
    fill(&site, &[("a", 60)]);
    let changing = Arc::clone(&site);
    let mut store = Fake::new("a", move |uri| {
        if uri == "rbd://a0" {
            changing.database.execute(
                "UPDATE image_locations SET status = 'active', deleted = 0 WHERE image_id = 'a9';
                 UPDATE images SET status = 'active', deleted = 0, deleted_at = NULL WHERE id = 'a9'",
            );
        }
        Answer::plain(Outcome::Deleted)
    });
    store.pace = Pace { workers: 1, batch: 1 };
    let store = Arc::new(store);
    let report = cycle(&site, vec![store.clone()], None, &CancellationToken::new());
    expect(&report, &[("a deleted", 59), ("a changed", 1)]);
    assert!(!store.asked.lock().unwrap().contains(&"rbd://a9".to_owned()), "data of a restored image was deleted");
    assert_eq!(states(&site.database, "a9"), ("active".into(), vec!["active".into()]));
}

/// The same within a portion that was read at once: a look that has become old is repeated before the delete.
#[test]
fn a_row_that_changes_while_its_call_waits_is_kept() {
    let site = Arc::new(Site::new(Engine::Sqlite));
    fill(&site, &[("a", 3)]);
    let changing = Arc::clone(&site);
    let mut store = Fake::new("a", move |uri| {
        if uri == "rbd://a0" {
            changing.database.execute(
                "UPDATE image_locations SET status = 'active' WHERE image_id = 'a1';
                 DELETE FROM image_locations WHERE image_id = 'a2'",
            );
        }
        Answer::plain(Outcome::Deleted)
    });
    store.pace = Pace { workers: 1, batch: 1 };
    let store = Arc::new(store);
    let report = cycle_with(&site, vec![store.clone()], None, Duration::ZERO, &CancellationToken::new());
    expect(&report, &[("a deleted", 1), ("a changed", 2)]);
    assert_eq!(*store.asked.lock().unwrap(), ["rbd://a0"]);
}

/// A row changed between the delete and its record: nothing is overwritten, and it is told.
#[test]
fn a_row_that_changes_during_its_delete_is_not_overwritten() {
    let site = Arc::new(Site::new(Engine::Sqlite));
    fill(&site, &[("a", 1)]);
    let changing = Arc::clone(&site);
    let store = Fake::new("a", move |_| {
        changing.database.execute("UPDATE image_locations SET status = 'active'");
        Answer::plain(Outcome::Deleted)
    });
    let report = cycle(&site, vec![Arc::new(store)], None, &CancellationToken::new());
    assert_eq!(report.overtaken, 1);
    assert_eq!(states(&site.database, "a0"), ("pending_delete".into(), vec!["active".into()]));
}

#[test]
fn asked_to_stop_a_cycle_finishes_what_is_in_hand_and_starts_nothing() {
    let site = Site::new(Engine::Sqlite);
    fill(&site, &[("a", 100)]);
    let stop = CancellationToken::new();
    let stopper = stop.clone();
    let store = Arc::new(Fake::new("a", move |_| {
        stopper.cancel();
        Answer::plain(Outcome::Deleted)
    }));
    let report = cycle(&site, vec![store.clone()], None, &stop);
    let asked = store.asked.lock().unwrap().len() as u64;
    assert!(report.interrupted && asked < 10, "{asked} were deleted after the stop");
    expect(&report, &[("a deleted", asked), ("a interrupted", 100 - asked)]);
    let gone = site.database.rows("SELECT count(*) FROM image_locations WHERE status = 'deleted'");
    assert_eq!(gone, [[Some(asked.to_string())]]);
}

#[test]
fn a_pool_size_bounds_all_lanes_together() {
    let site = Site::new(Engine::Sqlite);
    fill(&site, &[("a", 20), ("b", 20)]);
    let (a, mut b) = (Fake::saying("a", Outcome::Deleted), Fake::saying("b", Outcome::Deleted));
    (b.running, b.most_running) = (Arc::clone(&a.running), Arc::clone(&a.most_running));
    let most = Arc::clone(&a.most_running);
    let report = cycle(&site, vec![Arc::new(a), Arc::new(b)], Some(1), &CancellationToken::new());
    expect(&report, &[("a deleted", 20), ("b deleted", 20)]);
    assert_eq!(most.load(Ordering::SeqCst), 1);
    assert!(!report.kept.lines().any(|(_, reason, _)| reason == Reason::Interrupted));
}
