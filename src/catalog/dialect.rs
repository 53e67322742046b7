//! Where the three databases differ, and nothing else.
//!
//! The statements are portable (`sql.rs`); a dialect says how a time is bound, how an id comes back, and runs what
//! sqlx can only run on concrete types. Rejected: generic bounds over sqlx's executors (a page of `for<'c>` at each
//! use), and three copies of each statement (they drift).

use chrono::NaiveDateTime;
use futures::stream::BoxStream;
use sqlx::query::Query;
use sqlx::{Database, MySql, Postgres, QueryBuilder, Row, Sqlite};

use super::claims::schema;

/// A statement ready to run.
pub(super) type Statement<'q, D> = Query<'q, <D as Dialect>::Db, <<D as Dialect>::Db as Database>::Arguments>;

/// A database engine.
pub(super) trait Dialect: Send + Sync + 'static {
    /// sqlx's driver.
    type Db: Database;

    /// `l.id` as an expression that decodes as 64 bits.
    const LOCATION_ID: &'static str;

    /// How a transaction that writes begins. SQLite has one lock; taken with the first write instead, it would be refused
    /// at once to who has read before, whatever the busy timeout.
    const BEGIN: &'static str = "BEGIN";

    /// What makes a SELECT lock its rows until the transaction ends.
    const FOR_UPDATE: &'static str = " FOR UPDATE";

    /// The clock of the database: UTC, with milliseconds.
    const CLOCK: &'static str;

    /// How an INSERT that counts the rows it makes, and leaves alone what is there, begins and ends.
    const INSERT_ABSENT: (&'static str, &'static str) = ("INSERT INTO ", " ON CONFLICT DO NOTHING");

    /// The end of an INSERT INTO `scrubber_locations` that locks what is there, and leaves it alone.
    const OR_LOCK: &'static str = " ON CONFLICT (location_id) DO UPDATE SET attempts = 0 WHERE 1 = 0";

    /// The end of an INSERT INTO `scrubber_locations` that overwrites what is there; assignments follow.
    const OR_OVERWRITE: &'static str = " ON CONFLICT (location_id) DO UPDATE SET ";

    /// What would keep us from making a table, in words; NULL for nothing. SQLite says `file:` and where it is.
    const OBSTACLE: &'static str;

    /// In such an assignment, the value of `column` that was to be inserted.
    fn incoming(column: &str) -> String {
        format!("excluded.{column}")
    }

    /// Our own tables, each made where it is not there.
    const TABLES: [&'static str; 2];

    /// How many of them are there, for who may read them.
    const COUNT_TABLES: &'static str;

    /// A time with milliseconds, as our own tables keep it.
    fn bind_millis(query: &mut QueryBuilder<Self::Db>, at: Option<NaiveDateTime>);
    fn bind_text_or_null(query: &mut QueryBuilder<Self::Db>, text: Option<String>);

    /// A time as this engine's column keeps it.
    fn bind_time(query: &mut QueryBuilder<Self::Db>, at: NaiveDateTime);
    /// A time as the boundary of a comparison, in whole seconds.
    fn bind_second(query: &mut QueryBuilder<Self::Db>, at: NaiveDateTime);

    fn bind_id(query: &mut QueryBuilder<Self::Db>, id: i64);
    fn bind_text(query: &mut QueryBuilder<Self::Db>, text: &str);
    fn int(row: &<Self::Db as Database>::Row, column: usize) -> sqlx::Result<Option<i64>>;
    fn text(row: &<Self::Db as Database>::Row, column: usize) -> sqlx::Result<Option<String>>;
    fn time(row: &<Self::Db as Database>::Row, column: usize) -> sqlx::Result<Option<NaiveDateTime>>;
    fn flag(row: &<Self::Db as Database>::Row, column: usize) -> sqlx::Result<Option<bool>>;
    fn stream<'c>(
        connection: &'c mut <Self::Db as Database>::Connection,
        statement: Statement<'c, Self>,
    ) -> BoxStream<'c, sqlx::Result<<Self::Db as Database>::Row>>
    where
        Self: Sized;
    fn execute<'c>(
        connection: &'c mut <Self::Db as Database>::Connection,
        statement: Statement<'c, Self>,
    ) -> impl Future<Output = sqlx::Result<u64>> + Send
    where
        Self: Sized;
}

/// What sqlx does alike for every engine, but only on concrete types.
macro_rules! plumbing {
    ($db:ty) => {
        type Db = $db;

        fn bind_id(query: &mut QueryBuilder<$db>, id: i64) {
            query.push_bind(id);
        }
        fn bind_text(query: &mut QueryBuilder<$db>, text: &str) {
            query.push_bind(text.to_owned());
        }
        fn bind_text_or_null(query: &mut QueryBuilder<$db>, text: Option<String>) {
            query.push_bind(text);
        }
        fn int(row: &<$db as Database>::Row, column: usize) -> sqlx::Result<Option<i64>> {
            row.try_get(column)
        }
        fn text(row: &<$db as Database>::Row, column: usize) -> sqlx::Result<Option<String>> {
            row.try_get(column)
        }
        fn time(row: &<$db as Database>::Row, column: usize) -> sqlx::Result<Option<NaiveDateTime>> {
            row.try_get(column)
        }
        fn flag(row: &<$db as Database>::Row, column: usize) -> sqlx::Result<Option<bool>> {
            row.try_get(column)
        }
        fn stream<'c>(
            connection: &'c mut <$db as Database>::Connection,
            statement: Statement<'c, Self>,
        ) -> BoxStream<'c, sqlx::Result<<$db as Database>::Row>> {
            statement.fetch(connection)
        }
        async fn execute<'c>(
            connection: &'c mut <$db as Database>::Connection,
            statement: Statement<'c, Self>,
        ) -> sqlx::Result<u64> {
            Ok(statement.execute(connection).await?.rows_affected())
        }
    };
}

/// SQLite: times are text, `YYYY-MM-DD HH:MM:SS.ffffff`, as SQLAlchemy writes them.
pub(super) struct SqliteDialect;

impl Dialect for SqliteDialect {
    plumbing!(Sqlite);

    const LOCATION_ID: &'static str = "l.id";
    const BEGIN: &'static str = "BEGIN IMMEDIATE";
    const FOR_UPDATE: &'static str = "";
    const CLOCK: &'static str = "strftime('%Y-%m-%d %H:%M:%f', 'now')";
    const TABLES: [&'static str; 2] = schema::SQLITE;
    const COUNT_TABLES: &'static str =
        "SELECT COUNT(*) FROM sqlite_master WHERE type = 'table' AND name IN ('scrubber_locations', 'scrubber_schema')";
    const OBSTACLE: &'static str = "SELECT 'file:' || file FROM pragma_database_list WHERE name = 'main'";

    fn bind_millis(query: &mut QueryBuilder<Sqlite>, at: Option<NaiveDateTime>) {
        query.push_bind(at.map(|at| at.format("%Y-%m-%d %H:%M:%S%.3f").to_string()));
    }

    fn bind_time(query: &mut QueryBuilder<Sqlite>, at: NaiveDateTime) {
        query.push_bind(at.format("%Y-%m-%d %H:%M:%S%.6f").to_string());
    }

    /// Without a fraction: rows with and without one both compare rightly with it as text.
    fn bind_second(query: &mut QueryBuilder<Sqlite>, at: NaiveDateTime) {
        query.push_bind(at.format("%Y-%m-%d %H:%M:%S").to_string());
    }
}

/// MariaDB and MySQL: DATETIME(0) columns.
pub(super) struct MysqlDialect;

impl Dialect for MysqlDialect {
    plumbing!(MySql);

    const LOCATION_ID: &'static str = "l.id";
    const CLOCK: &'static str = "UTC_TIMESTAMP(3)";
    /// Its own errors aside, IGNORE would let a value that is too long be cut: all of ours are cut before.
    const INSERT_ABSENT: (&'static str, &'static str) = ("INSERT IGNORE INTO ", "");
    /// Not IGNORE: that takes shared locks on what is there, and two who then want to write wait for each other.
    const OR_LOCK: &'static str = " ON DUPLICATE KEY UPDATE location_id = scrubber_locations.location_id";
    const OR_OVERWRITE: &'static str = " ON DUPLICATE KEY UPDATE ";
    const TABLES: [&'static str; 2] = schema::MYSQL;
    const COUNT_TABLES: &'static str = "SELECT COUNT(*) FROM information_schema.tables \
         WHERE table_schema = DATABASE() AND table_name IN ('scrubber_locations', 'scrubber_schema')";
    // A grantee is written 'user'@'host', as QUOTE does; the database of a grant may be a pattern.
    const OBSTACLE: &'static str = "SELECT CASE WHEN EXISTS (SELECT 1 FROM (SELECT grantee FROM \
         information_schema.user_privileges WHERE privilege_type = 'CREATE' UNION ALL SELECT grantee FROM \
         information_schema.schema_privileges WHERE privilege_type = 'CREATE' AND DATABASE() LIKE table_schema) g \
         WHERE g.grantee = CONCAT(QUOTE(SUBSTRING_INDEX(CURRENT_USER(), '@', 1)), '@', \
         QUOTE(SUBSTRING_INDEX(CURRENT_USER(), '@', -1)))) \
         THEN NULL ELSE 'the user shows no right to CREATE in it' END";

    fn incoming(column: &str) -> String {
        format!("VALUES({column})")
    }

    /// Cut before, because MySQL would round and MariaDB would not.
    fn bind_millis(query: &mut QueryBuilder<MySql>, at: Option<NaiveDateTime>) {
        query.push_bind(at.map(whole_millis));
    }

    /// Whole seconds: MySQL would round a fraction up, into the future; MariaDB cuts it off.
    fn bind_time(query: &mut QueryBuilder<MySql>, at: NaiveDateTime) {
        Self::bind_second(query, at);
    }

    fn bind_second(query: &mut QueryBuilder<MySql>, at: NaiveDateTime) {
        query.push_bind(whole_seconds(at));
    }
}

/// PostgreSQL: ids are `integer`, times have microseconds.
pub(super) struct PostgresDialect;

impl Dialect for PostgresDialect {
    plumbing!(Postgres);

    const LOCATION_ID: &'static str = "l.id::bigint";
    /// Not `now()`, which is the transaction's beginning.
    const CLOCK: &'static str = "clock_timestamp() AT TIME ZONE 'UTC'";
    const TABLES: [&'static str; 2] = schema::POSTGRES;
    const COUNT_TABLES: &'static str = "SELECT COUNT(to_regclass(name)) \
         FROM (VALUES ('scrubber_locations'), ('scrubber_schema')) AS ours (name)";
    const OBSTACLE: &'static str = "SELECT CASE WHEN pg_is_in_recovery() THEN 'the server is a standby' \
         WHEN has_schema_privilege(current_schema(), 'CREATE') THEN NULL \
         ELSE 'the user lacks the right to CREATE in its schema' END";

    /// Cut before, because it would round.
    fn bind_millis(query: &mut QueryBuilder<Postgres>, at: Option<NaiveDateTime>) {
        query.push_bind(at.map(whole_millis));
    }

    fn bind_time(query: &mut QueryBuilder<Postgres>, at: NaiveDateTime) {
        query.push_bind(at);
    }

    fn bind_second(query: &mut QueryBuilder<Postgres>, at: NaiveDateTime) {
        query.push_bind(whole_seconds(at));
    }
}

fn whole_seconds(at: NaiveDateTime) -> NaiveDateTime {
    chrono::Timelike::with_nanosecond(&at, 0).unwrap_or(at)
}

fn whole_millis(at: NaiveDateTime) -> NaiveDateTime {
    use chrono::Timelike;
    at.with_nanosecond(at.nanosecond() / 1_000_000 * 1_000_000).unwrap_or(at)
}
