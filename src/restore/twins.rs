//! Locations of other deleted images that point to the same data as the one that comes back.
//!
//! A scrubber decides what is shared when it plans its cycle. One that planned before the restore takes both images for
//! deleted, and would remove the data with the other one's location. So the restore claims those too, and leaves word on
//! them ([`shared`]) for as long as such a cycle may last; after that each plan sees for itself that the data is needed.
//! Rejected: looking for everything that lives anew before each delete (a scan of the table each time).

use std::collections::HashSet;

use chrono::{DateTime, TimeDelta, Utc};

use super::plan::RestorePlan;
use crate::catalog::{Catalog, CatalogError, FailedAttempt, LocationId, LocationRow, Scope, Wanted};
use crate::scrub::{self, Policy};
use crate::store::Outcome;

/// Rows read in one statement.
const PAGE: usize = 500;

/// Longer than a cycle lasts. `--retry-now` ends it sooner.
const WORD_LASTS: TimeDelta = TimeDelta::days(1);

/// Pending locations of other images with the same data. Those that cannot be resolved cannot be deleted either.
pub(super) async fn find<C: Catalog + ?Sized>(
    catalog: &C,
    plan: &RestorePlan,
    policy: &Policy<'_>,
) -> Result<Vec<Wanted>, CatalogError> {
    let identity = |row: &LocationRow| scrub::resolve(row, policy).ok()?.target.identity;
    let ours: HashSet<String> = plan.locations.iter().filter_map(identity).collect();
    let own: HashSet<LocationId> = plan.pending().collect();
    let mut twins = Vec::new();
    if ours.is_empty() {
        return Ok(twins);
    }
    for page in catalog.scan(Scope::Pending).await?.locations.chunks(PAGE) {
        let rows = catalog.locations(page).await?;
        let others = rows.iter().flatten().filter(|row| !own.contains(&row.id));
        let same = others.filter(|row| identity(row).is_some_and(|identity| ours.contains(&identity)));
        twins.extend(same.map(|row| Wanted { location: row.id, image: row.image_id.clone() }));
    }
    Ok(twins)
}

/// The word that is left on a twin. `now` is the claims' clock.
pub(super) fn shared(now: DateTime<Utc>) -> FailedAttempt {
    FailedAttempt {
        attempts: 0,
        outcome: Outcome::Shared.as_str().to_owned(),
        error: Some("an image that points to the same data was restored".to_owned()),
        store: None,
        first: now,
        next: now.checked_add_signed(WORD_LASTS),
    }
}
