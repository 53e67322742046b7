//! What a volume can be in the middle of.

use std::time::Instant;

use rustix::process::Signal;

use super::*;

#[test]
fn what_holds_a_volume_is_said_and_nothing_is_touched() {
    let Some(cloud) = Cloud::shared() else { return };
    let case = Case::volume_of(&cloud, "attached", "glance");
    let attachment = cloud.text("cinder.attach", json!({"volume": case.volume}));
    case.scrub("").is("in_use", "in-use").says(&["in-use (1 attachments)"]);
    cloud.call("cinder.detach", json!({"attachment": attachment}));
    cloud.call("cinder.wait", json!({"volume": case.volume, "status": "available"}));
    case.named("detached").scrub("").is("deleted", "gone");

    let case = Case::volume_of(&cloud, "reserved", "glance");
    cloud.call("cinder.reserve", json!({"volume": case.volume}));
    case.scrub("").is("in_use", "reserved").says(&["it is reserved"]);

    for status in ["attaching", "detaching", "maintenance", "uploading", "retyping"] {
        let case = Case::volume_of(&cloud, status, "glance");
        cloud.call("cinder.reset", json!({"volume": case.volume, "status": status}));
        case.scrub("").is("in_use", status);
    }

    let case = Case::volume_of(&cloud, "with a snapshot", "glance");
    let snapshot = cloud.text("cinder.snapshot", json!({"volume": case.volume}));
    case.scrub("").is("in_use", "available").says(&["has 1 snapshots"]);
    cloud.call("cinder.remove_snapshot", json!({"snapshot": snapshot}));
    case.named("snapshot removed").scrub("").is("deleted", "gone");

    let case = Case::volume_of(&cloud, "in the status error", "glance");
    cloud.call("cinder.reset", json!({"volume": case.volume, "status": "error"}));
    case.scrub("").is("deleted", "gone");
}

#[test]
fn a_slow_delete_is_waited_for() {
    let Some(cloud) = Cloud::shared() else { return };
    let case = Case::volume_of(&cloud, "three seconds in deleting", "glance");
    case.control("delay_delete", json!(3));
    let begun = Instant::now();
    case.scrub("").is("deleted", "gone");
    assert!(begun.elapsed().as_secs() >= 3);
}

#[test]
fn somebody_elses_delete_is_waited_for() {
    let Some(cloud) = Cloud::shared() else { return };
    let case = Case::volume_of(&cloud, "already deleting", "glance");
    case.control("delay_delete", json!(3));
    cloud.call("cinder.delete", json!({"volume": case.volume}));
    case.scrub("").is("deleted", "gone");
}

#[test]
fn a_delete_that_takes_too_long_is_left_with_what_to_look_at() {
    let Some(cloud) = Cloud::shared() else { return };
    let case = Case::volume_of(&cloud, "longer in deleting than cinder_state_transition_timeout", "glance");
    case.control("delay_delete", json!(8));
    let seen = case.scrub("cinder_state_transition_timeout = 2\n");
    seen.is("unavailable", "deleting").says(&["deleting for more than 2 s", "cinder-volume"]);
    let case = case.named("the next cycle after that");
    case.scrub("").is("deleted", "gone");
}

#[test]
fn a_backend_that_cannot_is_named_and_not_pressed() {
    let Some(cloud) = Cloud::shared() else { return };
    let case = Case::volume_of(&cloud, "the backend fails", "glance");
    case.control("fail_delete", json!(1));
    case.scrub("").is("failed", "error_deleting").says(&["error_deleting", "reset-state", "cinder-volume"]);
    let case = case.named("error_deleting, the next cycle");
    case.scrub("").is("failed", "error_deleting").says(&["reset-state"]);
    case.control("fail_delete", Value::Null);
    cloud.call("cinder.reset", json!({"volume": case.volume, "status": "available"}));
    case.named("after reset-state").scrub("").is("deleted", "gone");

    let case = Case::volume_of(&cloud, "the backend is busy", "glance");
    case.control("busy_delete", json!(1));
    case.control("delay_delete", json!(1));
    case.scrub("").is("in_use", "available").says(&["busy", "made it available again"]);
    case.control("busy_delete", Value::Null);
    case.named("busy no more").scrub("").is("deleted", "gone");
}

/// What a scrubber told Cinder before it was killed is found by the next one.
#[test]
fn a_restart_in_the_middle_finds_the_volume_deleting_or_gone() {
    let Some(cloud) = Cloud::shared() else { return };
    for (name, delay) in [("killed while deleting, still at it", 6), ("killed while deleting, gone since", 2)] {
        let case = Case::volume_of(&cloud, name, "glance");
        case.control("delay_delete", json!(delay));
        let running = case.start(&store_of(&cloud, "glance"), "");
        cloud.call("cinder.wait", json!({"volume": case.volume, "status": "deleting"}));
        running.signal(Signal::KILL);
        running.wait();
        if delay == 2 {
            cloud.call("cinder.wait", json!({"volume": case.volume, "status": "gone"}));
        }
        case.scrub("").is(if delay == 2 { "absent" } else { "deleted" }, "gone");
    }
}
