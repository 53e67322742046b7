//! What the table says, for who may only look.
//!
//! Promises: the verdict on what failed before is [`Memory`]'s, filled from the table a page at a time, so that a dry run
//! and a cycle cannot disagree, and memory does not grow with the table.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use chrono::{DateTime, Utc};

use super::known;
use super::memory::Memory;
use super::plan::{self, Keep, Reason};
use super::skew::Skew;
use crate::catalog::{BrokenRow, CatalogError, ClaimRow, Claims, FailedAttempt, ImageId, LocationId, LocationRow};
use crate::claim::{Owner, Party, may_take};

/// The table, and all that its rows are judged by.
pub struct LookUp<'a> {
    /// The table.
    pub claims: &'a dyn Claims,
    /// By the host's clock.
    pub now: DateTime<Utc>,
    /// How that stands to the database's.
    pub skew: Skew,
    /// `[scrubber] claim_lease`.
    pub lease: Duration,
    /// `[scrubber] give_up_after`.
    pub give_up_after: Option<Duration>,
}

/// What the table says of some locations.
#[derive(Default)]
pub(super) struct Page {
    pub memory: Memory,
    rows: HashMap<LocationId, ClaimRow>,
    claimed: HashMap<LocationId, Keep>,
}

impl LookUp<'_> {
    /// All of it, as a cycle remembers it.
    ///
    /// # Errors
    /// The database's.
    pub async fn all(&self) -> Result<Memory, CatalogError> {
        let memory = self.memory();
        known::read(self.claims, &memory, false).await?;
        Ok(memory)
    }

    /// What it says of a page of rows.
    pub(super) async fn page(&self, page: &[Result<LocationRow, BrokenRow>]) -> Result<Page, CatalogError> {
        let images: HashSet<&ImageId> = page.iter().filter_map(|row| plan::ids(row).1).collect();
        let images: Vec<_> = images.into_iter().cloned().collect();
        let rows = if images.is_empty() { Vec::new() } else { self.claims.of_images(&images).await? };
        let memory = self.memory();
        memory.adopt();
        for row in &rows {
            memory.adopt_row(row, false);
        }
        let claimed = rows.iter().filter_map(|row| Some((row.location, self.claimed(row)?))).collect();
        Ok(Page { memory, rows: rows.into_iter().map(|row| (row.location, row)).collect(), claimed })
    }

    fn memory(&self) -> Memory {
        let memory = Memory::default();
        memory.note_skew(self.skew);
        memory.begin(self.now, self.give_up_after);
        memory
    }

    /// Why a scrubber would leave it to another one, or to a restore, at this moment.
    fn claimed(&self, row: &ClaimRow) -> Option<Keep> {
        let database = self.now.checked_sub_signed(self.skew.ahead()).unwrap_or(self.now);
        let claim = row.hold.claim.as_ref()?;
        if may_take(&row.hold, &Owner::new(Party::Scrubber), database, self.lease) {
            return None;
        }
        let detail = format!("claimed by {}, until {} unless renewed", claim.owner.shown(), plan::shown(claim.until));
        Some(Keep { reason: Reason::Claimed, detail: Some(detail) })
    }
}

impl Page {
    /// How a location failed, where it did.
    pub(super) fn failed(&self, location: LocationId) -> Option<&FailedAttempt> {
        self.rows.get(&location)?.failed.as_ref()
    }

    /// Why another one has it.
    pub(super) fn claimed(&self, location: LocationId) -> Option<Keep> {
        self.claimed.get(&location).cloned()
    }
}
