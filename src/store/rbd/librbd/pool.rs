//! A pool: what is done with images by name.

use std::ffi::c_uint;
use std::fmt;
use std::ptr;
use std::sync::Arc;

use super::answers::{ask_text, c_text};
use super::cluster::Cluster;
use super::error::{CallError, Errno, check};
use super::ffi::{Functions, IoCtxT};
use super::image::Image;
use super::progress::watched;

/// What an image is opened for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Looking. Leaves no trace: no watch is registered, so that nobody tells of changes either. Size, snapshots and
    /// lockers are those of the moment of opening; watchers and children are asked for.
    ReadOnly,
    /// Changing snapshots. Registers a watch, by which others see that the image is open.
    ReadWrite,
}

/// A pool, for any number of threads. Keeps its connection alive.
pub struct Pool {
    name: String,
    cluster: Arc<Cluster>,
    raw: IoCtxT,
}

// SAFETY: librados allows calls on one `rados_ioctx_t` by several threads as long as nobody changes its settings, which
// `Pool::new` alone does, before anybody else has it.
unsafe impl Send for Pool {}
// SAFETY: as above.
unsafe impl Sync for Pool {}

impl Drop for Pool {
    fn drop(&mut self) {
        // SAFETY: made by `rados_ioctx_create`, destroyed nowhere else; images borrow the pool, so none is open.
        unsafe { (self.c().rados_ioctx_destroy)(self.raw) }
    }
}

impl Pool {
    /// The pool must be in the connection's map.
    pub(super) fn new(cluster: &Arc<Cluster>, name: &str) -> Result<Self, CallError> {
        const CALL: &str = "rados_ioctx_create";
        let c = &cluster.library().c;
        let c_name = c_text(CALL, name)?;
        let mut raw = ptr::null_mut();
        // SAFETY: a connected handle, a text that ends with a NUL, and `raw` takes the new handle.
        check(CALL, unsafe { (c.rados_ioctx_create)(cluster.raw(), c_name.as_ptr(), &mut raw) })?;
        // A full pool holds back every write, a delete's too, until there is space; this lets those through that free
        // some.
        // SAFETY: a living handle that nobody else has yet.
        unsafe { (c.rados_set_pool_full_try)(raw) }
        Ok(Self { name: name.to_owned(), cluster: Arc::clone(cluster), raw })
    }

    pub(super) fn c(&self) -> &'static Functions {
        &self.cluster.library().c
    }

    pub(super) fn raw(&self) -> IoCtxT {
        self.raw
    }

    /// Whether the map at hand still has this very pool under the name that it was opened by: not one that was deleted,
    /// renamed, or made anew since. Asks nobody, but an ENOENT of any other call here has brought a new map, if the pool
    /// was deleted: without this look, all that such a pool ever held seems to be absent from it.
    ///
    /// # Errors
    /// As librados answers.
    pub fn is_there(&self) -> Result<bool, CallError> {
        let now = ask_text("rados_ioctx_get_pool_name", Errno::ERANGE, |name, len| {
            // A shorter buffer than there is, where it is too long for C's number.
            let len = c_uint::try_from(len).unwrap_or(c_uint::MAX);
            // SAFETY: a living pool; `name` has room for `len` bytes.
            unsafe { (self.c().rados_ioctx_get_pool_name)(self.raw, name, len) }
        });
        match now {
            Ok(now) => Ok(now == self.name),
            Err(error) if error.errno == Errno::ENOENT => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Opens an image by its name.
    ///
    /// # Errors
    /// ENOENT without such an image: also where it is in the trash or half removed, and where the pool was deleted (see
    /// [`Pool::is_there`]).
    pub fn open(&self, name: &str, access: Access) -> Result<Image<'_>, CallError> {
        match access {
            Access::ReadOnly => Image::open(self, "rbd_open_read_only", self.c().rbd_open_read_only, name),
            Access::ReadWrite => Image::open(self, "rbd_open", self.c().rbd_open, name),
        }
    }

    /// Opens an image by its id, which also works in the trash.
    ///
    /// # Errors
    /// As [`Pool::open`].
    pub fn open_by_id(&self, id: &str, access: Access) -> Result<Image<'_>, CallError> {
        match access {
            Access::ReadOnly => Image::open(self, "rbd_open_by_id_read_only", self.c().rbd_open_by_id_read_only, id),
            Access::ReadWrite => Image::open(self, "rbd_open_by_id", self.c().rbd_open_by_id, id),
        }
    }

    /// Removes an image. Waits without end while somebody holds an advisory lock on it: see [`Image::lockers`].
    /// `go_on` hears how far it is (done, total), from a thread of librbd; `false` stops. An image whose removal was
    /// stopped or killed cannot be opened any more (ENOENT) and is not in the trash, but has data: only another call of
    /// this finds it by its name, and goes on.
    ///
    /// # Errors
    /// ENOTEMPTY with snapshots left, EBUSY while it is open for writing elsewhere, ECANCELED where `go_on` stopped it;
    /// ENOENT also of an image that is there, on a full pool without a trash.
    pub fn remove(&self, name: &str, go_on: impl FnMut(u64, u64) -> bool + Send) -> Result<(), CallError> {
        const CALL: &str = "rbd_remove_with_progress";
        let name = c_text(CALL, name)?;
        watched(CALL, go_on, |progress, data| {
            // SAFETY: a living pool, a text that ends with a NUL, and a callback with the data that it expects.
            unsafe { (self.c().rbd_remove_with_progress)(self.raw, name.as_ptr(), progress, data) }
        })
    }

    /// Whether the user may write and remove objects here, seen by removing an object that does not exist. The caller
    /// promises that `name` is random.
    ///
    /// # Errors
    /// EPERM where the user may not. A pool that was deleted does not refuse.
    pub fn may_remove_objects(&self, name: &str) -> Result<(), CallError> {
        const CALL: &str = "rados_remove";
        let name = c_text(CALL, name)?;
        // SAFETY: a living pool and a text that ends with a NUL.
        match check(CALL, unsafe { (self.c().rados_remove)(self.raw, name.as_ptr()) }) {
            // The OSD looks at the capabilities before it looks for the object.
            Err(error) if error.errno == Errno::ENOENT => Ok(()),
            answer => answer.map(|_| ()),
        }
    }
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Pool")
    }
}
