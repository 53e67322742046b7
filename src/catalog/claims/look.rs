//! How our own tables stand, for who makes nothing.
//!
//! Promises: reads only. Whether the tables could be made is said as far as it shows without trying: a right that comes by
//! a role does not show everywhere.

use std::path::Path;

use rustix::fs::{Access, access};
use sqlx::{Database, QueryBuilder};

use super::super::CatalogError;
use super::super::dialect::Dialect;
use super::super::sql::SqlCatalog;
use super::schema::VERSION;

/// How the table of claims stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Table {
    /// It is there.
    There {
        /// Its version, which this program knows.
        version: i64,
    },
    /// It is not there yet; what would keep the first cycle from making it.
    Absent {
        /// One line for a person.
        obstacle: Option<String>,
    },
}

impl<D: Dialect> SqlCatalog<D>
where
    <D::Db as Database>::Arguments: Send,
{
    pub(super) async fn look_at_table(&self) -> Result<Table, CatalogError> {
        match self.version().await {
            Ok(Some(found)) if found > VERSION => Err(CatalogError::NewerState { found, known: VERSION }),
            Ok(Some(version)) => Ok(Table::There { version }),
            Ok(None) | Err(CatalogError::NoSchema(_)) => Ok(Table::Absent { obstacle: self.obstacle().await? }),
            Err(error) => Err(error),
        }
    }

    async fn obstacle(&self) -> Result<Option<String>, CatalogError> {
        let mut said = None;
        let visit = &mut |row: &_| {
            said = D::text(row, 0)?;
            Ok(())
        };
        self.each_row("look whether a table may be made", self.deadline, QueryBuilder::new(D::OBSTACLE), visit).await?;
        let Some(file) = said.as_deref().and_then(|said| said.strip_prefix("file:")) else { return Ok(said) };
        // SQLite writes its journal beside it.
        let (file, directory) = (Path::new(file), Path::new(file).parent().unwrap_or(Path::new("/")));
        let refused =
            [file, directory].into_iter().find_map(|path| Some((path, access(path, Access::WRITE_OK).err()?)));
        Ok(refused.map(|(path, error)| format!("{} may not be written ({error})", path.display())))
    }
}
