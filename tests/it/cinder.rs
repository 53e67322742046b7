//! Volumes in a real Cinder, case by case: what the scrubber says of each, and what Cinder and the database say afterwards.
//!
//! What a case saw is added to the file that `SCRUBBER_TEST_CASES` names, for `tests/all` to print.

mod access;
mod faults;
mod many;
mod plain;
mod states;

use chrono::TimeDelta;
use serde_json::{Value, json};

use crate::support::binary::{Finished, Running, Scrubber};
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
    volume: String,
    name: String,
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
        let seen = Seen::of(run, &self.site.database, &self.image, self.status());
        let address = |url: &str| self.cloud.fact(url).split('/').nth(2).unwrap().to_owned();
        let (cinder, keystone) = (address("/cinder/url"), address("/keystone/url"));
        let masks = [(&self.image, "IMAGE"), (&self.volume, "VOLUME"), (&cinder, "CINDER"), (&keystone, "KEYSTONE")];
        seen.note(&format!("cinder: {}", self.name), &masks.map(|(text, mask)| (text.as_str(), mask)));
        assert_shows_no_secret(self.cloud, &seen.run);
        // The invariant: recorded as deleted only where it is gone.
        assert!(!seen.is_recorded() || seen.left == "gone", "recorded as deleted, but there: {seen:#?}");
        seen
    }
}

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

/// No password, no secret of an application credential, and no token may show.
#[track_caller]
fn assert_shows_no_secret(cloud: &Cloud, run: &Finished) {
    let users = ["glance", "demo", "cinder", "admin"].map(|user| cloud.user(user).password);
    let secrets = users.into_iter().chain([cloud.application_credential("cinder").1]);
    assert_shows_none(secrets.chain(["gAAAAA".to_owned(), "nope-nope".to_owned()]), run);
}
