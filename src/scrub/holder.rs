//! What a cycle has claimed, and for how long it may rely on it.
//!
//! Promises: a location that is in hand is claimed, where scrubbers share their work, and its lease is renewed for as
//! long as it is in hand; what was claimed and not finished is released at the end of the cycle. Who has lost a claim
//! hears of it before the next call, by the [`Tenure`] that goes to the store with each location. Fails by the database
//! of the claims alone: then nothing new is begun, and the leases of what is in hand run out.
//! Rejected: a lease for the cycle as a whole. It would begin with the oldest claim and be over too early, or with the
//! latest and be believed for too long.

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::observer::{Observer, Statement};
use super::patience;
use super::survey::PAGE;
use super::watched::timed;
use crate::catalog::{
    Batch, CatalogError, Claims, Coordination, FailedAttempt, KeptClaim, Ledger, LocationId, Recorded, Settlement,
    Taken, Wanted,
};
use crate::claim::{Lease, Moment, Owner, Party, Tenure};
use crate::config::{ScrubberConfig, Sharing};
use crate::crash::{self, Point};

/// Leases are renewed when this part of them has passed, so that two renewals may fail before one runs out.
const RENEWED_AFTER: u32 = 3;

/// The least time between two renewals.
const LEAST_INTERVAL: Duration = Duration::from_millis(100);

/// How the claims of a config are to be held.
#[derive(Debug, Clone, Copy)]
pub struct Leases {
    /// `[scrubber] claim_lease`.
    pub length: Duration,
    /// The longest that a call to a store takes without a sign of life.
    pub longest_call: Duration,
}

impl Leases {
    /// As the config has it.
    pub fn of(config: &ScrubberConfig) -> Self {
        let length = match &config.sharing {
            Sharing::Database { lease, .. } => *lease,
            Sharing::Alone { .. } => Duration::MAX,
        };
        Self { length, longest_call: config.longest_call }
    }

    /// How long a lease lasts before it is renewed; less where a call would else have to ask for it most of the time.
    fn renewed_after(self) -> Duration {
        let spare = self.length.saturating_sub(self.longest_call);
        (self.length / RENEWED_AFTER).min(spare / 2).max(LEAST_INTERVAL)
    }
}

/// The claims of one cycle.
pub(super) struct Holder<'a> {
    coordination: &'a Coordination,
    owner: Owner,
    leases: Leases,
    patience: Duration,
    observer: &'a dyn Observer,
    held: Mutex<HashMap<LocationId, Claimed>>,
}

struct Claimed {
    wanted: Wanted,
    tenure: Tenure,
    /// Its store was called, and what came of that is not written down yet.
    is_called: bool,
    /// It is being recorded: if its row is gone, that is ours.
    is_settling: bool,
}

/// A location that stays, for [`Holder::record`].
pub(super) struct Kept {
    pub location: LocationId,
    /// How it failed, where that is to be remembered.
    pub failed: Option<FailedAttempt>,
    /// Its store was called and gave no answer: the call may still take effect.
    pub unanswered: bool,
}

impl<'a> Holder<'a> {
    pub(super) fn new(
        coordination: &'a Coordination,
        leases: Leases,
        patience: Duration,
        observer: &'a dyn Observer,
    ) -> Self {
        Self { coordination, owner: Owner::new(Party::Scrubber), leases, patience, observer, held: Mutex::default() }
    }

    fn claims(&self) -> Option<&'a dyn Claims> {
        self.coordination.claims().map(AsRef::as_ref)
    }

    /// Whether locations have to be claimed.
    pub(super) fn is_needed(&self) -> bool {
        self.claims().is_some()
    }

    /// Claims a portion; for each in order, what became of it.
    pub(super) async fn take(&self, wanted: &[Wanted]) -> Result<Vec<Taken>, CatalogError> {
        let Some(claims) = self.claims() else { return Ok(wanted.iter().map(|_| Taken::Granted(None)).collect()) };
        let take = || async {
            // Before the statement is sent: the database counts from a later moment.
            let asked = Moment::now();
            Ok((
                asked,
                timed(self.observer, Statement::Claim, claims.take(&self.owner, wanted, self.leases.length, false))
                    .await?,
            ))
        };
        let (asked, taken) = patience::retry(self.patience, "claim locations", take).await?;
        crash::point(Point::AfterClaim);
        let tenure = || Tenure::of(Lease::since(asked, self.leases.length), self.leases.longest_call);
        let granted = wanted.iter().zip(&taken).filter(|(_, taken)| matches!(taken, Taken::Granted(_)));
        let claimed = |wanted: &Wanted| Claimed {
            wanted: wanted.clone(),
            tenure: tenure(),
            is_called: false,
            is_settling: false,
        };
        self.lock().extend(granted.map(|(wanted, _)| (wanted.location, claimed(wanted))));
        Ok(taken)
    }

    /// For how long a location is ours.
    pub(super) fn tenure(&self, location: LocationId) -> Tenure {
        if !self.is_needed() {
            return Tenure::default();
        }
        let lost = || Tenure::of(Lease::since(Moment::at(Duration::ZERO), Duration::ZERO), self.leases.longest_call);
        self.lock().get(&location).map_or_else(lost, |claimed| claimed.tenure.clone())
    }

    /// The store is called for these now.
    pub(super) fn begin(&self, locations: &[LocationId]) {
        let mut held = self.lock();
        for location in locations {
            if let Some(claimed) = held.get_mut(location) {
                claimed.is_called = true;
            }
        }
    }

    /// Whether the leases of these let a call begin, renewed if need be. Those of the others are lost.
    pub(super) async fn ready(&self, locations: &[LocationId]) -> Result<Vec<bool>, CatalogError> {
        let lets_begin = || -> Vec<bool> { locations.iter().map(|id| self.tenure(*id).lets_begin()).collect() };
        let ready = lets_begin();
        if ready.iter().all(|ready| *ready) {
            return Ok(ready);
        }
        patience::retry(self.patience, "renew claims", || self.renew(locations)).await?;
        Ok(lets_begin())
    }

    /// Renews what is held, for as long as it is polled: beside the work, which ends it.
    pub(super) async fn keep(&self) -> Infallible {
        if !self.is_needed() {
            return std::future::pending().await;
        }
        loop {
            tokio::time::sleep(self.leases.renewed_after()).await;
            let held: Vec<_> = self.lock().keys().copied().collect();
            for page in held.chunks(PAGE) {
                if let Err(error) = self.renew(page).await {
                    // Whoever is about to begin a call asks again, and fails if need be.
                    tracing::warn!("Claims could not be renewed: {error}");
                    break;
                }
            }
        }
    }

    async fn renew(&self, locations: &[LocationId]) -> Result<(), CatalogError> {
        let Some(claims) = self.claims() else { return Ok(()) };
        let asked = Moment::now();
        let ours = claims.renew(&self.owner, locations, self.leases.length).await?;
        let mut held = self.lock();
        for location in locations {
            if ours.contains(location) {
                if let Some(Claimed { tenure, .. }) = held.get(location) {
                    tenure.renew(Some(Lease::since(asked, self.leases.length)));
                }
            } else if held.get(location).is_some_and(|claimed| claimed.is_settling) {
                // The transaction that records it was faster than this renewal.
            } else if let Some(Claimed { tenure, .. }) = held.remove(location) {
                tenure.renew(None);
                tracing::warn!(location_id = %location, "The claim on location {location} ran out and was taken over");
            }
        }
        Ok(())
    }

    /// Records a batch, and releases the claims on it and on what is kept: in one transaction where they are in the same
    /// database.
    pub(super) async fn record(
        &self,
        ledger: &dyn Ledger,
        batch: &Batch,
        kept: &[Kept],
        now: chrono::DateTime<chrono::Utc>,
    ) -> Result<Recorded, CatalogError> {
        let settlement = self.settlement(kept);
        let all = || batch.gone.iter().chain(kept.iter().map(|kept| &kept.location));
        for location in all() {
            if let Some(claimed) = self.lock().get_mut(location) {
                claimed.is_settling = true;
            }
        }
        let recorded = match self.coordination {
            Coordination::Alone => ledger.record(batch, now).await?,
            Coordination::Within(_) => {
                ledger.record(&Batch { settlement: Some(settlement), ..batch.clone() }, now).await?
            }
            Coordination::Beside(claims) => {
                let ours = claims.renew(&self.owner, &batch.gone, self.leases.length).await?;
                let lost: Vec<_> = batch.gone.iter().filter(|location| !ours.contains(location)).copied().collect();
                let recorded = ledger.record(&Batch { gone: ours.clone(), ..batch.clone() }, now).await?;
                crash::point(Point::InRelease);
                // Killed here: the rows are `deleted`, and their claims lapse. Whoever comes to them finds them so.
                claims.settle(&ours, &settlement).await?;
                Recorded { lost, ..recorded }
            }
        };
        let mut held = self.lock();
        all().for_each(|location| {
            held.remove(location);
        });
        Ok(recorded)
    }

    fn settlement(&self, kept: &[Kept]) -> Settlement {
        let held = self.lock();
        let of = |Kept { location, failed, unanswered }: &Kept| {
            let Claimed { wanted, .. } = held.get(location)?;
            Some(KeptClaim { wanted: wanted.clone(), failed: failed.clone(), unanswered: *unanswered })
        };
        Settlement { owner: self.owner.clone(), lease: self.leases.length, kept: kept.iter().filter_map(of).collect() }
    }

    /// Releases what is still held: what was claimed and not tried, and what could not be recorded. Where that fails the
    /// leases run out by themselves.
    pub(super) async fn release(&self) {
        let left: Vec<_> = self.lock().drain().map(|(_, claimed)| claimed).collect();
        let Some(claims) = self.claims() else { return };
        for page in left.chunks(PAGE) {
            let kept = |Claimed { wanted, is_called, .. }: &Claimed| KeptClaim {
                wanted: wanted.clone(),
                failed: None,
                unanswered: *is_called,
            };
            let (owner, lease) = (self.owner.clone(), self.leases.length);
            let settlement = Settlement { owner, lease, kept: page.iter().map(kept).collect() };
            if let Err(error) = timed(self.observer, Statement::Release, claims.settle(&[], &settlement)).await {
                tracing::warn!("{} claims could not be released, and will lapse: {error}", left.len());
                return;
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<LocationId, Claimed>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
