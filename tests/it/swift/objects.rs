//! Plain objects, large objects of both kinds, and what is there no more.

use super::*;
use crate::support::fault_proxy::FaultProxy;

#[test]
fn an_object_goes_and_is_absent_the_second_time() {
    let Some(cloud) = Cloud::shared() else { return };
    let bin = container();
    let case = Case::stored(&cloud, "one object", &bin, 1000);
    case.scrub("").ends_as("deleted");
    case.is_gone_from(&bin);
    let uri = cloud.text("swift.uri", json!({"object": case.image, "container": bin}));
    let case = Case::of(&cloud, "object gone", &case.image, &uri);
    case.scrub("").ends_as("absent");
}

#[test]
fn a_container_that_is_gone_proves_nothing() {
    let Some(cloud) = Cloud::shared() else { return };
    let image = new_id();
    let uri = cloud.text("swift.uri", json!({"object": image, "container": container()}));
    let case = Case::of(&cloud, "container gone", &image, &uri);
    case.scrub("").ends_as("unavailable").says(&["no container", "right account"]);
}

/// A container of the same name, in which no image is.
#[test]
fn a_container_without_its_living_images_proves_nothing() {
    let Some(cloud) = Cloud::shared() else { return };
    let (bin, image, living) = (container(), new_id(), new_id());
    cloud.call("swift.make_container", json!({"container": bin}));
    let uri = |object: &str| cloud.text("swift.uri", json!({"object": object, "container": bin}));
    let case = Case::of(&cloud, "container without living images", &image, &uri(&image));
    Image::active(&living, &[&uri(&living)]).insert(&case.site.database);
    case.scrub("").ends_as("unavailable").says(&["none of 1 objects of living images", "right account"]);
    cloud.call("swift.put", json!({"object": living, "container": bin}));
    case.scrub("").ends_as("absent");
}

/// With pages of 20, as the servers of the tests have them.
#[test]
fn segments_go_page_by_page_and_the_manifest_last() {
    let Some(cloud) = Cloud::shared() else { return };
    let bin = container();
    let case = Case::stored(&cloud, "DLO of glance_store", &bin, 3 * MEGABYTE);
    assert_eq!(case.left(&bin).unwrap(), ["", "-00001", "-00002", "-00003"]);
    case.scrub("").ends_as("deleted");
    case.is_gone_from(&bin);

    let image = new_id();
    cloud.call("swift.dlo", json!({"object": image, "segments": 45, "container": bin}));
    let neighbour = json!({"object": new_id(), "container": bin});
    cloud.call("swift.put", neighbour.clone());
    let uri = cloud.text("swift.uri", json!({"object": image, "container": bin}));
    let case = Case::of(&cloud, "DLO of 45 segments, 20 a page", &image, &uri);
    case.scrub("").ends_as("deleted");
    case.is_gone_from(&bin);
    assert!(!cloud.call("swift.head", neighbour).is_null());
}

#[test]
fn segments_without_their_manifest_are_found() {
    let Some(cloud) = Cloud::shared() else { return };
    let bin = container();
    let case = Case::stored(&cloud, "DLO, manifest gone", &bin, 2 * MEGABYTE);
    let path = format!("/{bin}/{}", case.image);
    cloud.call("swift.request", json!({"method": "DELETE", "path": path}));
    assert_eq!(case.left(&bin).unwrap(), ["-00001", "-00002"]);
    case.scrub("").ends_as("deleted").remarks("2 segments were not");
    case.is_gone_from(&bin);
}

#[test]
fn a_prefix_that_others_share_is_left_alone() {
    let Some(cloud) = Cloud::shared() else { return };
    let bin = container();
    for (length, name) in [(1, "a part of the container"), (36, "another image")] {
        let (image, other) = (new_id(), new_id());
        let prefix = &other[..length];
        cloud.call("swift.put", json!({"object": other, "container": bin}));
        let manifest = json!({"X-Object-Manifest": format!("{bin}/{prefix}")});
        cloud.call("swift.put", json!({"object": image, "container": bin, "size": 0, "headers": manifest}));
        let uri = cloud.text("swift.uri", json!({"object": image, "container": bin}));
        let case = Case::of(&cloud, &format!("DLO whose prefix takes {name}"), &image, &uri);
        case.scrub("").ends_as("failed").says(&["others may be as well"]);
        assert_eq!(case.left(&bin).unwrap(), [""]);
        assert!(!cloud.call("swift.head", json!({"object": other, "container": bin})).is_null());
    }
}

/// Segments in a container that the user may read and not write.
#[test]
fn segments_that_are_refused_keep_their_manifest() {
    let Some(cloud) = Cloud::shared() else { return };
    for kind in ["dlo", "slo"] {
        let (bin, segs, image) = (container(), container(), new_id());
        for (name, write) in [(&bin, true), (&segs, false)] {
            let acl = format!("{}:{}", cloud.user("stranger").project_id, cloud.user("stranger").user_id);
            let mut headers = json!({"X-Container-Read": format!("{acl},.rlistings")});
            if write {
                headers["X-Container-Write"] = json!(acl);
            }
            cloud.call("swift.make_container", json!({"container": name, "user": "demo", "headers": headers}));
        }
        let made = json!({"object": image, "segments": 2, "container": bin, "segment_container": segs, "user": "demo"});
        cloud.call(&format!("swift.{kind}"), made);
        // The stranger's login, in the account of demo.
        let storage = cloud.text("swift.storage_url", json!({"user": "demo"}));
        let stranger = cloud.user("stranger");
        let url = format!("{}/{bin}/{image}", storage.replace("http://", "swift+http://"));
        let case = Case::of(&cloud, &format!("{kind} whose segments are refused"), &image, &url);
        let login = options(
            &cloud.fact("/keystone/url"),
            &format!("{}:{}", stranger.project, stranger.user),
            &stranger.password,
        );
        let service = "[scrubber]\nswift_service_auth = ref1\n";
        case.scrub_with("", &format!("{login}{service}")).ends_as("forbidden").says(&["2 of 2 segments", "403"]);
        assert_eq!(case.left_of("demo", &bin).unwrap(), [""], "the manifest is all that finds them");
        assert_eq!(case.left_of("demo", &segs).unwrap(), ["-00001", "-00002"]);
        // Once they may be deleted, all of it goes.
        let acl = format!("{}:{}", stranger.project_id, stranger.user_id);
        let headers = json!({"X-Container-Write": acl});
        cloud.call("swift.make_container", json!({"container": segs, "user": "demo", "headers": headers}));
        case.scrub_with("allowed", &format!("{login}{service}")).ends_as("deleted");
        assert_eq!(case.left_of("demo", &bin).unwrap(), [""; 0]);
        assert_eq!(case.left_of("demo", &segs).unwrap(), [""; 0]);
    }
}

#[test]
fn static_large_objects_go_with_their_segments() {
    let Some(cloud) = Cloud::shared() else { return };
    let bin = container();
    for (name, gone) in [("SLO", 0), ("SLO, one segment missing", 1)] {
        let image = new_id();
        cloud.call("swift.slo", json!({"object": image, "segments": 3, "container": bin}));
        for number in 1..=gone {
            let path = format!("/{bin}/{image}-{number:05}");
            cloud.call("swift.request", json!({"method": "DELETE", "path": path}));
        }
        let uri = cloud.text("swift.uri", json!({"object": image, "container": bin}));
        let case = Case::of(&cloud, name, &image, &uri);
        case.scrub("").ends_as("deleted");
        case.is_gone_from(&bin);
    }
}

#[test]
fn a_container_that_keeps_versions_is_mentioned() {
    let Some(cloud) = Cloud::shared() else { return };
    let bin = container();
    let versioned = json!({"container": bin, "headers": {"X-Versions-Enabled": "true"}});
    cloud.call("swift.make_container", versioned);
    let case = Case::stored(&cloud, "container with versions", &bin, 1000);
    case.scrub("").ends_as("deleted").remarks("keeps older versions");
    case.is_gone_from(&bin);
}

/// As many images as keep a proxy busy, in one run.
#[test]
fn many_images_share_a_login_and_connections() {
    let Some(cloud) = Cloud::shared() else { return };
    let (bin, site) = (container(), Site::new(Engine::Sqlite));
    Image::active("living", &[&site.file("living")]).insert(&site.database);
    let images: Vec<String> = (0..40).map(|_| new_id()).collect();
    for image in &images {
        cloud.call("swift.put", json!({"object": image, "container": bin, "size": 10}));
        Image::pending(image, TimeDelta::hours(2), &[&format!("swift+config://ref1/{bin}/{image}")])
            .insert(&site.database);
    }
    let keystone = FaultProxy::before(&cloud.fact("/keystone/url"));
    let config = site.config(&format!(
        "stores = file, swift\n{}",
        own(&cloud).replace(&cloud.fact("/keystone/url"), &keystone.url())
    ));
    let run = site.run_with(&config, &["--once", "-f", "json"]);
    assert_eq!(run.code, Some(0), "{}", run.output());
    assert_eq!(cloud.texts("swift.objects", json!({"container": bin})), [""; 0]);
    let logins = keystone.seen_of("POST", "/auth/tokens");
    assert_eq!(logins.iter().filter(|asked| asked.status == Some(201)).count(), 1);
}

#[test]
fn a_manifest_that_lists_another_image_is_left_alone() {
    let Some(cloud) = Cloud::shared() else { return };
    let (bin, image, other) = (container(), new_id(), new_id());
    cloud.call("swift.slo", json!({"object": other, "segments": 2, "container": bin}));
    let path = format!("/{bin}/{image}?multipart-manifest=put");
    let parts = json!([{"path": format!("/{bin}/{other}-00001")}]).to_string();
    cloud.call("swift.request", json!({"method": "PUT", "path": path, "body": parts}));
    let uri = cloud.text("swift.uri", json!({"object": image, "container": bin}));
    let case = Case::of(&cloud, "SLO that lists another image", &image, &uri);
    case.scrub("").ends_as("failed").says(&["another image's"]);
    assert_eq!(cloud.texts("swift.objects", json!({"container": bin})).len(), 4);
}
