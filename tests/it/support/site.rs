//! A database, a data directory and a config file: what a scrubber finds on a host.

use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::binary::{Finished, Scrubber};
use super::database::Database;
use super::servers::Engine;

/// Everything goes with the value.
pub struct Site {
    pub database: Database,
    pub directory: TempDir,
}

impl Site {
    pub fn new(engine: Engine) -> Site {
        Site::with(Database::fresh(engine))
    }

    pub fn with(database: Database) -> Site {
        let site = Site { database, directory: tempfile::tempdir().unwrap() };
        std::fs::create_dir(site.data()).unwrap();
        site
    }

    /// The data directory of the only `file` store.
    pub fn data(&self) -> PathBuf {
        self.directory.path().join("images")
    }

    /// Of this site alone: other tests scrub and restore at the same time.
    pub fn lock_file(&self) -> PathBuf {
        self.directory.path().join("lock")
    }

    /// Makes an image's file and says its URI.
    pub fn file(&self, name: &str) -> String {
        std::fs::write(self.data().join(name), name).unwrap();
        self.uri(name)
    }

    /// The URI of a file that need not be there.
    pub fn uri(&self, name: &str) -> String {
        format!("file://{}/{name}", self.data().display())
    }

    pub fn has(&self, name: &str) -> bool {
        self.data().join(name).exists()
    }

    /// A config with the database, the data directory and `more`, which may open sections of its own. A `{dir}` in it
    /// stands for the site's directory.
    pub fn config(&self, more: &str) -> PathBuf {
        let path = self.directory.path().join("glance-scrubber.conf");
        let more = more.replace("{dir}", &self.directory.path().display().to_string());
        let text = format!(
            "[DEFAULT]\nscrub_time = 3600\n[database]\nconnection = {}\nmax_retries = 0\n[glance_store]\n\
             filesystem_store_datadir = {}\n{more}\n[scrubber]\nlock_file = {}\n",
            self.database.url(),
            self.data().display(),
            self.lock_file().display(),
        );
        std::fs::write(&path, text).unwrap();
        path
    }

    /// Runs the program with the plain config.
    pub fn run(&self, arguments: &[&str]) -> Finished {
        self.run_with(&self.config(""), arguments)
    }

    pub fn run_with(&self, config: &Path, arguments: &[&str]) -> Finished {
        arguments.iter().fold(Scrubber::new().config_file(config), |command, argument| command.arg(argument)).run()
    }
}
