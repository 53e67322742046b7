//! `--probe`, and the look before a restore: whether an object is there, and how long it is.

use super::Ready;
use super::api::{Ask, Failed};
use super::bucket::{Bucket, Versioning};
use super::versions;
use crate::store::{Answer, Outcome, Probed};

/// Looks at one object. `absent` only in a bucket that answered.
pub(super) async fn probe(ready: &Ready, bucket: &Bucket, key: &str) -> Probed {
    let known = match bucket.known(&ready.api, |remark| ready.remark(remark)).await {
        Ok(known) => known,
        Err(answer) => return answer.into(),
    };
    match ready.api.send(Ask::head(&bucket.name, key)).await {
        Ok(reply) => {
            let length = reply.header("content-length").and_then(|length| length.parse().ok());
            // Without a length it is there all the same.
            Probed { stored: Some(length.unwrap_or_default()), length, ..Probed::default() }
        }
        Err(Failed::Refused(refusal)) if refusal.status == 404 => match known.versioning {
            Versioning::Kept => hidden(ready, bucket, key).await,
            Versioning::Never | Versioning::Unknown => Answer::plain(Outcome::Absent).into(),
        },
        Err(Failed::Refused(refusal)) => {
            let right = "s3:GetObject and s3:ListBucket";
            refusal.answer("show it", &bucket.place(&ready.api), right).into()
        }
        Err(Failed::Unanswered(answer)) => answer.into(),
    }
}

/// What a delete marker may hide.
async fn hidden(ready: &Ready, bucket: &Bucket, key: &str) -> Probed {
    let versions = match versions::list(&ready.api, bucket, key).await {
        Ok(versions) => versions,
        Err(answer) => return answer.into(),
    };
    if versions.iter().all(|version| version.is_marker) {
        return Answer::plain(Outcome::Absent).into();
    }
    let stored = versions.iter().map(|version| version.bytes).sum();
    let missing = Some("its current version: a delete marker hides it, and older versions are there".to_owned());
    Probed { stored: Some(stored), missing, ..Probed::default() }
}
