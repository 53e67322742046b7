//! Claims are released: in the transaction that records, or in one of their own.
//!
//! Promises: only its owner's claims; many rows in few statements. All is done in a transaction of the caller's.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use sqlx::Database;

use super::super::dialect::Dialect;
use super::super::sql::SqlCatalog;
use super::super::{CatalogError, LocationId};
use super::{ClaimRow, KeptClaim, Settlement};
use crate::claim::{self, Owner};

type Connection<D> = <<D as Dialect>::Db as Database>::Connection;

impl<D: Dialect> SqlCatalog<D> {
    /// Releases the claims of `gone` and of what is kept. How many of `gone` were the owner's.
    pub(in crate::catalog) async fn settle_claims(
        &self,
        transaction: &mut Connection<D>,
        gone: &[LocationId],
        settlement: &Settlement,
    ) -> Result<u64, CatalogError> {
        let Settlement { owner, kept, .. } = settlement;
        if !gone.is_empty() && !kept.is_empty() {
            // Both kinds at once, in the order in which others lock them.
            let both: Vec<_> = gone.iter().copied().chain(kept.iter().map(|one| one.wanted.location)).collect();
            self.lock_own_claims(transaction, owner, &both).await?;
        }
        let released = self.delete_own_claims(transaction, owner, gone).await?;
        self.release(transaction, settlement).await?;
        Ok(released)
    }

    /// Releases the claims of what stays pending.
    pub(in crate::catalog) async fn release(
        &self,
        transaction: &mut Connection<D>,
        settlement: &Settlement,
    ) -> Result<(), CatalogError> {
        let Settlement { owner, lease, kept } = settlement;
        let by_id: HashMap<_, _> = kept.iter().map(|one| (one.wanted.location, one)).collect();
        let found = self.lock_rows(transaction, by_id.keys().copied()).await?;
        let released = found.into_values().filter(|dated| claim::is_held_by(&dated.row.hold, owner));
        let released = released.filter_map(|dated| {
            let KeptClaim { failed, unanswered, .. } = by_id.get(&dated.row.location)?;
            let hold = claim::release(&dated.row.hold, *unanswered, dated.now, *lease);
            Some((ClaimRow { hold, failed: failed.clone().or(dated.row.failed), ..dated.row }, dated.now))
        });
        self.write_or_delete(transaction, released.collect()).await
    }

    /// Of `locations`, those that are `owner`'s, which nobody can take over until the transaction ends.
    pub(in crate::catalog) async fn lock_own_claims(
        &self,
        transaction: &mut Connection<D>,
        owner: &Owner,
        locations: &[LocationId],
    ) -> Result<Vec<LocationId>, CatalogError> {
        let found = self.lock_rows(transaction, locations.iter().copied()).await?;
        let is_own = |id: &&LocationId| found.get(id).is_some_and(|dated| claim::is_held_by(&dated.row.hold, owner));
        Ok(locations.iter().filter(is_own).copied().collect())
    }

    /// Deletes the claims that `owner` has on `locations`; how many that were.
    pub(in crate::catalog) async fn delete_own_claims(
        &self,
        transaction: &mut Connection<D>,
        owner: &Owner,
        locations: &[LocationId],
    ) -> Result<u64, CatalogError> {
        self.delete_rows(transaction, locations, Some(owner)).await
    }

    /// Writes rows that the transaction has locked; those that say nothing any more at their `now` go instead.
    pub(super) async fn write_or_delete(
        &self,
        transaction: &mut Connection<D>,
        mut rows: Vec<(ClaimRow, DateTime<Utc>)>,
    ) -> Result<(), CatalogError> {
        rows.sort_unstable_by_key(|(row, _)| row.location);
        let (stay, go): (Vec<_>, Vec<_>) = rows.into_iter().partition(|(row, now)| says_something(row, *now));
        let go: Vec<_> = go.iter().map(|(row, _)| row.location).collect();
        let stay: Vec<_> = stay.into_iter().map(|(row, _)| row).collect();
        self.delete_rows(transaction, &go, None).await?;
        self.overwrite(transaction, &stay).await
    }
}

/// Whether anybody would miss the row: the table is to stay small.
fn says_something(row: &ClaimRow, now: DateTime<Utc>) -> bool {
    row.hold.claim.is_some() || row.failed.is_some() || row.hold.rests_until.is_some_and(|until| now < until)
}
