//! The statements that write, once, for all three databases.
//!
//! Promises: a batch is one transaction, open only while the database works; both updates are compare-and-set on
//! `status = 'pending_delete'`; what is said to be recorded was recorded by us. A crash between any two statements
//! leaves rows that the next scan finds again.
//! Rejected: telling our rows from another scrubber's by the time that we wrote (MySQL's columns have whole seconds),
//! and locking the rows of every batch first (one statement more for a case that is rare).

use std::collections::HashSet;
use std::sync::Arc;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use futures::TryStreamExt;
use sqlx::{Database, QueryBuilder, Transaction};

use super::dialect::Dialect;
use super::error::{retry_conflicts, within};
use super::sql::{SqlCatalog, push_ids, push_texts};
use super::{Batch, Catalog, CatalogError, Claims, ImageId, Ledger, LocationId, Recorded};
use crate::crash::{self, Point};

pub(super) type Tx<D> = Transaction<'static, <D as Dialect>::Db>;
type Row<D> = <<D as Dialect>::Db as Database>::Row;

#[async_trait]
impl<D: Dialect> Ledger for SqlCatalog<D>
where
    <D::Db as Database>::Arguments: Send,
{
    async fn record(&self, batch: &Batch, now: DateTime<Utc>) -> Result<Recorded, CatalogError> {
        let settles = batch.settlement.as_ref().is_some_and(|settlement| !settlement.kept.is_empty());
        if batch.gone.is_empty() && batch.images.is_empty() && !settles {
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

    fn claims(self: Arc<Self>) -> Option<Arc<dyn Claims>> {
        Some(self)
    }
}

impl<D: Dialect> SqlCatalog<D>
where
    <D::Db as Database>::Arguments: Send,
{
    /// The usual case: everything in the batch is still ours to record, and three round trips say so.
    async fn try_record(&self, batch: &Batch, now: DateTime<Utc>) -> Result<Recorded, CatalogError> {
        let mut transaction = self.begin_writing().await?;
        // Claims first, in every transaction that needs them, so that two of them wait for each other and do not fail.
        let claimed = match &batch.settlement {
            Some(settlement) => {
                let claimed = self.settle_claims(&mut transaction, &batch.gone, settlement).await?;
                crash::point(Point::InRelease);
                claimed
            }
            None => batch.gone.len() as u64,
        };
        let locations = self.mark_locations(&mut transaction, &batch.gone, now).await?;
        crash::point(Point::AfterLocationRecord);
        let images = self.mark_images(&mut transaction, &batch.images, now).await?;
        let all_locations = locations == batch.gone.len() as u64 && claimed == locations;
        let all_images = images == batch.images.len() as u64;
        if !all_locations || (batch.gone.is_empty() && !all_images) {
            within("roll back", self.deadline, transaction.rollback()).await?;
            return self.record_beside_another(batch, now).await;
        }
        let finished = match all_images {
            true => batch.images.clone(),
            // Images with locations in other batches, or that were not pending: of those, the ones deleted at this
            // moment are ours, since until this transaction they had a pending location.
            false => self.deleted_of(&mut transaction, &batch.images, Some(now)).await?,
        };
        crash::point(Point::AfterImageRecord);
        // Killed before this line: nothing is recorded, and the next cycle finds the data `absent`.
        within("commit", self.deadline, transaction.commit()).await?;
        crash::point(Point::AfterCommit);
        Ok(Recorded { locations, overtaken: Vec::new(), lost: Vec::new(), finished })
    }

    /// Somebody else changed rows of the batch, or took over its claims: locks them first, to know for certain whose is
    /// what.
    async fn record_beside_another(&self, batch: &Batch, now: DateTime<Utc>) -> Result<Recorded, CatalogError> {
        let mut transaction = self.begin_writing().await?;
        let ours = match &batch.settlement {
            Some(settlement) => {
                let ours = self.lock_own_claims(&mut transaction, &settlement.owner, &batch.gone).await?;
                self.settle_claims(&mut transaction, &ours, settlement).await?;
                ours
            }
            None => batch.gone.clone(),
        };
        let held: HashSet<_> = ours.iter().collect();
        let lost = batch.gone.iter().filter(|location| !held.contains(location)).copied().collect();
        let mut gone = Vec::with_capacity(ours.len());
        let mut overtaken = Vec::new();
        for (id, status) in self.lock_locations(&mut transaction, &ours).await? {
            if status == "pending_delete" { gone.push(id) } else { overtaken.push((id, status)) }
        }
        let images = self.lock_pending_images(&mut transaction, &batch.images).await?;
        let locations = self.mark_locations(&mut transaction, &gone, now).await?;
        self.mark_images(&mut transaction, &images, now).await?;
        let finished = self.deleted_of(&mut transaction, &images, None).await?;
        within("commit", self.deadline, transaction.commit()).await?;
        Ok(Recorded { locations, overtaken, lost, finished })
    }

    /// The transaction of [`Ledger::rehearse`], once. The images' statement runs on no row: that it may run at all is
    /// the question, and Glance's API need not wait for the row.
    async fn try_rehearse(&self, location: LocationId, now: DateTime<Utc>) -> Result<(), CatalogError> {
        let mut transaction = self.begin().await?;
        self.mark_locations(&mut transaction, &[location], now).await?;
        self.mark_images(&mut transaction, &[ImageId(String::new())], now).await?;
        within("roll back", self.deadline, transaction.rollback()).await
    }

    pub(super) async fn begin(&self) -> Result<Tx<D>, CatalogError> {
        within("begin", self.deadline, self.pool.begin()).await
    }

    /// Sets the columns that Glance's own scrubber sets, `deleted_at` included (it is overwritten there too).
    async fn mark_locations(
        &self,
        transaction: &mut Tx<D>,
        ids: &[LocationId],
        now: DateTime<Utc>,
    ) -> Result<u64, CatalogError> {
        if ids.is_empty() {
            return Ok(0);
        }
        let mut update =
            QueryBuilder::new("UPDATE image_locations SET status = 'deleted', deleted = true, updated_at = ");
        D::bind_time(&mut update, now.naive_utc());
        update.push(", deleted_at = ");
        D::bind_time(&mut update, now.naive_utc());
        update.push(" WHERE status = 'pending_delete' AND id IN (");
        push_ids::<D>(&mut update, ids);
        update.push(")");
        within("mark locations deleted", self.deadline, D::execute(&mut *transaction, update.build())).await
    }

    /// Finishes images of which every location is `deleted`, not merely none `pending_delete`: an `active` one on a
    /// pending image would be data that nothing refers to any more. `deleted` and `deleted_at` stay, as in Glance.
    async fn mark_images(
        &self,
        transaction: &mut Tx<D>,
        ids: &[ImageId],
        now: DateTime<Utc>,
    ) -> Result<u64, CatalogError> {
        if ids.is_empty() {
            return Ok(0);
        }
        let mut update = QueryBuilder::new("UPDATE images SET status = 'deleted', updated_at = ");
        D::bind_time(&mut update, now.naive_utc());
        update.push(
            " WHERE status = 'pending_delete' AND deleted = true AND NOT EXISTS (SELECT 1 FROM image_locations l \
             WHERE l.image_id = images.id AND l.status <> 'deleted') AND id IN (",
        );
        push_texts::<D>(&mut update, ids);
        update.push(")");
        within("mark images deleted", self.deadline, D::execute(&mut *transaction, update.build())).await
    }

    /// The statuses of `ids`, which nobody else can change until the transaction ends.
    async fn lock_locations(
        &self,
        transaction: &mut Tx<D>,
        ids: &[LocationId],
    ) -> Result<Vec<(LocationId, String)>, CatalogError> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let id = D::LOCATION_ID;
        let mut query = QueryBuilder::new(format!("SELECT {id}, l.status FROM image_locations l WHERE l.id IN ("));
        push_ids::<D>(&mut query, ids);
        query.push(")").push(D::FOR_UPDATE);
        let mut found = Vec::with_capacity(ids.len());
        for row in &self.rows(transaction, "lock locations", query).await? {
            if let Some(id) = D::int(row, 0)? {
                found.push((LocationId(id), D::text(row, 1)?.unwrap_or_default()));
            }
        }
        Ok(found)
    }

    /// Those of `ids` that are pending, and stay so until the transaction ends.
    async fn lock_pending_images(
        &self,
        transaction: &mut Tx<D>,
        ids: &[ImageId],
    ) -> Result<Vec<ImageId>, CatalogError> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let mut query = QueryBuilder::new("SELECT id FROM images WHERE status = 'pending_delete' AND id IN (");
        push_texts::<D>(&mut query, ids);
        query.push(")").push(D::FOR_UPDATE);
        self.image_ids(transaction, "lock images", query).await
    }

    /// Those of `ids` that are deleted; with `at`, only those that were last updated then.
    async fn deleted_of(
        &self,
        transaction: &mut Tx<D>,
        ids: &[ImageId],
        at: Option<DateTime<Utc>>,
    ) -> Result<Vec<ImageId>, CatalogError> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let mut query = QueryBuilder::new("SELECT id FROM images WHERE status = 'deleted' AND id IN (");
        push_texts::<D>(&mut query, ids);
        query.push(")");
        if let Some(at) = at {
            query.push(" AND updated_at = ");
            D::bind_time(&mut query, at.naive_utc());
        }
        self.image_ids(transaction, "read back images", query).await
    }

    async fn image_ids(
        &self,
        transaction: &mut Tx<D>,
        what: &'static str,
        query: QueryBuilder<D::Db>,
    ) -> Result<Vec<ImageId>, CatalogError> {
        let mut found = Vec::new();
        for row in &self.rows(transaction, what, query).await? {
            found.extend(D::text(row, 0)?.map(ImageId));
        }
        Ok(found)
    }

    async fn rows(
        &self,
        transaction: &mut Tx<D>,
        what: &'static str,
        mut query: QueryBuilder<D::Db>,
    ) -> Result<Vec<Row<D>>, CatalogError> {
        let rows = async { D::stream(&mut *transaction, query.build()).try_collect::<Vec<_>>().await };
        within(what, self.deadline, rows).await
    }
}
