//! Clusters that stop, freeze and come back, and scrubbers that are cut off: in the middle of removing an image.

use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::json;

use super::*;
use crate::support::ceph::Kept;
use crate::support::{eventually, eventually_every};

/// Objects that an image could have: removing it takes some seconds.
const OBJECTS: u32 = 20_000;

/// More than so many objects take a busy machine one by one, also after an OSD that was killed has read its log.
const LONG: Duration = Duration::from_secs(240);

/// How an image is left whose removal was cut off.
const HALF: &str = "listed, not to be opened";

/// One at a time, so that it takes long enough to be in the middle; and with the shortest deadline that there is.
const SLOWLY: &str = "[scrubber]\nrbd_concurrent_management_ops = 1\nstore_deadline = 1";

fn long_removal<'a>(ceph: &'a Ceph, name: &str) -> Case<'a> {
    let image = new_id();
    ceph.call("sparse", json!(["images", image, OBJECTS]));
    Case::of(ceph, name, &image, &ceph.uri("images", &image))
}

/// A run in the middle of its removal: the snapshot has gone, the objects are going.
fn removing(case: &Case<'_>, more: &str) -> Running {
    let running = case.start(&format!("{more}\n{SLOWLY}"));
    eventually("the removal to begin", || (case.ceph.look(&case.image) == HALF).then_some(()));
    running
}

/// The next run does, or the one after it: a dead client's watch may have to end first, a cluster that was thawed to
/// find itself again.
#[track_caller]
fn next_run_finishes(case: &Case<'_>) {
    let seen = eventually_every(Duration::from_secs(1), "the image to go", || {
        let run = case.start("").wait();
        (!["in_use", "unavailable"].contains(&verdict(&run).0.as_str())).then(|| case.seen(run, "next run"))
    });
    seen.is("deleted", "gone");
}

#[test]
fn a_cluster_that_is_down_at_the_start_is_unavailable_in_time() {
    let Some(ceph) = Ceph::private(Kept::InMemory(1024)) else { return };
    for (away, back, name) in [
        ("stop all", "start all", "cluster stopped"),
        ("freeze mon", "thaw mon", "monitor frozen"),
        ("freeze osd", "thaw osd", "osd frozen"),
    ] {
        let case = Case::new(&ceph, &format!("{name} at the start"));
        ceph.order(away);
        let begun = Instant::now();
        let run = case.start(SOON).wait();
        assert!(begun.elapsed().as_secs() < 20, "{name}: {:?}", begun.elapsed());
        ceph.order(back);
        case.seen(run, "").is("unavailable", UNTOUCHED);
        next_run_finishes(&case);
    }
}

#[test]
fn an_osd_that_is_killed_in_the_middle_and_comes_back_is_waited_for() {
    let Some(ceph) = Ceph::private(Kept::InFile) else { return };
    let case = long_removal(&ceph, "osd killed in the middle");
    let running = removing(&case, "");
    ceph.order("kill osd");
    ceph.order("start osd");
    case.seen(running.wait_up_to(LONG), "comes back").is("deleted", "gone");

    let case = long_removal(&ceph, "osd killed in the middle");
    let running = removing(&case, SOON);
    ceph.order("kill osd");
    let run = running.wait();
    ceph.order("start osd");
    case.seen(run, "stays away").is("unavailable", HALF);
    next_run_finishes(&case);
}

#[test]
fn a_cluster_that_stops_for_good_is_given_up_on() {
    let Some(ceph) = Ceph::private(Kept::InMemory(1024)) else { return };
    let case = long_removal(&ceph, "cluster stopped in the middle, for good");
    let running = removing(&case, SOON);
    ceph.order("kill all");
    let begun = Instant::now();
    let run = running.wait().expect_code(3);
    assert!(begun.elapsed().as_secs() < 30, "{:?}", begun.elapsed());
    case.seen_blindly(run, "").is("unavailable", UNKNOWN);
}

/// Shutting librados down beside a call that never returns aborts the process; so nobody may try.
#[test]
fn a_call_that_never_returns_does_not_spoil_the_end() {
    let Some(ceph) = Ceph::private(Kept::InMemory(1024)) else { return };
    let cases: Vec<_> = (0..7).map(|_| long_removal(&ceph, "osd frozen in the middle")).collect();
    let running: Vec<_> = cases.iter().map(|case| removing(case, "rados_connect_timeout = 0")).collect();
    ceph.order("freeze osd");
    let mut running = running.into_iter();
    for run in running.by_ref().take(5) {
        run.signal(Signal::TERM);
        run.until_stderr("a second signal stops at once");
        run.signal(Signal::TERM);
        run.wait().expect_code(143);
    }
    // And those that wait until the deadline has passed.
    let runs: Vec<_> = running.map(Running::wait).collect();
    for (run, case) in runs.into_iter().zip(&cases[5..]) {
        case.seen_blindly(run, "deadline").is("unavailable", UNKNOWN);
    }
}

#[test]
fn a_scrubber_that_is_killed_in_the_middle_leaves_what_the_next_one_finishes() {
    let Some(ceph) = Ceph::shared() else { return };
    let case = long_removal(&ceph, "scrubber killed in the middle");
    let running = removing(&case, "");
    running.signal(Signal::KILL);
    assert_eq!(running.wait().signal, Some(9));
    assert_eq!(ceph.look(&case.image), HALF);
    next_run_finishes(&case);
}

#[test]
fn a_client_that_is_blocklisted_connects_anew() {
    let Some(ceph) = Ceph::private(Kept::InMemory(1024)) else { return };
    let case = long_removal(&ceph, "client blocklisted in the middle");
    let running = removing(&case, "");
    assert_eq!(ceph.call("blocklist", json!(["client.glance"])), 1);
    let seen = case.seen(running.wait_up_to(LONG), "");
    assert!(seen.run.stderr.contains("Connecting anew"), "{}", seen.run.output());
    seen.is("deleted", "gone");
}
