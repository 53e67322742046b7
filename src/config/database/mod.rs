//! `[database]`, resolved: the URL parsed, a my.cnf group read.
//!
//! Promises: what SQLAlchemy and the drivers make of a URL, with TLS at the level that they would use; no password in an error,
//! nor any other piece of the URL but the name of its dialect. Rejected: handing the URL to our own driver as it is,
//! because its words for TLS, sockets and time limits are others, and a word not understood is TLS not used.

mod my_cnf;
mod mysql;
mod postgres;
mod sqlite;
mod url;

use std::path::PathBuf;
use std::time::Duration;

use secrecy::SecretString;

use super::error::ConfigError;
use super::reader::Reader;
use url::Url;

const GROUP: &str = "database";

/// Connections where `max_pool_size` is 0: SQLAlchemy's "unlimited" would let a backlog exhaust the server.
const DEFAULT_POOL: u32 = 5;

/// Stands for "never" in [`DatabaseConfig::recycle`]: a hundred years.
const NEVER: Duration = Duration::from_secs(3_155_760_000);

/// `[database]`, resolved: the URL parsed, a my.cnf group read.
#[derive(Debug, Clone)]
pub struct DatabaseConfig {
    /// Where the database is.
    pub url: DatabaseUrl,
    /// `max_pool_size` (0 = unlimited, which we read as the default of 5).
    pub max_pool_size: u32,
    /// `connection_recycle_time`; a hundred years for -1, "never".
    pub recycle: Duration,
    /// `max_retries` of the first connection; `None` = forever (-1).
    pub max_retries: Option<u32>,
    /// `retry_interval` between them.
    pub retry_interval: Duration,
    /// `mysql_sql_mode`, default `TRADITIONAL`.
    pub mysql_sql_mode: String,
    /// `mysql_wsrep_sync_wait`.
    pub mysql_wsrep_sync_wait: Option<i64>,
    /// `sqlite_synchronous`.
    pub sqlite_synchronous: bool,
}

/// A SQLAlchemy URL, taken apart. `Debug` shows no password.
#[derive(Debug, Clone)]
pub enum DatabaseUrl {
    /// `sqlite:////absolute` or `sqlite:///relative`. In-memory (`sqlite://`) is a config error.
    Sqlite {
        /// The file.
        path: PathBuf,
        /// `?timeout=`, how long a locked database is waited for. Default 5 s as in Python's sqlite3.
        busy_timeout: Duration,
    },
    /// `mysql…://`, any driver.
    Mysql(ServerUrl),
    /// `postgresql…://`, any driver.
    Postgres(ServerUrl),
}

/// Address, credentials and TLS of a database server.
#[derive(Debug, Clone)]
pub struct ServerUrl {
    /// Host name or address (no brackets); empty with `socket`.
    pub host: String,
    /// Port, where given.
    pub port: Option<u16>,
    /// `unix_socket` of MySQL; the directory in `?host=/dir` of PostgreSQL.
    pub socket: Option<PathBuf>,
    /// User, decoded.
    pub user: Option<String>,
    /// Password, decoded.
    pub password: Option<SecretString>,
    /// Database name, decoded.
    pub database: String,
    /// TLS.
    pub tls: TlsConfig,
    /// `connect_timeout`, where given.
    pub connect_timeout: Option<Duration>,
}

/// How far the server's identity is checked. The names are libpq's; MySQL's `ssl_*` words are mapped onto them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum TlsMode {
    /// No TLS. MySQL without any `ssl_` word, as pymysql does.
    Disable,
    /// TLS where the server has it, as libpq's default.
    #[default]
    Prefer,
    /// TLS, any certificate.
    Require,
    /// TLS, certificate signed by the CA.
    VerifyCa,
    /// TLS, certificate signed by the CA and for this host.
    VerifyFull,
}

/// `ssl_ca`, `ssl_cert`, `ssl_key` or `sslmode`, `sslrootcert`, `sslcert`, `sslkey`.
#[derive(Debug, Clone, Default)]
pub struct TlsConfig {
    /// How far to check.
    pub mode: TlsMode,
    /// CA file; the system's CAs where it is not set.
    pub ca: Option<PathBuf>,
    /// Client certificate.
    pub cert: Option<PathBuf>,
    /// Client key.
    pub key: Option<PathBuf>,
}

/// Reads `[database]`. `None` where a fault is in the report. `complete`: all files could be read, so that what is
/// missing is missing and not merely unread.
pub(super) fn load(reader: &mut Reader, complete: bool) -> Option<DatabaseConfig> {
    let url = load_url(reader, complete);
    let seconds = |number: Option<i64>, default: u64| match number.map(u64::try_from) {
        Some(Ok(seconds)) => Duration::from_secs(seconds),
        Some(Err(_)) => NEVER,
        None => Duration::from_secs(default),
    };
    let pool = reader.int(GROUP, "max_pool_size").and_then(|size| u32::try_from(size).ok()).filter(|size| *size > 0);
    let recycle = seconds(reader.int(GROUP, "connection_recycle_time"), 3600);
    let max_retries = match reader.int(GROUP, "max_retries") {
        Some(-1) => None,
        // oslo.db counts with range(), for which any other negative number is no try at all.
        Some(number) => Some(u32::try_from(number.max(0)).unwrap_or(u32::MAX)),
        None => Some(10),
    };
    Some(DatabaseConfig {
        max_pool_size: pool.unwrap_or(DEFAULT_POOL),
        recycle,
        max_retries,
        retry_interval: seconds(reader.int(GROUP, "retry_interval"), 10),
        mysql_sql_mode: reader.text(GROUP, "mysql_sql_mode").unwrap_or_default(),
        mysql_wsrep_sync_wait: reader.int(GROUP, "mysql_wsrep_sync_wait"),
        sqlite_synchronous: reader.flag(GROUP, "sqlite_synchronous"),
        url: url?,
    })
}

fn load_url(reader: &mut Reader, complete: bool) -> Option<DatabaseUrl> {
    let setting = reader.setting(GROUP, "connection")?;
    let parameters = reader.text(GROUP, "connection_parameters").unwrap_or_default();
    let place = setting.place.clone();
    let Some(text) = setting.into_text().filter(|text| !text.is_empty()) else {
        if complete {
            let reason =
                "not set; name Glance's database, for example mysql+pymysql://glance:PASSWORD@controller/glance";
            reader.report.error(ConfigError::of(place, GROUP, "connection", reason));
        }
        return None;
    };
    let mut notes = Vec::new();
    let parsed = parse_url(&text, &parameters, &mut notes);
    for note in notes {
        reader.report.warn(format!("{place}[database] connection: {note}"));
    }
    match parsed {
        Ok(url) => Some(url),
        Err(reason) => {
            reader.report.error(ConfigError::of(place, GROUP, "connection", reason));
            None
        }
    }
}

/// A second database, by the URL of another option; everything else as for the first one. `None` where that option is
/// not set, or where its fault is in the report.
pub(super) fn load_other(
    reader: &mut Reader,
    group: &str,
    name: &str,
    database: Option<&DatabaseConfig>,
) -> Option<DatabaseConfig> {
    let setting = reader.setting(group, name)?;
    let place = setting.place.clone();
    let text = setting.into_text()?;
    let mut notes = Vec::new();
    let parsed = match text.is_empty() {
        true => Err("is empty; leave it out, and the claims are in Glance's own database".to_owned()),
        false => parse_url(&text, "", &mut notes),
    };
    for note in notes {
        reader.report.warn(format!("{place}[{group}] {name}: {note}"));
    }
    match parsed {
        Ok(url) => Some(DatabaseConfig { url, ..database?.clone() }),
        Err(reason) => {
            reader.report.error(ConfigError::of(place, group, name, reason));
            None
        }
    }
}

/// A URL with `connection_parameters` added. Errors are reasons without secrets; `notes` get warnings.
fn parse_url(text: &str, parameters: &str, notes: &mut Vec<String>) -> Result<DatabaseUrl, String> {
    let mut url = Url::parse(text)?;
    url.add_query(parameters);
    if url.at_in_password {
        notes.push("the password has an unescaped @; SQLAlchemy 1.4 and later cut it there, so write %40".to_owned());
    }
    let (dialect, driver) = match url.name.split_once('+') {
        Some((dialect, driver)) => (dialect, Some(driver)),
        None => (url.name.as_str(), None),
    };
    let known = |drivers: &[&str]| match driver {
        Some(driver) if !drivers.contains(&driver) => {
            Err(format!("the driver in the URL is not known for {dialect}; known are {}", drivers.join(", ")))
        }
        _ => Ok(()),
    };
    match dialect {
        "sqlite" => known(&["pysqlite", "aiosqlite", "pysqlite_numeric"]).and_then(|()| sqlite::resolve(&url)),
        "mysql" | "mariadb" => {
            known(MYSQL_DRIVERS)?;
            mysql::resolve(&url, driver.unwrap_or("mysqldb"), notes).map(DatabaseUrl::Mysql)
        }
        "postgresql" | "postgres" => {
            known(&["psycopg2", "psycopg2cffi", "psycopg", "psycopg_async", "asyncpg", "pg8000"])?;
            if dialect == "postgres" {
                notes.push("SQLAlchemy 1.4 and later do not know postgres://; write postgresql://".to_owned());
            }
            postgres::resolve(&url, notes).map(DatabaseUrl::Postgres)
        }
        _ => Err("the dialect in the URL is not known; known are mysql, mariadb, postgresql and sqlite, for example \
                  mysql+pymysql://"
            .to_owned()),
    }
}

const MYSQL_DRIVERS: &[&str] =
    &["pymysql", "mysqldb", "mysqlconnector", "mariadbconnector", "cymysql", "aiomysql", "asyncmy"];

/// `connect_timeout` of both servers: whole seconds, 0 for "no limit".
fn connect_timeout(url: &Url) -> Result<Option<Duration>, String> {
    let Some(text) = url.last("connect_timeout") else { return Ok(None) };
    match text.parse::<u32>() {
        Ok(0) => Ok(None),
        Ok(seconds) => Ok(Some(Duration::from_secs(seconds.into()))),
        Err(_) => Err("connect_timeout in the URL is not a number of seconds".to_owned()),
    }
}

#[cfg(test)]
mod tests;
