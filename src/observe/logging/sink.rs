//! Files and standard streams.
//!
//! Promises: a line is one `write(2)` (several processes may append to one file), under a lock, so lines never mix;
//! a rotated file is noticed at the next line, as by Python's `WatchedFileHandler`. A fault is told once on stderr,
//! and again only after a line got through in between.

use std::fmt;
use std::fs::{File, Metadata, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use chrono::{DateTime, FixedOffset};
use tracing::Level;

use super::IDENTIFIER;
use crate::observe::terminal::Terminal;

/// One line on its way.
pub(super) struct Entry<'a> {
    pub(super) time: DateTime<FixedOffset>,
    pub(super) level: Level,
    /// With its line break.
    pub(super) line: &'a str,
}

/// Something that takes lines.
pub(super) trait Sink: fmt::Debug + Send + Sync + 'static {
    /// Takes one line, with one call to the system.
    fn write(&self, entry: &Entry<'_>) -> io::Result<()>;
    /// For the complaint about a fault; `None` where there is nowhere to complain.
    fn name(&self) -> Option<String>;
}

/// A sink, and whether its last line failed.
#[derive(Debug)]
pub(super) struct Destination {
    sink: Box<dyn Sink>,
    failing: AtomicBool,
}

impl Destination {
    pub(super) fn new(sink: impl Sink) -> Self {
        Self { sink: Box::new(sink), failing: AtomicBool::new(false) }
    }

    /// One whose fault has been told already.
    pub(super) fn failing(sink: impl Sink) -> Self {
        Self { sink: Box::new(sink), failing: AtomicBool::new(true) }
    }

    pub(super) fn write(&self, entry: &Entry<'_>) {
        let result = self.sink.write(entry);
        let was_failing = self.failing.swap(result.is_err(), Ordering::Relaxed);
        if let (Err(error), false, Some(name)) = (result, was_failing, self.sink.name()) {
            let complaint = format!("{IDENTIFIER}: cannot write the log to {name}: {error}\n");
            // The last resort; there is nobody left to tell.
            let _ = io::stderr().lock().write_all(complaint.as_bytes());
        }
    }
}

/// `log_file`.
#[derive(Debug)]
pub(super) struct FileSink {
    path: PathBuf,
    open: Mutex<File>,
}

impl FileSink {
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        // Absolute, because detaching changes the working directory.
        let path = std::path::absolute(path)?;
        let file = open(&path)?;
        Ok(Self { path, open: Mutex::new(file) })
    }

    /// Opens the file anew if another one, or none, now stands under its name.
    fn follow(&self, file: &mut File) -> io::Result<()> {
        let same = |there: &Metadata, here: &Metadata| (there.dev(), there.ino()) == (here.dev(), here.ino());
        let here = file.metadata()?;
        if !std::fs::metadata(&self.path).is_ok_and(|there| same(&there, &here)) {
            *file = open(&self.path)?;
        }
        Ok(())
    }
}

impl Sink for FileSink {
    fn write(&self, entry: &Entry<'_>) -> io::Result<()> {
        let mut file = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        // At every line, as Python does: two stats cost less than the write, and a clock would lose lines of a
        // removed file. Where the new file cannot be opened, the old one still takes the line.
        let followed = self.follow(&mut file);
        file.write_all(entry.line.as_bytes()).and(followed)
    }

    fn name(&self) -> Option<String> {
        Some(self.path.display().to_string())
    }
}

/// Readable for the group (adm, as a rule) and for nobody else: image ids and paths are not for everyone.
fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new().append(true).create(true).mode(0o640).open(path)
}

/// `use_stderr`.
#[derive(Debug)]
pub(super) struct StderrSink(pub(super) Terminal);

impl Sink for StderrSink {
    fn write(&self, entry: &Entry<'_>) -> io::Result<()> {
        self.0.suspend(|| io::stderr().lock().write_all(entry.line.as_bytes()))
    }

    fn name(&self) -> Option<String> {
        None
    }
}

/// Nothing else selected.
#[derive(Debug)]
pub(super) struct StdoutSink(pub(super) Terminal);

impl Sink for StdoutSink {
    fn write(&self, entry: &Entry<'_>) -> io::Result<()> {
        // A whole line passes std's line buffer in one write.
        self.0.suspend(|| io::stdout().lock().write_all(entry.line.as_bytes()))
    }

    fn name(&self) -> Option<String> {
        Some("standard output".to_owned())
    }
}
