//! The statements that read, once, for all three databases.
//!
//! Promises: each has a deadline, and streams where the number of rows has no bound.
//! Glance has no index on `status` (and we add none), so a scan reads both tables once. Rejected: `OFFSET` paging
//! (quadratic), and one page of due rows at a time by `LIMIT` (rows that keep failing would starve those behind them).

use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use futures::TryStreamExt;
use sqlx::{Database, Pool, QueryBuilder};

use super::claims::{clock_query, read_clock};
use super::dialect::Dialect;
use super::error::within;
use super::rows::{BrokenRow, ImageRow, LivingRow, LocationRow, image_row, living_row, location_columns, location_row};
use super::{Catalog, CatalogError, Census, Horizon, ImageId, LocationId, Scan, Scope};

/// A streaming scan answers its first row only after sorting, so it gets this many times a statement's deadline.
/// Until then a cycle shows no sign of life.
pub const SCAN_DEADLINES: u32 = 10;

/// Glance's database through one engine.
pub(super) struct SqlCatalog<D: Dialect> {
    pub(super) pool: Pool<D::Db>,
    pub(super) deadline: Duration,
}

impl<D: Dialect> SqlCatalog<D> {
    pub(super) fn new(pool: Pool<D::Db>, deadline: Duration) -> Self {
        Self { pool, deadline }
    }

    /// Runs a query and hands each row to `visit`, within a deadline for each row.
    pub(super) async fn each_row(
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

    async fn clock(&self) -> Result<DateTime<Utc>, CatalogError> {
        let mut clock = Err(sqlx::Error::RowNotFound);
        let visit = &mut |row: &_| {
            clock = read_clock::<D>(row);
            Ok(())
        };
        self.each_row("read the clock", self.deadline, QueryBuilder::new(clock_query::<D>()), visit).await?;
        Ok(clock?)
    }

    async fn waiting(&self, horizon: Horizon, limits: &[DateTime<Utc>]) -> Result<Vec<u64>, CatalogError> {
        let mut counts = vec![0; limits.len() + 1];
        let visit = &mut |row: &_| {
            for (column, count) in counts.iter_mut().enumerate() {
                *count = D::int(row, column)?.and_then(|count| u64::try_from(count).ok()).unwrap_or_default();
            }
            Ok(())
        };
        let query = waiting_query::<D>(horizon, limits);
        self.each_row("count what is not due", self.deadline * SCAN_DEADLINES, query, visit).await?;
        Ok(counts)
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
        push_due_or_skewed::<D>(&mut query, "i.deleted_at", horizon);
        // An image without a pending location is only to be finished: when it is due, and not when its clock is wrong.
        // A condition of its own, so that the one before needs no look at the locations.
        query.push(" AND (l.id IS NOT NULL OR i.deleted_at < ");
        D::bind_second(&mut query, end_of_second(horizon.due));
        query.push(")");
    }
    query.push(format_args!(
        " UNION ALL SELECT {id}, COALESCE(i.id, l.image_id), l.deleted_at FROM image_locations l LEFT JOIN images i \
         ON i.id = l.image_id WHERE l.status = 'pending_delete' AND (i.id IS NULL OR i.status <> 'pending_delete')",
        id = D::LOCATION_ID,
    ));
    if let Scope::Due(horizon) = scope {
        query.push(" AND ");
        push_due_or_skewed::<D>(&mut query, "l.deleted_at", horizon);
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

/// What [`scan_query`] leaves out because its time has not come, counted by age; `COUNT`, because MySQL's `SUM` is a
/// decimal. Whole seconds on both sides, so that nothing is counted twice or not at all.
fn waiting_query<D: Dialect>(horizon: Horizon, limits: &[DateTime<Utc>]) -> QueryBuilder<D::Db> {
    let mut query = QueryBuilder::new("SELECT ");
    for band in 0..=limits.len() {
        query.push(if band == 0 { "COUNT(CASE WHEN " } else { ", COUNT(CASE WHEN " });
        if let Some(limit) = limits.get(band) {
            query.push("w.due_from >= ");
            D::bind_second(&mut query, limit.naive_utc());
        }
        if let Some(younger) = band.checked_sub(1).and_then(|band| limits.get(band)) {
            query.push(if band < limits.len() { " AND w.due_from < " } else { "w.due_from < " });
            D::bind_second(&mut query, younger.naive_utc());
        }
        query.push(" THEN 1 END)");
    }
    query.push(
        " FROM (SELECT i.deleted_at AS due_from FROM images i JOIN image_locations l \
         ON l.image_id = i.id AND l.status = 'pending_delete' WHERE i.status = 'pending_delete' AND i.deleted = true \
         UNION ALL SELECT l.deleted_at FROM image_locations l JOIN images i ON i.id = l.image_id \
         WHERE l.status = 'pending_delete' AND i.status <> 'pending_delete' \
         AND NOT (i.deleted = false AND i.deleted_at IS NOT NULL)) w WHERE w.due_from >= ",
    );
    D::bind_second(&mut query, end_of_second(horizon.due));
    query.push(" AND w.due_from <= ");
    D::bind_second(&mut query, horizon.skew.naive_utc());
    query
}

fn push_due_or_skewed<D: Dialect>(query: &mut QueryBuilder<D::Db>, column: &str, horizon: Horizon) {
    query.push(format_args!("({column} < "));
    D::bind_second(query, end_of_second(horizon.due));
    query.push(format_args!(" OR {column} > "));
    D::bind_second(query, horizon.skew.naive_utc());
    query.push(")");
}

/// Glance's scrubber floors a deletion time to the second: all of the horizon's second is due.
fn end_of_second(at: DateTime<Utc>) -> chrono::NaiveDateTime {
    at.naive_utc() + TimeDelta::seconds(1)
}

pub(super) fn push_ids<D: Dialect>(query: &mut QueryBuilder<D::Db>, ids: &[LocationId]) {
    for (place, id) in ids.iter().enumerate() {
        if place > 0 {
            query.push(",");
        }
        D::bind_id(query, id.0);
    }
}

pub(super) fn push_texts<D: Dialect>(query: &mut QueryBuilder<D::Db>, ids: &[ImageId]) {
    for (place, id) in ids.iter().enumerate() {
        if place > 0 {
            query.push(",");
        }
        D::bind_text(query, &id.0);
    }
}
