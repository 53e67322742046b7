//! Images with which nobody has anything to do: with and without snapshots, of the old format, half removed, gone.

use serde_json::json;

use super::*;

#[test]
fn an_image_goes_with_its_snapshot() {
    let Some(ceph) = Ceph::shared() else { return };
    Case::new(&ceph, "snapshot protected").scrub("").is("deleted", "gone");

    let case = Case::new(&ceph, "snapshot not protected");
    ceph.call("unprotect", json!(["images", case.image, "snap"]));
    case.scrub("").is("deleted", "gone");

    let case = Case::new(&ceph, "no snapshot");
    ceph.call("unprotect", json!(["images", case.image, "snap"]));
    ceph.call("remove_snap", json!(["images", case.image, "snap"]));
    case.scrub("").is("deleted", "gone");
}

#[test]
fn a_snapshot_of_others_sends_an_image_to_the_trash_or_is_waited_for() {
    let Some(ceph) = Ceph::shared() else { return };
    for (policy, outcome, left) in
        [("wait", "in_use", "listed [snap protected, backup]"), ("trash", "trashed", "trashed [backup]")]
    {
        let case = Case::new(&ceph, "snapshot of others");
        ceph.call("snap", json!(["images", case.image, "backup"]));
        let seen = case.scrub_noting(policy, &format!("[scrubber]\nrbd_in_use = {policy}"));
        seen.is(outcome, left);
        if policy == "wait" {
            seen.says(&["backup"]);
        }
    }
}

#[test]
fn a_uri_of_one_part_means_the_configured_pool_and_no_snapshot() {
    let Some(ceph) = Ceph::shared() else { return };
    let image = new_id();
    ceph.call("create", json!(["images", image, 2]));
    Case::of(&ceph, "URI of one part, no snapshot", &image, &format!("rbd://{image}")).scrub("").is("deleted", "gone");

    let image = new_id();
    ceph.add(&image);
    let case = Case::of(&ceph, "URI of one part, a snapshot", &image, &format!("rbd://{image}"));
    case.scrub("").is("trashed", "trashed [snap protected]");
}

#[test]
fn images_of_the_old_format_and_half_removed_ones_go() {
    let Some(ceph) = Ceph::shared() else { return };
    let image = new_id();
    ceph.call("create", json!(["images", image, 1]));
    ceph.call("snap", json!(["images", image, "snap"]));
    assert_eq!(ceph.look(&image), "listed [snap]");
    Case::of(&ceph, "old format", &image, &ceph.uri("images", &image)).scrub("").is("deleted", "gone");

    let case = Case::new(&ceph, "half removed");
    ceph.call("behead", json!(["images", case.image]));
    assert_eq!(ceph.look(&case.image), "listed, not to be opened");
    case.scrub("").is("deleted", "gone");
}

#[test]
fn an_image_that_is_not_there_is_absent_and_one_in_the_trash_is_trashed() {
    let Some(ceph) = Ceph::shared() else { return };
    let image = new_id();
    Case::of(&ceph, "image missing", &image, &ceph.uri("images", &image)).scrub("").is("absent", "gone");

    for (delay, name) in [(0, "in the trash already"), (3600, "in the trash already, deferred")] {
        let case = Case::new(&ceph, name);
        ceph.call("trash", json!(["images", case.image, delay]));
        case.scrub("").is("trashed", "trashed [snap protected]");
    }
}
