//! oslo.config files in, one validated [`Config`] out.
//!
//! Promises: a file that Glance reads, this reads in the same way; every error is reported at once, each with
//! file and line, none with a secret. Fails with [`ConfigErrors`]. Rejected: reading options where they are used, as
//! oslo does, because a bad value then surfaces in the middle of a run.

use std::path::PathBuf;
use std::time::Duration;

use secrecy::SecretString;

/// The key of `enabled_backends`, or the store type in single-store mode (`file`, `rbd`, …). Case-sensitive.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct StoreId(pub String);

/// Everything that one run needs to know, already checked.
#[derive(Debug, Clone)]
pub struct Config {
    /// Seconds that an image stays `pending_delete` before its data goes (`scrub_time`).
    pub scrub_time: Duration,
    /// `scrub_pool_size`, only where an operator set it: it then bounds all lanes together.
    pub scrub_pool_size: Option<usize>,
    /// Time between two wake-ups of the daemon (`wakeup_time`).
    pub wakeup_time: Duration,
    /// `daemon`: loop instead of one pass.
    pub daemon: bool,
    /// `restore`, where set (also in a file). May be the empty string; the caller refuses that.
    pub restore: Option<String>,
    /// `metadata_encryption_key` first, then `[scrubber] old_encryption_keys`; each 16, 24 or 32 bytes.
    pub encryption_keys: Vec<SecretString>,
    /// `[database]`.
    pub database: DatabaseConfig,
    /// Which stores there are.
    pub stores: StoresConfig,
    /// `[scrubber]`: what is ours alone.
    pub scrubber: ScrubberConfig,
    /// The oslo.log options.
    pub log: LogConfig,
    /// What an operator should hear but that stops nothing (a deprecated name, a skipped store type …).
    pub warnings: Vec<String>,
}

/// `[scrubber]`: options of this program that Glance does not know. An unknown key there is an error.
#[derive(Debug, Clone)]
pub struct ScrubberConfig {
    /// At most so many images a cycle, oldest first; the rest waits for the next one. Unset: no limit.
    pub max_images_per_cycle: Option<u64>,
    /// At most so many bytes (sizes as in Glance's database) a cycle. Unset: no limit.
    pub max_bytes_per_cycle: Option<u64>,
    /// Refuse the cycle when more than this share (0..=100) of all images that have data would go. Unset: no limit.
    pub max_percent_of_images: Option<u8>,
    /// Never delete what has been pending for less than this, whatever `scrub_time` says. Default 0.
    pub min_age: Duration,
    /// Name of a file that must stand in each data directory of the `file` stores; without it the directory is
    /// `unavailable`. Unset: not looked for.
    pub file_marker: Option<String>,
    /// Deadline of one call to a store. Default 60 s.
    pub store_deadline: Duration,
    /// Deadline of one statement to the database. Default 60 s.
    pub database_deadline: Duration,
}

/// `[database]`, resolved: the URL parsed, a my.cnf group read.
#[derive(Debug, Clone)]
pub struct DatabaseConfig {
    /// Where the database is.
    pub url: DatabaseUrl,
    /// `max_pool_size` (0 = unlimited, which we read as the default of 5).
    pub max_pool_size: u32,
    /// `connection_recycle_time`.
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
    /// `unix_socket` of MySQL, `?host=/dir` of PostgreSQL.
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
    /// CA file.
    pub ca: Option<PathBuf>,
    /// Client certificate.
    pub cert: Option<PathBuf>,
    /// Client key.
    pub key: Option<PathBuf>,
}

/// Single-store or multi-store, and the stores in the order of the config.
#[derive(Debug, Clone)]
pub struct StoresConfig {
    /// `enabled_backends` is set and not empty.
    pub multi: bool,
    /// The stores. Reserved ones (`os_glance_*`) are left out.
    pub stores: Vec<StoreConfig>,
}

/// One store.
#[derive(Debug, Clone)]
pub struct StoreConfig {
    /// Its id.
    pub id: StoreId,
    /// Its type with the options that matter for deleting.
    pub kind: StoreKind,
}

/// The store types; the options that deleting needs.
#[derive(Debug, Clone)]
pub enum StoreKind {
    /// `file`.
    File(FileConfig),
    /// `http`: read-only for Glance.
    Http,
    /// A type that this version does not delete from; its locations are `no_store`.
    Unsupported(String),
}

/// Options of a `file` store.
#[derive(Debug, Clone, Default)]
pub struct FileConfig {
    /// `filesystem_store_datadir` and `filesystem_store_datadirs` (priorities dropped).
    pub datadirs: Vec<PathBuf>,
    /// `filesystem_store_metadata_file`.
    pub metadata_file: Option<PathBuf>,
    /// `filesystem_store_timeout`, where > 0: deadline of one unlink, instead of `[scrubber] store_deadline`.
    pub timeout: Option<Duration>,
}

/// The oslo.log options (section 2.6 of Glance's option list) that have a meaning here.
#[derive(Debug, Clone)]
pub struct LogConfig {
    /// `debug`.
    pub debug: bool,
    /// `log_file`, already joined with `log_dir`; `<log_dir>/glance-scrubber.log` where only that is set.
    pub file: Option<PathBuf>,
    /// `use_stderr` (the scrubber's default is true).
    pub stderr: bool,
    /// `use_journal`.
    pub journal: bool,
    /// `use_syslog`.
    pub syslog: bool,
    /// `syslog_log_facility`, default `LOG_USER`.
    pub syslog_facility: String,
    /// `use_json`.
    pub json: bool,
    /// `log_date_format`, strftime.
    pub date_format: String,
    /// `default_log_levels`: (logger, level), as written.
    pub levels: Vec<(String, String)>,
}

impl StoreId {
    /// The id as written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Display for StoreId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}
