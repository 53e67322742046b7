//! What keeps scrubbers away from an image while it comes back.
//!
//! Promises: a claim on every pending location of the image, or none. What was claimed is released on every path: by the
//! transaction that brings the image back where the claims are in the same database, else here. A release that fails is
//! logged and no more: the claims lapse by themselves.

use std::time::{Duration, Instant};

use chrono::{DateTime, TimeDelta, Utc};

use super::plan::RestorePlan;
use super::refusal::Refusal;
use super::twins;
use crate::catalog::{
    CatalogError, Claims, Coordination, KeptClaim, LocationId, Restoration, Settlement, Taken, Wanted,
};
use crate::claim::{self, Lease, Moment, Owner, Party};

/// How scrubbers are kept away.
pub enum Keeping {
    /// By claims.
    Claims {
        /// Where they are.
        coordination: Coordination,
        /// How long they last.
        lease: Duration,
    },
    /// By a lock of the host, which the caller holds.
    Host,
}

/// What is held. Give it to [`Held::release`] in the end.
pub(super) struct Held<'a> {
    keeping: &'a Keeping,
    owner: Owner,
    wanted: Vec<Wanted>,
    /// Of `wanted`, those of other images with the same data.
    twins: Vec<LocationId>,
    /// The claims' clock when they were asked for.
    now: DateTime<Utc>,
    asked: Moment,
}

/// What came of asking for claims.
pub(super) enum Taking<'a> {
    Held(Held<'a>),
    Refused(Refusal),
}

impl<'a> Held<'a> {
    /// Claims all pending locations of the image, and its `twins`. `now` is the claims' clock.
    pub(super) async fn take(
        keeping: &'a Keeping,
        plan: &RestorePlan,
        twins: Vec<Wanted>,
        now: DateTime<Utc>,
    ) -> Result<Taking<'a>, CatalogError> {
        let image = &plan.image.id;
        let own = plan.pending().map(|location| Wanted { location, image: image.clone() });
        let ids = twins.iter().map(|twin| twin.location).collect();
        let wanted = own.chain(twins).collect();
        let held = Self { keeping, owner: Owner::new(Party::Restore), wanted, twins: ids, now, asked: Moment::now() };
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
    /// the same database the transaction looks once more. How long they last from now on.
    pub(super) async fn is_still_ours(&self) -> Result<Result<Option<Duration>, Refusal>, CatalogError> {
        let Some((claims, lease)) = self.claims() else { return Ok(Ok(None)) };
        if !Lease::since(self.asked, lease).covers(Moment::now(), Duration::ZERO) {
            return Ok(Err(Refusal::TooSlow));
        }
        let locations: Vec<LocationId> = self.wanted.iter().map(|wanted| wanted.location).collect();
        let asked = Instant::now();
        let ours = claims.renew(&self.owner, &locations, lease).await?;
        if !locations.iter().all(|location| ours.contains(location)) {
            return Ok(Err(Refusal::Changed { what: "the claim on its locations" }));
        }
        Ok(Ok(Some(lease.saturating_sub(asked.elapsed()))))
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
        let word = |location| (!gone.is_empty() && self.twins.contains(location)).then(|| twins::shared(self.now));
        // A look at a store changes nothing: no call of ours could take effect later.
        let kept =
            kept.map(|wanted| KeptClaim { wanted: wanted.clone(), failed: word(&wanted.location), unanswered: false });
        Settlement { owner: self.owner.clone(), lease, kept: kept.collect() }
    }

    /// Whether the claims are in another database than the image's rows, so that no lock orders their release behind a
    /// transaction that was given up.
    pub(super) fn is_kept_elsewhere(&self) -> bool {
        matches!(self.keeping, Keeping::Claims { coordination: Coordination::Beside(_), .. })
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

/// Runs the last transaction, which must not outlive the claims. One that is given up while it commits may still take
/// effect; nobody takes over a restore's claim before one more lease has passed.
pub(super) async fn within<T>(
    limit: Option<Duration>,
    transaction: impl Future<Output = Result<T, CatalogError>>,
) -> Result<T, CatalogError> {
    let Some(limit) = limit else { return transaction.await };
    let late = |_| CatalogError::Deadline { what: "restore the image", within: limit };
    tokio::time::timeout(limit, transaction).await.map_err(late)?
}

/// Why a restore would not get its claims `now`, by the database's clock; as far as one can tell without asking for them.
pub(super) async fn foresee(
    claims: &dyn Claims,
    lease: Duration,
    plan: &RestorePlan,
    now: DateTime<Utc>,
) -> Result<Option<Refusal>, CatalogError> {
    let pending: Vec<_> = plan.pending().collect();
    let rows = claims.of_images(std::slice::from_ref(&plan.image.id)).await?;
    let owner = Owner::new(Party::Restore);
    let taken = rows.into_iter().filter(|row| pending.contains(&row.location)).filter_map(|row| {
        if claim::may_take(&row.hold, &owner, now, lease) {
            return None;
        }
        let taken = match (row.hold.rests_until.filter(|until| now < *until), row.hold.claim) {
            (_, Some(claim)) => Taken::Held(claim),
            (Some(until), None) => Taken::Rests(until),
            (None, None) => return None,
        };
        refused(row.location, taken, lease)
    });
    Ok(taken.into_iter().next())
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
