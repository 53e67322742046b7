//! A host without Ceph's libraries: the program runs there, and an `rbd` store says which package is missing.

use std::path::PathBuf;
use std::process::Command;

use serde_json::json;

use super::*;

/// The program and the libraries that it is linked with, and nothing else, as the root of a file system.
fn bare_host(site: &Site) -> PathBuf {
    let root = site.directory.path().join("bare");
    let program = env!("CARGO_BIN_EXE_glance-scrubber");
    let linked = Command::new("ldd").arg(program).output().unwrap();
    let linked = String::from_utf8(linked.stdout).unwrap();
    let libraries = linked.split_whitespace().filter(|word| word.starts_with('/'));
    for file in libraries.chain([program]) {
        assert!(!file.contains("librbd") && !file.contains("librados"), "linked at build time: {linked}");
        let into = if file == program { root.join("glance-scrubber") } else { root.join(&file[1..]) };
        std::fs::create_dir_all(into.parent().unwrap()).unwrap();
        std::fs::copy(file, into).unwrap();
    }
    std::fs::create_dir_all(root.join("images")).unwrap();
    root
}

#[test]
fn without_cephs_libraries_other_stores_work_and_the_package_is_named() {
    let site = Site::new(Engine::Sqlite);
    let root = bare_host(&site);
    Image::active("living", &["file:///images/living"]).insert(&site.database);
    Image::pending("file", TimeDelta::hours(2), &["file:///images/file"]).insert(&site.database);
    Image::pending("rbd", TimeDelta::hours(2), &["rbd://f/images/rbd/snap"]).insert(&site.database);
    for name in ["living", "file"] {
        std::fs::write(root.join("images").join(name), name).unwrap();
    }
    let database = site.database.url().strip_prefix("sqlite:///").unwrap().to_owned();
    std::fs::copy(&database, root.join("glance.sqlite")).unwrap();
    std::fs::write(
        root.join("conf"),
        "[DEFAULT]\nscrub_time = 3600\n[database]\nconnection = sqlite:////glance.sqlite\n[glance_store]\n\
         stores = file, rbd\nfilesystem_store_datadir = /images\n",
    )
    .unwrap();
    // Where we are not root, we are in a namespace of our own.
    let confined = if rustix::process::geteuid().is_root() { "" } else { "unshare --user --map-root-user " };
    let run = |action: &str| {
        let script =
            format!("exec {confined}/usr/sbin/chroot {} /glance-scrubber --config-file /conf {action}", root.display());
        Scrubber::within(&script).run()
    };
    let check = run("--check -f csv").expect_code(3);
    assert!(check.stdout.contains("store rbd: cluster,fault,\"cannot load librados.so.2"), "{}", check.output());
    assert!(check.stdout.contains("install the package librbd1"), "{}", check.output());
    let once = run("--once -f json").expect_code(3);
    assert!(
        once.stderr.contains("Nothing can be deleted from store rbd: cannot load librados.so.2"),
        "{}",
        once.stderr
    );
    let report = report(&once);
    assert_eq!(report["done"][0]["outcome"], "deleted", "{report}");
    assert_eq!(
        (&report["kept"][0]["store"], &report["kept"][0]["reason"]),
        (&json!("rbd"), &json!("unavailable")),
        "{report}"
    );
    assert!(!root.join("images/file").exists());
}
