//! One connection to any of the three engines, for statements as text; and where the database is.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use sqlx::{AssertSqlSafe, Connection, MySqlConnection, PgConnection, Row, SqliteConnection, raw_sql};

/// Glance's tables as its `glance-manage db_sync` makes them.
const SQLITE_SCHEMA: &str = include_str!("../../tests/it/support/glance_sqlite.sql");

/// Children first.
const TABLES: [&str; 5] = ["image_locations", "image_properties", "image_tags", "image_members", "images"];

pub enum Database {
    Sqlite(SqliteConnection),
    Mariadb(MySqlConnection),
    Postgres(PgConnection),
}

/// What a server has done so far.
#[derive(Debug, Clone, Copy)]
pub struct Statements {
    pub run: u64,
    /// Where the server counts them apart.
    pub prepared: Option<u64>,
}

impl Statements {
    /// What was run since `earlier`, without the statement that asked then.
    pub fn since(self, earlier: Self) -> Self {
        let prepared = self.prepared.zip(earlier.prepared).map(|(now, then)| now - then);
        Self { run: self.run.saturating_sub(earlier.run + 1), prepared }
    }
}

macro_rules! on {
    ($database:expr, $connection:ident => $body:expr) => {
        match $database {
            Database::Sqlite($connection) => $body,
            Database::Mariadb($connection) => $body,
            Database::Postgres($connection) => $body,
        }
    };
}

impl Database {
    /// Takes the URL that stands in Glance's config.
    pub async fn connect(url: &str) -> Result<Self> {
        let (scheme, rest) = url.split_once("://").context("a database URL has :// in it")?;
        match scheme.split('+').next() {
            Some("sqlite") => {
                let path = rest.strip_prefix('/').context("write sqlite:///PATH")?;
                Ok(Self::Sqlite(SqliteConnection::connect(&format!("sqlite://{path}")).await?))
            }
            Some("mysql" | "mariadb") => Ok(Self::Mariadb(MySqlConnection::connect(&format!("mysql://{rest}")).await?)),
            Some("postgresql") => Ok(Self::Postgres(PgConnection::connect(&format!("postgresql://{rest}")).await?)),
            _ => bail!("{scheme} is neither sqlite, mysql nor postgresql"),
        }
    }

    pub async fn execute(&mut self, sql: impl Into<String>) -> Result<()> {
        let sql = AssertSqlSafe(sql.into());
        on!(self, connection => raw_sql(sql).execute(connection).await.map(|_| ()))?;
        Ok(())
    }

    /// A query's rows as text; NULL is empty.
    pub async fn rows(&mut self, sql: impl Into<String>) -> Result<Vec<Vec<String>>> {
        let sql = AssertSqlSafe(sql.into());
        on!(self, connection => {
            let rows = raw_sql(sql).fetch_all(connection).await?;
            let text = |row: &_, column| Row::try_get_unchecked::<Option<String>, _>(row, column);
            let texts = |row| (0..Row::len(row)).map(|column| Ok(text(row, column)?.unwrap_or_default())).collect();
            rows.iter().map(texts).collect()
        })
    }

    pub async fn close(self) -> Result<()> {
        on!(self, connection => connection.close().await)?;
        Ok(())
    }

    /// Statements that the server has run since it started; `None` where nobody counts. Each call counts as one.
    pub async fn statements(&mut self) -> Option<Statements> {
        let query = match self {
            Self::Sqlite(_) => return None,
            Self::Mariadb(_) => {
                "SHOW GLOBAL STATUS WHERE Variable_name IN ('Questions', 'Com_stmt_prepare')".to_owned()
            }
            Self::Postgres(_) => {
                // Without the right, or without the module preloaded, the query below says so.
                let _ = self.execute("CREATE EXTENSION IF NOT EXISTS pg_stat_statements").await;
                "SELECT 'Questions', SUM(calls) FROM pg_stat_statements s JOIN pg_database d ON d.oid = s.dbid \
                 WHERE d.datname = current_database()"
                    .to_owned()
            }
        };
        let rows = self.rows(query).await.ok()?;
        let value = |name| rows.iter().find(|row| row[0] == name)?.get(1)?.parse().ok();
        Some(Statements { run: value("Questions")?, prepared: value("Com_stmt_prepare") })
    }
}

/// The database that is filled and emptied.
pub struct Place {
    url: String,
    sqlite_file: Option<PathBuf>,
    schema: Option<String>,
}

impl Place {
    pub fn new(url: Option<&str>, schema: Option<&Path>, home: &Path) -> Result<Self> {
        let url = url.map_or_else(|| format!("sqlite:///{}", home.join("glance.sqlite").display()), str::to_owned);
        let sqlite_file = url.strip_prefix("sqlite:///").map(PathBuf::from);
        if let Some(file) = &sqlite_file {
            ensure!(!file.exists(), "{} exists; name a file that does not", file.display());
        }
        let schema = schema.map(|file| std::fs::read_to_string(file).with_context(|| file.display().to_string()));
        Ok(Self { url, sqlite_file, schema: schema.transpose()? })
    }

    pub fn url(&self) -> &str {
        &self.url
    }

    pub async fn connect(&self) -> Result<Database> {
        Database::connect(&self.url).await
    }

    /// Makes the tables where there are none; refuses a database with images in it.
    pub async fn prepare(&self) -> Result<()> {
        if self.sqlite_file.is_some() {
            return Ok(());
        }
        let mut database = self.connect().await?;
        let count = "SELECT COUNT(*) FROM images";
        let images = match (database.rows(count).await, &self.schema) {
            (Ok(rows), _) => rows,
            (Err(_), Some(schema)) => {
                database.execute(statements_of(schema)).await?;
                // A dump by pg_dump leaves its connection with an empty search path.
                database = self.connect().await?;
                database.rows(count).await?
            }
            (Err(error), None) => return Err(error.context("no images table; load Glance's schema, or use --schema")),
        };
        ensure!(images == [["0"]], "the database has images; this program would delete them, so it wants an empty one");
        database.close().await
    }

    /// Takes all images out, and leaves the tables as new.
    pub async fn empty(&self) -> Result<()> {
        if let Some(file) = &self.sqlite_file {
            return match std::fs::remove_file(file) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error.into()),
                _ => Ok(()),
            };
        }
        let mut database = self.connect().await?;
        let empty = match &database {
            Database::Postgres(_) => format!("TRUNCATE {}", TABLES.join(", ")),
            _ => format!("SET foreign_key_checks = 0; {}", TABLES.map(|table| format!("TRUNCATE {table};")).concat()),
        };
        database.execute(empty).await?;
        database.close().await
    }

    /// An empty database with the tables.
    pub async fn fresh(&self) -> Result<Database> {
        self.empty().await?;
        let Some(file) = &self.sqlite_file else { return self.connect().await };
        std::fs::write(file, "")?;
        let mut database = self.connect().await?;
        database.execute(SQLITE_SCHEMA).await?;
        Ok(database)
    }
}

/// A dump without what only psql understands: its own commands, and rows that come as a stream.
fn statements_of(dump: &str) -> String {
    let mut in_rows = false;
    let mut statements = String::with_capacity(dump.len());
    for line in dump.lines() {
        if in_rows || line.starts_with('\\') {
            in_rows &= line != "\\.";
        } else if line.starts_with("COPY ") && line.ends_with("FROM stdin;") {
            in_rows = true;
        } else {
            statements.push_str(line);
            statements.push('\n');
        }
    }
    statements
}
