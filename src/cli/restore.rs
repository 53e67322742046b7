//! `--restore` and `--repair-restored`, and what a dry run says of them.

mod print;

use std::sync::Arc;

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::catalog::{self, CatalogError, Ledger, RestoreLedger, WholeImages};
use crate::config::{Config, Sharing};
use crate::exit::Exit;
use crate::host_lock::{HostLock, LockError};
use crate::location::Keyring;
use crate::observe::output::{Format, OutputError};
use crate::restore::{self, Account, Failure, Fate, Keeping, Restorer};
use crate::scrub::{self, Clock, Policy, Settings, SystemClock};
use crate::store::{self, Stores};

/// What is to come back.
#[derive(Debug, Clone)]
pub enum Wanted {
    /// The image with this id.
    Image(String),
    /// Every image that another program restored in part.
    HalfRestored,
}

/// What the command line asks for.
#[derive(Debug, Clone)]
pub struct Request {
    /// What is to come back.
    pub wanted: Wanted,
    /// `--dry-run`.
    pub dry_run: bool,
    /// `--format`.
    pub format: Option<Format>,
}

/// What ends a run before its verdict.
enum Stopped {
    Failure(Failure),
    /// Refused before anything was read.
    Busy(String),
    Other(Exit, String),
}

impl From<CatalogError> for Stopped {
    fn from(error: CatalogError) -> Self {
        Self::Failure(error.into())
    }
}

impl From<Failure> for Stopped {
    fn from(failure: Failure) -> Self {
        Self::Failure(failure)
    }
}

/// Brings back what is wanted, or shows what would come back.
pub async fn run(config: &Config, request: Request) -> Exit {
    let stop = CancellationToken::new();
    let (accounts, signal) = tokio::join!(
        async {
            let accounts = accounts(config, &request, &stop).await;
            // The signals are not waited for any more.
            stop.cancel();
            accounts
        },
        first_signal(&stop)
    );
    let accounts = match accounts {
        Ok(accounts) => accounts,
        Err(Stopped::Busy(words)) => {
            super::say(&words);
            return Exit::RestoreRefused;
        }
        Err(Stopped::Other(exit, words)) => {
            tracing::error!("{words}");
            return exit;
        }
        Err(Stopped::Failure(failure @ Failure::Database(_))) => {
            tracing::error!("{failure}; whether anything was restored, --dry-run says");
            return Exit::Database;
        }
        Err(Stopped::Failure(failure @ Failure::Interrupted)) => {
            tracing::warn!("{failure}");
            return signal.unwrap_or(Exit::Terminated);
        }
    };
    match print::print(&accounts, &request) {
        Ok(()) | Err(OutputError::Closed) => {}
        Err(error) => tracing::warn!("The result could not be printed: {error}"),
    }
    if accounts.iter().any(|account| account.refusal.is_some()) { Exit::RestoreRefused } else { Exit::Clean }
}

async fn accounts(config: &Config, request: &Request, stop: &CancellationToken) -> Result<Vec<Account>, Stopped> {
    let keys = scrub::keyring(config).map_err(|error| Stopped::Other(Exit::Config, error.to_string()))?;
    let stores = store::open(config);
    let deadline = config.scrubber.database_deadline;
    if request.dry_run {
        let catalog = catalog::open_to_show(&config.database, deadline).await?;
        let policy = policy(config, &keys, &stores);
        let sharing = &config.scrubber.sharing;
        let claims = catalog::coordinate_read_only(sharing, &config.database, deadline).await?;
        let claims = match (&claims, sharing) {
            (Some(claims), Sharing::Database { lease, .. }) => Some((claims.as_ref(), *lease)),
            _ => None,
        };
        let mut accounts = Vec::new();
        for (id, fate) in ids(catalog.as_ref(), request).await? {
            meet(catalog.as_ref(), &policy, accounts.is_empty()).await?;
            accounts.push(restore::foresee(catalog.as_ref(), claims, &policy, &id, fate).await?);
        }
        return Ok(accounts);
    }
    let ledger = catalog::open_to_restore(&config.database, deadline).await?;
    let policy = policy(config, &keys, &stores);
    let _lock = lock(config)?;
    let keeping = keeping(config, &ledger).await?;
    let restorer = Restorer { ledger: Arc::clone(&ledger), policy: &policy, keeping, clock: &SystemClock };
    let mut accounts = Vec::new();
    for (id, fate) in ids(ledger.as_ref(), request).await? {
        meet(ledger.as_ref(), &policy, accounts.is_empty()).await?;
        let account = restorer.restore(&id, fate, stop).await?;
        tell(&account);
        accounts.push(account);
    }
    Ok(accounts)
}

fn policy<'a>(config: &Config, keys: &'a Keyring, stores: &'a Stores) -> Policy<'a> {
    Policy { horizon: scrub::horizon(SystemClock.now(), Settings::of(config, false).grace), keys, stores }
}

/// The stores must know what to expect before the first look at them.
async fn meet(catalog: &dyn WholeImages, policy: &Policy<'_>, first: bool) -> Result<(), CatalogError> {
    if first { scrub::acquaint(catalog, policy).await } else { Ok(()) }
}

/// Keeps the scrubbers of this host away where there are no claims. Held until everything is restored.
fn lock(config: &Config) -> Result<Option<HostLock>, Stopped> {
    let Sharing::Alone { lock_file } = &config.scrubber.sharing else { return Ok(None) };
    HostLock::own(lock_file).map(Some).map_err(|error| match error {
        LockError::Busy(_) => {
            let words = format!(
                "a scrubber is in its cycle on this host, or another restore: {error}; wait for its end, \
                                 or stop it, and try again"
            );
            Stopped::Busy(words)
        }
        LockError::Unusable { .. } => Stopped::Other(Exit::Config, error.to_string()),
    })
}

/// How scrubbers are kept away.
async fn keeping(config: &Config, ledger: &Arc<dyn RestoreLedger>) -> Result<Keeping, CatalogError> {
    let Sharing::Database { lease, .. } = &config.scrubber.sharing else {
        tracing::warn!(
            "With coordination = none a restore does not see scrubbers on other hosts: they must be stopped before it, \
             or what it brings back may lose its data"
        );
        return Ok(Keeping::Host);
    };
    let (deadline, ledger) = (config.scrubber.database_deadline, Arc::clone(ledger));
    let ledger: Arc<dyn Ledger> = ledger;
    let coordination = catalog::coordinate(&config.scrubber.sharing, &ledger, deadline).await?;
    Ok(Keeping::Claims { coordination, lease: *lease })
}

async fn ids(catalog: &dyn WholeImages, request: &Request) -> Result<Vec<(String, Fate)>, CatalogError> {
    Ok(match &request.wanted {
        Wanted::Image(id) => vec![(id.clone(), Fate::Deleted)],
        Wanted::HalfRestored => {
            let ids = restore::half_restored(catalog).await?;
            ids.into_iter().map(|id| (id.0, Fate::HalfRestored)).collect()
        }
    })
}

/// Says what became of an image. A refusal is said on stderr, as Glance's own scrubber says it.
fn tell(account: &Account) {
    let (id, Some(plan), None) = (&account.id, &account.plan, &account.refusal) else { return };
    tracing::info!("Image {id} is {} again: {}", plan.status, print::counts(plan));
    for row in &plan.staying {
        tracing::info!("Location {} of image {id} had been removed from it before, and stays pending_delete", row.id);
    }
    if plan.key_is_destroyed {
        tracing::warn!("Image {id}: {}", print::KEY_IS_DESTROYED);
    }
}

/// Waits for SIGINT or SIGTERM until `stop`, which it then asks for.
async fn first_signal(stop: &CancellationToken) -> Option<Exit> {
    let (Ok(mut interrupt), Ok(mut terminate)) = (signal(SignalKind::interrupt()), signal(SignalKind::terminate()))
    else {
        return None;
    };
    let exit = tokio::select! {
        _ = interrupt.recv() => Exit::Interrupted,
        _ = terminate.recv() => Exit::Terminated,
        () = stop.cancelled() => return None,
    };
    stop.cancel();
    Some(exit)
}
