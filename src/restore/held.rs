//! What keeps scrubbers away from an image while it comes back.
//!
//! Promises: a claim on every pending location of the image, or none. What was claimed is released on every path: by the
//! transaction that brings the image back where the claims are in the same database, else here. A release that fails is
//! logged and no more: the claims lapse by themselves.

use std::time::Duration;

use chrono::TimeDelta;

use super::plan::RestorePlan;
use super::refusal::Refusal;
use crate::catalog::{
    CatalogError, Claims, Coordination, KeptClaim, LocationId, Restoration, Settlement, Taken, Wanted,
};
use crate::claim::{Lease, Moment, Owner, Party};

/// How scrubbers are kept away.
pub enum Keeping {
    /// By claims.
    Claims {
        /// Where they are.
        coordination: Coordination,
        /// How long they last.
        lease: Duration,
        /// The longest that the last transaction takes.
        commit: Duration,
    },
    /// By a lock of the host, which the caller holds.
    Host,
}

/// What is held. Give it to [`Held::release`] in the end.
pub(super) struct Held<'a> {
    keeping: &'a Keeping,
    owner: Owner,
    wanted: Vec<Wanted>,
    asked: Moment,
}

/// What came of asking for claims.
pub(super) enum Taking<'a> {
    Held(Held<'a>),
    Refused(Refusal),
}

impl<'a> Held<'a> {
    /// Claims all pending locations of the image.
    pub(super) async fn take(keeping: &'a Keeping, plan: &RestorePlan) -> Result<Taking<'a>, CatalogError> {
        let image = &plan.image.id;
        let wanted = plan.pending().map(|location| Wanted { location, image: image.clone() }).collect();
        let held = Self { keeping, owner: Owner::new(Party::Restore), wanted, asked: Moment::now() };
        let Some((claims, lease)) = held.claims() else { return Ok(Taking::Held(held)) };
        let taken = claims.take(&held.owner, &held.wanted, lease, true).await?;
        let refusal = held.wanted.iter().zip(taken).find_map(|(wanted, taken)| refused(wanted.location, taken, lease));
        if let Some(refusal) = refusal {
            held.release(&[]).await;
            return Ok(Taking::Refused(refusal));
        }
        Ok(Taking::Held(held))
    }

    fn claims(&self) -> Option<(&'a dyn Claims, Duration)> {
        match self.keeping {
            Keeping::Claims { coordination, lease, .. } => {
                coordination.claims().map(|claims| (claims.as_ref(), *lease))
            }
            Keeping::Host => None,
        }
    }

    /// Whether everything that is pending of the image, by a later reading, is claimed.
    pub(super) fn covers(&self, plan: &RestorePlan) -> bool {
        plan.pending().all(|location| self.wanted.iter().any(|wanted| wanted.location == location))
    }

    /// Asked just before the transaction: a restore that outlived its claims must not commit. Where the claims are in
    /// the same database the transaction looks once more.
    pub(super) async fn is_still_ours(&self) -> Result<Result<(), Refusal>, CatalogError> {
        let Keeping::Claims { coordination, lease, commit } = self.keeping else { return Ok(Ok(())) };
        let Some(claims) = coordination.claims() else { return Ok(Ok(())) };
        let asked = Moment::now();
        if !Lease::since(self.asked, *lease).covers(asked, Duration::ZERO) {
            return Ok(Err(Refusal::TooSlow));
        }
        let locations: Vec<LocationId> = self.wanted.iter().map(|wanted| wanted.location).collect();
        let ours = claims.renew(&self.owner, &locations, *lease).await?;
        if !locations.iter().all(|location| ours.contains(location)) {
            return Ok(Err(Refusal::Changed { what: "the claim on its locations" }));
        }
        let covered = Lease::since(asked, *lease).covers(Moment::now(), *commit);
        Ok(if covered { Ok(()) } else { Err(Refusal::TooSlow) })
    }

    /// The change with the claims that its transaction has to release.
    pub(super) fn settling(&self, change: Restoration) -> Restoration {
        let Keeping::Claims { coordination: Coordination::Within(_), lease, .. } = self.keeping else { return change };
        let settlement = Some(self.settlement(&change.locations, *lease));
        Restoration { settlement, ..change }
    }

    /// Releases what is not `gone`; what was known of it stays known.
    fn settlement(&self, gone: &[LocationId], lease: Duration) -> Settlement {
        let kept = self.wanted.iter().filter(|wanted| !gone.contains(&wanted.location));
        // A look at a store changes nothing: no call of ours could take effect later.
        let kept = kept.map(|wanted| KeptClaim { wanted: wanted.clone(), failed: None, unanswered: false });
        Settlement { owner: self.owner.clone(), lease, kept: kept.collect() }
    }

    /// Lets scrubbers at the locations again. `restored`: those that came back, of which nothing needs to be remembered.
    pub(super) async fn release(&self, restored: &[LocationId]) {
        let Keeping::Claims { coordination, lease, .. } = self.keeping else { return };
        let claims = match coordination {
            Coordination::Alone => return,
            Coordination::Within(_) if !restored.is_empty() => return,
            Coordination::Within(claims) | Coordination::Beside(claims) => claims,
        };
        // Killed before this line: the claims lapse. Those on a restored image's locations hinder nobody, and are
        // forgotten with the next look at them.
        if let Err(error) = claims.settle(restored, &self.settlement(restored, *lease)).await {
            tracing::warn!("The claims of this restore could not be released, and will lapse: {error}");
        }
    }
}

fn refused(location: LocationId, taken: Taken, lease: Duration) -> Option<Refusal> {
    match taken {
        Taken::Granted(_) => None,
        Taken::Held(claim) => {
            // A restore waits for one lease more: see `claim::may_take`.
            let rest = TimeDelta::from_std(lease).unwrap_or(TimeDelta::MAX);
            let free = claim.until.checked_add_signed(rest).unwrap_or(claim.until);
            Some(Refusal::Claimed { location, claim, free })
        }
        Taken::Rests(until) => Some(Refusal::Rests { location, until }),
        // Not said to who asks with `retry`.
        Taken::Waits(_) => Some(Refusal::Changed { what: "the claim on its locations" }),
    }
}
