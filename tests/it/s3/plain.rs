//! Images without anything special about them, in every spelling of their URIs.

use super::*;

#[test]
fn an_image_goes_and_one_that_has_gone_is_finished() {
    let Some(cloud) = Cloud::shared() else { return };
    for server in SERVERS {
        Case::new(&cloud, server, "object there").scrub("").is("deleted", "gone");
        Case::sized(&cloud, server, "object there, uploaded in parts", 6 << 20).scrub("").is("deleted", "gone");
        // S3 does not tell whether what it deleted was there.
        let case = Case::new(&cloud, server, "object gone");
        cloud.call("s3.remove", json!({"server": server, "key": case.image, "bucket": case.bucket}));
        case.scrub("").is("deleted", "gone");
    }
}

#[test]
fn an_old_uri_with_credentials_goes_with_the_configured_keys() {
    let Some(cloud) = Cloud::shared() else { return };
    for (name, credentials, host) in [
        ("old URI", "AKIAOLD:OLDSECRET@", None),
        ("old URI, its secret not escaped", "AKIAOLD:OLDSECRET/a+b%2Fc@d:e@", None),
        ("another host in the URI", "", Some("s3.former.example.com:8080/path")),
    ] {
        let case = Case::empty(&cloud, "moto", name);
        let uri = case.add(&case.image, 1000);
        let (_, rest) = uri.split_once("://").unwrap();
        let (own, path) = rest.split_once('/').unwrap();
        case.pending(&format!("s3+https://{credentials}{}/{path}", host.unwrap_or(own)));
        case.scrub("").is("deleted", "gone");
    }
}

#[test]
fn a_bucket_that_is_not_there_says_nothing_of_what_it_held() {
    let Some(cloud) = Cloud::shared() else { return };
    for server in SERVERS {
        let case = Case::new(&cloud, server, "bucket gone");
        for key in [&case.image, &case.living] {
            cloud.call("s3.remove", json!({"server": server, "key": key, "bucket": case.bucket}));
        }
        case.call("delete_bucket", json!({"Bucket": case.bucket}));
        case.scrub("").is("unavailable", "no bucket").says(&["does not exist", "s3_store_host"]);
    }
}

/// A bucket of the same name at another server, empty: it answers every delete with success.
#[test]
fn the_wrong_server_with_a_bucket_of_the_same_name_is_noticed() {
    let Some(cloud) = Cloud::shared() else { return };
    for (right, wrong) in [("moto", "radosgw"), ("radosgw", "s3api"), ("s3api", "moto")] {
        let mut case = Case::new(&cloud, right, &format!("wrong endpoint ({wrong}) with the same bucket name"));
        cloud.call("s3.make_bucket", json!({"server": wrong, "bucket": case.bucket}));
        case.url = Some(cloud.fact(&format!("/{wrong}/url")));
        case.keys = Some(cloud.keys(wrong, "full"));
        case.scrub("").is("unavailable", "object").says(&["none of 1 images that are in use", "s3_store_host"]);
        (case.url, case.keys) = (None, None);
        case.scrub("").is("deleted", "gone");
    }
}

#[test]
fn one_key_in_two_buckets_is_two_objects() {
    let Some(cloud) = Cloud::shared() else { return };
    let case = Case::new(&cloud, "radosgw", "key also in another bucket, of a living image");
    let other = Case::empty(&cloud, "radosgw", "");
    let uri = other.add(&case.image, 10);
    Image::active("copy", &[&uri]).insert(&case.site.database);
    case.scrub("").is("deleted", "gone");
    let there = json!({"server": "radosgw", "key": case.image, "bucket": other.bucket});
    assert_eq!(cloud.call("s3.there", there), true);
}

#[test]
fn data_that_a_living_image_names_by_another_host_stays() {
    let Some(cloud) = Cloud::shared() else { return };
    let case = Case::new(&cloud, "moto", "a living image names it by another host");
    let elsewhere = format!("s3+https://AKIAOLD:OLDSECRET@s3.former.example.com/{}/{}", case.bucket, case.image);
    Image::active("twin", &[&elsewhere]).insert(&case.site.database);
    let seen = case.scrub("");
    assert_eq!((seen.outcome.as_str(), seen.left.as_str(), seen.rows.as_str()), ("shared", "object", PENDING));
}

#[test]
fn uris_that_name_no_object_stay() {
    let Some(cloud) = Cloud::shared() else { return };
    for uri in ["s3://HOST/BUCKET/IMAGE?versionId=1", "s3://HOST/BUCKET/.."] {
        let case = Case::empty(&cloud, "moto", &format!("URI {uri}"));
        let whole = uri.replace("HOST", "h").replace("BUCKET", &case.bucket).replace("IMAGE", &case.image);
        case.pending(&whole);
        case.scrub("").is("malformed", "gone");
    }
}

#[test]
fn keys_that_are_odd_go_too() {
    let Some(cloud) = Cloud::shared() else { return };
    for server in SERVERS {
        for key in ["a b+c&d<e>'f\"~(*)", "50%25", "b\u{e9}\u{4e2d}", "c\u{1}d"] {
            if key.contains('\u{1}') && server == "s3api" {
                continue; // it takes no such key
            }
            let mut case = Case::empty(&cloud, server, "odd key");
            let uri = case.uri().replace(&case.image, key);
            cloud.call("s3.put", json!({"server": server, "key": key, "bucket": case.bucket}));
            case.pending(&uri.replace('\'', "''"));
            let seen = case.run(&["--once", "-f", "json"], "");
            assert_eq!(verdict(&seen).0, "deleted", "{key:?}: {}", seen.output());
            let left = cloud.call("s3.there", json!({"server": server, "key": key, "bucket": case.bucket}));
            assert_eq!(left, false, "{key:?}");
            case.image = key.to_owned();
        }
    }
}

#[test]
fn a_probe_tells_the_length_and_what_is_absent() {
    let Some(cloud) = Cloud::shared() else { return };
    for server in SERVERS {
        let case = Case::new(&cloud, server, "probe");
        let run = case.run(&["--dry-run", "--probe", "-f", "json"], "");
        case.assert_shows_no_key(&run);
        assert!(run.stdout.contains("1000"), "{}", run.output());
        assert_eq!(case.left(), "object");
        cloud.call("s3.remove", json!({"server": server, "key": case.image, "bucket": case.bucket}));
        let run = case.run(&["--dry-run", "--probe", "-f", "json"], "");
        assert!(run.stdout.contains("absent"), "{}", run.output());
    }
}

#[test]
fn a_check_says_how_the_bucket_is() {
    let Some(cloud) = Cloud::shared() else { return };
    for server in SERVERS {
        let mut case = Case::new(&cloud, server, "check");
        let run = case.run(&["--check"], "");
        case.assert_shows_no_key(&run);
        assert!(run.stdout.contains("it keeps no versions"), "{}", run.output());
        case.keys = Some(S3Keys { secret: "wrong".to_owned(), ..cloud.keys(server, "full") });
        let run = case.run(&["--check"], "");
        assert!(run.stdout.contains("fault") && run.stdout.contains("s3_store_secret_key"), "{}", run.output());
    }
}

/// Two stores whose buckets have the same name, as Glance copies images from store to store.
#[test]
fn a_copy_in_another_store_is_no_reason_to_stay_and_no_target() {
    let Some(cloud) = Cloud::shared() else { return };
    let case = Case::empty(&cloud, "moto", "several stores");
    let other = Case { bucket: case.bucket.clone(), ..Case::empty(&cloud, "radosgw", "") };
    let (here, there) = (case.add(&case.image, 10), other.add(&case.image, 10));
    let section = |store: &Case<'_>, id: &str| {
        let lines = store.config("");
        let options = lines.lines().filter(|line| line.starts_with("s3_store_")).collect::<Vec<_>>().join("\n");
        format!("[{id}]\n{options}\n")
    };
    let stores = format!("{}{}", section(&case, "one"), section(&other, "two"));
    let more = format!("[DEFAULT]\nenabled_backends = one:s3, two:s3\n{stores}[glance_store]\ndefault_backend = one\n");
    let named = |image: Image, id: &str| image.with_meta_data(Some(&format!(r#"{{"store": "{id}"}}"#)));
    let pending = |uri: &str| Image::pending(&case.image, TimeDelta::hours(2), &[uri]);
    // Named by its row; the copy in the other store lives on.
    named(pending(&here), "one").insert(&case.site.database);
    named(Image::active("copy", &[&there]), "two").insert(&case.site.database);
    // Without a store id: its host and its bucket say whose it is.
    let unnamed = new_id();
    let uri = case.add(&unnamed, 10);
    Image::pending(&unnamed, TimeDelta::hours(2), &[&uri]).with_meta_data(None).insert(&case.site.database);
    // Named by a row that must be wrong.
    let wrong = new_id();
    let uri = other.add(&wrong, 10);
    named(Image::pending(&wrong, TimeDelta::hours(2), &[&uri]), "one").insert(&case.site.database);

    let config = case.site.config(&more);
    let run = Scrubber::new().config_file(&config).args(&["--once", "-f", "json"]).run();
    case.assert_shows_no_key(&run);
    other.assert_shows_no_key(&run);
    let status = |image: &str| states(&case.site.database, image).0;
    assert_eq!(status(&case.image), "deleted", "{}", run.output());
    assert_eq!(status(&unnamed), "deleted", "{}", run.output());
    assert_eq!(status(&wrong), "pending_delete", "{}", run.output());
    assert!(run.stdout.contains("its URI names the server of store two, but its row store one"), "{}", run.output());
    let is_there = |store: &Case<'_>, key: &str| {
        cloud.call("s3.there", json!({"server": store.server, "key": key, "bucket": case.bucket})) == true
    };
    assert!(!is_there(&case, &case.image) && is_there(&other, &case.image) && is_there(&other, &wrong));
}
