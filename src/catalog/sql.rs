//! The statements, once, for all three databases.
//!
//! Promises: no statement holds a transaction open while anything but the database works; each has a deadline;
//! both updates are compare-and-set on `status = 'pending_delete'`. A crash between any two statements leaves rows
//! that the next scan finds again.
//! Glance has no index on `status` (and we add none), so a scan reads both tables once. Rejected: `OFFSET` paging
//! (quadratic), and one page of due rows at a time by `LIMIT` (rows that keep failing would starve those behind them).

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use futures::TryStreamExt;
use sqlx::{Database, Pool, QueryBuilder, Transaction};

use super::dialect::Dialect;
use super::error::{retry_conflicts, within};
use super::rows::{BrokenRow, ImageRow, LivingRow, LocationRow, image_row, living_row, location_columns, location_row};
use super::{Batch, Catalog, CatalogError, Census, Horizon, ImageId, Ledger, LocationId, Recorded, Scan, Scope};

/// A streaming scan answers its first row only after sorting, so it gets this many times a statement's deadline.
const SCAN_DEADLINES: u32 = 10;

/// Glance's database through one engine.
pub(super) struct SqlCatalog<D: Dialect> {
    pool: Pool<D::Db>,
    deadline: Duration,
}

impl<D: Dialect> SqlCatalog<D> {
    pub(super) fn new(pool: Pool<D::Db>, deadline: Duration) -> Self {
        Self { pool, deadline }
    }

    /// Runs a query and hands each row to `visit`, within a deadline for each row.
    async fn each_row(
        &self,
        what: &'static str,
        deadline: Duration,
        mut query: QueryBuilder<D::Db>,
        visit: &mut (dyn FnMut(&<D::Db as Database>::Row) -> sqlx::Result<()> + Send),
    ) -> Result<(), CatalogError> {
        let mut connection = within(what, self.deadline, self.pool.acquire()).await?;
        let mut stream = D::stream(&mut connection, query.build());
        while let Some(row) = within(what, deadline, stream.try_next()).await? {
            visit(&row)?;
        }
        Ok(())
    }

    /// The transaction of [`Ledger::record`], once.
    async fn try_record(&self, batch: &Batch, now: DateTime<Utc>) -> Result<Recorded, CatalogError> {
        let mut transaction = within("begin", self.deadline, self.pool.begin()).await?;
        let recorded = self.mark(&mut transaction, batch, now).await?;
        // Killed before this line: nothing is recorded, and the next pass finds the data `absent`.
        within("commit", self.deadline, transaction.commit()).await?;
        Ok(recorded)
    }

    /// The transaction of [`Ledger::rehearse`], once. The images' statement runs on no row: that it may run at all is
    /// the question, and Glance's API need not wait for the row.
    async fn try_rehearse(&self, location: LocationId, now: DateTime<Utc>) -> Result<(), CatalogError> {
        let batch = Batch { gone: vec![location], images: vec![ImageId(String::new())] };
        let mut transaction = within("begin", self.deadline, self.pool.begin()).await?;
        self.mark(&mut transaction, &batch, now).await?;
        within("roll back", self.deadline, transaction.rollback()).await
    }

    /// Marks a batch, and looks at what was not ours to mark.
    async fn mark(
        &self,
        transaction: &mut Transaction<'static, D::Db>,
        batch: &Batch,
        now: DateTime<Utc>,
    ) -> Result<Recorded, CatalogError> {
        let mut recorded = Recorded::default();
        if !batch.gone.is_empty() {
            let update = mark_locations::<D>(&batch.gone, now);
            recorded.locations = self.run(transaction, "mark locations deleted", update).await?;
        }
        let mut finished = 0;
        if !batch.images.is_empty() {
            let update = mark_images::<D>(&batch.images, now);
            finished = self.run(transaction, "mark images deleted", update).await?;
        }
        // The usual case needs no more: everything of the batch was ours to record.
        if recorded.locations < batch.gone.len() as u64 {
            recorded.overtaken = self.not_ours(transaction, &batch.gone, now).await?;
        }
        recorded.finished = if finished == batch.images.len() as u64 {
            batch.images.clone()
        } else {
            self.finished_of(transaction, &batch.images, now).await?
        };
        Ok(recorded)
    }

    async fn run(
        &self,
        transaction: &mut Transaction<'static, D::Db>,
        what: &'static str,
        mut update: QueryBuilder<D::Db>,
    ) -> Result<u64, CatalogError> {
        within(what, self.deadline, D::execute(&mut *transaction, update.build())).await
    }

    /// Which of `ids` our update did not match, and what they say now.
    async fn not_ours(
        &self,
        transaction: &mut Transaction<'static, D::Db>,
        ids: &[LocationId],
        now: DateTime<Utc>,
    ) -> Result<Vec<(LocationId, String)>, CatalogError> {
        let mut query = QueryBuilder::new(format!(
            "SELECT {id}, l.status FROM image_locations l WHERE NOT (l.status = 'deleted' AND l.deleted_at = ",
            id = D::LOCATION_ID
        ));
        D::bind_time(&mut query, now.naive_utc());
        query.push(") AND l.id IN (");
        push_ids::<D>(&mut query, ids);
        query.push(")");
        let rows = within("read back locations", self.deadline, async {
            D::stream(&mut *transaction, query.build()).try_collect::<Vec<_>>().await
        })
        .await?;
        let mut found = Vec::with_capacity(rows.len());
        for row in &rows {
            if let Some(id) = D::int(row, 0)? {
                found.push((LocationId(id), D::text(row, 1)?.unwrap_or_default()));
            }
        }
        Ok(found)
    }

    /// Which of `ids` became deleted in this transaction.
    async fn finished_of(
        &self,
        transaction: &mut Transaction<'static, D::Db>,
        ids: &[ImageId],
        now: DateTime<Utc>,
    ) -> Result<Vec<ImageId>, CatalogError> {
        let mut query = QueryBuilder::new("SELECT id FROM images WHERE status = 'deleted' AND updated_at = ");
        D::bind_time(&mut query, now.naive_utc());
        query.push(" AND id IN (");
        push_texts::<D>(&mut query, ids);
        query.push(")");
        let rows = within("read back images", self.deadline, async {
            D::stream(&mut *transaction, query.build()).try_collect::<Vec<_>>().await
        })
        .await?;
        let mut finished = Vec::with_capacity(rows.len());
        for row in &rows {
            finished.extend(D::text(row, 0)?.map(ImageId));
        }
        Ok(finished)
    }
}

#[async_trait]
impl<D: Dialect> Catalog for SqlCatalog<D>
where
    <D::Db as Database>::Arguments: Send,
{
    async fn scan(&self, scope: Scope) -> Result<Scan, CatalogError> {
        let mut scan = Scan::default();
        let visit = &mut |row: &<D::Db as Database>::Row| {
            match D::int(row, 0)? {
                Some(id) => scan.locations.push(LocationId(id)),
                None => scan.finishable.extend(D::text(row, 1)?.map(ImageId)),
            }
            Ok(())
        };
        self.each_row("scan for pending rows", self.deadline * SCAN_DEADLINES, scan_query::<D>(scope), visit).await?;
        Ok(scan)
    }

    async fn locations(&self, ids: &[LocationId]) -> Result<Vec<Result<LocationRow, BrokenRow>>, CatalogError> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let mut query = QueryBuilder::new(format!(
            "SELECT {columns} FROM image_locations l LEFT JOIN images i ON i.id = l.image_id WHERE l.id IN (",
            columns = location_columns::<D>()
        ));
        push_ids::<D>(&mut query, ids);
        query.push(")");
        let mut rows = Vec::with_capacity(ids.len());
        let visit = &mut |row: &_| {
            rows.push(location_row::<D>(row)?);
            Ok(())
        };
        self.each_row("read a page of locations", self.deadline, query, visit).await?;
        // The caller's order (oldest deletion first) is not the primary key's.
        let place: std::collections::HashMap<_, _> = ids.iter().enumerate().map(|(place, id)| (*id, place)).collect();
        rows.sort_by_key(|row| {
            let id = match row {
                Ok(row) => row.id,
                Err(broken) => broken.location,
            };
            place.get(&id).copied()
        });
        Ok(rows)
    }

    async fn images(&self, ids: &[ImageId]) -> Result<Vec<(ImageRow, bool)>, CatalogError> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let mut query = QueryBuilder::new(
            "SELECT i.id, i.name, i.owner, i.size, i.status, i.deleted, i.deleted_at, \
             (SELECT COUNT(*) FROM image_locations l WHERE l.image_id = i.id AND l.status <> 'deleted') \
             FROM images i WHERE i.id IN (",
        );
        push_texts::<D>(&mut query, ids);
        query.push(")");
        let mut rows = Vec::with_capacity(ids.len());
        let visit = &mut |row: &_| {
            // A broken image row has no location to delete; leaving it out of a listing loses nothing.
            if let Ok(Some(image)) = image_row::<D>(row, 0) {
                rows.push((image, D::int(row, 7)?.unwrap_or_default() > 0));
            }
            Ok(())
        };
        self.each_row("read a page of images", self.deadline, query, visit).await?;
        Ok(rows)
    }

    async fn living(
        &self,
        horizon: Horizon,
        visit: &mut (dyn for<'r> FnMut(LivingRow) + Send),
    ) -> Result<u64, CatalogError> {
        let mut seen = 0;
        let each = &mut |row: &_| {
            seen += 1;
            visit(living_row::<D>(row)?);
            Ok(())
        };
        let deadline = self.deadline * SCAN_DEADLINES;
        self.each_row("read the living locations", deadline, living_query::<D>(horizon), each).await?;
        Ok(seen)
    }

    async fn census(&self) -> Result<Census, CatalogError> {
        let query = QueryBuilder::new("SELECT COUNT(*) FROM images WHERE deleted = false");
        let mut living = 0;
        let visit = &mut |row: &_| {
            living = D::int(row, 0)?.and_then(|count| u64::try_from(count).ok()).unwrap_or_default();
            Ok(())
        };
        self.each_row("count images", self.deadline * SCAN_DEADLINES, query, visit).await?;
        Ok(Census { living })
    }
}

#[async_trait]
impl<D: Dialect> Ledger for SqlCatalog<D>
where
    <D::Db as Database>::Arguments: Send,
{
    async fn record(&self, batch: &Batch, now: DateTime<Utc>) -> Result<Recorded, CatalogError> {
        if batch.gone.is_empty() && batch.images.is_empty() {
            return Ok(Recorded::default());
        }
        retry_conflicts(|| self.try_record(batch, now)).await
    }

    async fn rehearse(&self, location: LocationId, now: DateTime<Utc>) -> Result<(), CatalogError> {
        retry_conflicts(|| self.try_rehearse(location, now)).await
    }

    fn reader(self: Arc<Self>) -> Arc<dyn Catalog> {
        self
    }
}

/// Two sides of one statement: pending images with their pending locations (or none: those are only to be finished),
/// and pending locations whose image is not pending (the Python scrubber never sees them). Of the second, those that
/// Python's `--restore` left behind come too, and those whose image has no row, so that they are reported; the plan
/// keeps them.
fn scan_query<D: Dialect>(scope: Scope) -> QueryBuilder<D::Db> {
    let mut query = QueryBuilder::new(format!(
        "SELECT {id} AS location_id, i.id AS image_id, i.deleted_at AS due_from \
         FROM images i LEFT JOIN image_locations l ON l.image_id = i.id AND l.status = 'pending_delete' \
         WHERE i.status = 'pending_delete'",
        id = D::LOCATION_ID
    ));
    if let Scope::Due(horizon) = scope {
        query.push(" AND i.deleted = true AND ");
        // An image without a pending location is only to be finished: when it is due, and not when its clock is wrong.
        push_due_or_skewed::<D>(&mut query, "i.deleted_at", "l.id IS NOT NULL AND ", horizon);
    }
    query.push(format_args!(
        " UNION ALL SELECT {id}, COALESCE(i.id, l.image_id), l.deleted_at FROM image_locations l LEFT JOIN images i \
         ON i.id = l.image_id WHERE l.status = 'pending_delete' AND (i.id IS NULL OR i.status <> 'pending_delete')",
        id = D::LOCATION_ID,
    ));
    if let Scope::Due(horizon) = scope {
        query.push(" AND ");
        push_due_or_skewed::<D>(&mut query, "l.deleted_at", "", horizon);
    }
    // By image within an instant, so that a reader can count images by looking at the row before.
    query.push(" ORDER BY due_from, image_id, location_id");
    query
}

/// Everything that is neither deleted nor due. The due condition is [`scan_query`]'s, negated with NULLs in mind: what
/// cannot be compared counts as living.
fn living_query<D: Dialect>(horizon: Horizon) -> QueryBuilder<D::Db> {
    let mut query = QueryBuilder::new(format!(
        "SELECT {id}, l.image_id, l.value, l.meta_data FROM image_locations l LEFT JOIN images i ON i.id = l.image_id \
         WHERE l.status <> 'deleted' AND (CASE WHEN l.status <> 'pending_delete' THEN 0 \
         WHEN i.status = 'pending_delete' AND i.deleted = true AND i.deleted_at < ",
        id = D::LOCATION_ID
    ));
    D::bind_second(&mut query, end_of_second(horizon.due));
    query.push(
        " THEN 1 WHEN i.status <> 'pending_delete' AND NOT (i.deleted = false AND i.deleted_at IS NOT NULL) \
         AND l.deleted_at < ",
    );
    D::bind_second(&mut query, end_of_second(horizon.due));
    query.push(" THEN 1 ELSE 0 END) = 0");
    query
}

fn push_due_or_skewed<D: Dialect>(query: &mut QueryBuilder<D::Db>, column: &str, if_skewed: &str, horizon: Horizon) {
    query.push(format_args!("({column} < "));
    D::bind_second(query, end_of_second(horizon.due));
    query.push(format_args!(" OR {if_skewed}{column} > "));
    D::bind_second(query, horizon.skew.naive_utc());
    query.push(")");
}

/// Glance's scrubber floors a deletion time to the second: all of the horizon's second is due.
fn end_of_second(at: DateTime<Utc>) -> chrono::NaiveDateTime {
    at.naive_utc() + TimeDelta::seconds(1)
}

/// The columns that Glance's own scrubber sets, `deleted_at` included (it is overwritten there too).
fn mark_locations<D: Dialect>(ids: &[LocationId], now: DateTime<Utc>) -> QueryBuilder<D::Db> {
    let mut query = QueryBuilder::new("UPDATE image_locations SET status = 'deleted', deleted = true, updated_at = ");
    D::bind_time(&mut query, now.naive_utc());
    query.push(", deleted_at = ");
    D::bind_time(&mut query, now.naive_utc());
    query.push(" WHERE status = 'pending_delete' AND id IN (");
    push_ids::<D>(&mut query, ids);
    query.push(")");
    query
}

/// An image is finished when every location of it is `deleted`, not merely none `pending_delete`: an `active` one on
/// a pending image would be data that nothing refers to any more. `deleted` and `deleted_at` stay, as in Glance.
fn mark_images<D: Dialect>(ids: &[ImageId], now: DateTime<Utc>) -> QueryBuilder<D::Db> {
    let mut query = QueryBuilder::new("UPDATE images SET status = 'deleted', updated_at = ");
    D::bind_time(&mut query, now.naive_utc());
    query.push(
        " WHERE status = 'pending_delete' AND deleted = true AND NOT EXISTS (SELECT 1 FROM image_locations l \
         WHERE l.image_id = images.id AND l.status <> 'deleted') AND id IN (",
    );
    push_texts::<D>(&mut query, ids);
    query.push(")");
    query
}

fn push_ids<D: Dialect>(query: &mut QueryBuilder<D::Db>, ids: &[LocationId]) {
    for (place, id) in ids.iter().enumerate() {
        if place > 0 {
            query.push(",");
        }
        D::bind_id(query, id.0);
    }
}

fn push_texts<D: Dialect>(query: &mut QueryBuilder<D::Db>, ids: &[ImageId]) {
    for (place, id) in ids.iter().enumerate() {
        if place > 0 {
            query.push(",");
        }
        D::bind_text(query, &id.0);
    }
}
