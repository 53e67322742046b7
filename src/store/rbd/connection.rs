//! One long-lived connection for each cluster.
//!
//! Promises: stores with the same Ceph config file and user share one connection, made when it is first needed and
//! made anew after the cluster shut it out (a blocklisted client) or a call in it got stuck; nobody waits longer for it
//! than the deadline, and a failed attempt speaks for the next seconds too, so that a dead cluster costs each lane one
//! wait and not one for each image. A connection is shut down by whoever holds it last: never beside a call, which
//! would end the process (seen in most of the runs that tried).
//! Fails by an [`Answer`] that says which file, user or package to look at.
//! Rejected: a connection for each delete (what glance_store does): it doubles the time and the memory.

use std::collections::HashMap;
use std::sync::{Arc, Mutex as SyncMutex, PoisonError, Weak};
use std::time::{Duration, Instant};

use tokio::sync::{Mutex, Semaphore};

use super::answers::unavailable;
use super::call;
use super::librbd::{CallError, Cluster, Errno, Library, Pool, Setup, Unconnected};
use crate::config::{LEAST_DEADLINE, RadosTimeout, RbdConfig, RbdPolicy};
use crate::store::{Answer, Outcome};

/// How long a failed attempt to connect stands for those that come after it.
const FAILURE_STANDS: Duration = Duration::from_secs(5);

/// A connection this old looks again, in a new one, for a pool that its map does not have: maps come when they are
/// needed, and asking for a pool that is not there is not such a need.
const MAP_LASTS: Duration = Duration::from_secs(10);

/// What stands in Ceph's options where nobody set them (`src/common/options` of Ceph 16 to 20): five minutes to
/// connect, and no limit.
const CEPHS_OWN: [(&str, f64); 3] =
    [("client_mount_timeout", 300.0), ("rados_mon_op_timeout", 0.0), ("rados_osd_op_timeout", 0.0)];

/// What makes two stores use the same connection.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Key {
    conf_file: Option<String>,
    user: Option<String>,
    timeout: RadosTimeout,
}

/// The way to one cluster, connected or not.
pub(super) struct Connection {
    key: Key,
    /// `[scrubber] store_deadline`, and no less than [`LEAST_DEADLINE`].
    pub deadline: Duration,
    /// `[scrubber] rbd_concurrent_management_ops`.
    management_ops: Option<u64>,
    /// Image removals at once.
    pub removals: Semaphore,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    session: Option<Arc<Session>>,
    failed: Option<(Instant, Answer)>,
}

/// A connected cluster.
pub(super) struct Session {
    pub cluster: Arc<Cluster>,
    /// In lower case.
    pub fsid: String,
    /// The number by which this client is known as a watcher.
    pub instance: u64,
    since: Instant,
    pools: SyncMutex<HashMap<String, Arc<Pool>>>,
}

impl Connection {
    /// The connection for a store's options: an existing one, where a store with the same options has it.
    pub(super) fn of(config: &RbdConfig, policy: &RbdPolicy, store_deadline: Duration) -> Arc<Self> {
        static OPEN: SyncMutex<Vec<Weak<Connection>>> = SyncMutex::new(Vec::new());
        let key = Key { conf_file: config.conf_file.clone(), user: config.user.clone(), timeout: config.timeout };
        let mut open = OPEN.lock().unwrap_or_else(PoisonError::into_inner);
        open.retain(|connection| connection.strong_count() > 0);
        let deadline = store_deadline.max(LEAST_DEADLINE);
        let fits = |other: &Arc<Connection>| {
            other.key == key && other.deadline == deadline && other.management_ops == policy.management_ops
        };
        if let Some(found) = open.iter().filter_map(Weak::upgrade).find(fits) {
            return found;
        }
        let made = Arc::new(Self {
            key,
            deadline,
            management_ops: policy.management_ops,
            removals: Semaphore::new(policy.removals),
            state: Mutex::default(),
        });
        open.push(Arc::downgrade(&made));
        made
    }

    /// The connected cluster. Connects where that has not happened yet; one attempt at a time.
    pub(super) async fn session(&self) -> Result<Arc<Session>, Answer> {
        let mut state = self.state.lock().await;
        if let Some(session) = &state.session {
            return Ok(Arc::clone(session));
        }
        if let Some((_, answer)) = state.failed.as_ref().filter(|(at, _)| at.elapsed() < FAILURE_STANDS) {
            return Err(answer.clone());
        }
        match self.connect().await {
            Ok(session) => {
                let session = Arc::new(session);
                *state = State { session: Some(Arc::clone(&session)), failed: None };
                Ok(session)
            }
            Err(answer) => {
                state.failed = Some((Instant::now(), answer.clone()));
                Err(answer)
            }
        }
    }

    /// Gives a session up: the next caller connects anew. Those that are using it go on with it.
    pub(super) async fn retire(&self, session: &Arc<Session>) {
        let mut state = self.state.lock().await;
        if state.session.as_ref().is_some_and(|current| Arc::ptr_eq(current, session)) {
            let retired = state.session.take();
            // Shutting down may wait for the network.
            drop(tokio::task::spawn_blocking(move || drop(retired)));
        }
    }

    /// A pool, where the cluster has it.
    pub(super) async fn pool(&self, name: &str) -> Result<(Arc<Session>, Arc<Pool>), Answer> {
        let mut session = self.session().await?;
        for last_try in [false, true] {
            if let Some(pool) = self.pool_in(&session, name).await? {
                return Ok((session, pool));
            }
            if last_try || session.since.elapsed() < MAP_LASTS {
                break;
            }
            self.retire(&session).await;
            session = self.session().await?;
        }
        Err(unavailable(format!("cluster {} has no pool {name}", session.fsid)))
    }

    async fn pool_in(&self, session: &Arc<Session>, name: &str) -> Result<Option<Arc<Pool>>, Answer> {
        if let Some(pool) = session.pools().get(name) {
            return Ok(Some(Arc::clone(pool)));
        }
        let (theirs, wanted) = (Arc::clone(session), name.to_owned());
        let opened = self.call(session, move |_| theirs.cluster.pool(&wanted)).await?;
        let Some(pool) = opened.map_err(|error| super::answers::of_error(&error, &format!("pool {name}")))? else {
            return Ok(None);
        };
        Ok(Some(Arc::clone(session.pools().entry(name.to_owned()).or_insert_with(|| Arc::new(pool)))))
    }

    /// Runs a call of a session within the deadline. One that gets stuck takes the session with it.
    pub(super) async fn call<T: Send + 'static>(
        &self,
        session: &Arc<Session>,
        work: impl FnOnce(&call::Watch) -> T + Send + 'static,
    ) -> Result<T, Answer> {
        match call::run(self.deadline, work).await {
            Ok(done) => Ok(done),
            Err(call::Silent(silent)) => {
                self.retire(session).await;
                let fsid = &session.fsid;
                Err(unavailable(format!("cluster {fsid} gave no sign of life for {} s", silent.as_secs())))
            }
        }
    }

    /// The id that the config file gives the cluster, without asking it.
    pub(super) async fn fsid_by_config(&self) -> Option<String> {
        let key = self.key.clone();
        let read = move |_: &call::Watch| Unconnected::new(Library::load().ok()?, &key.setup()).ok()?.get("fsid").ok();
        let fsid = call::run(self.deadline, read).await.ok()??.to_ascii_lowercase();
        fsid.chars().any(|digit| !matches!(digit, '0' | '-')).then_some(fsid)
    }

    async fn connect(&self) -> Result<Session, Answer> {
        let (key, ops, deadline) = (self.key.clone(), self.management_ops, self.deadline);
        match call::run(self.patience(), move |_| connect(&key, ops, deadline)).await {
            Ok(connected) => connected,
            Err(call::Silent(silent)) => {
                let detail = format!("{} gave no sign of life for {} s", self.key, silent.as_secs());
                Err(unavailable(detail))
            }
        }
    }

    /// How long connecting may take: what the options ask for and a moment, for Ceph's own limit has the better words.
    fn patience(&self) -> Duration {
        match self.key.timeout {
            RadosTimeout::Fixed(timeout) if !timeout.is_zero() => timeout + Duration::from_secs(5),
            _ => self.deadline,
        }
    }
}

impl Session {
    fn pools(&self) -> std::sync::MutexGuard<'_, HashMap<String, Arc<Pool>>> {
        self.pools.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Key {
    fn setup(&self) -> Setup<'_> {
        Setup { conf_file: self.conf_file.as_deref(), user: self.user.as_deref() }
    }

    /// What to look at when connecting fails with `error`.
    fn explain(&self, error: &CallError) -> Answer {
        let (outcome, hint) = match (error.call, error.errno) {
            ("rados_conf_read_file", Errno::ENOENT) => (Outcome::Unavailable, "is rbd_store_ceph_conf right?"),
            ("rados_connect", Errno::ENOENT) => {
                (Outcome::Unavailable, "its keyring or a file that the config names is missing or may not be read")
            }
            (_, Errno::EACCES | Errno::EPERM) => (
                Outcome::Forbidden,
                "the monitors do not know the user, or the key in its keyring is wrong, or there is no keyring",
            ),
            (_, Errno::ETIMEDOUT) => (Outcome::Unavailable, "its monitors do not answer"),
            _ => (Outcome::Unavailable, "see Ceph's own log"),
        };
        Answer::because(outcome, format!("{self}: {error}; {hint}"))
    }
}

impl std::fmt::Display for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let conf_file = self.conf_file.as_deref().unwrap_or("Ceph's default config file");
        match &self.user {
            Some(user) => write!(f, "the cluster of {conf_file} as client.{user}"),
            None => write!(f, "the cluster of {conf_file} as Ceph's default user"),
        }
    }
}

fn connect(key: &Key, management_ops: Option<u64>, deadline: Duration) -> Result<Session, Answer> {
    let library = Library::load().map_err(|missing| unavailable(missing.to_string()))?;
    let connected = || -> Result<Session, CallError> {
        let mut unconnected = Unconnected::new(library, &key.setup())?;
        set_timeouts(&mut unconnected, key.timeout, deadline)?;
        // Ceph's own lines would stand between those of our log; each answer is told there anyway. A log_file still works.
        unconnected.set("log_to_stderr", "false")?;
        unconnected.set("err_to_stderr", "false")?;
        if let Some(ops) = management_ops {
            unconnected.set("rbd_concurrent_management_ops", &ops.to_string())?;
        }
        let cluster = Arc::new(unconnected.connect()?);
        let fsid = cluster.fsid()?.to_ascii_lowercase();
        let (instance, since) = (cluster.instance_id(), Instant::now());
        Ok(Session { cluster, fsid, instance, since, pools: SyncMutex::default() })
    };
    connected().map_err(|error| key.explain(&error))
}

/// glance_store sets all three options to `rados_connect_timeout`; where that is not set, limits of our own take the
/// place of none, so that a call ends by itself before its deadline and need not be left behind.
fn set_timeouts(unconnected: &mut Unconnected, timeout: RadosTimeout, deadline: Duration) -> Result<(), CallError> {
    let ours = deadline.mul_f64(0.5);
    for (option, cephs_own) in CEPHS_OWN {
        let seconds = match timeout {
            RadosTimeout::Cephs => continue,
            RadosTimeout::Fixed(seconds) => seconds,
            RadosTimeout::Ours => {
                let set =
                    unconnected.get(option)?.trim_end_matches('s').parse::<f64>().is_ok_and(|now| now != cephs_own);
                if set {
                    continue;
                }
                ours
            }
        };
        unconnected.set(option, &seconds.as_secs().to_string())?;
    }
    Ok(())
}
