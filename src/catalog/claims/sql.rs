//! The table of claims in a database of Glance's kind.
//!
//! Promises: what is decided is decided by [`crate::claim`], on rows that are locked until the transaction ends. Locks
//! are taken in one order everywhere: claims, then `image_locations`, then `images`. A transaction that the database
//! rolls back in favour of another is repeated.

use std::collections::HashMap;
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use sqlx::QueryBuilder;

use super::super::dialect::Dialect;
use super::super::error::{retry_conflicts, within};
use super::super::ledger::Tx;
use super::super::sql::{SCAN_DEADLINES, SqlCatalog, push_ids, push_texts};
use super::super::{Catalog, CatalogError, ImageId, LocationId};
use super::rows::{Dated, dated, push_time, select};
use super::{ClaimRow, Claims, FailedAttempt, Settlement, Table, Taken, Wanted};
use crate::claim::{self, Claim, Hold, Owner};

/// Rows in one transaction where all of the table is gone through.
const PORTION: usize = 500;

#[async_trait]
impl<D: Dialect> Claims for SqlCatalog<D>
where
    <D::Db as sqlx::Database>::Arguments: Send,
{
    async fn prepare(&self) -> Result<(), CatalogError> {
        // On a cluster, another node that makes the tables too may win at any of the statements.
        retry_conflicts(|| self.prepare_tables()).await
    }

    async fn table(&self) -> Result<Table, CatalogError> {
        self.look_at_table().await
    }

    async fn take(
        &self,
        owner: &Owner,
        wanted: &[Wanted],
        lease: Duration,
        retry: bool,
    ) -> Result<Vec<Taken>, CatalogError> {
        let mut sorted: Vec<_> = wanted.iter().collect();
        sorted.sort_unstable_by_key(|one| one.location);
        sorted.dedup_by_key(|one| one.location);
        if retry_conflicts(|| self.take_absent(owner, &sorted, lease)).await? == sorted.len() as u64 {
            return Ok(vec![Taken::Granted(None); wanted.len()]);
        }
        let taken = retry_conflicts(|| self.take_locked(owner, &sorted, lease, retry)).await?;
        wanted.iter().map(|one| taken.get(&one.location).cloned().ok_or_else(vanished)).collect()
    }

    async fn renew(
        &self,
        owner: &Owner,
        locations: &[LocationId],
        lease: Duration,
    ) -> Result<Vec<LocationId>, CatalogError> {
        let mut kept = Vec::with_capacity(locations.len());
        for portion in locations.chunks(PORTION) {
            kept.extend(retry_conflicts(|| self.renew_portion(owner, portion, lease)).await?);
        }
        Ok(kept)
    }

    async fn settle(&self, gone: &[LocationId], settlement: &Settlement) -> Result<(), CatalogError> {
        if gone.is_empty() && settlement.kept.is_empty() {
            return Ok(());
        }
        retry_conflicts(|| async {
            let mut transaction = self.begin_writing().await?;
            self.settle_claims(&mut transaction, gone, settlement).await?;
            within("commit", self.deadline, transaction.commit()).await
        })
        .await
    }

    async fn note(&self, failed: &[(Wanted, FailedAttempt)]) -> Result<(), CatalogError> {
        for portion in failed.chunks(PORTION) {
            let mut rows: Vec<_> = portion.iter().map(|(wanted, failed)| noted(wanted, failed)).collect();
            rows.sort_unstable_by_key(|row| row.location);
            rows.dedup_by_key(|row| row.location);
            retry_conflicts(|| self.note_portion(&rows)).await?;
        }
        Ok(())
    }

    async fn rows(&self, visit: &mut (dyn for<'r> FnMut(ClaimRow) + Send)) -> Result<u64, CatalogError> {
        let mut seen = 0;
        let each = &mut |row: &_| {
            seen += 1;
            visit(dated::<D>(row)?.row);
            Ok(())
        };
        if self.has_tables().await? {
            self.each_row("read the claims", self.deadline * SCAN_DEADLINES, select::<D>(), each).await?;
        }
        Ok(seen)
    }

    async fn of_images(&self, images: &[ImageId]) -> Result<Vec<ClaimRow>, CatalogError> {
        let mut rows = Vec::new();
        if images.is_empty() || !self.has_tables().await? {
            return Ok(rows);
        }
        for portion in images.chunks(PORTION) {
            let mut query = select::<D>();
            query.push(" WHERE image_id IN (");
            push_texts::<D>(&mut query, portion);
            query.push(") ORDER BY location_id");
            let each = &mut |row: &_| {
                rows.push(dated::<D>(row)?.row);
                Ok(())
            };
            self.each_row("read claims of images", self.deadline * SCAN_DEADLINES, query, each).await?;
        }
        Ok(rows)
    }

    async fn retry_now(&self, images: &[ImageId]) -> Result<u64, CatalogError> {
        let mut failed = Vec::new();
        let mut collect = |row: ClaimRow| failed.extend(row.failed.is_some().then_some(row.location));
        if images.is_empty() {
            self.rows(&mut collect).await?;
        } else {
            self.of_images(images).await?.into_iter().for_each(collect);
        }
        let mut count = 0;
        // In portions: a table that is locked as a whole would hold up every scrubber.
        for portion in failed.chunks(PORTION) {
            let forget = |row: &Dated| row.row.failed.is_some().then(|| ClaimRow { failed: None, ..row.row.clone() });
            count += retry_conflicts(|| self.change(portion, forget)).await?;
        }
        Ok(count)
    }

    async fn forget(&self, locations: &[LocationId]) -> Result<(), CatalogError> {
        for portion in locations.chunks(PORTION) {
            let empty = |dated: &Dated| {
                let (claim, rests_until) = (dated.row.hold.claim.as_ref(), dated.row.hold.rests_until);
                let over = |until: DateTime<Utc>| dated.now >= until;
                let idle = claim.is_none_or(|claim| over(claim.until)) && rests_until.is_none_or(over);
                idle.then(|| ClaimRow { hold: Hold::default(), failed: None, ..dated.row.clone() })
            };
            retry_conflicts(|| self.change(portion, empty)).await?;
        }
        Ok(())
    }
}

impl<D: Dialect> SqlCatalog<D>
where
    <D::Db as sqlx::Database>::Arguments: Send,
{
    /// A transaction that may be the only one to write, where the engine knows no other way.
    pub(in crate::catalog) async fn begin_writing(&self) -> Result<Tx<D>, CatalogError> {
        within("begin", self.deadline, self.pool.begin_with(D::BEGIN)).await
    }

    /// The usual case: nobody has a row for any of them. One statement, and a transaction of its own: whatever it claims
    /// is claimed, and [`Self::take_locked`] finds it again.
    async fn take_absent(&self, owner: &Owner, wanted: &[&Wanted], lease: Duration) -> Result<u64, CatalogError> {
        // The clock is read before: a claim that lapses a moment early is safe, one that lapses late is not.
        let claim = Claim::new(owner.clone(), self.clock().await?, lease);
        let mut connection = within("claim", self.deadline, self.pool.acquire()).await?;
        self.insert_claims(&mut connection, wanted, &claim, D::INSERT_ABSENT).await
    }

    async fn take_locked(
        &self,
        owner: &Owner,
        wanted: &[&Wanted],
        lease: Duration,
        retry: bool,
    ) -> Result<HashMap<LocationId, Taken>, CatalogError> {
        let claim = Claim::new(owner.clone(), self.clock().await?, lease);
        let mut transaction = self.begin_writing().await?;
        // Again, for those whose rows have gone since.
        self.insert_claims(&mut transaction, wanted, &claim, ("INSERT INTO ", D::OR_LOCK)).await?;
        let rows = self.lock_rows(&mut transaction, wanted.iter().map(|one| one.location)).await?;
        let mut granted = Vec::with_capacity(wanted.len());
        let mut taken = HashMap::with_capacity(wanted.len());
        for one in wanted {
            let dated = rows.get(&one.location).ok_or_else(vanished)?;
            let (outcome, row) = decide(dated, one, owner, lease, retry);
            granted.extend(row);
            taken.insert(one.location, outcome);
        }
        self.overwrite(&mut transaction, &granted).await?;
        within("commit", self.deadline, transaction.commit()).await?;
        Ok(taken)
    }

    async fn renew_portion(
        &self,
        owner: &Owner,
        locations: &[LocationId],
        lease: Duration,
    ) -> Result<Vec<LocationId>, CatalogError> {
        let claim = Claim::new(owner.clone(), self.clock().await?, lease);
        let mut update = QueryBuilder::new("UPDATE scrubber_locations SET claimed_until = ");
        push_time::<D>(&mut update, Some(claim.until));
        push_own::<D>(&mut update, owner, locations);
        let mut connection = within("renew claims", self.deadline, self.pool.acquire()).await?;
        let renewed = within("renew claims", self.deadline, D::execute(&mut connection, update.build())).await?;
        drop(connection);
        if renewed == locations.len() as u64 {
            return Ok(locations.to_vec());
        }
        // Nobody gains a claim of this owner's meanwhile, and what was just renewed does not lapse.
        let mut query = QueryBuilder::new("SELECT location_id FROM scrubber_locations");
        push_own::<D>(&mut query, owner, locations);
        let mut kept = Vec::with_capacity(locations.len());
        let each = &mut |row: &_| {
            kept.extend(D::int(row, 0)?.map(LocationId));
            Ok(())
        };
        self.each_row("read renewed claims", self.deadline, query, each).await?;
        Ok(kept)
    }

    async fn note_portion(&self, rows: &[ClaimRow]) -> Result<(), CatalogError> {
        let mut connection = within("note failures", self.deadline, self.pool.acquire()).await?;
        let made = self.insert_rows(&mut connection, rows, D::INSERT_ABSENT).await?;
        drop(connection);
        if made == rows.len() as u64 {
            return Ok(());
        }
        let notes: HashMap<_, _> = rows.iter().map(|row| (row.location, row)).collect();
        let ids: Vec<_> = rows.iter().map(|row| row.location).collect();
        let write = |dated: &Dated| {
            let note = notes.get(&dated.row.location)?;
            let lapsed = dated.row.hold.claim.as_ref().is_none_or(|claim| dated.now >= claim.until);
            lapsed.then(|| ClaimRow { hold: dated.row.hold.clone(), ..(*note).clone() })
        };
        self.change(&ids, write).await.map(drop)
    }

    /// Changes rows as `change` says of each (`None`: it stays); what says nothing any more goes. How many that were.
    async fn change(
        &self,
        ids: &[LocationId],
        change: impl Fn(&Dated) -> Option<ClaimRow> + Send + Sync,
    ) -> Result<u64, CatalogError> {
        let mut transaction = self.begin_writing().await?;
        let rows = self.lock_rows(&mut transaction, ids.iter().copied()).await?;
        let changed: Vec<_> = rows.values().filter_map(|dated| Some((change(dated)?, dated.now))).collect();
        let count = changed.len() as u64;
        self.write_or_delete(&mut transaction, changed).await?;
        within("commit", self.deadline, transaction.commit()).await?;
        Ok(count)
    }
}

/// What becomes of a wanted location, and its row where it is granted.
fn decide(dated: &Dated, wanted: &Wanted, by: &Owner, lease: Duration, retry: bool) -> (Taken, Option<ClaimRow>) {
    let Dated { row, now } = dated;
    if !claim::may_take(&row.hold, by, *now, lease) {
        let without_rest = Hold { claim: row.hold.claim.clone(), rests_until: None };
        let taken = match (&row.hold.claim, row.hold.rests_until) {
            (_, Some(until)) if claim::may_take(&without_rest, by, *now, lease) => Taken::Rests(until),
            (Some(claim), _) => Taken::Held(claim.clone()),
            // Nothing else is there that could hinder.
            (None, until) => Taken::Rests(until.unwrap_or(*now)),
        };
        return (taken, None);
    }
    // Databases use the id of a row that was purged again: what is known of another image's location is not this one's.
    let failed = row.failed.clone().filter(|_| row.image == wanted.image);
    if let Some(failed) = &failed
        && !retry
        && !claim::is_held_by(&row.hold, by)
        && failed.next.is_some_and(|next| next > *now)
    {
        return (Taken::Waits(failed.clone()), None);
    }
    let hold = claim::take(&row.hold, by, *now, lease);
    let row = ClaimRow { location: wanted.location, image: wanted.image.clone(), hold, failed: failed.clone() };
    (Taken::Granted(failed), Some(row))
}

fn noted(wanted: &Wanted, failed: &FailedAttempt) -> ClaimRow {
    let (location, image) = (wanted.location, wanted.image.clone());
    ClaimRow { location, image, hold: Hold::default(), failed: Some(failed.clone()) }
}

/// The condition that `location_id` is one of these and the claim is `owner`'s.
fn push_own<D: Dialect>(query: &mut QueryBuilder<D::Db>, owner: &Owner, locations: &[LocationId]) {
    query.push(" WHERE owner = ");
    D::bind_text(query, owner.as_str());
    query.push(" AND location_id IN (");
    push_ids::<D>(query, locations);
    query.push(")");
}

/// A row that was there a moment ago, and locked: the transaction is repeated.
fn vanished() -> CatalogError {
    CatalogError::Conflict("the row of a claim has gone".to_owned())
}
