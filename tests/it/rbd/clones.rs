//! Images that volumes were cloned from. A clone of format 1 wants its parent's snapshot protected; one of format 2
//! lets the snapshot go, and holds what is left of the parent.

use serde_json::json;

use super::*;

const POLICIES: [&str; 2] = ["wait", "trash"];

fn cloned<'a>(ceph: &'a Ceph, name: &str, format: u32) -> Case<'a> {
    let case = Case::new(ceph, name);
    ceph.call("clone", json!([case.image, "vms", format!("{}-disk", case.image), format]));
    case
}

fn in_use(policy: &str) -> String {
    format!("[scrubber]\nrbd_in_use = {policy}")
}

#[test]
fn clones_of_format_1_are_waited_for() {
    let Some(ceph) = Ceph::shared() else { return };
    for policy in POLICIES {
        let case = cloned(&ceph, "clone of format 1", 1);
        let disk = format!("vms/{}-disk", case.image);
        let seen = case.scrub_noting(policy, &format!("rbd_store_user = glance-vms\n{}", in_use(policy)));
        seen.is("in_use", UNTOUCHED).says(&["1 clone", &disk]);
        // What Glance's user may not see is there all the same.
        let seen = case.scrub_noting(&format!("{policy}, pool not readable"), &in_use(policy));
        seen.is("in_use", UNTOUCHED);
        ceph.call("trash", json!(["vms", format!("{}-disk", case.image), 0]));
        let seen = case.scrub_noting(&format!("{policy}, clone in the trash"), &in_use(policy));
        seen.is("in_use", UNTOUCHED);
        ceph.call("purge", json!(["vms", format!("{}-disk", case.image)]));
        case.scrub_noting(&format!("{policy}, clone gone"), &in_use(policy)).is("deleted", "gone");
    }
}

#[test]
fn clones_of_format_2_send_an_image_to_the_trash_or_are_waited_for() {
    let Some(ceph) = Ceph::shared() else { return };
    for user in ["glance-vms", "glance"] {
        let with = |policy| format!("rbd_store_user = {user}\n{}", in_use(policy));
        let case = cloned(&ceph, "clone of format 2", 2);
        let disk = format!("{}-disk", case.image);
        let seen = case.scrub_noting(&format!("wait, as {user}"), &with("wait"));
        seen.is("in_use", UNTOUCHED);
        if user == "glance-vms" {
            seen.says(&["1 clone", &format!("vms/{disk}")]);
        }
        case.scrub_noting(&format!("trash, as {user}"), &with("trash")).is("trashed", "trashed [removed but cloned]");

        let case = cloned(&ceph, "clone of format 2 in the trash", 2);
        let disk = format!("{}-disk", case.image);
        ceph.call("trash", json!(["vms", disk, 0]));
        case.scrub_noting(&format!("wait, as {user}"), &with("wait")).is("in_use", UNTOUCHED);
        case.scrub_noting(&format!("trash, as {user}"), &with("trash")).is("trashed", "trashed [removed but cloned]");
    }
}

#[test]
fn a_clone_of_format_2_that_went_lets_its_image_go() {
    let Some(ceph) = Ceph::shared() else { return };
    let case = cloned(&ceph, "clone of format 2", 2);
    ceph.call("remove", json!(["vms", format!("{}-disk", case.image)]));
    case.scrub_noting("wait, clone gone", &in_use("wait")).is("deleted", "gone");
}

#[test]
fn at_most_five_clones_are_named_and_all_are_counted() {
    let Some(ceph) = Ceph::shared() else { return };
    let case = Case::new(&ceph, "six clones of format 1");
    for number in 1..=6 {
        ceph.call("clone", json!([case.image, "images", format!("{}-{number}", case.image), 1]));
    }
    let seen = case.scrub("");
    seen.is("in_use", UNTOUCHED).says(&["6 clones"]);
    assert_eq!(seen.detail.matches("images/").count(), 5, "{}", seen.detail);
}
