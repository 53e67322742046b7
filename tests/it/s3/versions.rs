//! Buckets that keep versions, locks on versions, and uploads that were never finished.

use super::*;

#[test]
fn all_versions_and_markers_of_an_image_go_and_no_others() {
    let Some(cloud) = Cloud::shared() else { return };
    for server in SERVERS {
        let case = Case::versioned(&cloud, server, "versioned: two versions and a delete marker");
        let longer = format!("{}-longer", case.image);
        let place = |key: &str| json!({"server": server, "key": key, "bucket": case.bucket});
        cloud.call("s3.put", place(&case.image));
        cloud.call("s3.put", place(&longer));
        cloud.call("s3.remove", place(&case.image));
        assert_eq!(case.left(), "2 versions, 1 markers");
        case.scrub("").is("deleted", "gone");
        assert_eq!(cloud.call("s3.there", place(&longer)), true);

        let case = Case::versioned(&cloud, server, "versioned: delete markers alone");
        let place = json!({"server": server, "key": case.image, "bucket": case.bucket});
        let version = cloud.call("s3.versions", place.clone())[0]["id"].clone();
        cloud.call("s3.remove", place);
        let version = json!({"server": server, "key": case.image, "bucket": case.bucket, "version": version});
        cloud.call("s3.remove", version);
        assert_eq!(case.left(), "1 markers");
        case.scrub("").is("absent", "gone");

        let case = Case::versioned(&cloud, server, "suspended: versions from before");
        let suspended = json!({"server": server, "bucket": case.bucket, "status": "Suspended"});
        cloud.call("s3.versioning", suspended);
        cloud.call("s3.put", json!({"server": server, "key": case.image, "bucket": case.bucket}));
        // moto forgets the older one.
        assert_eq!(case.left(), if server == "moto" { "object" } else { "2 versions" });
        case.scrub("").is("deleted", "gone");

        let case = Case::versioned(&cloud, server, "versioned, s3_all_versions = false");
        let seen = case.scrub("s3_all_versions = false");
        seen.is("deleted", "1 versions, 1 markers").remarks("older versions stay");
    }
}

#[test]
fn a_version_under_a_lock_keeps_its_image_pending() {
    let Some(cloud) = Cloud::shared() else { return };
    for server in ["radosgw", "moto"] {
        let mut case = Case::empty(&cloud, server, "");
        case.bucket = format!("locked-{}", &new_id()[..13]);
        case.call("create_bucket", json!({"Bucket": case.bucket, "ObjectLockEnabledForBucket": true}));
        let living = case.add(&case.living, 10);
        Image::active("lives-too", &[&living]).insert(&case.site.database);
        let uri = case.add(&case.image, 1000);
        case.pending(&uri);
        let hold = |case: &Case<'_>, status: &str| {
            let object = json!({"Bucket": case.bucket, "Key": case.image, "LegalHold": {"Status": status}});
            assert_eq!(case.call("put_object_legal_hold", object)["refused"], json!(null));
        };
        hold(&case, "ON");
        case.name = "version under legal hold".to_owned();
        case.scrub("").is("forbidden", "1 versions").says(&["1 of 1 versions stay"]);
        hold(&case, "OFF");
        case.name = "legal hold taken off".to_owned();
        case.scrub("").is("deleted", "gone");
    }
}

#[test]
fn unfinished_uploads_of_a_due_image_are_aborted_and_no_others() {
    let Some(cloud) = Cloud::shared() else { return };
    for server in SERVERS {
        let case = Case::new(&cloud, server, "unfinished multipart upload");
        let other = format!("{}x", case.image);
        for key in [&case.image, &other] {
            cloud.call("s3.begin_upload", json!({"server": server, "key": key, "parts": 2, "bucket": case.bucket}));
        }
        assert_eq!(case.left(), "object, 1 uploads");
        case.scrub("").is("deleted", "gone").remarks("1 unfinished uploads of it were aborted");
        let others = json!({"server": server, "key": other, "bucket": case.bucket});
        assert_eq!(cloud.texts("s3.uploads", others).len(), 1);
    }
}
