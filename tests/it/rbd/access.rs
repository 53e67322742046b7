//! Ceph users who may not, config files and keyrings that are not there, pools and clusters that are not the right ones.

use std::time::Instant;

use super::*;

/// Runs with these lines; nothing may happen to the image, and no key may show.
#[track_caller]
fn refused(case: &Case<'_>, more: &str, outcome: &str, words: &[&str]) {
    let begun = Instant::now();
    let seen = case.scrub(&format!("{SOON}\n{more}"));
    seen.is(outcome, UNTOUCHED).says(words);
    assert_shows_no_key(case.ceph, &seen.run);
    assert!(begun.elapsed().as_secs() < 15, "{:?}", begun.elapsed());
}

/// A config file like the cluster's with another keyring.
fn with_keyring(case: &Case<'_>, keyring: &Path) -> String {
    let conf = std::fs::read_to_string(case.ceph.conf()).unwrap();
    let own = case.ceph.file("ceph.$name.keyring").display().to_string();
    assert!(conf.contains(&own));
    let path = case.site.directory.path().join("ceph.conf");
    std::fs::write(&path, conf.replace(&own, &keyring.display().to_string())).unwrap();
    format!("rbd_store_ceph_conf = {}", path.display())
}

#[test]
fn users_who_may_not_are_forbidden() {
    let Some(ceph) = Ceph::shared() else { return };
    let mut case = Case::new(&ceph, "wrong key");
    let wrong = with_keyring(&case, &ceph.file("wrong.keyring"));
    refused(&case, &wrong, "forbidden", &["client.glance", "key"]);

    case.name = "unknown user".to_owned();
    let text = std::fs::read_to_string(ceph.file("wrong.keyring")).unwrap().replace("glance", "nobody");
    let keyring = case.site.directory.path().join("keyring");
    std::fs::write(&keyring, text).unwrap();
    let unknown = with_keyring(&case, &keyring) + "\nrbd_store_user = nobody";
    refused(&case, &unknown, "forbidden", &["client.nobody", "do not know the user"]);

    for (name, user) in [("read-only caps", "glance-ro"), ("no caps", "nocaps")] {
        case.name = name.to_owned();
        refused(&case, &format!("rbd_store_user = {user}"), "forbidden", &["EPERM"]);
    }
    case.name = "snapshot protected, after those refusals".to_owned();
    case.scrub("").is("deleted", "gone");
}

#[test]
fn files_that_are_not_there_are_named() {
    let Some(ceph) = Ceph::shared() else { return };
    let mut case = Case::new(&ceph, "no keyring");
    let lines = with_keyring(&case, &case.site.directory.path().join("none"));
    refused(&case, &lines, "unavailable", &["client.glance", "keyring"]);

    // Free to choose, librados tries without a key, and the monitors refuse that.
    case.name = "no keyring, cephx not required".to_owned();
    let conf = case.site.directory.path().join("ceph.conf");
    let text = std::fs::read_to_string(&conf).unwrap();
    let free = text.replace("auth_client_required = cephx", "");
    assert_ne!(free, text);
    std::fs::write(&conf, free).unwrap();
    refused(&case, &lines, "forbidden", &["client.glance", "keyring"]);

    case.name = "no config file".to_owned();
    refused(&case, "rbd_store_ceph_conf = /none/ceph.conf", "unavailable", &["/none/ceph.conf", "rbd_store_ceph_conf"]);
}

#[test]
fn a_pool_that_is_not_there_is_unavailable_at_once() {
    let Some(ceph) = Ceph::shared() else { return };
    let image = new_id();
    let case = Case::of(&ceph, "pool missing", &image, &ceph.uri("gone", &image));
    let begun = Instant::now();
    // Without a limit of the config's own.
    let seen = case.scrub("");
    assert!(begun.elapsed().as_secs() < 10, "{:?}", begun.elapsed());
    seen.is("unavailable", "gone").says(&["no pool gone"]);
}

#[test]
fn a_cluster_with_the_same_names_is_not_the_right_one() {
    let (Some(ceph), Some(other)) = (Ceph::shared(), Ceph::other()) else { return };
    let image = new_id();
    let uri = ceph.add(&image);
    other.add(&image);
    let case = Case::of(&other, "cluster of another fsid", &image, &uri);
    case.scrub("").is("no_store", UNTOUCHED).says(&[&ceph.fsid(), &other.fsid()]);
    assert_eq!(ceph.look(&image), UNTOUCHED);

    // A store for each, and a location that names the wrong one.
    let site = Site::new(Engine::Sqlite);
    Image::active("living", &[&site.file("living")])
        .with_meta_data(Some(r#"{"store": "files"}"#))
        .insert(&site.database);
    for (id, store) in [(&image, "b"), (&new_id(), "a")] {
        let uri = uri.replace(&image, id);
        let meta_data = format!(r#"{{"store": "{store}"}}"#);
        Image::pending(id, TimeDelta::hours(2), &[&uri]).with_meta_data(Some(&meta_data)).insert(&site.database);
    }
    let run = start(&site, &two_stores(&site, &ceph, &other)).wait().expect_code(3);
    let report = report(&run);
    assert_eq!(report["kept"][0]["reason"], "no_store", "{report}");
    assert_eq!(report["done"][0]["outcome"], "absent", "{report}");
    assert_eq!((ceph.look(&image), other.look(&image)), (UNTOUCHED.to_owned(), UNTOUCHED.to_owned()));
}

/// Stores `a` and `b` on two clusters, and `files`.
pub(super) fn two_stores(site: &Site, a: &Ceph, b: &Ceph) -> String {
    let store = |id: &str, ceph: &Ceph| {
        format!("[{id}]\n{SOON}\nrbd_store_user = glance\nrbd_store_ceph_conf = {}\n", ceph.conf().display())
    };
    format!(
        "[DEFAULT]\nenabled_backends = a:rbd, b:rbd, files:file, web:http\n{}{}[files]\nfilesystem_store_datadir = {}\n",
        store("a", a),
        store("b", b),
        site.data().display()
    )
}
