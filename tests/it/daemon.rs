//! The daemon: the real program, with systemd's end of the notify socket in our hands.

mod endurance;
mod hanging_store;
mod lifetime;
mod lost_database;
mod reload;
mod stopping;
mod transcript;
mod wakeups;

use std::io::{Read, Write};
use std::os::unix::net::UnixDatagram;
use std::time::{Duration, Instant};

use chrono::TimeDelta;
use tempfile::TempDir;

use crate::support::binary::{Running, Scrubber};
use crate::support::rows::{Image, states};
use crate::support::servers::Engine;
use crate::support::site::Site;

/// What systemd listens with.
struct Manager {
    socket: UnixDatagram,
    directory: TempDir,
}

impl Manager {
    fn new() -> Manager {
        let directory = tempfile::tempdir().unwrap();
        let socket = UnixDatagram::bind(directory.path().join("notify")).unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        Manager { socket, directory }
    }

    /// Starts a daemon that tells this manager.
    fn start(&self, site: &Site, config: &str) -> Running {
        daemon(site, config).env("NOTIFY_SOCKET", self.directory.path().join("notify")).start()
    }

    /// The next message.
    fn hear(&self) -> String {
        let mut buffer = [0; 4096];
        let len = self.socket.recv(&mut buffer).expect("the daemon says nothing");
        String::from_utf8_lossy(&buffer[..len]).into_owned()
    }

    /// Throws away what was said so far. Who waits for something else must do so: a socket holds few messages, and then
    /// the daemon waits for its reader.
    fn forget(&self) {
        self.socket.set_nonblocking(true).unwrap();
        while self.socket.recv(&mut [0; 4096]).is_ok() {}
        self.socket.set_nonblocking(false).unwrap();
    }

    /// Reads on until a message has this line, or begins one like it.
    fn until(&self, line: &str) -> String {
        let begun = Instant::now();
        loop {
            let message = self.hear();
            if message.lines().any(|heard| heard.starts_with(line)) {
                return message;
            }
            assert!(begun.elapsed() < Duration::from_secs(60), "{line:?} did not come, but {message:?}");
        }
    }
}

/// The whole answer of a daemon's status socket.
fn get(socket: &std::path::Path, path: &str) -> String {
    let mut stream = std::os::unix::net::UnixStream::connect(socket).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

fn daemon(site: &Site, config: &str) -> Scrubber {
    Scrubber::new().config_file(&site.config(config)).arg("--daemon")
}

/// A site with a living image.
fn site() -> Site {
    site_on(Engine::Sqlite)
}

fn site_on(engine: Engine) -> Site {
    let site = Site::new(engine);
    Image::active("living", &[&site.file("living")]).insert(&site.database);
    site
}

/// Adds an image that is due.
fn add_due(site: &Site, id: &str) {
    Image::pending(id, TimeDelta::hours(2), &[&site.file(id)]).insert(&site.database);
}

fn is_gone(site: &Site, id: &str) -> Option<()> {
    (states(&site.database, id).0 == "deleted" && !site.has(id)).then_some(())
}
