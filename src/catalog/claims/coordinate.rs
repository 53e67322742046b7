//! From `[scrubber] coordination` to claims, or none.

use std::sync::Arc;
use std::time::Duration;

use super::beside::Beside;
use super::{Claims, Coordination};
use crate::catalog::connect::{Access, connect};
use crate::catalog::{CatalogError, Ledger};
use crate::config::{DatabaseConfig, DatabaseUrl, Sharing};

/// How scrubbers share their work, with the tables for it made and looked at. `deadline` is that of one statement.
///
/// # Errors
/// The database's; one about `state_connection` says so ([`CatalogError::State`]).
pub async fn coordinate(
    sharing: &Sharing,
    ledger: &Arc<dyn Ledger>,
    deadline: Duration,
) -> Result<Coordination, CatalogError> {
    let Sharing::Database { state, .. } = sharing else { return Ok(Coordination::Alone) };
    let coordination = match state {
        None => Coordination::Within(Arc::clone(ledger).claims()),
        Some(config) => Coordination::Beside(beside(config, deadline, Access::State).await?),
    };
    if let Some(claims) = coordination.claims() {
        claims.prepare().await?;
    }
    Ok(coordination)
}

/// The claims for a dry run: on a connection that cannot write, and without making anything. `None`: there are no claims
/// to be read, because nobody asks for any or no scrubber has made their file yet.
///
/// # Errors
/// As [`coordinate`]; tables that are not there are none of them, they read as empty.
pub async fn coordinate_read_only(
    sharing: &Sharing,
    database: &DatabaseConfig,
    deadline: Duration,
) -> Result<Option<Arc<dyn Claims>>, CatalogError> {
    let Sharing::Database { state, .. } = sharing else { return Ok(None) };
    let Some(config) = state else { return Ok(Some(connect(database, deadline, Access::ReadOnly).await?.claims())) };
    if let DatabaseUrl::Sqlite { path, .. } = &config.url
        && std::fs::metadata(path).is_err_and(|error| error.kind() == std::io::ErrorKind::NotFound)
    {
        return Ok(None);
    }
    beside(config, deadline, Access::ReadOnly).await.map(Some)
}

async fn beside(config: &DatabaseConfig, deadline: Duration, access: Access) -> Result<Arc<dyn Claims>, CatalogError> {
    let ledger = connect(config, deadline, access).await.map_err(CatalogError::of_state)?;
    Ok(Arc::new(Beside(ledger.claims())))
}
