//! What signals ask of a daemon: stop, wake up, reload, say what it does.
//!
//! Promises: the first signal to stop lets what is in hand finish within `shutdown_grace`, the second ends it at once;
//! what is abandoned is said. A reload takes a whole valid config or nothing; a cycle under way goes on with the old one.

use std::sync::Arc;

use signal_hook::consts::{SIGHUP, SIGINT, SIGUSR1, SIGUSR2};
use tokio::time::Instant;

use super::attempt::Attempt;
use super::wakeups::Wake;
use super::{Daemon, described, notify, rhythm};
use crate::config::{Config, load};
use crate::exit::Exit;

impl Daemon {
    /// What a signal asks for. `Some`: the end, at once.
    pub(super) fn heed(&mut self, signal: Option<i32>) -> Option<Exit> {
        match signal? {
            SIGHUP => self.reload(),
            SIGUSR1 => self.wake_now(),
            SIGUSR2 => self.status.dump().lines().for_each(|line| tracing::info!("{line}")),
            signal => return self.stop(if signal == SIGINT { Exit::Interrupted } else { Exit::Terminated }),
        }
        None
    }

    /// Somebody wants a cycle, and mostly because something was mended: everything is tried, whatever its wait.
    fn wake_now(&mut self) {
        self.asked = true;
        self.next.memory.forget();
        if self.running.is_none() {
            self.set_wake(Wake::At(Instant::now()));
        }
    }

    fn stop(&mut self, exit: Exit) -> Option<Exit> {
        if self.stopping.is_some() {
            tracing::warn!("Second signal: stopped at once, without recording what was in hand");
            return Some(self.leave(exit));
        }
        if self.running.is_none() {
            return Some(self.leave(Exit::Clean));
        }
        let grace = self.next.config.scrubber.shutdown_grace;
        tracing::info!("Stopping: what is in hand is finished and recorded, for at most {} s", grace.as_secs());
        self.status.stopping();
        notify::stopping(&self.status.line());
        self.next.stop.cancel();
        self.stopping = Some((exit, Instant::now() + grace));
        None
    }

    pub(super) fn leave(&self, exit: Exit) -> Exit {
        self.status.stopping();
        notify::stopping(&self.status.line());
        tracing::info!("Stopped");
        exit
    }

    /// `shutdown_grace` is over and something is still in hand.
    pub(super) fn abandon(&mut self) -> Exit {
        tracing::error!("Stopped with work in hand, which the next cycle takes up:");
        self.status.dump().lines().for_each(|line| tracing::error!("{line}"));
        self.stopping.map_or(Exit::Terminated, |(exit, _)| exit)
    }

    /// Reads the config again. A running cycle goes on with the old one.
    fn reload(&mut self) {
        notify::reloading();
        if let Some(Err(error)) = self.next.audit_log.as_ref().map(|log| log.reopen()) {
            tracing::error!("The audit log could not be opened anew: {error}");
        }
        match load(&self.invocation) {
            Ok(config) => {
                for warning in &config.warnings {
                    tracing::warn!("{warning}");
                }
                self.take_on(config);
                tracing::info!("Configuration reloaded: {}", described(&self.rhythm));
            }
            Err(errors) => {
                tracing::error!("The configuration was not reloaded, the old one stays:");
                errors.to_string().lines().for_each(|line| tracing::error!("{line}"));
            }
        }
        notify::ready(&self.status.line());
    }

    fn take_on(&mut self, config: Config) {
        let (old, new) = (&self.next.config.scrubber, &config.scrubber);
        if old.listen != new.listen || old.audit_log != new.audit_log {
            tracing::warn!("A change of [scrubber] listen or audit_log takes effect when the daemon is started again");
        }
        let config = Arc::new(config);
        self.rhythm = rhythm(&config);
        // Another address, another password: whether that helped is known at once, and said.
        self.failures = 0;
        self.next =
            Attempt { config: Arc::clone(&config), scrubber: None, stop: self.next.stop.clone(), ..self.next.clone() };
        self.next.memory.config_changed();
        self.introduce(&config);
        if self.running.is_none() {
            let (now, clock) = (Instant::now(), self.clock());
            self.set_wake(self.or_sooner(self.by_rhythm(now, clock).0, now, clock));
        }
    }
}
