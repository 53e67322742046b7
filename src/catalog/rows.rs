//! Rows as they really occur: with NULLs, with text that is no text, with times that are none.
//!
//! A column that deletion depends on and that cannot be read makes the row a [`BrokenRow`]; one that only describes
//! the image (its name, its owner) is shown as absent.

use chrono::NaiveDateTime;
use sqlx::Database;

use super::dialect::Dialect;
use super::{ImageId, LocationId};

/// `image_locations.value` as stored: a URI with credentials, or a token. Not shown by `Debug`.
pub struct StoredValue(String);

impl StoredValue {
    /// Wraps what a row holds.
    pub fn new(value: String) -> Self {
        Self(value)
    }

    /// The text itself, for `location::open` alone.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for StoredValue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("StoredValue(…)")
    }
}

impl Drop for StoredValue {
    fn drop(&mut self) {
        zeroize::Zeroize::zeroize(&mut self.0);
    }
}

/// A location's row and its image's.
#[derive(Debug)]
pub struct LocationRow {
    /// Primary key.
    pub id: LocationId,
    /// The image it belongs to, as this row spells it.
    pub image_id: ImageId,
    /// The URI or token.
    pub value: StoredValue,
    /// JSON text; NULL and broken text occur.
    pub meta_data: Option<String>,
    /// `active`, `pending_delete`, `deleted`, …
    pub status: String,
    /// When this location was deleted. Naive UTC.
    pub deleted_at: Option<NaiveDateTime>,
    /// Its image, unless the row has gone.
    pub image: Option<ImageRow>,
}

/// What we read of an image.
#[derive(Debug, Clone)]
pub struct ImageRow {
    /// Primary key.
    pub id: ImageId,
    /// For people.
    pub name: Option<String>,
    /// Project id, for people.
    pub owner: Option<String>,
    /// Bytes, where Glance knows.
    pub size: Option<u64>,
    /// `active`, `pending_delete`, …
    pub status: String,
    /// The soft-delete flag.
    pub deleted: bool,
    /// When the image was deleted. Naive UTC.
    pub deleted_at: Option<NaiveDateTime>,
}

/// A location that must keep its data.
#[derive(Debug)]
pub struct LivingRow {
    /// Primary key, where readable.
    pub id: LocationId,
    /// Its image.
    pub image_id: ImageId,
    /// The URI or token; `None` where the column cannot be read.
    pub value: Option<StoredValue>,
    /// JSON text.
    pub meta_data: Option<String>,
}

/// A row that cannot be acted upon. It is kept, and says why.
#[derive(Debug, Clone, thiserror::Error)]
#[error("column {column} of location {location} cannot be read: {reason}")]
pub struct BrokenRow {
    /// Its primary key.
    pub location: LocationId,
    /// Its image, where at least that could be read.
    pub image_id: Option<ImageId>,
    /// The first column that failed.
    pub column: &'static str,
    /// The driver's words; never the value.
    pub reason: String,
}

/// The columns that [`location_row`] expects, in its order.
pub(super) fn location_columns<D: Dialect>() -> String {
    format!(
        "{id}, l.image_id, l.value, l.meta_data, l.status, l.deleted_at, \
         i.id, i.name, i.owner, i.size, i.status, i.deleted, i.deleted_at",
        id = D::LOCATION_ID
    )
}

type Row<D> = <<D as Dialect>::Db as Database>::Row;

/// Decodes one row of [`location_columns`].
pub(super) fn location_row<D: Dialect>(row: &Row<D>) -> Result<Result<LocationRow, BrokenRow>, sqlx::Error> {
    let id = LocationId(D::int(row, 0)?.ok_or(sqlx::Error::RowNotFound)?);
    let image_id = D::text(row, 1).ok().flatten().map(ImageId);
    let broken = |column, reason: String| BrokenRow { location: id, image_id: image_id.clone(), column, reason };
    let needed = |column: &'static str, cell: sqlx::Result<Option<String>>| match cell {
        Ok(Some(text)) => Ok(text),
        Ok(None) => Err(broken(column, "it is NULL".to_owned())),
        Err(error) => Err(broken(column, decode_reason(&error))),
    };
    let read = || {
        Ok(LocationRow {
            id,
            image_id: ImageId(needed("image_id", D::text(row, 1))?),
            value: StoredValue::new(needed("value", D::text(row, 2))?),
            // Only multi-store routing looks at it, and that can do without.
            meta_data: D::text(row, 3).unwrap_or_default(),
            status: needed("status", D::text(row, 4))?,
            deleted_at: D::time(row, 5).map_err(|error| broken("deleted_at", decode_reason(&error)))?,
            image: image_row::<D>(row, 6).map_err(|(column, error)| broken(column, decode_reason(&error)))?,
        })
    };
    Ok(read())
}

/// Decodes `id, name, owner, size, status, deleted, deleted_at` from column `first` on; `None` for an outer join's
/// missing side.
pub(super) fn image_row<D: Dialect>(
    row: &Row<D>,
    first: usize,
) -> Result<Option<ImageRow>, (&'static str, sqlx::Error)> {
    let Some(id) = D::text(row, first).map_err(|error| ("images.id", error))? else { return Ok(None) };
    let missing = |column| (column, sqlx::Error::RowNotFound);
    Ok(Some(ImageRow {
        id: ImageId(id),
        name: D::text(row, first + 1).unwrap_or_default(),
        owner: D::text(row, first + 2).unwrap_or_default(),
        size: D::int(row, first + 3).unwrap_or_default().and_then(|size| u64::try_from(size).ok()),
        status: D::text(row, first + 4)
            .map_err(|error| ("images.status", error))?
            .ok_or_else(|| missing("images.status"))?,
        deleted: D::flag(row, first + 5)
            .map_err(|error| ("images.deleted", error))?
            .ok_or_else(|| missing("images.deleted"))?,
        deleted_at: D::time(row, first + 6).map_err(|error| ("images.deleted_at", error))?,
    }))
}

/// Decodes `id, image_id, value, meta_data`.
pub(super) fn living_row<D: Dialect>(row: &Row<D>) -> Result<LivingRow, sqlx::Error> {
    Ok(LivingRow {
        id: LocationId(D::int(row, 0)?.ok_or(sqlx::Error::RowNotFound)?),
        image_id: ImageId(D::text(row, 1).ok().flatten().unwrap_or_default()),
        value: D::text(row, 2).ok().flatten().map(StoredValue::new),
        meta_data: D::text(row, 3).ok().flatten(),
    })
}

/// A decoding error without the value that failed to decode (it may be a URI with a password).
fn decode_reason(error: &sqlx::Error) -> String {
    match error {
        sqlx::Error::ColumnDecode { .. } => "it does not hold what its type says".to_owned(),
        sqlx::Error::RowNotFound => "it is NULL".to_owned(),
        other => super::error::describe(other),
    }
}
