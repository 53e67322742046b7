//! Our own tables: making them, and knowing them again.
//!
//! Promises: made once, by whoever comes first, also by several at the same moment; never changed afterwards. A table of a
//! later version is not touched. `scrubber_schema` is made last, so that a crash in between is made good by the next
//! start. Every table has a primary key, and nothing is locked by hand, as Percona's and MariaDB's strict modes want it.

use sqlx::{AssertSqlSafe, Database, QueryBuilder};

use super::super::dialect::Dialect;
use super::super::error::within;
use super::super::sql::SqlCatalog;
use super::super::{CatalogError, LocationId};
use super::rows;

/// The version of the tables that this program makes and knows.
pub(super) const VERSION: i64 = 1;

/// How often the tables are looked for again, where another scrubber makes them at the same moment.
const TRIES: u32 = 5;

/// The statements that make the tables, for a dialect's types. Also for people, where the user may not.
pub(in crate::catalog) fn statements<D: Dialect>() -> [String; 2] {
    let (time, binary, options) = (D::INSTANT, D::EXACT_TEXT, D::TABLE_OPTIONS);
    [
        format!(
            "CREATE TABLE IF NOT EXISTS scrubber_locations (location_id BIGINT NOT NULL PRIMARY KEY, \
             image_id VARCHAR(255){binary} NOT NULL, owner VARCHAR(255){binary}, claimed_until {time}, \
             rests_until {time}, attempts INTEGER NOT NULL, store VARCHAR(255), last_outcome VARCHAR(30), \
             last_error VARCHAR(1000), first_failed_at {time}, next_attempt_at {time}){options}"
        ),
        format!("CREATE TABLE IF NOT EXISTS scrubber_schema (version INTEGER NOT NULL PRIMARY KEY){options}"),
    ]
}

impl<D: Dialect> SqlCatalog<D>
where
    <D::Db as Database>::Arguments: Send,
{
    /// Makes the tables where there are none, and sees that they are ones that this version knows and may write.
    pub(super) async fn make_tables(&self) -> Result<(), CatalogError> {
        let mut tries = 1;
        loop {
            let known = match self.version().await {
                Ok(Some(version)) if version > VERSION => {
                    return Err(CatalogError::NewerState { found: version, known: VERSION });
                }
                Ok(Some(_)) => return self.rehearse_claim().await,
                Ok(None) | Err(CatalogError::NoSchema(_)) => self.create().await,
                Err(error) => return Err(error),
            };
            match known {
                // What another makes at the same moment may be an error here, and be there when looked for again.
                Err(error @ CatalogError::Unreachable(_)) => return Err(error),
                Err(error) if tries >= TRIES => return Err(refused(error)),
                Err(error @ CatalogError::ReadOnly(_)) => return Err(refused(error)),
                _ => tries += 1,
            }
        }
    }

    /// The version that the tables say they have; `None` where their making was interrupted.
    async fn version(&self) -> Result<Option<i64>, CatalogError> {
        let mut version = None;
        let visit = &mut |row: &_| {
            version = D::int(row, 0)?;
            Ok(())
        };
        let query = QueryBuilder::new(format!("SELECT {} FROM scrubber_schema", D::wide("MAX(version)")));
        self.each_row("look for scrubber_schema", self.deadline, query, visit).await?;
        Ok(version)
    }

    /// Not in a transaction: MySQL ends one at each of these.
    async fn create(&self) -> Result<(), CatalogError> {
        let mut connection = within("connect", self.deadline, self.pool.acquire()).await?;
        for statement in statements::<D>() {
            let statement = sqlx::query(AssertSqlSafe(statement));
            within("create scrubber_locations", self.deadline, D::execute(&mut connection, statement)).await?;
        }
        let mut insert = QueryBuilder::new("INSERT INTO scrubber_schema (version) VALUES (");
        D::bind_id(&mut insert, VERSION);
        insert.push(")").push(D::or_leave("version"));
        within("create scrubber_schema", self.deadline, D::execute(&mut connection, insert.build())).await?;
        Ok(())
    }

    /// Writes a row and takes it back: whether claims can be written at all.
    async fn rehearse_claim(&self) -> Result<(), CatalogError> {
        let mut transaction = self.begin_writing().await?;
        // No location has the number 0.
        let nobody = [LocationId(0)];
        rows::delete::<D>(&mut transaction, self.deadline, &nobody).await.map_err(refused)?;
        let row = super::ClaimRow {
            location: LocationId(0),
            image: super::ImageId(String::new()),
            hold: Default::default(),
            failed: None,
        };
        rows::insert::<D>(&mut transaction, self.deadline, &[row], "").await.map_err(refused)?;
        within("roll back", self.deadline, transaction.rollback()).await
    }
}

/// The words of a missing right are about Glance's tables elsewhere.
fn refused(error: CatalogError) -> CatalogError {
    match error {
        CatalogError::ReadOnly(reason) | CatalogError::Statement(reason) => CatalogError::NoState(reason),
        other => other,
    }
}
