//! A deleted image with all of its rows, and the one transaction that brings it back.
//!
//! Promises: [`WholeImages`] only reads. [`RestoreLedger::restore`] is one transaction: either all that was asked for is
//! as it was before the deletion, or nothing was changed. Each of its updates repeats the condition that the decision
//! was made on, and counts; a row that somebody changed since takes everything back ([`Restored::Changed`]). Every row
//! that the decision hangs on is written, so that on Galera one of two transactions fails its certification.
//! Rejected: Glance's own `image_restore`, which writes the image's row alone and without a condition.

use async_trait::async_trait;
use chrono::{DateTime, NaiveDateTime, TimeDelta, Utc};
use sqlx::{Database, QueryBuilder};

use super::dialect::Dialect;
use super::error::{retry_conflicts, within};
use super::ledger::Tx;
use super::rows::{image_row, location_columns, location_row};
use super::sql::{SqlCatalog, push_ids};
use super::{BrokenRow, Catalog, CatalogError, ImageId, ImageRow, Ledger, LocationId, LocationRow, Settlement};
use crate::crash::{self, Point};

/// A row of `image_properties`, `image_tags` or `image_members`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Child {
    /// Primary key.
    pub id: i64,
    /// The property's name, the tag, or the member's project.
    pub name: String,
    /// The property's value. Not for showing: users keep what they like there.
    pub value: Option<String>,
    /// The soft-delete flag.
    pub deleted: bool,
    /// When it was deleted. Naive UTC.
    pub deleted_at: Option<NaiveDateTime>,
}

/// Everything that belongs to one image, deleted or not.
#[derive(Debug)]
pub struct ImageRows {
    /// Its row in `images`.
    pub image: ImageRow,
    /// All its locations, by primary key.
    pub locations: Vec<Result<LocationRow, BrokenRow>>,
    /// All its properties.
    pub properties: Vec<Child>,
    /// All its tags. The same tag may occur more than once.
    pub tags: Vec<Child>,
    /// All its members. The same project may occur more than once, alive at most once.
    pub members: Vec<Child>,
}

/// What is to be brought back, and what it must still look like.
#[derive(Debug, Clone)]
pub struct Restoration {
    /// The image, with the status and the times that the decision was made on.
    pub image: ImageRow,
    /// The status that it gets.
    pub status: &'static str,
    /// Its locations that become `active`: `pending_delete` until now.
    pub locations: Vec<LocationId>,
    /// Properties that are deleted until now.
    pub properties: Vec<i64>,
    /// Tags that are deleted until now.
    pub tags: Vec<i64>,
    /// Members that are deleted until now.
    pub members: Vec<i64>,
    /// Claims in the same database, on `locations` and on those `kept`, which the transaction releases. If one of them
    /// is not its owner's any more, nothing is brought back.
    pub settlement: Option<Settlement>,
}

/// What a restore's transaction did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Restored {
    /// Everything that was asked for.
    Done,
    /// Nothing: somebody changed what is named here since it was read.
    Changed(&'static str),
}

/// Reads images with all that belongs to them.
#[async_trait]
pub trait WholeImages: Catalog {
    /// The image whose id the database takes for equal to `id`: MySQL compares without case, and without spaces at the
    /// end.
    async fn whole_image(&self, id: &str) -> Result<Option<ImageRows>, CatalogError>;

    /// Images that Python's `--restore` made active and left without a location, oldest deletion first.
    async fn half_restored(&self) -> Result<Vec<ImageId>, CatalogError>;
}

/// Brings images back.
#[async_trait]
pub trait RestoreLedger: WholeImages + Ledger {
    /// Brings one back, or does nothing. Repeated by itself after a deadlock. `now` becomes `updated_at`.
    async fn restore(&self, change: &Restoration, now: DateTime<Utc>) -> Result<Restored, CatalogError>;
}

#[async_trait]
impl<D: Dialect> WholeImages for SqlCatalog<D>
where
    <D::Db as Database>::Arguments: Send,
{
    async fn whole_image(&self, id: &str) -> Result<Option<ImageRows>, CatalogError> {
        let mut query = QueryBuilder::new(
            "SELECT i.id, i.name, i.owner, i.size, i.status, i.deleted, i.deleted_at FROM images i WHERE i.id = ",
        );
        D::bind_text(&mut query, id);
        let mut image = None;
        let mut broken = None;
        let visit = &mut |row: &_| {
            match image_row::<D>(row, 0) {
                Ok(found) => image = found,
                Err((column, error)) => broken = Some(format!("{column} of image {id} cannot be read: {error}")),
            }
            Ok(())
        };
        self.each_row("read the image", self.deadline, query, visit).await?;
        if let Some(broken) = broken {
            return Err(CatalogError::Statement(broken));
        }
        let Some(image) = image else { return Ok(None) };
        Ok(Some(ImageRows {
            locations: self.locations_of(&image.id).await?,
            properties: self.children_of("image_properties l", "l.name, l.value", &image.id).await?,
            tags: self.children_of("image_tags l", "l.value, l.value", &image.id).await?,
            members: self.children_of("image_members l", "l.member, l.status", &image.id).await?,
            image,
        }))
    }

    async fn half_restored(&self) -> Result<Vec<ImageId>, CatalogError> {
        // With locations that were scrubbed since, too: whoever asks for a repair hears of those that are lost.
        let query = QueryBuilder::new(
            "SELECT i.id FROM images i WHERE i.deleted = false AND i.deleted_at IS NOT NULL \
             AND i.status IN ('active', 'deactivated') \
             AND EXISTS (SELECT 1 FROM image_locations l WHERE l.image_id = i.id) \
             AND NOT EXISTS (SELECT 1 FROM image_locations l WHERE l.image_id = i.id AND l.deleted = false) \
             ORDER BY i.deleted_at, i.id",
        );
        let mut found = Vec::new();
        let visit = &mut |row: &_| {
            found.extend(D::text(row, 0)?.map(ImageId));
            Ok(())
        };
        self.each_row("look for images without locations", self.deadline * super::SCAN_DEADLINES, query, visit).await?;
        Ok(found)
    }
}

impl<D: Dialect> SqlCatalog<D> {
    async fn locations_of(&self, image: &ImageId) -> Result<Vec<Result<LocationRow, BrokenRow>>, CatalogError> {
        let mut query = QueryBuilder::new(format!(
            "SELECT {columns} FROM image_locations l LEFT JOIN images i ON i.id = l.image_id WHERE l.image_id = ",
            columns = location_columns::<D>()
        ));
        D::bind_text(&mut query, &image.0);
        query.push(" ORDER BY l.id");
        let mut rows = Vec::new();
        let visit = &mut |row: &_| {
            rows.push(location_row::<D>(row)?);
            Ok(())
        };
        self.each_row("read the image's locations", self.deadline, query, visit).await?;
        Ok(rows)
    }

    async fn children_of(&self, table: &str, columns: &str, image: &ImageId) -> Result<Vec<Child>, CatalogError> {
        let mut query = QueryBuilder::new(format!(
            "SELECT {id}, {columns}, l.deleted, l.deleted_at FROM {table} WHERE l.image_id = ",
            id = D::LOCATION_ID
        ));
        D::bind_text(&mut query, &image.0);
        query.push(" ORDER BY l.id");
        let mut rows = Vec::new();
        let visit = &mut |row: &_| {
            rows.push(Child {
                id: D::int(row, 0)?.ok_or(sqlx::Error::RowNotFound)?,
                name: D::text(row, 1)?.unwrap_or_default(),
                value: D::text(row, 2)?,
                deleted: D::flag(row, 3)?.unwrap_or_default(),
                deleted_at: D::time(row, 4)?,
            });
            Ok(())
        };
        self.each_row("read what belongs to the image", self.deadline, query, visit).await?;
        Ok(rows)
    }
}

#[async_trait]
impl<D: Dialect> RestoreLedger for SqlCatalog<D>
where
    <D::Db as Database>::Arguments: Send,
{
    async fn restore(&self, change: &Restoration, now: DateTime<Utc>) -> Result<Restored, CatalogError> {
        retry_conflicts(|| self.try_restore(change, now)).await
    }
}

impl<D: Dialect> SqlCatalog<D>
where
    <D::Db as Database>::Arguments: Send,
{
    /// Claims first, then locations, image and the rest: the order in which scrubbers take their locks.
    async fn try_restore(&self, change: &Restoration, now: DateTime<Utc>) -> Result<Restored, CatalogError> {
        let mut transaction = self.begin().await?;
        if let Some(changed) = self.write_restore(&mut transaction, change, now).await? {
            within("roll back", self.deadline, transaction.rollback()).await?;
            return Ok(Restored::Changed(changed));
        }
        crash::point(Point::RestoreInTransaction);
        // Killed before this line: nothing is restored, and the claims lapse.
        within("commit", self.deadline, transaction.commit()).await?;
        crash::point(Point::RestoreAfterCommit);
        Ok(Restored::Done)
    }

    /// What somebody else has changed, where anything.
    async fn write_restore(
        &self,
        transaction: &mut Tx<D>,
        change: &Restoration,
        now: DateTime<Utc>,
    ) -> Result<Option<&'static str>, CatalogError> {
        if !self.settle_restore(transaction, change).await? {
            return Ok(Some("the claim on its locations"));
        }
        if self.restore_locations(transaction, change, now).await? != change.locations.len() as u64 {
            return Ok(Some("its locations"));
        }
        if self.restore_image(transaction, change, now).await? != 1 {
            return Ok(Some("its row in images"));
        }
        let children = [
            ("image_properties", &change.properties, "its properties"),
            ("image_tags", &change.tags, "its tags"),
            ("image_members", &change.members, "its members"),
        ];
        for (table, ids, what) in children {
            if self.restore_children(transaction, table, &change.image.id, ids, now).await? != ids.len() as u64 {
                return Ok(Some(what));
            }
        }
        Ok(None)
    }

    /// Releases the claims; false where one of them has been taken over. They are written and not only read, for
    /// Galera's sake: whoever takes one over at the same moment on another node fails, or we do.
    async fn settle_restore(&self, transaction: &mut Tx<D>, change: &Restoration) -> Result<bool, CatalogError> {
        let Some(settlement) = &change.settlement else { return Ok(true) };
        let kept: Vec<_> = settlement.kept.iter().map(|kept| kept.wanted.location).collect();
        let gone = self.delete_own_claims(transaction, &settlement.owner, &change.locations).await?;
        let ours = self.lock_own_claims(transaction, &settlement.owner, &kept).await?;
        self.release(transaction, settlement).await?;
        Ok(gone == change.locations.len() as u64 && ours.len() == kept.len())
    }

    async fn restore_locations(
        &self,
        transaction: &mut Tx<D>,
        change: &Restoration,
        now: DateTime<Utc>,
    ) -> Result<u64, CatalogError> {
        let mut update = QueryBuilder::new(
            "UPDATE image_locations SET status = 'active', deleted = false, deleted_at = NULL, updated_at = ",
        );
        D::bind_time(&mut update, now.naive_utc());
        update.push(" WHERE status = 'pending_delete' AND image_id = ");
        D::bind_text(&mut update, &change.image.id.0);
        update.push(" AND id IN (");
        push_ids::<D>(&mut update, &change.locations);
        update.push(")");
        within("restore locations", self.deadline, D::execute(&mut *transaction, update.build())).await
    }

    /// `deleted_at` is compared by the second, which MySQL has and SQLite's text can be compared with in any form.
    async fn restore_image(
        &self,
        transaction: &mut Tx<D>,
        change: &Restoration,
        now: DateTime<Utc>,
    ) -> Result<u64, CatalogError> {
        let ImageRow { id, status, deleted, deleted_at, .. } = &change.image;
        let Some(deleted_at) = deleted_at else { return Ok(0) };
        let mut update = QueryBuilder::new("UPDATE images SET status = ");
        D::bind_text(&mut update, change.status);
        update.push(", deleted = false, deleted_at = NULL, updated_at = ");
        D::bind_time(&mut update, now.naive_utc());
        update.push(" WHERE id = ");
        D::bind_text(&mut update, &id.0);
        update.push(" AND status = ");
        D::bind_text(&mut update, status);
        update.push(if *deleted { " AND deleted = true" } else { " AND deleted = false" });
        update.push(" AND deleted_at >= ");
        D::bind_second(&mut update, *deleted_at);
        update.push(" AND deleted_at < ");
        D::bind_second(&mut update, *deleted_at + TimeDelta::seconds(1));
        within("restore the image", self.deadline, D::execute(&mut *transaction, update.build())).await
    }

    async fn restore_children(
        &self,
        transaction: &mut Tx<D>,
        table: &str,
        image: &ImageId,
        ids: &[i64],
        now: DateTime<Utc>,
    ) -> Result<u64, CatalogError> {
        if ids.is_empty() {
            return Ok(0);
        }
        let mut update =
            QueryBuilder::new(format!("UPDATE {table} SET deleted = false, deleted_at = NULL, updated_at = "));
        D::bind_time(&mut update, now.naive_utc());
        update.push(" WHERE deleted = true AND image_id = ");
        D::bind_text(&mut update, &image.0);
        update.push(" AND id IN (");
        for (place, id) in ids.iter().enumerate() {
            if place > 0 {
                update.push(",");
            }
            D::bind_id(&mut update, *id);
        }
        update.push(")");
        within("restore what belongs to the image", self.deadline, D::execute(&mut *transaction, update.build())).await
    }
}
