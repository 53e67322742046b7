//! Scrubbers that begin, work for a moment, and are killed, stopped for a while or asked to end.

use std::time::Duration;

use fastrand::Rng;
use rustix::process::Signal;

use super::{LEASE, Soak};
use crate::support::binary::{Finished, Running};

/// One scrubber after the other, sometimes the daemon, sometimes `--once`.
pub fn scrub(soak: &Soak, actor: u64) {
    let mut random = soak.random(actor);
    while !soak.is_over() {
        match random.bool() {
            true => live(soak, &mut random, soak.scrubber().arg("--daemon").start(), &[0, 143]),
            false => {
                live(soak, &mut random, soak.scrubber().args(&["--once", "--format", "json"]).start(), &[0, 3, 143])
            }
        }
    }
}

fn live(soak: &Soak, random: &mut Rng, mut running: Running, codes: &[i32]) {
    soak.counts.one("scrubbers");
    while !soak.is_over() && !running.ends_within(Duration::from_millis(random.u64(50..1500))) {
        match random.u32(0..10) {
            0..4 => {
                let _ = running.try_signal(Signal::KILL);
                count(soak, &running.wait());
                return soak.counts.one("scrubbers killed");
            }
            4..7 => stop(soak, random, &running),
            7 => {
                let _ = running.try_signal(Signal::TERM);
                break;
            }
            _ => {}
        }
    }
    let _ = running.try_signal(Signal::TERM);
    let run = running.wait();
    // Who is asked to end before it listens just dies.
    let ended = run.code.map_or(run.signal == Some(Signal::TERM.as_raw()), |code| codes.contains(&code));
    assert!(ended, "{:?}, signal {:?}: {}", run.code, run.signal, run.output());
    count(soak, &run);
    soak.counts.one("scrubbers that ended in order");
}

/// Stops it for a while.
fn stop(soak: &Soak, random: &mut Rng, running: &Running) {
    let lease = LEASE * 1000;
    let (what, time) = match random.u32(0..6) {
        0..2 => ("stops longer than a lease", random.u64(lease..lease * 3 / 2)),
        // After this a restore may have what was claimed.
        2 => ("stops longer than two leases", random.u64(lease * 2..lease * 5 / 2)),
        _ => ("short stops", random.u64(50..1000)),
    };
    if running.try_signal(Signal::STOP).is_ok() {
        soak.pass(Duration::from_millis(time));
        let _ = running.try_signal(Signal::CONT);
        soak.counts.one(what);
    }
}

fn count(soak: &Soak, run: &Finished) {
    let add = |what: &str, words: &str| soak.counts.add(what, run.stderr.matches(words).count() as u64);
    add("images scrubbed", "scrubbed successfully");
    add("cycles told of", " finished: ");
    add("claims lost", "ran out and was taken over");
    add("results of another's", "but its claim had been taken over");
    add("calls too late", "its claim ran out before its turn");
}
