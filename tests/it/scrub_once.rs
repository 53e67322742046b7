//! `--once` on hosts as they occur: what is deleted, what is recorded, what stays and why, on every database.

use chrono::TimeDelta;

use crate::support::rows::{Image, states};
use crate::support::servers::{Engine, engines_at_hand};
use crate::support::site::Site;

const HOUR: TimeDelta = TimeDelta::hours(1);

fn on_each(test: impl Fn(&Site)) {
    engines_at_hand().into_iter().for_each(|engine| test(&Site::new(engine)));
}

fn on_sqlite() -> Site {
    Site::new(Engine::Sqlite)
}

#[test]
fn due_images_go_and_the_rest_stays() {
    on_each(|site| {
        Image::pending("due", HOUR * 2, &[&site.file("due"), &site.file("due-2")]).insert(&site.database);
        let mut community = Image::pending("community", HOUR * 2, &[&site.file("community")]);
        community.visibility = "community";
        community.insert(&site.database);
        Image::pending("recent", HOUR / 2, &[&site.file("recent")]).insert(&site.database);
        Image::active("living", &[&site.file("living")]).insert(&site.database);
        let run = site.run(&["--once"]);
        assert_eq!(run.code, Some(0), "{}", run.stderr);
        assert!(run.stdout.is_empty(), "a pipe gets no table that nobody asked for: {}", run.stdout);
        assert!(run.stderr.contains("Image due has been scrubbed successfully"), "{}", run.stderr);
        assert!(!site.has("due") && !site.has("due-2") && !site.has("community"));
        assert!(site.has("recent") && site.has("living"));
        assert_eq!(states(&site.database, "due"), ("deleted".into(), vec!["deleted".into(), "deleted".into()]));
        assert_eq!(states(&site.database, "community").0, "deleted");
        assert_eq!(states(&site.database, "recent").0, "pending_delete");
        assert_eq!(states(&site.database, "living"), ("active".into(), vec!["active".into()]));
        let again = site.run(&["--once"]);
        assert_eq!(again.code, Some(0), "{}", again.stderr);
        assert!(again.stderr.contains("0 locations (0 bytes) and 0 images finished"), "{}", again.stderr);
    });
}

#[test]
fn one_bad_row_stops_nothing() {
    on_each(|site| {
        Image::active("living", &[&site.file("living")]).insert(&site.database);
        Image::pending("undecryptable", HOUR * 5, &["bm90IGEgdG9rZW4gYXQgYWxs"]).insert(&site.database);
        Image::pending("unknown", HOUR * 4, &["sheepdog://127.0.0.1:7000:image"]).insert(&site.database);
        Image::pending("no-rbd", HOUR * 4, &["rbd://fsid/images/name/snap"]).insert(&site.database);
        Image::pending("outside", HOUR * 4, &["file:///etc/hostname"]).insert(&site.database);
        Image::pending("climbs", HOUR * 4, &[&site.uri("../glance-scrubber.conf")]).insert(&site.database);
        Image::pending("malformed", HOUR * 4, &["file:relative"]).insert(&site.database);
        let null = Image::pending("null-metadata", HOUR * 3, &[&site.file("null")]).with_meta_data(None);
        null.insert(&site.database);
        Image::pending("bad-metadata", HOUR * 3, &[&site.file("bad")])
            .with_meta_data(Some("{not json"))
            .insert(&site.database);
        let run = site.run(&["--once", "-f", "json"]);
        assert_eq!(run.code, Some(3), "{}", run.stderr);
        let report: serde_json::Value = serde_json::from_str(&run.stdout).unwrap();
        let kept: Vec<_> = report["kept"]
            .as_array()
            .unwrap()
            .iter()
            .map(|line| (line["reason"].as_str().unwrap().to_owned(), line["locations"].as_u64().unwrap()))
            .collect();
        let expected = [("malformed", 1), ("no_store", 2), ("undecryptable", 1), ("forbidden", 2)];
        for (reason, count) in expected {
            let found: u64 = kept.iter().filter(|(word, _)| word == reason).map(|(_, count)| count).sum();
            assert_eq!(found, count, "{reason} in {kept:?}");
        }
        assert!(!site.has("null") && !site.has("bad"));
        assert_eq!(states(&site.database, "null-metadata").0, "deleted");
        assert_eq!(states(&site.database, "bad-metadata").0, "deleted");
        for image in ["undecryptable", "unknown", "no-rbd", "outside", "climbs", "malformed"] {
            assert_eq!(
                states(&site.database, image),
                ("pending_delete".into(), vec!["pending_delete".into()]),
                "{image}"
            );
        }
        assert!(std::path::Path::new("/etc/hostname").exists());
        assert!(run.stderr.contains("Unable to scrub image outside from a location"), "{}", run.stderr);
        assert!(run.stderr.contains("couldn't be scrubbed from backend"), "{}", run.stderr);
    });
}

#[test]
fn data_that_a_living_image_shares_stays() {
    on_each(|site| {
        let shared = site.file("shared");
        let other_spelling = site.uri("./shared").replace("file://", "filesystem://");
        Image::pending("due", HOUR * 2, &[&shared, &site.file("own")]).insert(&site.database);
        Image::active("living", &[&other_spelling]).insert(&site.database);
        let run = site.run(&["--once", "-f", "json"]);
        assert_eq!(run.code, Some(0), "{}", run.stderr);
        assert!(site.has("shared") && !site.has("own"));
        assert_eq!(
            states(&site.database, "due"),
            ("pending_delete".into(), vec!["pending_delete".into(), "deleted".into()])
        );
        assert!(run.stdout.contains(r#""reason":"shared""#), "{}", run.stdout);
        // When the other image has gone too, the data goes, and both images are finished.
        site.database.execute("UPDATE images SET status = 'pending_delete', deleted_at = '2020-01-01 00:00:00', deleted = (1 = 1) WHERE id = 'living'");
        site.database.execute("UPDATE image_locations SET status = 'pending_delete' WHERE image_id = 'living'");
        Image::active("another", &[&site.file("another")]).insert(&site.database);
        let run = site.run(&["--once"]);
        assert_eq!(run.code, Some(0), "{}", run.stderr);
        assert!(!site.has("shared"));
        assert_eq!(states(&site.database, "due").0, "deleted");
        assert_eq!(states(&site.database, "living").0, "deleted");
    });
}

#[test]
fn shared_data_is_seen_through_encryption() {
    let site = on_sqlite();
    let key = "0123456789abcdef";
    let token = |uri: &str| glance_scrubber::location::encrypt_as_glance(uri, &key.into()).unwrap();
    let shared = site.file("shared");
    Image::pending("due", HOUR * 2, &[&token(&shared)]).insert(&site.database);
    Image::active("living", &[&token(&shared)]).insert(&site.database);
    let config = site.config(&format!("[DEFAULT]\nmetadata_encryption_key = {key}"));
    let run = site.run_with(&config, &["--once"]);
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    assert!(site.has("shared"));
}

#[test]
fn encrypted_and_plain_rows_go_together_and_an_old_key_still_opens() {
    let site = on_sqlite();
    let (key, old) = ("0123456789abcdef", "fedcba9876543210fedcba9876543210");
    let token = |uri: &str, key: &str| glance_scrubber::location::encrypt_as_glance(uri, &key.into()).unwrap();
    let sealed = |uri: &str, image: &str| {
        let uri = glance_scrubber::location::SecretUri::new(uri.to_owned());
        glance_scrubber::location::seal(&uri, image, &key.into()).unwrap()
    };
    Image::active("living", &[&site.file("living")]).insert(&site.database);
    Image::pending("plain", HOUR * 2, &[&site.file("a")]).insert(&site.database);
    Image::pending("token", HOUR * 2, &[&token(&site.file("b"), key)]).insert(&site.database);
    Image::pending("old", HOUR * 2, &[&token(&site.file("c"), old)]).insert(&site.database);
    Image::pending("sealed", HOUR * 2, &[&sealed(&site.file("d"), "sealed")]).insert(&site.database);
    Image::pending("copied", HOUR * 2, &[&sealed(&site.file("e"), "another")]).insert(&site.database);
    let config = format!("[DEFAULT]\nmetadata_encryption_key = {key}\n[scrubber]\nold_encryption_keys = {old}");
    let run = site.run_with(&site.config(&config), &["--once"]);
    assert_eq!(run.code, Some(3), "{}", run.stderr);
    for gone in ["a", "b", "c", "d"] {
        assert!(!site.has(gone), "{gone}: {}", run.stderr);
    }
    assert!(site.has("e"), "a value that was copied from another image is not authentic");
}

#[test]
fn an_image_that_the_python_restore_left_without_locations_keeps_them() {
    on_each(|site| {
        let mut restored = Image::pending("restored", HOUR * 5, &[&site.file("data")]);
        (restored.status, restored.deleted) = ("active", false);
        restored.insert(&site.database);
        let run = site.run(&["--once", "-f", "json"]);
        assert_eq!(run.code, Some(0), "{}", run.stderr);
        assert!(site.has("data"));
        assert!(run.stdout.contains(r#""reason":"restored""#), "{}", run.stdout);
        assert_eq!(states(&site.database, "restored").1, ["pending_delete"]);
    });
}

#[test]
fn a_location_removed_from_a_living_image_is_reclaimed() {
    on_each(|site| {
        let mut image = Image::active("living", &[&site.file("kept"), &site.file("removed")]);
        (image.locations[1].status, image.locations[1].deleted_at) =
            ("pending_delete", Some(chrono::Utc::now() - HOUR * 2));
        image.insert(&site.database);
        let run = site.run(&["--once"]);
        assert_eq!(run.code, Some(0), "{}", run.stderr);
        assert!(site.has("kept") && !site.has("removed"));
        assert_eq!(states(&site.database, "living"), ("active".into(), vec!["active".into(), "deleted".into()]));
    });
}

/// The words of Glance's own scrubber about an image that stays pending are only said of one that is.
#[test]
fn a_location_of_a_living_image_that_stays_is_not_told_as_a_pending_image() {
    let site = on_sqlite();
    let mut image = Image::active("living", &[&site.file("kept"), "file:///etc/hostname"]);
    (image.locations[1].status, image.locations[1].deleted_at) =
        ("pending_delete", Some(chrono::Utc::now() - HOUR * 2));
    image.insert(&site.database);
    let run = site.run(&["--once"]);
    assert_eq!(run.code, Some(3), "{}", run.stderr);
    assert!(run.stderr.contains("Unable to scrub image living from a location"), "{}", run.stderr);
    assert!(!run.stderr.contains("Leaving image"), "{}", run.stderr);
}

#[test]
fn an_image_that_somebody_crashed_over_is_finished() {
    on_each(|site| {
        Image::active("living", &[&site.file("living")]).insert(&site.database);
        let mut crashed = Image::pending("crashed", HOUR * 2, &[&site.uri("gone")]);
        crashed.locations[0].status = "deleted";
        crashed.insert(&site.database);
        let run = site.run(&["--once"]);
        assert_eq!(run.code, Some(0), "{}", run.stderr);
        assert_eq!(states(&site.database, "crashed").0, "deleted");
    });
}

#[test]
fn a_missing_file_is_absent_but_a_missing_directory_is_not() {
    let site = on_sqlite();
    Image::active("living", &[&site.file("living")]).insert(&site.database);
    Image::pending("gone", HOUR * 2, &[&site.uri("gone")]).insert(&site.database);
    let away = site.directory.path().join("away");
    std::fs::rename(site.data(), &away).unwrap();
    let run = site.run(&["--once"]);
    assert_eq!(run.code, Some(3), "{}", run.stderr);
    assert!(run.stderr.contains("does not exist; is it mounted?"), "{}", run.stderr);
    assert!(!site.data().exists(), "directories are never created");
    // The mount point without its mount: an empty directory.
    std::fs::create_dir(site.data()).unwrap();
    let run = site.run(&["--once"]);
    assert_eq!(run.code, Some(3), "{}", run.stderr);
    assert!(run.stderr.contains("is the right one mounted?"), "{}", run.stderr);
    assert_eq!(states(&site.database, "gone").0, "pending_delete");
    let check = site.run(&["--check", "-f", "csv"]);
    assert_eq!(check.code, Some(3), "{}", check.stdout);
    assert!(check.stdout.contains("is the right one mounted?"), "{}", check.stdout);
    std::fs::remove_dir(site.data()).unwrap();
    std::fs::rename(&away, site.data()).unwrap();
    let run = site.run(&["--once", "-f", "json"]);
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    assert!(run.stdout.contains(r#""outcome":"absent""#), "{}", run.stdout);
    assert_eq!(states(&site.database, "gone").0, "deleted");
}

#[test]
fn a_marker_that_is_configured_must_be_there() {
    let site = on_sqlite();
    Image::active("living", &[&site.file("living")]).insert(&site.database);
    Image::pending("due", HOUR * 2, &[&site.file("due")]).insert(&site.database);
    let config = site.config("[scrubber]\nfile_marker = .glance-images");
    let run = site.run_with(&config, &["--once"]);
    assert_eq!(run.code, Some(3), "{}", run.stderr);
    assert!(site.has("due"));
    site.file(".glance-images");
    assert_eq!(site.run_with(&config, &["--once"]).code, Some(0));
    assert!(!site.has("due") && site.has(".glance-images"));
}

#[test]
fn http_locations_are_finished_without_a_request() {
    let site = on_sqlite();
    Image::active("living", &[&site.file("living")]).insert(&site.database);
    // Nobody listens on port 9 of the loopback; a request would fail.
    Image::pending("web", HOUR * 2, &["http://127.0.0.1:9/image", &site.file("copy")]).insert(&site.database);
    let run = site.run(&["--once", "-f", "csv"]);
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    assert!(run.stdout.contains("http,finished,nothing_to_delete,1"), "{}", run.stdout);
    assert_eq!(states(&site.database, "web").0, "deleted");
}

#[test]
fn a_deletion_time_in_the_future_waits_and_is_told() {
    let site = on_sqlite();
    Image::active("living", &[&site.file("living")]).insert(&site.database);
    Image::pending("ahead", -HOUR, &[&site.file("ahead")]).insert(&site.database);
    let run = site.run(&["--once", "-f", "json"]);
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    assert!(run.stdout.contains("clock_skew") && run.stdout.contains("is in the future"), "{}", run.stdout);
    assert!(site.has("ahead"));
}

#[test]
fn a_database_without_a_living_image_is_refused() {
    on_each(|site| {
        Image::pending("due", HOUR * 2, &[&site.file("due")]).insert(&site.database);
        let run = site.run(&["--once"]);
        assert_eq!(run.code, Some(4), "{}", run.stderr);
        assert!(run.stderr.contains("--allow-empty"), "{}", run.stderr);
        assert!(site.has("due"));
        assert_eq!(site.run(&["--dry-run", "-f", "value"]).code, Some(4), "a dry run foretells it");
        let run = site.run(&["--once", "--allow-empty"]);
        assert_eq!(run.code, Some(0), "{}", run.stderr);
        assert!(!site.has("due"));
    });
}

#[test]
fn more_than_the_allowed_share_is_refused() {
    let site = on_sqlite();
    for number in 0..3 {
        let file = site.file(&format!("due{number}"));
        Image::pending(&format!("due{number}"), HOUR * 2, &[&file]).insert(&site.database);
    }
    Image::active("living", &[&site.file("living")]).insert(&site.database);
    let limited = |percent: u32| site.config(&format!("[scrubber]\nmax_percent_of_images = {percent}"));
    let run = site.run_with(&limited(74), &["--once"]);
    assert_eq!(run.code, Some(4), "{}", run.stderr);
    assert!(run.stderr.contains("75 %"), "{}", run.stderr);
    assert!(site.has("due0"));
    assert_eq!(site.run_with(&limited(75), &["--once"]).code, Some(0));
    assert!(!site.has("due0"));
}

#[test]
fn limits_take_the_oldest_and_leave_the_rest_for_the_next_cycle() {
    let site = on_sqlite();
    Image::active("living", &[&site.file("living")]).insert(&site.database);
    for number in 0..4 {
        let files = [site.file(&format!("{number}a")), site.file(&format!("{number}b"))];
        Image::pending(&format!("due{number}"), HOUR * (9 - number), &[&files[0], &files[1]]).insert(&site.database);
    }
    let config = site.config("[scrubber]\nmax_images_per_cycle = 2");
    let listed = site.run_with(&config, &["--dry-run", "-f", "csv"]);
    assert_eq!(listed.stdout.matches(",delete,").count(), 4, "{}", listed.stdout);
    assert_eq!(listed.stdout.matches(",keep,limit,").count(), 4, "{}", listed.stdout);
    assert_eq!(site.run_with(&config, &["--once"]).code, Some(0));
    assert!(!site.has("0a") && !site.has("1b") && site.has("2a") && site.has("3b"));
    // 1000 bytes a location; the oldest image goes even if it is larger than the limit alone.
    let config = site.config("[scrubber]\nmax_bytes_per_cycle = 1");
    assert_eq!(site.run_with(&config, &["--once"]).code, Some(0));
    assert!(!site.has("2a") && !site.has("2b") && site.has("3a"));
}

#[test]
fn min_age_holds_back_what_scrub_time_would_let_go() {
    let site = on_sqlite();
    Image::active("living", &[&site.file("living")]).insert(&site.database);
    Image::pending("due", HOUR * 2, &[&site.file("due")]).insert(&site.database);
    assert_eq!(site.run_with(&site.config("[scrubber]\nmin_age = 86400"), &["--once"]).code, Some(0));
    assert!(site.has("due"));
}

#[test]
fn many_images_go_in_one_run() {
    on_each(|site| {
        Image::active("living", &[&site.file("living")]).insert(&site.database);
        let images = (0..700).map(|number| {
            let name = format!("many{number}");
            Image::pending(&name, HOUR * 2, &[&site.file(&name)]).sql(site.database.engine)
        });
        site.database.execute(&images.collect::<String>());
        let run = site.run_with(&site.config("[DEFAULT]\nscrub_pool_size = 2"), &["--once"]);
        assert_eq!(run.code, Some(0), "{}", run.stderr);
        assert_eq!(std::fs::read_dir(site.data()).unwrap().count(), 1);
        let left = site.database.rows("SELECT count(*) FROM images WHERE status = 'pending_delete'");
        assert_eq!(left, [[Some("0".to_owned())]]);
    });
}

#[test]
fn several_stores_are_told_apart_by_their_ids() {
    let site = on_sqlite();
    for name in ["fast", "cheap"] {
        std::fs::create_dir(site.directory.path().join(name)).unwrap();
    }
    let file = |store: &str, name: &str| {
        let path = site.directory.path().join(store).join(name);
        std::fs::write(&path, name).unwrap();
        format!("file://{}", path.display())
    };
    let insert = |id: &str, value: &str, meta_data: Option<&str>| {
        Image::pending(id, HOUR * 2, &[value]).with_meta_data(meta_data).insert(&site.database);
    };
    Image::active("living", &[&file("fast", "living")])
        .with_meta_data(Some(r#"{"store": "fast"}"#))
        .insert(&site.database);
    insert("by-id", &file("fast", "a"), Some(r#"{"store": "fast"}"#));
    insert("by-old-key", &file("cheap", "b"), Some(r#"{"backend": "cheap"}"#));
    insert("by-ownership", &file("cheap", "c"), Some("{}"));
    insert("by-ownership-null", &file("fast", "d"), None);
    insert("gone-store", &file("fast", "e"), Some(r#"{"store": "renamed"}"#));
    insert("wrong-type", &file("fast", "f"), Some(r#"{"store": "web"}"#));
    insert("nobodys", "rbd://fsid/pool/image/snap", Some("{}"));
    let config = site.config(
        "[DEFAULT]\nenabled_backends = fast:file, cheap:file, web:http\n[fast]\nfilesystem_store_datadir = {dir}/fast\n\
         [cheap]\nfilesystem_store_datadir = {dir}/cheap\n",
    );
    let run = site.run_with(&config, &["--once"]);
    assert_eq!(run.code, Some(3), "{}", run.stderr);
    for image in ["by-id", "by-old-key", "by-ownership", "by-ownership-null"] {
        assert_eq!(states(&site.database, image).0, "deleted", "{image}: {}", run.stderr);
    }
    for image in ["gone-store", "wrong-type", "nobodys"] {
        assert_eq!(states(&site.database, image).0, "pending_delete", "{image}: {}", run.stderr);
    }
    assert!(run.stderr.contains("store id 'renamed' is not in enabled_backends"), "{}", run.stderr);
}

#[test]
fn a_dry_run_leaves_a_read_only_database_file_as_it_is() {
    use std::os::unix::fs::PermissionsExt;
    let site = on_sqlite();
    Image::active("living", &[&site.file("living")]).insert(&site.database);
    Image::pending("due", HOUR * 2, &[&site.file("due")]).insert(&site.database);
    let file = site.database.url().strip_prefix("sqlite:///").unwrap().to_owned();
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o444)).unwrap();
    let before = (std::fs::read(&file).unwrap(), std::fs::metadata(&file).unwrap().modified().unwrap());
    let run = site.run(&["--dry-run", "-f", "json"]);
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    let after = (std::fs::read(&file).unwrap(), std::fs::metadata(&file).unwrap().modified().unwrap());
    assert!(before == after, "the database file was changed");
    assert!(site.has("due"));
    let document: serde_json::Value = serde_json::from_str(&run.stdout).unwrap();
    assert_eq!(document["version"], 1);
    assert_eq!(document["locations"][0]["verdict"], "delete");
}

#[test]
fn credentials_never_show() {
    let site = on_sqlite();
    let secret = "Hunter2Hunter2";
    Image::active("living", &[&site.file("living")]).insert(&site.database);
    for (number, uri) in [
        format!("swift+https://tenant%3Auser:{secret}@keystone.example.com:5000/v3/glance/id"),
        format!("s3+https://AKIA:{secret}@s3.example.com/bucket/id"),
        format!("https://user:{secret}@mirror.example.com/image?token={secret}"),
        format!("s3://AKIA:{secret}/with/slash@s3.example.com/bucket"),
        format!("swift://{secret}@@@/"),
        format!("file://{secret}"),
    ]
    .iter()
    .enumerate()
    {
        Image::pending(&format!("image{number}"), HOUR * 2, &[uri]).insert(&site.database);
    }
    let config = site.config(&format!("[DEFAULT]\ndebug = true\nmetadata_encryption_key = {secret}00\n"));
    for arguments in [&["--dry-run", "-f", "json"][..], &["--dry-run"], &["--check"], &["--once", "-f", "json"]] {
        let run = site.run_with(&config, arguments);
        assert!(!run.stdout.contains(secret), "{arguments:?}: {}", run.stdout);
        assert!(!run.stderr.contains(secret), "{arguments:?}: {}", run.stderr);
    }
}

#[test]
fn an_image_is_not_finished_before_its_time_nor_over_a_living_location() {
    on_each(|site| {
        Image::active("living", &[&site.file("living")]).insert(&site.database);
        let mut ahead = Image::pending("ahead", -HOUR, &[&site.uri("gone")]);
        let mut half = Image::pending("half", HOUR * 2, &[&site.file("half")]);
        (ahead.locations[0].status, half.locations[0].status) = ("deleted", "active");
        ahead.insert(&site.database);
        half.insert(&site.database);
        let listed = site.run(&["--dry-run", "-f", "csv"]);
        assert!(
            listed.stdout.lines().any(|l| l.starts_with("ahead,") && l.contains(",keep,not_due,")),
            "{}",
            listed.stdout
        );
        assert!(
            listed.stdout.lines().any(|l| l.starts_with("half,") && l.contains(",keep,unfinished,")),
            "{}",
            listed.stdout
        );
        let run = site.run(&["--once"]);
        assert_eq!(run.code, Some(3), "{}", run.stderr);
        assert_eq!(states(&site.database, "ahead").0, "pending_delete");
        assert_eq!(states(&site.database, "half").0, "pending_delete");
        assert!(site.has("half"));
    });
}

#[test]
fn a_location_without_an_image_is_kept_and_told() {
    let site = on_sqlite();
    Image::active("living", &[&site.file("living")]).insert(&site.database);
    Image::pending("orphan", HOUR * 2, &[&site.file("orphan")]).insert(&site.database);
    site.database.execute("PRAGMA foreign_keys = OFF; DELETE FROM images WHERE id = 'orphan'");
    let run = site.run(&["--once", "-f", "json"]);
    assert_eq!(run.code, Some(3), "{}", run.stderr);
    assert!(run.stdout.contains(r#""reason":"orphaned""#), "{}", run.stdout);
    assert!(site.has("orphan"));
}

#[test]
fn the_share_is_judged_before_the_limits() {
    let site = on_sqlite();
    for number in 0..4 {
        let file = site.file(&format!("due{number}"));
        Image::pending(&format!("due{number}"), HOUR * 2, &[&file]).insert(&site.database);
    }
    Image::active("living", &[&site.file("living")]).insert(&site.database);
    let config = site.config("[scrubber]\nmax_percent_of_images = 50\nmax_images_per_cycle = 1");
    let run = site.run_with(&config, &["--once"]);
    assert_eq!(run.code, Some(4), "{}", run.stderr);
    assert!(run.stderr.contains("80 %"), "{}", run.stderr);
}

/// Glance writes paths as they are; its own scrubber cuts them at these and then removes another file, or none.
#[test]
fn a_data_directory_may_have_marks_in_its_name_that_mean_something_in_a_uri() {
    let site = on_sqlite();
    let odd = site.directory.path().join("images #1?a=b%20c;d");
    std::fs::create_dir(&odd).unwrap();
    for name in ["due", "living"] {
        std::fs::write(odd.join(name), name).unwrap();
    }
    std::fs::write(site.directory.path().join("images "), "where the cut path leads").unwrap();
    Image::active("living", &[&format!("file://{}/living", odd.display())]).insert(&site.database);
    Image::pending("due", HOUR * 2, &[&format!("file://{}/due", odd.display())]).insert(&site.database);
    // A mark behind the directory is nothing that Glance wrote: which file is meant is unclear, so it stays.
    Image::pending("unclear", HOUR * 2, &[&site.uri("unclear?x")]).insert(&site.database);
    let config = site.config(&format!(
        "filesystem_store_datadir =\nfilesystem_store_datadirs = {}\nfilesystem_store_datadirs = {}",
        odd.display(),
        site.data().display()
    ));
    let run = site.run_with(&config, &["--once"]);
    assert_eq!(run.code, Some(3), "{}", run.stderr);
    assert!(!odd.join("due").exists() && odd.join("living").exists());
    assert!(site.directory.path().join("images ").exists());
    assert_eq!(states(&site.database, "due").0, "deleted");
    assert_eq!(states(&site.database, "unclear").0, "pending_delete");
    assert!(run.stderr.contains("has ?, # or NUL in its name"), "{}", run.stderr);
}
