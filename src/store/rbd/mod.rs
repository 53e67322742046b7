//! `rbd`: images in Ceph.
//!
//! Promises: one long-lived connection for each cluster, whatever the number of images and pools; an image in use is
//! left as it is; `absent` only from a pool that was opened in the cluster that the URI names; deletes go through on a
//! full cluster too; no call holds up more than its own lane. Nothing of Ceph is needed to build, or to run where no
//! store is of this type: the libraries are opened when the first store asks for them.
//!
//! The way of an image: [`address`] (the URI) → [`connection`] (cluster and pool) → [`look`] → [`delete`], whose calls
//! run in [`call`]; [`answers`] says what an error number means. [`trash`] frees what was moved there.
//!
//! Rejected: the `rbd` program (a process for each image), the published crates (none has both removal and trash and
//! a build without Ceph's headers), and a static build, which could not open the libraries.

mod address;
mod answers;
mod call;
mod check;
mod connection;
mod delete;
mod librbd;
mod look;
mod probe;
mod trash;

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use async_trait::async_trait;
use futures::future::join_all;

use self::address::Address;
use self::connection::{Connection, Session};
use self::delete::{Ended, Job};
use self::librbd::{Library, Pool};
use super::{Answer, Finding, Outcome, Pace, Probed, Reclaimed, Store, Target, TrashItem};
use crate::config::{Config, InUse, RbdConfig, StoreId};
use crate::location::{Location, Scheme};
use crate::scrub::{Approved, Pulse, Reclaimable, Resolved};

/// How long a survey waits for clusters to say who they are. A healthy one takes some milliseconds; an attempt that
/// takes longer goes on for the lanes.
const INTRODUCTION: Duration = Duration::from_secs(3);

pub(super) struct RbdStore {
    id: StoreId,
    /// `rbd_store_pool`.
    pool: String,
    in_use: InUse,
    reclaim_trash: bool,
    workers: usize,
    connection: Arc<Connection>,
    /// The cluster's id, as it was when the cycle's survey began. Fixed for the cycle, so that a location means the
    /// same when it is compared with others and when it is deleted.
    known: RwLock<Option<String>>,
}

impl RbdStore {
    pub(super) fn open(id: StoreId, options: &RbdConfig, config: &Config) -> Self {
        let policy = &config.scrubber.rbd;
        // Said at the start and not only when the first image meets it. The other stores work all the same.
        if let Err(missing) = Library::load() {
            tracing::warn!(store = id.as_str(), "Nothing can be deleted from store {id}: {missing}");
        }
        Self {
            id,
            pool: options.pool.clone(),
            in_use: policy.in_use,
            reclaim_trash: policy.reclaim_trash,
            workers: policy.workers,
            connection: Connection::of(options, policy, config.scrubber.store_deadline),
            known: RwLock::default(),
        }
    }

    fn known(&self) -> Option<String> {
        self.known.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn address(&self, location: &Location) -> Result<Address, Answer> {
        Address::parse(location.uri.expose(), &self.pool)
            .ok_or_else(|| Answer::because(Outcome::Malformed, "an RBD URI has 1 or 4 parts, none of them empty"))
    }

    /// Opens the pool of an address, in the cluster that the address means and in no other.
    async fn place(&self, address: &Address) -> Result<(Arc<Session>, Arc<Pool>), Answer> {
        let session = self.connection.session().await?;
        self.must_be(address, &session)?;
        let (session, pool) = self.connection.pool(&address.pool).await?;
        // It may be another connection by now, and a config file may have been changed to another cluster.
        self.must_be(address, &session)?;
        Ok((session, pool))
    }

    fn must_be(&self, address: &Address, session: &Session) -> Result<(), Answer> {
        match &address.fsid {
            Some(fsid) if *fsid != session.fsid => Err(self.elsewhere(fsid, &session.fsid)),
            // Without an id in the URI, what else points to the image was compared by what was known then.
            None if self.known().as_ref() != Some(&session.fsid) => Err(answers::unavailable(
                "the cluster was not to be reached when the cycle began; the next one will see",
            )),
            _ => Ok(()),
        }
    }

    fn elsewhere(&self, fsid: &str, own: &str) -> Answer {
        let id = &self.id;
        Answer::because(
            Outcome::NoStore,
            format!("it lies in cluster {fsid}, and store {id} is cluster {own}; is there a store for the other one?"),
        )
    }

    async fn delete_one(&self, approved: &Approved) -> Answer {
        let address = match self.address(approved.location()) {
            Ok(address) => address,
            Err(answer) => return answer,
        };
        match self.try_delete(&address, approved).await {
            Err(Ended::ShutOut(_)) => {}
            Ok(answer) | Err(Ended::With(answer)) => return answer,
        }
        // Once more, in a new connection.
        match self.try_delete(&address, approved).await {
            Ok(answer) | Err(Ended::With(answer) | Ended::ShutOut(answer)) => answer,
        }
    }

    async fn try_delete(&self, address: &Address, approved: &Approved) -> Result<Answer, Ended> {
        let (session, pool) = self.place(address).await.map_err(Ended::With)?;
        let (in_use, instance, tenure) = (self.in_use, session.instance, approved.tenure().clone());
        let job = Arc::new(Job { address: address.clone(), in_use, instance, tenure });
        let done = self.steps(&session, pool, job, approved.pulse().clone()).await;
        if let Err(Ended::ShutOut(answer)) = &done {
            tracing::warn!(store = self.id.as_str(), "Connecting anew to cluster {}: {answer}", session.fsid);
            self.connection.retire(&session).await;
        }
        done
    }

    async fn steps(
        &self,
        session: &Arc<Session>,
        pool: Arc<Pool>,
        job: Arc<Job>,
        pulse: Pulse,
    ) -> Result<Answer, Ended> {
        let (theirs, first) = (Arc::clone(&pool), Arc::clone(&job));
        let unlink = move |watch: &call::Watch| delete::unlink(&theirs, &first, watch);
        let look = self.connection.call(session, unlink).await.map_err(Ended::With)??;
        // Closed never happens: nobody closes it.
        let _turn = self.connection.removals.acquire().await.ok();
        let remove = move |watch: &call::Watch| delete::remove(&pool, &job, &look, watch, &pulse);
        self.connection.call(session, remove).await.map_err(Ended::With)?
    }
}

#[async_trait]
impl Store for RbdStore {
    fn id(&self) -> &StoreId {
        &self.id
    }

    fn schemes(&self) -> &'static [Scheme] {
        &[Scheme::Rbd]
    }

    /// One image a call: the connection is shared anyway, and each image is answered for as soon as it is done.
    fn pace(&self) -> Pace {
        Pace { workers: self.workers, batch: 1 }
    }

    async fn prepare(&self) {
        let connection = Arc::clone(&self.connection);
        // A task of its own, so that the attempt outlives the waiting for it.
        let connecting = tokio::spawn(async move { connection.session().await });
        let fsid = match tokio::time::timeout(INTRODUCTION, connecting).await {
            Ok(Ok(Ok(session))) => Some(session.fsid.clone()),
            // Of a cluster that is down, its config file still says which one it is.
            _ => self.connection.fsid_by_config().await,
        };
        *self.known.write().unwrap_or_else(PoisonError::into_inner) = fsid;
    }

    fn locate(&self, location: &Location) -> Result<Target, Answer> {
        let address = self.address(location)?;
        let known = self.known();
        if let (Some(fsid), Some(known)) = (&address.fsid, &known)
            && fsid != known
        {
            return Err(self.elsewhere(fsid, known));
        }
        let Address { pool, image, .. } = &address;
        let cluster = address.fsid.as_ref().or(known.as_ref());
        let Some(cluster) = cluster else {
            // What else points to the same image could not be told.
            let detail = format!("its URI names no cluster, and that of store {} could not be asked", self.id);
            return Err(answers::unavailable(detail));
        };
        let identity = Some(identity(cluster, pool, image));
        Ok(Target { container: format!("pool {pool} of cluster {cluster}"), identity })
    }

    fn owns(&self, location: &Location) -> bool {
        self.address(location)
            .is_ok_and(|address| address.fsid.is_some() && address.fsid == self.known() && address.pool == self.pool)
    }

    async fn delete(&self, targets: &[Approved]) -> Vec<Answer> {
        join_all(targets.iter().map(|approved| self.delete_one(approved))).await
    }

    async fn probe(&self, targets: &[Resolved]) -> Vec<Probed> {
        join_all(targets.iter().map(|resolved| self.probe_one(&resolved.location))).await
    }

    async fn check(&self) -> Vec<Finding> {
        self.findings().await
    }

    fn has_trash(&self) -> bool {
        self.reclaim_trash
    }

    async fn trash(&self) -> Result<Vec<TrashItem>, Answer> {
        self.trash_items().await
    }

    async fn reclaim(&self, items: &[Reclaimable]) -> Vec<Reclaimed> {
        self.reclaim_all(items).await
    }
}

/// The same for the same image, however it is named: see [`Target::identity`].
fn identity(cluster: &str, pool: &str, image: &str) -> String {
    let part = |text: &str| text.replace('%', "%25").replace('/', "%2F");
    format!("rbd:{cluster}/{}/{}", part(pool), part(image))
}

/// Whether a call into Ceph's libraries still runs in this process: see [`leave`].
pub(super) fn is_busy() -> bool {
    call::any_running()
}

/// Ends the process beside a call that still runs.
pub(super) fn leave(code: i32) -> ! {
    librbd::leave_without_cleanup(code)
}
