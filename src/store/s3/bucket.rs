//! What is known of a bucket, asked once a cycle.
//!
//! Promises: nothing in a bucket is deleted, or taken for gone, before the bucket has answered and shown one of the living
//! images' objects, where any are known. S3 answers a delete of what is not there with success: on a wrong server with a
//! bucket of the same name, every image would count as deleted. Costs two or three requests for each bucket and cycle,
//! whatever the number of images. Fails by the answer for all of a call's locations; the next call asks again.
//! Limit: a bucket that is expected to hold nothing proves itself by being there, as an empty data directory does.

use tokio::sync::OnceCell;

use super::api::{Api, Ask, Failed};
use super::uploads::{self, Uploads};
use crate::store::{Answer, Outcome};

/// Living images' objects looked for before a bucket is taken for the wrong one.
pub(super) const WITNESSES: usize = 4;

/// A bucket, in one cycle.
#[derive(Default)]
pub(super) struct Bucket {
    pub name: String,
    /// Keys of living images.
    witnesses: Vec<String>,
    known: OnceCell<Known>,
}

/// What a bucket has told of itself.
#[derive(Debug)]
pub(super) struct Known {
    pub versioning: Versioning,
    pub uploads: Uploads,
}

/// Whether deleting an object leaves its data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Versioning {
    /// There are no versions.
    Never,
    /// There are or were (`Enabled`, `Suspended`): a delete without a version adds a marker.
    Kept,
    /// The server does not say; what was deleted will show it.
    Unknown,
}

impl Bucket {
    pub(super) fn new(name: &str, mut witnesses: Vec<String>) -> Self {
        witnesses.truncate(WITNESSES);
        Self { name: name.to_owned(), witnesses, known: OnceCell::new() }
    }

    /// Asks the bucket, unless it has answered in this cycle. `remark` takes what an operator should know.
    ///
    /// # Errors
    /// Why nothing can be done in it now.
    pub(super) async fn known(&self, api: &Api, remark: impl Fn(String)) -> Result<&Known, Answer> {
        let look = || async {
            let versioning = self.versioning(api, &remark).await?;
            self.prove(api).await?;
            let uploads = uploads::list(api, self, &remark).await?;
            Ok(Known { versioning, uploads })
        };
        self.known.get_or_try_init(look).await
    }

    /// For people: the bucket and its server.
    pub(super) fn place(&self, api: &Api) -> String {
        place(&self.name, api)
    }

    async fn versioning(&self, api: &Api, remark: impl Fn(String)) -> Result<Versioning, Answer> {
        let place = self.place(api);
        let what = "say whether it keeps versions";
        match api.document(Ask::get(&self.name, &[("versioning", "")]), what).await {
            Ok(said) => Ok(match said.text_of("Status") {
                // Also whatever a future may bring.
                Some(_) => Versioning::Kept,
                None => Versioning::Never,
            }),
            Err(Failed::Refused(refusal)) if refusal.is_unknown_request() => Ok(Versioning::Unknown),
            Err(Failed::Refused(refusal)) if refusal.is_access_denied() => {
                let answer = refusal.answer(what, &place, "s3:GetBucketVersioning");
                remark(answer.detail.unwrap_or_default());
                Ok(Versioning::Unknown)
            }
            Err(Failed::Refused(refusal)) => Err(refusal.answer(what, &place, "s3:GetBucketVersioning")),
            Err(Failed::Unanswered(answer)) => Err(answer),
        }
    }

    /// Looks for living images' objects until one is there.
    async fn prove(&self, api: &Api) -> Result<(), Answer> {
        let place = self.place(api);
        let mut refused = None;
        for key in &self.witnesses {
            match api.send(Ask::head(&self.name, key)).await {
                Ok(_) => return Ok(()),
                Err(Failed::Refused(refusal)) if refusal.status == 404 => {}
                Err(Failed::Refused(refusal)) => {
                    refused = Some(refusal.answer("show an image that is in use", &place, "s3:GetObject"));
                }
                Err(Failed::Unanswered(answer)) => return Err(answer),
            }
        }
        let looked_for = self.witnesses.len();
        match refused {
            Some(answer) => Err(answer),
            None if looked_for == 0 => Ok(()),
            None => Err(Answer::because(
                Outcome::Unavailable,
                format!(
                    "{place} has none of {looked_for} images that are in use and should be there; is s3_store_host the \
                     server that Glance uses?"
                ),
            )),
        }
    }
}

/// For people, and as a [`Target::container`](crate::store::Target): the bucket and its server.
pub(super) fn place(bucket: &str, api: &Api) -> String {
    format!("bucket {} at {}", crate::observe::text::harmless(bucket), api.endpoint.shown())
}
