//! `--once`: one cycle, then a summary.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use super::progress::Bar;
use super::summary;
use crate::catalog::{self, CatalogError, Ledger};
use crate::config::{Config, DatabaseConfig};
use crate::exit::Exit;
use crate::observe::audit_log::AuditLog;
use crate::observe::output::{Format, OutputError};
use crate::observe::terminal::Terminal;
use crate::scrub::{CycleReport, Memory, Observer, Scrubber, Several, SystemClock};

/// Scrubs once. SIGINT and SIGTERM end the cycle in order; a second one ends it at once.
pub async fn run(config: &Config, allow_empty: bool, format: Option<Format>, terminal: &Terminal) -> Exit {
    let scrubber = match open(config, allow_empty).await {
        Ok(scrubber) => scrubber,
        Err((exit, words)) => {
            tracing::error!("{words}");
            return exit;
        }
    };
    let audit_log = match config.scrubber.audit_log.as_deref().map(AuditLog::open_or_say).transpose() {
        Ok(audit_log) => audit_log,
        Err(words) => {
            tracing::error!("{words}");
            return Exit::Config;
        }
    };
    let stop = CancellationToken::new();
    let first_signal = OnceLock::new();
    let cycle = cycle(&scrubber, audit_log.as_ref(), terminal, &stop);
    let report = tokio::select! {
        report = cycle => report,
        exit = second_signal(&stop, &first_signal) => return exit,
    };
    match &report.failure {
        None => tracing::info!("Cycle {} finished: {report}", report.cycle),
        Some(error) => tracing::error!("The cycle ended early: {error} (cycle {}: {report})", report.cycle),
    }
    let shown = match format {
        Some(format) => summary::print(&report, format),
        None if std::io::IsTerminal::is_terminal(&std::io::stdout()) => summary::print(&report, Format::Table),
        None => Ok(()),
    };
    if let Err(OutputError::Io(error)) = shown {
        tracing::warn!("The summary could not be printed: {error}");
    }
    exit_of(&report, first_signal.into_inner())
}

/// One cycle with a bar, which is gone when it returns.
async fn cycle(
    scrubber: &Scrubber,
    audit_log: Option<&AuditLog>,
    terminal: &Terminal,
    stop: &CancellationToken,
) -> CycleReport {
    let bar = Bar::new(terminal);
    // What is under way is the first one's to show.
    let mut observers: Vec<&dyn Observer> = vec![&bar];
    observers.extend(audit_log.map(|log| log as &dyn Observer));
    scrubber.cycle(&Several(&observers), stop).await
}

async fn open(config: &Config, allow_empty: bool) -> Result<Scrubber, (Exit, String)> {
    let deadline = config.scrubber.database_deadline;
    let database = |error: CatalogError| (Exit::Database, error.to_string());
    let ledger = connect(&config.database, deadline).await.map_err(database)?;
    let coordination = catalog::coordinate(&config.scrubber.sharing, &ledger, deadline).await.map_err(database)?;
    let (clock, memory) = (Box::new(SystemClock), Arc::new(Memory::default()));
    Scrubber::new(config, allow_empty, ledger, coordination, clock, memory)
        .map_err(|error| (Exit::Config, error.to_string()))
}

/// Connects as oslo.db does: `max_retries` more tries, `retry_interval` apart, while trying again may help.
async fn connect(config: &DatabaseConfig, deadline: Duration) -> Result<Arc<dyn Ledger>, CatalogError> {
    let mut tries = 0_u32;
    loop {
        match catalog::open(config, deadline).await {
            Err(error) if error.is_transient() && config.max_retries.is_none_or(|most| tries < most) => {
                tries += 1;
                let wait = config.retry_interval;
                tracing::warn!("Try {tries} in {} s: {error}", wait.as_secs());
                tokio::time::sleep(wait).await;
            }
            other => return other,
        }
    }
}

/// The first SIGINT or SIGTERM asks the cycle to stop and is noted in `first`; this returns at the second.
async fn second_signal(stop: &CancellationToken, first: &OnceLock<Exit>) -> Exit {
    let (Ok(mut interrupt), Ok(mut terminate)) = (signal(SignalKind::interrupt()), signal(SignalKind::terminate()))
    else {
        tracing::warn!("Signals cannot be caught; a signal ends the run at once");
        return std::future::pending().await;
    };
    loop {
        let exit = tokio::select! {
            _ = interrupt.recv() => Exit::Interrupted,
            _ = terminate.recv() => Exit::Terminated,
        };
        if stop.is_cancelled() {
            tracing::warn!("Second signal: stopped at once, without recording what was in hand");
            return exit;
        }
        tracing::warn!("Stopping: what is in hand is finished and recorded; a second signal stops at once");
        // Set once: a second signal does not come here.
        first.get_or_init(|| exit);
        stop.cancel();
    }
}

fn exit_of(report: &CycleReport, signal: Option<Exit>) -> Exit {
    if report.failure.is_some() {
        return Exit::Database;
    }
    if report.refusal.is_some() {
        return Exit::Refused;
    }
    if report.interrupted {
        return signal.unwrap_or(Exit::Terminated);
    }
    if report.needs_attention() { Exit::Attention } else { Exit::Clean }
}
