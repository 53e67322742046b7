//! Claims are released: in the transaction that records, or in one of their own.
//!
//! Promises: only its owner's claims; many rows in few statements.

use std::collections::HashSet;

use chrono::{DateTime, Utc};
use sqlx::Database;

use super::rows::Dated;
use super::{ClaimRow, KeptClaim, Settlement};
use crate::catalog::dialect::Dialect;
use crate::catalog::sql::SqlCatalog;
use crate::catalog::{CatalogError, LocationId};
use crate::claim::{self, Owner};

type Connection<D> = <<D as Dialect>::Db as Database>::Connection;

impl<D: Dialect> SqlCatalog<D> {
    /// Releases claims with one statement, where nothing is kept: whether all were the owner's. If not, the transaction
    /// must be rolled back, for it does not tell which.
    pub(in crate::catalog) async fn release_all(
        &self,
        connection: &mut Connection<D>,
        gone: &[LocationId],
        settlement: &Settlement,
    ) -> Result<bool, CatalogError> {
        if settlement.kept.is_empty() {
            let released = self.delete_rows(connection, gone, Some(&settlement.owner)).await?;
            return Ok(released == gone.len() as u64);
        }
        Ok(self.release(connection, gone, settlement).await?.is_empty())
    }

    /// Releases the claims of `gone` and of what is kept. Those of `gone` that were not the owner's.
    pub(in crate::catalog) async fn release(
        &self,
        connection: &mut Connection<D>,
        gone: &[LocationId],
        settlement: &Settlement,
    ) -> Result<HashSet<LocationId>, CatalogError> {
        let Settlement { owner, kept, .. } = settlement;
        let ids = gone.iter().copied().chain(kept.iter().map(|one| one.wanted.location));
        let rows = self.lock_rows(connection, ids).await?;
        let own = |id: &LocationId| rows.get(id).filter(|dated| is_own(dated, owner));
        let (ours, lost): (Vec<_>, Vec<_>) = gone.iter().copied().partition(|id| own(id).is_some());
        self.delete_rows(connection, &ours, Some(owner)).await?;
        let settled = |one: &KeptClaim| {
            let dated = own(&one.wanted.location)?;
            Some((settled(dated, one, settlement), dated.now))
        };
        self.write_or_delete(connection, kept.iter().filter_map(settled).collect()).await?;
        Ok(lost.into_iter().collect())
    }

    /// Writes rows that the transaction has locked; those that say nothing any more at their `now` go instead.
    pub(super) async fn write_or_delete(
        &self,
        connection: &mut Connection<D>,
        rows: Vec<(ClaimRow, DateTime<Utc>)>,
    ) -> Result<(), CatalogError> {
        let (mut written, mut gone) = (Vec::with_capacity(rows.len()), Vec::new());
        for (row, now) in rows {
            if is_empty(&row, now) { gone.push(row.location) } else { written.push(row) }
        }
        self.delete_rows(connection, &gone, None).await?;
        self.overwrite(connection, &written).await
    }
}

fn is_own(dated: &Dated, owner: &Owner) -> bool {
    claim::is_held_by(&dated.row.hold, owner)
}

/// The row of a location that stays pending. What is not tried keeps what was known of it.
fn settled(dated: &Dated, one: &KeptClaim, settlement: &Settlement) -> ClaimRow {
    let hold = claim::release(&dated.row.hold, one.unanswered, dated.now, settlement.lease);
    let failed = one.failed.clone().or_else(|| dated.row.failed.clone());
    ClaimRow { hold, failed, ..dated.row.clone() }
}

/// Whether a row says nothing that anybody would miss, so that the table stays small.
fn is_empty(row: &ClaimRow, now: DateTime<Utc>) -> bool {
    row.hold.claim.is_none() && row.hold.rests_until.is_none_or(|until| until <= now) && row.failed.is_none()
}
