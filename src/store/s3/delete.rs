//! Deleting: the order of the steps for one bucket's objects.

use std::collections::HashMap;

use super::api::{Failed, a_few_at_once};
use super::bucket::{Bucket, Known, Versioning};
use super::remove::{Call, Item, Removed, remove};
use super::versions::{self, Whole};
use super::{Ready, uploads};
use crate::claim::Tenure;
use crate::scrub::Pulse;
use crate::store::{Answer, Outcome};

/// One object, with the claims of all locations that point to it.
#[derive(Default)]
pub(super) struct Object {
    pub key: String,
    pub tenures: Vec<Tenure>,
    /// Its locations' places in the call.
    pub places: Vec<usize>,
}

/// Deletes objects of one bucket, and answers for each in order.
pub(super) async fn delete(ready: &Ready, bucket: &Bucket, pulse: &Pulse, objects: &[Object]) -> Vec<Answer> {
    let known = match bucket.known(&ready.api, |remark| ready.remark(remark)).await {
        Ok(known) => known,
        Err(answer) => return objects.iter().map(|_| answer.clone()).collect(),
    };
    let call = Call { api: &ready.api, bucket, no_batches: &ready.no_batches, pulse };
    let aborted = abort(call, known, objects).await;
    let mut answers = take_away(call, ready.all_versions, known.versioning, objects).await;
    for (object, answer) in objects.iter().zip(&mut answers) {
        match aborted.get(object.key.as_str()) {
            // What is left of it takes space: the location stays until that has gone, too.
            Some(Err(failure)) if answer.outcome.finishes() => *answer = failure.clone(),
            Some(Ok(count)) if answer.outcome.finishes() && answer.detail.is_none() && *count > 0 => {
                let detail = format!("{count} unfinished uploads of it were aborted");
                *answer = Answer::because(answer.outcome, detail);
            }
            _ => {}
        }
    }
    answers
}

/// Aborts what was uploaded in part of the objects, and says how many uploads that were.
async fn abort<'a>(call: Call<'_>, known: &Known, objects: &'a [Object]) -> HashMap<&'a str, Result<usize, Answer>> {
    let begun: Vec<_> = objects.iter().filter_map(|object| Some((object, known.uploads.get(&object.key)?))).collect();
    let aborts = begun.iter().map(|(object, ids)| uploads::abort(call, &object.key, ids, &object.tenures)).collect();
    let aborted = a_few_at_once(aborts).await;
    begun.into_iter().map(|(object, _)| object.key.as_str()).zip(aborted).collect()
}

async fn take_away(call: Call<'_>, all_versions: bool, versioning: Versioning, objects: &[Object]) -> Vec<Answer> {
    if versioning == Versioning::Kept && all_versions {
        let wholes: Vec<_> = objects.iter().map(whole).collect();
        return versions::remove_all(call, &wholes).await;
    }
    let items: Vec<_> =
        objects.iter().map(|object| Item { key: &object.key, version: None, tenures: &object.tenures }).collect();
    let mut removed = remove(call, &items).await;
    if versioning == Versioning::Unknown && all_versions {
        find_markers(call, objects, &mut removed).await;
    }
    // By the marker a bucket tells that it keeps versions, though it could not be asked, or did not when it was asked.
    let is_marked = |fate: &Removed| *fate == Removed::Gone { marked: true } && all_versions;
    let marked: Vec<_> =
        objects.iter().zip(&removed).filter(|(_, fate)| is_marked(fate)).map(|(object, _)| whole(object)).collect();
    let mut purged = versions::remove_all(call, &marked).await.into_iter();
    let versions_stay = versioning == Versioning::Kept;
    let answer = |fate: Removed| match fate {
        fate if is_marked(&fate) => purged.next().unwrap_or_else(|| Answer::plain(Outcome::Failed)),
        Removed::Gone { marked } if marked || versions_stay => Answer::because(Outcome::Deleted, MARKED),
        Removed::Gone { .. } => Answer::plain(Outcome::Deleted),
        Removed::NotThere => Answer::plain(Outcome::Absent),
        Removed::Kept(answer) => answer,
    };
    removed.into_iter().map(answer).collect()
}

/// Of a bucket that did not say whether it keeps versions: Swift's s3api does not say either that it only marked an object
/// as deleted, so one object is looked for. In a bucket with versions, its marker is there.
async fn find_markers(call: Call<'_>, objects: &[Object], removed: &mut [Removed]) {
    let plain = Removed::Gone { marked: false };
    let Some(at) = removed.iter().position(|fate| *fate == plain) else { return };
    let fate = match versions::find(call.api, call.bucket, &objects[at].key).await {
        Ok(versions) if versions.is_empty() => return,
        Ok(_) => Removed::Gone { marked: true },
        // Without the request there are no versions; and who has rights to give and to refuse (Amazon, radosgw, moto) also
        // names the markers that a delete has made.
        Err(Failed::Refused(refusal)) if refusal.is_unknown_request() || refusal.is_access_denied() => return,
        Err(Failed::Refused(refusal)) => {
            Removed::Kept(refusal.answer("list its versions", &call.bucket.place(call.api), "s3:ListBucketVersions"))
        }
        Err(Failed::Unanswered(answer)) => Removed::Kept(answer),
    };
    removed.iter_mut().filter(|other| **other == plain).for_each(|other| *other = fate.clone());
}

fn whole(object: &Object) -> Whole<'_> {
    Whole { key: &object.key, tenures: &object.tenures }
}

/// What `s3_all_versions = false` leaves.
const MARKED: &str = "a delete marker was written; its older versions stay and take space (s3_all_versions = false)";
