//! The statements of the claims, once, for all three databases.
//!
//! Promises: what the functions of [`crate::claim`] decide is decided on rows that are locked until the transaction ends,
//! and written in it; a transaction that loses against another one is repeated. A row that says nothing any more is
//! deleted, so that the table is as small as what is in hand, fails or rests.
//! Rejected: the rules a second time, in SQL (they drift, and the model could not check them); and an upsert for each
//! dialect, where a delete and an insert of locked rows say the same on all.

use std::collections::HashMap;
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, SubsecRound, Utc};
use futures::TryStreamExt;
use sqlx::{Database, QueryBuilder};

use super::super::dialect::Dialect;
use super::super::error::{retry_conflicts, within};
use super::super::sql::{SCAN_DEADLINES, SqlCatalog, push_ids, push_texts};
use super::super::{CatalogError, ImageId, LocationId};
use super::rows::{self, Tx};
use super::{ClaimRow, Claims, FailedAttempt, KeptClaim, Settlement, Taken, Wanted};
use crate::claim::{self, Claim, Hold, Owner};

#[async_trait]
impl<D: Dialect> Claims for SqlCatalog<D>
where
    <D::Db as Database>::Arguments: Send,
{
    async fn prepare(&self) -> Result<(), CatalogError> {
        retry_conflicts(|| self.make_tables()).await
    }

    async fn take(
        &self,
        owner: &Owner,
        wanted: &[Wanted],
        lease: Duration,
        retry: bool,
    ) -> Result<Vec<Taken>, CatalogError> {
        if wanted.is_empty() {
            return Ok(Vec::new());
        }
        retry_conflicts(|| self.try_take(owner, wanted, lease, retry)).await
    }

    async fn renew(
        &self,
        owner: &Owner,
        locations: &[LocationId],
        lease: Duration,
    ) -> Result<Vec<LocationId>, CatalogError> {
        if locations.is_empty() {
            return Ok(Vec::new());
        }
        retry_conflicts(|| self.try_renew(owner, locations, lease)).await
    }

    async fn settle(&self, gone: &[LocationId], settlement: &Settlement) -> Result<(), CatalogError> {
        retry_conflicts(|| async {
            let mut transaction = self.begin_writing().await?;
            rows::delete_own::<D>(&mut transaction, self.deadline, &settlement.owner, gone).await?;
            self.release(&mut transaction, settlement).await?;
            within("commit", self.deadline, transaction.commit()).await
        })
        .await
    }

    async fn note(&self, failed: &[(Wanted, FailedAttempt)]) -> Result<(), CatalogError> {
        if failed.is_empty() {
            return Ok(());
        }
        retry_conflicts(|| self.try_note(failed)).await
    }

    async fn rows(&self, visit: &mut (dyn for<'r> FnMut(ClaimRow) + Send)) -> Result<u64, CatalogError> {
        let query = QueryBuilder::new(format!("SELECT {} FROM scrubber_locations", rows::columns::<D>()));
        self.visit_claims(query, visit).await
    }

    async fn of_images(&self, images: &[ImageId]) -> Result<Vec<ClaimRow>, CatalogError> {
        if images.is_empty() {
            return Ok(Vec::new());
        }
        let mut query =
            QueryBuilder::new(format!("SELECT {} FROM scrubber_locations WHERE image_id IN (", rows::columns::<D>()));
        push_texts::<D>(&mut query, images);
        query.push(") ORDER BY location_id");
        let mut found = Vec::new();
        self.visit_claims(query, &mut |row| found.push(row)).await?;
        Ok(found)
    }

    async fn retry_now(&self, images: &[ImageId]) -> Result<u64, CatalogError> {
        retry_conflicts(|| self.try_retry_now(images)).await
    }

    async fn forget(&self, locations: &[LocationId]) -> Result<(), CatalogError> {
        if locations.is_empty() {
            return Ok(());
        }
        retry_conflicts(|| self.try_forget(locations)).await
    }
}

impl<D: Dialect> SqlCatalog<D>
where
    <D::Db as Database>::Arguments: Send,
{
    async fn try_take(
        &self,
        owner: &Owner,
        wanted: &[Wanted],
        lease: Duration,
        retry: bool,
    ) -> Result<Vec<Taken>, CatalogError> {
        let mut transaction = self.begin_writing().await?;
        // Read before any row is waited for: a claim then lapses too early rather than too late.
        let now = self.clock_in(&mut transaction).await?;
        let fresh = |wanted: &Wanted| ClaimRow {
            location: wanted.location,
            image: wanted.image.clone(),
            hold: claim::take(&Hold::default(), owner, now, lease),
            failed: None,
        };
        let fresh: Vec<_> = wanted.iter().map(fresh).collect();
        rows::insert::<D>(&mut transaction, self.deadline, &fresh, &D::or_leave("location_id")).await?;
        let ids: Vec<_> = wanted.iter().map(|wanted| wanted.location).collect();
        let found = rows::lock::<D>(&mut transaction, self.deadline, &ids).await?;
        let mut changed = Vec::new();
        let mut taken = HashMap::with_capacity(found.len());
        for row in found {
            let verdict = verdict(&row, owner, now, lease, retry);
            let is_granted = matches!(verdict, Taken::Granted(_));
            taken.insert(row.location, verdict);
            let hold = claim::take(&row.hold, owner, now, lease);
            // What was inserted just now is as it should be.
            if is_granted && hold != row.hold {
                changed.push(ClaimRow { hold, ..row });
            }
        }
        rows::replace::<D>(&mut transaction, self.deadline, &changed).await?;
        within("commit", self.deadline, transaction.commit()).await?;
        let missing = || CatalogError::Conflict("a claim was deleted while it was made".to_owned());
        ids.iter().map(|id| taken.remove(id).ok_or_else(missing)).collect()
    }

    async fn try_renew(
        &self,
        owner: &Owner,
        locations: &[LocationId],
        lease: Duration,
    ) -> Result<Vec<LocationId>, CatalogError> {
        let mut transaction = self.begin_writing().await?;
        let now = self.clock_in(&mut transaction).await?;
        let mut update = QueryBuilder::new("UPDATE scrubber_locations SET claimed_until = ");
        D::bind_instant(&mut update, Claim::new(owner.clone(), now, lease).until);
        update.push(" WHERE owner = ");
        D::bind_text(&mut update, owner.as_str());
        update.push(" AND location_id IN (");
        push_ids::<D>(&mut update, locations);
        update.push(")");
        let renewed = within("renew claims", self.deadline, D::execute(&mut transaction, update.build())).await?;
        let ours = if renewed == locations.len() as u64 {
            locations.to_vec()
        } else {
            let found = rows::lock::<D>(&mut transaction, self.deadline, locations).await?;
            let ours = found.iter().filter(|row| claim::is_held_by(&row.hold, owner));
            ours.map(|row| row.location).collect()
        };
        within("commit", self.deadline, transaction.commit()).await?;
        Ok(ours)
    }

    /// Releases the claims of what stays pending, in a transaction of the caller's.
    pub(in crate::catalog) async fn release(
        &self,
        transaction: &mut Tx<D>,
        settlement: &Settlement,
    ) -> Result<(), CatalogError> {
        let Settlement { owner, lease, kept } = settlement;
        if kept.is_empty() {
            return Ok(());
        }
        let now = self.clock_in(transaction).await?;
        let ids: Vec<_> = kept.iter().map(|kept| kept.wanted.location).collect();
        let found = rows::lock::<D>(transaction, self.deadline, &ids).await?;
        let by_id: HashMap<_, _> = kept.iter().map(|kept| (kept.wanted.location, kept)).collect();
        let ours = found.into_iter().filter(|row| claim::is_held_by(&row.hold, owner));
        let released: Vec<_> = ours
            .filter_map(|row| {
                let KeptClaim { failed, unanswered, .. } = by_id.get(&row.location)?;
                let hold = claim::release(&row.hold, *unanswered, now, *lease);
                Some(ClaimRow { hold, failed: failed.clone().or(row.failed), ..row })
            })
            .collect();
        self.put(transaction, released, now).await
    }

    /// Of `locations`, those that are `owner`'s, which nobody can take over until the transaction ends.
    pub(in crate::catalog) async fn lock_own_claims(
        &self,
        transaction: &mut Tx<D>,
        owner: &Owner,
        locations: &[LocationId],
    ) -> Result<Vec<LocationId>, CatalogError> {
        let found = rows::lock::<D>(transaction, self.deadline, locations).await?;
        let ours = found.iter().filter(|row| claim::is_held_by(&row.hold, owner));
        Ok(ours.map(|row| row.location).collect())
    }

    /// Deletes the claims that `owner` has on `locations`; how many that were.
    pub(in crate::catalog) async fn delete_own_claims(
        &self,
        transaction: &mut Tx<D>,
        owner: &Owner,
        locations: &[LocationId],
    ) -> Result<u64, CatalogError> {
        rows::delete_own::<D>(transaction, self.deadline, owner, locations).await
    }

    /// Writes rows, and leaves out those that say nothing any more.
    async fn put(&self, transaction: &mut Tx<D>, rows: Vec<ClaimRow>, now: DateTime<Utc>) -> Result<(), CatalogError> {
        let (stay, go): (Vec<_>, Vec<_>) = rows.into_iter().partition(|row| says_something(row, now));
        let go: Vec<_> = go.iter().map(|row| row.location).collect();
        rows::delete::<D>(transaction, self.deadline, &go).await?;
        rows::replace::<D>(transaction, self.deadline, &stay).await
    }

    async fn try_note(&self, failed: &[(Wanted, FailedAttempt)]) -> Result<(), CatalogError> {
        let mut transaction = self.begin_writing().await?;
        let now = self.clock_in(&mut transaction).await?;
        let fresh = |(wanted, failed): &(Wanted, FailedAttempt)| ClaimRow {
            location: wanted.location,
            image: wanted.image.clone(),
            hold: Hold::default(),
            failed: Some(failed.clone()),
        };
        let fresh: Vec<_> = failed.iter().map(fresh).collect();
        rows::insert::<D>(&mut transaction, self.deadline, &fresh, &D::or_leave("location_id")).await?;
        let ids: Vec<_> = fresh.iter().map(|row| row.location).collect();
        let by_id: HashMap<_, _> = fresh.into_iter().map(|row| (row.location, row.failed)).collect();
        let found = rows::lock::<D>(&mut transaction, self.deadline, &ids).await?;
        let changed = found.into_iter().filter(|row| {
            let is_held = row.hold.claim.as_ref().is_some_and(|claim| now < claim.until);
            !is_held && by_id.get(&row.location).is_some_and(|failed| *failed != row.failed)
        });
        let changed: Vec<_> =
            changed.map(|row| ClaimRow { failed: by_id.get(&row.location).cloned().flatten(), ..row }).collect();
        rows::replace::<D>(&mut transaction, self.deadline, &changed).await?;
        within("commit", self.deadline, transaction.commit()).await
    }

    /// Clears what is known of failures, of rows that somebody works on too: whoever does writes down how it ended.
    async fn try_retry_now(&self, images: &[ImageId]) -> Result<u64, CatalogError> {
        let mut transaction = self.begin_writing().await?;
        let now = self.clock_in(&mut transaction).await?;
        let mut update = QueryBuilder::new(
            "UPDATE scrubber_locations SET attempts = 0, store = NULL, last_outcome = NULL, last_error = NULL, \
             first_failed_at = NULL, next_attempt_at = NULL WHERE last_outcome IS NOT NULL",
        );
        push_images::<D>(&mut update, images);
        let cleared = within("clear failures", self.deadline, D::execute(&mut transaction, update.build())).await?;
        let mut delete = QueryBuilder::new(
            "DELETE FROM scrubber_locations WHERE owner IS NULL AND last_outcome IS NULL AND (rests_until IS NULL OR \
             rests_until <= ",
        );
        D::bind_instant(&mut delete, now);
        delete.push(")");
        push_images::<D>(&mut delete, images);
        within("clear failures", self.deadline, D::execute(&mut transaction, delete.build())).await?;
        within("commit", self.deadline, transaction.commit()).await?;
        Ok(cleared)
    }

    async fn try_forget(&self, locations: &[LocationId]) -> Result<(), CatalogError> {
        let mut transaction = self.begin_writing().await?;
        let now = self.clock_in(&mut transaction).await?;
        let mut delete = QueryBuilder::new("DELETE FROM scrubber_locations WHERE (owner IS NULL OR claimed_until <= ");
        D::bind_instant(&mut delete, now);
        delete.push(") AND (rests_until IS NULL OR rests_until <= ");
        D::bind_instant(&mut delete, now);
        delete.push(") AND location_id IN (");
        push_ids::<D>(&mut delete, locations);
        delete.push(")");
        within("forget locations", self.deadline, D::execute(&mut transaction, delete.build())).await?;
        within("commit", self.deadline, transaction.commit()).await
    }

    async fn visit_claims(
        &self,
        query: QueryBuilder<D::Db>,
        visit: &mut (dyn for<'r> FnMut(ClaimRow) + Send),
    ) -> Result<u64, CatalogError> {
        let mut seen = 0;
        let each = &mut |row: &_| {
            seen += 1;
            visit(rows::decode::<D>(row)?);
            Ok(())
        };
        match self.each_row("read scrubber_locations", self.deadline * SCAN_DEADLINES, query, each).await {
            Ok(()) => Ok(seen),
            // Nobody has made the table yet.
            Err(CatalogError::NoSchema(_)) => Ok(0),
            Err(error) => Err(error),
        }
    }

    /// The database's clock, to the millisecond, as the columns keep it.
    async fn clock_in(&self, transaction: &mut Tx<D>) -> Result<DateTime<Utc>, CatalogError> {
        let mut query = QueryBuilder::new(clock_query::<D>());
        let row = async { D::stream(&mut *transaction, query.build()).try_next().await };
        read_clock::<D>(within("read the clock", self.deadline, row).await?.as_ref())
    }

    /// A transaction that may be the only one to write, where the engine knows no other way.
    pub(super) async fn begin_writing(&self) -> Result<Tx<D>, CatalogError> {
        within("begin", self.deadline, self.pool.begin_with(D::BEGIN)).await
    }
}

pub(in crate::catalog) fn clock_query<D: Dialect>() -> String {
    format!("SELECT {}", D::CLOCK)
}

pub(in crate::catalog) fn read_clock<D: Dialect>(
    row: Option<&<D::Db as Database>::Row>,
) -> Result<DateTime<Utc>, CatalogError> {
    let now = match row {
        Some(row) => D::time(row, 0)?,
        None => None,
    };
    let no_clock = || CatalogError::Statement("the database does not tell the time".to_owned());
    Ok(now.ok_or_else(no_clock)?.and_utc().trunc_subsecs(3))
}

/// What becomes of one that is wanted.
fn verdict(row: &ClaimRow, owner: &Owner, now: DateTime<Utc>, lease: Duration, retry: bool) -> Taken {
    if !claim::may_take(&row.hold, owner, now, lease) {
        let held = row.hold.claim.clone().filter(|held| held.owner != *owner);
        return match (held, row.hold.rests_until) {
            (Some(held), _) => Taken::Held(held),
            (None, rests_until) => Taken::Rests(rests_until.unwrap_or(now)),
        };
    }
    match &row.failed {
        Some(failed) if !retry && failed.next.is_some_and(|next| now < next) => Taken::Waits(failed.clone()),
        failed => Taken::Granted(failed.clone()),
    }
}

fn says_something(row: &ClaimRow, now: DateTime<Utc>) -> bool {
    let rests = row.hold.rests_until.is_some_and(|until| now < until);
    row.hold.claim.is_some() || row.failed.is_some() || rests
}

fn push_images<D: Dialect>(query: &mut QueryBuilder<D::Db>, images: &[ImageId]) {
    if !images.is_empty() {
        query.push(" AND image_id IN (");
        push_texts::<D>(query, images);
        query.push(")");
    }
}
