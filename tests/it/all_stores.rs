//! One cloud with a store of every type, some of which fail: each is done or kept for itself, and the report says all.

use std::collections::BTreeMap;

use chrono::TimeDelta;
use serde_json::{Value, json};

use crate::support::binary::{Finished, Scrubber};
use crate::support::cases::{add_line, assert_shows_none, report};
use crate::support::ceph::{Ceph, new_id};
use crate::support::cloud::Cloud;
use crate::support::rows::{Image, states};
use crate::support::servers::Engine;
use crate::support::site::Site;

/// Images in each store.
const EACH: usize = 3;

/// One image, as it was put into a store.
struct Placed {
    store: &'static str,
    id: String,
    /// What must become of it: a word of the report.
    fate: &'static str,
}

struct Setting {
    cloud: Cloud,
    ceph: Ceph,
    site: Site,
    placed: Vec<Placed>,
}

impl Setting {
    /// A due image in a store, with the URI that its driver wrote.
    fn place(&mut self, store: &'static str, id: &str, uri: &str, fate: &'static str) {
        let meta_data = format!(r#"{{"store": "{store}"}}"#);
        let image = Image::pending(id, TimeDelta::hours(2), &[uri]).with_meta_data(Some(&meta_data));
        image.insert(&self.site.database);
        self.placed.push(Placed { store, id: id.to_owned(), fate });
    }

    /// A few images in each store, and those that meet trouble.
    fn fill(&mut self) {
        for bucket in ["moto", "radosgw", "s3api"] {
            self.cloud.call("s3.make_bucket", json!({"server": bucket, "bucket": "everything"}));
        }
        for _ in 0..EACH {
            let ids: [String; 16] = std::array::from_fn(|_| new_id());
            let [disk, web, ceph, swift, segmented, tempauth, moto, radosgw, s3api, cinder, vsphere, rest @ ..] = &ids;
            let uri = self.site.file(disk);
            self.place("disk", disk, &uri, "deleted");
            self.place("web", web, "http://127.0.0.1:9/image", "nothing_to_delete");
            let uri = self.ceph.add(ceph);
            self.place("ceph", ceph, &uri, "deleted");
            for (id, size) in [(swift, 1000), (segmented, 3 * 1_024_000)] {
                let uri = self.cloud.text("swift.add", json!({"image": id, "size": size, "backend": "swift"}));
                self.place("swift", id, &uri, "deleted");
            }
            self.cloud.call("swift.dlo", json!({"object": tempauth, "segments": 3, "user": "test:tester"}));
            let uri = self.cloud.text("swift.uri", json!({"object": tempauth, "user": "test:tester"}));
            self.place("tempauth", tempauth, &uri, "deleted");
            for (store, id, size) in [("moto", moto, 6 << 20), ("radosgw", radosgw, 6 << 20), ("s3api", s3api, 1000)] {
                let add = json!({"server": store, "image": id, "size": size, "bucket": "everything", "backend": store});
                let uri = self.cloud.text("s3.add", add);
                self.place(store, id, &uri, "deleted");
            }
            let uri = self.cloud.text("cinder.add", json!({"image": cinder, "backend": "cinder"}));
            self.place("cinder", cinder, &uri, "deleted");
            let uri = self.cloud.text("vsphere.add", json!({"image": vsphere}));
            self.place("vsphere", vsphere, &uri, "deleted");
            let [wrong_key, nowhere, idle, unknown, _] = rest;
            let uri = self.cloud.text("s3.add", json!({"server": "moto", "image": wrong_key, "bucket": "everything"}));
            self.place("wrong_key", wrong_key, &uri, "forbidden");
            let uri = format!("swift+http://test%3Atester:testing@127.0.0.1:9/auth/v1.0/glance/{nowhere}");
            self.place("nowhere", nowhere, &uri, "unavailable");
            let uri = self.site.file(idle);
            self.place("idle", idle, &uri, "paused");
            let uri = self.site.file(unknown);
            self.place("renamed", unknown, &uri, "no_store");
        }
        // A volume that a server uses.
        let used = new_id();
        let uri = self.cloud.text("cinder.add", json!({"image": used, "backend": "cinder"}));
        self.cloud.call("cinder.attach", json!({"volume": uri.rsplit('/').next()}));
        self.place("cinder", &used, &uri, "in_use");
    }

    fn config(&self) -> String {
        let fact = |pointer: &str| self.cloud.fact(pointer);
        let glance = self.cloud.user("glance");
        let account = |user: &str| format!("swift_store_user = {}:{user}\n", glance.project);
        let keystone = fact("/keystone/url");
        let s3 = |store: &str, secret: &str, server: &str| {
            let keys = self.cloud.keys(server, "full");
            let secret = if secret.is_empty() { &keys.secret } else { secret };
            format!(
                "[{store}]\ns3_store_host = {}\ns3_store_access_key = {}\ns3_store_secret_key = {secret}\n\
                 s3_store_bucket = everything\n",
                fact(&format!("/{server}/url")),
                keys.access
            )
        };
        let mut config = format!(
            "[DEFAULT]\nenabled_backends = disk:file, idle:file, web:http, ceph:rbd, swift:swift, tempauth:swift, \
             nowhere:swift, moto:s3, radosgw:s3, s3api:s3, wrong_key:s3, cinder:cinder, vsphere:vmware\n\
             [glance_store]\ndefault_backend = disk\n\
             [scrubber]\nstore_deadline = 20\n\
             [disk]\nfilesystem_store_datadir = {data}\n\
             [idle]\nfilesystem_store_datadir = {data}\npause = true\n\
             [ceph]\nrbd_store_ceph_conf = {}\nrbd_store_user = glance\n",
            self.ceph.conf().display(),
            data = self.site.data().display(),
        );
        config += &format!(
            "[swift]\nswift_store_auth_address = {keystone}\n{}swift_store_key = {}\n",
            account(&glance.user),
            glance.password
        );
        let tempauth = fact("/swift/users/test:tester");
        for (store, address) in [("tempauth", fact("/swift/tempauth_v1")), ("nowhere", "http://127.0.0.1:9/".into())] {
            config += &format!(
                "[{store}]\nswift_store_auth_version = 1\nswift_store_auth_address = {address}\n\
                 swift_store_user = test:tester\nswift_store_key = {tempauth}\n"
            );
        }
        for server in ["moto", "radosgw", "s3api"] {
            config += &s3(server, "", server);
        }
        config += &s3("wrong_key", "not-the-secret-of-this-key", "moto");
        config += &format!(
            "[cinder]\ncinder_store_auth_address = {keystone}\ncinder_store_user_name = {}\n\
             cinder_store_password = {}\ncinder_store_project_name = {}\n",
            glance.user, glance.password, glance.project
        );
        config
            + &format!(
                "[vsphere]\nvmware_server_host = {}\nvmware_server_username = {}\nvmware_server_password = {}\n\
                 vmware_ca_file = {}\nvmware_datastores = {}:{}:100\n",
                fact("/vcsim/host"),
                fact("/vcsim/user"),
                fact("/vcsim/password"),
                fact("/vcsim/ca_file"),
                fact("/vcsim/datacenter"),
                fact("/vcsim/datastore"),
            )
    }

    fn run(&self, arguments: &[&str]) -> Finished {
        Scrubber::new().config_file(&self.site.config(&self.config())).args(arguments).run()
    }

    /// Whether anything of an image's data is left, where a finished image has none.
    fn is_there(&self, placed: &Placed) -> bool {
        let id = &placed.id;
        let object = |server: &str| {
            self.cloud.call("s3.there", json!({"server": server, "key": id, "bucket": "everything"})) == json!(true)
        };
        match placed.store {
            "disk" | "idle" | "renamed" => self.site.has(id),
            "ceph" => self.ceph.look(id) != "gone",
            "swift" => !self.cloud.texts("swift.objects", json!({"prefix": id})).is_empty(),
            "tempauth" => !self.cloud.texts("swift.objects", json!({"prefix": id, "user": "test:tester"})).is_empty(),
            store @ ("moto" | "radosgw" | "s3api") => object(store),
            "wrong_key" => object("moto"),
            "cinder" => self.cloud.call("cinder.volumes", json!({})).get(format!("image-{id}")).is_some(),
            "vsphere" => {
                self.cloud.call("vsphere.there", json!({"path": format!("openstack_glance/{id}")})) == json!(true)
            }
            _ => false,
        }
    }

    /// What must not be in anything that is printed.
    fn secrets(&self) -> Vec<String> {
        let keys = ["moto", "radosgw", "s3api"].map(|server| self.cloud.keys(server, "full").secret);
        let mut secrets = vec![
            self.cloud.user("glance").password,
            self.cloud.fact("/swift/users/test:tester"),
            self.cloud.fact("/vcsim/password"),
            "not-the-secret-of-this-key".to_owned(),
        ];
        secrets.extend(keys);
        secrets
    }
}

/// What a list of the report says of each store: `STORE WORD` and the number of locations.
fn counts(report: &Value, list: &str, word: &str) -> BTreeMap<(String, String), u64> {
    let mut counts = BTreeMap::new();
    for line in report[list].as_array().unwrap() {
        let text = |name: &str| line[name].as_str().unwrap_or("-").to_owned();
        *counts.entry((text("store"), text(word))).or_default() += line["locations"].as_u64().unwrap();
    }
    counts
}

#[test]
fn stores_of_every_type_are_scrubbed_in_one_run_and_those_that_fail_fail_alone() {
    let (Some(cloud), Some(ceph)) = (Cloud::shared(), Ceph::shared()) else { return };
    let mut all = Setting { cloud, ceph, site: Site::new(Engine::Sqlite), placed: Vec::new() };
    Image::active("living", &[&all.site.file("living")])
        .with_meta_data(Some(r#"{"store": "disk"}"#))
        .insert(&all.site.database);
    all.fill();

    let dry_run = all.run(&["--dry-run", "-f", "json"]);
    assert!(all.placed.iter().filter(|one| !["web", "nowhere"].contains(&one.store)).all(|one| all.is_there(one)));
    let run = all.run(&["--once", "-f", "json"]).expect_code(3);
    let shown = all.run(&["--once"]);

    let report = report(&run);
    let mut seen = counts(&report, "done", "outcome");
    seen.extend(counts(&report, "kept", "reason"));
    let mut expected = BTreeMap::new();
    for Placed { store, fate, .. } in &all.placed {
        // The report knows no store of that name.
        let store = if *store == "renamed" { "-" } else { store };
        *expected.entry((store.to_owned(), (*fate).to_owned())).or_insert(0) += 1;
    }
    assert_eq!(seen, expected, "{}", run.output());
    for placed in &all.placed {
        let done = ["deleted", "nothing_to_delete"].contains(&placed.fate);
        let state = if done { "deleted" } else { "pending_delete" };
        let (store, id) = (placed.store, &placed.id);
        assert_eq!(states(&all.site.database, id), (state.to_owned(), vec![state.to_owned()]), "{store} {id}");
        assert!(!done || !all.is_there(placed), "{store} {id} is recorded as deleted, but there");
        assert!(done || store == "nowhere" || all.is_there(placed), "{store} {id} is pending, but gone");
    }
    for run in [&dry_run, &run, &shown] {
        assert_shows_none(all.secrets(), run);
    }
    print(&report);
}

/// The report of the run, for `tests/all` to print.
fn print(report: &Value) {
    for (list, word) in [("done", "outcome"), ("kept", "reason")] {
        for line in report[list].as_array().unwrap() {
            let text = |name: &str| line[name].as_str().unwrap_or("-").to_owned();
            let (store, word, detail) = (text("store"), text(word), text("detail"));
            add_line(&format!("every type at once | {store} | {word} | {} | {detail}", line["locations"]));
        }
    }
}
