//! One data directory of a `file` store, and the proof that it is the right one.
//!
//! Promises: every step below the directory is taken relative to its opened descriptor and follows no symbolic link;
//! nothing is ever created. A name that is not there is `absent` only if the directory is known to be the one that
//! Glance fills: some living image's file is in it, or nothing living is expected there and no mount or marker is
//! missing. An NFS server that is not mounted leaves an empty directory behind in which every image is "not found".
//! Rejected: trusting ENOENT alone (what glance_store does), and refusing every empty directory (the last image of a
//! store could then never be finished after a crash).

use std::ffi::OsStr;
use std::os::fd::OwnedFd;
use std::path::{Component, Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use rustix::fs::{AtFlags, FileType, Mode, OFlags};
use rustix::io::Errno;

use super::{Answer, Outcome, Probed};

/// Living files looked for before a directory is taken for the wrong one.
const WITNESSES: usize = 8;

/// The unit of `st_blocks`, whatever the file system's own blocks are (stat(2)).
const STAT_BLOCK: u64 = 512;

/// A configured data directory.
pub(super) struct DataDir {
    path: PathBuf,
    /// The same without symbolic links, where it could be resolved when the store was opened.
    real: PathBuf,
    /// `mountpoint` of `filesystem_store_metadata_file`: where the operator says that a shared file system is mounted.
    metadata_file: Option<PathBuf>,
    /// A file that must be there ([scrubber] file_marker).
    marker: Option<String>,
    /// Paths below the directory that living images point to.
    witnesses: Mutex<Vec<PathBuf>>,
}

/// Why a path is not one of a directory's files.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Stray {
    /// It lies elsewhere.
    Outside,
    /// It climbs with `..`.
    Climbs,
}

impl DataDir {
    pub(super) fn new(path: PathBuf, metadata_file: Option<PathBuf>, marker: Option<String>) -> Self {
        let real = std::fs::canonicalize(&path).unwrap_or_else(|_| path.clone());
        Self { path, real, metadata_file, marker, witnesses: Mutex::default() }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The part of `file` below this directory. Lexical: `//` and `.` are skipped, `..` is refused.
    pub(super) fn below(&self, file: &Path) -> Result<PathBuf, Stray> {
        if file.components().any(|part| part == Component::ParentDir) {
            return Err(Stray::Climbs);
        }
        let rest = file.strip_prefix(&self.path).or_else(|_| file.strip_prefix(&self.real));
        match rest {
            Ok(rest) if rest.components().next().is_some() => Ok(rest.components().collect()),
            _ => Err(Stray::Outside),
        }
    }

    /// The same file under any configured spelling of the directory.
    pub(super) fn identity(&self, below: &Path) -> String {
        format!("file:{}", self.real.join(below).display())
    }

    /// Remembers files that must be there. Replaces what was remembered.
    pub(super) fn expect(&self, mut below: Vec<PathBuf>) {
        below.truncate(WITNESSES);
        *self.witnesses.lock().unwrap_or_else(PoisonError::into_inner) = below;
    }

    /// Opens the directory, if it is one that may be trusted.
    pub(super) fn open(&self) -> Result<OpenDir<'_>, Answer> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let descriptor = rustix::fs::open(&self.path, flags, Mode::empty()).map_err(|error| {
            let path = self.path.display();
            unavailable(match error {
                Errno::NOENT => format!("data directory {path} does not exist; is it mounted?"),
                Errno::ACCESS | Errno::PERM => format!("data directory {path} may not be read; check user and mode"),
                other => format!("data directory {path} cannot be opened: {other}"),
            })
        })?;
        if let Some(marker) = &self.marker
            && let Err(error) = rustix::fs::statat(&descriptor, marker.as_str(), AtFlags::SYMLINK_NOFOLLOW)
        {
            let path = self.path.display();
            return Err(unavailable(format!("data directory {path} has no {marker} ({error}); is it mounted?")));
        }
        Ok(OpenDir { dir: self, descriptor })
    }

    /// Whether the directory must be a mount, by the metadata file, and is none.
    fn is_missing_its_mount(&self) -> Option<PathBuf> {
        let text = std::fs::read(self.metadata_file.as_ref()?).ok()?;
        let metadata: serde_json::Value = serde_json::from_slice(&text).ok()?;
        let entries = match &metadata {
            serde_json::Value::Array(entries) => entries.as_slice(),
            one => std::slice::from_ref(one),
        };
        entries
            .iter()
            .filter_map(|entry| Some(PathBuf::from(entry.get("mountpoint")?.as_str()?)))
            .find(|mountpoint| self.path.starts_with(mountpoint) && !is_mount(mountpoint))
    }
}

/// A data directory, opened and trusted enough to remove files from.
pub(super) struct OpenDir<'a> {
    dir: &'a DataDir,
    descriptor: OwnedFd,
}

impl OpenDir<'_> {
    /// Removes one file.
    pub(super) fn remove(&self, below: &Path) -> Answer {
        match self.walk(below, |parent, name| rustix::fs::unlinkat(parent, name, AtFlags::empty())) {
            Ok(()) => Answer::plain(Outcome::Deleted),
            Err(Errno::NOENT) => self.answer_for_missing(),
            Err(error) => self.refusal(below, error),
        }
    }

    /// Looks at what [`Self::remove`] would remove. `stored` is what the file system has allocated for it, not its
    /// length: an image that is written thinly takes less, and that is what removing it brings back. What stands in the
    /// way of removing beyond the directory's mode (an immutable file, say) is found out by removing alone.
    pub(super) fn probe(&self, below: &Path) -> Probed {
        let looked = self.walk(below, |parent, name| {
            let file = rustix::fs::statat(parent, name, AtFlags::SYMLINK_NOFOLLOW)?;
            if FileType::from_raw_mode(file.st_mode).is_dir() {
                return Err(Errno::ISDIR);
            }
            Ok((file, may_remove_from(parent)))
        });
        match looked {
            Ok((file, allowed)) => Probed {
                answer: allowed.err().map(|error| self.refusal(below, error)),
                stored: u64::try_from(file.st_blocks).ok().map(|blocks| blocks.saturating_mul(STAT_BLOCK)),
                // Of a symbolic link it would be the link's own.
                length: u64::try_from(file.st_size).ok().filter(|_| FileType::from_raw_mode(file.st_mode).is_file()),
                missing: None,
            },
            Err(Errno::NOENT) => self.answer_for_missing().into(),
            Err(error) => self.refusal(below, error).into(),
        }
    }

    /// Whether the process could remove files here.
    pub(super) fn is_writable(&self) -> bool {
        may_remove_from(&self.descriptor).is_ok()
    }

    /// Whether an ENOENT from this directory proves anything; says why not.
    pub(super) fn answer_for_missing(&self) -> Answer {
        let path = self.dir.path.display();
        let witnesses = self.dir.witnesses.lock().unwrap_or_else(PoisonError::into_inner);
        let is_there = |below: &PathBuf| {
            self.walk(below, |parent, name| rustix::fs::statat(parent, name, AtFlags::SYMLINK_NOFOLLOW)).is_ok()
        };
        if witnesses.iter().any(is_there) {
            return Answer::plain(Outcome::Absent);
        }
        if !witnesses.is_empty() {
            return unavailable(format!(
                "data directory {path} has neither this file nor those of living images; is the right one mounted?"
            ));
        }
        match self.is_empty() {
            Ok(false) => Answer::plain(Outcome::Absent),
            Ok(true) => match self.dir.is_missing_its_mount() {
                Some(mountpoint) => unavailable(format!(
                    "data directory {path} is empty and {} is not mounted, which filesystem_store_metadata_file asks for",
                    mountpoint.display()
                )),
                None => Answer::plain(Outcome::Absent),
            },
            Err(error) => unavailable(format!("data directory {path} cannot be listed: {error}")),
        }
    }

    fn is_empty(&self) -> Result<bool, Errno> {
        for entry in rustix::fs::Dir::read_from(&self.descriptor)? {
            let name = entry?;
            if !matches!(name.file_name().to_bytes(), b"." | b"..") {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Goes down to the last directory of `below`, one opened step at a time, and does `act` there.
    fn walk<T>(&self, below: &Path, act: impl FnOnce(&OwnedFd, &OsStr) -> Result<T, Errno>) -> Result<T, Errno> {
        let name = below.file_name().ok_or(Errno::INVAL)?;
        let mut parent = None;
        for part in below.parent().into_iter().flat_map(Path::components) {
            let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            let from = parent.as_ref().unwrap_or(&self.descriptor);
            parent = Some(rustix::fs::openat(from, part.as_os_str(), flags, Mode::empty())?);
        }
        act(parent.as_ref().unwrap_or(&self.descriptor), name)
    }

    fn refusal(&self, below: &Path, error: Errno) -> Answer {
        let file = self.dir.path.join(below);
        let file = file.display();
        match error {
            Errno::ACCESS | Errno::PERM => Answer::because(
                Outcome::Forbidden,
                format!("{file} may not be removed ({error}); the scrubber must run as the user that Glance runs as"),
            ),
            Errno::ISDIR => Answer::because(Outcome::Failed, format!("{file} is a directory, not an image's file")),
            Errno::NOTDIR | Errno::LOOP => Answer::because(
                Outcome::Forbidden,
                format!("a directory on the way to {file} is a symbolic link or no directory"),
            ),
            Errno::IO | Errno::STALE | Errno::ROFS | Errno::TIMEDOUT | Errno::HOSTDOWN | Errno::NOTCONN => {
                unavailable(format!("{file} cannot be removed now: {error}"))
            }
            other => Answer::because(Outcome::Failed, format!("{file} cannot be removed: {other}")),
        }
    }
}

/// What keeps the process from removing files of an opened directory.
fn may_remove_from(directory: &OwnedFd) -> Result<(), Errno> {
    let access = rustix::fs::Access::WRITE_OK | rustix::fs::Access::EXEC_OK;
    rustix::fs::accessat(directory, ".", access, AtFlags::EACCESS)
}

fn unavailable(detail: String) -> Answer {
    Answer::because(Outcome::Unavailable, detail)
}

/// A directory is a mount point if it is on another device than its parent, or is its own parent.
fn is_mount(path: &Path) -> bool {
    let (Ok(here), Ok(above)) = (rustix::fs::stat(path), rustix::fs::stat(path.join(".."))) else { return false };
    here.st_dev != above.st_dev || here.st_ino == above.st_ino
}

#[cfg(test)]
mod tests {
    use super::*;

    fn data_dir(path: &Path) -> DataDir {
        DataDir::new(path.to_owned(), None, None)
    }

    #[test]
    fn below_takes_only_what_is_inside() {
        let root = tempfile::tempdir().unwrap();
        let dir = data_dir(root.path());
        let inside = |rest: &str| dir.below(&PathBuf::from(format!("{}/{rest}", root.path().display())));
        assert_eq!(inside("abc"), Ok(PathBuf::from("abc")));
        assert_eq!(inside("/./sub//abc"), Ok(PathBuf::from("sub/abc")));
        assert_eq!(inside("../abc"), Err(Stray::Climbs));
        assert_eq!(inside("sub/../../abc"), Err(Stray::Climbs));
        assert_eq!(inside(""), Err(Stray::Outside), "the directory itself is no image");
        let sibling = PathBuf::from(format!("{}2/abc", root.path().display()));
        assert_eq!(dir.below(&sibling), Err(Stray::Outside), "a name that merely begins alike");
    }

    #[test]
    fn a_file_is_removed_and_a_missing_one_is_absent() {
        let root = tempfile::tempdir().unwrap();
        std::fs::write(root.path().join("a"), "x").unwrap();
        std::fs::write(root.path().join("other"), "x").unwrap();
        let dir = data_dir(root.path());
        let open = dir.open().unwrap();
        assert_eq!(open.remove(Path::new("a")).outcome, Outcome::Deleted);
        assert!(!root.path().join("a").exists());
        assert_eq!(open.remove(Path::new("a")).outcome, Outcome::Absent);
    }

    #[test]
    fn the_last_file_of_a_directory_can_be_finished_after_a_crash() {
        let root = tempfile::tempdir().unwrap();
        let dir = data_dir(root.path());
        assert_eq!(dir.open().unwrap().remove(Path::new("a")).outcome, Outcome::Absent);
    }

    #[test]
    fn a_directory_without_its_living_files_proves_nothing() {
        let root = tempfile::tempdir().unwrap();
        let dir = data_dir(root.path());
        std::fs::write(root.path().join("stray"), "x").unwrap();
        dir.expect(vec![PathBuf::from("living"), PathBuf::from("also")]);
        assert_eq!(dir.open().unwrap().remove(Path::new("a")).outcome, Outcome::Unavailable);
        std::fs::write(root.path().join("also"), "x").unwrap();
        assert_eq!(dir.open().unwrap().remove(Path::new("a")).outcome, Outcome::Absent);
    }

    #[test]
    fn a_mount_that_is_missing_is_noticed() {
        let root = tempfile::tempdir().unwrap();
        let metadata = root.path().join("metadata.json");
        let images = root.path().join("images");
        std::fs::create_dir(&images).unwrap();
        std::fs::write(&metadata, format!(r#"[{{"id": "x", "mountpoint": "{}"}}]"#, images.display())).unwrap();
        let dir = DataDir::new(images.clone(), Some(metadata), None);
        let answer = dir.open().unwrap().remove(Path::new("a"));
        assert_eq!(answer.outcome, Outcome::Unavailable);
        assert!(answer.detail.unwrap().contains("is not mounted"));
        std::fs::write(images.join("b"), "x").unwrap();
        assert_eq!(dir.open().unwrap().remove(Path::new("a")).outcome, Outcome::Absent);
    }

    #[test]
    fn a_missing_marker_or_directory_is_unavailable() {
        let root = tempfile::tempdir().unwrap();
        let dir = DataDir::new(root.path().to_owned(), None, Some(".here".to_owned()));
        assert_eq!(dir.open().err().unwrap().outcome, Outcome::Unavailable);
        std::fs::write(root.path().join(".here"), "").unwrap();
        assert!(dir.open().is_ok());
        let missing = data_dir(&root.path().join("none"));
        assert_eq!(missing.open().err().unwrap().outcome, Outcome::Unavailable);
        assert!(!root.path().join("none").exists(), "directories are never created");
    }

    #[test]
    fn links_on_the_way_are_refused_and_a_link_itself_is_removed() {
        let root = tempfile::tempdir().unwrap();
        let elsewhere = tempfile::tempdir().unwrap();
        std::fs::write(elsewhere.path().join("precious"), "x").unwrap();
        std::os::unix::fs::symlink(elsewhere.path(), root.path().join("sub")).unwrap();
        std::os::unix::fs::symlink(elsewhere.path().join("precious"), root.path().join("link")).unwrap();
        let dir = data_dir(root.path());
        let open = dir.open().unwrap();
        assert_eq!(open.remove(Path::new("sub/precious")).outcome, Outcome::Forbidden);
        assert_eq!(open.remove(Path::new("link")).outcome, Outcome::Deleted);
        assert!(elsewhere.path().join("precious").exists());
        std::fs::create_dir(root.path().join("dir")).unwrap();
        assert_eq!(open.remove(Path::new("dir")).outcome, Outcome::Failed);
    }
}
