//! Ceph clusters, and images in them in every state there is: made by glance_store's own driver where Glance would have
//! made them, by Ceph's Python bindings where somebody else would.
//!
//! The programs behind this are `tests/servers/ceph/cluster.py` and `images.py`; whatever they start goes with the value.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use rustix::process::Signal;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::servers::{ceph_conf, glance_venv};
use super::talk::Talk;

/// A cluster. Fields go in this order: who speaks to it, its daemons, their directory.
pub struct Ceph {
    conf: PathBuf,
    images: Mutex<Talk>,
    daemons: Option<Mutex<Talk>>,
    _directory: Option<TempDir>,
}

/// What a private cluster's osd keeps its data in.
#[derive(Debug, Clone, Copy)]
pub enum Kept {
    /// In memory, so many megabytes: ready in half a second; a kill loses all of it.
    InMemory(u32),
    /// In a sparse file: ready in some seconds; survives a kill.
    InFile,
}

/// An image that a process of its own has open; killed when dropped.
pub struct Holder {
    talk: Talk,
    /// The client's address, as watchers are listed.
    pub address: String,
}

impl Ceph {
    /// The cluster that all tests share: names must be one's own, and nothing may be stopped or filled.
    pub fn shared() -> Option<Ceph> {
        Some(Ceph::at(ceph_conf("SCRUBBER_TEST_CEPH")?, None, None))
    }

    /// Another one, with pools of the same names.
    pub fn other() -> Option<Ceph> {
        Some(Ceph::at(ceph_conf("SCRUBBER_TEST_CEPH_B")?, None, None))
    }

    /// One of the test's own.
    pub fn private(kept: Kept) -> Option<Ceph> {
        ceph_conf("SCRUBBER_TEST_CEPH")?;
        let directory = tempfile::tempdir().unwrap();
        let (store, megabytes) = match kept {
            Kept::InMemory(megabytes) => ("memstore", megabytes),
            Kept::InFile => ("bluestore", 10240),
        };
        let megabytes = megabytes.to_string();
        let program = in_tests_servers("cluster.py");
        let options = ["--store", store, "--megabytes", &megabytes].map(OsStr::new);
        let arguments = [&[program.as_os_str(), directory.path().as_os_str()][..], &options].concat();
        let mut daemons = Talk::start(Path::new("/usr/bin/python3"), &arguments);
        assert_eq!(daemons.line(), "ready", "the cluster did not start");
        let conf = directory.path().join("ceph.conf");
        Some(Ceph::at(conf, Some(Mutex::new(daemons)), Some(directory)))
    }

    fn at(conf: PathBuf, daemons: Option<Mutex<Talk>>, directory: Option<TempDir>) -> Ceph {
        let images = Mutex::new(Talk::start(&python(), &[in_tests_servers("images.py").as_os_str(), conf.as_os_str()]));
        Ceph { conf, images, daemons, _directory: directory }
    }

    /// Its `ceph.conf`.
    pub fn conf(&self) -> &Path {
        &self.conf
    }

    /// A file beside its `ceph.conf`.
    pub fn file(&self, name: &str) -> PathBuf {
        self.conf.with_file_name(name)
    }

    /// `start`, `stop`, `kill`, `freeze` or `thaw`, and `mon`, `osd` or `all`; of a private cluster only.
    pub fn order(&self, order: &str) {
        let mut daemons = self.daemons.as_ref().expect("others use this cluster").lock().unwrap();
        daemons.say(order);
        assert_eq!(daemons.line(), "done", "{order}");
    }

    /// Calls a method of `images.py`.
    #[track_caller]
    pub fn call(&self, method: &str, arguments: Value) -> Value {
        let mut call = vec![json!(method)];
        call.extend(arguments.as_array().unwrap().iter().cloned());
        let mut images = self.images.lock().unwrap();
        images.say(&Value::Array(call).to_string());
        let mut answer: Value = serde_json::from_str(&images.line()).unwrap();
        assert!(answer["error"].is_null(), "{method} {arguments}: {}", answer["error"].as_str().unwrap());
        answer["value"].take()
    }

    pub fn fsid(&self) -> String {
        self.call("fsid", json!([])).as_str().unwrap().to_owned()
    }

    /// An image of a megabyte as Glance stores it. Its URI.
    #[track_caller]
    pub fn add(&self, name: &str) -> String {
        self.call("add", json!([name, 1 << 20])).as_str().unwrap().to_owned()
    }

    /// The URI that Glance would have written.
    pub fn uri(&self, pool: &str, name: &str) -> String {
        format!("rbd://{}/{pool}/{name}/snap", self.fsid())
    }

    /// Where an image of pool `images` is, with its snapshots: `listed [snap protected]`, `trashed []`, `gone`.
    pub fn look(&self, name: &str) -> String {
        self.call("look", json!(["images", name])).as_str().unwrap().to_owned()
    }

    /// Opens an image: `read`, `write`, or `lock` (for writing, with the exclusive lock).
    pub fn hold(&self, name: &str, how: &str) -> Holder {
        let words = ["hold", "images", name, how].map(OsStr::new);
        let program = in_tests_servers("images.py");
        let mut talk = Talk::start(&python(), &[&[program.as_os_str(), self.conf.as_os_str()][..], &words].concat());
        let address = talk.line();
        Holder { talk, address }
    }
}

/// The daemons end before their directory goes.
impl Drop for Ceph {
    fn drop(&mut self) {
        if let Some(daemons) = &self.daemons {
            daemons.lock().unwrap_or_else(PoisonError::into_inner).end();
        }
    }
}

impl Holder {
    /// Closes the image, which a killed holder does not.
    pub fn close(mut self) {
        self.talk.end();
    }

    pub fn signal(&self, signal: Signal) {
        self.talk.signal(signal);
    }
}

/// A name that no other test has.
pub fn new_id() -> String {
    std::fs::read_to_string("/proc/sys/kernel/random/uuid").unwrap().trim().to_owned()
}

/// Glance's Python, which has glance_store and Ceph's bindings.
fn python() -> PathBuf {
    glance_venv().expect("tests/all installs Glance with Ceph").join("bin/python")
}

fn in_tests_servers(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/servers/ceph").join(file)
}
