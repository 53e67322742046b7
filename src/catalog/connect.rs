//! From `[database]` to a pool of connections.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use secrecy::ExposeSecret;
use sqlx::mysql::{MySqlConnectOptions, MySqlDatabaseError, MySqlPoolOptions, MySqlSslMode};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions, PgSslMode};
use sqlx::sqlite::{SqliteConnectOptions, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{ConnectOptions, Connection, Executor};

use super::dialect::{MysqlDialect, PostgresDialect, SqliteDialect};
use super::error::within;
use super::sql::SqlCatalog;
use super::{Catalog, CatalogError, Ledger, RestoreLedger, WholeImages};
use crate::config::{DatabaseConfig, DatabaseUrl, ServerUrl, TlsMode};

/// How long a connection may take where the URL has no `connect_timeout`: PyMySQL's default. libpq would wait for ever.
const CONNECT: Duration = Duration::from_secs(10);

/// MySQL's number for a system variable that it does not have.
const UNKNOWN_VARIABLE: u16 = 1193;

/// Whether this connection may write. Enforced by the server (or by SQLite), not only by our types.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Access {
    ReadOnly,
    ReadWrite,
    /// And a SQLite file that is not there is made: for a database of our own.
    Own,
}

/// Connects for reading only: a dry run cannot write, whatever a mistake in the code above might try.
///
/// # Errors
/// Says what is missing; see [`CatalogError`].
pub async fn open_read_only(config: &DatabaseConfig, deadline: Duration) -> Result<Arc<dyn Catalog>, CatalogError> {
    Ok(connect(config, deadline, Access::ReadOnly).await?.reader())
}

/// Connects for scrubbing.
///
/// # Errors
/// Says what is missing; see [`CatalogError`].
pub async fn open(config: &DatabaseConfig, deadline: Duration) -> Result<Arc<dyn Ledger>, CatalogError> {
    Ok(connect(config, deadline, Access::ReadWrite).await?)
}

/// Connects for looking at deleted images, for reading only.
///
/// # Errors
/// Says what is missing; see [`CatalogError`].
pub async fn open_to_show(config: &DatabaseConfig, deadline: Duration) -> Result<Arc<dyn WholeImages>, CatalogError> {
    Ok(connect(config, deadline, Access::ReadOnly).await?)
}

/// Connects for bringing images back.
///
/// # Errors
/// Says what is missing; see [`CatalogError`].
pub async fn open_to_restore(
    config: &DatabaseConfig,
    deadline: Duration,
) -> Result<Arc<dyn RestoreLedger>, CatalogError> {
    connect(config, deadline, Access::ReadWrite).await
}

/// Connects for reading only, to a database whose writing side has reads too.
pub(super) async fn open_read_only_ledger(
    config: &DatabaseConfig,
    deadline: Duration,
) -> Result<Arc<dyn Ledger>, CatalogError> {
    Ok(connect(config, deadline, Access::ReadOnly).await?)
}

/// Connects to the database of `[scrubber] state_connection`.
pub(super) async fn open_state(config: &DatabaseConfig, deadline: Duration) -> Result<Arc<dyn Ledger>, CatalogError> {
    Ok(connect(config, deadline, Access::Own).await?)
}

async fn connect(
    config: &DatabaseConfig,
    deadline: Duration,
    access: Access,
) -> Result<Arc<dyn RestoreLedger>, CatalogError> {
    match &config.url {
        DatabaseUrl::Sqlite { .. } => sqlite(config, deadline, access).await,
        DatabaseUrl::Mysql(server) => mysql(config, server, deadline, access).await,
        DatabaseUrl::Postgres(server) => postgres(config, server, deadline, access).await,
    }
}

async fn sqlite(
    config: &DatabaseConfig,
    deadline: Duration,
    access: Access,
) -> Result<Arc<dyn RestoreLedger>, CatalogError> {
    let DatabaseUrl::Sqlite { path, busy_timeout } = &config.url else {
        return Err(CatalogError::Statement("not a SQLite URL".to_owned()));
    };
    match access {
        Access::Own => look_at_directory(path)?,
        Access::ReadOnly | Access::ReadWrite => look_at_file(path)?,
    }
    let mut options = SqliteConnectOptions::new()
        .filename(path)
        .read_only(access == Access::ReadOnly)
        .create_if_missing(access == Access::Own)
        .foreign_keys(true)
        .busy_timeout(*busy_timeout)
        .disable_statement_logging();
    if !config.sqlite_synchronous {
        options = options.synchronous(SqliteSynchronous::Off);
    }
    // One connection: SQLite has one writer, and a second connection of ours would only wait for the first.
    let pool = SqlitePoolOptions::new().max_connections(1).acquire_timeout(deadline);
    let pool = within("connect", deadline, pool.connect_with(options)).await.map_err(|error| match error {
        CatalogError::Unreachable(reason) => CatalogError::Unreachable(format!("{}: {reason}", path.display())),
        other => other,
    })?;
    Ok(Arc::new(SqlCatalog::<SqliteDialect>::new(pool, deadline)))
}

/// A file that may be made needs its directory.
fn look_at_directory(path: &Path) -> Result<(), CatalogError> {
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    if path.exists() || directory.is_none_or(Path::is_dir) {
        return if path.is_dir() { look_at_file(path) } else { Ok(()) };
    }
    Err(CatalogError::NoFile { path: path.to_owned(), what: "cannot be made, its directory does not exist".to_owned() })
}

/// Fails where no waiting helps and SQLite would only say "unable to open", or "disk I/O error" of a directory.
fn look_at_file(path: &Path) -> Result<(), CatalogError> {
    let no_file = |what: String| CatalogError::NoFile { path: path.to_owned(), what };
    match std::fs::metadata(path) {
        Ok(found) if found.is_dir() => Err(no_file("is a directory".to_owned())),
        Ok(_) => Ok(()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Err(no_file("does not exist".to_owned())),
        Err(error) => Err(no_file(format!("cannot be looked at: {error}"))),
    }
}

async fn mysql(
    config: &DatabaseConfig,
    server: &ServerUrl,
    deadline: Duration,
    access: Access,
) -> Result<Arc<dyn RestoreLedger>, CatalogError> {
    let mut options = MySqlConnectOptions::new()
        .database(&server.database)
        // Glance's own connections leave these alone; `mysql_sql_mode` below is all that is set.
        .pipes_as_concat(false)
        .no_engine_substitution(false)
        .timezone(None)
        .ssl_mode(match server.tls.mode {
            TlsMode::Disable => MySqlSslMode::Disabled,
            TlsMode::Prefer => MySqlSslMode::Preferred,
            TlsMode::Require => MySqlSslMode::Required,
            TlsMode::VerifyCa => MySqlSslMode::VerifyCa,
            TlsMode::VerifyFull => MySqlSslMode::VerifyIdentity,
        })
        .disable_statement_logging();
    options = match &server.socket {
        Some(socket) => options.socket(socket),
        None => options.host(&server.host).port(server.port.unwrap_or(3306)),
    };
    if let Some(user) = &server.user {
        options = options.username(user);
    }
    if let Some(password) = &server.password {
        options = options.password(password.expose_secret());
    }
    if let Some(ca) = &server.tls.ca {
        options = options.ssl_ca(ca);
    }
    if let Some(cert) = &server.tls.cert {
        options = options.ssl_client_cert(cert);
    }
    if let Some(key) = &server.tls.key {
        options = options.ssl_client_key(key);
    }
    let session = Arc::new(mysql_session(config, access));
    let pool = MySqlPoolOptions::new()
        .max_connections(pool_size(config))
        .max_lifetime(config.recycle)
        .acquire_timeout(deadline.min(CONNECT))
        .after_connect(move |connection, _| {
            let session = Arc::clone(&session);
            Box::pin(async move {
                for statement in session.iter() {
                    connection.execute(sqlx::AssertSqlSafe(statement.clone())).await?;
                }
                wait_for_the_cluster(connection).await
            })
        });
    first_connection(server, deadline, options.connect()).await?;
    let pool = within("connect", deadline, pool.connect_with(options)).await?;
    Ok(Arc::new(SqlCatalog::<MysqlDialect>::new(pool, deadline)))
}

fn mysql_session(config: &DatabaseConfig, access: Access) -> Vec<String> {
    let mode: String = config
        .mysql_sql_mode
        .chars()
        .filter(|letter| letter.is_ascii_alphanumeric() || "_,".contains(*letter))
        .collect();
    let mut session = vec![format!("SET SESSION sql_mode = '{mode}'")];
    if let Some(wait) = config.mysql_wsrep_sync_wait {
        session.push(format!("SET SESSION wsrep_sync_wait = {wait}"));
    }
    if access == Access::ReadOnly {
        session.push("SET SESSION TRANSACTION READ ONLY".to_owned());
    }
    session
}

/// On Galera a node may answer with rows that another one has changed already, and behind a balancer the rows may be read
/// at another node than the claim was made at. So every read waits for what was committed before it, whatever else of
/// `wsrep_sync_wait` is set. A server without Galera need not know the variable.
async fn wait_for_the_cluster(connection: &mut sqlx::MySqlConnection) -> sqlx::Result<()> {
    match connection.execute("SET SESSION wsrep_sync_wait = @@SESSION.wsrep_sync_wait | 1").await {
        Err(sqlx::Error::Database(error))
            if error.try_downcast_ref::<MySqlDatabaseError>().is_some_and(|e| e.number() == UNKNOWN_VARIABLE) =>
        {
            Ok(())
        }
        done => done.map(drop),
    }
}

async fn postgres(
    config: &DatabaseConfig,
    server: &ServerUrl,
    deadline: Duration,
    access: Access,
) -> Result<Arc<dyn RestoreLedger>, CatalogError> {
    let mut options = PgConnectOptions::new_without_pgpass()
        .database(&server.database)
        .application_name("glance-scrubber")
        .ssl_mode(match server.tls.mode {
            TlsMode::Disable => PgSslMode::Disable,
            TlsMode::Prefer => PgSslMode::Prefer,
            TlsMode::Require => PgSslMode::Require,
            TlsMode::VerifyCa => PgSslMode::VerifyCa,
            TlsMode::VerifyFull => PgSslMode::VerifyFull,
        })
        .disable_statement_logging();
    options = match &server.socket {
        Some(socket) => options.socket(socket),
        None => options.host(&server.host),
    };
    options = options.port(server.port.unwrap_or(5432));
    if let Some(user) = &server.user {
        options = options.username(user);
    }
    if let Some(password) = &server.password {
        options = options.password(password.expose_secret());
    }
    if let Some(ca) = &server.tls.ca {
        options = options.ssl_root_cert(ca);
    }
    if let Some(cert) = &server.tls.cert {
        options = options.ssl_client_cert(cert);
    }
    if let Some(key) = &server.tls.key {
        options = options.ssl_client_key(key);
    }
    if access == Access::ReadOnly {
        options = options.options([("default_transaction_read_only", "on")]);
    }
    first_connection(server, deadline, options.connect()).await?;
    let pool = PgPoolOptions::new()
        .max_connections(pool_size(config))
        .max_lifetime(config.recycle)
        .acquire_timeout(deadline.min(CONNECT));
    let pool = within("connect", deadline, pool.connect_with(options)).await?;
    Ok(Arc::new(SqlCatalog::<PostgresDialect>::new(pool, deadline)))
}

/// Connects once. A pool hides why it cannot connect behind its own time-out; one plain connection first says it.
async fn first_connection<C: Connection>(
    server: &ServerUrl,
    deadline: Duration,
    connecting: impl Future<Output = sqlx::Result<C>>,
) -> Result<(), CatalogError> {
    let place = match &server.socket {
        Some(socket) => socket.display().to_string(),
        None => format!("{}{}", server.host, server.port.map(|port| format!(":{port}")).unwrap_or_default()),
    };
    let limit = server.connect_timeout.unwrap_or(deadline.min(CONNECT));
    let connected = match tokio::time::timeout(limit, connecting).await {
        Ok(connected) => connected.map_err(CatalogError::from),
        Err(_) => Err(CatalogError::Unreachable(format!("no greeting within {} s", limit.as_secs()))),
    };
    let connection = connected.map_err(|error| match error {
        CatalogError::Unreachable(reason) => CatalogError::Unreachable(format!("{place}: {reason}")),
        CatalogError::Statement(reason) => CatalogError::Statement(format!("{place}: {reason}")),
        other => other,
    })?;
    Ok(connection.close().await?)
}

fn pool_size(config: &DatabaseConfig) -> u32 {
    if config.max_pool_size == 0 { 5 } else { config.max_pool_size }
}
