//! What deleting from an `s3` store needs (glance_store's `_drivers/s3.py`).

use secrecy::SecretString;

use super::reader::Reader;
use super::stores::StoreOptions;

/// Options of an `s3` store. What is missing leaves the store without use, as in glance_store, and the others as they are.
#[derive(Debug, Clone)]
pub struct S3Config {
    /// `s3_store_host`: a URL, or a host alone.
    pub host: Option<String>,
    /// `s3_store_region_name`.
    pub region: Option<String>,
    /// `s3_store_access_key`.
    pub access_key: Option<SecretString>,
    /// `s3_store_secret_key`.
    pub secret_key: Option<SecretString>,
    /// `s3_store_bucket`: where new images go. Locations name their own.
    pub bucket: Option<String>,
    /// `s3_store_bucket_url_format`.
    pub addressing: Addressing,
    /// `s3_store_cacert`.
    pub ca_file: Option<String>,
}

/// Where a request names its bucket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Addressing {
    /// In the host's name at Amazon, in the path elsewhere.
    Auto,
    /// In the host's name, where the host has one.
    Virtual,
    /// In the path.
    Path,
}

/// `[scrubber]`, as far as it is about S3.
#[derive(Debug, Clone, Copy)]
pub struct S3Policy {
    /// `s3_all_versions`: in a bucket that keeps versions, all of them go.
    pub all_versions: bool,
}

pub(super) fn load(reader: &mut Reader, options: &StoreOptions, id: &str) -> S3Config {
    let config = S3Config {
        host: options.text(reader, "s3_store_host"),
        region: options.text(reader, "s3_store_region_name"),
        access_key: options.text(reader, "s3_store_access_key").map(SecretString::from),
        secret_key: options.text(reader, "s3_store_secret_key").map(SecretString::from),
        bucket: options.text(reader, "s3_store_bucket"),
        addressing: match options.text(reader, "s3_store_bucket_url_format").as_deref() {
            Some("virtual") => Addressing::Virtual,
            Some("path") => Addressing::Path,
            _ => Addressing::Auto,
        },
        ca_file: options.text(reader, "s3_store_cacert"),
    };
    let missing = config.missing();
    if !missing.is_empty() {
        reader.report.warn(format!("store {id}: {} not set; its locations stay pending", missing.join(", ")));
    }
    config
}

pub(super) fn policy(reader: &mut Reader, group: &str) -> S3Policy {
    S3Policy { all_versions: reader.flag(group, "s3_all_versions") }
}

impl S3Config {
    /// Options without which nothing can be deleted. (glance_store wants `s3_store_bucket`, too, for new images.)
    pub fn missing(&self) -> Vec<&'static str> {
        let needed = [
            ("s3_store_host", self.host.is_none()),
            ("s3_store_access_key", self.access_key.is_none()),
            ("s3_store_secret_key", self.secret_key.is_none()),
        ];
        needed.into_iter().filter_map(|(name, is_missing)| is_missing.then_some(name)).collect()
    }
}
