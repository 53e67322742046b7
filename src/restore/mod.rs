//! Bringing a deleted image back, as long as its data is there.
//!
//! Promises: the image comes back whole or not at all: its row, its locations, properties, tags and members, as they were
//! before it was deleted. While scrubbers run it wins, or is refused: it claims all pending locations of the image first,
//! and releases them in the transaction that brings it back. Its data was seen to be there under that claim. A refusal
//! says why and what to do, and has changed nothing.
//! Fails with [`Failure`]. Killed at any moment, it leaves the image deleted, or restored; claims that it leaves lapse.
//! Without claims (`coordination = none`) a lock of the host keeps the scrubbers of this host away, and those of other
//! hosts must be stopped by whoever asks for a restore.
//!
//! The order: rows → [`plan`] → claim → the rows again, which a scrubber may have changed until then → [`look`] at the data
//! → one transaction.

mod held;
mod look;
mod plan;
mod refusal;
mod twins;

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

pub use held::Keeping;
pub use look::Sight;
pub use plan::{Fate, RestorePlan};
pub use refusal::Refusal;

use crate::catalog::{CatalogError, Claims, ImageId, ImageRow, RestoreLedger, Restored, WholeImages};
use crate::crash::{self, Point};
use crate::scrub::{Clock, Policy};
use held::{Held, Taking};

/// Why a restore came to no verdict. Nothing was changed, unless the database went away while it committed.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The database's.
    #[error(transparent)]
    Database(#[from] CatalogError),
    /// Asked to stop.
    #[error("stopped before anything was changed")]
    Interrupted,
}

/// What became of one image, or would.
#[derive(Debug)]
pub struct Account {
    /// Its id, as it was asked for.
    pub id: String,
    /// What was decided, where its rows let it come that far.
    pub plan: Option<RestorePlan>,
    /// What was seen of the data of each of the plan's `locations`, in their order; empty where nobody looked.
    pub sights: Vec<Sight>,
    /// Why it does not come back.
    pub refusal: Option<Refusal>,
}

impl Account {
    fn refused(id: &str, refusal: Refusal) -> Self {
        Self { id: id.to_owned(), plan: None, sights: Vec::new(), refusal: Some(refusal) }
    }

    /// Takes the first refusal among the sights.
    fn seen(id: &str, plan: RestorePlan, sights: Vec<Sight>) -> Self {
        let refusal = sights.iter().find_map(|sight| sight.verdict.as_ref().err()).cloned();
        Self { id: id.to_owned(), plan: Some(plan), sights, refusal }
    }

    /// The image's row, where it was read.
    pub fn image(&self) -> Option<&ImageRow> {
        self.plan.as_ref().map(|plan| &plan.image)
    }
}

/// Reads the rows of an image and decides.
async fn read<W: WholeImages + ?Sized>(
    catalog: &W,
    id: &str,
    fate: Fate,
) -> Result<Result<RestorePlan, Refusal>, CatalogError> {
    if let Err(refusal) = plan::possible(id) {
        return Ok(Err(refusal));
    }
    Ok(plan::plan(id, catalog.whole_image(id).await?, fate))
}

/// What a restore of the image would come to now. The stores must know what to expect: see
/// [`acquaint`](crate::scrub::acquaint). `claims`: where there are any, and how long they last.
///
/// # Errors
/// The database's.
pub async fn foresee(
    catalog: &dyn WholeImages,
    claims: Option<(&dyn Claims, Duration)>,
    policy: &Policy<'_>,
    id: &str,
    fate: Fate,
) -> Result<Account, CatalogError> {
    let plan = match read(catalog, id, fate).await? {
        Ok(plan) => plan,
        Err(refusal) => return Ok(Account::refused(id, refusal)),
    };
    let held = match claims {
        Some((claims, lease)) => held::foresee(claims, lease, &plan, catalog.clock().await?).await?,
        None => None,
    };
    let sights = look::look(&plan.locations, plan.image.size, policy).await;
    let account = Account::seen(id, plan, sights);
    Ok(Account { refusal: held.or(account.refusal.clone()), ..account })
}

/// All that a restore needs.
pub struct Restorer<'a> {
    /// Glance's database, writable.
    pub ledger: Arc<dyn RestoreLedger>,
    /// Keys and stores, which know what to expect.
    pub policy: &'a Policy<'a>,
    /// How scrubbers are kept away.
    pub keeping: Keeping,
    /// The time for `updated_at`.
    pub clock: &'a dyn Clock,
}

impl Restorer<'_> {
    /// Brings the image back, or refuses. `stop` ends it as long as nothing is changed.
    ///
    /// # Errors
    /// See [`Failure`].
    pub async fn restore(&self, id: &str, fate: Fate, stop: &CancellationToken) -> Result<Account, Failure> {
        let plan = match read(self.ledger.as_ref(), id, fate).await? {
            Ok(plan) => plan,
            Err(refusal) => return Ok(Account::refused(id, refusal)),
        };
        let twins = match self.keeping {
            Keeping::Claims { .. } => twins::find(self.ledger.as_ref(), &plan, self.policy).await?,
            // No scrubber of this host is in a cycle, so none has planned one.
            Keeping::Host => Vec::new(),
        };
        let now = self.ledger.clock().await?;
        let held = match Held::take(&self.keeping, &plan, twins, now).await? {
            Taking::Held(held) => held,
            Taking::Refused(refusal) => {
                return Ok(Account { refusal: Some(refusal), ..Account::seen(id, plan, Vec::new()) });
            }
        };
        crash::point(Point::RestoreAfterClaim);
        let done = tokio::select! {
            seen = self.look_again(id, fate, &held) => match seen {
                Ok(account) if account.refusal.is_none() => match self.commit(account, &held).await {
                    // It may take effect yet, and nothing but time keeps scrubbers away from that: the claims lapse.
                    Err(failure) if held.is_kept_elsewhere() => return Err(failure),
                    done => done,
                },
                other => other.map_err(Failure::from),
            },
            () = stop.cancelled() => Err(Failure::Interrupted),
        };
        let restored = match &done {
            Ok(Account { plan: Some(plan), refusal: None, .. }) => plan.restoration().locations,
            _ => Vec::new(),
        };
        held.release(&restored).await;
        done
    }

    /// Under the claim: what was read before it may have been scrubbed by then.
    async fn look_again(&self, id: &str, fate: Fate, held: &Held<'_>) -> Result<Account, CatalogError> {
        let plan = match read(self.ledger.as_ref(), id, fate).await? {
            Ok(plan) => plan,
            Err(refusal) => return Ok(Account::refused(id, refusal)),
        };
        if !held.covers(&plan) {
            let refusal = Refusal::Changed { what: "its locations" };
            return Ok(Account { refusal: Some(refusal), ..Account::seen(id, plan, Vec::new()) });
        }
        let sights = look::look(&plan.locations, plan.image.size, self.policy).await;
        crash::point(Point::RestoreAfterProbe);
        Ok(Account::seen(id, plan, sights))
    }

    async fn commit(&self, mut account: Account, held: &Held<'_>) -> Result<Account, Failure> {
        let Some(plan) = &account.plan else { return Ok(account) };
        account.refusal = match held.is_still_ours().await? {
            Err(refusal) => Some(refusal),
            Ok(limit) => {
                let change = held.settling(plan.restoration());
                match held::within(limit, self.ledger.restore(&change, self.clock.now())).await? {
                    Restored::Done => None,
                    Restored::Changed(what) => Some(Refusal::Changed { what }),
                }
            }
        };
        Ok(account)
    }
}

/// Images that another program restored in part.
///
/// # Errors
/// The database's.
pub async fn half_restored(catalog: &dyn WholeImages) -> Result<Vec<ImageId>, CatalogError> {
    catalog.half_restored().await
}
