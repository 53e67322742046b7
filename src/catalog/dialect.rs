//! Where the three databases differ, and nothing else.
//!
//! The statements are portable (`sql.rs`); a dialect says how a time is bound, how an id comes back, and runs what
//! sqlx can only run on concrete types. Rejected: generic bounds over sqlx's executors (a page of `for<'c>` at each
//! use), and three copies of each statement (they drift).

use chrono::{DateTime, NaiveDateTime, SubsecRound, Utc};
use futures::stream::BoxStream;
use sqlx::query::Query;
use sqlx::{Database, MySql, Postgres, QueryBuilder, Row, Sqlite};

/// A statement ready to run.
pub(super) type Statement<'q, D> = Query<'q, <D as Dialect>::Db, <<D as Dialect>::Db as Database>::Arguments>;

/// A database engine.
pub(super) trait Dialect: Send + Sync + 'static {
    /// sqlx's driver.
    type Db: Database;

    /// `l.id` as an expression that decodes as 64 bits.
    const LOCATION_ID: &'static str;

    /// What makes a SELECT lock its rows until the transaction ends. SQLite has one lock, and takes it with the first
    /// write; whoever else wrote since the read makes that write fail, and the transaction is repeated.
    const FOR_UPDATE: &'static str = " FOR UPDATE";

    /// What begins a transaction that will write. SQLite would else take the lock with the first write, and fail where
    /// another wrote since the first read.
    const BEGIN: &'static str = "BEGIN";

    /// The server's clock in UTC, to the millisecond.
    const CLOCK: &'static str;

    /// The type of a time in our own tables, to the millisecond.
    const INSTANT: &'static str;

    /// What follows the type of a text in our own tables that is compared letter by letter.
    const EXACT_TEXT: &'static str = "";

    /// What follows the columns of our own tables.
    const TABLE_OPTIONS: &'static str = "";

    /// An integer expression so that it decodes as 64 bits.
    fn wide(expression: &str) -> String {
        expression.to_owned()
    }

    /// What follows an INSERT that leaves rows as they are that are there already.
    fn or_leave(key: &str) -> String {
        format!(" ON CONFLICT ({key}) DO NOTHING")
    }

    /// A time to the millisecond, for our own tables.
    fn bind_instant(query: &mut QueryBuilder<Self::Db>, at: DateTime<Utc>);

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
    const FOR_UPDATE: &'static str = "";
    const BEGIN: &'static str = "BEGIN IMMEDIATE";
    const CLOCK: &'static str = "strftime('%Y-%m-%d %H:%M:%f', 'now')";
    const INSTANT: &'static str = "DATETIME";

    fn bind_instant(query: &mut QueryBuilder<Sqlite>, at: DateTime<Utc>) {
        query.push_bind(at.format("%Y-%m-%d %H:%M:%S%.3f").to_string());
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
    const INSTANT: &'static str = "DATETIME(3)";
    const EXACT_TEXT: &'static str = " CHARACTER SET utf8mb4 COLLATE utf8mb4_bin";
    const TABLE_OPTIONS: &'static str = " ENGINE=InnoDB DEFAULT CHARSET=utf8mb4";

    fn or_leave(key: &str) -> String {
        format!(" ON DUPLICATE KEY UPDATE {key} = {key}")
    }

    fn bind_instant(query: &mut QueryBuilder<MySql>, at: DateTime<Utc>) {
        query.push_bind(at.naive_utc().trunc_subsecs(3));
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
    const CLOCK: &'static str = "(clock_timestamp() AT TIME ZONE 'UTC')";
    const INSTANT: &'static str = "timestamp(3)";

    fn wide(expression: &str) -> String {
        format!("({expression})::bigint")
    }

    fn bind_instant(query: &mut QueryBuilder<Postgres>, at: DateTime<Utc>) {
        query.push_bind(at.naive_utc().trunc_subsecs(3));
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
