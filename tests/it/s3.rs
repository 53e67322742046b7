//! Images in real S3 servers, case by case: what the scrubber says of each, and what the server and the database say
//! afterwards. The servers are Ceph's radosgw, moto (with IAM) and Swift's s3api.
//!
//! What a case saw is added to the file that `SCRUBBER_TEST_CASES` names, for `tests/all` to print.

mod access;
mod faults;
mod pace;
mod plain;
mod versions;

use chrono::TimeDelta;
use serde_json::json;

use crate::support::binary::{Finished, Scrubber};
use crate::support::cases::{PENDING, Seen, add_line, verdict};
use crate::support::ceph::new_id;
use crate::support::cloud::{Cloud, S3Keys};
use crate::support::rows::{Image, states};
use crate::support::servers::Engine;
use crate::support::site::Site;

/// All of them.
const SERVERS: [&str; 3] = ["radosgw", "moto", "s3api"];

/// One bucket of a server's, with an image that lives and one that is due.
struct Case<'a> {
    cloud: &'a Cloud,
    server: &'a str,
    name: String,
    bucket: String,
    site: Site,
    image: String,
    living: String,
    /// Instead of the server's own: a proxy's, say.
    url: Option<String>,
    /// Instead of those that may do everything.
    keys: Option<S3Keys>,
}

impl<'a> Case<'a> {
    /// An image as Glance stored and then deleted it, in a bucket of its own.
    fn new(cloud: &'a Cloud, server: &'a str, name: &str) -> Case<'a> {
        Case::sized(cloud, server, name, 1000)
    }

    /// From 5 MiB on the driver uploads in parts.
    fn sized(cloud: &'a Cloud, server: &'a str, name: &str, bytes: u64) -> Case<'a> {
        let case = Case::empty(cloud, server, name);
        let uri = case.add(&case.image, bytes);
        case.pending(&uri);
        case
    }

    /// In a bucket with versions.
    fn versioned(cloud: &'a Cloud, server: &'a str, name: &str) -> Case<'a> {
        let case = Case::empty(cloud, server, name);
        cloud.call("s3.versioning", json!({"server": server, "bucket": case.bucket}));
        let uri = case.add(&case.image, 1000);
        case.pending(&uri);
        case
    }

    /// A bucket with the image that lives alone.
    fn empty(cloud: &'a Cloud, server: &'a str, name: &str) -> Case<'a> {
        let case = Case {
            cloud,
            server,
            name: name.to_owned(),
            bucket: format!("glance-{}", &new_id()[..13]),
            site: Site::new(Engine::Sqlite),
            image: new_id(),
            living: new_id(),
            url: None,
            keys: None,
        };
        let uri = case.add(&case.living, 10);
        Image::active(&case.living, &[&uri]).insert(&case.site.database);
        case
    }

    fn add(&self, image: &str, bytes: u64) -> String {
        let place = json!({"server": self.server, "image": image, "size": bytes, "bucket": self.bucket});
        self.cloud.text("s3.add", place)
    }

    fn pending(&self, uri: &str) {
        Image::pending(&self.image, TimeDelta::hours(2), &[uri]).insert(&self.site.database);
    }

    fn uri(&self) -> String {
        self.cloud.text("s3.uri", json!({"server": self.server, "key": self.image, "bucket": self.bucket}))
    }

    /// Of an operation of boto3's.
    fn call(&self, operation: &str, arguments: serde_json::Value) -> serde_json::Value {
        self.cloud.call("s3.call", json!({"server": self.server, "operation": operation, "arguments": arguments}))
    }

    fn server_url(&self) -> String {
        self.cloud.fact(&format!("/{}/url", self.server))
    }

    /// What is left of the image: `object`, `2 versions`, `1 marker`, `1 upload`; `gone`.
    fn left(&self) -> String {
        let place = json!({"server": self.server, "key": self.image, "bucket": self.bucket});
        let gone = self.call("head_bucket", json!({"Bucket": self.bucket}));
        if gone["refused"].is_string() {
            return "no bucket".to_owned();
        }
        let mut left = Vec::new();
        let versions = self.cloud.call("s3.versions", place.clone());
        let versions = versions.as_array().cloned().unwrap_or_default();
        let (markers, data): (Vec<_>, Vec<_>) = versions.iter().partition(|version| version["marker"] == true);
        let is_plain = |version: &&serde_json::Value| version["id"] == "null" && markers.is_empty();
        match data[..] {
            [] => {}
            [one] if is_plain(&one) => left.push("object".to_owned()),
            _ => left.push(format!("{} versions", data.len())),
        }
        if !markers.is_empty() {
            left.push(format!("{} markers", markers.len()));
        }
        let uploads = self.cloud.texts("s3.uploads", place).len();
        if uploads > 0 {
            left.push(format!("{uploads} uploads"));
        }
        if left.is_empty() { "gone".to_owned() } else { left.join(", ") }
    }

    /// Runs with `more`: lines for `[scrubber]`, then for sections that it opens.
    #[track_caller]
    fn scrub(&self, more: &str) -> Seen {
        self.seen(self.run(&["--once", "-f", "json"], more))
    }

    fn run(&self, arguments: &[&str], more: &str) -> Finished {
        let config = self.site.config(&self.config(more));
        Scrubber::new().config_file(&config).args(arguments).run()
    }

    fn config(&self, more: &str) -> String {
        let url = self.url.clone().unwrap_or_else(|| self.server_url());
        let keys = self.keys.clone().unwrap_or_else(|| self.cloud.keys(self.server, "full"));
        let audit_log = self.audit_log().display().to_string();
        format!(
            "stores = file, s3\ns3_store_host = {url}\ns3_store_access_key = {}\ns3_store_secret_key = {}\n\
             s3_store_bucket = {}\ns3_store_region_name = us-east-1\ns3_store_bucket_url_format = path\n\
             [DEFAULT]\ndebug = True\n[scrubber]\naudit_log = {audit_log}\n{more}\n",
            keys.access, keys.secret, self.bucket
        )
    }

    fn audit_log(&self) -> std::path::PathBuf {
        self.site.directory.path().join("audit.log")
    }

    /// Takes the result of a run, and writes the case's line.
    #[track_caller]
    fn seen(&self, run: Finished) -> Seen {
        self.assert_shows_no_key(&run);
        let seen = Seen::of(run, &self.site.database, &self.image, self.left());
        self.note(&seen);
        // The invariant: recorded as deleted only where no data of it is left.
        let has_data = ["object", "version", "upload"].iter().any(|data| seen.left.contains(data));
        let told = seen.run.stderr.contains("a delete marker was written");
        assert!(!seen.is_recorded() || !has_data || told, "recorded as deleted, but there: {seen:#?}");
        let living = json!({"server": self.server, "key": self.living, "bucket": self.bucket});
        assert!(seen.left == "no bucket" || self.cloud.call("s3.there", living) == true, "{seen:#?}");
        seen
    }

    fn note(&self, seen: &Seen) {
        let host = |url: &str| url.split("://").last().unwrap_or_default().to_owned();
        let (own, proxy) = (host(&self.server_url()), self.url.as_deref().map(host));
        let directory = self.site.directory.path().display().to_string();
        let masks = [
            (self.image.as_str(), "IMAGE"),
            (&self.bucket, "BUCKET"),
            (proxy.as_deref().unwrap_or(&own), "HOST"),
            (&own, "HOST"),
            (&directory, "DIR"),
        ];
        seen.note(&format!("s3 {} | {}", self.server, self.name), &masks);
    }

    /// Neither the keys of any user, nor what a run was configured with, in anything that it said or wrote.
    #[track_caller]
    fn assert_shows_no_key(&self, run: &Finished) {
        let mut keys = vec![self.cloud.keys(self.server, "full"), self.cloud.keys(self.server, "reader")];
        keys.extend(self.keys.clone());
        let audit = std::fs::read_to_string(self.audit_log()).unwrap_or_default();
        let text = format!("{}\n{audit}", run.output());
        for key in keys {
            assert!(!text.contains(&key.secret), "the secret of {} shows: {text}", key.access);
            assert!(!text.contains(&key.access), "the key {} shows: {text}", key.access);
        }
        assert!(!text.contains("OLDSECRET"), "a URI's secret shows: {text}");
    }
}
