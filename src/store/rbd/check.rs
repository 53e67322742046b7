//! `--check` of an `rbd` store: who the cluster is, and what its user may do. Changes nothing.

use super::librbd::{CallError, Errno, Pool};
use super::{RbdStore, answers, call};
use crate::store::{Answer, Finding, Outcome, State};

impl RbdStore {
    pub(super) async fn findings(&self) -> Vec<Finding> {
        let session = match self.connection.session().await {
            Ok(session) => session,
            Err(answer) => return vec![fault("cluster", answer)],
        };
        let mut findings = Vec::new();
        let theirs = std::sync::Arc::clone(&session);
        let version = self.connection.call(&session, move |_| theirs.cluster.ceph_version()).await;
        let version = match version {
            Ok(Ok(version)) => version,
            Ok(Err(error)) => format!("its version is not told ({error})"),
            Err(answer) => return vec![fault("cluster", answer)],
        };
        findings.push(finding("cluster", State::Ok, format!("fsid {}, {version}", session.fsid)));
        let subject = format!("pool {}", self.pool);
        findings.push(match self.connection.pool(&self.pool).await {
            Err(answer) => fault(&subject, answer),
            Ok((session, pool)) => {
                let name = unused_name();
                let rights = self.connection.call(&session, move |_: &call::Watch| rights(&pool, &name)).await;
                match rights {
                    Err(answer) => fault(&subject, answer),
                    Ok(Err(error)) => fault(&subject, answers::of_error(&error, &subject)),
                    Ok(Ok(trash)) => {
                        finding(&subject, State::Ok, format!("images may be removed and trashed; {trash}"))
                    }
                }
            }
        });
        findings
    }
}

/// Asks for what deleting needs, on names that do not exist: the OSDs look at the user's capabilities first.
fn rights(pool: &Pool, unused: &str) -> Result<String, CallError> {
    pool.may_remove_objects(&format!("rbd_header.{unused}"))?;
    match pool.trash_list() {
        Ok(entries) => Ok(format!("{} images in the trash", entries.len())),
        Err(CallError { errno: Errno::ENOENT, .. }) => Ok("the trash is empty".to_owned()),
        Err(error) => Err(error),
    }
}

/// A name that no object has: 128 random bits.
fn unused_name() -> String {
    use std::hash::{BuildHasher, RandomState};
    let random = || RandomState::new().hash_one(std::time::SystemTime::now());
    format!("glance-scrubber-check-{:016x}{:016x}", random(), random())
}

fn finding(subject: &str, state: State, detail: String) -> Finding {
    Finding { subject: subject.to_owned(), state, detail }
}

fn fault(subject: &str, answer: Answer) -> Finding {
    let state = if answer.outcome == Outcome::InUse { State::Warning } else { State::Fault };
    finding(subject, state, answer.detail.unwrap_or_default())
}
