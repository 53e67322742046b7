//! Objects and versions removed, a thousand in a request (`DeleteObjects`).
//!
//! Promises: each object is answered for by what the server said of that key, and is gone only if it said so; a server
//! without the request is asked for one object after the other, for as long as the store lives; a refused key is not
//! another's. Fails per object, or for all of a request's objects where the request failed.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};

use super::api::{Api, Ask, Failed, a_few_at_once};
use super::bucket::Bucket;
use super::refusal::Refusal;
use super::request;
use crate::claim::Tenure;
use crate::scrub::Pulse;
use crate::store::client::Trouble;
use crate::store::xml::Element;
use crate::store::{Answer, Outcome};

/// As many as one `DeleteObjects` takes (Amazon S3 API Reference).
const BATCH: usize = 1000;

/// What is removed: an object, or one version of it.
#[derive(Clone, Copy)]
pub(super) struct Item<'a> {
    pub key: &'a str,
    pub version: Option<&'a str>,
    pub tenures: &'a [Tenure],
}

/// What became of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Removed {
    /// The server says that it is gone. `marked`: by a delete marker, so that older versions are still there.
    Gone { marked: bool },
    /// The server says that it was not there; S3 mostly does not.
    NotThere,
    /// It is still there, or may be.
    Kept(Answer),
}

/// What a call to one bucket goes through.
#[derive(Clone, Copy)]
pub(super) struct Call<'a> {
    pub api: &'a Api,
    pub bucket: &'a Bucket,
    /// The server has no `DeleteObjects`.
    pub no_batches: &'a AtomicBool,
    /// Beats with each answer: a call may take hundreds of requests.
    pub pulse: &'a Pulse,
}

impl Call<'_> {
    pub(super) fn beat(&self) {
        self.pulse.tell(0, 1);
    }
}

/// Removes objects from one bucket, and answers for each in order.
pub(super) async fn remove(call: Call<'_>, items: &[Item<'_>]) -> Vec<Removed> {
    let ran_out = || Removed::Kept(Trouble::RanOut.into());
    let mut removed: Vec<Option<Removed>> = items.iter().map(|_| None).collect();
    let lasts = |item: &Item<'_>| item.tenures.iter().all(Tenure::lets_begin);
    // One claim that ran out must not keep a thousand from going.
    let (going, lost): (Vec<_>, Vec<_>) = (0..items.len()).partition(|&at| lasts(&items[at]));
    lost.into_iter().for_each(|at| removed[at] = Some(ran_out()));
    let (in_batches, singly): (Vec<_>, Vec<_>) = going.into_iter().partition(|&at| fits(&items[at]));
    let mut singly = singly;
    for batch in in_batches.chunks(BATCH) {
        if call.no_batches.load(Ordering::Relaxed) {
            singly.extend(batch);
            continue;
        }
        let chosen: Vec<_> = batch.iter().map(|&at| items[at]).collect();
        match remove_batch(call, &chosen).await {
            Some(answers) => batch.iter().zip(answers).for_each(|(&at, answer)| removed[at] = Some(answer)),
            None => {
                tracing::info!("{} removes objects one by one only", call.api.endpoint.shown());
                call.no_batches.store(true, Ordering::Relaxed);
                singly.extend(batch);
            }
        }
    }
    let ones = singly.iter().map(|&at| remove_one(call, items[at])).collect();
    let ones = a_few_at_once(ones).await;
    singly.into_iter().zip(ones).for_each(|(at, answer)| removed[at] = Some(answer));
    removed.into_iter().map(|answer| answer.unwrap_or_else(untold)).collect()
}

fn fits(item: &Item<'_>) -> bool {
    request::can_carry(item.key) && item.version.is_none_or(request::can_carry)
}

/// `None`: the server has no such request.
async fn remove_batch(call: Call<'_>, items: &[Item<'_>]) -> Option<Vec<Removed>> {
    let body = request::delete_request(items.iter().map(|item| (item.key, item.version)));
    let tenures: Vec<_> = items.iter().flat_map(|item| item.tenures).cloned().collect();
    let asked = call.api.document(Ask::delete_many(&call.bucket.name, body, &tenures), "delete objects").await;
    call.beat();
    match asked {
        Ok(result) => Some(read(&result, call, items)),
        Err(Failed::Refused(refusal)) if refusal.is_unknown_request() => None,
        // A word about one key is none about a request for many.
        Err(Failed::Refused(refusal)) if refusal.is_no_key() => None,
        Err(Failed::Refused(refusal)) => Some(items.iter().map(|&item| kept(&refusal, call, item)).collect()),
        Err(Failed::Unanswered(answer)) => Some(items.iter().map(|_| Removed::Kept(answer.clone())).collect()),
    }
}

/// Takes a `DeleteResult` apart: what it says of each item.
fn read(result: &Element, call: Call<'_>, items: &[Item<'_>]) -> Vec<Removed> {
    let words = result.children.iter().filter(|word| matches!(word.name.as_str(), "Deleted" | "Error"));
    let mut said: HashMap<&str, Vec<&Element>> = HashMap::new();
    for word in words {
        if word.name == "Error" && Refusal::stated(word, &call.api.signer).is_throttle() {
            call.api.client.slow_down(None);
        }
        said.entry(word.text_of("Key").unwrap_or_default()).or_default().push(word);
    }
    let mut asked: HashMap<&str, Vec<usize>> = HashMap::new();
    for (at, item) in items.iter().enumerate() {
        asked.entry(item.key).or_default().push(at);
    }
    let mut answers: Vec<Option<Removed>> = items.iter().map(|_| None).collect();
    for (key, mut places) in asked {
        let mut words = said.remove(key).unwrap_or_default();
        places.retain(|&at| {
            let of_version = |word: &&&Element| word.text_of("VersionId") == items[at].version;
            // Said both ways, it counts as kept.
            let mut exact: Vec<_> = words.iter().filter(of_version).copied().collect();
            exact.sort_by_key(|word| word.name == "Deleted");
            answers[at] = exact.first().map(|word| fate(word, call, items[at]));
            words.retain(|word| !of_version(&word));
            answers[at].is_none()
        });
        // Swift's s3api names no versions: then it takes a good word for each, and one bad one is for all.
        if words.len() == places.len() {
            words.sort_by_key(|word| word.name == "Deleted");
            for at in places {
                answers[at] = words.first().map(|word| fate(word, call, items[at]));
            }
        }
    }
    answers.into_iter().map(|answer| answer.unwrap_or_else(untold)).collect()
}

/// What a word of the server's means for an item.
fn fate(word: &Element, call: Call<'_>, item: Item<'_>) -> Removed {
    if word.name == "Deleted" {
        Removed::Gone { marked: item.version.is_none() && word.says_true("DeleteMarker") }
    } else {
        kept(&Refusal::stated(word, &call.api.signer), call, item)
    }
}

fn untold() -> Removed {
    Removed::Kept(Answer::because(Outcome::Failed, "the server did not say what became of it"))
}

fn kept(refusal: &Refusal, call: Call<'_>, item: Item<'_>) -> Removed {
    if refusal.is_no_key() {
        return Removed::NotThere;
    }
    let right = match item.version {
        None => "s3:DeleteObject",
        Some(_) => "s3:DeleteObjectVersion, and the version must not be under a lock or hold",
    };
    Removed::Kept(refusal.answer("delete it", &call.bucket.place(call.api), right))
}

async fn remove_one(call: Call<'_>, item: Item<'_>) -> Removed {
    let version = item.version.map(|version| [("versionId", version)]);
    let query = version.as_ref().map_or(&[][..], |version| &version[..]);
    let Call { api, bucket, .. } = call;
    let asked = api.send(Ask::delete(&bucket.name, item.key, query, item.tenures)).await;
    call.beat();
    match asked {
        Ok(reply) => {
            let marked = reply.header("x-amz-delete-marker") == Some("true");
            Removed::Gone { marked: item.version.is_none() && marked }
        }
        Err(Failed::Refused(refusal)) if refusal.is_bare_404() => match api.send(Ask::get(&bucket.name, FIRST)).await {
            Ok(_) => Removed::NotThere,
            Err(_) => kept(&refusal, call, item),
        },
        Err(Failed::Refused(refusal)) => kept(&refusal, call, item),
        Err(Failed::Unanswered(answer)) => Removed::Kept(answer),
    }
}

/// The least that a bucket can be asked for to see that it is there.
const FIRST: &[(&str, &str)] = &[("list-type", "2"), ("max-keys", "1")];

#[cfg(test)]
#[path = "remove_tests.rs"]
mod tests;
