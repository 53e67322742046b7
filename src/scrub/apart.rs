//! Keeping apart from a restore on the same host, where there are no claims.
//!
//! Promises: a cycle goes on under a shared lock, and not beside a restore, for which it waits a minute. Where the lock
//! file cannot be used the cycle goes on all the same, and says so once: whoever never restores needs no such file.
//! A restore on another host is not seen.

use std::path::Path;
use std::sync::Once;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::guard::Refusal;
use super::observer::Observer;
use super::plan::Reason;
use super::report::CycleReport;
use crate::host_lock::{HostLock, LockError};

/// How long a cycle waits for a restore: longer than most take, shorter than a watchdog waits.
const WAIT: Duration = Duration::from_secs(60);

/// How often it looks whether the restore is done.
const EACH: Duration = Duration::from_millis(200);

/// The lock for a cycle. `None` also where it cannot be had at all.
pub(super) async fn from_restores(
    path: Option<&Path>,
    stop: &CancellationToken,
    observer: &dyn Observer,
) -> Result<Option<HostLock>, Refusal> {
    static TOLD: Once = Once::new();
    let Some(path) = path else { return Ok(None) };
    let until = tokio::time::Instant::now() + WAIT;
    let mut waits = false;
    loop {
        match HostLock::share(path) {
            Ok(lock) => return Ok(Some(lock)),
            Err(error @ LockError::Unusable { .. }) => {
                TOLD.call_once(|| {
                    tracing::warn!("{error}. A --restore on this host could meet a cycle; all else goes on");
                });
                return Ok(None);
            }
            Err(LockError::Busy(_)) if tokio::time::Instant::now() < until => {
                if !std::mem::replace(&mut waits, true) {
                    tracing::info!("A restore is at work on this host; the cycle begins after it");
                }
                observer.alive();
                // Asked to stop, the cycle finds that out by itself.
                if stop.run_until_cancelled(tokio::time::sleep(EACH)).await.is_none() {
                    return Ok(None);
                }
            }
            Err(LockError::Busy(path)) => return Err(Refusal::Restoring { path, seconds: WAIT.as_secs() }),
        }
    }
}

/// Gives the lock back. A call that nobody waits for any more may take effect yet: a restore waits for that, too.
pub(super) fn release(lock: Option<HostLock>, report: &CycleReport, longest_call: Duration) {
    let may_take_effect = |reason| matches!(reason, Reason::Outcome(outcome) if outcome.may_take_effect());
    let unanswered =
        report.kept.lines().any(|(_, reason, line)| may_take_effect(reason) && line.tally.locations > line.waiting);
    if let Some(lock) = lock
        && (unanswered || report.failure.is_some())
    {
        tokio::spawn(async move {
            tokio::time::sleep(longest_call).await;
            drop(lock);
        });
    }
}
