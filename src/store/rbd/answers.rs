//! What Ceph's error numbers mean for a location.
//!
//! The same number means different things to different calls, so the callers look at those that they expect first;
//! what is left comes here.

use super::librbd::{CallError, Errno};
use crate::store::{Answer, Outcome};

/// The answer for an error that the caller has no meaning of its own for. `subject` is the image or the pool.
pub(super) fn of_error(error: &CallError, subject: &dyn std::fmt::Display) -> Answer {
    match error.errno {
        Errno::EPERM | Errno::EACCES => Answer::because(
            Outcome::Forbidden,
            format!(
                "{subject}: {error}; the Ceph user needs the capabilities mon 'profile rbd', osd 'profile rbd' for the pool"
            ),
        ),
        Errno::ETIMEDOUT | Errno::ESHUTDOWN | Errno::ENOTCONN | Errno::EIO | Errno::ENOSPC | Errno::EDQUOT => {
            unavailable(format!("{subject}: {error}"))
        }
        Errno::EBUSY | Errno::EROFS => in_use(format!("{subject}: {error}; it is open or locked elsewhere")),
        Errno::EMLINK => in_use(format!("{subject} belongs to a group of RBD images; see rbd group image remove")),
        _ => Answer::because(Outcome::Failed, format!("{subject}: {error}")),
    }
}

pub(super) fn unavailable(detail: impl Into<String>) -> Answer {
    Answer::because(Outcome::Unavailable, detail)
}

pub(super) fn in_use(detail: impl Into<String>) -> Answer {
    Answer::because(Outcome::InUse, detail)
}
