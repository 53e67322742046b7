//! What the integration tests share: the servers at hand, a database of one's own, a real Glance, the real binary.
//!
//! Everything here panics where it fails: a test cannot go on. Nothing that a test started outlives it: databases,
//! servers and processes go with the value that stands for them.

pub mod api;
pub mod api_rows;
pub mod binary;
pub mod cases;
pub mod ceph;
pub mod cloud;
pub mod database;
pub mod fault_proxy;
pub mod galera;
pub mod glance;
pub mod private_server;
pub mod proxy;
pub mod rows;
pub mod servers;
pub mod site;
pub mod snapshot;
pub mod talk;
pub mod user;
pub mod web;

use std::time::{Duration, Instant};

/// Asks `ready` until it says something, for at most a minute: for what another process does in its own time.
pub fn eventually<T>(what: &str, ready: impl FnMut() -> Option<T>) -> T {
    eventually_every(Duration::from_millis(20), what, ready)
}

/// The same, asking less often: for what being asked disturbs.
pub fn eventually_every<T>(pause: Duration, what: &str, mut ready: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        if let Some(value) = ready() {
            return value;
        }
        assert!(Instant::now() < deadline, "waited a minute for {what}");
        std::thread::park_timeout(pause);
    }
}
