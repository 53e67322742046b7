//! Page after page, with stores that are slow, silent or terse: order, pace, and who waits for whom.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use chrono::TimeDelta;
use glance_scrubber::catalog::{self, CatalogError};
use glance_scrubber::config::{ConfigSource, Invocation, StoreId, load};
use glance_scrubber::location::{Keyring, Location, Scheme};
use glance_scrubber::scrub::{
    Approved, Audit, Clock, Entry, Limits, Memory, Policy, Prober, Resolved, SystemClock, Verdict, horizon, survey,
};
use glance_scrubber::store::{Answer, Finding, Outcome, Pace, Probed, Store, Stores, Target};
use tokio::sync::Notify;

use crate::support::rows::Image;
use crate::support::servers::Engine;
use crate::support::site::Site;

/// Rows that are read, asked about and listed together.
const PAGE: usize = 500;

type Answers = Box<dyn Fn(&str) -> Probed + Send + Sync>;

/// A store that answers as it is told, and counts.
struct Fake {
    id: StoreId,
    pace: Pace,
    answer: Answers,
    /// Waited for before each answer, where set.
    gate: Option<Arc<Notify>>,
    calls: AtomicUsize,
    largest: AtomicUsize,
    running: Arc<AtomicUsize>,
    most_running: Arc<AtomicUsize>,
    /// Said of a call's first targets only.
    says: usize,
}

impl Fake {
    fn new(id: &str, answer: impl Fn(&str) -> Probed + Send + Sync + 'static) -> Fake {
        Fake {
            id: StoreId(id.to_owned()),
            pace: Pace { workers: 2, batch: 3 },
            answer: Box::new(answer),
            gate: None,
            calls: AtomicUsize::new(0),
            largest: AtomicUsize::new(0),
            running: Arc::default(),
            most_running: Arc::default(),
            says: usize::MAX,
        }
    }

    fn saying(id: &str, outcome: Outcome) -> Fake {
        Fake::new(id, move |_| Answer::plain(outcome).into())
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
    fn locate(&self, location: &Location) -> Result<Target, Answer> {
        let uri = location.uri.expose().to_owned();
        Ok(Target { container: "pool".to_owned(), identity: Some(format!("{}:{uri}", self.id)) })
    }
    fn owns(&self, _location: &Location) -> bool {
        false
    }
    async fn delete(&self, _targets: &[Approved]) -> Vec<Answer> {
        panic!("a dry run deletes");
    }
    async fn probe(&self, targets: &[Resolved]) -> Vec<Probed> {
        self.calls.fetch_add(1, Ordering::SeqCst);
        self.largest.fetch_max(targets.len(), Ordering::SeqCst);
        let running = self.running.fetch_add(1, Ordering::SeqCst) + 1;
        self.most_running.fetch_max(running, Ordering::SeqCst);
        if let Some(gate) = &self.gate {
            gate.notified().await;
        }
        tokio::task::yield_now().await;
        self.running.fetch_sub(1, Ordering::SeqCst);
        targets.iter().take(self.says).map(|target| (self.answer)(target.location.uri.expose())).collect()
    }
    async fn check(&self) -> Vec<Finding> {
        Vec::new()
    }
}

/// Due images `<number><store>`, in this order of deletion, which is not that of their ids or rows.
fn fill(site: &Site, stores: &[&str]) {
    Image::active("living", &["file:///living"]).insert(&site.database);
    let mut sql = String::new();
    for (number, store) in stores.iter().enumerate().rev() {
        let ago = TimeDelta::hours(50) - TimeDelta::seconds(i64::try_from(number).unwrap());
        let id = format!("{number}{store}");
        let image = Image::pending(&id, ago, &[&format!("rbd://{id}")]);
        sql += &image.with_meta_data(Some(&format!(r#"{{"store": "{store}"}}"#))).sql(Engine::Sqlite);
    }
    // One commit: thousands of rows are thousands of waits for the disk else.
    site.database.execute(&format!("BEGIN; {sql} COMMIT"));
}

/// What a dry run lists with these stores.
fn list(site: &Site, stores: Vec<Arc<dyn Store>>, pool: Option<usize>) -> Vec<Entry> {
    let config = load(&Invocation::from_process(vec![ConfigSource::File(site.config(""))], Vec::new())).unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let (stores, keys, limits) = (Stores::new(true, stores), Keyring::empty(), Limits::default());
    let grace = Duration::from_secs(3600);
    let policy = Policy { horizon: horizon(SystemClock.now(), grace), keys: &keys, stores: &stores };
    runtime.block_on(async {
        let catalog = catalog::open_read_only(&config.database, Duration::from_secs(20)).await.unwrap();
        let catalog = catalog.as_ref();
        let plan = survey(catalog, &policy, limits, &Memory::default(), None, &mut |_, _| ()).await.unwrap();
        let prober = Some(Prober::new(&stores, pool));
        let audit = Audit { catalog, policy: &policy, plan: &plan, limits, grace, look_up: None, prober };
        let mut entries = Vec::new();
        let mut keep = |entry: &Entry| {
            entries.push(entry.clone());
            Ok(())
        };
        let walk = audit.each::<CatalogError>(&mut keep);
        tokio::time::timeout(Duration::from_secs(50), walk).await.expect("the probe hangs").unwrap();
        entries
    })
}

/// `verdict reason`.
fn said(entry: &Entry) -> String {
    match &entry.verdict {
        Verdict::Delete(None) => "delete".to_owned(),
        Verdict::Delete(Some(answer)) => format!("delete {answer}"),
        Verdict::Finish => "finish".to_owned(),
        Verdict::Keep(keep) => format!("keep {}", keep.reason.as_str()),
    }
}

/// How often each was said of a store.
fn counts(entries: &[Entry]) -> HashMap<(String, String), usize> {
    let mut counts = HashMap::new();
    for entry in entries {
        *counts.entry((entry.store.as_ref().unwrap().to_string(), said(entry))).or_default() += 1;
    }
    counts
}

#[track_caller]
fn expect(entries: &[Entry], expected: &[(&str, &str, usize)]) {
    let expected =
        expected.iter().map(|(store, said, count)| (((*store).to_owned(), (*said).to_owned()), *count)).collect();
    assert_eq!(counts(entries), expected);
}

#[test]
fn every_outcome_gives_the_verdict_of_the_cycle() {
    let site = Site::new(Engine::Sqlite);
    fill(&site, &["a"; Outcome::ALL.len()]);
    let by_number = |uri: &str| {
        let number: usize = uri.trim_matches(|letter: char| !letter.is_ascii_digit()).parse().unwrap();
        Answer::because(Outcome::ALL[number], "why").into()
    };
    let entries = list(&site, vec![Arc::new(Fake::new("a", by_number))], None);
    for (outcome, entry) in Outcome::ALL.into_iter().zip(&entries) {
        let expected = if outcome.finishes() { format!("delete {outcome}: why") } else { format!("keep {outcome}") };
        assert_eq!(said(entry), expected);
        if let Verdict::Keep(keep) = &entry.verdict {
            assert_eq!(keep.detail.as_deref(), Some("why"), "{outcome}");
        }
    }
}

/// Answers stand beside their own locations, in the order of deletion, over pages, portions and stores.
#[test]
fn a_list_keeps_its_order_and_a_store_its_pace() {
    let site = Site::new(Engine::Sqlite);
    let stores: Vec<_> = (0..2 * PAGE + 200).map(|number| ["a", "b"][number * number % 3]).collect();
    fill(&site, &stores);
    let told =
        |uri: &str| Probed { answer: None, stored: Some(uri[6..uri.len() - 1].parse().unwrap()), ..Probed::default() };
    let (a, b) = (Arc::new(Fake::new("a", told)), Arc::new(Fake::new("b", told)));
    let entries = list(&site, vec![a.clone(), b.clone()], None);
    let numbers: Vec<_> = entries.iter().map(|entry| entry.image_id.as_ref().unwrap().0.clone()).collect();
    let expected: Vec<_> = stores.iter().enumerate().map(|(number, store)| format!("{number}{store}")).collect();
    assert_eq!(numbers, expected);
    for (number, (entry, store)) in entries.iter().zip(&stores).enumerate() {
        assert_eq!((said(entry).as_str(), entry.stored), ("delete", Some(number as u64)), "{number}{store}");
    }
    for store in [a, b] {
        let (largest, most) = (store.largest.load(Ordering::SeqCst), store.most_running.load(Ordering::SeqCst));
        assert_eq!((largest, most), (3, 2), "{}: locations a call, calls at once", store.id);
    }
}

/// The slow store's first answer comes only when the fast one has answered for the whole page.
#[test]
fn a_store_that_hangs_holds_up_no_other_within_a_page() {
    let site = Site::new(Engine::Sqlite);
    let stores: Vec<_> = (0..PAGE).map(|number| if number % 50 == 0 { "slow" } else { "fast" }).collect();
    fill(&site, &stores);
    let gate = Arc::new(Notify::new());
    let (opened, again, done) = (Arc::clone(&gate), Arc::clone(&gate), AtomicUsize::new(0));
    let fast = Fake::new("fast", move |_| {
        if done.fetch_add(1, Ordering::SeqCst) + 1 == PAGE - 10 {
            opened.notify_one();
        }
        Probed::default()
    });
    let mut slow = Fake::new("slow", move |_| {
        again.notify_one();
        Probed::default()
    });
    slow.gate = Some(gate);
    let entries = list(&site, vec![Arc::new(slow), Arc::new(fast)], None);
    expect(&entries, &[("slow", "delete", 10), ("fast", "delete", PAGE - 10)]);
}

#[test]
fn a_store_that_is_down_is_left_alone_on_this_page_and_the_next_ones() {
    let site = Site::new(Engine::Sqlite);
    let stores: Vec<_> = (0..3 * PAGE).map(|number| ["down", "up"][number % 2]).collect();
    fill(&site, &stores);
    let down = Arc::new(Fake::saying("down", Outcome::Unavailable));
    let up = Arc::new(Fake::saying("up", Outcome::Absent));
    let entries = list(&site, vec![down.clone(), up], None);
    let half = 3 * PAGE / 2;
    expect(&entries, &[("down", "keep unavailable", half), ("up", "delete absent", half)]);
    let calls = down.calls.load(Ordering::SeqCst);
    assert!((3..=4).contains(&calls), "{calls} calls: three in a row, and one that was on its way beside the third");
    let unasked = entries.iter().filter(|entry| match &entry.verdict {
        Verdict::Keep(keep) => keep.detail.as_deref().is_some_and(|detail| detail.contains("not asked any more")),
        _ => false,
    });
    assert_eq!(unasked.count(), half - 3 * calls);
}

/// A row of the dead store now and then: its silence is remembered from page to page.
#[test]
fn silence_counts_over_pages() {
    let site = Site::new(Engine::Sqlite);
    let stores: Vec<_> = (0..5 * PAGE).map(|number| if number % PAGE == 7 { "down" } else { "up" }).collect();
    fill(&site, &stores);
    let down = Arc::new(Fake::saying("down", Outcome::Unavailable));
    let entries = list(&site, vec![down.clone(), Arc::new(Fake::new("up", |_| Probed::default()))], None);
    expect(&entries, &[("down", "keep unavailable", 5), ("up", "delete", 5 * PAGE - 5)]);
    assert_eq!(down.calls.load(Ordering::SeqCst), 3);
}

#[test]
fn what_a_store_leaves_out_is_listed_as_without_a_probe() {
    let site = Site::new(Engine::Sqlite);
    fill(&site, &["a"; 6]);
    let mut terse = Fake::saying("a", Outcome::InUse);
    terse.says = 1;
    let entries = list(&site, vec![Arc::new(terse)], None);
    expect(&entries, &[("a", "keep in_use", 2), ("a", "delete", 4)]);
}

#[test]
fn a_pool_size_bounds_the_probes_of_all_stores_together() {
    let site = Site::new(Engine::Sqlite);
    fill(&site, &["a", "b"].repeat(20));
    let (a, mut b) = (Fake::saying("a", Outcome::Absent), Fake::saying("b", Outcome::Absent));
    (b.running, b.most_running) = (Arc::clone(&a.running), Arc::clone(&a.most_running));
    let most = Arc::clone(&a.most_running);
    let entries = list(&site, vec![Arc::new(a), Arc::new(b)], Some(1));
    expect(&entries, &[("a", "delete absent", 20), ("b", "delete absent", 20)]);
    assert_eq!(most.load(Ordering::SeqCst), 1);
}
