//! Files in vSphere datastores (vcsim's), case by case: what the scrubber says of each, and what the datastore and the
//! database say afterwards.
//!
//! What a case saw is added to the file that `SCRUBBER_TEST_CASES` names, for `tests/all` to print.

mod faults;
mod plain;

use std::io::Write;

use chrono::TimeDelta;
use serde_json::{Value, json};

use crate::support::binary::{Finished, Scrubber};
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
    /// Within the datastore.
    path: String,
    name: String,
}

/// What became of it.
#[derive(Debug)]
struct Seen {
    /// The word for it, as the JSON says it.
    outcome: String,
    detail: String,
    /// `there` or `gone`.
    left: String,
    /// Of the image's row and the location's.
    rows: String,
    run: Finished,
}

impl<'a> Case<'a> {
    /// An image as Glance stored and then deleted it.
    fn new(cloud: &'a Cloud, name: &str) -> Case<'a> {
        let image = new_id();
        let uri = cloud.text("vsphere.add", json!({"image": image}));
        Case::of(cloud, name, &image, &uri)
    }

    /// Whatever the URI means.
    fn of(cloud: &'a Cloud, name: &str, image: &str, uri: &str) -> Case<'a> {
        let site = Site::new(Engine::Sqlite);
        Image::active("living", &[&site.file("living")]).insert(&site.database);
        Image::pending(image, TimeDelta::hours(2), &[uri]).insert(&site.database);
        let path = format!("openstack_glance/{image}");
        Case { cloud, site, image: image.to_owned(), path, name: name.to_owned() }
    }

    fn named(mut self, name: &str) -> Self {
        name.clone_into(&mut self.name);
        self
    }

    #[track_caller]
    fn scrub(&self, more: &str) -> Seen {
        self.scrub_as(&store_of(self.cloud), more)
    }

    #[track_caller]
    fn scrub_as(&self, store: &str, more: &str) -> Seen {
        let config = self.site.config(&format!("{store}{more}"));
        let run = Scrubber::new().config_file(&config).args(&["--once", "-f", "json"]).run();
        let there = self.cloud.call("vsphere.there", json!({"path": self.path})) == json!(true);
        let left = if there { "there" } else { "gone" }.to_owned();
        let (outcome, detail) = verdict(&run);
        let (image, locations) = states(&self.site.database, &self.image);
        let rows = format!("image {image}, location {}", locations.join(" "));
        let seen = Seen { outcome, detail, left, rows, run };
        let masked = seen.detail.replace(&self.image, "IMAGE").replace(&self.cloud.fact("/vcsim/host"), "SERVER");
        let line = [&format!("vsphere: {}", self.name), &seen.outcome, &masked, &seen.left, &seen.rows];
        add_line(&line.map(String::as_str).join(" | "));
        assert_shows_no_secret(self.cloud, &seen.run);
        // The invariant: recorded as deleted only where it is gone.
        let recorded = locations == ["deleted"];
        assert_eq!(recorded, image == "deleted", "{seen:#?}");
        assert!(!recorded || seen.left == "gone", "recorded as deleted, but there: {seen:#?}");
        seen
    }
}

/// Adds a line to the table.
fn add_line(line: &str) {
    let Some(file) = std::env::var_os("SCRUBBER_TEST_CASES") else { return };
    let mut file = std::fs::OpenOptions::new().append(true).create(true).open(file).unwrap();
    file.write_all(format!("{line}\n").as_bytes()).unwrap(); // in one write: others write too
}

impl Seen {
    /// The outcome, and whether the file is still there.
    #[track_caller]
    fn is(&self, outcome: &str, left: &str) -> &Seen {
        assert_eq!((self.outcome.as_str(), self.left.as_str()), (outcome, left), "{self:#?}");
        let finished = ["deleted", "absent"].contains(&outcome);
        let rows = if finished { "image deleted, location deleted" } else { PENDING };
        assert_eq!(self.rows, rows, "{self:#?}");
        let needs_attention = !finished && outcome != "in_use";
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

/// The lines of a config for the store `vmware`.
fn store_of(cloud: &Cloud) -> String {
    format!("stores = file, vmware\n{}", options_of(cloud))
}

fn options_of(cloud: &Cloud) -> String {
    let its = |what: &str| cloud.fact(&format!("/vcsim/{what}"));
    format!(
        "vmware_server_host = {}\nvmware_server_username = {}\nvmware_server_password = {}\nvmware_ca_file = {}\n\
         vmware_datastores = /{}:{}:10\n",
        its("host"),
        its("user"),
        its("password"),
        its("ca_file"),
        its("datacenter"),
        its("datastore")
    )
}

/// The word and the detail for the only due location.
#[track_caller]
fn verdict(run: &Finished) -> (String, String) {
    let report: Value = serde_json::from_str(&run.stdout).unwrap_or_else(|e| panic!("{e}: {}", run.output()));
    let lines = |list: &str, word: &str| -> Vec<(String, String)> {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        report[list].as_array().unwrap().iter().map(|line| (text(&line[word]), text(&line["detail"]))).collect()
    };
    let all = [lines("done", "outcome"), lines("kept", "reason")].concat();
    let [one] = &all[..] else { panic!("not one verdict: {}", run.output()) };
    one.clone()
}

/// Neither a password nor the cookie of a session may show.
#[track_caller]
fn assert_shows_no_secret(cloud: &Cloud, run: &Finished) {
    for secret in [cloud.fact("/vcsim/password"), "vmware_soap_session".to_owned(), "nope-nope".to_owned()] {
        assert!(secret.len() > 5 && !run.output().contains(&secret), "{}", run.output());
    }
}
