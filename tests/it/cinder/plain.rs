//! What glance_store's driver stored, and what is not there.

use super::*;

#[test]
fn what_glance_stored_is_gone_before_it_is_recorded() {
    let Some(cloud) = Cloud::shared() else { return };
    Case::new(&cloud, "there").scrub("").is("deleted", "gone");
}

#[test]
fn a_volume_that_is_gone_already_is_absent() {
    let Some(cloud) = Cloud::shared() else { return };
    let case = Case::new(&cloud, "gone");
    cloud.call("cinder.delete", json!({"volume": case.volume}));
    cloud.call("cinder.wait", json!({"volume": case.volume, "status": "gone"}));
    case.scrub("").is("absent", "gone");
    let never = new_id();
    Case::of(&cloud, "never existed", &never, &format!("cinder://{}", new_id())).scrub("").is("absent", "gone");
}

#[test]
fn each_form_of_uri_finds_its_store() {
    let Some(cloud) = Cloud::shared() else { return };
    let options = options_of(&cloud, "glance");
    let elsewhere = options_of(&cloud, "demo");
    let stores = format!(
        "default_backend = files\n[files]\nfilesystem_store_datadir = {{dir}}/images\n[fast]\n{options}[slow]\n{options}\
         [foreign]\n{elsewhere}[DEFAULT]\nenabled_backends = files:file, fast:cinder, slow:cinder, foreign:cinder\n"
    );
    for (backend, row, outcome) in [
        ("fast", Some("fast"), "deleted"),
        // The same Cinder by another name, and a store that was renamed: glance_store does not look at this part.
        ("fast", Some("slow"), "deleted"),
        ("renamed", Some("fast"), "deleted"),
        // A row that contradicts itself.
        ("foreign", Some("fast"), "no_store"),
        ("fast", None, "deleted"),
        ("", None, "no_store"),
        ("renamed", None, "no_store"),
    ] {
        let image = new_id();
        let volume = glance_volume(&cloud, &image, "glance");
        let uri =
            if backend.is_empty() { format!("cinder://{volume}") } else { format!("cinder://{backend}/{volume}") };
        let name = format!("cinder://{backend}/… of store {row:?}");
        let case = Case::of(&cloud, &name, &image, &uri);
        if let Some(row) = row {
            let meta_data = json!({ "store": row }).to_string();
            let update = format!("UPDATE image_locations SET meta_data = '{meta_data}' WHERE value = '{uri}'");
            case.site.database.execute(&update);
        }
        let left = if outcome == "deleted" { "gone" } else { "available" };
        case.scrub_as("", &stores).is(outcome, left);
    }
}

#[test]
fn a_look_changes_nothing() {
    let Some(cloud) = Cloud::shared() else { return };
    let case = Case::volume_of(&cloud, "probe", "glance");
    let config = case.site.config(&store_of(&cloud, "glance"));
    let run = Scrubber::new().config_file(&config).args(&["--dry-run", "--probe", "-f", "json"]).run();
    assert_eq!(run.code, Some(0), "{}", run.output());
    assert!(run.stdout.contains("1073741824"), "its size: {}", run.stdout);
    assert_eq!(case.status(), "available");
    cloud.call("cinder.snapshot", json!({"volume": case.volume}));
    let run = Scrubber::new().config_file(&config).args(&["--dry-run", "--probe", "-f", "json"]).run();
    assert!(run.stdout.contains("has 1 snapshots"), "{}", run.output());
    assert_shows_no_secret(&cloud, &run);
}

#[test]
fn check_says_who_we_are_and_what_we_see() {
    let Some(cloud) = Cloud::shared() else { return };
    let case = Case::of(&cloud, "check", &new_id(), &format!("cinder://{}", new_id()));
    let check = |store: &str| {
        let config = case.site.config(store);
        let run = Scrubber::new().config_file(&config).args(&["--check", "-f", "json"]).run();
        assert_shows_no_secret(&cloud, &run);
        run
    };
    let run = check(&store_of(&cloud, "glance"));
    assert!(run.code == Some(0) && run.stdout.contains("volumes of all projects are seen"), "{}", run.output());
    let run = check(&store_of_application(&cloud));
    assert!(run.code == Some(0) && run.stdout.contains("only the volumes of"), "{}", run.output());
    let run = check(&store_of(&cloud, "glance").replace(&cloud.user("glance").password, "nope-nope"));
    assert!(run.code != Some(0) && run.stdout.contains("password is wrong"), "{}", run.output());
    let run = check("stores = file, cinder\n");
    assert!(run.code != Some(0) && run.stdout.contains("cinder_store_auth_address"), "{}", run.output());
}
