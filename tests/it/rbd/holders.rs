//! Images that somebody else has open or locked.

use std::time::Instant;

use rustix::process::Signal;
use serde_json::json;

use super::*;
use crate::support::eventually_every;

#[test]
fn a_reader_is_in_nobodys_way() {
    let Some(ceph) = Ceph::shared() else { return };
    let case = Case::new(&ceph, "open for reading");
    let _holder = ceph.hold(&case.image, "read");
    case.scrub("").is("deleted", "gone");
}

#[test]
fn a_writer_keeps_the_image_and_its_snapshot() {
    let Some(ceph) = Ceph::shared() else { return };
    for (how, name) in [("write", "open for writing, no lock"), ("lock", "open for writing, exclusive lock")] {
        for policy in ["trash", "wait"] {
            let case = Case::new(&ceph, name);
            let holder = ceph.hold(&case.image, how);
            let seen = case.scrub_noting(policy, &format!("[scrubber]\nrbd_in_use = {policy}"));
            seen.is("in_use", UNTOUCHED).says(&[&holder.address]);
            holder.close();
            case.scrub_noting("closed", "").is("deleted", "gone");
        }
    }
}

#[test]
fn an_advisory_lock_keeps_the_image_and_nothing_hangs() {
    let Some(ceph) = Ceph::shared() else { return };
    let case = Case::new(&ceph, "advisory lock");
    let locker = ceph.call("lock", json!(["images", case.image, "mine"]));
    let begun = Instant::now();
    case.scrub("").is("in_use", UNTOUCHED).says(&[locker.as_str().unwrap(), "mine"]);
    assert!(begun.elapsed().as_secs() < 10, "{:?}", begun.elapsed());
    ceph.call("unlock", json!(["images", case.image, "mine"]));
    case.scrub_noting("unlocked", "").is("deleted", "gone");
}

/// The watch of a client that is silent ends after the 15 s of these clusters; until then it counts as a holder.
#[test]
fn holders_that_froze_or_died_count_until_their_watch_ends() {
    let Some(ceph) = Ceph::shared() else { return };
    let cases = [
        ("lock", Signal::STOP, "lock holder frozen"),
        ("lock", Signal::KILL, "lock holder killed"),
        ("write", Signal::KILL, "writer killed"),
    ];
    let held = cases.map(|(how, signal, name)| {
        let case = Case::new(&ceph, name);
        let holder = ceph.hold(&case.image, how);
        holder.signal(signal);
        case.scrub("").is("in_use", UNTOUCHED).says(&[&holder.address]);
        (case, holder)
    });
    for (case, _holder) in &held {
        let seen = eventually_every(std::time::Duration::from_secs(1), "the watch to end", || {
            let run = case.start("").wait();
            (verdict(&run).0 != "in_use").then(|| case.seen(run, "its watch ended"))
        });
        seen.is("deleted", "gone");
    }
}
