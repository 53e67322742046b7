//! One cycle as the daemon begins it: connected first, where the database has not answered yet.

use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use tokio_util::sync::CancellationToken;

use crate::catalog::{self, CatalogError, Ledger};
use crate::config::Config;
use crate::observe::audit_log::AuditLog;
use crate::observe::status::Status;
use crate::scrub::{Clock, CycleReport, Memory, Observer, Scrubber, Several};

/// Connects to the database of a config.
pub(super) type Opener =
    Arc<dyn Fn(Arc<Config>) -> BoxFuture<'static, Result<Arc<dyn Ledger>, CatalogError>> + Send + Sync>;

/// To the database that the config names.
pub(super) fn opener() -> Opener {
    Arc::new(|config| Box::pin(async move { catalog::open(&config.database, config.scrubber.database_deadline).await }))
}

/// What a cycle needs, and what it leaves for the next one.
#[derive(Clone)]
pub(super) struct Attempt {
    pub config: Arc<Config>,
    pub open: Opener,
    pub clock: Arc<dyn Clock>,
    /// Where the database has answered before, under this very config.
    pub scrubber: Option<Arc<Scrubber>>,
    pub memory: Arc<Memory>,
    pub status: Arc<Status>,
    pub audit_log: Option<Arc<AuditLog>>,
    pub stop: CancellationToken,
}

/// How a cycle ended.
pub(super) enum Ending {
    /// With a report.
    Cycle(Box<CycleReport>),
    /// Without a connection.
    NoDatabase(CatalogError),
    /// It was stopped before there was a connection.
    NotBegun,
}

impl Attempt {
    /// Connects if need be, then one cycle. The scrubber comes back for the next one.
    pub(super) async fn run(self) -> (Self, Ending) {
        let mut this = self;
        let stop = this.stop.clone();
        // A database that does not even greet must not hold up the end.
        let scrubber = match stop.run_until_cancelled(this.connected()).await {
            Some(Ok(scrubber)) => scrubber,
            Some(Err(error)) => return (this, Ending::NoDatabase(error)),
            None => return (this, Ending::NotBegun),
        };
        let mut observers: Vec<&dyn Observer> = vec![this.status.as_ref()];
        observers.extend(this.audit_log.as_deref().map(|log| log as &dyn Observer));
        let report = scrubber.cycle(&Several(&observers), &this.stop).await;
        (this, Ending::Cycle(Box::new(report)))
    }

    /// The scrubber of this config, with its database connected.
    pub(super) async fn connected(&mut self) -> Result<Arc<Scrubber>, CatalogError> {
        if let Some(scrubber) = &self.scrubber {
            return Ok(Arc::clone(scrubber));
        }
        let ledger = (self.open)(Arc::clone(&self.config)).await?;
        let (sharing, deadline) = (&self.config.scrubber.sharing, self.config.scrubber.database_deadline);
        let coordination = catalog::coordinate(sharing, &ledger, deadline).await?;
        let (clock, memory) = (Box::new(Arc::clone(&self.clock)), Arc::clone(&self.memory));
        let scrubber = Scrubber::new(&self.config, false, ledger, coordination, clock, memory);
        // The config has checked the lengths of its keys, which is all that can be wrong.
        let scrubber = Arc::new(scrubber.map_err(|error| CatalogError::Statement(error.to_string()))?);
        self.scrubber = Some(Arc::clone(&scrubber));
        Ok(scrubber)
    }
}

/// How long to wait for a database that has not answered `failures` times in a row: one second, doubling to one minute.
pub(super) fn back_off(failures: u32) -> Duration {
    Duration::from_secs(1 << failures.saturating_sub(1).min(6)).min(Duration::from_secs(60))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_database_is_asked_again_after_a_second_at_first_and_a_minute_at_last() {
        let waits: Vec<_> = [0, 1, 2, 3, 6, 7, 8, u32::MAX].map(|failures| back_off(failures).as_secs()).into();
        assert_eq!(waits, [1, 1, 2, 4, 32, 60, 60, 60]);
    }
}
