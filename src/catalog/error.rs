//! What can go wrong with the database, and whether trying again helps.

use std::path::PathBuf;
use std::time::Duration;

use backon::{ExponentialBuilder, Retryable};

/// A failure of the database, never of a row.
#[derive(Debug, Clone, thiserror::Error)]
pub enum CatalogError {
    /// No connection, or it broke.
    #[error("the database cannot be reached: {0}")]
    Unreachable(String),
    /// The SQLite file of the URL is not there, or is no file. SQLAlchemy would make an empty one.
    #[error("there is no database: {} {what}; see [database] connection", .path.display())]
    NoFile {
        /// The file.
        path: PathBuf,
        /// What is there instead.
        what: String,
    },
    /// The server said no to user, password or database.
    #[error("the database refused the login: {0}; see [database] connection")]
    LoginRefused(String),
    /// The server's certificate, or ours, is not accepted.
    #[error("TLS with the database failed: {0}; see ssl_ca or sslrootcert in [database] connection")]
    Tls(String),
    /// It answers, but it is not Glance's.
    #[error(
        "this is not a Glance database of Rocky or later ({0}); see [database] connection, or run glance-manage db_sync"
    )]
    NoSchema(String),
    /// It may be read but not written.
    #[error(
        "the database cannot be written: {0}; grant UPDATE on images and image_locations, on a server or file that is \
         not read-only"
    )]
    ReadOnly(String),
    /// The tables of claims are not there and cannot be made.
    #[error(
        "the tables scrubber_locations and scrubber_schema cannot be made: {0}; grant CREATE, or make them by hand and \
         grant SELECT, INSERT, UPDATE and DELETE on them, as docs/configuration.md shows"
    )]
    NoState(String),
    /// The tables of claims are there and may not be written.
    #[error(
        "claims cannot be written: {0}; grant SELECT, INSERT, UPDATE and DELETE on scrubber_locations and \
         scrubber_schema, on a server or file that is not read-only"
    )]
    StateReadOnly(String),
    /// The tables of claims are of a later version of this program.
    #[error(
        "the table scrubber_locations has version {found}, and this program knows version {known}: another scrubber is \
         newer; install the same version on all hosts (nothing was touched)"
    )]
    NewerState {
        /// The table's.
        found: i64,
        /// Ours.
        known: i64,
    },
    /// The second database, of `[scrubber] state_connection`, failed.
    #[error("state_connection: {}", .0.to_string().replace("[database] connection", "[scrubber] state_connection"))]
    State(Box<Self>),
    /// Deadlock, lock timeout, failed certification: the transaction was rolled back.
    #[error("the database rolled the transaction back: {0}")]
    Conflict(String),
    /// No answer in time.
    #[error("no answer from the database within {} s ({what}); see [scrubber] database_deadline", .within.as_secs())]
    Deadline {
        /// Which statement.
        what: &'static str,
        /// How long it was given.
        within: Duration,
    },
    /// Anything else the server said.
    #[error("the database refused a statement: {0}")]
    Statement(String),
}

impl CatalogError {
    /// Whether the same call may succeed later without anybody changing anything.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Unreachable(_) | Self::Conflict(_) | Self::Deadline { .. } => true,
            Self::State(error) => error.is_transient(),
            _ => false,
        }
    }
}

impl From<sqlx::Error> for CatalogError {
    fn from(error: sqlx::Error) -> Self {
        match &error {
            sqlx::Error::Database(database) => {
                let code = database.code().unwrap_or_default().into_owned();
                let number = database
                    .try_downcast_ref::<sqlx::mysql::MySqlDatabaseError>()
                    .map_or_else(|| code.clone(), |mysql| mysql.number().to_string());
                of_code(&number, describe(&error))
            }
            sqlx::Error::Io(_)
            // A connection that was cut in the middle of an answer, or of the greeting.
            | sqlx::Error::Protocol(_)
            | sqlx::Error::PoolTimedOut
            | sqlx::Error::PoolClosed
            | sqlx::Error::WorkerCrashed => Self::Unreachable(describe(&error)),
            sqlx::Error::Tls(_) => Self::Tls(describe(&error)),
            sqlx::Error::Configuration(_) if asks_for_rsa(&error) => Self::LoginRefused(describe(&error)),
            _ => Self::Statement(describe(&error)),
        }
    }
}

/// MySQL's error numbers, PostgreSQL's SQLSTATEs and SQLite's result codes do not overlap: four digits, five
/// characters, and one to three (or four with the extended ones below 8000) digits.
fn of_code(code: &str, text: String) -> CatalogError {
    match code {
        // MySQL: deadlock or failed certification in Galera, lock wait timeout, interrupted in favour of another node's
        // transaction, a row changed since the snapshot (innodb_snapshot_isolation, on by default in MariaDB 11.6).
        // PostgreSQL: serialization, deadlock, lock timeout. SQLite: busy and locked, with their extended forms.
        "1213" | "1205" | "1317" | "1020" | "40001" | "40P01" | "55P03" | "5" | "6" | "261" | "262" | "517" | "773" => {
            CatalogError::Conflict(text)
        }
        // Galera says so at COMMIT, and also when the node has lost its cluster. Only the words tell the two apart.
        "1180" if text.contains("writeset size") => CatalogError::Statement(text),
        "1044" | "1045" | "1049" | "1698" | "28P01" | "28000" | "3D000" => CatalogError::LoginRefused(text),
        "1054" | "1146" | "42P01" | "42703" => CatalogError::NoSchema(text),
        "1" if text.contains("no such table") || text.contains("no such column") => CatalogError::NoSchema(text),
        // A file that is no database, or a damaged one.
        "26" | "11" => CatalogError::NoSchema(text),
        "1142" | "1143" | "1290" | "1792" | "42501" | "25006" | "8" | "776" | "1032" | "1544" => {
            CatalogError::ReadOnly(text)
        }
        // Going down, starting up, too many connections, wsrep not ready, COMMIT without the cluster (whether it was
        // committed is not known); SQLite: cannot open.
        "1040" | "1047" | "1053" | "1077" | "1180" | "1203" | "1927" | "57P01" | "57P02" | "57P03" | "53300" | "14" => {
            CatalogError::Unreachable(text)
        }
        _ => CatalogError::Statement(text),
    }
}

/// An error's words on one line. sqlx's errors name hosts, users, tables and files, never passwords or values.
pub(super) fn describe(error: &sqlx::Error) -> String {
    let text = match error {
        sqlx::Error::Database(database) => database.message().to_owned(),
        sqlx::Error::Io(error) => error.to_string(),
        sqlx::Error::PoolTimedOut => "no connection in time".to_owned(),
        sqlx::Error::Configuration(_) if asks_for_rsa(error) => {
            "the server wants the password encrypted by RSA (caching_sha2_password without TLS); use TLS (ssl_ca in \
             the URL), or build with --features mysql-rsa, which carries RUSTSEC-2023-0071"
                .to_owned()
        }
        other => other.to_string(),
    };
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// sqlx without its feature `mysql-rsa` says so in words only.
fn asks_for_rsa(error: &sqlx::Error) -> bool {
    error.to_string().contains("mysql-rsa")
}

/// Puts a deadline around a call to the database.
pub(super) async fn within<T>(
    what: &'static str,
    deadline: Duration,
    call: impl Future<Output = sqlx::Result<T>>,
) -> Result<T, CatalogError> {
    match tokio::time::timeout(deadline, call).await {
        Ok(result) => Ok(result?),
        Err(_) => Err(CatalogError::Deadline { what, within: deadline }),
    }
}

/// Repeats a transaction that the database rolled back in favour of another one: 50 times at most, as Glance does,
/// over about half a minute.
pub(super) async fn retry_conflicts<T, F: Future<Output = Result<T, CatalogError>>>(
    transaction: impl FnMut() -> F,
) -> Result<T, CatalogError> {
    let policy = ExponentialBuilder::default()
        .with_min_delay(Duration::from_millis(20))
        .with_max_delay(Duration::from_secs(1))
        .with_max_times(50)
        .with_jitter();
    transaction
        .retry(policy)
        .when(|error| matches!(error, CatalogError::Conflict(_)))
        .notify(|error, wait| tracing::debug!("Transaction repeated in {wait:?}: {error}"))
        .await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_that_breaks_may_come_back() {
        let broken = std::io::Error::from(std::io::ErrorKind::ConnectionReset);
        let cut_in_the_greeting = "unexpected response from SSLRequest: 0x00".to_owned();
        for error in [sqlx::Error::Io(broken), sqlx::Error::Protocol(cut_in_the_greeting), sqlx::Error::PoolTimedOut] {
            let error = CatalogError::from(error);
            assert!(matches!(error, CatalogError::Unreachable(_)) && error.is_transient(), "{error}");
        }
        assert!(!CatalogError::from(sqlx::Error::RowNotFound).is_transient());
    }

    #[test]
    fn a_server_that_wants_rsa_is_told_apart() {
        let words = "RSA auth backend disabled; enable feature `mysql-rsa` (or `rsa` …) or use TLS.";
        let error = CatalogError::from(sqlx::Error::Configuration(words.into()));
        assert!(matches!(error, CatalogError::LoginRefused(_)), "{error}");
        assert!(error.to_string().contains("--features mysql-rsa"), "{error}");
    }

    #[test]
    fn a_code_says_whether_trying_again_helps() {
        let kind = |code| of_code(code, "words".to_owned());
        for conflict in ["1213", "1205", "1317", "1020", "40001", "40P01", "5", "6", "517"] {
            assert!(matches!(kind(conflict), CatalogError::Conflict(_)), "{conflict}");
        }
        for refused in ["1045", "28P01", "3D000", "1049"] {
            assert!(
                matches!(kind(refused), CatalogError::LoginRefused(_)) && !kind(refused).is_transient(),
                "{refused}"
            );
        }
        for schema in ["1146", "42P01", "26"] {
            assert!(matches!(kind(schema), CatalogError::NoSchema(_)), "{schema}");
        }
        for read_only in ["1142", "1290", "42501", "25006", "8"] {
            assert!(matches!(kind(read_only), CatalogError::ReadOnly(_)), "{read_only}");
        }
        assert!(kind("57P01").is_transient() && !kind("22001").is_transient());
    }

    #[test]
    fn a_commit_that_galera_refuses_is_told_apart() {
        let no_cluster = "Error while appending streaming replication fragment(provider status: Not connected to \
                          Primary Component)";
        assert!(matches!(of_code("1180", no_cluster.to_owned()), CatalogError::Unreachable(_)));
        let too_large = of_code("1180", "Maximum writeset size exceeded".to_owned());
        assert!(!too_large.is_transient(), "{too_large}");
    }
}
