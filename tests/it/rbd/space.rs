//! A cluster that is full holds back every write, also those that a delete needs, unless it is told what they are for.

use serde_json::json;

use super::*;
use crate::support::ceph::Kept;
use crate::support::eventually;

#[test]
fn a_full_cluster_is_emptied() {
    let Some(ceph) = Ceph::private(Kept::InMemory(320)) else { return };
    let case = |name| case_of_16_megabytes(&ceph, name);
    let (first, cloned, held) =
        (case("full cluster"), case("full cluster, clone of format 2"), case("full cluster, open"));
    ceph.call("clone", json!([cloned.image, "vms", "disk", 2]));
    // The first removal in a pool makes an object that later ones need: see below.
    Case::new(&ceph, "first removal in a pool").scrub("").is("deleted", "gone");
    assert!(has_trash(&ceph));
    let holder = ceph.hold(&held.image, "lock");
    ceph.call("fill", json!(["images", 14])); // of 320 MB; three images are 15 %
    held.scrub(SOON).is("in_use", UNTOUCHED).says(&[&holder.address]);
    assert_eq!(ceph.call("is_full", json!(["images"])), true);
    cloned.scrub(SOON).is("trashed", "trashed [removed but cloned]");
    assert_eq!(ceph.call("is_full", json!(["images"])), true);
    first.scrub(SOON).is("deleted", "gone");
    eventually("the space to be free", || (ceph.call("is_full", json!(["images"])) == false).then_some(()));
    ceph.add(&new_id());
}

/// In a full pool that has no trash yet, librbd says of an image that it cannot remove that it is not there.
#[test]
fn an_image_in_a_full_pool_without_a_trash_is_deleted_and_not_absent() {
    let Some(ceph) = Ceph::private(Kept::InMemory(320)) else { return };
    let case = case_of_16_megabytes(&ceph, "full pool that never had a trash");
    ceph.call("fill", json!(["images", 4]));
    assert!(!has_trash(&ceph));
    case.scrub(SOON).is("deleted", "gone");
    assert!(has_trash(&ceph), "librbd wants it, and cannot make it here by itself");
}

fn case_of_16_megabytes<'a>(ceph: &'a Ceph, name: &str) -> Case<'a> {
    let image = new_id();
    let uri = ceph.call("add", json!([image, 16 << 20]));
    Case::of(ceph, name, &image, uri.as_str().unwrap())
}

fn has_trash(ceph: &Ceph) -> bool {
    ceph.call("objects", json!(["images"])).to_string().contains("rbd_trash")
}
