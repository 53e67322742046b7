//! What glance_store's driver stored, what is not there, and what is not ours.

use super::*;

#[test]
fn what_glance_stored_is_gone_before_it_is_recorded() {
    let Some(cloud) = Cloud::shared() else { return };
    Case::new(&cloud, "there").scrub("").is("deleted", "gone");
    let image = new_id();
    let other = json!({"image": image, "datacenter": cloud.fact("/vcsim/other_datacenter"),
        "datastore": cloud.fact("/vcsim/other_datastore")});
    let uri = cloud.text("vsphere.add", other);
    let case = Case::of(&cloud, "there, in another datacenter", &image, &uri);
    case.scrub("").is("deleted", "gone");
    let path = json!({"path": case.path, "datacenter": cloud.fact("/vcsim/other_datacenter"),
        "datastore": cloud.fact("/vcsim/other_datastore")});
    assert_eq!(cloud.call("vsphere.there", path), json!(false));
}

#[test]
fn a_file_that_is_gone_is_absent_where_its_datastore_is_there() {
    let Some(cloud) = Cloud::shared() else { return };
    let case = Case::new(&cloud, "gone");
    cloud.call("vsphere.remove", json!({"path": case.path}));
    case.scrub("").is("absent", "gone");
    for (name, datacenter, datastore, words) in [
        ("no such datastore", None, Some("LocalDS_77"), "LocalDS_77"),
        ("no such datacenter", Some("DC77"), None, "no datacenter /DC77"),
    ] {
        let image = new_id();
        let uri = cloud.text("vsphere.uri", json!({"image": image, "datacenter": datacenter, "datastore": datastore}));
        Case::of(&cloud, name, &image, &uri).scrub("").is("failed", "gone").says(&[words]);
    }
}

#[test]
fn what_is_not_glances_is_not_touched() {
    let Some(cloud) = Cloud::shared() else { return };
    let case = Case::new(&cloud, "another server in the URI");
    let uri = cloud.text("vsphere.uri", json!({"image": case.image}));
    let store = store_of(&cloud);
    let forbidden = |name: &str, image: &str, uri: &str, words: &str| {
        let case = Case::of(&cloud, name, image, uri);
        let seen = case.scrub("");
        assert_eq!(seen.outcome, "forbidden", "{seen:#?}");
        seen.says(&[words]);
        assert_eq!(cloud.call("vsphere.there", json!({"path": "openstack_glance"})), json!(true));
    };
    let other = uri.replace(&cloud.fact("/vcsim/host"), "vc.example.com");
    forbidden(&case.name, &case.image, &other, "vc.example.com");
    let directory = uri.replace(&format!("/{}", case.image), "");
    forbidden("the directory of all images", &case.image, &directory, "vmware_store_image_dir");
    forbidden("another image's file", &new_id(), &uri, "is not named after its image");
    let machine = new_id();
    let path = format!("vm-1/{machine}");
    cloud.call("vsphere.put", json!({"path": path}));
    let uri = cloud.text("vsphere.uri", json!({"image": machine, "directory": "vm-1"}));
    forbidden("outside of the images' directory", &machine, &uri, "vmware_store_image_dir");
    assert_eq!(cloud.call("vsphere.there", json!({"path": path})), json!(true));
    let climbing = uri.replace("/folder/vm-1/", "/folder/openstack_glance/../vm-1/");
    let seen = Case::of(&cloud, "a path that climbs", &machine, &climbing).scrub("");
    assert_eq!(seen.outcome, "malformed", "{seen:#?}");
    assert_eq!(cloud.call("vsphere.there", json!({"path": path})), json!(true));
    // Told where its images are, that is where they are.
    let dir = format!("{store}vmware_store_image_dir = /vm-1\n");
    Case::of(&cloud, "another image directory", &machine, &uri).scrub_as(&dir, "").is("deleted", "gone");
    case.named("another server in the URI, mended").scrub("").is("deleted", "gone");
}

/// glance_store cannot: its store is of type `vmware` and its scheme is `vsphere`.
#[test]
fn several_stores_are_served() {
    let Some(cloud) = Cloud::shared() else { return };
    let stores = format!(
        "default_backend = files\n[files]\nfilesystem_store_datadir = {{dir}}/images\n[vm]\n{}[DEFAULT]\n\
         enabled_backends = files:file, vm:vmware\n",
        options_of(&cloud)
    );
    Case::new(&cloud, "one of several stores, by its URI alone").scrub_as("", &stores).is("deleted", "gone");
    let case = Case::new(&cloud, "one of several stores, by its row");
    let uri = cloud.text("vsphere.uri", json!({"image": case.image}));
    case.site
        .database
        .execute(&format!("UPDATE image_locations SET meta_data = '{{\"store\": \"vm\"}}' WHERE value = '{uri}'"));
    case.scrub_as("", &stores).is("deleted", "gone");
}

#[test]
fn a_look_changes_nothing_and_check_knows_the_datastores() {
    let Some(cloud) = Cloud::shared() else { return };
    let case = Case::new(&cloud, "probe");
    let run = |store: &str, arguments: &[&str]| {
        let run = Scrubber::new().config_file(&case.site.config(store)).args(arguments).run();
        assert_shows_no_secret(&cloud, &run);
        run
    };
    let probe = run(&store_of(&cloud), &["--dry-run", "--probe", "-f", "json"]);
    assert!(probe.code == Some(0) && probe.stdout.contains("1000"), "its size: {}", probe.output());
    assert_eq!(cloud.call("vsphere.there", json!({"path": case.path})), json!(true));
    cloud.call("vsphere.remove", json!({"path": case.path}));
    let probe = run(&store_of(&cloud), &["--dry-run", "--probe", "-f", "json"]);
    assert!(probe.stdout.contains("absent"), "{}", probe.output());
    let check = run(&store_of(&cloud), &["--check", "-f", "json"]);
    assert!(check.code == Some(0) && check.stdout.contains("is there and accessible"), "{}", check.output());
    let wrong = format!("{}vmware_datastores = /DC0:nowhere\n", store_of(&cloud));
    let check = run(&wrong, &["--check", "-f", "json"]);
    assert!(check.code != Some(0) && check.stdout.contains("no datastore nowhere"), "{}", check.output());
}
