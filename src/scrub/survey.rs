//! The first half of a cycle: what is due, what else points to it, and what would stay. Reads only.
//!
//! Promises: memory is 8 bytes for each due location in each of the list, the lanes and the hashes, and a page of
//! rows; nothing is deleted. A row that fails is kept and counted; only the database can fail the whole.

use super::backlog::{self, Bands};
use super::known::Notes;
use super::memory::Memory;
use super::observer::{Ended, SettledLocation};
use super::plan::{self, Decision, Keep, Policy, Reason};
use super::report::{CycleReport, Example, Kept, Tally};
use super::retry::{self, Standing};
use super::shared::{DueData, SharedData};
use crate::catalog::{
    BrokenRow, Catalog, CatalogError, Census, Claims, ImageId, LivingRow, LocationId, LocationRow, Scan, Scope,
};
use crate::config::StoreId;
use crate::store::Stores;

/// Rows read in one statement.
pub(super) const PAGE: usize = 500;

/// `[scrubber] max_images_per_cycle` and `max_bytes_per_cycle`.
#[derive(Debug, Clone, Copy, Default)]
pub struct Limits {
    /// Images.
    pub images: Option<u64>,
    /// Bytes. The oldest image goes in any case: else one that is larger would stay for ever.
    pub bytes: Option<u64>,
}

/// What a cycle would do.
pub struct Plan {
    /// For each store, in [`Stores::all`]'s order: its due locations, oldest deletion first.
    pub lanes: Vec<Vec<LocationId>>,
    /// Images that only need to be recorded.
    pub finishable: Vec<ImageId>,
    /// What is due and must stay because it is shared.
    pub shared: SharedData,
    /// What is due to be deleted, the shared data not yet taken off.
    pub due: Tally,
    /// Images that `due` belongs to.
    pub due_images: u64,
    /// The same without the limits: a mass deletion must not hide behind `max_images_per_cycle`.
    pub due_images_unlimited: u64,
    /// What stays, by store and reason.
    pub kept: Kept,
    /// Locations compared by the shared check.
    pub living: u64,
    /// Living locations whose data the shared check could not find out.
    pub living_unreadable: u64,
    /// Due locations by age, with those that stay.
    pub ages: Bands,
}

/// Somebody who wants to hear of each location that stays: all of them so far, and the one.
pub type Notice<'a> = &'a mut (dyn FnMut(&Kept, &SettledLocation<'_>) + Send);

/// Surveys what is due. With nothing due, this is one statement. What `memory` says is not to be tried yet stays. What
/// stays for a new reason that no store was asked for is written down in `claims`, where there are any.
///
/// # Errors
/// The database's.
pub async fn survey(
    catalog: &dyn Catalog,
    policy: &Policy<'_>,
    limits: Limits,
    memory: &Memory,
    claims: Option<&dyn Claims>,
    notice: Notice<'_>,
) -> Result<Plan, CatalogError> {
    let Scan { locations, finishable } = catalog.scan(Scope::Due(policy.horizon)).await?;
    memory.scanned(&locations);
    // Where all wait, no store is spoken to.
    if memory.lets_any(&locations) {
        policy.stores.prepare_not_paused().await;
    }
    let mut survey = Survey::new(policy.stores, limits, memory, claims);
    for page in locations.chunks(PAGE) {
        for row in catalog.locations(page).await? {
            survey.see(&row, policy, notice);
        }
        survey.notes.write().await?;
    }
    // The lanes have it all; a million ids are 8 MB that the shared check can use.
    drop(locations);
    memory.forget_unseen();
    let mut living = survey.due_data.seal();
    if survey.due.locations > 0 {
        let see = &mut |row: LivingRow| living.see(&row, policy.keys, policy.stores);
        catalog.living(policy.horizon, see).await?;
    }
    let (seen, unreadable) = (living.seen, living.unreadable);
    Ok(Plan {
        lanes: survey.lanes,
        finishable,
        shared: living.settle(policy.stores),
        due: survey.due,
        due_images: survey.budget.images,
        due_images_unlimited: survey.budget.seen,
        kept: survey.kept,
        living: seen,
        living_unreadable: unreadable,
        ages: survey.ages,
    })
}

impl Plan {
    /// Counts images for the guards; with nothing due there is nothing to guard, and no need to count.
    ///
    /// # Errors
    /// The database's.
    pub async fn census(&self, catalog: &dyn Catalog) -> Result<Census, CatalogError> {
        if self.due_images_unlimited == 0 {
            return Ok(Census { living: 0 });
        }
        catalog.census().await
    }

    /// Writes down what was planned.
    pub(super) fn describe(&self, report: &mut CycleReport) {
        report.planned = self.due;
        report.planned_images = self.due_images;
        report.kept = self.kept.clone();
        report.living = self.living;
        report.living_unreadable = self.living_unreadable;
        if self.living_unreadable > 0 {
            tracing::warn!(
                "What {} locations of living images point to is unknown, and so whether they share data with what is \
                 due: they cannot be decrypted (see metadata_encryption_key), or lie in a cluster that does not answer",
                self.living_unreadable
            );
        }
    }
}

/// Tells the stores which data must be there, without a plan: for a look at them that a cycle's survey does not precede.
///
/// # Errors
/// The database's.
pub async fn acquaint(catalog: &dyn Catalog, policy: &Policy<'_>) -> Result<(), CatalogError> {
    policy.stores.prepare().await;
    let mut living = DueData::default().seal();
    catalog.living(policy.horizon, &mut |row: LivingRow| living.see(&row, policy.keys, policy.stores)).await?;
    living.settle(policy.stores);
    Ok(())
}

/// The plan as it grows, row by row.
struct Survey<'a> {
    memory: &'a Memory,
    notes: Notes<'a>,
    lanes: Vec<Vec<LocationId>>,
    due: Tally,
    budget: Budget,
    kept: Kept,
    due_data: DueData,
    ages: Bands,
}

impl<'a> Survey<'a> {
    fn new(stores: &Stores, limits: Limits, memory: &'a Memory, claims: Option<&'a dyn Claims>) -> Self {
        Self {
            memory,
            notes: Notes::new(claims, memory),
            lanes: stores.all().iter().map(|_| Vec::new()).collect(),
            due: Tally::default(),
            budget: Budget::new(limits),
            kept: Kept::default(),
            due_data: DueData::default(),
            ages: Bands::default(),
        }
    }

    fn see(&mut self, row: &Result<LocationRow, BrokenRow>, policy: &Policy<'_>, notice: Notice<'_>) {
        let (due_at, at) = (plan::due_at(row, policy.horizon), plan::began(policy.horizon));
        if let Some(from) = row.as_ref().ok().and_then(plan::due_from).map(|from| from.and_utc())
            && due_at.is_some_and(|due| due <= at)
        {
            self.ages[backlog::band(from, at)] += 1;
        }
        if let Some((keep, store, standing)) = self.judge(row, policy) {
            let (example, bytes) = (Example::of(row), plan::bytes(row));
            let (which, store, end) = (&example, store.as_ref(), Ended::Kept(&keep));
            self.kept.add(store, &keep, bytes, which, standing);
            notice(&self.kept, &SettledLocation { which, store, bytes, due_at, at, end, standing });
        }
    }

    /// Puts a row into its lane, or says why it stays.
    fn judge(
        &mut self,
        row: &Result<LocationRow, BrokenRow>,
        policy: &Policy<'_>,
    ) -> Option<(Keep, Option<StoreId>, Standing)> {
        let ((location, image), bytes) = (plan::ids(row), plan::bytes(row));
        if let Some(store) = plan::paused(row, policy) {
            self.memory.stays(location);
            return Some((Keep::plain(Reason::Paused), Some(policy.stores.all()[store].id().clone()), Standing::New));
        }
        let untried = self.memory.see(location, image);
        // What has changed so that it is not due any more is told as what it is.
        if let Some(untried) = untried.filter(|_| plan::is_due(row, policy.horizon)) {
            self.budget.see(image);
            if untried.standing == Standing::New {
                self.notes.add(location, image, None);
            }
            return Some((untried.keep, untried.store.map(|store| StoreId::clone(&store)), untried.standing));
        }
        let store_id = |store: usize| policy.stores.all()[store].id();
        let resolved = match plan::decide(row, policy) {
            Decision::Delete(resolved) => resolved,
            Decision::Keep(keep, store) => {
                let words = keep.detail.clone();
                let (keep, standing) = self.memory.kept_unasked(location, keep);
                if standing == Standing::New && retry::is_remembered(keep.reason) {
                    self.notes.add(location, image, words.as_deref());
                }
                return Some((keep, store.map(store_id).cloned(), standing));
            }
        };
        let store = store_id(resolved.store);
        if let Some(keep) = self.memory.leave_alone(store, &resolved.target.container) {
            self.budget.see(image);
            return Some((keep, Some(store.clone()), Standing::Waiting));
        }
        if !self.budget.admits(image, bytes) {
            return Some((Keep::plain(Reason::Limit), Some(store.clone()), Standing::New));
        }
        self.lanes[resolved.store].push(location);
        self.due.add(bytes);
        self.due_data.add(&resolved.target);
        None
    }
}

/// How much of [`Limits`] is left. Counts images by looking at the row before: a scan brings an image's rows together.
pub(super) struct Budget {
    limits: Limits,
    /// Images admitted.
    images: u64,
    /// Images seen.
    seen: u64,
    bytes: u64,
    image: Option<ImageId>,
    /// Whether `image` was weighed against the limits.
    weighed: bool,
    exhausted: bool,
}

impl Budget {
    pub(super) fn new(limits: Limits) -> Self {
        Self { limits, images: 0, seen: 0, bytes: 0, image: None, weighed: false, exhausted: false }
    }

    /// Counts a location's image, without any claim on the limits: it is due, but is not tried in this cycle.
    pub(super) fn see(&mut self, image: Option<&ImageId>) {
        if self.image.is_none() || self.image.as_ref() != image {
            self.seen += 1;
            self.weighed = false;
            self.image = image.cloned();
        }
    }

    /// Whether a location still fits; whole images only, so that none is left half scrubbed.
    pub(super) fn admits(&mut self, image: Option<&ImageId>, bytes: u64) -> bool {
        self.see(image);
        if !self.weighed {
            self.weighed = true;
            let more_images = self.limits.images.is_none_or(|limit| self.images < limit);
            let more_bytes = self.limits.bytes.is_none_or(|limit| self.bytes.saturating_add(bytes) <= limit);
            // Once reached it stays reached: a small image must not overtake a large one that has waited longer.
            self.exhausted |= !(more_images && (more_bytes || self.images == 0));
            self.images += u64::from(!self.exhausted);
        }
        if !self.exhausted {
            self.bytes = self.bytes.saturating_add(bytes);
        }
        !self.exhausted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn admitted(limits: Limits, rows: &[(&str, u64)]) -> Vec<bool> {
        let mut budget = Budget::new(limits);
        rows.iter().map(|(image, bytes)| budget.admits(Some(&ImageId((*image).to_owned())), *bytes)).collect()
    }

    #[test]
    fn images_are_admitted_whole_or_not_at_all() {
        let limits = Limits { images: Some(2), bytes: None };
        let rows = [("a", 1), ("a", 1), ("b", 1), ("b", 1), ("c", 1), ("c", 1)];
        assert_eq!(admitted(limits, &rows), [true, true, true, true, false, false]);
    }

    #[test]
    fn bytes_stop_at_the_limit_and_nothing_overtakes() {
        let limits = Limits { images: None, bytes: Some(10) };
        assert_eq!(admitted(limits, &[("a", 6), ("b", 5), ("c", 1)]), [true, false, false]);
        assert_eq!(admitted(limits, &[("a", 6), ("b", 4), ("c", 1)]), [true, true, false]);
    }

    #[test]
    fn the_oldest_image_goes_in_any_case() {
        let limits = Limits { images: None, bytes: Some(10) };
        assert_eq!(admitted(limits, &[("large", 999), ("large", 999), ("b", 0)]), [true, true, false]);
    }

    #[test]
    fn what_waits_is_counted_and_takes_nothing_from_the_limits() {
        let id = |name: &str| Some(ImageId(name.to_owned()));
        let mut budget = Budget::new(Limits { images: Some(1), bytes: Some(10) });
        ["a", "a", "b"].iter().for_each(|image| budget.see(id(image).as_ref()));
        assert!(budget.admits(id("b").as_ref(), 10), "another location of it is tried");
        budget.see(id("b").as_ref());
        assert!(!budget.admits(id("c").as_ref(), 0));
        assert_eq!((budget.seen, budget.images), (3, 1));
    }

    #[test]
    fn zero_images_means_none() {
        assert_eq!(admitted(Limits { images: Some(0), bytes: None }, &[("a", 1)]), [false]);
    }
}
