//! The loop itself, in paused time, with a clock that is set and a database that answers at once.

use std::path::Path;
use std::process::Command;
use std::str::FromStr;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, Weak};

use async_trait::async_trait;
use chrono::TimeDelta;
use futures::channel::mpsc::{UnboundedSender, unbounded};
use tempfile::TempDir;

use super::*;
use crate::catalog::{
    Batch, BrokenRow, Catalog, Census, Horizon, ImageId, ImageRow, Ledger, LivingRow, LocationId, LocationRow,
    Recorded, Scan, Scope,
};
use crate::config::{ConfigSource, load};

/// A clock on the wall that goes on with the runtime's time, and can be set.
struct WallClock {
    begun: Instant,
    shows: Mutex<DateTime<Utc>>,
}

impl WallClock {
    fn at(time: &str) -> Arc<Self> {
        Arc::new(Self { begun: Instant::now(), shows: Mutex::new(DateTime::from_str(time).unwrap()) })
    }

    /// Shows this time from now on.
    fn set(&self, time: &str) {
        let passed = TimeDelta::from_std(self.begun.elapsed()).unwrap();
        *self.shows.lock().unwrap() = DateTime::<Utc>::from_str(time).unwrap() - passed;
    }
}

impl Clock for WallClock {
    fn now(&self) -> DateTime<Utc> {
        *self.shows.lock().unwrap() + self.begun.elapsed()
    }
}

/// Told of each cycle by its number. Says what to send to the daemon, and whether the database answers.
type Script = Box<dyn Fn(u32) -> (Option<i32>, bool) + Send + Sync>;

/// A database without anything due, which fails as its script wants.
struct Quiet {
    this: Weak<Quiet>,
    cycles: AtomicU32,
    connections: AtomicU32,
    script: Script,
    signals: UnboundedSender<i32>,
}

#[async_trait]
impl Catalog for Quiet {
    async fn clock(&self) -> Result<DateTime<Utc>, CatalogError> {
        Ok(Utc::now())
    }
    async fn scan(&self, _: Scope) -> Result<Scan, CatalogError> {
        let cycle = self.cycles.fetch_add(1, Ordering::Relaxed) + 1;
        let (signal, answers) = (self.script)(cycle);
        if let Some(signal) = signal {
            self.signals.unbounded_send(signal).unwrap();
        }
        if answers { Ok(Scan::default()) } else { Err(CatalogError::LoginRefused("the script says so".to_owned())) }
    }

    async fn locations(&self, _: &[LocationId]) -> Result<Vec<Result<LocationRow, BrokenRow>>, CatalogError> {
        Ok(Vec::new())
    }

    async fn images(&self, _: &[ImageId]) -> Result<Vec<(ImageRow, bool)>, CatalogError> {
        Ok(Vec::new())
    }

    async fn living(&self, _: Horizon, _: &mut (dyn FnMut(LivingRow) + Send)) -> Result<u64, CatalogError> {
        Ok(0)
    }

    async fn census(&self) -> Result<Census, CatalogError> {
        Ok(Census { living: 1 })
    }

    async fn waiting(&self, _: Horizon, limits: &[DateTime<Utc>]) -> Result<Vec<u64>, CatalogError> {
        Ok(vec![0; limits.len()])
    }
}

#[async_trait]
impl Ledger for Quiet {
    async fn record(&self, _: &Batch, _: DateTime<Utc>) -> Result<Recorded, CatalogError> {
        Ok(Recorded::default())
    }

    async fn rehearse(&self, _: LocationId, _: DateTime<Utc>) -> Result<(), CatalogError> {
        Ok(())
    }

    fn reader(self: Arc<Self>) -> Arc<dyn Catalog> {
        self
    }
}

/// A daemon with its database, until the script ends it.
struct Life {
    daemon: Daemon,
    quiet: Arc<Quiet>,
    signals: futures::channel::mpsc::UnboundedReceiver<i32>,
    directory: TempDir,
}

impl Life {
    fn new(config: &str, clock: Arc<WallClock>, script: Script) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("scrubber.conf");
        write(&path, config);
        let invocation =
            Invocation { sources: vec![ConfigSource::File(path)], search: Some(Vec::new()), ..Invocation::default() };
        let (sender, signals) = unbounded();
        let quiet = Arc::new_cyclic(|this| Quiet {
            this: Weak::clone(this),
            cycles: AtomicU32::new(0),
            connections: AtomicU32::new(0),
            script,
            signals: sender,
        });
        let status = Status::with_metrics(Box::new(Arc::clone(&clock))).unwrap();
        let config = load(&invocation).unwrap();
        let mut daemon = Daemon::new(invocation, config, status, clock);
        let opened = Arc::clone(&quiet);
        daemon.next.open = Arc::new(move |_| {
            opened.connections.fetch_add(1, Ordering::Relaxed);
            let ledger = opened.this.upgrade().unwrap();
            Box::pin(async move { Ok(ledger as Arc<dyn Ledger>) })
        });
        Self { daemon, quiet, signals, directory }
    }

    async fn run(&mut self) -> Exit {
        self.daemon.introduce(&Arc::clone(&self.daemon.next.config));
        self.daemon.set_wake(self.daemon.by_rhythm(Instant::now(), self.daemon.clock()).0);
        self.daemon.work(&mut self.signals).await
    }
}

fn write(path: &Path, config: &str) {
    let directory = path.parent().unwrap().display();
    let text = format!(
        "[database]\nconnection = sqlite:////db\n[glance_store]\nfilesystem_store_datadir = {directory}\n{config}"
    );
    std::fs::write(path, text).unwrap();
}

/// Resident memory in bytes, and open files.
fn held() -> (u64, usize) {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    let kilobytes: u64 = resident.trim().trim_end_matches(" kB").parse().unwrap();
    (kilobytes << 10, std::fs::read_dir("/proc/self/fd").unwrap().count())
}

/// Runs the test of this name in a process where no other test takes memory or opens files. True in that process.
fn alone(name: &str) -> bool {
    const INNER: &str = "SCRUBBER_TEST_ALONE";
    if std::env::var_os(INNER).is_some() {
        return true;
    }
    let mut command = Command::new(std::env::current_exe().unwrap());
    let done = command.args(["--exact", name, "--nocapture"]).env(INNER, "1").output().unwrap();
    let (stdout, stderr) = (String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr));
    assert!(done.status.success() && stdout.contains("1 passed"), "{stdout}\n{stderr}");
    false
}

/// A week of wake-ups each minute, with a database that fails now and then, and with every signal.
#[tokio::test(start_paused = true)]
async fn ten_thousand_wake_ups_leave_nothing_behind() {
    const WARM: u32 = 1_000;
    const ALL: u32 = 11_000;
    if !alone("daemon::tests::ten_thousand_wake_ups_leave_nothing_behind") {
        return;
    }
    let before = Arc::new(Mutex::new((0, 0)));
    let warm = Arc::clone(&before);
    let script = move |cycle: u32| {
        if cycle == WARM {
            *warm.lock().unwrap() = held();
        }
        let signal = match cycle {
            ALL => Some(SIGTERM),
            _ if cycle.is_multiple_of(70) => Some(SIGHUP),
            _ if cycle.is_multiple_of(50) => Some(SIGUSR2),
            _ if cycle.is_multiple_of(30) => Some(SIGUSR1),
            _ => None,
        };
        (signal, !cycle.is_multiple_of(17))
    };
    let begun = Instant::now();
    let mut life = Life::new("[DEFAULT]\nwakeup_time = 60\n", WallClock::at("2026-01-01T00:00:00Z"), Box::new(script));
    assert_eq!(life.run().await, Exit::Clean);
    let (before, after) = (*before.lock().unwrap(), held());
    assert_eq!(life.quiet.cycles.load(Ordering::Relaxed), ALL);
    assert!(life.quiet.connections.load(Ordering::Relaxed) > ALL / 17, "each failure is followed by a new connection");
    assert!(begun.elapsed() > Duration::from_secs(9_000 * 60), "they were a minute apart: {:?}", begun.elapsed());
    assert_eq!(after.1, before.1, "open files");
    let grown = after.0.saturating_sub(before.0);
    println!("grown by {grown} bytes");
    assert!(grown < 1 << 20, "10,000 wake-ups took {grown} bytes");
    drop(life.directory);
}

/// When the first cycles begin, by the clock on the wall, which is set as `set` wants after the first minute.
async fn beginnings(config: &str, at: &str, set: &'static str, count: u32) -> Vec<String> {
    let clock = WallClock::at(at);
    let begun = Arc::new(Mutex::new(Vec::new()));
    let (noted, shown) = (Arc::clone(&begun), Arc::clone(&clock));
    let script = move |cycle: u32| {
        noted.lock().unwrap().push(shown.now().format("%Y-%m-%dT%H:%M").to_string());
        ((cycle == count).then_some(SIGTERM), true)
    };
    let mut life = Life::new(config, Arc::clone(&clock), Box::new(script));
    tokio::spawn(async move {
        sleep(Duration::from_secs(90)).await;
        clock.set(set);
    });
    assert_eq!(life.run().await, Exit::Clean);
    std::mem::take(&mut *begun.lock().unwrap())
}

const NIGHTLY: &str = "[scrubber]\nwakeup_cron = 0 2 * * *\n";

#[tokio::test(start_paused = true)]
async fn a_clock_that_ran_years_ahead_is_not_waited_for() {
    let begun = beginnings(NIGHTLY, "2031-05-05T12:00:00Z", "2026-01-01T12:00:00Z", 2).await;
    assert_eq!(begun, ["2026-01-02T02:00", "2026-01-03T02:00"]);
    // In the window of a wrong night a cycle has begun already.
    let begun = beginnings(&format!("{NIGHTLY}window = 3600"), "2031-05-05T02:10:00Z", "2026-01-01T12:00:00Z", 3).await;
    assert_eq!(begun, ["2031-05-05T02:10", "2026-01-02T02:00", "2026-01-03T02:00"]);
}

#[tokio::test(start_paused = true)]
async fn a_clock_that_is_set_forward_past_the_hour_is_noticed_within_a_minute() {
    let begun = beginnings(NIGHTLY, "2026-01-01T12:00:00Z", "2026-01-05T02:30:00Z", 2).await;
    assert_eq!(begun, ["2026-01-05T02:30", "2026-01-06T02:00"]);
}

#[tokio::test(start_paused = true)]
async fn seconds_between_wake_ups_are_not_those_of_the_wall() {
    let begun = beginnings("[DEFAULT]\nwakeup_time = 3600\n", "2026-01-01T12:00:00Z", "2016-02-29T23:59:00Z", 3).await;
    assert_eq!(begun, ["2026-01-01T12:00", "2016-03-01T00:57", "2016-03-01T01:57"]);
}
