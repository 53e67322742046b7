//! Images in real Ceph clusters, case by case: what the scrubber says of each, and what `rbd ls`, `rbd trash ls`,
//! `rbd snap ls` and the database say afterwards.
//!
//! What a case saw is added to the file that `SCRUBBER_TEST_CASES` names, for `tests/all` to print.

mod access;
mod clones;
mod holders;
mod mixed;
mod no_ceph;
mod outages;
mod plain;
mod space;
mod trash;

use std::path::Path;

use crate::support::binary::{Finished, Running, Scrubber};
use crate::support::cases::{Seen, add_line, report, verdict};
use crate::support::ceph::{Ceph, new_id};
use crate::support::rows::{Image, states};
use crate::support::servers::Engine;
use crate::support::site::Site;
use chrono::TimeDelta;

/// Gives up on a monitor or an osd that does not answer after so many seconds.
const SOON: &str = "rados_connect_timeout = 2";

/// One image, due, the only one of its database that is.
struct Case<'a> {
    ceph: &'a Ceph,
    site: Site,
    image: String,
    name: String,
}

impl<'a> Case<'a> {
    /// An image as Glance stored and then deleted it.
    fn new(ceph: &'a Ceph, name: &str) -> Case<'a> {
        let image = new_id();
        let uri = ceph.add(&image);
        Case::of(ceph, name, &image, &uri)
    }

    /// Whatever the URI means.
    fn of(ceph: &'a Ceph, name: &str, image: &str, uri: &str) -> Case<'a> {
        let site = Site::new(Engine::Sqlite);
        Image::active("living", &[&site.file("living")]).insert(&site.database);
        Image::pending(image, TimeDelta::hours(2), &[uri]).insert(&site.database);
        Case { ceph, site, image: image.to_owned(), name: name.to_owned() }
    }

    /// Runs with client.glance, and `more`: lines for `[glance_store]`, then for sections that it opens.
    #[track_caller]
    fn scrub(&self, more: &str) -> Seen {
        self.seen(self.start(more).wait(), "")
    }

    #[track_caller]
    fn scrub_noting(&self, note: &str, more: &str) -> Seen {
        self.seen(self.start(more).wait(), note)
    }

    fn start(&self, more: &str) -> Running {
        start(&self.site, &store_of(self.ceph, more))
    }

    /// Takes the result of a run, and writes the case's line.
    #[track_caller]
    fn seen(&self, run: Finished, note: &str) -> Seen {
        let left = self.ceph.look(&self.image);
        self.seen_with(run, note, left)
    }

    /// The same where the cluster cannot be asked: it is down, or an osd that was frozen has lost some operation.
    #[track_caller]
    fn seen_blindly(&self, run: Finished, note: &str) -> Seen {
        self.seen_with(run, note, UNKNOWN.to_owned())
    }

    #[track_caller]
    fn seen_with(&self, run: Finished, note: &str, left: String) -> Seen {
        let seen = Seen::of(run, &self.site.database, &self.image, left);
        self.note(&seen, note);
        // The invariant: recorded as deleted only where it is gone or in the trash.
        assert!(!seen.is_recorded() || !seen.left.starts_with("listed"), "recorded as deleted, but there: {seen:#?}");
        seen
    }

    fn note(&self, seen: &Seen, note: &str) {
        let name = if note.is_empty() { self.name.clone() } else { format!("{} ({note})", self.name) };
        let directory = self.ceph.conf().parent().unwrap().display().to_string();
        let own = self.site.directory.path().display().to_string();
        seen.note(&name, &[(&self.image, "IMAGE"), (&directory, "DIR"), (&own, "DIR")]);
    }
}

/// Where nobody could be asked what is left of an image.
const UNKNOWN: &str = "(cannot be asked)";

/// How an image of glance_store's is left that was not touched.
const UNTOUCHED: &str = "listed [snap protected]";

/// The lines of a config for the store `rbd`; `more` may say otherwise.
fn store_of(ceph: &Ceph, more: &str) -> String {
    let user = if more.contains("rbd_store_user") { "" } else { "rbd_store_user = glance\n" };
    let conf = ceph.conf().display().to_string();
    let conf =
        if more.contains("rbd_store_ceph_conf") { String::new() } else { format!("rbd_store_ceph_conf = {conf}\n") };
    format!("stores = file, rbd\n{user}{conf}{more}")
}

fn start(site: &Site, config: &str) -> Running {
    Scrubber::new().config_file(&site.config(config)).args(&["--once", "-f", "json"]).start()
}

/// No key of the cluster's users may show.
#[track_caller]
fn assert_shows_no_key(ceph: &Ceph, run: &Finished) {
    let keyrings = std::fs::read_dir(ceph.conf().parent().unwrap()).unwrap().map(|entry| entry.unwrap().path());
    let mut keys = 0;
    for keyring in keyrings.filter(|path| path.extension() == Some("keyring".as_ref())) {
        keys += keys_in(&keyring).inspect(|key| assert!(!run.output().contains(key), "{}", run.output())).count();
    }
    assert!(keys > 5, "no keys to look for");
}

fn keys_in(keyring: &Path) -> impl Iterator<Item = String> {
    let text = std::fs::read_to_string(keyring).unwrap();
    let keys =
        text.lines().filter_map(|line| line.trim().strip_prefix("key = ").map(str::to_owned)).collect::<Vec<_>>();
    keys.into_iter()
}
