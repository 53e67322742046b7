//! The audit log: one JSON line for each location that was finished or kept.
//!
//! Promises: a line is one `write(2)`, and a line that was cut short is ended before the next one begins; never a URI or a
//! credential. It fails without holding anything up: lines that cannot be written are counted, which is told once in the
//! log, and again when lines get through. A location that stays for the same reason as in the cycle before is not written
//! again.

use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use chrono::{DateTime, Utc};
use serde::Serialize;

use crate::observe::text::SafeJson;
use crate::scrub::{CycleId, Ended, Observer, SettledLocation};

/// Kept locations whose reason is remembered: some 30 bytes each. Beyond them a reason is written in every cycle.
const REMEMBERED: usize = 100_000;

/// `[scrubber] audit_log`.
#[derive(Debug)]
pub struct AuditLog {
    path: PathBuf,
    state: Mutex<State>,
    lost: AtomicU64,
}

#[derive(Debug)]
struct State {
    file: File,
    cycle: CycleId,
    /// The last write ended within a line.
    torn: bool,
    failing: bool,
    /// Why locations stay, as it was last written; those of the cycle before, and those of this one.
    before: HashMap<i64, &'static str>,
    kept: HashMap<i64, &'static str>,
    line: Vec<u8>,
}

/// One line. Field names as in the log and in `--format json`.
#[derive(Serialize)]
struct Record<'a> {
    time: String,
    cycle: String,
    image_id: Option<&'a str>,
    location_id: i64,
    store: Option<&'a str>,
    outcome: &'static str,
    finished: bool,
    bytes: u64,
}

impl AuditLog {
    /// Opens the file for appending, and makes it where it is not there, for its user and its group's readers.
    ///
    /// # Errors
    /// It cannot be opened. A disk that is full already shows only when the first line is written.
    pub fn open(path: &Path) -> io::Result<Self> {
        // Absolute, because detaching changes the working directory.
        let path = std::path::absolute(path)?;
        let state = State {
            file: open(&path)?,
            cycle: CycleId(0),
            torn: false,
            failing: false,
            before: HashMap::new(),
            kept: HashMap::new(),
            line: Vec::new(),
        };
        Ok(Self { path, state: Mutex::new(state), lost: AtomicU64::new(0) })
    }

    /// [`Self::open`], with words for an operator in place of the error.
    ///
    /// # Errors
    /// Which file cannot be written, and why.
    pub fn open_or_say(path: &Path) -> Result<Self, String> {
        let words = |error| format!("cannot write the audit log {}: {error}; see [scrubber] audit_log", path.display());
        Self::open(path).map_err(words)
    }

    /// Opens the file anew, after it was moved away. Goes on with the one at hand where that fails.
    ///
    /// # Errors
    /// It cannot be opened.
    pub fn reopen(&self) -> io::Result<()> {
        let file = open(&self.path)?;
        let mut state = self.lock();
        (state.file, state.torn) = (file, false);
        Ok(())
    }

    /// Lines that could not be written since the start.
    pub fn lost(&self) -> u64 {
        self.lost.load(Ordering::Relaxed)
    }

    fn note(&self, one: &SettledLocation<'_>) {
        let mut state = self.lock();
        if !state.is_news(one) {
            return;
        }
        let record = Record {
            time: one.at.format("%Y-%m-%dT%H:%M:%S%.6fZ").to_string(),
            cycle: state.cycle.to_string(),
            image_id: one.which.image.as_ref().map(|image| image.0.as_str()),
            location_id: one.which.location.0,
            store: one.store.map(|store| store.as_str()),
            outcome: one.word(),
            finished: matches!(one.end, Ended::Finished(_)),
            bytes: one.bytes,
        };
        let written = state.write(&record);
        if written.is_err() {
            self.lost.fetch_add(1, Ordering::Relaxed);
            // What was not written is news in the next cycle, too.
            state.kept.remove(&one.which.location.0);
        }
        let was_failing = std::mem::replace(&mut state.failing, written.is_err());
        drop(state);
        match written {
            Err(error) if !was_failing => {
                tracing::error!("The audit log {} cannot be written, lines are lost: {error}", self.path.display());
            }
            Ok(()) if was_failing => {
                let lost = self.lost();
                tracing::warn!("The audit log {} is written again; {lost} lines were lost", self.path.display());
            }
            _ => {}
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Whether there is something to write: an end, or a reason that was not given in the cycle before. What was not
    /// tried at all has no reason of its own.
    fn is_news(&mut self, one: &SettledLocation<'_>) -> bool {
        let keep = match one.end {
            Ended::Kept(keep) => keep,
            // It stands in the log of the scrubber that did it.
            Ended::Elsewhere => return false,
            Ended::Finished(_) | Ended::Overtaken => return true,
        };
        if keep.reason.is_postponed() {
            return false;
        }
        let (location, word) = (one.which.location.0, one.word());
        if self.kept.len() < REMEMBERED {
            self.kept.insert(location, word);
        }
        self.before.get(&location) != Some(&word)
    }

    fn write(&mut self, record: &Record<'_>) -> io::Result<()> {
        self.line.clear();
        if self.torn {
            self.line.push(b'\n');
        }
        record.serialize(&mut serde_json::Serializer::with_formatter(&mut self.line, SafeJson))?;
        self.line.push(b'\n');
        put(&mut self.file, &self.line, &mut self.torn)
    }
}

impl Observer for AuditLog {
    fn began(&self, cycle: CycleId, _: DateTime<Utc>) {
        let mut state = self.lock();
        state.cycle = cycle;
        state.before = std::mem::take(&mut state.kept);
    }

    fn passed_over(&self, one: &SettledLocation<'_>) {
        self.note(one);
    }

    fn settled(&self, one: &SettledLocation<'_>) {
        self.note(one);
    }
}

/// Writes a line at once. `torn` says whether the last one was cut short, in which case this one begins with a line break.
fn put(file: &mut impl io::Write, line: &[u8], torn: &mut bool) -> io::Result<()> {
    let written = loop {
        match file.write(line) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            other => break other?,
        }
    };
    if written == line.len() {
        *torn = false;
        return Ok(());
    }
    // Of a line that mends the one before, the line break alone may have got through: then nothing is torn any more.
    *torn = written > usize::from(*torn) || (*torn && written == 0);
    Err(io::Error::new(io::ErrorKind::WriteZero, "only a part of a line could be written"))
}

/// Readable for the group and for nobody else, as the log is.
fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new().append(true).create(true).mode(0o640).open(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A disk with so much room for each write.
    struct Disk(Vec<u8>, Vec<usize>);

    impl io::Write for Disk {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let room = self.1.remove(0).min(bytes.len());
            self.0.extend_from_slice(&bytes[..room]);
            Ok(room)
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// Writes lines as the log does, and says what stands on the disk.
    fn written(rooms: &[usize]) -> String {
        let (mut disk, mut torn) = (Disk(Vec::new(), rooms.to_vec()), false);
        for (number, room) in rooms.iter().enumerate() {
            let line = format!("{}line {number}\n", if torn { "\n" } else { "" });
            let whole = *room >= line.len();
            assert_eq!(put(&mut disk, line.as_bytes(), &mut torn).is_ok(), whole);
        }
        String::from_utf8(disk.0).unwrap()
    }

    #[test]
    fn a_line_that_was_cut_short_spoils_no_other() {
        assert_eq!(written(&[99, 99]), "line 0\nline 1\n");
        assert_eq!(written(&[3, 99, 99]), "lin\nline 1\nline 2\n");
        assert_eq!(written(&[3, 0, 99]), "lin\nline 2\n");
        assert_eq!(written(&[3, 1, 99]), "lin\nline 2\n", "the line break alone came through");
        assert_eq!(written(&[3, 2, 99]), "lin\nl\nline 2\n");
        assert_eq!(written(&[0, 99]), "line 1\n", "nothing is not a part");
    }
}
