//! The backends, behind one trait.
//!
//! Promises: a [`Store`] deletes only what a guard approved ([`Approved`] cannot be made elsewhere), answers in
//! bounded time, says `absent` only of data whose container it has seen, and never names a credential. It fails by
//! answering, per target: one target's trouble is not another's.
//! To add a backend: one file with its `Store`, one line in [`open_store`], and its options in `config/stores.rs`.

mod cinder;
mod client;
mod datadir;
mod file;
mod http;
mod keystone;
mod outcome;
mod rbd;
mod routing;
mod s3;
mod swift;
mod unsupported;
mod vsphere;
mod xml;

use std::sync::Arc;

use async_trait::async_trait;

pub use outcome::{Answer, Outcome};
pub use routing::Stores;

use crate::config::{Config, StoreConfig, StoreId, StoreKind};
use crate::location::{Location, Scheme};
use crate::scrub::{Approved, Reclaimable, Resolved};

/// A backend that holds images' data.
#[async_trait]
pub trait Store: Send + Sync {
    /// The id under which Glance's config knows it.
    fn id(&self) -> &StoreId;

    /// The URI schemes that it serves.
    fn schemes(&self) -> &'static [Scheme];

    /// How much may be asked of it at once, where the config does not say: see [`Stores::pace`].
    fn pace(&self) -> Pace;

    /// Gets to know what [`Store::locate`] needs of the backend (the id of a Ceph cluster, say). Called once in
    /// each survey that finds something to try, for all stores at once. Bounded; where it fails, `locate` and `delete`
    /// say so.
    async fn prepare(&self) {}

    /// What a location means to this store. Reads the URI, the config and what [`Store::prepare`] brought; asks nobody.
    ///
    /// # Errors
    /// The answer for a location that can never be deleted here: `malformed`, `forbidden`, `no_store`; or `unavailable`,
    /// where its meaning depends on what [`Store::prepare`] could not find out.
    fn locate(&self, location: &Location) -> Result<Target, Answer>;

    /// Whether a location without a store id is certainly this store's.
    fn owns(&self, location: &Location) -> bool;

    /// A few locations of living images: data that must be there. A store whose container shows none of them is
    /// looking at the wrong one. Called once a cycle, before the first delete.
    fn expect(&self, _witnesses: &[Location]) {}

    /// Deletes, and answers for each target in order.
    async fn delete(&self, targets: &[Approved]) -> Vec<Answer>;

    /// Looks what deleting these would meet, without changing anything, and answers for each in order.
    async fn probe(&self, targets: &[Resolved]) -> Vec<Probed> {
        targets.iter().map(|_| Probed::default()).collect()
    }

    /// Looks at itself without changing anything.
    async fn check(&self) -> Vec<Finding>;

    /// Whether the backend has a trash of its own that the config wants emptied.
    fn has_trash(&self) -> bool {
        false
    }

    /// What lies in the backend's own trash.
    ///
    /// # Errors
    /// The answer that stands for the whole trash: `unavailable`, `forbidden`.
    async fn trash(&self) -> Result<Vec<TrashItem>, Answer> {
        Ok(Vec::new())
    }

    /// Frees what a guard released, and answers for each in order.
    async fn reclaim(&self, items: &[Reclaimable]) -> Vec<Reclaimed> {
        let nothing = || Reclaimed { answer: Answer::plain(Outcome::Absent), bytes: 0 };
        items.iter().map(|_| nothing()).collect()
    }
}

/// Something in a backend's trash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrashItem {
    /// The name that it had, which for Glance's own is the id of an image.
    pub name: String,
    /// What the backend knows it by.
    pub key: String,
    /// See [`Target::identity`].
    pub identity: String,
    /// The backend was told to keep it for some time yet.
    pub deferred: bool,
}

/// What became of a [`TrashItem`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reclaimed {
    /// `deleted`, `absent`, or why it is still there.
    pub answer: Answer,
    /// Bytes of an image that was freed.
    pub bytes: u64,
}

/// A lane's width and a call's size.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    /// Calls at the same time.
    pub workers: usize,
    /// Targets in one call.
    pub batch: usize,
}

/// Where one location's data lies.
#[derive(Debug)]
pub struct Target {
    /// What the data lies in: a directory, a pool, a bucket. No credentials.
    pub container: String,
    /// The same for every spelling of a URI that means the same data, and different for any other data. `None` where
    /// deleting takes nothing away, so that sharing does not matter.
    pub identity: Option<String>,
}

/// What a look at the backend brought for one location.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Probed {
    /// What deleting would end in, where that is not plainly `deleted`. `None` also where the store cannot tell.
    pub answer: Option<Answer>,
    /// Bytes that the data takes in the backend, where the backend knows. Something of it is there then.
    pub stored: Option<u64>,
    /// Bytes that a reader of it would get, where a look tells for certain. (An image in Ceph may well be larger than what
    /// Glance wrote to it.)
    pub length: Option<u64>,
    /// What it lacks although something of it is there, in words: a delete had begun.
    pub missing: Option<String>,
}

impl From<Answer> for Probed {
    /// What is known of data that a store cannot get at.
    fn from(answer: Answer) -> Self {
        Self { answer: Some(answer), ..Self::default() }
    }
}

/// One line of `--check`.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Finding {
    /// What was looked at.
    pub subject: String,
    /// How it is.
    pub state: State,
    /// What was seen, and what to do.
    pub detail: String,
}

/// How something is that was looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// As it should be.
    Ok,
    /// Works, but somebody should know.
    Warning,
    /// Does not work.
    Fault,
}

impl State {
    /// The word for people and machines.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warning => "warning",
            Self::Fault => "fault",
        }
    }
}

/// Opens every configured store. Contacts nobody: a store that is down is found out by its own lane, alone.
pub fn open(config: &Config) -> Stores {
    let stores = config.stores.stores.iter().map(|store| open_store(store, config)).collect();
    let paces = config.stores.stores.iter().map(|store| store.pace).collect();
    Stores::new(config.stores.multi, stores).paced(paces)
}

/// Ends the process where a call that hangs in a backend's library would make ending it in the usual way crash: the
/// library's own clean-up must not run beside one. Returns where nothing hangs.
pub fn leave_hanging_calls(code: u8) {
    if rbd::is_busy() {
        rbd::leave(i32::from(code));
    }
}

fn open_store(store: &StoreConfig, config: &Config) -> Arc<dyn Store> {
    let id = store.id.clone();
    match &store.kind {
        StoreKind::File(_) => Arc::new(file::FileStore::open(id, config)),
        StoreKind::Http => Arc::new(http::HttpStore::open(id)),
        StoreKind::Rbd(options) => Arc::new(rbd::RbdStore::open(id, options, config)),
        StoreKind::Swift(options) => Arc::new(swift::SwiftStore::open(id, options, config)),
        StoreKind::S3(options) => Arc::new(s3::S3Store::open(id, options, config)),
        StoreKind::Cinder(options) => Arc::new(cinder::CinderStore::open(id, options, config)),
        StoreKind::Vsphere(options) => Arc::new(vsphere::VsphereStore::open(id, options, config)),
        StoreKind::Unsupported(kind) => Arc::new(unsupported::UnsupportedStore::open(id, kind)),
    }
}
