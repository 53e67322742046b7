//! A look at images for a dry run: what deleting them would meet. Opens read-only, so that not even a watch is left.

use super::address::Address;
use super::answers::{in_use, of_error};
use super::delete::{Whereabouts, no_pool, whereabouts};
use super::librbd::{Access, CallError, Errno, Image, Pool};
use super::look::{self, Look};
use super::{RbdStore, call};
use crate::config::InUse;
use crate::location::Location;
use crate::store::{Answer, Outcome, Probed};

impl RbdStore {
    /// What deleting a location would end in.
    pub(super) async fn probe_one(&self, location: &Location) -> Probed {
        match self.try_probe(location).await {
            Ok(probed) => probed,
            Err(answer) => answer.into(),
        }
    }

    async fn try_probe(&self, location: &Location) -> Result<Probed, Answer> {
        let address = self.address(location)?;
        let (session, pool) = self.place(&address).await?;
        let policy = self.in_use;
        let probe = move |_: &call::Watch| probe(&pool, &address, policy).map_err(|error| of_error(&error, &address));
        self.connection.call(&session, probe).await?
    }
}

fn probe(pool: &Pool, address: &Address, policy: InUse) -> Result<Probed, CallError> {
    let image = match pool.open(&address.image, Access::ReadOnly) {
        Ok(image) => image,
        Err(CallError { errno: Errno::ENOENT, .. }) => {
            let answer = match whereabouts(pool, &address.image)? {
                Whereabouts::Trash(detail) => Answer::because(Outcome::Trashed, detail),
                // It came back between the two looks.
                Whereabouts::There => return Ok(Probed::default()),
                Whereabouts::Gone => Answer::plain(Outcome::Absent),
                Whereabouts::NoPool => no_pool(address),
            };
            return Ok(answer.into());
        }
        Err(error) => return Err(error),
    };
    // Opened read-only, nobody watches it on our behalf.
    let look = look::look(&image, address.snapshot.as_deref(), 0)?;
    let answer = expected(&look, &image, address.snapshot.as_deref(), policy);
    let missing = address.snapshot.as_deref().and_then(|snapshot| missing(&look, &image, address, snapshot));
    Ok(Probed { answer, stored: stored(&image), missing, ..Probed::default() })
}

/// Whether a delete has begun with the image: it takes off the protection of Glance's snapshot, then the snapshot, before
/// it comes to the data.
fn missing(look: &Look, image: &Image<'_>, address: &Address, snapshot: &str) -> Option<String> {
    if !look.has_snapshot {
        return Some(format!("{address} has no snapshot {snapshot} any more"));
    }
    // One that cannot be asked about is taken for sound: unprotecting it would fail as well.
    let is_protected = image.is_protected(snapshot).unwrap_or(true);
    (!is_protected).then(|| {
        format!(
            "the snapshot {snapshot} of {address} is not protected any more (rbd snap protect {address}@{snapshot})"
        )
    })
}

/// What deleting would end in, as far as a look can tell.
fn expected(look: &Look, image: &Image<'_>, snapshot: Option<&str>, policy: InUse) -> Option<Answer> {
    if let Some(held) = look.held() {
        return Some(in_use(held));
    }
    let ties = look.ties();
    if ties.is_empty() {
        return None;
    }
    // Clones of format 1 keep their snapshot protected; those of format 2 let go of it.
    let protected = snapshot.is_some_and(|snapshot| look.has_snapshot && image.is_protected(snapshot).unwrap_or(true));
    match policy {
        InUse::Wait => Some(in_use(format!("it has {ties}; rbd_in_use is wait"))),
        InUse::Trash if protected && !look.children.is_empty() && !look.has_clones_of_format_2 => {
            Some(in_use(format!("it has {ties} of format 1")))
        }
        InUse::Trash => Some(Answer::because(Outcome::Trashed, format!("it has {ties}"))),
    }
}

/// Bytes that the image takes: what is written where Ceph keeps account of it, else its size.
fn stored(image: &Image<'_>) -> Option<u64> {
    match image.has_fast_diff() {
        Ok(true) => image.used().or_else(|_| image.size()).ok(),
        _ => image.size().ok(),
    }
}
