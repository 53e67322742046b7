//! An opened image: what it is, what hangs on it, and its snapshots.

use std::ffi::{CString, c_char, c_int, c_void};
use std::fmt;
use std::ptr;
use std::sync::atomic::{AtomicU64, Ordering};

use super::answers::{ask_list, ask_number, ask_text, c_text, copied, texts};
use super::error::{CallError, Errno, check};
use super::ffi::{self, FEATURE_FAST_DIFF, Functions, ImageT, IoCtxT, SNAP_NAMESPACE_USER, SnapInfo};
use super::pool::Pool;

/// An opened image, for one thread. Closed when dropped.
pub struct Image<'p> {
    pool: &'p Pool,
    raw: ImageT,
}

/// Somebody who holds the image's lock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Locker {
    /// `client.` and its instance id.
    pub client: String,
    /// What the locker calls its lock.
    pub cookie: String,
    /// Where it connects from.
    pub address: String,
}

impl Locker {
    /// Whether a person or a program took the lock (`rbd lock add`), and not librbd for itself. Only the latter lets
    /// go when it is asked to; [`Pool::remove`] waits for the former without end.
    pub fn is_advisory(&self) -> bool {
        // WATCHER_LOCK_COOKIE_PREFIX in librbd's ManagedLock.
        !self.cookie.starts_with("auto ")
    }
}

/// Somebody who has the image open for writing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Watcher {
    /// Where it connects from.
    pub address: String,
    /// The instance id of its connection: our own, where it is [`super::Cluster::instance_id`].
    pub id: i64,
    /// The number of the watch.
    pub cookie: u64,
}

/// An image that was cloned from a snapshot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Child {
    /// Its pool.
    pub pool: String,
    /// Its namespace in the pool; mostly empty.
    pub namespace: String,
    /// Its name.
    pub image: String,
    /// Whether it is in the trash.
    pub in_trash: bool,
}

type OpenFn = unsafe extern "C" fn(IoCtxT, *const c_char, *mut ImageT, *const c_char) -> c_int;
type SnapFn = unsafe extern "C" fn(ImageT, *const c_char) -> c_int;

impl<'p> Image<'p> {
    pub(super) fn open(pool: &'p Pool, call: &'static str, open: OpenFn, key: &str) -> Result<Self, CallError> {
        let key = c_text(call, key)?;
        let mut raw = ptr::null_mut();
        // SAFETY: a living pool, a text that ends with a NUL, null for "no snapshot", and `raw` takes the new handle.
        check(call, unsafe { open(pool.raw(), key.as_ptr(), &mut raw, ptr::null()) })?;
        Ok(Self { pool, raw })
    }

    fn c(&self) -> &'static Functions {
        self.pool.c()
    }

    /// The id, which stays when the image is renamed or moved to the trash.
    ///
    /// # Errors
    /// EINVAL for an image of the old format, which has none.
    pub fn id(&self) -> Result<String, CallError> {
        ask_text("rbd_get_id", Errno::ERANGE, |id, len| {
            // SAFETY: an open image; `id` has room for `len` bytes.
            unsafe { (self.c().rbd_get_id)(self.raw, id, len) }
        })
    }

    /// How large the image looks, in bytes.
    ///
    /// # Errors
    /// As librbd answers.
    pub fn size(&self) -> Result<u64, CallError> {
        // SAFETY: an open image and a place for the number.
        ask_number("rbd_get_size", |size| unsafe { (self.c().rbd_get_size)(self.raw, size) })
    }

    /// Whether the image knows by itself which of its objects exist, so that [`Image::used`] is quick.
    ///
    /// # Errors
    /// As librbd answers.
    pub fn has_fast_diff(&self) -> Result<bool, CallError> {
        // SAFETY: an open image and a place for the number.
        let features: u64 =
            ask_number("rbd_get_features", |features| unsafe { (self.c().rbd_get_features)(self.raw, features) })?;
        // SAFETY: as above.
        let flags: u64 = ask_number("rbd_get_flags", |flags| unsafe { (self.c().rbd_get_flags)(self.raw, flags) })?;
        let invalid = ffi::FLAG_OBJECT_MAP_INVALID | ffi::FLAG_FAST_DIFF_INVALID;
        Ok(features & FEATURE_FAST_DIFF != 0 && flags & invalid == 0)
    }

    /// Whether the image has clones of format 2, in whatever pool: it keeps account of them itself, so that this is known
    /// also where [`Image::children`] may not look. Clones of format 1 leave no trace here.
    ///
    /// # Errors
    /// As librbd answers.
    pub fn has_clones_of_format_2(&self) -> Result<bool, CallError> {
        let op_features: u64 = ask_number("rbd_get_op_features", |op_features| {
            // SAFETY: an open image and a place for the number.
            unsafe { (self.c().rbd_get_op_features)(self.raw, op_features) }
        })?;
        Ok(op_features & ffi::OP_FEATURE_CLONE_PARENT != 0)
    }

    /// How many bytes of the image exist, rounded up to objects; without what it has from a parent and without
    /// snapshots of other states. Without fast-diff it asks for each object that might exist: not for large images.
    ///
    /// # Errors
    /// As librbd answers.
    pub fn used(&self) -> Result<u64, CallError> {
        const CALL: &str = "rbd_diff_iterate2";
        let size = self.size()?;
        let sum = AtomicU64::new(0);
        let data = (&raw const sum).cast_mut().cast();
        // SAFETY: an open image, null for "from the beginning", and a callback with the data that it expects, which
        // live until this returns.
        let answer = unsafe { (self.c().rbd_diff_iterate2)(self.raw, ptr::null(), 0, size, 0, 1, add_extent, data) };
        check(CALL, answer)?;
        Ok(sum.load(Ordering::Relaxed))
    }

    /// The snapshots that somebody made by name; not those of groups, of mirroring and in the trash.
    ///
    /// # Errors
    /// As librbd answers.
    pub fn snapshots(&self) -> Result<Vec<String>, CallError> {
        let mut snaps = ask_list("rbd_snap_list", |snaps, count| {
            let mut room = c_int::try_from(*count).unwrap_or(c_int::MAX);
            // SAFETY: an open image; `snaps` has room for `room` of them.
            let answer = unsafe { (self.c().rbd_snap_list)(self.raw, snaps, &mut room) };
            // Success answers with the number; a lack of room leaves it in `room`, with one more for the end mark.
            *count = usize::try_from(if answer < 0 { room } else { answer }).unwrap_or(0);
            answer
        })?;
        // SAFETY: C's texts, which stay until the list is given back.
        let copy: Vec<_> = snaps.iter().map(|snap| (snap.id, unsafe { copied(snap.name) })).collect();
        // The end mark, a null name, is what the cleanup stops at.
        snaps.push(<SnapInfo as ffi::Blank>::BLANK);
        // SAFETY: filled by `rbd_snap_list`, ended by a null name, and not used any more.
        unsafe { (self.c().rbd_snap_list_end)(snaps.as_mut_ptr()) }
        let mut names = Vec::with_capacity(copy.len());
        for (id, name) in copy {
            match self.snapshot_kind(id) {
                Ok(SNAP_NAMESPACE_USER) => names.push(name),
                Ok(_) => {}
                // Removed since it was listed.
                Err(error) if error.errno == Errno::ENOENT => {}
                Err(error) => return Err(error),
            }
        }
        Ok(names)
    }

    fn snapshot_kind(&self, id: u64) -> Result<c_int, CallError> {
        // SAFETY: an open image and a place for the number.
        ask_number("rbd_snap_get_namespace_type", |kind| unsafe {
            (self.c().rbd_snap_get_namespace_type)(self.raw, id, kind)
        })
    }

    /// Whether a snapshot is protected, as one that is cloned in the old way has to be.
    ///
    /// # Errors
    /// ENOENT without such a snapshot.
    pub fn is_protected(&self, snap: &str) -> Result<bool, CallError> {
        const CALL: &str = "rbd_snap_is_protected";
        let snap = c_text(CALL, snap)?;
        let protected: c_int = ask_number(CALL, |protected| {
            // SAFETY: an open image, a text that ends with a NUL and a place for the number.
            unsafe { (self.c().rbd_snap_is_protected)(self.raw, snap.as_ptr(), protected) }
        })?;
        Ok(protected != 0)
    }

    /// Takes a snapshot's protection away.
    ///
    /// # Errors
    /// EINVAL where it is not protected, EBUSY while it has clones that need the protection, ENOENT without it.
    pub fn unprotect(&self, snap: &str) -> Result<(), CallError> {
        self.change("rbd_snap_unprotect", self.c().rbd_snap_unprotect, snap)
    }

    /// Removes a snapshot.
    ///
    /// # Errors
    /// EBUSY while it is protected, ENOENT without it, EROFS under another's advisory lock.
    pub fn remove_snapshot(&self, snap: &str) -> Result<(), CallError> {
        self.change("rbd_snap_remove", self.c().rbd_snap_remove, snap)
    }

    fn change(&self, call: &'static str, change: SnapFn, snap: &str) -> Result<(), CallError> {
        let snap = c_text(call, snap)?;
        // SAFETY: an open image and a text that ends with a NUL.
        check(call, unsafe { change(self.raw, snap.as_ptr()) }).map(|_| ())
    }

    /// Who holds the image's lock.
    ///
    /// # Errors
    /// As librbd answers.
    pub fn lockers(&self) -> Result<Vec<Locker>, CallError> {
        const CALL: &str = "rbd_list_lockers";
        let mut room = 1024;
        loop {
            let mut exclusive = 0;
            let mut buffers = [(); 4].map(|()| vec![0_u8; room]);
            let mut lens = [room; 4];
            let [tag, clients, cookies, addresses] = &mut buffers;
            let [tag_len, clients_len, cookies_len, addresses_len] = &mut lens;
            // SAFETY: an open image, and four buffers with their lengths.
            let answer = unsafe {
                (self.c().rbd_list_lockers)(
                    self.raw,
                    &mut exclusive,
                    tag.as_mut_ptr().cast(),
                    tag_len,
                    clients.as_mut_ptr().cast(),
                    clients_len,
                    cookies.as_mut_ptr().cast(),
                    cookies_len,
                    addresses.as_mut_ptr().cast(),
                    addresses_len,
                )
            };
            // The answer is a number of lockers or an errno: both fit.
            match check(CALL, c_int::try_from(answer).unwrap_or(-Errno::EOVERFLOW.0)) {
                Ok(count) => {
                    let all = texts(clients).zip(texts(cookies)).zip(texts(addresses)).take(count);
                    return Ok(all.map(|((client, cookie), address)| Locker { client, cookie, address }).collect());
                }
                Err(error) if error.errno == Errno::ERANGE && room < MOST_LOCKERS_TEXT => {
                    room = lens.into_iter().max().unwrap_or(0).clamp(room * 2, MOST_LOCKERS_TEXT);
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Who has the image open for writing; with ourselves, where this is opened so.
    ///
    /// # Errors
    /// As librbd answers.
    pub fn watchers(&self) -> Result<Vec<Watcher>, CallError> {
        let mut watchers = ask_list("rbd_watchers_list", |watchers, count| {
            // SAFETY: an open image; `watchers` has room for `count` of them.
            unsafe { (self.c().rbd_watchers_list)(self.raw, watchers, count) }
        })?;
        let copy = watchers
            .iter()
            // SAFETY: C's text, which stays until the list is given back.
            .map(|watcher| Watcher { address: unsafe { copied(watcher.addr) }, id: watcher.id, cookie: watcher.cookie })
            .collect();
        // SAFETY: filled by `rbd_watchers_list`, and not used any more.
        unsafe { (self.c().rbd_watchers_list_cleanup)(watchers.as_mut_ptr(), watchers.len()) }
        Ok(copy)
    }

    /// The clones of a snapshot, of both kinds, in all pools.
    ///
    /// # Errors
    /// EPERM where one is in a pool that the user may not read; ENOENT without such a snapshot.
    pub fn children(&self, snap: &str) -> Result<Vec<Child>, CallError> {
        self.show(Some(&c_text("rbd_snap_set", snap)?))?;
        let children = self.children_of_shown();
        // Back to the present, also after a failure: whatever is asked next would be about the snapshot.
        self.show(None)?;
        children
    }

    /// Lets the handle show a snapshot, or the present state.
    fn show(&self, snap: Option<&CString>) -> Result<(), CallError> {
        let snap = snap.map_or(ptr::null(), |snap| snap.as_ptr());
        // SAFETY: an open image, used by this thread alone, and a text that ends with a NUL, or null for the present.
        check("rbd_snap_set", unsafe { (self.c().rbd_snap_set)(self.raw, snap) }).map(|_| ())
    }

    fn children_of_shown(&self) -> Result<Vec<Child>, CallError> {
        let mut children = ask_list("rbd_list_children3", |children, count| {
            // SAFETY: an open image; `children` has room for `count` of them.
            unsafe { (self.c().rbd_list_children3)(self.raw, children, count) }
        })?;
        let copy = children.iter().map(Child::from_c).collect();
        // SAFETY: filled by `rbd_list_children3`, and not used any more.
        unsafe { (self.c().rbd_linked_image_spec_list_cleanup)(children.as_mut_ptr(), children.len()) }
        Ok(copy)
    }
}

/// Where the buffers of [`Image::lockers`] end to grow, in bytes.
const MOST_LOCKERS_TEXT: usize = 1 << 20;

extern "C" fn add_extent(_offset: u64, len: usize, exists: c_int, data: *mut c_void) -> c_int {
    // SAFETY: `Image::used` passed an `AtomicU64` that lives until the walk returns; any thread may add to it.
    let sum = unsafe { &*data.cast_const().cast::<AtomicU64>() };
    if exists != 0 {
        sum.fetch_add(len as u64, Ordering::Relaxed);
    }
    0
}

impl Child {
    fn from_c(child: &ffi::LinkedImageSpec) -> Self {
        Self {
            // SAFETY: C's texts, which stay until the list is given back.
            pool: unsafe { copied(child.pool_name) },
            // SAFETY: as above.
            namespace: unsafe { copied(child.pool_namespace) },
            // SAFETY: as above.
            image: unsafe { copied(child.image_name) },
            in_trash: child.trash,
        }
    }
}

impl Drop for Image<'_> {
    fn drop(&mut self) {
        // SAFETY: opened by one of the open functions, closed nowhere else. The answer does not matter: the handle is
        // gone in any case.
        unsafe { (self.c().rbd_close)(self.raw) };
    }
}

impl fmt::Debug for Image<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Image")
    }
}
