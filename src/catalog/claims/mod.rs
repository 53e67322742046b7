//! Our own table, `scrubber_locations`: who works on a location, and how often it failed.
//!
//! Promises: [`Claims`] writes into our own tables only. What is decided there is decided by [`crate::claim`], on rows
//! that are locked until the transaction ends; on Galera, where another node's locks are not seen, every row that a
//! decision hangs on is also written, so that one of two transactions fails its certification and is repeated.
//! Times are the database's own. Fails with [`CatalogError`].

mod look;
mod open;
mod rows;
pub(super) mod schema;
mod settling;
mod sql;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};

pub use look::Table;
pub use open::{coordinate, coordinate_read_only};
pub(super) use rows::{clock_query, read_clock};

use super::{CatalogError, ImageId, LocationId};
use crate::claim::{Claim, Hold, Owner};

/// A location that is to be claimed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// Its primary key in `image_locations`.
    pub location: LocationId,
    /// Its image.
    pub image: ImageId,
}

/// What is known of a location that failed, as the table keeps it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FailedAttempt {
    /// How often its store was asked in vain, for this reason. 0 where the row alone told that it cannot be deleted.
    pub attempts: u32,
    /// The word of the reason, for example `in_use`.
    pub outcome: String,
    /// The store's words; no credential.
    pub error: Option<String>,
    /// The store that was asked.
    pub store: Option<String>,
    /// Since when it fails without a break, for whatever reasons; or since when it is in use, which is no failure.
    pub first: DateTime<Utc>,
    /// When it may be tried again. `None`: at any time.
    pub next: Option<DateTime<Utc>>,
}

/// A row of the table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClaimRow {
    /// Primary key.
    pub location: LocationId,
    /// Its image.
    pub image: ImageId,
    /// Who works on it, and until when it rests.
    pub hold: Hold,
    /// How it failed so far.
    pub failed: Option<FailedAttempt>,
}

/// What became of one [`Wanted`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Taken {
    /// It is claimed now; how it failed before.
    Granted(Option<FailedAttempt>),
    /// Somebody else works on it.
    Held(Claim),
    /// For a restore: nobody works on it, but a call that nobody waits for may still take effect until then.
    Rests(DateTime<Utc>),
    /// Its next try is still to come: another scrubber tried it since this cycle was planned.
    Waits(FailedAttempt),
}

/// What is written about locations when their claims are released.
#[derive(Debug, Clone)]
pub struct Settlement {
    /// Who holds the claims. Rows that are not the owner's any more are left as they are.
    pub owner: Owner,
    /// How long a claim lasts: what was not answered rests for as long.
    pub lease: Duration,
    /// Locations that stay pending.
    pub kept: Vec<KeptClaim>,
}

/// A location that was claimed and stays pending.
#[derive(Debug, Clone)]
pub struct KeptClaim {
    /// Which.
    pub wanted: Wanted,
    /// How it failed; `None` for one that was claimed and not tried, which keeps what was known of it.
    pub failed: Option<FailedAttempt>,
    /// Its store was called and gave no answer (`unavailable`), or works on (`deleting`): the data may still go, so it rests
    /// ([`crate::claim::release`]). Its row stays in the table until that is over.
    pub unanswered: bool,
}

/// The table of claims.
#[async_trait]
pub trait Claims: Send + Sync {
    /// Makes the table where there is none, and sees that it is one that this version knows.
    ///
    /// # Errors
    /// A table of a newer version, or no right to create one; and the database's.
    async fn prepare(&self) -> Result<(), CatalogError>;

    /// How the table stands, without making it. For a check.
    ///
    /// # Errors
    /// A table of a newer version; and the database's.
    async fn table(&self) -> Result<Table, CatalogError>;

    /// Claims what may be claimed, in one transaction, and says for each of `wanted`, in order, what became of it.
    /// [`crate::claim::may_take`] decides. With `retry` those that wait are claimed as well: for a restore.
    async fn take(
        &self,
        owner: &Owner,
        wanted: &[Wanted],
        lease: Duration,
        retry: bool,
    ) -> Result<Vec<Taken>, CatalogError>;

    /// Begins the leases of `locations` anew, and says which of them are still the owner's.
    async fn renew(
        &self,
        owner: &Owner,
        locations: &[LocationId],
        lease: Duration,
    ) -> Result<Vec<LocationId>, CatalogError>;

    /// Releases claims: forgets the `gone`, and writes down how the others failed. What is not the owner's any more is
    /// left as it is.
    async fn settle(&self, gone: &[LocationId], settlement: &Settlement) -> Result<(), CatalogError>;

    /// Writes down how locations failed that nobody had to claim for it, because their rows alone tell. What somebody
    /// works on is left as it is, until that claim has lapsed.
    async fn note(&self, failed: &[(Wanted, FailedAttempt)]) -> Result<(), CatalogError>;

    /// Streams every row of the table. Where there is no table: none. For a dry run, too.
    async fn rows(&self, visit: &mut (dyn for<'r> FnMut(ClaimRow) + Send)) -> Result<u64, CatalogError>;

    /// Rows of these images.
    async fn of_images(&self, images: &[ImageId]) -> Result<Vec<ClaimRow>, CatalogError>;

    /// Lets locations be tried at once: those of `images`, or all where none is named. Forgets how they failed, and
    /// leaves claims as they are: who has one writes down how it ended. Returns how many rows that were.
    async fn retry_now(&self, images: &[ImageId]) -> Result<u64, CatalogError>;

    /// Forgets rows of locations that are not pending any more, and that nobody works on: what a crash between two
    /// databases leaves, or somebody else's scrubber.
    async fn forget(&self, locations: &[LocationId]) -> Result<(), CatalogError>;
}

/// How scrubbers share their work: `[scrubber] coordination`.
#[derive(Clone)]
pub enum Coordination {
    /// `none`: one scrubber, or several that know nothing of each other. No trace in the database.
    Alone,
    /// `database`: by claims in Glance's own database, released in the transaction that records.
    Within(Arc<dyn Claims>),
    /// `database` with `state_connection`: by claims in another one. Recorded first, released after.
    Beside(Arc<dyn Claims>),
}

impl Coordination {
    /// The claims, where there are any.
    pub fn claims(&self) -> Option<&Arc<dyn Claims>> {
        match self {
            Self::Alone => None,
            Self::Within(claims) | Self::Beside(claims) => Some(claims),
        }
    }
}
