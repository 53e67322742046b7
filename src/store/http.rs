//! `http` and `https`: Glance reads images from there and never writes.
//!
//! There is nothing of ours to delete, so such a location is finished at once. (Glance's own scrubber fails on it
//! with `StoreDeleteNotSupported` and keeps the image pending for ever, although its API, deleting at once, only warns.)

use async_trait::async_trait;

use super::{Answer, Finding, Outcome, Pace, Probed, State, Store, Target};
use crate::config::StoreId;
use crate::location::{Location, Scheme};
use crate::scrub::{Approved, Resolved};

pub(super) struct HttpStore {
    id: StoreId,
}

impl HttpStore {
    pub(super) fn open(id: StoreId) -> Self {
        Self { id }
    }
}

#[async_trait]
impl Store for HttpStore {
    fn id(&self) -> &StoreId {
        &self.id
    }

    fn schemes(&self) -> &'static [Scheme] {
        &[Scheme::Http, Scheme::Https]
    }

    fn pace(&self) -> Pace {
        Pace { workers: 1, batch: 500 }
    }

    fn locate(&self, _location: &Location) -> Result<Target, Answer> {
        Ok(Target { container: self.id.to_string(), identity: None })
    }

    fn owns(&self, _location: &Location) -> bool {
        true
    }

    async fn delete(&self, targets: &[Approved]) -> Vec<Answer> {
        targets.iter().map(|_| Answer::plain(Outcome::NothingToDelete)).collect()
    }

    async fn probe(&self, targets: &[Resolved]) -> Vec<Probed> {
        targets.iter().map(|_| Answer::plain(Outcome::NothingToDelete).into()).collect()
    }

    async fn check(&self) -> Vec<Finding> {
        vec![Finding {
            subject: self.id.to_string(),
            state: State::Ok,
            detail: "read-only for Glance: locations are finished, nothing is deleted".to_owned(),
        }]
    }
}
