//! The C functions that are used, as librados.h and librbd.h declare them.
//!
//! Types: `size_t` is `usize`, `ssize_t` is `isize`, `time_t` is [`libc::time_t`], an `enum` is a [`c_int`].

use std::ffi::{c_char, c_int, c_uint, c_void};
use std::ptr;

/// `rados_t`: a connection.
pub(super) type RadosT = *mut c_void;
/// `rados_ioctx_t`: a pool on a connection.
pub(super) type IoCtxT = *mut c_void;
/// `rados_write_op_t`: what is to be done with one object.
pub(super) type WriteOpT = *mut c_void;
/// `rbd_image_t`: an opened image.
pub(super) type ImageT = *mut c_void;
/// `librbd_progress_fn_t`: done, total, the caller's data; a negative answer stops the work.
pub(super) type ProgressFn = extern "C" fn(u64, u64, *mut c_void) -> c_int;
/// The callback of `rbd_diff_iterate2`: offset, length, whether there is data, the caller's data.
pub(super) type DiffFn = extern "C" fn(u64, usize, c_int, *mut c_void) -> c_int;

/// `rbd_snap_info_t`.
#[repr(C)]
#[derive(Clone, Copy)]
pub(super) struct SnapInfo {
    pub(super) id: u64,
    pub(super) size: u64,
    pub(super) name: *const c_char,
}

/// `rbd_image_watcher_t`.
#[repr(C)]
#[derive(Clone, Copy)]
pub(super) struct ImageWatcher {
    pub(super) addr: *mut c_char,
    pub(super) id: i64,
    pub(super) cookie: u64,
}

/// `rbd_linked_image_spec_t`.
#[repr(C)]
#[derive(Clone, Copy)]
pub(super) struct LinkedImageSpec {
    pub(super) pool_id: i64,
    pub(super) pool_name: *mut c_char,
    pub(super) pool_namespace: *mut c_char,
    pub(super) image_id: *mut c_char,
    pub(super) image_name: *mut c_char,
    pub(super) trash: bool,
}

/// `rbd_trash_image_info_t`.
#[repr(C)]
#[derive(Clone, Copy)]
pub(super) struct TrashImageInfo {
    pub(super) id: *mut c_char,
    pub(super) name: *mut c_char,
    pub(super) source: c_int,
    pub(super) deletion_time: libc::time_t,
    pub(super) deferment_end_time: libc::time_t,
}

/// A structure that C fills in, before it does.
pub(super) trait Blank: Copy {
    /// All numbers zero, all pointers null.
    const BLANK: Self;
}

impl Blank for SnapInfo {
    const BLANK: Self = Self { id: 0, size: 0, name: ptr::null() };
}

impl Blank for ImageWatcher {
    const BLANK: Self = Self { addr: ptr::null_mut(), id: 0, cookie: 0 };
}

impl Blank for LinkedImageSpec {
    const BLANK: Self = Self {
        pool_id: 0,
        pool_name: ptr::null_mut(),
        pool_namespace: ptr::null_mut(),
        image_id: ptr::null_mut(),
        image_name: ptr::null_mut(),
        trash: false,
    };
}

impl Blank for TrashImageInfo {
    const BLANK: Self =
        Self { id: ptr::null_mut(), name: ptr::null_mut(), source: 0, deletion_time: 0, deferment_end_time: 0 };
}

/// `RBD_SNAP_NAMESPACE_TYPE_USER`: a snapshot that somebody made by name, not one of a group, a mirror or the trash.
pub(super) const SNAP_NAMESPACE_USER: c_int = 0;
/// `LIBRADOS_CREATE_IDEMPOTENT`.
pub(super) const CREATE_IDEMPOTENT: c_int = 0;
/// `LIBRADOS_OPERATION_FULL_FORCE`: also where the pool is full and the operation frees nothing.
pub(super) const OPERATION_FULL_FORCE: c_int = 128;
/// `RBD_FEATURE_FAST_DIFF`.
pub(super) const FEATURE_FAST_DIFF: u64 = 1 << 4;
/// `RBD_OPERATION_FEATURE_CLONE_PARENT`.
pub(super) const OP_FEATURE_CLONE_PARENT: u64 = 1;
/// `RBD_FLAG_OBJECT_MAP_INVALID`.
pub(super) const FLAG_OBJECT_MAP_INVALID: u64 = 1;
/// `RBD_FLAG_FAST_DIFF_INVALID`.
pub(super) const FLAG_FAST_DIFF_INVALID: u64 = 1 << 1;

/// Makes the table and its lookup from the declarations. A name in brackets is what older libraries call the function.
macro_rules! functions {
    ($( $library:ident { $( fn $name:ident $([or $older:ident])? ($($arg:ident: $type:ty),* $(,)?) $(-> $answer:ty)?; )* } )*) => {
        /// The functions of both libraries.
        pub(super) struct Functions {
            $($( pub(super) $name: unsafe extern "C" fn($($arg: $type),*) $(-> $answer)?, )*)*
        }

        impl Functions {
            /// Looks every function up, or says which one is missing.
            ///
            /// # Safety
            /// The libraries are librados and librbd, with the functions that their headers declare, and stay loaded
            /// as long as the table is used.
            pub(super) unsafe fn look_up(
                rados: &libloading::os::unix::Library,
                rbd: &libloading::os::unix::Library,
            ) -> Result<Self, (&'static str, libloading::Error)> {
                struct From<'l> {
                    rados: &'l libloading::os::unix::Library,
                    rbd: &'l libloading::os::unix::Library,
                }
                let from = From { rados, rbd };
                Ok(Self {
                    $($( $name: {
                        // SAFETY: the type is the header's, which the caller vouches for.
                        let found = unsafe { from.$library.get(stringify!($name)) };
                        $( let found = found.or_else(|missing| {
                            // SAFETY: as above; the older name has the same signature.
                            unsafe { from.$library.get(stringify!($older)) }.map_err(|_| missing)
                        }); )?
                        *found.map_err(|words| (stringify!($name), words))?
                    }, )*)*
                })
            }
        }
    };
}

functions! {
    rados {
        fn rados_create(cluster: *mut RadosT, id: *const c_char) -> c_int;
        fn rados_create2(cluster: *mut RadosT, name: *const c_char, user: *const c_char, flags: u64) -> c_int;
        fn rados_conf_read_file(cluster: RadosT, path: *const c_char) -> c_int;
        fn rados_conf_get(cluster: RadosT, option: *const c_char, value: *mut c_char, len: usize) -> c_int;
        fn rados_conf_set(cluster: RadosT, option: *const c_char, value: *const c_char) -> c_int;
        fn rados_connect(cluster: RadosT) -> c_int;
        fn rados_shutdown(cluster: RadosT);
        fn rados_cluster_fsid(cluster: RadosT, fsid: *mut c_char, len: usize) -> c_int;
        fn rados_get_instance_id(cluster: RadosT) -> u64;
        fn rados_pool_list(cluster: RadosT, names: *mut c_char, len: usize) -> c_int;
        fn rados_mon_command(
            cluster: RadosT, command: *mut *const c_char, command_len: usize, input: *const c_char, input_len: usize,
            output: *mut *mut c_char, output_len: *mut usize, status: *mut *mut c_char, status_len: *mut usize,
        ) -> c_int;
        fn rados_buffer_free(buffer: *mut c_char);
        fn rados_ioctx_create(cluster: RadosT, pool: *const c_char, ioctx: *mut IoCtxT) -> c_int;
        fn rados_ioctx_destroy(ioctx: IoCtxT);
        fn rados_ioctx_get_pool_name(ioctx: IoCtxT, name: *mut c_char, len: c_uint) -> c_int;
        // The older name is Nautilus's; both set CEPH_OSD_FLAG_FULL_TRY.
        fn rados_set_pool_full_try [or rados_set_osdmap_full_try] (ioctx: IoCtxT);
        fn rados_create_write_op() -> WriteOpT;
        fn rados_write_op_create(op: WriteOpT, exclusive: c_int, category: *const c_char);
        fn rados_write_op_operate(
            op: WriteOpT, io: IoCtxT, object: *const c_char, time: *mut libc::time_t, flags: c_int
        ) -> c_int;
        fn rados_release_write_op(op: WriteOpT);
        fn rados_remove(ioctx: IoCtxT, object: *const c_char) -> c_int;
    }
    rbd {
        fn rbd_open(ioctx: IoCtxT, name: *const c_char, image: *mut ImageT, snap: *const c_char) -> c_int;
        fn rbd_open_read_only(ioctx: IoCtxT, name: *const c_char, image: *mut ImageT, snap: *const c_char) -> c_int;
        fn rbd_open_by_id(ioctx: IoCtxT, id: *const c_char, image: *mut ImageT, snap: *const c_char) -> c_int;
        fn rbd_open_by_id_read_only(ioctx: IoCtxT, id: *const c_char, image: *mut ImageT, snap: *const c_char) -> c_int;
        fn rbd_close(image: ImageT) -> c_int;
        fn rbd_remove_with_progress(ioctx: IoCtxT, name: *const c_char, progress: ProgressFn, data: *mut c_void) -> c_int;
        fn rbd_trash_move(ioctx: IoCtxT, name: *const c_char, delay: u64) -> c_int;
        fn rbd_trash_list(ioctx: IoCtxT, entries: *mut TrashImageInfo, count: *mut usize) -> c_int;
        fn rbd_trash_list_cleanup(entries: *mut TrashImageInfo, count: usize);
        fn rbd_trash_remove_with_progress(
            ioctx: IoCtxT, id: *const c_char, force: bool, progress: ProgressFn, data: *mut c_void,
        ) -> c_int;
        fn rbd_get_id(image: ImageT, id: *mut c_char, len: usize) -> c_int;
        fn rbd_get_size(image: ImageT, size: *mut u64) -> c_int;
        fn rbd_get_features(image: ImageT, features: *mut u64) -> c_int;
        fn rbd_get_flags(image: ImageT, flags: *mut u64) -> c_int;
        fn rbd_get_op_features(image: ImageT, op_features: *mut u64) -> c_int;
        fn rbd_diff_iterate2(
            image: ImageT, from_snap: *const c_char, offset: u64, len: u64, include_parent: u8, whole_object: u8,
            callback: DiffFn, data: *mut c_void,
        ) -> c_int;
        fn rbd_snap_list(image: ImageT, snaps: *mut SnapInfo, count: *mut c_int) -> c_int;
        fn rbd_snap_list_end(snaps: *mut SnapInfo);
        fn rbd_snap_get_namespace_type(image: ImageT, snap_id: u64, kind: *mut c_int) -> c_int;
        fn rbd_snap_is_protected(image: ImageT, snap: *const c_char, protected: *mut c_int) -> c_int;
        fn rbd_snap_unprotect(image: ImageT, snap: *const c_char) -> c_int;
        fn rbd_snap_remove(image: ImageT, snap: *const c_char) -> c_int;
        fn rbd_snap_set(image: ImageT, snap: *const c_char) -> c_int;
        fn rbd_list_lockers(
            image: ImageT, exclusive: *mut c_int, tag: *mut c_char, tag_len: *mut usize,
            clients: *mut c_char, clients_len: *mut usize, cookies: *mut c_char, cookies_len: *mut usize,
            addresses: *mut c_char, addresses_len: *mut usize,
        ) -> isize;
        fn rbd_watchers_list(image: ImageT, watchers: *mut ImageWatcher, count: *mut usize) -> c_int;
        fn rbd_watchers_list_cleanup(watchers: *mut ImageWatcher, count: usize);
        fn rbd_list_children3(image: ImageT, children: *mut LinkedImageSpec, count: *mut usize) -> c_int;
        fn rbd_linked_image_spec_list_cleanup(children: *mut LinkedImageSpec, count: usize);
    }
}
