//! Deleting one image.
//!
//! A look first: what lies under the image's name decides how it goes. What is not there counts as absent only when its
//! container is proven; segments that an earlier delete left without their manifest are looked for then.

use super::dlo::Segments;
use super::object::{self, Look, Sure};
use super::{Opened, SwiftStore, container, slo};
use crate::location::shape::is_uuid;
use crate::scrub::Approved;
use crate::store::{Answer, Outcome};

impl SwiftStore {
    pub(super) async fn delete_one(&self, approved: &Approved) -> Result<Answer, Answer> {
        let opened = self.opened(approved.location()).await?;
        let (container, object) = (&opened.address.container, &opened.address.object);
        let mut look = object::look(&opened.account, container, object, Sure::Fairly).await?;
        if look == Look::Missing {
            look = object::look(&opened.account, container, object, Sure::Newest).await?;
        }
        let answer = match look {
            Look::Missing => self.missing(&opened, approved).await?,
            found => self.found(&opened, found, approved).await?,
        };
        if !answer.outcome.finishes() || !opened.address.container_is_the_images() {
            return Ok(answer);
        }
        let stays = container::remove(&opened.account, container, object, approved).await?;
        Ok(with_remark(answer, stays))
    }

    async fn found(&self, opened: &Opened, look: Look, approved: &Approved) -> Result<Answer, Answer> {
        let (account, container, object) = (&opened.account, &opened.address.container, &opened.address.object);
        match &look {
            Look::Static(_) => {
                let features = self.proofs.features(opened).await?;
                return match slo::delete(account, features, container, object, approved).await? {
                    Some(answer) => Ok(self.with_versions(opened, answer).await),
                    None => self.missing(opened, approved).await,
                };
            }
            Look::Dynamic { manifest, .. } => {
                let segments = Segments::of_manifest(manifest, container, object)?;
                let features = self.proofs.features(opened).await?;
                let tally = segments.delete(account, features, approved, Segments::all).await?;
                if let Some(kept) = tally.kept("segments") {
                    return Ok(kept);
                }
            }
            Look::Plain(_) | Look::Missing => {}
        }
        if object::delete(account, container, object, approved).await? {
            return Ok(self.with_versions(opened, Answer::plain(Outcome::Deleted)).await);
        }
        // It was there a moment ago: an earlier attempt of this request has had its effect, or somebody else was quicker.
        self.missing(opened, approved).await.map(|answer| match answer.outcome {
            Outcome::Absent => Answer::plain(Outcome::Deleted),
            _ => answer,
        })
    }

    /// The object is not there: neither may its segments be.
    async fn missing(&self, opened: &Opened, approved: &Approved) -> Result<Answer, Answer> {
        let (account, container, object) = (&opened.account, &opened.address.container, &opened.address.object);
        if self.container_went(opened).await? {
            return Ok(Answer::plain(Outcome::Absent));
        }
        if !is_uuid(object) {
            return Ok(Answer::plain(Outcome::Absent));
        }
        let segments = Segments::of_glance(container, object);
        if segments.count(account).await? == 0 {
            return Ok(Answer::plain(Outcome::Absent));
        }
        let features = self.proofs.features(opened).await?;
        let tally = segments.delete(account, features, approved, Segments::is_glances).await?;
        Ok(tally.kept("segments").unwrap_or_else(|| {
            Answer::because(
                Outcome::Deleted,
                format!("its manifest was gone already, and {} segments were not", tally.gone),
            )
        }))
    }

    /// Whether the container, which was the image's own, went with it. Any other one must be there, and be the right one.
    pub(super) async fn container_went(&self, opened: &Opened) -> Result<bool, Answer> {
        if opened.address.container_is_the_images() {
            return Ok(container::look(&opened.account, &opened.address.container).await?.is_none());
        }
        self.proofs.is_right(opened).await?;
        Ok(false)
    }

    /// Says so where the container keeps what was deleted. Where it cannot be asked, the delete was one all the same.
    async fn with_versions(&self, opened: &Opened, answer: Answer) -> Answer {
        if opened.address.container_is_the_images() || answer.outcome != Outcome::Deleted {
            return answer;
        }
        let keeps = self.proofs.container(opened).await.is_ok_and(|seen| seen.keeps_versions);
        with_remark(answer, keeps.then(|| "its container keeps older versions, and so this one".to_owned()))
    }
}

fn with_remark(answer: Answer, remark: Option<String>) -> Answer {
    let Some(remark) = remark else { return answer };
    let detail = answer.detail.map_or_else(|| remark.clone(), |detail| format!("{detail}; {remark}"));
    Answer::because(answer.outcome, detail)
}
