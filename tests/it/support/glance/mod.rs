//! A real glance-api on a database of the test's, with file and http stores, answering on a port of its own.
//!
//! It takes about two seconds to start, so a test does well to tell one long story with one Glance. There is no Keystone:
//! the requests carry the headers that Glance's token check would have set (see `tests/servers/glance/api-paste.ini`).

mod client;

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

use super::database::Database;
use super::servers::glance_venv;

pub use client::Client;

/// Where this Glance keeps data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stores {
    /// `[glance_store]` with one directory, `images`, and http.
    Single,
    /// `enabled_backends = fast:file, cheap:file, web:http`, directories `fast` and `cheap`.
    Multi,
}

/// What goes into `glance-api.conf`.
#[derive(Debug, Clone, Copy)]
pub struct Settings<'a> {
    pub stores: Stores,
    /// `metadata_encryption_key`.
    pub key: Option<&'a str>,
    /// Lines for `[DEFAULT]` that the scrubber reads.
    pub scrubber: &'a str,
}

pub struct Glance {
    pub api: Client,
    server: Child,
    directory: TempDir,
}

impl Glance {
    /// Starts it and waits until it answers. None without Glance at hand.
    pub fn start(database: &Database, settings: Settings) -> Option<Glance> {
        let python = glance_venv()?.join("bin/python");
        let directory = tempfile::tempdir().unwrap();
        for part in ["staging", "tasks", "images", "fast", "cheap"] {
            std::fs::create_dir(directory.path().join(part)).unwrap();
        }
        std::fs::write(directory.path().join("glance-api.conf"), config(database, settings, directory.path())).unwrap();
        let log = directory.path().join("glance-api.log");
        let mut server = Command::new(python)
            .arg(in_tests_servers("serve.py"))
            .arg(directory.path())
            .stdin(Stdio::piped()) // its end tells the server that we are gone
            .stdout(Stdio::piped())
            .stderr(File::create(&log).unwrap())
            .spawn()
            .unwrap();
        let port = first_line(server.stdout.take().unwrap());
        let api = Client::new(&port);
        let glance = Glance { api, server, directory };
        assert!(!port.is_empty(), "glance-api did not start:\n{}", std::fs::read_to_string(log).unwrap());
        Some(glance)
    }

    /// The file that Glance itself reads, for the scrubber to read too.
    pub fn config_file(&self) -> PathBuf {
        self.path("glance-api.conf")
    }

    /// A file or directory of this Glance, such as `fast/<image id>`.
    pub fn path(&self, relative: &str) -> PathBuf {
        self.directory.path().join(relative)
    }

    /// All data there is, as `store/<image id>`, sorted.
    pub fn files(&self) -> Vec<String> {
        let mut files = Vec::new();
        for store in ["images", "fast", "cheap"] {
            for entry in self.path(store).read_dir().unwrap() {
                files.push(format!("{store}/{}", entry.unwrap().file_name().display()));
            }
        }
        files.sort();
        files
    }
}

impl Drop for Glance {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
        if std::thread::panicking() {
            let log = std::fs::read_to_string(self.path("glance-api.log")).unwrap_or_default();
            log.lines().filter(|line| line.contains(" ERROR glance")).for_each(|line| eprintln!("glance-api: {line}"));
        }
    }
}

/// `delayed_delete` is what the scrubber is for. Without `show_multiple_locations` no location could be added or removed.
fn config(database: &Database, settings: Settings, directory: &Path) -> String {
    let (here, url) = (directory.display(), database.url());
    let (paste, lines) = (in_tests_servers("api-paste.ini"), settings.scrubber);
    let key = settings.key.map(|key| format!("metadata_encryption_key = {key}\n")).unwrap_or_default();
    let (backends, stores) = match settings.stores {
        Stores::Single => ("", format!("stores = file,http\nfilesystem_store_datadir = {here}/images\n")),
        Stores::Multi => (
            "enabled_backends = fast:file, cheap:file, web:http\n",
            format!(
                "default_backend = fast\n[fast]\nfilesystem_store_datadir = {here}/fast\n\
                 [cheap]\nfilesystem_store_datadir = {here}/cheap\n[web]\nstore_description = read only\n\
                 [os_glance_staging_store]\nfilesystem_store_datadir = {here}/staging\n\
                 [os_glance_tasks_store]\nfilesystem_store_datadir = {here}/tasks\n"
            ),
        ),
    };
    format!(
        "[DEFAULT]\ndelayed_delete = True\nshow_multiple_locations = True\nshow_image_direct_url = True\n\
         node_staging_uri = file://{here}/staging/\nworker_self_reference_url = http://127.0.0.1\n{backends}{key}{lines}\n\
         [database]\nconnection = {url}\n[paste_deploy]\nconfig_file = {}\n[oslo_concurrency]\nlock_path = {here}\n\
         [import_filtering_opts]\nallowed_hosts = [127.0.0.1]\nallowed_ports = []\n\
         [glance_store]\n{stores}[scrubber]\nlock_file = {here}/lock\n",
        paste.display()
    )
}

fn in_tests_servers(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/servers/glance").join(file)
}

/// Empty when the other end closed the pipe instead.
fn first_line(pipe: impl Read) -> String {
    let mut line = String::new();
    BufReader::new(pipe).read_line(&mut line).unwrap();
    line.trim().to_owned()
}
