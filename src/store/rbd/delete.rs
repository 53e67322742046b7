//! Deleting one image: two steps, each a chain of blocking calls.
//!
//! Promises: the image is looked at before it is touched, and an image that is in use keeps its snapshot. [`unlink`]
//! unprotects and removes Glance's snapshot, which waits for the monitors: many at once share one commit of theirs.
//! [`remove`] removes the image, which is the OSDs' work: few at once. `deleted` is librbd's word; `absent` is ENOENT,
//! seen again by opening the image, in a pool that was opened in the right cluster. Half-removed images and images of
//! the old format are librbd's business, and are finished by it.
//! Between the two steps, and in the middle of the second, a kill leaves an image that the next pass takes up where it
//! was left.
//! Source: glance_store's `_drivers/rbd.py` (`_delete_image`), and what Ceph 16 to 18 was seen to answer.

use super::address::Address;
use super::answers::{in_use, of_error, unavailable};
use super::call::Watch;
use super::librbd::{Access, CallError, Errno, Pool, TrashSource};
use super::look::{self, Look};
use crate::claim::Tenure;
use crate::config::InUse;
use crate::scrub::Pulse;
use crate::store::{Answer, Outcome};

/// One image to delete.
pub(super) struct Job {
    pub address: Address,
    pub in_use: InUse,
    /// This client's number as a watcher.
    pub instance: u64,
    /// For how long the image is ours to delete.
    pub tenure: Tenure,
}

/// Why a step did not come to its end.
#[derive(Debug)]
pub(super) enum Ended {
    /// The store's word on the location.
    With(Answer),
    /// The cluster has shut this client out; the same again in a new connection may work.
    ShutOut(Answer),
}

/// Looks at the image, then unprotects and removes Glance's snapshot. The look is what is known of the image.
pub(super) fn unlink(pool: &Pool, job: &Job, watch: &Watch) -> Result<Look, Ended> {
    let Address { image, snapshot, .. } = &job.address;
    let opened = match pool.open(image, Access::ReadWrite) {
        Ok(opened) => opened,
        // Its header may have gone in a removal that did not come to its end.
        Err(CallError { errno: Errno::ENOENT, .. }) => return Ok(Look::default()),
        Err(error) => return Err(job.ended(&error)),
    };
    let look = look::look(&opened, snapshot.as_deref(), job.instance).map_err(|error| job.ended(&error))?;
    if let Some(held) = look.held() {
        return Err(Ended::With(in_use(held)));
    }
    if job.in_use == InUse::Wait && !look.ties().is_empty() {
        return Err(Ended::With(in_use(format!("it has {}; rbd_in_use is wait", look.ties()))));
    }
    let Some(snapshot) = snapshot.as_deref().filter(|_| look.has_snapshot) else { return Ok(look) };
    let busy = |error: &CallError| {
        let ties = look.ties();
        let ties = if ties.is_empty() { "clones that this Ceph user may not see".to_owned() } else { ties };
        Ended::With(in_use(format!("its snapshot has {ties} ({error})")))
    };
    job.go_on(watch)?;
    match opened.unprotect(snapshot) {
        // EINVAL: it is not protected.
        Ok(()) | Err(CallError { errno: Errno::EINVAL, .. }) => {}
        Err(CallError { errno: Errno::ENOENT, .. }) => return Ok(look),
        Err(error) if error.errno == Errno::EBUSY => return Err(busy(&error)),
        Err(error) => return Err(job.ended(&error)),
    }
    job.go_on(watch)?;
    match opened.remove_snapshot(snapshot) {
        Ok(()) | Err(CallError { errno: Errno::ENOENT, .. }) => Ok(look),
        Err(error) if error.errno == Errno::EBUSY => Err(busy(&error)),
        Err(error) => Err(job.ended(&error)),
    }
}

/// Removes the image. `pulse` hears how far it is.
pub(super) fn remove(pool: &Pool, job: &Job, look: &Look, watch: &Watch, pulse: &Pulse) -> Result<Answer, Ended> {
    let remove = || {
        job.go_on(watch)?;
        Ok(pool.remove(&job.address.image, |done, total| {
            pulse.tell(done, total);
            watch.goes_on() && job.tenure.lasts()
        }))
    };
    let mut removed = remove()?;
    if is_not_found(&removed) && is_there(pool, job, watch)? {
        // librbd lists what it removes in the pool's trash, and cannot make that list in a full pool that has none yet.
        pool.make_trash().map_err(|error| job.ended(&error))?;
        removed = remove()?;
    }
    let Err(error) = removed else { return Ok(Answer::plain(Outcome::Deleted)) };
    match error.errno {
        Errno::ENOENT => missing(pool, job, watch),
        Errno::ENOTEMPTY => tied(pool, job, look, watch),
        Errno::EBUSY => Err(Ended::With(in_use(format!("it is open elsewhere ({error})")))),
        Errno::ECANCELED => Err(job.go_on(watch).err().unwrap_or_else(given_up)),
        _ => Err(job.ended(&error)),
    }
}

fn is_not_found(answer: &Result<(), CallError>) -> bool {
    answer.as_ref().is_err_and(|error| error.errno == Errno::ENOENT)
}

fn is_there(pool: &Pool, job: &Job, watch: &Watch) -> Result<bool, Ended> {
    job.go_on(watch)?;
    match pool.open(&job.address.image, Access::ReadOnly) {
        Ok(_) => Ok(true),
        Err(CallError { errno: Errno::ENOENT, .. }) => Ok(false),
        Err(error) => Err(job.ended(&error)),
    }
}

/// Clones or snapshots hold what is left of the image.
fn tied(pool: &Pool, job: &Job, look: &Look, watch: &Watch) -> Result<Answer, Ended> {
    let ties = look.ties();
    let ties = if ties.is_empty() { "clones or snapshots that cannot be seen".to_owned() } else { ties };
    if job.in_use == InUse::Wait {
        return Err(Ended::With(in_use(format!("it has {ties}; rbd_in_use is wait"))));
    }
    job.go_on(watch)?;
    match pool.trash_move(&job.address.image) {
        Ok(()) => {
            let (pool, id) = (&job.address.pool, look.id.as_deref().unwrap_or("unknown"));
            Ok(Answer::because(
                Outcome::Trashed,
                format!("it has {ties}; moved to the trash of pool {pool} with id {id}"),
            ))
        }
        Err(error) => match error.errno {
            Errno::ENOENT => missing(pool, job, watch),
            Errno::EBUSY => Err(Ended::With(in_use(format!("it has {ties}, and is open elsewhere ({error})")))),
            _ => Err(job.ended(&error)),
        },
    }
}

/// Ceph says that there is no such image. It says so too of one that it cannot remove because the pool is full, and of
/// one that lies in the trash.
fn missing(pool: &Pool, job: &Job, watch: &Watch) -> Result<Answer, Ended> {
    job.go_on(watch)?;
    match whereabouts(pool, &job.address.image) {
        Ok(Whereabouts::Gone) => Ok(Answer::plain(Outcome::Absent)),
        Ok(Whereabouts::Trash(detail)) => Ok(Answer::because(Outcome::Trashed, detail)),
        // A new connection knows the pools that there are now.
        Ok(Whereabouts::NoPool) => Err(Ended::ShutOut(no_pool(&job.address))),
        Ok(Whereabouts::There) => Err(Ended::With(unavailable(format!(
            "{}: removing it ended in ENOENT although it is there; is the pool full?",
            job.address
        )))),
        Err(error) => Err(job.ended(&error)),
    }
}

/// Where an image is that a call did not find.
pub(super) enum Whereabouts {
    There,
    Trash(String),
    Gone,
    /// Nothing can be said: the pool is another one by now, or none.
    NoPool,
}

pub(super) fn whereabouts(pool: &Pool, image: &str) -> Result<Whereabouts, CallError> {
    match pool.open(image, Access::ReadOnly) {
        Ok(_) => return Ok(Whereabouts::There),
        Err(CallError { errno: Errno::ENOENT, .. }) => {}
        Err(error) => return Err(error),
    }
    let trashed = match pool.trash_list() {
        Ok(entries) => entries.into_iter().find(|entry| entry.name == image && entry.source != TrashSource::Removing),
        // A pool that never had a trash.
        Err(CallError { errno: Errno::ENOENT, .. }) => None,
        Err(error) => return Err(error),
    };
    Ok(match trashed {
        Some(entry) => Whereabouts::Trash(format!("it lies in the pool's trash already, with id {}", entry.id)),
        // Of a pool that was deleted everything is missing. The answers above have brought the map that says so.
        None if !pool.is_there()? => Whereabouts::NoPool,
        None => Whereabouts::Gone,
    })
}

pub(super) fn no_pool(address: &Address) -> Answer {
    unavailable(format!("{address}: its pool was deleted, renamed or made anew since it was opened"))
}

fn given_up() -> Ended {
    Ended::With(unavailable("given up on after its deadline"))
}

impl Job {
    /// Asked before each step: whether anybody still waits for it, and the image is still ours.
    fn go_on(&self, watch: &Watch) -> Result<(), Ended> {
        match (watch.goes_on(), self.tenure.lasts()) {
            (true, true) => Ok(()),
            (false, _) => Err(given_up()),
            (true, false) => Err(Ended::With(unavailable("its claim ran out while it was deleted"))),
        }
    }

    fn ended(&self, error: &CallError) -> Ended {
        let answer = of_error(error, &self.address);
        if error.errno == Errno::ESHUTDOWN { Ended::ShutOut(answer) } else { Ended::With(answer) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::rbd::librbd::tests::{Ceph, unused_name};

    #[test]
    fn what_a_deleted_pool_held_is_not_absent() {
        let Some(ceph) = Ceph::at_hand() else { return };
        let name = unused_name();
        ceph.run(&format!("ceph osd pool create {name} 1"));
        let pool = Ceph::at_hand().unwrap().pool(&name);
        assert!(matches!(whereabouts(&pool, "image"), Ok(Whereabouts::Gone)));
        ceph.run(&format!("ceph osd pool delete {name} {name} --yes-i-really-really-mean-it"));
        assert!(matches!(whereabouts(&pool, "image"), Ok(Whereabouts::NoPool)));
    }
}
