//! Asked to stop in the midst of its work.

use rustix::process::Signal;

use super::*;
use crate::faults::{AHEAD, MANY, MOST_UNRECORDED, State, assert_finishes, held_with, servers, site_with};
use crate::support::database::Session;

/// A daemon in the midst of [`MANY`] deletes, whose recorder waits for a row.
fn held_daemon(site: &Site, config: &str) -> (Running, Session) {
    held_with(site, || daemon(site, config).start())
}

#[test]
fn what_is_in_hand_is_recorded_within_the_grace() {
    for (engine, signal) in servers().zip([Signal::TERM, Signal::INT]) {
        let site = site_with(engine, MANY);
        let (running, mut lock) = held_daemon(&site, "[scrubber]\nshutdown_grace = 45");
        running.signal(signal);
        running.until_stderr("Stopping: what is in hand is finished and recorded, for at most 45 s");
        lock.execute("COMMIT");
        let ended = running.wait().expect_code(0);
        let state = State::of(&site);
        assert_eq!(state.unrecorded(MANY), 0, "{engine:?}: {}", ended.stderr);
        assert!(state.files > 0, "{engine:?}: it was not interrupted, so this test shows nothing");
        assert_finishes(&site, MANY, 0);
    }
}

#[test]
fn what_a_short_grace_abandons_is_said_and_finished_by_the_next() {
    for (engine, (signal, code)) in servers().zip([(Signal::TERM, 143), (Signal::INT, 130)]) {
        let site = site_with(engine, MANY);
        let (running, mut lock) = held_daemon(&site, "[scrubber]\nshutdown_grace = 1");
        let asked = Instant::now();
        running.signal(signal);
        let ended = running.wait().expect_code(code);
        assert!(asked.elapsed() < Duration::from_secs(10), "{:?}", asked.elapsed());
        let (_, said) = ended.stderr.split_once("Stopped with work in hand").unwrap_or_else(|| panic!("{ended:?}"));
        assert!(said.contains("Stopping. Scrubbing: ") && said.contains("of 3000 locations"), "{}", ended.stderr);
        assert!(said.contains("store file: ") && said.contains(" locations wait, "), "{}", ended.stderr);
        lock.execute("ROLLBACK");
        let unrecorded = State::of(&site).unrecorded(MANY);
        assert!((AHEAD..=MOST_UNRECORDED).contains(&unrecorded), "{engine:?}: {unrecorded} unrecorded");
        assert_finishes(&site, MANY, unrecorded);
    }
}

#[test]
fn a_second_signal_ends_a_daemon_at_once() {
    for engine in servers().take(1) {
        let site = site_with(engine, MANY);
        let (running, mut lock) = held_daemon(&site, "[scrubber]\nshutdown_grace = 3600");
        running.signal(Signal::INT);
        running.until_stderr("Stopping: ");
        let asked = Instant::now();
        running.signal(Signal::TERM);
        let ended = running.wait().expect_code(143);
        assert!(asked.elapsed() < Duration::from_secs(5), "{:?}", asked.elapsed());
        assert!(ended.stderr.contains("Second signal: stopped at once"), "{}", ended.stderr);
        lock.execute("ROLLBACK");
        let unrecorded = State::of(&site).unrecorded(MANY);
        assert!((AHEAD..=MOST_UNRECORDED).contains(&unrecorded), "{unrecorded} unrecorded");
        assert_finishes(&site, MANY, unrecorded);
    }
}

/// A server that takes connections and never greets, as one behind a broken load balancer.
#[test]
fn a_database_that_says_nothing_does_not_hold_up_the_end() {
    let (site, manager) = (site(), Manager::new());
    let mute = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("mysql+pymysql://glance:secret@{}/glance", mute.local_addr().unwrap());
    let running = manager.start(&site, &format!("[database]\nconnection = {url}"));
    manager.until("READY=1");
    // The start's connection, which was given up after some seconds, and the one that the first cycle waits for.
    let _connections = [mute.accept().unwrap(), mute.accept().unwrap()];
    let asked = Instant::now();
    running.signal(Signal::TERM);
    let ended = running.wait().expect_code(0);
    assert!(asked.elapsed() < Duration::from_secs(3), "{:?}", asked.elapsed());
    assert!(!ended.stderr.contains("work in hand"), "{}", ended.stderr);
}
