//! What systemd is told (`sd_notify(3)`), where it listens.
//!
//! Promises: without NOTIFY_SOCKET nothing happens; a message that cannot be sent is not worth an error, as the watchdog
//! will say. Debian 12 has systemd 252, so a reload is told as `Type=notify` understands it, and as `notify-reload` of 253
//! does: RELOADING with the time, then READY.

use std::time::Duration;

use sd_notify::NotifyState;

/// The service is up.
pub(crate) fn ready(status: &str) {
    tell(&[NotifyState::Ready, NotifyState::Status(status)]);
}

/// A reload begins; [`ready`] ends it.
pub(crate) fn reloading() {
    match NotifyState::monotonic_usec_now() {
        Ok(now) => tell(&[NotifyState::Reloading, now]),
        Err(_) => tell(&[NotifyState::Reloading]),
    }
}

/// The service ends.
pub(crate) fn stopping(status: &str) {
    tell(&[NotifyState::Stopping, NotifyState::Status(status)]);
}

/// One line for `systemctl status`.
pub(crate) fn status(line: &str) {
    tell(&[NotifyState::Status(line)]);
}

/// A sign of life.
pub(crate) fn alive() {
    tell(&[NotifyState::Watchdog]);
}

/// Whether anybody listens.
pub(crate) fn is_heard() -> bool {
    std::env::var_os("NOTIFY_SOCKET").is_some()
}

/// How often a sign of life is due: half of what the unit allows (`WatchdogSec=`), if it wants any.
pub(crate) fn watchdog() -> Option<Duration> {
    sd_notify::watchdog_enabled().map(|allowed| allowed / 2)
}

fn tell(state: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(state) {
        tracing::debug!("systemd could not be told: {error}");
    }
}
