//! What systemd is told (`sd_notify(3)`), where it listens.
//!
//! Promises: without NOTIFY_SOCKET nothing happens, and nothing here ever waits: a message that systemd does not take at
//! once is dropped, for the loop has more important things to do, and the watchdog will say if it was one of its own.
//! Debian 12 has systemd 252, so a reload is told as `Type=notify` understands it, and as `notify-reload` of 253 does:
//! RELOADING with the time, then READY.
//! Rejected: the crate sd-notify, which sends without a time limit, so that a manager that does not read stops the
//! daemon; and a thread in between, which would have to be waited for at the end.

use std::ffi::OsStr;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// The service is up.
pub(crate) fn ready(status: &str) {
    tell(&format!("READY=1\nSTATUS={}", one_line(status)));
}

/// A reload begins; [`ready`] ends it.
pub(crate) fn reloading() {
    let now = clock_gettime(ClockId::Monotonic);
    let micros = i128::from(now.tv_sec) * 1_000_000 + i128::from(now.tv_nsec) / 1_000;
    tell(&format!("RELOADING=1\nMONOTONIC_USEC={micros}"));
}

/// The service ends.
pub(crate) fn stopping(status: &str) {
    tell(&format!("STOPPING=1\nSTATUS={}", one_line(status)));
}

/// One line for `systemctl status`.
pub(crate) fn status(line: &str) {
    tell(&format!("STATUS={}", one_line(line)));
}

/// A sign of life.
pub(crate) fn alive() {
    tell("WATCHDOG=1");
}

/// Whether anybody listens.
pub(crate) fn is_heard() -> bool {
    std::env::var_os("NOTIFY_SOCKET").is_some()
}

/// How often a sign of life is due: half of what the unit allows (`WatchdogSec=`), if it wants any of this process.
pub(crate) fn watchdog() -> Option<Duration> {
    let number = |name: &str| std::env::var(name).ok()?.parse::<u64>().ok();
    let is_ours = number("WATCHDOG_PID").is_none_or(|pid| pid == u64::from(std::process::id()));
    let allowed = Duration::from_micros(number("WATCHDOG_USEC").filter(|micros| *micros > 1)?);
    is_ours.then_some(allowed / 2)
}

fn tell(message: &str) {
    let Some(socket) = std::env::var_os("NOTIFY_SOCKET") else { return };
    if let Err(error) = send(&socket, message) {
        tracing::debug!("systemd could not be told: {error}");
    }
}

fn send(socket: &OsStr, message: &str) -> std::io::Result<()> {
    let address = match socket.as_bytes() {
        [b'@', name @ ..] => SocketAddr::from_abstract_name(name)?,
        _ => SocketAddr::from_pathname(socket)?,
    };
    let sender = UnixDatagram::unbound()?;
    sender.set_nonblocking(true)?;
    sender.send_to_addr(message.as_bytes(), &address).map(drop)
}

/// A line break would begin another assignment.
fn one_line(text: &str) -> String {
    text.replace(['\n', '\r'], " ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manager_that_does_not_read_holds_nobody_up() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("notify");
        let manager = UnixDatagram::bind(&path).unwrap();
        let refused = (0..100_000).find_map(|_| send(path.as_os_str(), "STATUS=x").err());
        assert_eq!(refused.unwrap().kind(), std::io::ErrorKind::WouldBlock);
        let mut buffer = [0; 64];
        let len = manager.recv(&mut buffer).unwrap();
        assert_eq!(&buffer[..len], b"STATUS=x");
    }

    #[test]
    fn an_abstract_socket_is_found() {
        let name = format!("glance-scrubber-test-{}", std::process::id());
        let manager = UnixDatagram::bind_addr(&SocketAddr::from_abstract_name(&name).unwrap()).unwrap();
        send(OsStr::new(&format!("@{name}")), "READY=1").unwrap();
        let mut buffer = [0; 64];
        assert_eq!(manager.recv(&mut buffer).unwrap(), 7);
    }

    #[test]
    fn a_status_is_one_line() {
        assert_eq!(one_line("a\nREADY=1\r"), "a READY=1 ");
    }
}
