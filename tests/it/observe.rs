//! What an operator sees of a cycle: status, metrics, pages, audit log, journal.

mod audit_log;
mod journal;
mod metrics;
mod page;
mod server;
mod status;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::Duration;

use chrono::Utc;
use glance_scrubber::config::{Listen, StoreId};
use glance_scrubber::observe::server::{ServerHandle, serve};
use glance_scrubber::observe::status::Status;
use glance_scrubber::scrub::{CycleReport, Observer, SystemClock};
use glance_scrubber::store::Store;
use tokio_util::sync::CancellationToken;

use crate::lanes::{Fake, watched_cycle};
use crate::support::site::Site;

/// A status with metrics, as a daemon has it that listens.
fn status(stores: &[&str]) -> Arc<Status> {
    let status = Status::with_metrics(Box::new(SystemClock)).unwrap();
    let ids: Vec<_> = stores.iter().map(|id| StoreId((*id).to_owned())).collect();
    status.config_loaded(Utc::now(), &ids);
    Arc::new(status)
}

fn cycle(site: &Site, stores: Vec<Fake>, observer: &dyn Observer) -> CycleReport {
    cycle_until(site, stores, observer, &CancellationToken::new())
}

fn cycle_until(site: &Site, stores: Vec<Fake>, observer: &dyn Observer, stop: &CancellationToken) -> CycleReport {
    let stores = stores.into_iter().map(|store| Arc::new(store) as Arc<dyn Store>).collect();
    watched_cycle(site, stores, None, Duration::from_secs(600), stop, observer)
}

/// A server on a port of its own.
fn server(status: &Arc<Status>) -> ServerHandle {
    serve(&Listen::Tcp("127.0.0.1:0".parse().unwrap()), Arc::clone(status)).unwrap()
}

/// An answer as it came.
struct Answer {
    head: String,
    body: String,
}

impl Answer {
    fn code(&self) -> u16 {
        self.head.split(' ').nth(1).and_then(|code| code.parse().ok()).unwrap_or_else(|| panic!("{}", self.head))
    }

    fn header(&self, name: &str) -> Option<&str> {
        let lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines.filter(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value).next()
    }
}

/// Sends bytes and reads to the end.
fn exchange(mut stream: impl Read + Write, request: &str) -> Answer {
    stream.write_all(request.as_bytes()).unwrap();
    let mut text = Vec::new();
    // A server that refuses closes while the rest of the request is still on its way.
    let _ = stream.read_to_end(&mut text);
    let text = String::from_utf8(text).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
    Answer { head: head.to_owned(), body: body.to_owned() }
}

fn connect(server: &ServerHandle) -> TcpStream {
    match server.listen() {
        Listen::Tcp(address) => TcpStream::connect(address).unwrap(),
        Listen::Unix(path) => panic!("{} is no port", path.display()),
    }
}

fn get(server: &ServerHandle, path: &str) -> Answer {
    exchange(connect(server), &format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n"))
}
