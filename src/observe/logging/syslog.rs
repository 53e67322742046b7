//! syslog by its local socket, in the format of RFC 3164.
//!
//! Promises: what the C library's `syslog(3)` would send, with oslo.log's line as the message; a restart of the syslog
//! daemon is survived, since each line is addressed anew. Rejected: the `syslog` crates, which format and buffer in
//! their own ways; this is 30 lines.

use std::io;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tracing::Level;

use super::sink::{Entry, Sink};
use super::{IDENTIFIER, LogError};

/// rsyslog's default `$MaxMessageSize`; a longer datagram would be cut or refused.
const LONGEST: usize = 8192;

/// A syslog daemon that hangs must not hang the scrub: a line that it does not take within this time is lost.
const PATIENCE: Duration = Duration::from_secs(1);

/// A facility of `<syslog.h>`, by its number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Facility(u8);

impl Facility {
    /// By name, in any case, with or without `LOG_`, as oslo.log takes it.
    pub(super) fn find(name: &str) -> Result<Self, LogError> {
        const NAMES: [&str; 12] =
            ["KERN", "USER", "MAIL", "DAEMON", "AUTH", "SYSLOG", "LPR", "NEWS", "UUCP", "CRON", "AUTHPRIV", "FTP"];
        let upper = name.trim().to_ascii_uppercase();
        let bare = upper.strip_prefix("LOG_").unwrap_or(&upper);
        let local = bare.strip_prefix("LOCAL").filter(|n| n.len() == 1).and_then(|n| n.parse::<u8>().ok());
        let number = match (NAMES.iter().zip(0..).find(|(known, _)| **known == bare), local) {
            (Some((_, number)), _) => number,
            (None, Some(local @ 0..=7)) => 16 + local,
            _ => return Err(LogError::Facility(name.to_owned())),
        };
        Ok(Self(number))
    }

    pub(super) fn number(self) -> u8 {
        self.0
    }
}

/// `use_syslog`.
#[derive(Debug)]
pub(super) struct SyslogSink {
    socket: UnixDatagram,
    path: PathBuf,
    facility: Facility,
}

impl SyslogSink {
    pub(super) fn new(facility: Facility, path: impl AsRef<Path>) -> io::Result<Self> {
        let socket = UnixDatagram::unbound()?;
        socket.set_write_timeout(Some(PATIENCE))?;
        Ok(Self { socket, path: path.as_ref().to_owned(), facility })
    }

    /// Whether somebody listens; sends nothing.
    pub(super) fn probe(&self) -> io::Result<()> {
        UnixDatagram::unbound()?.connect(&self.path)
    }
}

impl Sink for SyslogSink {
    fn write(&self, entry: &Entry<'_>) -> io::Result<()> {
        let priority = self.facility.number() * 8 + severity(entry.level);
        // `%e`: RFC 3164 pads the day with a space.
        let time = entry.time.format("%b %e %H:%M:%S");
        let mut datagram = format!("<{priority}>{time} {IDENTIFIER}: {}", entry.line.trim_end());
        datagram.truncate(datagram.floor_char_boundary(LONGEST));
        self.socket.send_to(datagram.as_bytes(), &self.path).map(|_| ())
    }

    fn name(&self) -> Option<String> {
        Some(format!("syslog at {}", self.path.display()))
    }
}

/// The severities that oslo.log maps Python's levels to.
fn severity(level: Level) -> u8 {
    match level {
        Level::ERROR => 3,
        Level::WARN => 4,
        Level::INFO => 6,
        _ => 7,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn facilities_by_name() {
        for (name, number) in
            [("LOG_USER", 1), ("user", 1), ("LOG_LOCAL0", 16), ("local7", 23), ("LOG_AUTHPRIV", 10), ("log_ftp", 11)]
        {
            assert_eq!(Facility::find(name).unwrap().number(), number, "{name}");
        }
        for name in ["", "LOG_", "LOCAL8", "LOCAL", "LOCAL-1", "LOCAL07", "LOG_LOG_USER"] {
            assert!(Facility::find(name).is_err(), "{name}");
        }
    }
}
