//! The tables of claims, made on first use.
//!
//! Promises: nothing is made where the tables are, so that the right to make them is needed once, or never where
//! somebody made them by hand (the statements are in docs/configuration.md); scrubbers that begin at the same moment all
//! succeed; tables of a newer version are left alone. MySQL commits at each CREATE, so none is in a transaction.
//! Rejected: `CREATE TABLE IF NOT EXISTS` each time (it needs the right even where the table is), and another table's
//! keys (a foreign key would stop `glance-manage db purge`).

use super::super::CatalogError;
use super::super::dialect::Dialect;
use super::super::error::within;
use super::super::sql::SqlCatalog;
use crate::crash::{self, Point};

/// The version of the tables that this program makes and knows.
pub(in crate::catalog) const VERSION: i64 = 1;

pub(in crate::catalog) const SQLITE: [&str; 2] = [
    "CREATE TABLE IF NOT EXISTS scrubber_locations (
    location_id INTEGER NOT NULL PRIMARY KEY,
    image_id VARCHAR(36) NOT NULL,
    owner VARCHAR(255),
    claimed_until DATETIME,
    rests_until DATETIME,
    attempts INTEGER NOT NULL DEFAULT 0,
    store VARCHAR(255),
    last_outcome VARCHAR(64),
    last_error VARCHAR(1000),
    first_failed_at DATETIME,
    next_attempt_at DATETIME
)",
    "CREATE TABLE IF NOT EXISTS scrubber_schema (version INTEGER NOT NULL PRIMARY KEY)",
];

/// Owners compare exactly; ids of images compare as in Glance's own tables, without case.
pub(in crate::catalog) const MYSQL: [&str; 2] = [
    "CREATE TABLE IF NOT EXISTS scrubber_locations (
    location_id BIGINT NOT NULL PRIMARY KEY,
    image_id VARCHAR(36) CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci NOT NULL,
    owner VARCHAR(255),
    claimed_until DATETIME(3),
    rests_until DATETIME(3),
    attempts BIGINT NOT NULL DEFAULT 0,
    store VARCHAR(255),
    last_outcome VARCHAR(64),
    last_error VARCHAR(1000),
    first_failed_at DATETIME(3),
    next_attempt_at DATETIME(3)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin",
    "CREATE TABLE IF NOT EXISTS scrubber_schema (version BIGINT NOT NULL PRIMARY KEY) ENGINE = InnoDB",
];

pub(in crate::catalog) const POSTGRES: [&str; 2] = [
    "CREATE TABLE IF NOT EXISTS scrubber_locations (
    location_id BIGINT NOT NULL PRIMARY KEY,
    image_id VARCHAR(36) NOT NULL,
    owner VARCHAR(255),
    claimed_until TIMESTAMP(3),
    rests_until TIMESTAMP(3),
    attempts BIGINT NOT NULL DEFAULT 0,
    store VARCHAR(255),
    last_outcome VARCHAR(64),
    last_error VARCHAR(1000),
    first_failed_at TIMESTAMP(3),
    next_attempt_at TIMESTAMP(3)
)",
    "CREATE TABLE IF NOT EXISTS scrubber_schema (version BIGINT NOT NULL PRIMARY KEY)",
];

impl<D: Dialect> SqlCatalog<D> {
    /// Makes the tables where they are not, and sees that this program may work with them.
    pub(super) async fn prepare_tables(&self) -> Result<(), CatalogError> {
        self.make_tables().await?;
        if self.version().await?.is_none() {
            let (insert, rest) = D::INSERT_ABSENT;
            self.run("write the version", &format!("{insert} scrubber_schema (version) VALUES ({VERSION}){rest}"))
                .await?;
        }
        self.rehearse_claims().await
    }

    /// Whether the tables are there. Fails where they are of a newer version.
    pub(super) async fn has_tables(&self) -> Result<bool, CatalogError> {
        if self.count_tables().await? < D::TABLES.len() as i64 {
            return Ok(false);
        }
        self.version().await?;
        Ok(true)
    }

    async fn make_tables(&self) -> Result<(), CatalogError> {
        let before = self.count_tables().await?;
        if before == D::TABLES.len() as i64 {
            return Ok(());
        }
        for table in D::TABLES {
            let Err(error) = self.run("make a table", table).await else {
                crash::point(Point::BetweenTables);
                continue;
            };
            // PostgreSQL's IF NOT EXISTS fails where another makes the table at the same moment.
            return Err(match error {
                _ if self.count_tables().await? > before => CatalogError::Conflict(error.to_string()),
                _ if error.is_transient() => error,
                CatalogError::ReadOnly(reason) | CatalogError::Statement(reason) => CatalogError::NoState(reason),
                other => CatalogError::NoState(other.to_string()),
            });
        }
        Ok(())
    }

    /// `None` where the table of versions is still empty.
    pub(super) async fn version(&self) -> Result<Option<i64>, CatalogError> {
        let found = self.number("read the version", "SELECT MAX(version) FROM scrubber_schema").await?;
        match found {
            Some(found) if found > VERSION => Err(CatalogError::NewerState { found, known: VERSION }),
            found => Ok(found),
        }
    }

    async fn count_tables(&self) -> Result<i64, CatalogError> {
        Ok(self.number("look for the tables of claims", D::COUNT_TABLES).await?.unwrap_or_default())
    }

    /// Writes to no row at all: that it may be done is the question, before anything is deleted.
    async fn rehearse_claims(&self) -> Result<(), CatalogError> {
        for statement in [
            "INSERT INTO scrubber_locations (location_id, image_id) \
             SELECT location_id, image_id FROM scrubber_locations WHERE location_id IS NULL",
            "UPDATE scrubber_locations SET attempts = 0 WHERE location_id IS NULL",
            "DELETE FROM scrubber_locations WHERE location_id IS NULL",
        ] {
            self.run("rehearse a claim", statement).await.map_err(|error| match error {
                CatalogError::ReadOnly(reason) => CatalogError::StateReadOnly(reason),
                other => other,
            })?;
        }
        Ok(())
    }

    async fn run(&self, what: &'static str, statement: &str) -> Result<u64, CatalogError> {
        let mut connection = within(what, self.deadline, self.pool.acquire()).await?;
        let mut query = sqlx::QueryBuilder::new(statement);
        within(what, self.deadline, D::execute(&mut connection, query.build())).await
    }

    async fn number(&self, what: &'static str, query: &str) -> Result<Option<i64>, CatalogError> {
        let mut found = None;
        let visit = &mut |row: &_| {
            found = D::int(row, 0)?;
            Ok(())
        };
        self.each_row(what, self.deadline, sqlx::QueryBuilder::new(query), visit).await?;
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// For administrators who make the tables by hand.
    #[test]
    fn the_documentation_has_the_statements() {
        let documentation = include_str!("../../../docs/configuration.md");
        for statement in MYSQL.iter().chain(&POSTGRES) {
            assert!(documentation.contains(&format!("{statement};\n")), "{statement}");
        }
        assert!(documentation.contains(&format!("INSERT INTO scrubber_schema (version) VALUES ({VERSION});")));
    }
}
