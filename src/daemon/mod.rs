//! The daemon: cycle after cycle, and an ear for signals and systemd meanwhile.
//!
//! Promises: one task does it all, so that the watchdog is fed by the loop that works and by nothing beside it; a cycle
//! runs in it as a future among others, one at a time. Asked to stop, it starts nothing new, finishes what is in hand
//! within `shutdown_grace`, and says what it had to abandon. A database that is down is waited for, at the start and
//! later; a reload with a bad config changes nothing. It fails at the start only: by a database that refuses us, or an
//! address that is taken.
//! The way of a daemon: [`detach`] and [`pid_file`] (before there is a runtime) → [`run`] → [`wakeups`] (when) →
//! [`attempt`] (one cycle) → [`notify`] (what systemd hears).

mod attempt;
pub(crate) mod detach;
mod notify;
mod orders;
pub(crate) mod pid_file;
#[cfg(test)]
mod tests;
mod wakeups;

use std::future::{Future, pending};
use std::hash::{BuildHasher, RandomState};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use futures::{Stream, StreamExt};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGUSR1, SIGUSR2};
use signal_hook_tokio::Signals;
use tokio::time::{Instant, Interval, interval_at, sleep, sleep_until, timeout};
use tokio_util::sync::CancellationToken;

use self::attempt::{Attempt, Ending, back_off};
use self::detach::Announcer;
use self::wakeups::{Past, Rhythm, Wake};
use crate::catalog::{CatalogError, SCAN_DEADLINES};
use crate::config::{Config, Invocation};
use crate::exit::Exit;
use crate::observe::audit_log::AuditLog;
use crate::observe::metrics::MetricsError;
use crate::observe::server::{ServerHandle, serve};
use crate::observe::status::Status;
use crate::scrub::{Clock, CycleReport, Memory, Observer, SystemClock};

/// How long the first connection may hold up the start. A slow database is waited for afterwards.
const FIRST_ANSWER: Duration = Duration::from_secs(5);

/// How often the clock on the wall is asked while one waits for an instant of it: it may have been set.
const CLOCK_CHECK: Duration = Duration::from_secs(60);

/// How often the loop shows that it is alive, where `/healthz` can be asked or systemd listens.
const HEARTBEAT: Duration = Duration::from_secs(30);

/// What a call may take beyond its own deadline before the loop counts as stuck.
const MARGIN: Duration = Duration::from_secs(60);

type Running = Pin<Box<dyn Future<Output = (Attempt, Ending)> + Send>>;

/// Runs until a signal ends it.
pub(crate) async fn run(invocation: Invocation, config: Config, mut announcer: Announcer) -> Exit {
    let started = async {
        let status = status_of(&config).map_err(|error| (Exit::Unexpected, error.to_string()))?;
        let mut daemon = Daemon::new(invocation, config, status, Arc::new(SystemClock));
        Ok((daemon.start().await?, daemon))
    };
    match started.await {
        Ok((signals, mut daemon)) => {
            announcer.ready();
            daemon.work(signals).await
        }
        Err((exit, words)) => {
            tracing::error!("{words}");
            announcer.failed(exit, &words);
            exit
        }
    }
}

struct Daemon {
    invocation: Invocation,
    /// `[scrubber] listen`, while it is served.
    server: Option<ServerHandle>,
    next: Attempt,
    rhythm: Rhythm,
    status: Arc<Status>,
    /// The cycle that runs, when it began, and the end of its window.
    running: Option<Running>,
    past: Option<Past>,
    window_ends: Option<Instant>,
    window_closed: bool,
    wake: Wake,
    /// Somebody asked for a cycle while one ran.
    asked: bool,
    /// How often in a row the database gave no answer, and since when.
    failures: u32,
    failing_since: Option<DateTime<Utc>>,
    /// What systemd was last told of a cycle under way.
    told: String,
    /// The signal that asked for the end, and when patience ends.
    stopping: Option<(Exit, Instant)>,
}

impl Daemon {
    fn new(invocation: Invocation, config: Config, status: Status, clock: Arc<dyn Clock>) -> Self {
        let config = Arc::new(config);
        let status = Arc::new(status);
        let memory = Arc::new(Memory::default());
        let breakers = Arc::clone(&memory);
        status.breakers_from(Box::new(move || breakers.breakers()));
        let next = Attempt {
            config: Arc::clone(&config),
            open: attempt::opener(),
            clock,
            scrubber: None,
            memory,
            status: Arc::clone(&status),
            audit_log: None,
            stop: CancellationToken::new(),
        };
        Self {
            invocation,
            server: None,
            next,
            rhythm: rhythm(&config),
            status,
            running: None,
            past: None,
            window_ends: None,
            window_closed: false,
            wake: Wake::Never,
            asked: false,
            failures: 0,
            failing_since: None,
            told: String::new(),
            stopping: None,
        }
    }

    /// Everything that can fail at the start; systemd and the terminal wait for it.
    async fn start(&mut self) -> Result<Signals, (Exit, String)> {
        let signals = Signals::new([SIGTERM, SIGINT, SIGHUP, SIGUSR1, SIGUSR2])
            .map_err(|error| (Exit::Unexpected, format!("signals cannot be caught: {error}")))?;
        self.open_windows()?;
        match timeout(FIRST_ANSWER, self.next.connected()).await {
            Ok(Err(error)) if !error.is_transient() => return Err((Exit::Database, error.to_string())),
            Ok(Err(error)) => self.note_failure(&error),
            Ok(Ok(_)) => self.status.database_answers(),
            // Not a word yet, neither good nor bad.
            Err(_) => {}
        }
        self.introduce(&self.next.config);
        tracing::info!("Starting Daemon: {}", described(&self.rhythm));
        let jitter = random_part(self.next.config.scrubber.start_jitter);
        self.set_wake(self.rhythm.first(Instant::now(), self.clock(), jitter));
        notify::ready(&self.status.line());
        Ok(signals)
    }

    /// Opens what an operator looks through: the audit log and the pages.
    fn open_windows(&mut self) -> Result<(), (Exit, String)> {
        let config = Arc::clone(&self.next.config);
        if let Some(path) = &config.scrubber.audit_log {
            let log = Arc::new(AuditLog::open_or_say(path).map_err(|words| (Exit::Config, words))?);
            self.status.audit_log(Arc::clone(&log));
            self.next.audit_log = Some(log);
        }
        if let Some(listen) = &config.scrubber.listen {
            let server = serve(listen, Arc::clone(&self.status)).map_err(|error| (Exit::Config, error.to_string()))?;
            tracing::info!("Metrics and status are on {}", server.listen());
            self.server = Some(server);
        }
        Ok(())
    }

    async fn work(&mut self, mut signals: impl Stream<Item = i32> + Unpin) -> Exit {
        let mut watchdog = self.heartbeat().map(|period| interval_at(Instant::now() + period, period));
        loop {
            let wake = self.wake;
            let clock = Arc::clone(&self.next.clock);
            let patience = self.stopping.map(|(_, until)| until);
            tokio::select! {
                signal = signals.next() => if let Some(exit) = self.heed(signal) { return exit },
                ended = running(&mut self.running) => if let Some(exit) = self.ended(ended) { return exit },
                () = woken(wake, clock.as_ref()), if self.running.is_none() => self.wake_up(),
                () = until(self.window_ends), if self.running.is_some() => self.close_window(),
                () = until(patience) => return self.abandon(),
                () = tick(&mut watchdog) => self.feed(),
            }
        }
    }

    fn wake_up(&mut self) {
        // The clock may have been set while we waited: then it is not yet time.
        if let Wake::On(due) = self.wake
            && self.clock() < due
        {
            // Set back by much, it has brought the next instant nearer.
            self.set_wake(self.by_rhythm(Instant::now(), self.clock()).0);
            return;
        }
        self.begin();
    }

    /// When the rhythm wants the next cycle, and whether the last one took too long.
    fn by_rhythm(&self, now: Instant, clock: DateTime<Utc>) -> (Wake, bool) {
        match self.past {
            Some(past) => self.rhythm.next(past, now, clock),
            None => (self.rhythm.first(now, clock, Duration::ZERO), false),
        }
    }

    /// A database that is waited for is asked `again` before the rhythm's `wake`, but not outside of a window.
    fn or_sooner(&self, wake: Wake, again: Instant, clock: DateTime<Utc>) -> Wake {
        let sooner = match wake {
            Wake::At(due) => due > again,
            // Maintenance windows are kept also by a daemon that had no database.
            Wake::On(_) | Wake::Never => {
                self.past.is_some() && self.rhythm.window(clock).is_none_or(|window| !window.is_zero())
            }
        };
        if self.failing_since.is_some() && sooner { Wake::At(again) } else { wake }
    }

    fn begin(&mut self) {
        let (began, began_at) = (Instant::now(), self.clock());
        self.past = Some(Past { began, began_at, worked: false });
        self.window_ends = self.rhythm.window(began_at).filter(|_| !self.asked).map(|window| began + window);
        self.asked = false;
        self.window_closed = false;
        self.next.stop = CancellationToken::new();
        self.running = Some(Box::pin(self.next.clone().run()));
    }

    /// A cycle has ended: its report, and when the next one begins.
    fn ended(&mut self, (attempt, end): (Attempt, Ending)) -> Option<Exit> {
        self.running = None;
        self.window_ends = None;
        if Arc::ptr_eq(&attempt.config, &self.next.config) {
            // A reload meanwhile made this one obsolete.
            self.next.scrubber = attempt.scrubber;
        }
        let worked = matches!(&end, Ending::Cycle(report) if worked(report));
        self.tell(&end);
        if self.stopping.is_some() {
            return Some(self.leave(Exit::Clean));
        }
        if self.asked {
            self.set_wake(Wake::At(Instant::now()));
            return None;
        }
        self.past = self.past.map(|past| Past { worked, ..past });
        let (now, clock) = (Instant::now(), self.clock());
        let (wake, overrun) = self.by_rhythm(now, clock);
        if overrun {
            self.status.overrun();
            tracing::warn!("The cycle took longer than the time to the next one");
        }
        self.set_wake(self.or_sooner(wake, now + back_off(self.failures), clock));
        notify::status(&self.status.line());
        None
    }

    fn tell(&mut self, end: &Ending) {
        let failure = match end {
            Ending::Cycle(report) => {
                // A window that closes is no accident.
                let interrupted = report.interrupted && !self.window_closed;
                self.status.cycle_ended(&CycleReport { interrupted, ..CycleReport::clone(report) });
                match &report.failure {
                    None if worked(report) => tracing::info!("Cycle {} finished: {report}", report.cycle),
                    None => tracing::debug!("Cycle {} finished: {report}", report.cycle),
                    Some(error) if self.failures > 0 => tracing::debug!("The cycle ended early: {error}"),
                    Some(error) => tracing::error!("The cycle ended early: {error} (cycle {}: {report})", report.cycle),
                }
                report.failure.as_ref()
            }
            Ending::NoDatabase(error) => Some(error),
            Ending::NotBegun => return,
        };
        match failure {
            None => {
                self.failures = 0;
                if self.failing_since.take().is_some() {
                    tracing::info!("The database answers again");
                }
                self.status.database_answers();
            }
            Some(error) => {
                let error = error.clone();
                self.note_failure(&error);
            }
        }
    }

    /// Said once, then only in the status: a database may be away for a night.
    fn note_failure(&mut self, error: &CatalogError) {
        self.failures = self.failures.saturating_add(1);
        let since = *self.failing_since.get_or_insert(self.next.clock.now());
        self.status.waiting_for_database(since, &error.to_string());
        if self.failures == 1 {
            tracing::error!("Waiting for the database: {error}");
        } else {
            tracing::debug!("Still waiting for the database: {error}");
        }
        // Whatever was wrong with the old connections, the next attempt makes new ones.
        self.next.scrubber = None;
    }

    fn set_wake(&mut self, wake: Wake) {
        self.wake = wake;
        self.status.next_wakeup(match wake {
            Wake::At(due) => Some(self.clock() + due.saturating_duration_since(Instant::now())),
            Wake::On(due) => Some(due),
            Wake::Never => None,
        });
        if let Wake::At(due) = wake {
            tracing::debug!(
                "Next run scheduled in {} seconds",
                due.saturating_duration_since(Instant::now()).as_secs()
            );
        }
    }

    fn close_window(&mut self) {
        tracing::info!("The window has closed: what is in hand is finished, the rest waits for the next one");
        self.window_ends = None;
        self.window_closed = true;
        self.next.stop.cancel();
    }

    /// Tells the status what a config means to it.
    fn introduce(&self, config: &Config) {
        let stores: Vec<_> = config.stores.stores.iter().map(|store| store.id.clone()).collect();
        self.status.config_loaded(self.clock(), &stores);
        // Every wait in a cycle has a deadline: a silence beyond all of them means that it is stuck.
        let own = &config.scrubber;
        let database = own.database_deadline * SCAN_DEADLINES + own.database_patience;
        self.status.life_bound(own.store_deadline.max(database) + MARGIN);
    }

    fn clock(&self) -> DateTime<Utc> {
        self.next.clock.now()
    }

    /// How often the loop shows that it is alive, and what it does; never, where nobody looks.
    fn heartbeat(&self) -> Option<Duration> {
        let looked_at = (self.server.is_some() || notify::is_heard()).then_some(HEARTBEAT);
        notify::watchdog().into_iter().chain(looked_at).min()
    }

    /// A sign of life, while the cycle shows one too; and how far it is.
    fn feed(&mut self) {
        if self.running.is_none() {
            self.status.alive();
        }
        if self.status.silence().is_none() {
            notify::alive();
        }
        let line = self.status.line();
        if self.told != line {
            notify::status(&line);
            self.told = line;
        }
    }
}

/// With metrics only where somebody may ask for them.
fn status_of(config: &Config) -> Result<Status, MetricsError> {
    let clock = Box::new(SystemClock);
    if config.scrubber.listen.is_some() { Status::with_metrics(clock) } else { Ok(Status::new(clock)) }
}

fn rhythm(config: &Config) -> Rhythm {
    match &config.scrubber.wakeup_cron {
        Some(cron) => Rhythm::Cron(cron.clone(), config.scrubber.window),
        None => Rhythm::Every(config.wakeup_time),
    }
}

fn described(rhythm: &Rhythm) -> String {
    match rhythm {
        Rhythm::Every(period) => format!("wakeup_time={}", period.as_secs()),
        Rhythm::Cron(cron, None) => format!("wakeup_cron={}", cron.pattern),
        Rhythm::Cron(cron, Some(window)) => format!("wakeup_cron={} window={}", cron.pattern, window.as_secs()),
    }
}

/// A random part of a time; nothing secret depends on it.
fn random_part(whole: Duration) -> Duration {
    let random = RandomState::new().hash_one(std::process::id());
    // 24 bits are exact in an f64 and fine enough.
    let part = f64::from(u32::try_from(random >> 40).unwrap_or_default()) / f64::from(1_u32 << 24);
    whole.mul_f64(part)
}

/// Whether there was something to do, and it was done as far as it can be. With `wakeup_time = 0`, more may have come
/// meanwhile; but what was refused, or failed, is no better a moment later.
fn worked(report: &CycleReport) -> bool {
    let done = report.failure.is_none() && report.refusal.is_none();
    done && (report.planned.locations > 0 || report.images_finished > 0)
}

async fn running(cycle: &mut Option<Running>) -> (Attempt, Ending) {
    match cycle {
        Some(cycle) => cycle.await,
        None => pending().await,
    }
}

async fn woken(wake: Wake, clock: &dyn Clock) {
    match wake {
        Wake::At(due) => sleep_until(due).await,
        Wake::On(due) => sleep((due - clock.now()).to_std().unwrap_or_default().min(CLOCK_CHECK)).await,
        Wake::Never => pending().await,
    }
}

async fn until(instant: Option<Instant>) {
    match instant {
        Some(instant) => sleep_until(instant).await,
        None => pending().await,
    }
}

async fn tick(watchdog: &mut Option<Interval>) {
    match watchdog {
        Some(interval) => {
            interval.tick().await;
        }
        None => pending().await,
    }
}
