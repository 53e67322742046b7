//! A look at the whole plan before the first delete.
//!
//! Promises: [`Approval`] is made here and nowhere else, from a plan that no guard refused and from a [`Ledger`], which
//! a dry run does not have. [`Approved`] targets are made by an approval from a freshly read row and from nothing
//! else, and they are all that a store deletes. Fails by [`Refusal`], which is a value with its numbers, not a log
//! line. Rejected: a `dry_run: bool` passed down (one forgotten `if` deletes).

use std::path::PathBuf;
use std::sync::Arc;

use super::plan::{self, Decision, Keep, Policy, Reason};
use super::pulse::Pulse;
use super::shared::SharedData;
use super::survey::Plan;
use crate::catalog::{BrokenRow, Census, ImageId, ImageRow, Ledger, LocationId, LocationRow};
use crate::claim::Tenure;
use crate::location::Location;
use crate::store::{Outcome, Target, TrashItem};

/// What the whole plan is held against.
#[derive(Debug, Clone, Copy, Default)]
pub struct Guards {
    /// `[scrubber] max_percent_of_images`.
    pub max_percent: Option<u8>,
    /// `--allow-empty`: go on although no living image is to be seen.
    pub allow_empty: bool,
}

/// Why nothing at all is deleted in this cycle.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// A database without one living image is rather the wrong or a damaged one.
    #[error(
        "{images} images are due, but the database shows no image that is not deleted; \
         if it is the right database, run once with --allow-empty"
    )]
    NothingLives {
        /// Images that would have gone.
        images: u64,
    },
    /// More than the operator thinks plausible.
    #[error(
        "{images} images are due, {percent} % of the {all} that there are, and [scrubber] max_percent_of_images is {max}; \
         look at --dry-run, then raise it"
    )]
    TooMany {
        /// Images that would have gone.
        images: u64,
        /// Images that are not deleted, and the due ones.
        all: u64,
        /// Their share.
        percent: u64,
        /// The limit.
        max: u8,
    },
    /// Without claims, a cycle and a restore keep apart by a lock of the host.
    #[error(
        "a restore on this host has locked {} for more than {seconds} s; the next cycle tries again", .path.display()
    )]
    Restoring {
        /// The lock file.
        path: PathBuf,
        /// How long the cycle has waited.
        seconds: u64,
    },
}

/// Holds a plan against the guards. Pure.
///
/// # Errors
/// The first guard that refuses.
pub fn judge(plan: &Plan, census: Census, guards: Guards) -> Result<(), Refusal> {
    let images = plan.due_images_unlimited;
    if images == 0 {
        return Ok(());
    }
    if census.living == 0 && !guards.allow_empty {
        return Err(Refusal::NothingLives { images });
    }
    let all = census.living.saturating_add(images);
    // In u128, so that no count can overflow.
    let over = |max: u8| u128::from(images) * 100 > u128::from(all) * u128::from(max);
    match guards.max_percent.filter(|max| over(*max)) {
        Some(max) => Err(Refusal::TooMany { images, all, percent: images.saturating_mul(100).div_ceil(all), max }),
        None => Ok(()),
    }
}

/// Leave to delete what one plan names.
pub struct Approval {
    shared: SharedData,
    _made_here: (),
}

/// The plan's parts that go on with an approval.
pub struct ApprovedPlan {
    /// The leave.
    pub approval: Approval,
    /// See [`Plan::lanes`].
    pub lanes: Vec<Vec<LocationId>>,
    /// See [`Plan::finishable`].
    pub finishable: Vec<ImageId>,
}

/// Holds a plan against the guards and turns it into an approval. The ledger is the proof that this is no dry run.
///
/// # Errors
/// The first guard that refuses.
pub fn approve(
    plan: Plan,
    census: Census,
    guards: Guards,
    _not_a_dry_run: &Arc<dyn Ledger>,
) -> Result<ApprovedPlan, Refusal> {
    judge(&plan, census, guards)?;
    let approval = Approval { shared: plan.shared, _made_here: () };
    Ok(ApprovedPlan { approval, lanes: plan.lanes, finishable: plan.finishable })
}

impl Approval {
    /// The fresh look: decides again on a row that was read just now.
    ///
    /// # Errors
    /// Why the location is kept after all.
    pub fn examine(
        &self,
        row: &Result<LocationRow, BrokenRow>,
        policy: &Policy<'_>,
        lane: usize,
    ) -> Result<Approved, Keep> {
        let resolved = match plan::decide(row, policy) {
            Decision::Keep(keep, _) => return Err(keep),
            Decision::Delete(resolved) => resolved,
        };
        if resolved.store != lane {
            return Err(Keep {
                reason: Reason::Changed,
                detail: Some("its store was changed in the meantime".to_owned()),
            });
        }
        if self.shared.contains(&resolved.target) {
            let detail = "another location that must keep its data points to the same; look for it before you force it";
            return Err(Keep { reason: Reason::Outcome(Outcome::Shared), detail: Some(detail.to_owned()) });
        }
        Ok(Approved {
            image: resolved.image,
            location: resolved.location,
            target: resolved.target,
            pulse: Pulse::default(),
            tenure: Tenure::default(),
        })
    }

    /// Releases what lies in a backend's trash under the name of an image, which was read just now: only where Glance has
    /// that image as `deleted`, every location of it too, and no location that must keep its data points to it.
    pub(super) fn release(
        &self,
        item: TrashItem,
        image: &ImageRow,
        lives: bool,
        needed: &SharedData,
    ) -> Option<Reclaimable> {
        let is_gone = image.status == "deleted" && image.deleted && !lives;
        // Databases may compare ids without case.
        let is_it = image.id.0 == item.name;
        (is_gone && is_it && !needed.contains_identity(&item.identity))
            .then(|| Reclaimable { item, pulse: Pulse::default() })
    }
}

/// Something in a backend's trash that a store may free.
#[derive(Debug)]
pub struct Reclaimable {
    item: TrashItem,
    pulse: Pulse,
}

impl Reclaimable {
    /// What it is.
    pub fn item(&self) -> &TrashItem {
        &self.item
    }

    /// Where a store that takes its time tells how far it is.
    pub fn pulse(&self) -> &Pulse {
        &self.pulse
    }

    pub(super) fn watched(self, pulse: Pulse) -> Self {
        Self { pulse, ..self }
    }
}

/// One location that a store may delete, made from a row that was looked at afresh.
#[derive(Debug)]
pub struct Approved {
    image: ImageId,
    location: Location,
    target: Target,
    pulse: Pulse,
    tenure: Tenure,
}

impl Approved {
    /// The image that it belongs to, as the row has it.
    pub fn image(&self) -> &ImageId {
        &self.image
    }

    /// The decrypted location.
    pub fn location(&self) -> &Location {
        &self.location
    }

    /// What it means to its store.
    pub fn target(&self) -> &Target {
        &self.target
    }

    /// Where a store that takes its time tells how far it is.
    pub fn pulse(&self) -> &Pulse {
        &self.pulse
    }

    /// For how long its claim is ours. A store asks this just before each step that takes something away.
    pub fn tenure(&self) -> &Tenure {
        &self.tenure
    }

    pub(super) fn watched(self, pulse: Pulse) -> Self {
        Self { pulse, ..self }
    }

    pub(super) fn under(self, tenure: Tenure) -> Self {
        Self { tenure, ..self }
    }
}

#[cfg(test)]
mod tests {
    use super::super::report::{Kept, Tally};
    use super::super::shared::DueData;
    use super::*;
    use crate::store::Stores;

    fn refusal(due_images: u64, living: u64, max_percent: Option<u8>, allow_empty: bool) -> Option<Refusal> {
        let plan = Plan {
            lanes: Vec::new(),
            finishable: Vec::new(),
            shared: DueData::default().seal().settle(&Stores::new(false, Vec::new())),
            due: Tally::default(),
            due_images,
            due_images_unlimited: due_images,
            kept: Kept::default(),
            living: 0,
            living_unreadable: 0,
            ages: Default::default(),
        };
        judge(&plan, Census { living }, Guards { max_percent, allow_empty }).err()
    }

    #[test]
    fn a_view_without_a_living_image_is_implausible() {
        assert_eq!(refusal(1, 0, None, false), Some(Refusal::NothingLives { images: 1 }));
        assert_eq!(refusal(1, 0, None, true), None);
        assert_eq!(refusal(0, 0, None, false), None, "with nothing due there is nothing to refuse");
        assert_eq!(refusal(1, 1, None, false), None);
    }

    #[test]
    fn the_share_is_of_all_images_that_have_data() {
        assert_eq!(refusal(25, 75, Some(25), false), None);
        let over = refusal(26, 74, Some(25), false);
        assert_eq!(over, Some(Refusal::TooMany { images: 26, all: 100, percent: 26, max: 25 }));
        assert!(refusal(1, 1_000_000, Some(0), false).is_some());
        assert_eq!(refusal(u64::MAX, u64::MAX, Some(100), false), None, "no overflow");
    }
}
