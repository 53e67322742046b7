//! A pool's trash.

use std::ffi::c_int;
use std::ptr;

use super::answers::{ask_list, c_text, copied};
use super::error::{CallError, check};
use super::ffi::{CREATE_IDEMPOTENT, OPERATION_FULL_FORCE, TrashImageInfo};
use super::pool::Pool;
use super::progress::watched;

/// An image in the trash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrashEntry {
    /// By which it can be opened and removed.
    pub id: String,
    /// Which it had before. Several in the trash may have had the same.
    pub name: String,
    /// Who moved it there.
    pub source: TrashSource,
    /// Until then it is not removed without force: seconds since 1970, UTC.
    pub deferred_until: i64,
}

/// Who moved an image to the trash (`rbd_trash_image_source_t`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TrashSource {
    /// Somebody, with `rbd trash mv` or [`Pool::trash_move`].
    User,
    /// Mirroring, of an image that was removed on the other side.
    Mirroring,
    /// A migration that is not finished.
    Migration,
    /// A removal that is not finished.
    Removing,
    /// Somebody, of an image that has clones.
    UserParent,
    /// What this program does not know.
    Other(i32),
}

impl From<c_int> for TrashSource {
    fn from(number: c_int) -> Self {
        match number {
            0 => Self::User,
            1 => Self::Mirroring,
            2 => Self::Migration,
            3 => Self::Removing,
            4 => Self::UserParent,
            other => Self::Other(other),
        }
    }
}

impl Pool {
    /// Moves an image to the trash, whence it may be removed at once.
    ///
    /// # Errors
    /// ENOENT without such an image.
    pub fn trash_move(&self, name: &str) -> Result<(), CallError> {
        const CALL: &str = "rbd_trash_move";
        let name = c_text(CALL, name)?;
        // SAFETY: a living pool and a text that ends with a NUL.
        check(CALL, unsafe { (self.c().rbd_trash_move)(self.raw(), name.as_ptr(), 0) }).map(|_| ())
    }

    /// Makes the object that lists the trash, empty, where the pool has none yet; one that is there stays as it is. librbd
    /// makes it by itself with the first removal, but not in a full pool, where an object more is only let through by force.
    ///
    /// # Errors
    /// As librados answers.
    pub fn make_trash(&self) -> Result<(), CallError> {
        // RBD_TRASH in librbd's rbd_types.h.
        let object = c"rbd_trash";
        let c = self.c();
        // SAFETY: takes nothing, and hands over an operation that is given back below.
        let op = unsafe { (c.rados_create_write_op)() };
        // SAFETY: the operation from above; the category has no meaning any more and may be null.
        unsafe { (c.rados_write_op_create)(op, CREATE_IDEMPOTENT, ptr::null()) };
        // SAFETY: the operation, a living pool, a text that ends with a NUL, and null for "now".
        let answer = unsafe {
            (c.rados_write_op_operate)(op, self.raw(), object.as_ptr(), ptr::null_mut(), OPERATION_FULL_FORCE)
        };
        // SAFETY: the operation, which nobody uses any more.
        unsafe { (c.rados_release_write_op)(op) };
        check("rados_write_op_operate", answer).map(|_| ())
    }

    /// All that is in the trash.
    ///
    /// # Errors
    /// As librbd answers.
    pub fn trash_list(&self) -> Result<Vec<TrashEntry>, CallError> {
        let mut entries = ask_list("rbd_trash_list", |entries, count| {
            // SAFETY: a living pool; `entries` has room for `count` of them.
            unsafe { (self.c().rbd_trash_list)(self.raw(), entries, count) }
        })?;
        let copy = entries.iter().map(TrashEntry::from_c).collect();
        // SAFETY: filled by `rbd_trash_list`, and not used any more.
        unsafe { (self.c().rbd_trash_list_cleanup)(entries.as_mut_ptr(), entries.len()) }
        Ok(copy)
    }

    /// Removes an image from the trash, never one whose time has not come. For `go_on` see [`Pool::remove`].
    ///
    /// # Errors
    /// EPERM before its time; otherwise as [`Pool::remove`].
    pub fn trash_remove(&self, id: &str, go_on: impl FnMut(u64, u64) -> bool + Send) -> Result<(), CallError> {
        const CALL: &str = "rbd_trash_remove_with_progress";
        let id = c_text(CALL, id)?;
        watched(CALL, go_on, |progress, data| {
            // SAFETY: a living pool, a text that ends with a NUL, and a callback with the data that it expects.
            unsafe { (self.c().rbd_trash_remove_with_progress)(self.raw(), id.as_ptr(), false, progress, data) }
        })
    }
}

impl TrashEntry {
    fn from_c(entry: &TrashImageInfo) -> Self {
        Self {
            // SAFETY: C's texts, which stay until the list is given back.
            id: unsafe { copied(entry.id) },
            // SAFETY: as above.
            name: unsafe { copied(entry.name) },
            source: entry.source.into(),
            deferred_until: entry.deferment_end_time,
        }
    }
}
