//! Files in vSphere datastores (vcsim's), case by case: what the scrubber says of each, and what the datastore and the
//! database say afterwards.
//!
//! What a case saw is added to the file that `SCRUBBER_TEST_CASES` names, for `tests/all` to print.

mod faults;
mod plain;

use chrono::TimeDelta;
use serde_json::json;

use crate::support::binary::{Finished, Scrubber};
use crate::support::cases::{Seen, assert_shows_none};
use crate::support::ceph::new_id;
use crate::support::cloud::Cloud;
use crate::support::rows::Image;
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
        let seen = Seen::of(run, &self.site.database, &self.image, left);
        let masks = [(self.image.as_str(), "IMAGE"), (&self.cloud.fact("/vcsim/host"), "SERVER")];
        seen.note(&format!("vsphere: {}", self.name), &masks);
        assert_shows_no_secret(self.cloud, &seen.run);
        // The invariant: recorded as deleted only where it is gone.
        assert!(!seen.is_recorded() || seen.left == "gone", "recorded as deleted, but there: {seen:#?}");
        seen
    }
}

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

/// Neither a password nor the cookie of a session may show.
#[track_caller]
fn assert_shows_no_secret(cloud: &Cloud, run: &Finished) {
    let secrets = [cloud.fact("/vcsim/password"), "vmware_soap_session".to_owned(), "nope-nope".to_owned()];
    assert_shows_none(secrets, run);
}
