//! Which servers the tests can use. `tests/all` starts them and says where they are in `SCRUBBER_TEST_*`; `cargo test`
//! alone has SQLite and leaves the rest out, saying so.

use std::collections::BTreeSet;
use std::io::Write;
use std::path::PathBuf;
use std::sync::Mutex;

/// The databases that Glance runs on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Engine {
    Sqlite,
    Mariadb,
    Postgres,
}

impl Engine {
    pub const ALL: [Engine; 3] = [Engine::Sqlite, Engine::Mariadb, Engine::Postgres];

    /// SQLAlchemy URL of an administrator, ending in `/`; none for SQLite, which has no server, and for a server that is
    /// not there.
    pub fn admin_url(self) -> Option<String> {
        match self {
            Engine::Sqlite => None,
            Engine::Mariadb => at_hand("MariaDB", "SCRUBBER_TEST_MARIADB"),
            Engine::Postgres => at_hand("PostgreSQL", "SCRUBBER_TEST_POSTGRES"),
        }
    }
}

/// The engines to run a test on; all of them under `tests/all`.
pub fn engines_at_hand() -> Vec<Engine> {
    Engine::ALL.into_iter().filter(|&engine| engine == Engine::Sqlite || engine.admin_url().is_some()).collect()
}

/// The virtual environment that Glance is installed in.
pub fn glance_venv() -> Option<PathBuf> {
    at_hand("Glance", "SCRUBBER_TEST_GLANCE_VENV").map(PathBuf::from)
}

/// The `ceph.conf` of a cluster, by the variable's name.
pub fn ceph_conf(variable: &str) -> Option<PathBuf> {
    at_hand("Ceph", variable).map(PathBuf::from)
}

/// The file that says where Keystone, Swift, S3, Cinder and vcsim are, and who may use them.
pub fn cloud_facts() -> Option<PathBuf> {
    at_hand("the servers of tests/servers/cloud", "SCRUBBER_TEST_CLOUD").map(PathBuf::from)
}

/// The file that names the nodes of the Galera cluster.
pub fn galera_urls() -> Option<PathBuf> {
    at_hand("Galera", "SCRUBBER_TEST_GALERA").map(PathBuf::from)
}

/// Where Glance's schema is, as its glance-manage made it: `sqlite.db`, `mariadb.sql`, `postgres.sql`.
pub fn schema_dir() -> Option<PathBuf> {
    at_hand("Glance's own schema", "SCRUBBER_TEST_SCHEMA_DIR").map(PathBuf::from)
}

/// A browser without a window, which `tests/all` installs.
pub fn browser() -> Option<PathBuf> {
    at_hand("a browser", "SCRUBBER_TEST_BROWSER").map(PathBuf::from)
}

/// The value of `variable`. Without it, `what` is left out: said once, and a failure where everything must be there.
fn at_hand(what: &'static str, variable: &str) -> Option<String> {
    static SAID: Mutex<BTreeSet<&str>> = Mutex::new(BTreeSet::new());
    if let Ok(value) = std::env::var(variable) {
        return Some(value);
    }
    assert!(std::env::var_os("SCRUBBER_TEST_ALL").is_none(), "{what} must be there, but {variable} is not set");
    if SAID.lock().unwrap().insert(what) {
        // Past the test harness, which would show this only for tests that fail.
        writeln!(std::io::stderr(), "left out: {what} (tests/all starts it)").unwrap();
    }
    None
}
