//! The libraries, loaded once for the life of the process.

use std::fmt;
use std::mem::ManuallyDrop;
use std::sync::OnceLock;

use libloading::os::unix;

use super::ffi::Functions;

/// The major versions whose functions `ffi` declares.
const LIBRADOS: &str = "librados.so.2";
const LIBRBD: &str = "librbd.so.1";

static LIBRARY: OnceLock<Library> = OnceLock::new();

/// librados and librbd, loaded.
pub struct Library {
    pub(super) c: Functions,
}

impl fmt::Debug for Library {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Library")
    }
}

impl Library {
    /// Loads the libraries, the first time. They stay loaded to the end of the process; after a failure the next call
    /// tries again, so that installing the package is enough.
    ///
    /// # Errors
    /// Which file or which function of it is not there.
    pub fn load() -> Result<&'static Self, MissingLibrary> {
        match LIBRARY.get() {
            Some(library) => Ok(library),
            // Two threads may load at the same time: the system counts, and the table is the same.
            None => Self::load_from(LIBRADOS, LIBRBD).map(|library| LIBRARY.get_or_init(|| library)),
        }
    }

    pub(super) fn load_from(librados: &'static str, librbd: &'static str) -> Result<Self, MissingLibrary> {
        // librados first: where it is missing, that is the message, and not librbd's about a library that it needs.
        let rados = open(librados)?;
        let rbd = open(librbd)?;
        // SAFETY: the soname stands for the functions that the headers declare, and `open` never lets a library go.
        let found = unsafe { Functions::look_up(&rados, &rbd) };
        let c =
            found.map_err(|(function, words)| MissingLibrary::Function { function, words: loaders_words(&words) })?;
        Ok(Self { c })
    }
}

/// Never dropped, also where the other library is missing: unloading runs destructors beside threads that may use them.
fn open(file: &'static str) -> Result<ManuallyDrop<unix::Library>, MissingLibrary> {
    // SAFETY: Ceph's libraries run their static constructors here, which expect nothing of the process.
    let opened = unsafe { unix::Library::open(Some(file), unix::RTLD_NOW | unix::RTLD_LOCAL) };
    opened.map(ManuallyDrop::new).map_err(|words| MissingLibrary::File { file, words: loaders_words(&words) })
}

/// What the system's loader says; libloading's own text is that it failed.
fn loaders_words(error: &libloading::Error) -> String {
    std::error::Error::source(error).map_or_else(|| error.to_string(), ToString::to_string)
}

/// Ceph's libraries cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MissingLibrary {
    /// A file cannot be loaded.
    #[error("cannot load {file}: {words} (install the package librbd1: it has this name on Debian, Ubuntu and RHEL)")]
    File {
        /// Its name.
        file: &'static str,
        /// What the loader says.
        words: String,
    },
    /// A file is there, and lacks a function.
    #[error("Ceph's libraries lack {function}: {words} (install librbd1 and librados2 of Ceph 14.2 or newer)")]
    Function {
        /// The function.
        function: &'static str,
        /// What the loader says.
        words: String,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_library_names_the_file_and_the_package() {
        let missing = Library::load_from("librados.so.nowhere", LIBRBD).unwrap_err();
        assert_eq!(
            missing.to_string(),
            "cannot load librados.so.nowhere: librados.so.nowhere: cannot open shared object file: No such file or \
             directory (install the package librbd1: it has this name on Debian, Ubuntu and RHEL)"
        );
    }

    /// The C library stands for a Ceph that is too old: it is there, and has none of the functions.
    #[test]
    fn a_library_without_our_functions_is_refused() {
        let missing = Library::load_from("libc.so.6", "libc.so.6").unwrap_err();
        assert!(matches!(missing, MissingLibrary::Function { function: "rados_create", .. }), "{missing:?}");
        let text = missing.to_string();
        assert!(text.starts_with("Ceph's libraries lack rados_create: ") && text.contains("14.2 or newer"), "{text}");
    }
}
