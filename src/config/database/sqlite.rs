//! `sqlite://` URLs (SQLAlchemy's `dialects/sqlite/pysqlite.py`).

use std::path::PathBuf;
use std::time::Duration;

use super::DatabaseUrl;
use super::url::Url;

/// How long Python's sqlite3 waits for a lock.
const BUSY: Duration = Duration::from_secs(5);

pub(super) fn resolve(url: &Url) -> Result<DatabaseUrl, String> {
    if url.user.is_some() || url.password.is_some() || url.host.is_some() || url.port.is_some() {
        return Err("a sqlite URL has no user, host or port; write sqlite:////absolute/path (four slashes) or \
                    sqlite:///relative/path"
            .to_owned());
    }
    let path = url.database.as_deref().unwrap_or_default();
    if path.is_empty() || path == ":memory:" || url.last("mode") == Some("memory") {
        return Err("an in-memory SQLite database is empty for every process; name a file".to_owned());
    }
    if path.starts_with("file:") {
        return Err("a file: address in a sqlite URL is not supported; write the plain path".to_owned());
    }
    let busy_timeout = match url.last("timeout").map(str::parse::<f64>) {
        None => BUSY,
        Some(Ok(seconds)) => Duration::try_from_secs_f64(seconds.max(0.0)).map_err(|_| TIMEOUT.to_owned())?,
        Some(Err(_)) => return Err(TIMEOUT.to_owned()),
    };
    Ok(DatabaseUrl::Sqlite { path: PathBuf::from(path), busy_timeout })
}

const TIMEOUT: &str = "timeout in the URL is not a number of seconds";
