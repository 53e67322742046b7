//! A Galera cluster of two nodes: the one that `tests/all` starts and all tests share, or one of the test's own.
//!
//! The program behind this is `tests/servers/galera/cluster.py`.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use tempfile::TempDir;

use super::database::Database;
use super::servers::galera_urls;
use super::talk::Talk;

/// Fields go in this order: the servers, their directory.
pub struct Galera {
    urls: PathBuf,
    servers: Option<Mutex<Talk>>,
    _directory: Option<TempDir>,
}

impl Galera {
    /// The cluster that all tests share: databases must be one's own, and no node may be stopped or told anything.
    pub fn shared() -> Option<Galera> {
        Some(Galera { urls: galera_urls()?, servers: None, _directory: None })
    }

    /// One of the test's own.
    pub fn private() -> Option<Galera> {
        galera_urls()?;
        let directory = tempfile::tempdir().unwrap();
        let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/servers/galera/cluster.py");
        let arguments: [&OsStr; 2] = [program.as_os_str(), directory.path().as_os_str()];
        let mut servers = Talk::start(Path::new("/usr/bin/python3"), &arguments);
        assert_eq!(servers.line(), "ready", "the cluster did not start");
        let urls = directory.path().join("urls");
        Some(Galera { urls, servers: Some(Mutex::new(servers)), _directory: Some(directory) })
    }

    /// An empty Glance database, as node 1 and node 2 have it.
    pub fn databases(&self) -> [Database; 2] {
        Database::on_both(&self.admin_urls(), self.servers.is_some())
    }

    /// SQLAlchemy URLs of an administrator of node 1 and node 2, each ending in `/`.
    pub fn admin_urls(&self) -> [String; 2] {
        let text = std::fs::read_to_string(&self.urls).unwrap();
        let lines: Vec<_> = text.lines().map(str::to_owned).collect();
        lines.try_into().expect("a line a node")
    }

    /// What node `name` was asked so far: a line a statement, with the number of its connection.
    pub fn statements(&self, name: &str) -> String {
        let log = self.urls.with_file_name(format!("node-{name}")).join("general.log");
        String::from_utf8_lossy(&std::fs::read(log).unwrap()).into_owned()
    }

    /// `start`, `stop`, `kill`, `freeze` or `thaw`, and `1` or `2`; of a private cluster only.
    pub fn order(&self, order: &str) {
        let mut servers = self.servers.as_ref().expect("others use this cluster").lock().unwrap();
        servers.say(order);
        assert_eq!(servers.line(), "done", "{order}");
    }
}

/// The servers end before their directory goes.
impl Drop for Galera {
    fn drop(&mut self) {
        if let Some(servers) = &self.servers {
            servers.lock().unwrap_or_else(std::sync::PoisonError::into_inner).end();
        }
    }
}
