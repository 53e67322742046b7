//! Ceph's C libraries, librados and librbd, opened at run time: the only module with `unsafe` code.
//!
//! Promises: nothing of Ceph is needed to build, and where it is not installed only the `rbd` stores fail, with the
//! name of the package. What C needs to stay alive is kept alive by types: an [`Image`] borrows its [`Pool`], a pool
//! holds its [`Cluster`], and the connection ends with the last of them, never beside a call. Memory that C hands out
//! is copied and given back before a method returns. A panic in a callback does not cross C.
//! Fails with [`CallError`]: the C function and what it answered, not judged here. What an answer means for an image
//! (an ENOENT is no proof, for one) is the business of the caller.
//! Limits: every call blocks, some without end if Ceph's own timeouts are not set; librbd has no other way to remove.
//! Text that is not UTF-8 comes out with replacement characters, so that a later call by that name finds nothing.
//! Signatures and structures are those of librados.h and librbd.h, unchanged from Ceph 14.2 (Nautilus) to 20.2.
//! Rejected: linking at build time (a binary that does not start where Ceph is not installed), the Python binding in a
//! child process (the same calls, slower), and unloading the libraries (their threads outlive `rados_shutdown`).

#![expect(unsafe_code, reason = "calls into C; each says why it is right")]

mod answers;
mod cluster;
mod error;
mod ffi;
mod image;
mod library;
mod pool;
mod progress;
#[cfg(test)]
pub mod tests;
mod trash;

pub use cluster::{Cluster, Setup, Unconnected};
pub use error::{CallError, Errno};
pub use image::{Child, Image};
pub use library::Library;
pub use pool::{Access, Pool};
pub use trash::{TrashEntry, TrashSource};

/// Ends the process now, with this exit code: no destructor runs, nothing is flushed.
///
/// For a process that has a call stuck in librados. Leaving in the usual way runs the static destructors of Ceph's
/// libraries while their threads and the stuck call still use what is destroyed, which crashes or hangs: the exit code
/// would be lost.
pub fn leave_without_cleanup(code: i32) -> ! {
    // SAFETY: `_exit` takes any number, touches no memory of ours and does not return.
    unsafe { libc::_exit(code) }
}
