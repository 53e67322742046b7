//! A catalog whose answers are timed for an observer.
//!
//! Promises: passes on what it is asked and what it hears, unchanged. A stream shows signs of life between its rows.

use std::time::Instant;

use async_trait::async_trait;

use super::observer::{Observer, Statement};
use crate::catalog::{
    BrokenRow, Catalog, CatalogError, Census, Horizon, ImageId, ImageRow, LivingRow, LocationId, LocationRow, Scan,
    Scope,
};

/// Rows of a stream between two signs of life.
const STRIDE: u64 = 1024;

pub(super) struct Watched<'a> {
    pub catalog: &'a dyn Catalog,
    pub observer: &'a dyn Observer,
}

/// Tells how long a call to the database took, or that the database is away.
pub(super) async fn timed<T>(
    observer: &dyn Observer,
    statement: Statement,
    call: impl Future<Output = Result<T, CatalogError>>,
) -> Result<T, CatalogError> {
    let begun = Instant::now();
    let answer = call.await;
    match &answer {
        Err(away @ (CatalogError::Unreachable(_) | CatalogError::Deadline { .. })) => observer.database_away(away),
        _ => observer.database_answered(statement, begun.elapsed()),
    }
    answer
}

#[async_trait]
impl Catalog for Watched<'_> {
    async fn scan(&self, scope: Scope) -> Result<Scan, CatalogError> {
        timed(self.observer, Statement::Scan, self.catalog.scan(scope)).await
    }

    async fn locations(&self, ids: &[LocationId]) -> Result<Vec<Result<LocationRow, BrokenRow>>, CatalogError> {
        timed(self.observer, Statement::Locations, self.catalog.locations(ids)).await
    }

    async fn images(&self, ids: &[ImageId]) -> Result<Vec<(ImageRow, bool)>, CatalogError> {
        timed(self.observer, Statement::Images, self.catalog.images(ids)).await
    }

    async fn living(
        &self,
        horizon: Horizon,
        visit: &mut (dyn for<'r> FnMut(LivingRow) + Send),
    ) -> Result<u64, CatalogError> {
        let mut rows = 0_u64;
        let each = &mut |row| {
            rows += 1;
            if rows.is_multiple_of(STRIDE) {
                self.observer.alive();
            }
            visit(row);
        };
        timed(self.observer, Statement::Living, self.catalog.living(horizon, each)).await
    }

    async fn clock(&self) -> Result<chrono::DateTime<chrono::Utc>, CatalogError> {
        self.catalog.clock().await
    }

    async fn census(&self) -> Result<Census, CatalogError> {
        timed(self.observer, Statement::Census, self.catalog.census()).await
    }

    async fn waiting(
        &self,
        horizon: Horizon,
        limits: &[chrono::DateTime<chrono::Utc>],
    ) -> Result<Vec<u64>, CatalogError> {
        timed(self.observer, Statement::Waiting, self.catalog.waiting(horizon, limits)).await
    }
}
