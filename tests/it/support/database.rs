//! A database of one's own with Glance's schema in it, dropped with the value.
//!
//! Each call opens a connection and closes it: a test sees what is committed, holds no lock while the program under test
//! runs, and needs no runtime. It may be called from an async test too; it then blocks that test's thread.

use std::future::Future;
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};

use sqlx::{
    AssertSqlSafe, Column, ColumnIndex, Connection, Decode, MySqlConnection, PgConnection, SqliteConnection, TypeInfo,
    raw_sql,
};
use tempfile::TempDir;

use super::private_server::PrivateServer;
use super::servers::{Engine, schema_dir};

/// A row as column name and text; `None` is NULL. Booleans are `0` and `1` with every engine, times as it writes them.
pub type Row = Vec<(String, Option<String>)>;

pub struct Database {
    pub engine: Engine,
    url: String,
    kept: Kept,
}

/// What goes with the value.
enum Kept {
    File { _directory: TempDir },
    OnServer { admin: String, name: String },
    WithItsServer,
}

impl Database {
    /// An empty Glance database. For SQLite it is what this Glance's own glance-manage made where that is at hand, else
    /// the tables that the scrubber knows, from `glance_sqlite.sql`, which a test compares with the former.
    pub fn fresh(engine: Engine) -> Database {
        match engine.admin_url() {
            None => fresh_sqlite(),
            Some(admin) => fresh_on_server(engine, admin),
        }
    }

    /// An empty Glance database on a server of the test's own.
    pub fn on(server: &PrivateServer) -> Database {
        let (engine, admin) = (server.engine, server.admin_url());
        let schema = schema_dir().expect("tests/all makes the schema");
        let url = format!("{admin}glance");
        match engine {
            Engine::Mariadb => {
                execute(engine, &admin, "CREATE DATABASE glance");
                execute(engine, &url, &read(&schema.join("mariadb.sql")));
            }
            Engine::Postgres => {
                execute(engine, &format!("{admin}postgres"), "CREATE DATABASE glance");
                server.feed("glance", &schema.join("postgres.sql"));
            }
            Engine::Sqlite => panic!("it has no server"),
        }
        Database { engine, url, kept: Kept::WithItsServer }
    }

    /// An empty Glance database on a Galera cluster, as each of its nodes has it. `admins` are administrators' URLs;
    /// `private` says that the cluster goes with the test.
    pub fn on_both(admins: &[String; 2], private: bool) -> [Database; 2] {
        let (engine, [one, two]) = (Engine::Mariadb, admins);
        let mut first = fresh_on_server(engine, one.clone());
        if private {
            first.kept = Kept::WithItsServer;
        }
        let second = Database { engine, url: first.url.replace(one.as_str(), two), kept: Kept::WithItsServer };
        catch_up(two);
        [first, second]
    }

    /// Returns once this node of a Galera cluster has all that was committed on any.
    pub fn catch_up(&self) {
        catch_up(&self.url);
    }

    /// What to write after `connection =`.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Runs statements, separated by semicolons. The number of rows that they changed.
    pub fn execute(&self, sql: &str) -> u64 {
        execute(self.engine, &self.url, sql)
    }

    /// The rows of a query, each as its columns' texts.
    pub fn rows(&self, sql: &str) -> Vec<Vec<Option<String>>> {
        let texts = |row: Row| row.into_iter().map(|(_, text)| text).collect();
        self.named_rows(sql).into_iter().map(texts).collect()
    }

    /// The rows of a query with their columns' names.
    pub fn named_rows(&self, sql: &str) -> Vec<Row> {
        query(self.engine, &self.url, sql)
    }
}

/// A connection that stays open, for transactions that get in the way of others. MariaDB and PostgreSQL only.
pub struct Session {
    runtime: tokio::runtime::Runtime,
    connection: Open,
}

enum Open {
    Mariadb(MySqlConnection),
    Postgres(PgConnection),
}

impl Session {
    /// Runs one statement.
    pub fn execute(&mut self, sql: &str) {
        self.try_execute(sql).unwrap_or_else(|e| panic!("{e}\nin: {sql}"));
    }

    /// Runs statements in one transaction, again where it met another one, as Glance does.
    pub fn transact(&mut self, statements: &str) {
        while let Err(error) = self.try_execute(&format!("BEGIN;{statements}COMMIT")) {
            let code = error.as_database_error().and_then(|error| error.code()).unwrap_or_default().into_owned();
            assert!(["40001", "40P01", "HY000"].contains(&code.as_str()), "{error} ({code})\nin: {statements}");
            self.execute("ROLLBACK");
        }
    }

    fn try_execute(&mut self, sql: &str) -> sqlx::Result<()> {
        let sql = raw_sql(AssertSqlSafe(sql));
        match &mut self.connection {
            Open::Mariadb(connection) => self.runtime.block_on(sql.execute(connection)).map(drop),
            Open::Postgres(connection) => self.runtime.block_on(sql.execute(connection)).map(drop),
        }
    }

    /// The rows of a query, each as its columns' texts.
    pub fn rows(&mut self, sql: &str) -> Vec<Vec<Option<String>>> {
        let query = raw_sql(AssertSqlSafe(sql));
        let rows: sqlx::Result<Vec<Row>> = match &mut self.connection {
            Open::Mariadb(connection) => self.runtime.block_on(query.fetch_all(connection)).and_then(texts_of),
            Open::Postgres(connection) => self.runtime.block_on(query.fetch_all(connection)).and_then(texts_of),
        };
        let rows = rows.unwrap_or_else(|e| panic!("{e}\nin: {sql}"));
        rows.into_iter().map(|row| row.into_iter().map(|(_, text)| text).collect()).collect()
    }
}

impl Database {
    /// Opens a connection that stays open.
    pub fn session(&self) -> Session {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let url = for_sqlx(&self.url);
        let connection = match self.engine {
            Engine::Sqlite => panic!("a session would lock SQLite's one file"),
            Engine::Mariadb => Open::Mariadb(runtime.block_on(MySqlConnection::connect(&url)).unwrap()),
            Engine::Postgres => Open::Postgres(runtime.block_on(PgConnection::connect(&url)).unwrap()),
        };
        Session { runtime, connection }
    }

    /// Whether a transaction in this database waits for a lock.
    pub fn someone_waits(&self) -> bool {
        let sql = match self.engine {
            Engine::Sqlite => return false,
            // Not innodb_lock_waits: InnoDB renews that only for somebody who has not looked for a while.
            Engine::Mariadb => {
                "SELECT count(*) FROM information_schema.processlist
                 WHERE db = database() AND info LIKE 'UPDATE images%' AND time_ms > 300"
            }
            Engine::Postgres => {
                "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
            }
        };
        self.rows(sql) != [[Some("0".to_owned())]]
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        if let Kept::OnServer { admin, name } = &self.kept {
            // What the test left connected (a killed scrubber, a Glance that goes after us) must not keep it alive.
            let force = if self.engine == Engine::Postgres { " WITH (FORCE)" } else { "" };
            execute(self.engine, admin, &format!("DROP DATABASE {name}{force}"));
        }
    }
}

fn catch_up(node: &str) {
    execute(Engine::Mariadb, node, "SET SESSION wsrep_sync_wait = 1; SELECT 1");
}

fn fresh_sqlite() -> Database {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("glance.db");
    let url = format!("sqlite:///{}", file.display());
    match schema_dir() {
        Some(schema) => drop(std::fs::copy(schema.join("sqlite.db"), &file).unwrap()),
        None => {
            std::fs::write(&file, "").unwrap(); // an empty file is an empty database
            execute(Engine::Sqlite, &url, include_str!("glance_sqlite.sql"));
        }
    }
    Database { engine: Engine::Sqlite, url, kept: Kept::File { _directory: directory } }
}

fn fresh_on_server(engine: Engine, admin: String) -> Database {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let name = format!("test_{}_{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
    let template = if engine == Engine::Postgres { " TEMPLATE glance_template" } else { "" };
    let url = format!("{admin}{name}");
    // PostgreSQL wants every connection to be to a database; this is the one that is always there.
    let admin = if engine == Engine::Postgres { admin + "postgres" } else { admin };
    execute(engine, &admin, &format!("CREATE DATABASE {name}{template}"));
    let database = Database { engine, url, kept: Kept::OnServer { admin, name } };
    if engine == Engine::Mariadb {
        let schema = schema_dir().expect("tests/all makes the schema with the server");
        database.execute(&read(&schema.join("mariadb.sql")));
    }
    database
}

fn read(file: &Path) -> String {
    std::fs::read_to_string(file).unwrap_or_else(|e| panic!("{}: {e}", file.display()))
}

/// Opens a connection of the engine's own type, as `$connection`, for `$body`: sqlx has no type for any of them that
/// would leave times as they are.
macro_rules! with_connection {
    ($engine:expr, $url:expr, |$connection:ident| $body:expr) => {{
        let url = for_sqlx($url);
        match $engine {
            Engine::Sqlite => {
                let mut $connection = SqliteConnection::connect(&url).await?;
                $body
            }
            Engine::Mariadb => {
                let mut $connection = MySqlConnection::connect(&url).await?;
                $body
            }
            Engine::Postgres => {
                let mut $connection = PgConnection::connect(&url).await?;
                $body
            }
        }
    }};
}

fn execute(engine: Engine, url: &str, sql: &str) -> u64 {
    finish(sql, async {
        with_connection!(engine, url, |connection| {
            let done = raw_sql(AssertSqlSafe(sql)).execute(&mut connection).await?.rows_affected();
            connection.close().await?;
            Ok(done)
        })
    })
}

fn query(engine: Engine, url: &str, sql: &str) -> Vec<Row> {
    finish(sql, async {
        with_connection!(engine, url, |connection| {
            // Raw, so that the servers send every value as text.
            let rows = raw_sql(AssertSqlSafe(sql)).fetch_all(&mut connection).await?;
            let texts = texts_of(rows)?;
            connection.close().await?;
            Ok(texts)
        })
    })
}

fn texts_of<R>(rows: Vec<R>) -> sqlx::Result<Vec<Row>>
where
    R: sqlx::Row,
    usize: ColumnIndex<R>,
    for<'r> Option<String>: Decode<'r, R::Database>,
{
    let texts = rows.iter().map(|row| {
        let text = |column: &<R::Database as sqlx::Database>::Column| {
            text_of(row.try_get_unchecked(column.ordinal())?, column)
        };
        row.columns().iter().map(text).collect()
    });
    texts.collect()
}

/// PostgreSQL's `t` and `f` become what the others say.
fn text_of(text: Option<String>, column: &impl Column) -> Result<(String, Option<String>), sqlx::Error> {
    let text = match (column.type_info().name(), text.as_deref()) {
        ("BOOL", Some("t")) => Some("1".to_owned()),
        ("BOOL", Some("f")) => Some("0".to_owned()),
        _ => text,
    };
    Ok((column.name().to_owned(), text))
}

/// SQLAlchemy names the driver and gives SQLite one more slash.
fn for_sqlx(url: &str) -> String {
    url.replace("mysql+pymysql:", "mysql:")
        .replace("postgresql+psycopg2:", "postgresql:")
        .replace("sqlite:///", "sqlite://")
}

/// Runs `work` to its end on a thread and a runtime of its own.
fn finish<T: Send>(sql: &str, work: impl Future<Output = Result<T, sqlx::Error>> + Send) -> T {
    let run = || tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(work);
    let result = std::thread::scope(|scope| scope.spawn(run).join());
    result.expect("sqlx panicked").unwrap_or_else(|e| panic!("{e}\nin: {sql}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::support::servers::engines_at_hand;
    use crate::support::snapshot::TABLES;

    #[test]
    fn a_fresh_database_has_the_schema_and_goes_with_its_value() {
        for engine in engines_at_hand() {
            let database = Database::fresh(engine);
            assert_eq!(database.rows("SELECT count(*) FROM images"), [[Some("0".to_owned())]], "{engine:?}");
            let url = database.url().to_owned();
            drop(database);
            let gone = std::panic::catch_unwind(|| execute(engine, &url, "SELECT 1")).is_err();
            assert!(gone, "{engine:?}: {} is still there", url.rsplit('/').next().unwrap());
        }
    }

    #[test]
    fn values_read_the_same_from_every_engine() {
        for engine in engines_at_hand() {
            let database = Database::fresh(engine);
            let yes = if engine == Engine::Postgres { "true" } else { "1" };
            let inserted = database.execute(&format!(
                "INSERT INTO images (id, status, created_at, deleted, min_disk, min_ram, size, name)
                 VALUES ('i', 'active', '2026-01-02 03:04:05', {yes}, 0, 0, 5000000000, 'é')"
            ));
            assert_eq!(inserted, 1, "{engine:?}");
            let rows = database.named_rows("SELECT size, deleted, protected, deleted_at, name FROM images");
            let row: Vec<_> = rows[0].iter().map(|(name, text)| (name.as_str(), text.as_deref())).collect();
            let zero_and_one = [("deleted", Some("1")), ("protected", Some("0"))];
            assert_eq!(row[0], ("size", Some("5000000000")), "{engine:?}");
            assert_eq!(row[1..3], zero_and_one, "{engine:?}");
            assert_eq!(row[3..], [("deleted_at", None), ("name", Some("é"))], "{engine:?}");
        }
    }

    /// `cargo test` alone knows the schema from a file; it must be what Glance makes.
    #[test]
    fn the_sqlite_schema_kept_here_is_the_one_that_glance_makes() {
        if schema_dir().is_none() {
            return;
        }
        let made = dump(&Database::fresh(Engine::Sqlite));
        if std::env::var_os("SCRUBBER_TEST_BLESS").is_some() {
            let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/support/glance_sqlite.sql");
            std::fs::write(file, &made).unwrap();
        }
        assert_eq!(made, include_str!("glance_sqlite.sql"), "SCRUBBER_TEST_BLESS=1 tests/all sqlite_schema renews it");
    }

    /// The statements that make the tables that the scrubber knows, and the version of the schema.
    fn dump(database: &Database) -> String {
        let tables = TABLES.iter().chain(&["alembic_version"]).map(|table| {
            database.rows(&format!(
                "SELECT sql || ';' FROM sqlite_master WHERE tbl_name = '{table}' AND sql IS NOT NULL ORDER BY type DESC, name"
            ))
        });
        let version = database
            .rows("SELECT 'INSERT INTO alembic_version VALUES (' || quote(version_num) || ');' FROM alembic_version");
        let lines = tables.flatten().chain(version).flatten().flatten();
        lines.map(|line| line + "\n").collect()
    }
}
