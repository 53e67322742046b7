//! All versions and delete markers of objects in a bucket that keeps them.
//!
//! Promises: what is removed has exactly the image's key; an object is gone only when each of its versions is. What the
//! listing does not show was not there: the bucket answered. Costs a listing for each key, and then batches.

use super::api::{Api, Ask, Failed, a_few_at_once};
use super::bucket::Bucket;
use super::remove::{Call, Item, Removed, remove};
use crate::claim::Tenure;
use crate::store::{Answer, Outcome};

/// One version of an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Version {
    pub id: String,
    /// A delete marker: no data.
    pub is_marker: bool,
    pub bytes: u64,
}

/// What is removed with all its versions.
#[derive(Clone, Copy)]
pub(super) struct Whole<'a> {
    pub key: &'a str,
    pub tenures: &'a [Tenure],
}

/// Removes objects with all their versions, and answers for each in order.
pub(super) async fn remove_all(call: Call<'_>, objects: &[Whole<'_>]) -> Vec<Answer> {
    let listed = a_few_at_once(objects.iter().map(|object| list_beating(call, object.key)).collect()).await;
    let mut items = Vec::new();
    for (object, versions) in objects.iter().zip(&listed) {
        let of_one = versions.iter().flatten();
        items.extend(of_one.map(|version| Item {
            key: object.key,
            version: Some(&version.id),
            tenures: object.tenures,
        }));
    }
    let mut removed = remove(call, &items).await.into_iter();
    listed
        .into_iter()
        .map(|versions| match versions {
            Ok(versions) => {
                let fates: Vec<_> = removed.by_ref().take(versions.len()).collect();
                judge(&versions, fates)
            }
            Err(answer) => answer,
        })
        .collect()
}

/// What an object's versions say together.
fn judge(versions: &[Version], fates: Vec<Removed>) -> Answer {
    let kept: Vec<_> = fates
        .into_iter()
        .filter_map(|fate| match fate {
            Removed::Kept(answer) => Some(answer),
            Removed::Gone { .. } | Removed::NotThere => None,
        })
        .collect();
    let (stay, all) = (kept.len(), versions.len());
    // One that will not pass by itself says more than one that will.
    let worst = kept.iter().find(|answer| answer.outcome != Outcome::Unavailable).or(kept.first());
    match worst {
        Some(Answer { outcome, detail }) => {
            let detail = detail.clone().unwrap_or_default();
            Answer::because(*outcome, format!("{stay} of {all} versions stay: {detail}"))
        }
        None if versions.iter().any(|version| !version.is_marker) => Answer::plain(Outcome::Deleted),
        None => Answer::plain(Outcome::Absent),
    }
}

async fn list_beating(call: Call<'_>, key: &str) -> Result<Vec<Version>, Answer> {
    let listed = list(call.api, call.bucket, key).await;
    call.beat();
    listed
}

/// The versions of exactly one key.
///
/// # Errors
/// Why they cannot be listed.
pub(super) async fn list(api: &Api, bucket: &Bucket, key: &str) -> Result<Vec<Version>, Answer> {
    find(api, bucket, key).await.map_err(|failed| match failed {
        Failed::Refused(refusal) => {
            let right = "s3:ListBucketVersions (or set s3_all_versions = false)";
            refusal.answer(WHAT, &bucket.place(api), right)
        }
        Failed::Unanswered(answer) => answer,
    })
}

const WHAT: &str = "list its versions";

/// The same, for who wants to know more of the refusal.
pub(super) async fn find(api: &Api, bucket: &Bucket, key: &str) -> Result<Vec<Version>, Failed> {
    let mut versions = Vec::new();
    let mut next: Option<(String, String)> = None;
    loop {
        let mut query = vec![("versions", ""), ("prefix", key)];
        if let Some((key, version)) = &next {
            query.push(("key-marker", key));
            // Where the next page begins with another key, there is none, and an empty one is refused.
            if !version.is_empty() {
                query.push(("version-id-marker", version));
            }
        }
        let page = api.document(Ask::get(&bucket.name, &query), WHAT).await?;
        let mut strangers = 0;
        for entry in page.children.iter().filter(|entry| matches!(entry.name.as_str(), "Version" | "DeleteMarker")) {
            if entry.text_of("Key") != Some(key) {
                strangers += 1;
                continue;
            }
            versions.push(Version {
                id: entry.text_of("VersionId").unwrap_or("null").to_owned(),
                is_marker: entry.name == "DeleteMarker",
                bytes: entry.text_of("Size").and_then(|size| size.parse().ok()).unwrap_or_default(),
            });
        }
        let after = page.says_true("IsTruncated").then(|| {
            let text = |name| page.text_of(name).unwrap_or_default().to_owned();
            (text("NextKeyMarker"), text("NextVersionIdMarker"))
        });
        match after {
            None => return Ok(versions),
            // Longer keys follow the one that they begin with ("ListObjectVersions": in the order of the keys).
            Some((marker, _)) if strangers > 0 && marker.as_str() > key => return Ok(versions),
            Some(after) if after.0.is_empty() || next.as_ref() == Some(&after) => {
                return Err(Failed::Unanswered(api.garbled(WHAT)));
            }
            Some(after) => next = Some(after),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(is_marker: bool) -> Version {
        Version { id: "v".to_owned(), is_marker, bytes: 1 }
    }

    #[test]
    fn an_object_is_gone_only_with_all_its_versions() {
        let gone = || Removed::Gone { marked: false };
        let data = [version(false), version(true)];
        assert_eq!(judge(&data, vec![gone(), Removed::NotThere]), Answer::plain(Outcome::Deleted));
        assert_eq!(judge(&[version(true)], vec![gone()]), Answer::plain(Outcome::Absent));
        assert_eq!(judge(&[], Vec::new()), Answer::plain(Outcome::Absent));
        let busy = Removed::Kept(Answer::because(Outcome::Unavailable, "slow"));
        let locked = Removed::Kept(Answer::because(Outcome::Forbidden, "locked"));
        let three = [version(false), version(false), version(true)];
        assert_eq!(
            judge(&three, vec![busy, locked, gone()]),
            Answer::because(Outcome::Forbidden, "2 of 3 versions stay: locked")
        );
    }
}
