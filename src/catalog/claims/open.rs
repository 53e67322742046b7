//! From `[scrubber] coordination` to a table of claims.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use super::super::connect::{open_read_only_ledger, open_state};
use super::super::{CatalogError, ImageId, Ledger, LocationId};
use super::{ClaimRow, Claims, Coordination, FailedAttempt, Settlement, Table, Taken, Wanted};
use crate::claim::Owner;
use crate::config::{DatabaseConfig, DatabaseUrl, Sharing};

/// Connects to the claims that the config asks for, and makes their table where there is none.
///
/// # Errors
/// The database's; those of a second one say so.
pub async fn coordinate(
    sharing: &Sharing,
    ledger: &Arc<dyn Ledger>,
    deadline: Duration,
) -> Result<Coordination, CatalogError> {
    let Sharing::Database { state, .. } = sharing else { return Ok(Coordination::Alone) };
    let Some(state) = state else {
        let claims = claims_of(Arc::clone(ledger))?;
        claims.prepare().await?;
        return Ok(Coordination::Within(claims));
    };
    let claims = open_state(state, deadline).await.and_then(claims_of).map_err(of_state)?;
    let claims: Arc<dyn Claims> = Arc::new(StateClaims(claims));
    claims.prepare().await?;
    Ok(Coordination::Beside(claims))
}

/// Connects to the claims for reading only, and makes nothing. `None` with `coordination = none`, and where the file of
/// `state_connection` has not been made yet.
///
/// # Errors
/// The database's; those of a second one say so. A table that is not there is none: it reads as empty.
pub async fn coordinate_read_only(
    sharing: &Sharing,
    database: &DatabaseConfig,
    deadline: Duration,
) -> Result<Option<Arc<dyn Claims>>, CatalogError> {
    let Sharing::Database { state, .. } = sharing else { return Ok(None) };
    let Some(state) = state else {
        return open_read_only_ledger(database, deadline).await.and_then(claims_of).map(Some);
    };
    // A file that the first cycle makes.
    if let DatabaseUrl::Sqlite { path, .. } = &state.url
        && std::fs::metadata(path).is_err_and(|error| error.kind() == std::io::ErrorKind::NotFound)
    {
        return Ok(None);
    }
    let claims = open_read_only_ledger(state, deadline).await.and_then(claims_of).map_err(of_state)?;
    Ok(Some(Arc::new(StateClaims(claims))))
}

fn claims_of(ledger: Arc<dyn Ledger>) -> Result<Arc<dyn Claims>, CatalogError> {
    ledger.claims().ok_or_else(|| CatalogError::NoState("this database keeps none".to_owned()))
}

fn of_state(error: CatalogError) -> CatalogError {
    CatalogError::State(Box::new(error))
}

/// Claims in a second database, whose errors say which of the two it was.
struct StateClaims(Arc<dyn Claims>);

#[async_trait]
impl Claims for StateClaims {
    async fn prepare(&self) -> Result<(), CatalogError> {
        self.0.prepare().await.map_err(of_state)
    }
    async fn table(&self) -> Result<Table, CatalogError> {
        self.0.table().await.map_err(of_state)
    }
    async fn take(
        &self,
        owner: &Owner,
        wanted: &[Wanted],
        lease: Duration,
        retry: bool,
    ) -> Result<Vec<Taken>, CatalogError> {
        self.0.take(owner, wanted, lease, retry).await.map_err(of_state)
    }
    async fn renew(
        &self,
        owner: &Owner,
        locations: &[LocationId],
        lease: Duration,
    ) -> Result<Vec<LocationId>, CatalogError> {
        self.0.renew(owner, locations, lease).await.map_err(of_state)
    }
    async fn settle(&self, gone: &[LocationId], settlement: &Settlement) -> Result<(), CatalogError> {
        self.0.settle(gone, settlement).await.map_err(of_state)
    }
    async fn note(&self, failed: &[(Wanted, FailedAttempt)]) -> Result<(), CatalogError> {
        self.0.note(failed).await.map_err(of_state)
    }
    async fn rows(&self, visit: &mut (dyn for<'r> FnMut(ClaimRow) + Send)) -> Result<u64, CatalogError> {
        self.0.rows(visit).await.map_err(of_state)
    }
    async fn of_images(&self, images: &[ImageId]) -> Result<Vec<ClaimRow>, CatalogError> {
        self.0.of_images(images).await.map_err(of_state)
    }
    async fn retry_now(&self, images: &[ImageId]) -> Result<u64, CatalogError> {
        self.0.retry_now(images).await.map_err(of_state)
    }
    async fn forget(&self, locations: &[LocationId]) -> Result<(), CatalogError> {
        self.0.forget(locations).await.map_err(of_state)
    }
}
