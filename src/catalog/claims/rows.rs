//! Rows of `scrubber_locations`, in and out.

use std::time::Duration;

use chrono::{DateTime, NaiveDateTime, Utc};
use futures::TryStreamExt;
use sqlx::{Database, QueryBuilder, Transaction};

use super::super::dialect::Dialect;
use super::super::error::within;
use super::super::sql::push_ids;
use super::super::{CatalogError, ImageId, LocationId};
use super::{ClaimRow, FailedAttempt};
use crate::claim::{Claim, Hold, Owner};

pub(super) type Tx<D> = Transaction<'static, <D as Dialect>::Db>;

/// Characters of a store's words that are kept: the column's width.
const WORDS: usize = 1000;

/// Characters of any other text.
const TEXT: usize = 255;

/// The columns of [`decode`], in its order.
pub(super) fn columns<D: Dialect>() -> String {
    format!(
        "{id}, image_id, owner, claimed_until, rests_until, {attempts}, store, last_outcome, last_error, \
         first_failed_at, next_attempt_at",
        id = D::wide("location_id"),
        attempts = D::wide("attempts"),
    )
}

/// Decodes one row of [`columns`].
pub(super) fn decode<D: Dialect>(row: &<D::Db as Database>::Row) -> sqlx::Result<ClaimRow> {
    let instant = |column| -> sqlx::Result<Option<DateTime<Utc>>> {
        Ok(D::time(row, column)?.map(|at: NaiveDateTime| at.and_utc()))
    };
    let claim = D::text(row, 2)?.zip(instant(3)?);
    let attempts = D::int(row, 5)?.and_then(|count| u32::try_from(count).ok()).unwrap_or_default();
    let failed = match D::text(row, 7)?.zip(instant(9)?) {
        Some((outcome, first)) => Some(FailedAttempt {
            attempts,
            outcome,
            error: D::text(row, 8)?,
            store: D::text(row, 6)?,
            first,
            next: instant(10)?,
        }),
        None => None,
    };
    Ok(ClaimRow {
        location: LocationId(D::int(row, 0)?.ok_or(sqlx::Error::RowNotFound)?),
        image: ImageId(D::text(row, 1)?.unwrap_or_default()),
        hold: Hold {
            claim: claim.map(|(owner, until)| Claim { owner: Owner::from_row(owner), until }),
            rests_until: instant(4)?,
        },
        failed,
    })
}

/// Inserts rows. `otherwise` says what becomes of one that is there already; with nothing said it is an error.
pub(super) async fn insert<D: Dialect>(
    transaction: &mut Tx<D>,
    deadline: Duration,
    rows: &[ClaimRow],
    otherwise: &str,
) -> Result<(), CatalogError> {
    if rows.is_empty() {
        return Ok(());
    }
    let mut insert = QueryBuilder::new(
        "INSERT INTO scrubber_locations (location_id, image_id, owner, claimed_until, rests_until, attempts, store, \
         last_outcome, last_error, first_failed_at, next_attempt_at) VALUES ",
    );
    for (place, row) in rows.iter().enumerate() {
        insert.push(if place == 0 { "(" } else { ", (" });
        push_row::<D>(&mut insert, row);
        insert.push(")");
    }
    insert.push(otherwise);
    within("write claims", deadline, D::execute(&mut *transaction, insert.build())).await?;
    Ok(())
}

fn push_row<D: Dialect>(insert: &mut QueryBuilder<D::Db>, row: &ClaimRow) {
    let (claim, failed) = (row.hold.claim.as_ref(), row.failed.as_ref());
    D::bind_id(insert, row.location.0);
    insert.push(", ");
    D::bind_text(insert, &fit(&row.image.0, TEXT));
    push_text::<D>(insert, claim.map(|claim| claim.owner.as_str()), TEXT);
    push_instant::<D>(insert, claim.map(|claim| claim.until));
    push_instant::<D>(insert, row.hold.rests_until);
    insert.push(", ");
    insert.push(failed.map_or(0, |failed| failed.attempts.min(i32::MAX.unsigned_abs())));
    push_text::<D>(insert, failed.and_then(|failed| failed.store.as_deref()), TEXT);
    push_text::<D>(insert, failed.map(|failed| failed.outcome.as_str()), TEXT);
    push_text::<D>(insert, failed.and_then(|failed| failed.error.as_deref()), WORDS);
    push_instant::<D>(insert, failed.map(|failed| failed.first));
    push_instant::<D>(insert, failed.and_then(|failed| failed.next));
}

fn push_text<D: Dialect>(query: &mut QueryBuilder<D::Db>, text: Option<&str>, width: usize) {
    query.push(", ");
    match text {
        Some(text) => D::bind_text(query, &fit(text, width)),
        None => {
            query.push("NULL");
        }
    }
}

fn push_instant<D: Dialect>(query: &mut QueryBuilder<D::Db>, at: Option<DateTime<Utc>>) {
    query.push(", ");
    match at {
        Some(at) => D::bind_instant(query, at),
        None => {
            query.push("NULL");
        }
    }
}

/// What a column takes: so many characters, and none that PostgreSQL has no place for.
fn fit(text: &str, width: usize) -> String {
    text.chars().filter(|letter| *letter != '\0').take(width).collect()
}

/// Deletes rows, whoever holds them. For rows that this transaction has locked.
pub(super) async fn delete<D: Dialect>(
    transaction: &mut Tx<D>,
    deadline: Duration,
    locations: &[LocationId],
) -> Result<(), CatalogError> {
    if locations.is_empty() {
        return Ok(());
    }
    let mut delete = QueryBuilder::new("DELETE FROM scrubber_locations WHERE location_id IN (");
    push_ids::<D>(&mut delete, locations);
    delete.push(")");
    within("delete claims", deadline, D::execute(&mut *transaction, delete.build())).await?;
    Ok(())
}

/// Deletes the rows that `owner` holds, and says how many those were.
pub(super) async fn delete_own<D: Dialect>(
    transaction: &mut Tx<D>,
    deadline: Duration,
    owner: &Owner,
    locations: &[LocationId],
) -> Result<u64, CatalogError> {
    if locations.is_empty() {
        return Ok(0);
    }
    let mut delete = QueryBuilder::new("DELETE FROM scrubber_locations WHERE owner = ");
    D::bind_text(&mut delete, owner.as_str());
    delete.push(" AND location_id IN (");
    push_ids::<D>(&mut delete, locations);
    delete.push(")");
    within("release claims", deadline, D::execute(&mut *transaction, delete.build())).await
}

/// Replaces rows by what they are now: one statement for all of them, whatever differs. For rows that this transaction
/// has locked.
pub(super) async fn replace<D: Dialect>(
    transaction: &mut Tx<D>,
    deadline: Duration,
    rows: &[ClaimRow],
) -> Result<(), CatalogError> {
    let ids: Vec<_> = rows.iter().map(|row| row.location).collect();
    delete::<D>(transaction, deadline, &ids).await?;
    insert::<D>(transaction, deadline, rows, "").await
}

/// Rows by id, which nobody else can change until the transaction ends.
pub(super) async fn lock<D: Dialect>(
    transaction: &mut Tx<D>,
    deadline: Duration,
    locations: &[LocationId],
) -> Result<Vec<ClaimRow>, CatalogError> {
    if locations.is_empty() {
        return Ok(Vec::new());
    }
    let mut query =
        QueryBuilder::new(format!("SELECT {} FROM scrubber_locations WHERE location_id IN (", columns::<D>()));
    push_ids::<D>(&mut query, locations);
    // In one order for all, so that two transactions wait for each other rather than fail.
    query.push(") ORDER BY location_id").push(D::FOR_UPDATE);
    let found = async { D::stream(&mut *transaction, query.build()).try_collect::<Vec<_>>().await };
    let found = within("lock claims", deadline, found).await?;
    Ok(found.iter().map(decode::<D>).collect::<sqlx::Result<_>>()?)
}
