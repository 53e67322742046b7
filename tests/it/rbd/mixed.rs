//! Everything at once: files, http and two clusters, of which one stops half-way.

use std::time::Duration;

use serde_json::json;

use super::access::two_stores;
use super::*;
use crate::support::ceph::Kept;
use crate::support::{eventually, eventually_every};

#[test]
fn a_cluster_that_stops_holds_up_itself_alone() {
    let (Some(sound), Some(failing)) = (Ceph::shared(), Ceph::private(Kept::InMemory(1024))) else { return };
    let site = Site::new(Engine::Sqlite);
    let database = &site.database;
    let mut all = Vec::new();
    let mut pending = |store: &'static str, id: &str, uri: &str| {
        let meta_data = format!(r#"{{"store": "{store}"}}"#);
        Image::pending(id, TimeDelta::hours(2), &[uri]).with_meta_data(Some(&meta_data)).insert(database);
        all.push((store, id.to_owned()));
    };
    Image::active("living", &[&site.file("living")]).with_meta_data(Some(r#"{"store": "files"}"#)).insert(database);
    let long = new_id();
    failing.call("sparse", json!(["images", long, 20_000]));
    pending("b", &long, &failing.uri("images", &long));
    for _ in 0..5 {
        let [a, b, file, web] = [new_id(), new_id(), new_id(), new_id()];
        pending("a", &a, &sound.add(&a));
        pending("b", &b, &failing.add(&b));
        pending("files", &file, &site.file(&file));
        pending("web", &web, "http://127.0.0.1:9/image");
    }
    // Held there, so that what comes behind it meets the outage.
    let config = two_stores(&site, &sound, &failing)
        + "[scrubber]\nrbd_removals = 1\nrbd_workers = 2\nrbd_concurrent_management_ops = 1";
    let running = start(&site, &config);
    eventually("the long removal", || (failing.look(&long) == "listed, not to be opened").then_some(()));
    failing.order("stop osd");
    let run = running.wait().expect_code(3);
    failing.order("start osd");

    let report = report(&run);
    let kept = report["kept"].as_array().unwrap();
    let done_by = |store: &str| -> u64 {
        let done = report["done"].as_array().unwrap().iter().filter(|line| line["store"] == store);
        done.map(|line| line["locations"].as_u64().unwrap()).sum()
    };
    assert_eq!(["a", "files", "web"].map(done_by), [5, 5, 5], "{report}");
    assert!(kept.iter().all(|line| line["store"] == "b" && line["reason"] == "unavailable"), "{report}");
    let left: u64 = kept.iter().map(|line| line["locations"].as_u64().unwrap()).sum();
    assert_eq!(left + done_by("b"), 6, "{report}");
    assert!(left >= 1, "{report}");
    let mut gone = 0;
    for (store, id) in &all {
        let (image, locations) = states(database, id);
        assert_eq!(locations, [image.as_str()], "{store} {id}");
        let there = match *store {
            "a" => sound.look(id) != "gone",
            "b" => failing.look(id) != "gone",
            "files" => site.has(id),
            _ => false,
        };
        assert!(image != "deleted" || !there, "{store} {id} is recorded as deleted, but there");
        assert!(image == "deleted" || *store == "b", "{store} {id}: {}", run.output());
        gone += u64::from(image == "deleted");
    }
    assert_eq!(gone, 21 - left);
    add_line(&format!(
        "two clusters, files, http; one cluster stops | done: a 5, files 5, web 5, b {} | kept: {left} of b, {}",
        done_by("b"),
        kept[0]["detail"].as_str().unwrap_or("-")
    ));

    // The watch of the run before may have to end first.
    eventually_every(Duration::from_secs(1), "the rest to go", || {
        let run = start(&site, &two_stores(&site, &sound, &failing)).wait();
        (super::report(&run)["kept"] == json!([])).then_some(())
    });
    for (store, id) in &all {
        assert_eq!(states(database, id).0, "deleted", "{store} {id}");
        assert!(*store != "b" || failing.look(id) == "gone", "{id}");
    }
}
