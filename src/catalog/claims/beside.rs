//! Claims in a database other than Glance's: each error says which of the two it is about.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use super::{ClaimRow, Claims, FailedAttempt, Settlement, Taken, Wanted};
use crate::catalog::{CatalogError, ImageId, LocationId};
use crate::claim::Owner;

/// Claims by way of `[scrubber] state_connection`.
pub(super) struct Beside(pub Arc<dyn Claims>);

#[async_trait]
impl Claims for Beside {
    async fn prepare(&self) -> Result<(), CatalogError> {
        self.0.prepare().await.map_err(CatalogError::of_state)
    }

    async fn take(
        &self,
        owner: &Owner,
        wanted: &[Wanted],
        lease: Duration,
        retry: bool,
    ) -> Result<Vec<Taken>, CatalogError> {
        self.0.take(owner, wanted, lease, retry).await.map_err(CatalogError::of_state)
    }

    async fn renew(
        &self,
        owner: &Owner,
        locations: &[LocationId],
        lease: Duration,
    ) -> Result<Vec<LocationId>, CatalogError> {
        self.0.renew(owner, locations, lease).await.map_err(CatalogError::of_state)
    }

    async fn settle(&self, gone: &[LocationId], settlement: &Settlement) -> Result<(), CatalogError> {
        self.0.settle(gone, settlement).await.map_err(CatalogError::of_state)
    }

    async fn note(&self, failed: &[(Wanted, FailedAttempt)]) -> Result<(), CatalogError> {
        self.0.note(failed).await.map_err(CatalogError::of_state)
    }

    async fn rows(&self, visit: &mut (dyn for<'r> FnMut(ClaimRow) + Send)) -> Result<u64, CatalogError> {
        self.0.rows(visit).await.map_err(CatalogError::of_state)
    }

    async fn of_images(&self, images: &[ImageId]) -> Result<Vec<ClaimRow>, CatalogError> {
        self.0.of_images(images).await.map_err(CatalogError::of_state)
    }

    async fn retry_now(&self, images: &[ImageId]) -> Result<u64, CatalogError> {
        self.0.retry_now(images).await.map_err(CatalogError::of_state)
    }

    async fn forget(&self, locations: &[LocationId]) -> Result<(), CatalogError> {
        self.0.forget(locations).await.map_err(CatalogError::of_state)
    }
}
