//! A file that keeps a restore and the scrubbers of one host apart, where there are no claims (`coordination = none`).
//!
//! Promises: scrubbers share it during a cycle, a restore has it alone; who cannot have it is told so at once, and waits
//! as long as it likes. Nothing is written into the file, and a symlink is not followed, so that one in a directory where
//! everybody may write cannot make us touch another file. The lock goes with the value, or the process.
//! Fails by [`LockError`]. Rejected: removing the file in the end (a third process would lock one that a second one still
//! has), and looking for the pids of others.

use std::path::{Path, PathBuf};

use rustix::fd::OwnedFd;
use rustix::fs::{FileType, FlockOperation, Mode, OFlags, fchmod, flock, fstat, open, stat};
use rustix::io::Errno;

/// The lock, for as long as the value lives.
#[derive(Debug)]
pub struct HostLock(#[expect(dead_code, reason = "held, not used")] OwnedFd);

/// Why there is no lock.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Others have it: a restore, where it was to be shared; a scrubber in its cycle, or a restore, where not.
    #[error("{} is locked by another process on this host", .0.display())]
    Busy(PathBuf),
    /// The file cannot be made, opened or locked.
    #[error("the lock file {} cannot be used: {reason}; see [scrubber] lock_file", .path.display())]
    Unusable {
        /// The file.
        path: PathBuf,
        /// The system's words.
        reason: String,
    },
}

/// Whoever may scrub or restore may lock it; nothing is ever in it.
const MODE: Mode = Mode::from_raw_mode(0o666);

/// How often a file that vanishes between two steps is looked for again.
const TRIES: usize = 10;

impl HostLock {
    /// For a cycle: beside others, but not beside a restore.
    ///
    /// # Errors
    /// See [`LockError`].
    pub fn share(path: &Path) -> Result<Self, LockError> {
        lock(path, FlockOperation::NonBlockingLockShared)
    }

    /// For a restore: beside nobody.
    ///
    /// # Errors
    /// See [`LockError`].
    pub fn own(path: &Path) -> Result<Self, LockError> {
        lock(path, FlockOperation::NonBlockingLockExclusive)
    }
}

fn lock(path: &Path, operation: FlockOperation) -> Result<HostLock, LockError> {
    let unusable = |reason: String| LockError::Unusable { path: path.to_owned(), reason };
    let by_errno = |errno: Errno| unusable(std::io::Error::from(errno).to_string());
    for _ in 0..TRIES {
        let Some(file) = open_or_make(path).map_err(by_errno)? else { continue };
        let opened = fstat(&file).map_err(by_errno)?;
        if FileType::from_raw_mode(opened.st_mode) != FileType::RegularFile {
            return Err(unusable("it is not a regular file".to_owned()));
        }
        match flock(&file, operation) {
            Ok(()) => {}
            Err(Errno::WOULDBLOCK) => return Err(LockError::Busy(path.to_owned())),
            Err(error) => return Err(by_errno(error)),
        }
        // Somebody cleaned up between the two steps: what is locked is not what the next one will lock.
        match stat(path) {
            Ok(there) if (there.st_dev, there.st_ino) == (opened.st_dev, opened.st_ino) => return Ok(HostLock(file)),
            Ok(_) | Err(Errno::NOENT) => {}
            Err(error) => return Err(by_errno(error)),
        }
    }
    Err(unusable("it is removed again and again".to_owned()))
}

/// `None`: it was made, or removed, by another at this moment.
fn open_or_make(path: &Path) -> rustix::io::Result<Option<OwnedFd>> {
    // Not both in one: in a sticky directory, the kernel refuses `CREATE` of a file that is another user's. And a FIFO
    // must not be waited for.
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
    match open(path, flags, Mode::empty()) {
        Err(Errno::NOENT) => {}
        other => return other.map(Some),
    }
    match open(path, flags | OFlags::CREATE | OFlags::EXCL, MODE) {
        Ok(file) => {
            // Whatever the umask: the next one may be another user.
            fchmod(&file, MODE)?;
            Ok(Some(file))
        }
        Err(Errno::EXIST) => Ok(None),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    #[test]
    fn scrubbers_share_it_and_a_restore_has_it_alone() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lock");
        let (one, other) = (HostLock::share(&path).unwrap(), HostLock::share(&path).unwrap());
        assert!(matches!(HostLock::own(&path), Err(LockError::Busy(_))));
        drop(one);
        assert!(matches!(HostLock::own(&path), Err(LockError::Busy(_))));
        drop(other);
        let restore = HostLock::own(&path).unwrap();
        assert!(matches!(HostLock::share(&path), Err(LockError::Busy(_))));
        assert!(matches!(HostLock::own(&path), Err(LockError::Busy(_))));
        drop(restore);
        assert!(HostLock::share(&path).is_ok());
    }

    #[test]
    fn it_is_everybodys_and_nothing_is_written_into_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lock");
        drop(HostLock::share(&path).unwrap());
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o666);
        std::fs::write(&path, "somebody's").unwrap();
        drop(HostLock::own(&path).unwrap());
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "somebody's");
    }

    #[test]
    fn what_is_no_file_of_its_own_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let (target, link) = (dir.path().join("target"), dir.path().join("link"));
        std::fs::write(&target, "").unwrap();
        symlink(&target, &link).unwrap();
        for path in [&link, dir.path(), &dir.path().join("missing/lock")] {
            let words = HostLock::share(path).unwrap_err().to_string();
            assert!(words.starts_with(&format!("the lock file {} cannot be used: ", path.display())), "{words}");
        }
        assert!(!dir.path().join("missing").exists(), "no directory is made");
    }

    #[test]
    fn one_that_was_removed_is_made_anew() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lock");
        let before = HostLock::share(&path).unwrap();
        std::fs::remove_file(&path).unwrap();
        let after = HostLock::own(&path).unwrap();
        assert!(matches!(HostLock::share(&path), Err(LockError::Busy(_))));
        drop((before, after));
    }
}
