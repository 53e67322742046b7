//! `s3`: images as objects in buckets, of Amazon's service or of another that speaks its protocol.
//!
//! Promises: requests go to the configured server with the configured keys, whatever a location's URI says; a bucket is
//! asked, and shows an image that is in use, before anything in it is deleted or taken for gone; a thousand objects go in a
//! request, and each is answered for; in a bucket that keeps versions an image is gone only with all of them; what was
//! uploaded in part goes, too. It fails per object, or for all of a call where its bucket does not answer.
//!
//! The way of an image: [`address`] (the URI) → [`bucket`] (what is known of its bucket in this cycle) → [`delete`] →
//! [`uploads`], and [`remove`] or [`versions`]. Each request goes through [`api`]: [`endpoint`] says where to, [`sign`]
//! signs it, [`Element`](super::xml::Element) reads what comes back, and [`refusal`] says what a server's no means.
//!
//! S3 answers a delete of what is not there as one of what is. Such an image is `deleted`; whether it was there before
//! would cost a request for each.
//!
//! Rejected: Amazon's SDK (a hundred crates, retries and redirects of its own, no notion of a claim); a HEAD before each
//! delete (what glance_store does, twice the requests).

mod address;
mod api;
mod bucket;
mod check;
mod delete;
mod endpoint;
mod probe;
mod refusal;
mod remove;
mod request;
mod sign;
mod uploads;
mod versions;

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;

use self::address::Address;
use self::api::{Api, a_few_at_once, unaddressable};
use self::bucket::Bucket;
use self::delete::Object;
use self::endpoint::{Endpoint, NoHostName};
use self::sign::Signer;
use super::client::{Client, Trust};
use super::{Answer, Finding, Outcome, Pace, Probed, State, Store, Target};
use crate::config::{Config, S3Config, StoreId, StoreKind};
use crate::location::{Location, Scheme};
use crate::scrub::{Approved, Resolved};

/// Calls at once: a server works through a batch one object after the other, and four keep it busy.
const WORKERS: usize = 4;

/// As many as one request takes.
const BATCH: usize = 1000;

pub(super) struct S3Store {
    id: StoreId,
    /// `s3_store_bucket`.
    bucket: Option<String>,
    /// What it takes to ask the server, or why it cannot be asked.
    ready: Result<Ready, String>,
    /// The other `s3` stores' servers, whose locations are not ours.
    others: Vec<(StoreId, Endpoint)>,
    /// What is known in this cycle.
    buckets: Mutex<HashMap<String, Arc<Bucket>>>,
}

/// What it takes to ask the server.
struct Ready {
    api: Api,
    /// `s3_all_versions`.
    all_versions: bool,
    /// The server has no `DeleteObjects`.
    no_batches: AtomicBool,
    /// What the log has been told.
    told: Mutex<HashSet<String>>,
}

impl Ready {
    fn new(options: &S3Config, config: &Config) -> Result<Self, String> {
        let (Some(host), Some(access), Some(secret)) = (&options.host, &options.access_key, &options.secret_key) else {
            return Err(format!("lacks {}", options.missing().join(", ")));
        };
        let endpoint = Endpoint::new(host, options.region.as_deref(), options.addressing)
            .map_err(|why| format!("cannot be asked: s3_store_host {why}"))?;
        let ca_file = options.ca_file.as_ref().map(PathBuf::from);
        let trust = Trust { ca_file, insecure: false, ca_option: "s3_store_cacert" };
        let client = Client::new(trust, config.scrubber.store_deadline);
        let signer = Signer::new(access.clone(), secret.clone(), endpoint.region.clone());
        let all_versions = config.scrubber.s3.all_versions;
        let api = Api { client, endpoint, signer };
        Ok(Self { api, all_versions, no_batches: AtomicBool::new(false), told: Mutex::default() })
    }

    /// Tells the log what an operator should know, once.
    fn remark(&self, remark: String) {
        if self.told.lock().unwrap_or_else(PoisonError::into_inner).insert(remark.clone()) {
            tracing::warn!("{remark}");
        }
    }
}

impl S3Store {
    pub(super) fn open(id: StoreId, options: &S3Config, config: &Config) -> Self {
        let ready = Ready::new(options, config);
        let mine = ready.as_ref().map(|ready| ready.api.endpoint.identity()).unwrap_or_default();
        let others = config.stores.stores.iter().filter_map(|other| {
            let StoreKind::S3(options) = &other.kind else { return None };
            let host = options.host.as_ref()?;
            let endpoint = Endpoint::new(host, options.region.as_deref(), options.addressing).ok()?;
            (endpoint.identity() != mine).then(|| (other.id.clone(), endpoint))
        });
        let others = others.collect();
        Self { id, bucket: options.bucket.clone(), ready, others, buckets: Mutex::default() }
    }

    fn ready(&self) -> Result<&Ready, Answer> {
        self.ready.as_ref().map_err(|why| Answer::because(Outcome::NoStore, format!("store {} {why}", self.id)))
    }

    /// The server that would be asked, and for what.
    fn place(&self, location: &Location) -> Result<(&Ready, Address), Answer> {
        let ready = self.ready()?;
        let address = Address::parse(location.uri.expose()).map_err(|why| Answer::because(Outcome::Malformed, why))?;
        // A host that nobody is configured for is a former name of ours; glance_store does not look at it at all.
        let theirs = self.others.iter().find(|(_, endpoint)| endpoint.is_named(&address.host));
        match theirs {
            Some((id, _)) if !ready.api.endpoint.is_named(&address.host) => Err(Answer::because(
                Outcome::NoStore,
                format!("its URI names the server of store {id}, but its row store {}; correct the row", self.id),
            )),
            _ => Ok((ready, address)),
        }
    }

    fn bucket(&self, name: &str) -> Arc<Bucket> {
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        let new = || Arc::new(Bucket::new(name, Vec::new()));
        Arc::clone(buckets.entry(name.to_owned()).or_insert_with(new))
    }

    async fn probe_one(&self, location: &Location) -> Probed {
        match self.place(location) {
            Ok((ready, address)) => probe::probe(ready, &self.bucket(&address.bucket), &address.key).await,
            Err(answer) => answer.into(),
        }
    }

    /// Puts a call's locations together by bucket and object: two may point to the same.
    fn sort(&self, targets: &[Approved], answers: &mut [Option<Answer>]) -> HashMap<String, Vec<Object>> {
        let mut objects: HashMap<(String, String), Object> = HashMap::new();
        for (at, approved) in targets.iter().enumerate() {
            match self.place(approved.location()) {
                Ok((_, Address { bucket, key, .. })) => {
                    let object = objects.entry((bucket, key)).or_default();
                    object.places.push(at);
                    object.tenures.push(approved.tenure().clone());
                }
                Err(answer) => answers[at] = Some(answer),
            }
        }
        let mut buckets: HashMap<String, Vec<Object>> = HashMap::new();
        for ((bucket, key), object) in objects {
            buckets.entry(bucket).or_default().push(Object { key, ..object });
        }
        buckets
    }
}

#[async_trait]
impl Store for S3Store {
    fn id(&self) -> &StoreId {
        &self.id
    }

    fn schemes(&self) -> &'static [Scheme] {
        &[Scheme::S3, Scheme::S3Http, Scheme::S3Https]
    }

    fn pace(&self) -> Pace {
        Pace { workers: WORKERS, batch: BATCH }
    }

    fn locate(&self, location: &Location) -> Result<Target, Answer> {
        let (ready, Address { bucket, key, .. }) = self.place(location)?;
        let endpoint = &ready.api.endpoint;
        endpoint.url(&bucket, Some(&key), &[]).map_err(|NoHostName| unaddressable(&bucket))?;
        // By the configured server, since the one in the URI is never asked.
        let identity = Some(format!("s3:{}/{bucket}/{key}", endpoint.identity()));
        Ok(Target { container: bucket::place(&bucket, &ready.api), identity })
    }

    fn owns(&self, location: &Location) -> bool {
        self.place(location).is_ok_and(|(ready, address)| {
            ready.api.endpoint.is_named(&address.host) && self.bucket.as_ref() == Some(&address.bucket)
        })
    }

    fn expect(&self, witnesses: &[Location]) {
        let mut keys: HashMap<String, Vec<String>> = HashMap::new();
        for (_, address) in witnesses.iter().filter_map(|living| self.place(living).ok()) {
            keys.entry(address.bucket).or_default().push(address.key);
        }
        // What was known is a cycle old.
        let buckets = keys.into_iter().map(|(name, keys)| (name.clone(), Arc::new(Bucket::new(&name, keys))));
        *self.buckets.lock().unwrap_or_else(PoisonError::into_inner) = buckets.collect();
    }

    async fn delete(&self, targets: &[Approved]) -> Vec<Answer> {
        let mut answers: Vec<Option<Answer>> = targets.iter().map(|_| None).collect();
        let buckets = self.sort(targets, &mut answers);
        if let (Ok(ready), Some(pulse)) = (self.ready(), targets.first().map(Approved::pulse)) {
            for (name, objects) in buckets {
                let fates = delete::delete(ready, &self.bucket(&name), pulse, &objects).await;
                for (object, fate) in objects.iter().zip(fates) {
                    object.places.iter().for_each(|&at| answers[at] = Some(fate.clone()));
                }
            }
        }
        let unanswered = || Answer::because(Outcome::Failed, "nothing was asked for it");
        answers.into_iter().map(|answer| answer.unwrap_or_else(unanswered)).collect()
    }

    async fn probe(&self, targets: &[Resolved]) -> Vec<Probed> {
        a_few_at_once(targets.iter().map(|resolved| self.probe_one(&resolved.location)).collect()).await
    }

    async fn check(&self) -> Vec<Finding> {
        let finding = |state, detail| vec![Finding { subject: self.id.to_string(), state, detail }];
        match (&self.ready, &self.bucket) {
            (Err(why), _) => finding(State::Fault, format!("it {why}")),
            (Ok(_), None) => finding(State::Warning, "s3_store_bucket is not set; nothing was looked at".to_owned()),
            (Ok(ready), Some(bucket)) => check::check(ready, bucket).await,
        }
    }
}
