//! The rows of `scrubber_locations`: read with the database's clock, locked, written many at once.
//!
//! Promises: ids are locked in the order of the primary key, so that two transactions seldom wait for each other; a text
//! is cut to its column's length, and a NUL in it (which PostgreSQL does not take) is replaced.

use std::collections::HashMap;

use chrono::{DateTime, NaiveDateTime, Utc};
use futures::TryStreamExt;
use sqlx::{Database, QueryBuilder};

use super::super::dialect::Dialect;
use super::super::error::within;
use super::super::sql::{SqlCatalog, push_ids};
use super::super::{CatalogError, ImageId, LocationId};
use super::{ClaimRow, FailedAttempt, Wanted};
use crate::claim::{Claim, Hold, Owner};

/// Rows in one statement: SQLite takes 32766 values, and a row has [`COLUMNS`].
const CHUNK: usize = 500;

const COLUMNS: [&str; 11] = [
    "location_id",
    "image_id",
    "owner",
    "claimed_until",
    "rests_until",
    "attempts",
    "store",
    "last_outcome",
    "last_error",
    "first_failed_at",
    "next_attempt_at",
];

/// Lengths of the columns, in characters.
const IMAGE: usize = 36;
const WORD: usize = 64;
const STORE: usize = 255;
const ERROR: usize = 1000;

type Connection<D> = <<D as Dialect>::Db as Database>::Connection;
type Row<D> = <<D as Dialect>::Db as Database>::Row;

/// A row, and the database's clock when it was read.
pub(super) struct Dated {
    pub row: ClaimRow,
    pub now: DateTime<Utc>,
}

impl<D: Dialect> SqlCatalog<D> {
    /// Claims those of `wanted` of which there is no row. The number of them.
    pub(super) async fn insert_claims(
        &self,
        connection: &mut Connection<D>,
        wanted: &[&Wanted],
        claim: &Claim,
        (begin, end): (&str, &str),
    ) -> Result<u64, CatalogError> {
        let mut made = 0;
        for chunk in wanted.chunks(CHUNK) {
            let mut query = QueryBuilder::new(format!(
                "{begin}scrubber_locations (location_id, image_id, owner, claimed_until) VALUES "
            ));
            for (place, one) in chunk.iter().enumerate() {
                query.push(if place == 0 { "(" } else { ",(" });
                D::bind_id(&mut query, one.location.0);
                query.push(",");
                D::bind_text(&mut query, &bounded(&one.image.0, IMAGE));
                query.push(",");
                D::bind_text(&mut query, claim.owner.as_str());
                query.push(",");
                push_time::<D>(&mut query, Some(claim.until));
                query.push(")");
            }
            query.push(end);
            made += within("claim", self.deadline, D::execute(connection, query.build())).await?;
        }
        Ok(made)
    }

    /// Writes whole rows, new or not as `end` says. The number of rows that the database counts.
    pub(super) async fn insert_rows(
        &self,
        connection: &mut Connection<D>,
        rows: &[ClaimRow],
        (begin, end): (&str, &str),
    ) -> Result<u64, CatalogError> {
        let mut made = 0;
        for chunk in rows.chunks(CHUNK) {
            let mut query = QueryBuilder::new(format!("{begin}scrubber_locations ({}) VALUES ", COLUMNS.join(",")));
            for (place, row) in chunk.iter().enumerate() {
                query.push(if place == 0 { "(" } else { ",(" });
                push_row::<D>(&mut query, row);
                query.push(")");
            }
            query.push(end);
            made += within("write claims", self.deadline, D::execute(connection, query.build())).await?;
        }
        Ok(made)
    }

    /// Overwrites rows that the transaction has locked.
    pub(super) async fn overwrite(
        &self,
        connection: &mut Connection<D>,
        rows: &[ClaimRow],
    ) -> Result<(), CatalogError> {
        let assigned = COLUMNS.iter().skip(1).map(|column| format!("{column} = {}", D::incoming(column)));
        let end = format!("{}{}", D::OR_OVERWRITE, assigned.collect::<Vec<_>>().join(", "));
        self.insert_rows(connection, rows, ("INSERT INTO ", &end)).await.map(drop)
    }

    /// Takes rows away; with `owner`, only that one's. The number of them.
    pub(super) async fn delete_rows(
        &self,
        connection: &mut Connection<D>,
        ids: &[LocationId],
        owner: Option<&Owner>,
    ) -> Result<u64, CatalogError> {
        let mut gone = 0;
        for chunk in ids.chunks(CHUNK) {
            let mut query = QueryBuilder::new("DELETE FROM scrubber_locations WHERE location_id IN (");
            push_ids::<D>(&mut query, chunk);
            query.push(")");
            if let Some(owner) = owner {
                query.push(" AND owner = ");
                D::bind_text(&mut query, owner.as_str());
            }
            gone += within("release claims", self.deadline, D::execute(connection, query.build())).await?;
        }
        Ok(gone)
    }

    /// The rows of `ids`, which nobody else can change until the transaction ends.
    pub(super) async fn lock_rows(
        &self,
        connection: &mut Connection<D>,
        ids: impl Iterator<Item = LocationId>,
    ) -> Result<HashMap<LocationId, Dated>, CatalogError> {
        let mut ids: Vec<_> = ids.collect();
        ids.sort_unstable();
        ids.dedup();
        let mut found = HashMap::with_capacity(ids.len());
        for chunk in ids.chunks(CHUNK) {
            let mut query = select::<D>();
            query.push(" WHERE location_id IN (");
            push_ids::<D>(&mut query, chunk);
            query.push(") ORDER BY location_id").push(D::FOR_UPDATE);
            let rows = async { D::stream(&mut *connection, query.build()).try_collect::<Vec<_>>().await };
            for row in within("lock claims", self.deadline, rows).await? {
                let dated = dated::<D>(&row)?;
                found.insert(dated.row.location, dated);
            }
        }
        Ok(found)
    }
}

/// All columns, in the order that [`dated`] expects.
pub(super) fn select<D: Dialect>() -> QueryBuilder<D::Db> {
    QueryBuilder::new(format!("SELECT {}, {} FROM scrubber_locations", D::CLOCK, COLUMNS.join(", ")))
}

/// Decodes a row of [`select`].
pub(super) fn dated<D: Dialect>(row: &Row<D>) -> sqlx::Result<Dated> {
    let time = |column| Ok::<_, sqlx::Error>(D::time(row, column)?.map(|at| at.and_utc()));
    let now = read_clock::<D>(row)?;
    let owner = D::text(row, 3)?.map(Owner::from_row);
    // Without an end it has lapsed for ever: we write none like it.
    let claim = owner.map(|owner| Ok::<_, sqlx::Error>(Claim { owner, until: time(4)?.unwrap_or_default() }));
    let failed = match D::text(row, 8)? {
        None => None,
        Some(outcome) => Some(FailedAttempt {
            attempts: D::int(row, 6)?.and_then(|count| u32::try_from(count).ok()).unwrap_or_default(),
            outcome,
            error: D::text(row, 9)?,
            store: D::text(row, 7)?,
            first: time(10)?.unwrap_or(now),
            next: time(11)?,
        }),
    };
    let row = ClaimRow {
        location: LocationId(D::int(row, 1)?.ok_or(sqlx::Error::RowNotFound)?),
        image: ImageId(D::text(row, 2)?.unwrap_or_default()),
        hold: Hold { claim: claim.transpose()?, rests_until: time(5)? },
        failed,
    };
    Ok(Dated { row, now })
}

/// What tells the time, for [`read_clock`].
pub(in crate::catalog) fn clock_query<D: Dialect>() -> String {
    format!("SELECT {}", D::CLOCK)
}

/// The clock in the first column. PostgreSQL's has microseconds; claims have not.
pub(in crate::catalog) fn read_clock<D: Dialect>(row: &Row<D>) -> sqlx::Result<DateTime<Utc>> {
    use chrono::SubsecRound;
    Ok(D::time(row, 0)?.ok_or(sqlx::Error::RowNotFound)?.and_utc().trunc_subsecs(3))
}

fn push_row<D: Dialect>(query: &mut QueryBuilder<D::Db>, row: &ClaimRow) {
    let (claim, failed) = (row.hold.claim.as_ref(), row.failed.as_ref());
    let text = |text: Option<&str>, length| text.map(|text| bounded(text, length));
    D::bind_id(query, row.location.0);
    query.push(",");
    D::bind_text(query, &bounded(&row.image.0, IMAGE));
    query.push(",");
    D::bind_text_or_null(query, claim.map(|claim| claim.owner.as_str().to_owned()));
    query.push(",");
    push_time::<D>(query, claim.map(|claim| claim.until));
    query.push(",");
    push_time::<D>(query, row.hold.rests_until);
    query.push(",");
    D::bind_id(query, failed.map_or(0, |failed| failed.attempts.into()));
    query.push(",");
    D::bind_text_or_null(query, text(failed.and_then(|failed| failed.store.as_deref()), STORE));
    query.push(",");
    D::bind_text_or_null(query, text(failed.map(|failed| failed.outcome.as_str()), WORD));
    query.push(",");
    D::bind_text_or_null(query, text(failed.and_then(|failed| failed.error.as_deref()), ERROR));
    query.push(",");
    push_time::<D>(query, failed.map(|failed| failed.first));
    query.push(",");
    push_time::<D>(query, failed.and_then(|failed| failed.next));
}

/// So many characters at most.
fn bounded(text: &str, length: usize) -> String {
    text.chars().take(length).map(|letter| if letter == '\0' { char::REPLACEMENT_CHARACTER } else { letter }).collect()
}

pub(super) fn push_time<D: Dialect>(query: &mut QueryBuilder<D::Db>, at: Option<DateTime<Utc>>) {
    D::bind_millis(query, storable(at));
}

/// What every database can keep: times end with the year 9999.
fn storable(at: Option<DateTime<Utc>>) -> Option<NaiveDateTime> {
    let last = chrono::NaiveDate::from_ymd_opt(9999, 12, 31).and_then(|day| day.and_hms_opt(23, 59, 59));
    at.map(|at| last.map_or(at.naive_utc(), |last| at.naive_utc().min(last)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_cut_at_characters_and_has_no_nul() {
        assert_eq!(bounded("gr\u{fc}\u{1F600}\0x", 5), "gr\u{fc}\u{1F600}\u{fffd}");
    }

    #[test]
    fn a_time_beyond_all_is_the_last_one() {
        assert_eq!(storable(Some(DateTime::<Utc>::MAX_UTC)).unwrap().to_string(), "9999-12-31 23:59:59");
        assert_eq!(storable(None), None);
    }
}
