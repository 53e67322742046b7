//! One daemon a pid file.
//!
//! Promises: the file is locked for as long as the process lives, so that a second daemon with the same file is told
//! so, and a file that a dead process left behind hinders nobody. Nothing is written over a living one's pid.
//! Rejected: looking whether the pid in the file is alive, as Glance's `glance-control` does: pids come again.

use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

/// A locked pid file. Empty on the disk once dropped; removing it would let a third process lock a file that the second
/// one still waits for.
#[derive(Debug)]
pub(crate) struct PidFile(File);

/// Why the file could not be taken.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PidFileError {
    /// Another process has it.
    #[error("{path} is locked by another daemon{pid}; nothing was started")]
    Taken {
        /// The file.
        path: PathBuf,
        /// ` (pid N)`, where the file says so.
        pid: String,
    },
    /// It cannot be used.
    #[error("pid file {path}: {error}")]
    Unusable {
        /// The file.
        path: PathBuf,
        /// The system's words.
        error: std::io::Error,
    },
}

impl PidFile {
    /// Opens and locks; writes nothing yet, as the pid may still change.
    pub(crate) fn lock(path: &Path) -> Result<Self, PidFileError> {
        let unusable = |error: std::io::Error| PidFileError::Unusable { path: path.to_owned(), error };
        let opened = OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o644).open(path);
        let file = opened.map_err(unusable)?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(Self(file)),
            Err(Errno::WOULDBLOCK) => {
                let mut text = String::new();
                // Only for the message.
                let _ = (&file).take(32).read_to_string(&mut text);
                let pid = text.trim().parse::<u32>().map_or_else(|_| String::new(), |pid| format!(" (pid {pid})"));
                Err(PidFileError::Taken { path: path.to_owned(), pid })
            }
            Err(error) => Err(unusable(error.into())),
        }
    }

    /// Writes this process's pid.
    pub(crate) fn write(&mut self) -> std::io::Result<()> {
        self.0.set_len(0)?;
        self.0.rewind()?;
        writeln!(self.0, "{}", std::process::id())
    }
}

impl Drop for PidFile {
    fn drop(&mut self) {
        // The lock goes with the descriptor; what is left is a file without a pid.
        let _ = self.0.set_len(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_one_is_told_who_has_it_and_a_dead_one_hinders_nobody() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("pid");
        std::fs::write(&path, "99999999\n").unwrap();
        let mut first = PidFile::lock(&path).unwrap();
        first.write().unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), format!("{}\n", std::process::id()));
        let words = PidFile::lock(&path).unwrap_err().to_string();
        assert!(words.contains(&format!("(pid {})", std::process::id())), "{words}");
        drop(first);
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "");
        assert!(PidFile::lock(&path).is_ok());
    }

    #[test]
    fn a_file_that_cannot_be_made_is_named() {
        let words = PidFile::lock(Path::new("/nowhere/at/all.pid")).unwrap_err().to_string();
        assert!(words.starts_with("pid file /nowhere/at/all.pid: "), "{words}");
    }
}
