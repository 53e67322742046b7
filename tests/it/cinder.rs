//! Volumes in a real Cinder, case by case: what the scrubber says of each, and what Cinder and the database say afterwards.
//!
//! What a case saw is added to the file that `SCRUBBER_TEST_CASES` names, for `tests/all` to print.

mod access;
mod faults;
mod many;
mod plain;
mod states;

use std::io::Write;

use chrono::TimeDelta;
use serde_json::{Value, json};

use crate::support::binary::{Finished, Running, Scrubber};
use crate::support::ceph::new_id;
use crate::support::cloud::Cloud;
use crate::support::rows::{Image, states};
use crate::support::servers::Engine;
use crate::support::site::Site;

/// One image, due, the only one of its database that is.
struct Case<'a> {
    cloud: &'a Cloud,
    site: Site,
    image: String,
    volume: String,
    name: String,
}

/// What became of it.
#[derive(Debug)]
struct Seen {
    /// The word for it, as the JSON says it.
    outcome: String,
    detail: String,
    /// The volume's status, or `gone`.
    left: String,
    /// Of the image's row and the location's.
    rows: String,
    run: Finished,
}

impl<'a> Case<'a> {
    /// An image as Glance stored and then deleted it.
    fn new(cloud: &'a Cloud, name: &str) -> Case<'a> {
        let image = new_id();
        let uri = cloud.text("cinder.add", json!({"image": image}));
        Case::of(cloud, name, &image, &uri)
    }

    /// A volume that looks like Glance's.
    fn volume_of(cloud: &'a Cloud, name: &str, user: &str) -> Case<'a> {
        let image = new_id();
        let volume = glance_volume(cloud, &image, user);
        Case::of(cloud, name, &image, &format!("cinder://{volume}"))
    }

    /// Whatever the URI means.
    fn of(cloud: &'a Cloud, name: &str, image: &str, uri: &str) -> Case<'a> {
        let site = Site::new(Engine::Sqlite);
        Image::active("living", &[&site.file("living")]).insert(&site.database);
        Image::pending(image, TimeDelta::hours(2), &[uri]).insert(&site.database);
        let volume = uri.rsplit('/').next().unwrap().to_owned();
        Case { cloud, site, image: image.to_owned(), volume, name: name.to_owned() }
    }

    fn named(mut self, name: &str) -> Self {
        name.clone_into(&mut self.name);
        self
    }

    /// Runs as the user of Glance's, with `more`: lines for `[glance_store]`, then for sections that it opens.
    #[track_caller]
    fn scrub(&self, more: &str) -> Seen {
        self.scrub_as(&store_of(self.cloud, "glance"), more)
    }

    #[track_caller]
    fn scrub_as(&self, store: &str, more: &str) -> Seen {
        self.seen(self.start(store, more).wait())
    }

    fn start(&self, store: &str, more: &str) -> Running {
        let config = self.site.config(&format!("{store}{more}"));
        Scrubber::new().config_file(&config).args(&["--once", "-f", "json"]).start()
    }

    fn control(&self, name: &str, value: Value) {
        self.cloud.call("cinder.control", json!({"name": name, "value": value, "volume": self.volume}));
    }

    fn status(&self) -> String {
        self.cloud.text("cinder.status", json!({"volume": self.volume}))
    }

    /// Takes the result of a run, and writes the case's line.
    #[track_caller]
    fn seen(&self, run: Finished) -> Seen {
        let left = self.status();
        let (outcome, detail) = verdict(&run);
        let (image, locations) = states(&self.site.database, &self.image);
        let rows = format!("image {image}, location {}", locations.join(" "));
        let seen = Seen { outcome, detail, left, rows, run };
        self.note(&seen);
        assert_shows_no_secret(self.cloud, &seen.run);
        // The invariant: recorded as deleted only where it is gone.
        let recorded = locations == ["deleted"];
        assert_eq!(recorded, image == "deleted", "{seen:#?}");
        assert!(!recorded || seen.left == "gone", "recorded as deleted, but there: {seen:#?}");
        seen
    }

    fn note(&self, seen: &Seen) {
        let address = |url: &str| self.cloud.fact(url).split('/').nth(2).unwrap().to_owned();
        let detail = seen.detail.replace(&self.image, "IMAGE").replace(&self.volume, "VOLUME");
        let detail = detail.replace(&address("/cinder/url"), "CINDER").replace(&address("/keystone/url"), "KEYSTONE");
        let line = [&format!("cinder: {}", self.name), &seen.outcome, &detail, &seen.left, &seen.rows];
        add_line(&line.map(String::as_str).join(" | "));
    }
}

/// Adds a line to the table.
fn add_line(line: &str) {
    let Some(file) = std::env::var_os("SCRUBBER_TEST_CASES") else { return };
    let mut file = std::fs::OpenOptions::new().append(true).create(true).open(file).unwrap();
    file.write_all(format!("{line}\n").as_bytes()).unwrap(); // in one write: others write too
}

impl Seen {
    /// The outcome, and what is left of the volume.
    #[track_caller]
    fn is(&self, outcome: &str, left: &str) -> &Seen {
        assert_eq!((self.outcome.as_str(), self.left.as_str()), (outcome, left), "{self:#?}");
        let finished = ["deleted", "absent"].contains(&outcome);
        let rows = if finished { "image deleted, location deleted" } else { PENDING };
        assert_eq!(self.rows, rows, "{self:#?}");
        let needs_attention = !finished && !["in_use", "deleting"].contains(&outcome);
        assert_eq!(self.run.code, Some(if needs_attention { 3 } else { 0 }), "{}", self.run.output());
        self
    }

    #[track_caller]
    fn says(&self, words: &[&str]) -> &Seen {
        for word in words {
            assert!(self.detail.contains(word), "{word:?} in {:?}\n{}", self.detail, self.run.output());
        }
        self
    }
}

const PENDING: &str = "image pending_delete, location pending_delete";

/// A volume with Glance's metadata: its id.
fn glance_volume(cloud: &Cloud, image: &str, user: &str) -> String {
    cloud.text("cinder.create", json!({"user": user, "metadata": {"glance_image_id": image}}))
}

/// The lines of a config for the store `cinder`, as a user of Keystone's.
fn store_of(cloud: &Cloud, user: &str) -> String {
    format!("stores = file, cinder\n{}", options_of(cloud, user))
}

fn options_of(cloud: &Cloud, user: &str) -> String {
    let its = cloud.user(user);
    format!(
        "cinder_store_auth_address = {}\ncinder_store_user_name = {}\ncinder_store_password = {}\n\
         cinder_store_project_name = {}\ncinder_store_user_domain_name = {}\ncinder_store_project_domain_name = {}\n\
         cinder_os_region_name = {}\n",
        cloud.fact("/keystone/url"),
        its.user,
        its.password,
        its.project,
        its.domain,
        its.domain,
        cloud.fact("/keystone/region")
    )
}

/// The same with the application credential, which is no administrator.
fn store_of_application(cloud: &Cloud) -> String {
    let (id, secret) = cloud.application_credential("cinder");
    let (auth, region) = (cloud.fact("/keystone/url"), cloud.fact("/keystone/region"));
    format!(
        "stores = file, cinder\ncinder_store_auth_address = {auth}\ncinder_os_region_name = {region}\n\
         cinder_store_application_credential_id = {id}\ncinder_store_application_credential_secret = {secret}\n"
    )
}

fn report(run: &Finished) -> Value {
    serde_json::from_str(&run.stdout).unwrap_or_else(|e| panic!("{e}: {}", run.output()))
}

/// The word and the detail for the only due location.
#[track_caller]
fn verdict(run: &Finished) -> (String, String) {
    let report = report(run);
    let lines = |list: &str, word: &str| -> Vec<(String, String)> {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        report[list].as_array().unwrap().iter().map(|line| (text(&line[word]), text(&line["detail"]))).collect()
    };
    let all = [lines("done", "outcome"), lines("kept", "reason")].concat();
    let [one] = &all[..] else { panic!("not one verdict: {}", run.output()) };
    one.clone()
}

/// No password, no secret of an application credential, and no token may show.
#[track_caller]
fn assert_shows_no_secret(cloud: &Cloud, run: &Finished) {
    let users = ["glance", "demo", "cinder", "admin"].map(|user| cloud.user(user).password);
    let secrets = users.into_iter().chain([cloud.application_credential("cinder").1]);
    for secret in secrets.chain(["gAAAAA".to_owned(), "nope-nope".to_owned()]) {
        assert!(secret.len() > 5 && !run.output().contains(&secret), "{}", run.output());
    }
}
