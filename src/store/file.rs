//! `file` and `filesystem`: images as files in data directories.
//!
//! Promises: removes only files below a data directory that is configured for some `file` store; a file of any other
//! path is `forbidden`. Glance writes paths raw, so nothing is percent-decoded, and a `#` or `?` in a data
//! directory's name belongs to the name (glance_store cuts the path there, and then deletes the wrong one or none).
//! Fails by `unavailable` where the directory cannot be trusted (see `datadir`), or where the file system gave no
//! answer in time: the call is then left behind in its thread, and told to remove nothing more.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::mpsc;

use super::datadir::{DataDir, OpenDir, Stray};
use super::{Answer, Finding, Outcome, Pace, Probed, State, Store, Target};
use crate::claim::Tenure;
use crate::config::{Config, StoreId, StoreKind};
use crate::location::{Location, Scheme};
use crate::scrub::{Approved, Resolved};

/// Two threads more than double the pace of one on a local disk (the unlinks wait for the journal), four are near
/// the best.
const WORKERS: usize = 4;

/// Files handed to a thread at once: enough to hide the handing over (some 10 µs), few enough to stop soon.
const BATCH: usize = 32;

pub(super) struct FileStore {
    id: StoreId,
    /// Directories of this store; then those of the other `file` stores, since a location may carry another store's id.
    own: Vec<Arc<DataDir>>,
    others: Vec<Arc<DataDir>>,
    deadline: Duration,
}

impl FileStore {
    pub(super) fn open(id: StoreId, config: &Config) -> Self {
        let mut store = Self { id, own: Vec::new(), others: Vec::new(), deadline: config.scrubber.store_deadline };
        for other in &config.stores.stores {
            let StoreKind::File(file) = &other.kind else { continue };
            let marker = &config.scrubber.file_marker;
            let dirs = file
                .datadirs
                .iter()
                .map(|path| Arc::new(DataDir::new(path.clone(), file.metadata_file.clone(), marker.clone())));
            if other.id == store.id {
                store.own.extend(dirs);
                store.deadline = file.timeout.unwrap_or(store.deadline);
            } else {
                store.others.extend(dirs);
            }
        }
        store
    }

    /// The directory that a path lies in, and the rest of the path.
    fn place(&self, path: &Path) -> Result<(&Arc<DataDir>, PathBuf), Stray> {
        let mut stray = Stray::Outside;
        let dirs = self.own.iter().chain(&self.others);
        let mut found: Option<(&Arc<DataDir>, PathBuf)> = None;
        for dir in dirs {
            match dir.below(path) {
                // Nested data directories: the innermost is meant, that is, the shortest rest.
                Ok(rest)
                    if found.as_ref().is_none_or(|(_, best)| rest.components().count() < best.components().count()) =>
                {
                    found = Some((dir, rest));
                }
                Ok(_) => {}
                Err(Stray::Climbs) => stray = Stray::Climbs,
                Err(Stray::Outside) => {}
            }
        }
        found.ok_or(stray)
    }

    fn job(&self, location: &Location) -> Job {
        let (dir, below) = self.place(path_of(location.uri.expose())?).ok()?;
        Some((Arc::clone(dir), below))
    }
}

#[async_trait]
impl Store for FileStore {
    fn id(&self) -> &StoreId {
        &self.id
    }

    fn schemes(&self) -> &'static [Scheme] {
        &[Scheme::File, Scheme::Filesystem]
    }

    fn pace(&self) -> Pace {
        Pace { workers: WORKERS, batch: BATCH }
    }

    fn locate(&self, location: &Location) -> Result<Target, Answer> {
        let path = path_of(location.uri.expose())
            .ok_or_else(|| Answer::because(Outcome::Malformed, "its path is not absolute"))?;
        let (dir, below) = self.place(path).map_err(|stray| {
            let reason = match stray {
                Stray::Outside => "lies outside of every configured data directory (filesystem_store_datadir)",
                Stray::Climbs => "climbs out of its directory with '..'",
            };
            Answer::because(Outcome::Forbidden, format!("{} {reason}", path.display()))
        })?;
        if below.as_os_str().as_encoded_bytes().iter().any(|byte| matches!(byte, b'?' | b'#' | 0)) {
            // Glance names files by image id. With one of these behind the directory, glance_store means another file.
            return Err(Answer::because(Outcome::Malformed, format!("{} has ?, # or NUL in its name", path.display())));
        }
        let identity = Some(dir.identity(&below));
        Ok(Target { container: dir.path().display().to_string(), identity })
    }

    fn owns(&self, location: &Location) -> bool {
        path_of(location.uri.expose()).is_some_and(|path| self.own.iter().any(|dir| dir.below(path).is_ok()))
    }

    fn expect(&self, witnesses: &[Location]) {
        for dir in self.own.iter().chain(&self.others) {
            let below = witnesses.iter().filter_map(|living| dir.below(path_of(living.uri.expose())?).ok());
            dir.expect(below.collect());
        }
    }

    async fn delete(&self, targets: &[Approved]) -> Vec<Answer> {
        let jobs = targets.iter().map(|approved| (self.job(approved.location()), approved.tenure().clone())).collect();
        in_a_thread(jobs, self.deadline, |open, below| open.remove(below)).await
    }

    async fn probe(&self, targets: &[Resolved]) -> Vec<Probed> {
        // To look at it takes nothing away, and needs no claim.
        let jobs = targets.iter().map(|resolved| (self.job(&resolved.location), Tenure::default())).collect();
        in_a_thread(jobs, self.deadline, |open, below| open.probe(below)).await
    }

    async fn check(&self) -> Vec<Finding> {
        let dirs = self.own.clone();
        let look = tokio::task::spawn_blocking(move || dirs.iter().map(|dir| check_dir(dir)).collect());
        match tokio::time::timeout(self.deadline, look).await {
            Ok(Ok(findings)) => findings,
            _ => vec![Finding {
                subject: self.id.to_string(),
                state: State::Fault,
                detail: format!("its data directories gave no answer within {} s", self.deadline.as_secs()),
            }],
        }
    }
}

/// `file:///dir/name` → `/dir/name`, raw.
fn path_of(uri: &str) -> Option<&Path> {
    let path = uri.strip_prefix("file://").or_else(|| uri.strip_prefix("filesystem://"))?;
    path.starts_with('/').then(|| Path::new(path))
}

/// A file below a data directory; `None` for one that lies elsewhere.
type Job = Option<(Arc<DataDir>, PathBuf)>;

/// What is done with one file: [`OpenDir::remove`] or [`OpenDir::probe`].
type Act<T> = fn(&OpenDir<'_>, &Path) -> T;

/// Does something with each file in a thread of its own, with a deadline for each. A file system that hangs takes its
/// thread with it; `cancelled` keeps that thread from going on when it wakes up long after we said `unavailable`.
async fn in_a_thread<T: From<Answer> + Send + 'static>(
    jobs: Vec<(Job, Tenure)>,
    deadline: Duration,
    act: Act<T>,
) -> Vec<T> {
    let count = jobs.len();
    let cancelled = Arc::new(AtomicBool::new(false));
    let (answers, mut arrived) = mpsc::unbounded_channel();
    let stop = Arc::clone(&cancelled);
    tokio::task::spawn_blocking(move || each(&jobs, act, &stop, &answers));
    let mut given = Vec::with_capacity(count);
    while given.len() < count {
        match tokio::time::timeout(deadline, arrived.recv()).await {
            Ok(Some(answer)) => given.push(answer),
            Ok(None) => break,
            Err(_) => {
                cancelled.store(true, Ordering::SeqCst);
                break;
            }
        }
    }
    let silent = format!("the file system gave no answer within {} s", deadline.as_secs());
    given.resize_with(count, || Answer::because(Outcome::Unavailable, silent.as_str()).into());
    given
}

fn each<T: From<Answer>>(
    jobs: &[(Job, Tenure)],
    act: Act<T>,
    cancelled: &AtomicBool,
    answers: &mpsc::UnboundedSender<T>,
) {
    let mut opened: HashMap<*const DataDir, Result<OpenDir<'_>, Answer>> = HashMap::new();
    for (job, tenure) in jobs {
        if cancelled.load(Ordering::SeqCst) {
            return;
        }
        let answer = match job {
            None => Answer::because(Outcome::Forbidden, "its path is outside of every data directory").into(),
            // The last moment to ask: after a process was stopped and goes on, say.
            Some(_) if !tenure.lets_begin() => Answer::because(Outcome::Unavailable, RAN_OUT).into(),
            Some((dir, below)) => match opened.entry(Arc::as_ptr(dir)).or_insert_with(|| dir.open()) {
                Ok(open) => act(open, below),
                Err(answer) => answer.clone().into(),
            },
        };
        if answers.send(answer).is_err() {
            return;
        }
    }
}

/// Why a file was not touched.
const RAN_OUT: &str = "its claim ran out before its turn came";

fn check_dir(dir: &DataDir) -> Finding {
    let subject = dir.path().display().to_string();
    let (state, detail) = match dir.open() {
        Err(answer) => (State::Fault, answer.detail.unwrap_or_default()),
        Ok(open) if !open.is_writable() => {
            (State::Fault, "files may not be removed here; run as the user that Glance runs as".to_owned())
        }
        Ok(open) => match open.answer_for_missing() {
            Answer { outcome: Outcome::Absent, .. } => (State::Ok, "can be read and written".to_owned()),
            answer => (State::Fault, answer.detail.unwrap_or_default()),
        },
    };
    Finding { subject, state, detail }
}
