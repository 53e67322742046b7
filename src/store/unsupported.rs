//! A store type that is configured and not known: every location of it is kept.

use async_trait::async_trait;

use super::{Answer, Finding, Outcome, Pace, State, Store, Target};
use crate::config::StoreId;
use crate::location::{Location, Scheme};
use crate::scrub::Approved;

pub(super) struct UnsupportedStore {
    id: StoreId,
    kind: String,
}

impl UnsupportedStore {
    pub(super) fn open(id: StoreId, kind: &str) -> Self {
        Self { id, kind: kind.to_owned() }
    }

    fn refusal(&self) -> Answer {
        let (id, kind) = (&self.id, &self.kind);
        Answer::because(Outcome::NoStore, format!("store {id} is of type {kind}, which is not known"))
    }
}

#[async_trait]
impl Store for UnsupportedStore {
    fn id(&self) -> &StoreId {
        &self.id
    }

    fn schemes(&self) -> &'static [Scheme] {
        Scheme::of_store_type(&self.kind)
    }

    fn pace(&self) -> Pace {
        Pace { workers: 1, batch: 500 }
    }

    fn locate(&self, _location: &Location) -> Result<Target, Answer> {
        Err(self.refusal())
    }

    fn owns(&self, _location: &Location) -> bool {
        false
    }

    async fn delete(&self, targets: &[Approved]) -> Vec<Answer> {
        targets.iter().map(|_| self.refusal()).collect()
    }

    async fn check(&self) -> Vec<Finding> {
        vec![Finding {
            subject: self.id.to_string(),
            state: State::Warning,
            detail: format!("type {} is not known; its locations stay pending", self.kind),
        }]
    }
}
