//! Freeing what lies in the pool's trash under the name of an image that Glance has deleted, and nothing else.

use serde_json::json;

use super::*;
use crate::support::cases::DONE;

const RECLAIM: &str = "[scrubber]\nreclaim_trash = true";

/// An image that was scrubbed into the trash beside a clone. The name of the clone, in pool `vms`.
fn trashed<'a>(ceph: &'a Ceph, name: &str) -> (Case<'a>, String) {
    let case = Case::new(ceph, name);
    let disk = format!("{}-disk", case.image);
    ceph.call("clone", json!([case.image, "vms", disk, 2]));
    case.scrub("").is("trashed", "trashed [removed but cloned]");
    (case, disk)
}

/// A later run, in which nothing is due: what is left, written into the table.
#[track_caller]
fn reclaim(case: &Case<'_>, note: &str, more: &str) -> String {
    let run = case.start(more).wait().expect_code(0);
    let report = report(&run);
    assert_eq!((&report["done"], &report["kept"]), (&json!([]), &json!([])), "{report}");
    let (image, locations) = states(&case.site.database, &case.image);
    assert_eq!((image.as_str(), &locations[..]), ("deleted", &["deleted".to_owned()][..]));
    let left = case.ceph.look(&case.image);
    let outcome = if left == "gone" { "freed" } else { "not freed" }.to_owned();
    case.note(&Seen { outcome, detail: String::new(), left: left.clone(), rows: DONE.to_owned(), run }, note);
    left
}

#[test]
fn what_clones_held_is_freed_when_they_have_gone() {
    let Some(ceph) = Ceph::shared() else { return };
    let (case, disk) = trashed(&ceph, "reclaim: clone of format 2");
    assert_eq!(reclaim(&case, "clone there", RECLAIM), "trashed [removed but cloned]");
    ceph.call("remove", json!(["vms", disk]));
    assert_eq!(reclaim(&case, "clone gone, reclaim_trash off", ""), "trashed []");
    assert_eq!(reclaim(&case, "clone gone", RECLAIM), "gone");
}

#[test]
fn a_protected_snapshot_in_the_trash_is_removed_when_its_clone_of_format_1_has_gone() {
    let Some(ceph) = Ceph::shared() else { return };
    let case = Case::new(&ceph, "reclaim: clone of format 1, trashed by others");
    let disk = format!("{}-disk", case.image);
    ceph.call("clone", json!([case.image, "vms", disk, 1]));
    ceph.call("trash", json!(["images", case.image, 0]));
    case.scrub("").is("trashed", "trashed [snap protected]");
    assert_eq!(reclaim(&case, "clone there", RECLAIM), "trashed [snap protected]");
    ceph.call("remove", json!(["vms", disk]));
    assert_eq!(reclaim(&case, "clone gone", RECLAIM), "gone");
}

#[test]
fn a_deferment_is_kept() {
    let Some(ceph) = Ceph::shared() else { return };
    let case = Case::new(&ceph, "reclaim: deferred");
    ceph.call("trash", json!(["images", case.image, 3600]));
    case.scrub("").is("trashed", "trashed [snap protected]");
    assert_eq!(reclaim(&case, "not over", RECLAIM), "trashed [snap protected]");
}

/// Of others, of a living image, of one that is pending still, and of one whose id an image elsewhere happens to have.
#[test]
fn what_is_not_certainly_glances_is_never_touched() {
    let Some(ceph) = Ceph::shared() else { return };
    let (case, disk) = trashed(&ceph, "reclaim: beside what is not Glance's");
    ceph.call("remove", json!(["vms", disk]));
    let database = &case.site.database;
    let [others, living, recent, shared] = [new_id(), new_id(), new_id(), new_id()];
    for image in [&others, &living, &recent, &shared] {
        ceph.add(image);
        ceph.call("trash", json!(["images", image, 0]));
    }
    Image::active(&living, &[&ceph.uri("images", &living)]).insert(database);
    Image::pending(&recent, TimeDelta::minutes(1), &[&ceph.uri("images", &recent)]).insert(database);
    // Deleted itself, but what it was is a living image's data too.
    let mut deleted = Image::pending(&shared, TimeDelta::hours(3), &[&ceph.uri("images", &shared)]);
    (deleted.status, deleted.locations[0].status) = ("deleted", "deleted");
    deleted.insert(database);
    Image::active("sharer", &[&ceph.uri("images", &shared)]).insert(database);
    let run = case.start(RECLAIM).wait().expect_code(0);
    assert_eq!(ceph.look(&case.image), "gone", "{}", run.output());
    for image in [&others, &living, &recent, &shared] {
        assert_eq!(ceph.look(image), "trashed [snap protected]", "{}", run.output());
    }
}

/// A location of one part names no cluster, and with nothing due the survey asks none which one it is.
#[test]
fn what_a_living_location_needs_stays_however_it_is_spelled() {
    let Some(ceph) = Ceph::shared() else { return };
    for (name, uri) in [("one part", None), ("four parts", Some(()))] {
        let (case, disk) = trashed(&ceph, "reclaim: needed by a living image");
        ceph.call("remove", json!(["vms", disk]));
        let uri = uri.map_or_else(|| format!("rbd://{}", case.image), |()| ceph.uri("images", &case.image));
        Image::active("needs-it", &[&uri]).insert(&case.site.database);
        assert_eq!(reclaim(&case, name, RECLAIM), "trashed []");
        case.site.database.execute("UPDATE images SET status = 'deleted', deleted = 1 WHERE id = 'needs-it'");
        case.site
            .database
            .execute("UPDATE image_locations SET status = 'deleted', deleted = 1 WHERE image_id = 'needs-it'");
        assert_eq!(reclaim(&case, "not needed any more", RECLAIM), "gone");
    }
}
