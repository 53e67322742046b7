//! Images in a real Ceph cluster.

use super::*;
use crate::support::ceph::{Ceph, new_id};
use crate::support::snapshot::Snapshot;

/// A deleted image as Glance stored it, in a database of its own.
struct Case<'a> {
    ceph: &'a Ceph,
    site: Site,
    image: String,
}

impl<'a> Case<'a> {
    fn new(ceph: &'a Ceph) -> Case<'a> {
        let image = new_id();
        let uri = ceph.add(&image);
        Case::of(ceph, image, &uri)
    }

    fn of(ceph: &'a Ceph, image: String, uri: &str) -> Case<'a> {
        let site = site(Engine::Sqlite);
        let mut deleted = Deleted::new(&image, uri);
        deleted.size = 1 << 20;
        deleted.insert(&site.database);
        Case { ceph, site, image }
    }

    fn config(&self) -> std::path::PathBuf {
        let conf = self.ceph.conf().display();
        self.site.config(&format!("stores = file, rbd\nrbd_store_user = glance\nrbd_store_ceph_conf = {conf}"))
    }

    /// Both say the same, and the restore brings it back.
    #[track_caller]
    fn comes_back(&self, words: &str) {
        let left = self.ceph.look(&self.image);
        let dry = self.site.run_with(&self.config(), &["--dry-run", "--restore", &self.image]).expect_code(0);
        assert!(dry.stdout.contains(words), "{words:?} in {}", dry.output());
        self.site.run_with(&self.config(), &["--restore", &self.image]).expect_code(0);
        assert_eq!(alive(&self.site.database, &self.image), ALL);
        assert_eq!(self.ceph.look(&self.image), left, "a look changes nothing");
        self.site.run_with(&self.config(), &["--once", "--allow-empty"]).expect_code(0);
        assert_eq!(self.ceph.look(&self.image), left, "it is alive");
    }

    #[track_caller]
    fn is_refused(&self, words: &str) {
        let before = Snapshot::of(&self.site.database);
        for dry_run in [&["--dry-run"][..], &[]] {
            let run = self.site.run_with(&self.config(), &[dry_run, &["--restore", &self.image]].concat());
            let run = run.expect_code(7);
            assert!(run.stderr.contains(words), "{words:?} in {}", run.output());
        }
        Snapshot::of(&self.site.database).assert_is(&before, words);
    }
}

#[test]
fn restored_from_ceph_with_its_snapshot() {
    let Some(ceph) = Ceph::shared() else { return };
    Case::new(&ceph).comes_back("it is there");
}

/// Which is what keeps a scrubber waiting, or sends the image to the trash.
#[test]
fn restored_from_ceph_with_clones() {
    let Some(ceph) = Ceph::shared() else { return };
    for format in [1, 2] {
        let case = Case::new(&ceph);
        ceph.call("clone", serde_json::json!([case.image, "vms", format!("{}-disk", case.image), format]));
        case.comes_back("it is there");
    }
    let case = Case::new(&ceph);
    let _holder = ceph.hold(&case.image, "write");
    case.comes_back("it is there, and in use");
}

/// A delete takes off the protection, then the snapshot, then the data.
#[test]
fn not_restored_from_ceph_once_a_delete_has_begun() {
    let Some(ceph) = Ceph::shared() else { return };
    let case = Case::new(&ceph);
    ceph.call("unprotect", serde_json::json!(["images", case.image, "snap"]));
    case.is_refused("is not protected any more (rbd snap protect images/");
    ceph.call("remove_snap", serde_json::json!(["images", case.image, "snap"]));
    case.is_refused("has no snapshot snap any more; a delete had begun");
    let beheaded = Case::new(&ceph);
    ceph.call("behead", serde_json::json!(["images", beheaded.image]));
    beheaded.is_refused("of location");
    ceph.call("remove", serde_json::json!(["images", case.image]));
    case.is_refused("is gone");
    // Protected again by hand, as the refusal says.
    let case = Case::new(&ceph);
    ceph.call("unprotect", serde_json::json!(["images", case.image, "snap"]));
    ceph.call("protect", serde_json::json!(["images", case.image, "snap"]));
    case.comes_back("it is there");
}

#[test]
fn not_restored_from_the_trash_of_ceph_or_from_another_cluster() {
    let Some(ceph) = Ceph::shared() else { return };
    let case = Case::new(&ceph);
    ceph.call("trash", serde_json::json!(["images", case.image, 0]));
    case.is_refused("is gone: it lies in the pool's trash already, with id ");
    let elsewhere = "rbd://00000000-0000-0000-0000-000000000000/images/image/snap";
    Case::of(&ceph, new_id(), elsewhere).is_refused("cannot be told (no_store: it lies in cluster 00000000");
    let image = new_id();
    let uri = ceph.uri("nopool", &image);
    Case::of(&ceph, image, &uri).is_refused("cannot be told (");
}
