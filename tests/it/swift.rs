//! Images in a real Swift, case by case: what the scrubber says of each, and what Swift and the database say afterwards.
//!
//! What a case saw is added to the file that `SCRUBBER_TEST_CASES` names, for `tests/all` to print.

mod logins;
mod objects;
mod outages;
mod tenants;

use chrono::TimeDelta;
use serde_json::json;

use crate::support::binary::{Finished, Scrubber};
use crate::support::cases::{Seen, assert_shows_none};
use crate::support::ceph::new_id;
use crate::support::cloud::Cloud;
use crate::support::rows::Image;
use crate::support::servers::Engine;
use crate::support::site::Site;

/// What glance_store calls a megabyte.
const MEGABYTE: usize = 1_024_000;

/// One image, due, the only one of its database that is.
struct Case<'a> {
    cloud: &'a Cloud,
    site: Site,
    image: String,
    name: String,
}

impl<'a> Case<'a> {
    /// An image as Glance's driver stored it: of one object, or of segments of a [`MEGABYTE`].
    fn stored(cloud: &'a Cloud, name: &str, container: &str, size: usize) -> Case<'a> {
        let image = new_id();
        let uri = cloud.text("swift.add", json!({"image": image, "size": size, "container": container}));
        Case::of(cloud, name, &image, &uri)
    }

    /// Whatever the URI means.
    fn of(cloud: &'a Cloud, name: &str, image: &str, uri: &str) -> Case<'a> {
        let site = Site::new(Engine::Sqlite);
        Image::active("living", &[&site.file("living")]).insert(&site.database);
        Image::pending(image, TimeDelta::hours(2), &[uri]).insert(&site.database);
        Case { cloud, site, image: image.to_owned(), name: name.to_owned() }
    }

    /// With the options of [`own`] and `more`.
    #[track_caller]
    fn scrub(&self, more: &str) -> Seen {
        self.scrub_with("", &format!("{}{more}", own(self.cloud)))
    }

    /// With `options` alone: lines for `[glance_store]`, then for sections that they open.
    #[track_caller]
    fn scrub_with(&self, note: &str, options: &str) -> Seen {
        let config = self.site.config(&format!("stores = file, swift\n{options}"));
        self.seen(note, Scrubber::new().config_file(&config).args(&["--once", "-f", "json"]).run())
    }

    #[track_caller]
    fn seen(&self, note: &str, run: Finished) -> Seen {
        assert_shows_no_secret(self.cloud, &run);
        let seen = Seen::of(run, &self.site.database, &self.image, String::new());
        let name = if note.is_empty() { self.name.clone() } else { format!("{} ({note})", self.name) };
        seen.note(&format!("swift: {name}"), &[(&self.image, "IMAGE")]);
        seen
    }

    /// What is left of the image in a container, the names without its id; `None`: there is no such container.
    fn left(&self, container: &str) -> Option<Vec<String>> {
        self.left_of("glance", container)
    }

    fn left_of(&self, user: &str, container: &str) -> Option<Vec<String>> {
        let asked = json!({"container": container, "prefix": self.image, "user": user});
        if self.cloud.call("swift.objects", asked.clone()).is_null() {
            return None;
        }
        let names = self.cloud.texts("swift.objects", asked);
        Some(names.iter().map(|name| name.replace(&self.image, "")).collect())
    }

    #[track_caller]
    fn is_gone_from(&self, container: &str) {
        assert_eq!(self.left(container), Some(Vec::new()));
    }
}

/// A container of one's own: the servers are shared.
fn container() -> String {
    format!("glance-{}", &new_id()[..8])
}

/// The options of a store whose account is Glance's.
fn own(cloud: &Cloud) -> String {
    let glance = cloud.user("glance");
    options(&cloud.fact("/keystone/url"), &format!("{}:{}", glance.project, glance.user), &glance.password)
}

fn options(auth_address: &str, user: &str, key: &str) -> String {
    format!("swift_store_auth_address = {auth_address}\nswift_store_user = {user}\nswift_store_key = {key}\n")
}

/// No password that there is may show, however a run was made.
#[track_caller]
fn assert_shows_no_secret(cloud: &Cloud, run: &Finished) {
    let users = ["glance", "reader", "reseller", "stranger", "demo", "elsewhere", "admin"];
    let mut secrets: Vec<String> = users.iter().map(|name| cloud.user(name).password).collect();
    secrets.push(cloud.application_credential("swift").1);
    secrets.push(cloud.fact("/swift/users/test:tester"));
    secrets.extend(["wr0ng-passw0rd", "gAAAAA"].map(str::to_owned)); // what all of Keystone's tokens begin with
    assert_shows_none(secrets, run);
}
