//! Glance's database: what is pending, what is due, what still lives; and the record of what was deleted.
//!
//! Promises: [`Catalog`] only reads, and a connection opened for it is read-only at the server too. [`Ledger`] writes
//! two columns sets, both conditional on `status = 'pending_delete'`, so that nothing recorded by another is
//! overwritten; Glance's tables are never changed, and [`Claims`] has its own. One row that cannot be decoded is a [`BrokenRow`], never the end of a page.
//! Fails with [`CatalogError`], which knows whether trying again helps.
//! Rejected: sqlx's `Any` driver (no date types), and an ORM (the statements are few, and each is meant).

mod claims;
mod connect;
mod dialect;
mod error;
mod ledger;
mod restore;
mod rows;
mod sql;

use std::sync::Arc;

use async_trait::async_trait;
use chrono::{DateTime, Utc};

pub use claims::{
    ClaimRow, Claims, Coordination, FailedAttempt, KeptClaim, Settlement, Table, Taken, Wanted, coordinate,
    coordinate_read_only,
};
pub use connect::{open, open_read_only, open_to_restore, open_to_show};
pub use error::CatalogError;
pub use restore::{Child, ImageRows, Restoration, RestoreLedger, Restored, WholeImages};
pub use rows::{BrokenRow, ImageRow, LivingRow, LocationRow, StoredValue};
pub use sql::SCAN_DEADLINES;

/// `images.id` as the row has it (case kept; MySQL compares it without).
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize)]
#[serde(transparent)]
pub struct ImageId(pub String);

impl ImageId {
    /// Of a row whose image cannot be read.
    pub(crate) const fn unknown() -> Self {
        Self(String::new())
    }
}

/// `image_locations.id`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize)]
#[serde(transparent)]
pub struct LocationId(pub i64);

impl std::fmt::Display for ImageId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::fmt::Display for LocationId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

/// The two instants that decide whether a deletion time is due.
#[derive(Debug, Clone, Copy)]
pub struct Horizon {
    /// Due is what was deleted in this second or before it (whole seconds, as Glance's own scrubber floors them).
    pub due: DateTime<Utc>,
    /// What claims to be deleted after this is a clock that runs ahead, and is reported.
    pub skew: DateTime<Utc>,
}

/// Which pending rows a scan brings.
#[derive(Debug, Clone, Copy)]
pub enum Scope {
    /// What a cycle works on: due rows, and those whose deletion time lies in the future.
    Due(Horizon),
    /// Everything that is pending, for an audit.
    Pending,
}

/// What a scan found, oldest deletion first. Eight bytes a location, so that a million of them cost 8 MB.
#[derive(Debug, Default)]
pub struct Scan {
    /// Pending locations.
    pub locations: Vec<LocationId>,
    /// Pending images that have no pending location left: whoever scrubbed them crashed before saying so.
    pub finishable: Vec<ImageId>,
}

/// How many images there are, for the guards.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Census {
    /// Images that are not deleted.
    pub living: u64,
}

/// The read side. All that a dry run gets.
#[async_trait]
pub trait Catalog: Send + Sync {
    /// The ids of pending locations, in one statement.
    async fn scan(&self, scope: Scope) -> Result<Scan, CatalogError>;

    /// Rows by primary key, with their image's row. Ids that are gone are left out; the order is `ids`' order.
    async fn locations(&self, ids: &[LocationId]) -> Result<Vec<Result<LocationRow, BrokenRow>>, CatalogError>;

    /// Image rows by id, for a listing; with each, whether a location of it is not `deleted`.
    async fn images(&self, ids: &[ImageId]) -> Result<Vec<(ImageRow, bool)>, CatalogError>;

    /// Streams every location that must keep its data: all that is neither deleted nor due within `horizon`.
    /// Returns how many there were.
    async fn living(
        &self,
        horizon: Horizon,
        visit: &mut (dyn for<'r> FnMut(LivingRow) + Send),
    ) -> Result<u64, CatalogError>;

    /// The database's clock, in UTC, to the millisecond.
    async fn clock(&self) -> Result<DateTime<Utc>, CatalogError>;

    /// Counts images.
    async fn census(&self) -> Result<Census, CatalogError>;

    /// Counts pending locations whose grace period is not over, by when they were deleted: after the first of `limits`
    /// or at it, between it and the second, …, and before the last. `limits` go from late to early; there is at least one.
    async fn waiting(&self, horizon: Horizon, limits: &[DateTime<Utc>]) -> Result<Vec<u64>, CatalogError>;
}

/// What one batch of a lane's work ended in, to be recorded in one transaction.
#[derive(Debug, Default, Clone)]
pub struct Batch {
    /// Locations whose data is proven gone.
    pub gone: Vec<LocationId>,
    /// Images to finish where nothing of them is left: those of `gone`, and those found without a pending location.
    pub images: Vec<ImageId>,
    /// Claims in the same database that the transaction releases. What is not its owner's any more is not recorded.
    pub settlement: Option<Settlement>,
}

/// What a batch's transaction did.
#[derive(Debug, Default)]
pub struct Recorded {
    /// Locations of the batch that are `deleted` now, by us.
    pub locations: u64,
    /// Locations that had been changed by somebody else in the meantime, with the status found. Their data is gone.
    pub overtaken: Vec<(LocationId, String)>,
    /// Locations of the batch that were not recorded because their claim had been taken over: whoever has it now finds
    /// their data `absent`.
    pub lost: Vec<LocationId>,
    /// Images that became `deleted` with this batch.
    pub finished: Vec<ImageId>,
}

/// The write side.
#[async_trait]
pub trait Ledger: Catalog {
    /// Releases the batch's claims, marks locations, then the images of which nothing is left, `deleted`. One
    /// transaction; repeated by itself after a deadlock. Doing it twice is harmless.
    async fn record(&self, batch: &Batch, now: DateTime<Utc>) -> Result<Recorded, CatalogError>;

    /// Does what [`Ledger::record`] does with a location and takes it back: whether deletions can be recorded at all,
    /// to be asked before the first one. A missing grant, a read-only server or file is found out in no other way on
    /// all databases.
    async fn rehearse(&self, location: LocationId, now: DateTime<Utc>) -> Result<(), CatalogError>;

    /// The same connection seen as the read side.
    fn reader(self: Arc<Self>) -> Arc<dyn Catalog>;

    /// The same connection seen as the table of claims, where it can keep one.
    fn claims(self: Arc<Self>) -> Option<Arc<dyn Claims>> {
        None
    }
}
