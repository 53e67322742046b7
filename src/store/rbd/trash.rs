//! Freeing what clones once held: images of Glance that were moved to the pool's trash.
//!
//! Promises: nothing is forced. An entry whose clones live on, or whose deferment is not over, stays and is tried again
//! in the next cycle; entries of mirroring and migration are not even offered. Which entries are Glance's to free is
//! not decided here but by the guard, from Glance's database.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use futures::stream::{self, StreamExt};

use super::answers::{in_use, of_error, unavailable};
use super::call::Watch;
use super::librbd::{Access, CallError, Errno, Pool, TrashEntry, TrashSource};
use super::look;
use super::{RbdStore, connection::Session};
use crate::scrub::Reclaimable;
use crate::store::{Answer, Outcome, Reclaimed, TrashItem};

/// The name that Glance gives the snapshot of each image (glance_store's `DEFAULT_SNAPNAME`).
const GLANCES_SNAPSHOT: &str = "snap";

impl RbdStore {
    /// What lies in the trash of the store's pool.
    pub(super) async fn trash_items(&self) -> Result<Vec<TrashItem>, Answer> {
        let (session, pool) = self.connection.pool(&self.pool).await?;
        // What is needed was compared by what was known when the stores got ready.
        if self.known().as_ref() != Some(&session.fsid) {
            return Err(unavailable("the cluster was not to be reached in time; the next cycle will see"));
        }
        let listed = self.connection.call(&session, move |_: &Watch| pool.trash_list()).await?;
        let entries = match listed {
            Ok(entries) => entries,
            Err(CallError { errno: Errno::ENOENT, .. }) => Vec::new(),
            Err(error) => return Err(of_error(&error, &format!("trash of pool {}", self.pool))),
        };
        let free = entries.into_iter().filter(|entry| {
            matches!(entry.source, TrashSource::User | TrashSource::UserParent | TrashSource::Removing)
        });
        Ok(free.map(|entry| self.item(&session, entry)).collect())
    }

    fn item(&self, session: &Session, entry: TrashEntry) -> TrashItem {
        let TrashEntry { id, name, deferred_until, .. } = entry;
        TrashItem {
            identity: super::identity(&session.fsid, &self.pool, &name),
            deferred: deferred_until > now(),
            key: id,
            name,
        }
    }

    /// Frees each, some at a time, and answers in order.
    pub(super) async fn reclaim_all(&self, items: &[Reclaimable]) -> Vec<Reclaimed> {
        let each: Vec<_> = items.iter().map(|item| self.reclaim_one(item.item())).collect();
        stream::iter(each).buffered(self.workers).collect().await
    }

    async fn reclaim_one(&self, item: &TrashItem) -> Reclaimed {
        match self.try_reclaim(item).await {
            Ok(reclaimed) => reclaimed,
            Err(answer) => Reclaimed { answer, bytes: 0 },
        }
    }

    async fn try_reclaim(&self, item: &TrashItem) -> Result<Reclaimed, Answer> {
        if item.deferred {
            return Err(in_use("its deferment is not over"));
        }
        let (session, pool) = self.connection.pool(&self.pool).await?;
        let (theirs, first) = (Arc::clone(&pool), item.clone());
        let instance = session.instance;
        let bytes = self.connection.call(&session, move |_: &Watch| unlink(&theirs, &first, instance)).await??;
        let _turn = self.connection.removals.acquire().await.ok();
        let second = item.clone();
        let answer = self.connection.call(&session, move |watch: &Watch| remove(&pool, &second, watch)).await?;
        Ok(Reclaimed { bytes: if answer.outcome == Outcome::Deleted { bytes } else { 0 }, answer })
    }
}

/// Takes Glance's snapshot off, where a clone of format 1 had kept it, and says how large the image is.
fn unlink(pool: &Pool, item: &TrashItem, instance: u64) -> Result<u64, Answer> {
    let failed = |error: CallError| of_error(&error, &item.name);
    let image = match pool.open_by_id(&item.key, Access::ReadWrite) {
        Ok(image) => image,
        // Half removed: its header has gone already.
        Err(CallError { errno: Errno::ENOENT, .. }) => return Ok(0),
        Err(error) => return Err(failed(error)),
    };
    let size = image.size().map_err(failed)?;
    let look = look::look(&image, Some(GLANCES_SNAPSHOT), instance).map_err(failed)?;
    if let Some(held) = look.held() {
        return Err(in_use(held));
    }
    if !look.ties().is_empty() {
        return Err(in_use(format!("it still has {}", look.ties())));
    }
    if !look.has_snapshot {
        return Ok(size);
    }
    let ignore = |ignored: Errno| move |error: CallError| if error.errno == ignored { Ok(()) } else { Err(error) };
    let taken_off = image
        .unprotect(GLANCES_SNAPSHOT)
        .or_else(ignore(Errno::EINVAL))
        .and_then(|()| image.remove_snapshot(GLANCES_SNAPSHOT).or_else(ignore(Errno::ENOENT)));
    match taken_off {
        Ok(()) => Ok(size),
        Err(error) if error.errno == Errno::EBUSY => Err(in_use("it still has clones")),
        Err(error) => Err(failed(error)),
    }
}

fn remove(pool: &Pool, item: &TrashItem, watch: &Watch) -> Answer {
    let Err(error) = pool.trash_remove(&item.key, |_, _| watch.goes_on()) else {
        return Answer::plain(Outcome::Deleted);
    };
    match error.errno {
        Errno::ENOTEMPTY => in_use("it still has clones"),
        Errno::EBUSY => in_use(format!("it is open elsewhere ({error})")),
        Errno::ENOENT => Answer::plain(Outcome::Absent),
        Errno::ECANCELED => unavailable("given up on after its deadline"),
        _ => of_error(&error, &item.name),
    }
}

/// Seconds since 1970, as the trash counts.
fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}
