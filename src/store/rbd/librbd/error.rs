//! What a C function answered.

use std::ffi::c_int;
use std::fmt;
use std::io;

/// An error number of the operating system; librados and librbd answer with its negative.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Errno(pub i32);

macro_rules! errnos {
    ($($name:ident)*) => {
        impl Errno {
            $(pub const $name: Self = Self(libc::$name);)*

            /// The name in errno.h, of the numbers that Ceph is known to answer with.
            fn name(self) -> Option<&'static str> {
                match self {
                    $(Self::$name => Some(stringify!($name)),)*
                    _ => None,
                }
            }
        }
    };
}

errnos! {
    EPERM ENOENT EINTR EIO ENXIO E2BIG EBADF EAGAIN ENOMEM EACCES EFAULT EBUSY EEXIST EXDEV ENODEV EINVAL EFBIG ENOSPC
    ESPIPE EROFS EMLINK EDOM ERANGE EDEADLK ENAMETOOLONG ENOSYS ENOTEMPTY ELOOP ENODATA EBADMSG EOVERFLOW EILSEQ
    EOPNOTSUPP ECONNABORTED ECONNRESET ENOTCONN ESHUTDOWN ETIMEDOUT ECONNREFUSED EHOSTDOWN EHOSTUNREACH EALREADY
    EINPROGRESS ESTALE EDQUOT ECANCELED EKEYREJECTED
}

impl Errno {
    /// What the C library says of the number, as the middle of a sentence: "device or resource busy".
    fn words(self) -> String {
        let text = io::Error::from_raw_os_error(self.0).to_string();
        // The standard library adds " (os error 16)"; the number is in our text already.
        let words = text.rsplit_once(" (os error ").map_or(text.as_str(), |(words, _)| words);
        // "Input/output error" becomes small, "RPC ..." does not.
        let small_second = words.chars().nth(1).is_some_and(char::is_lowercase);
        words
            .chars()
            .enumerate()
            .map(|(at, c)| if at == 0 && small_second { c.to_ascii_lowercase() } else { c })
            .collect()
    }
}

impl fmt::Display for Errno {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => write!(f, "{name} ({}), {}", self.0, self.words()),
            None => write!(f, "errno {}, {}", self.0, self.words()),
        }
    }
}

impl fmt::Debug for Errno {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => f.write_str(name),
            None => write!(f, "Errno({})", self.0),
        }
    }
}

/// A C function that did not do what it was asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{call} failed: {errno}")]
pub struct CallError {
    /// The function.
    pub call: &'static str,
    /// What it answered.
    pub errno: Errno,
}

impl CallError {
    pub(super) const fn new(call: &'static str, errno: Errno) -> Self {
        Self { call, errno }
    }
}

/// A C function's answer: negative is an error, anything else is a success that may count something.
pub(super) fn check(call: &'static str, answer: c_int) -> Result<usize, CallError> {
    // Fails exactly where the answer is negative.
    usize::try_from(answer).map_err(|_| CallError::new(call, Errno(answer.saturating_neg())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_says_the_call_the_name_the_number_and_the_words() {
        let show = |number| CallError::new("rbd_remove", Errno(number)).to_string();
        assert_eq!(show(16), "rbd_remove failed: EBUSY (16), device or resource busy");
        assert_eq!(show(108), "rbd_remove failed: ESHUTDOWN (108), cannot send after transport endpoint shutdown");
        assert_eq!(show(95), "rbd_remove failed: EOPNOTSUPP (95), operation not supported");
        assert_eq!(show(72), "rbd_remove failed: errno 72, multihop attempted");
        assert_eq!(show(73), "rbd_remove failed: errno 73, RFS specific error");
        assert_eq!(show(4000), "rbd_remove failed: errno 4000, unknown error 4000");
    }

    #[test]
    fn only_a_negative_answer_is_an_error() {
        assert_eq!(check("x", 0), Ok(0));
        assert_eq!(check("x", 7), Ok(7));
        assert_eq!(check("x", -2), Err(CallError::new("x", Errno::ENOENT)));
        assert_eq!(check("x", c_int::MIN).unwrap_err().errno, Errno(c_int::MAX));
    }
}
