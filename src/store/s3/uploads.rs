//! Multipart uploads that were never finished: their parts take space, and no listing of objects shows them.
//!
//! Promises: only uploads of exactly a due image's key are aborted. They are listed once for each bucket and cycle. Where
//! the user may not list them, or the server cannot, that is said and the images are deleted all the same.
//! An upload is aborted before its object goes: finished afterwards, it would bring the object back.

use std::collections::HashMap;

use super::api::{Api, Ask, Failed};
use super::bucket::Bucket;
use super::remove::Call;
use crate::claim::Tenure;
use crate::store::xml::Element;
use crate::store::{Answer, Outcome};

/// Uploads by key.
pub(super) type Uploads = HashMap<String, Vec<String>>;

/// Pages of a thousand. More unfinished uploads than that are a matter for a lifecycle rule.
const PAGES: usize = 100;

/// # Errors
/// Where the bucket gives no answer at the moment.
pub(super) async fn list(api: &Api, bucket: &Bucket, remark: impl Fn(String)) -> Result<Uploads, Answer> {
    let what = "list its unfinished uploads";
    let mut uploads = Uploads::new();
    let mut next: Option<(String, String)> = None;
    for _ in 0..PAGES {
        let mut query = vec![("uploads", "")];
        if let Some((key, upload)) = &next {
            query.extend([("key-marker", key.as_str()), ("upload-id-marker", upload.as_str())]);
        }
        let page = match api.document(Ask::get(&bucket.name, &query), what).await {
            Ok(page) => page,
            Err(Failed::Unanswered(answer)) => return Err(answer),
            Err(Failed::Refused(refusal)) => {
                let answer = refusal.answer(what, &bucket.place(api), "s3:ListBucketMultipartUploads");
                if answer.outcome == Outcome::Unavailable {
                    return Err(answer);
                }
                remark(format!("{}; what was uploaded in part stays", answer.detail.unwrap_or_default()));
                return Ok(uploads);
            }
        };
        for upload in page.all("Upload") {
            if let (Some(key), Some(id)) = (upload.text_of("Key"), upload.text_of("UploadId")) {
                uploads.entry(key.to_owned()).or_default().push(id.to_owned());
            }
        }
        next = after(&page).filter(|after| next.as_ref() != Some(after));
        if next.is_none() {
            return Ok(uploads);
        }
    }
    let place = bucket.place(api);
    remark(format!("{place} has more unfinished uploads than are looked through; a lifecycle rule can abort them"));
    Ok(uploads)
}

fn after(page: &Element) -> Option<(String, String)> {
    if !page.says_true("IsTruncated") {
        return None;
    }
    Some((page.text_of("NextKeyMarker")?.to_owned(), page.text_of("NextUploadIdMarker")?.to_owned()))
}

/// Aborts uploads of one key, and says how many there were.
///
/// # Errors
/// Why one of them is still there.
pub(super) async fn abort(call: Call<'_>, key: &str, uploads: &[String], tenures: &[Tenure]) -> Result<usize, Answer> {
    let Call { api, bucket, .. } = call;
    let mut aborted = 0;
    for id in uploads {
        let asked = api.send(Ask::delete(&bucket.name, key, &[("uploadId", id)], tenures)).await;
        call.beat();
        match asked {
            Ok(_) => aborted += 1,
            Err(Failed::Refused(refusal)) if refusal.is_no_upload() => {}
            Err(Failed::Refused(refusal)) => {
                let (what, right) = ("abort an unfinished upload of it", "s3:AbortMultipartUpload");
                return Err(refusal.answer(what, &bucket.place(api), right));
            }
            Err(Failed::Unanswered(answer)) => return Err(answer),
        }
    }
    Ok(aborted)
}
