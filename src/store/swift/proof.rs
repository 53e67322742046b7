//! What proves, within one cycle, that a container is the right one: it answered, and living images' objects are in it.
//!
//! An account of another project may well have a container of the same name, in which every image is "not found".

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use futures::future::join_all;
use tokio::sync::OnceCell;

use super::Opened;
use super::bulk::{self, Features};
use super::container::{self, Seen};
use super::object::{self, Look, Sure};
use crate::observe::text::harmless;
use crate::store::{Answer, Outcome};

/// Objects of living images that are looked for.
const WITNESSES: usize = 8;

/// What is known since the cycle began. Only what was seen is remembered: what failed is asked again.
#[derive(Default)]
pub(super) struct Proofs {
    witnesses: Mutex<HashMap<String, Vec<Witness>>>,
    containers: Cells<Seen>,
    right: Cells<()>,
    features: Cells<Features>,
}

type Cells<T> = Mutex<HashMap<String, Arc<OnceCell<T>>>>;

#[derive(Clone)]
struct Witness {
    container: String,
    object: String,
}

impl Proofs {
    pub(super) fn forget(&self) {
        clear(&self.containers);
        clear(&self.right);
        clear(&self.features);
    }

    /// Objects of living images: by what [`Opened::group`] says, by what the login is called, container and name.
    pub(super) fn expect(&self, living: impl Iterator<Item = (String, String, String, String)>) {
        let mut witnesses: HashMap<String, Vec<Witness>> = HashMap::new();
        for (group, account, container, object) in living {
            for key in [group, account] {
                let known = witnesses.entry(key).or_default();
                if known.len() < WITNESSES {
                    known.push(Witness { container: container.clone(), object: object.clone() });
                }
            }
        }
        *self.witnesses.lock().unwrap_or_else(PoisonError::into_inner) = witnesses;
        clear(&self.right);
    }

    /// The container of a location, which is there.
    ///
    /// # Errors
    /// `unavailable`: it is not, and what was in it may be elsewhere.
    pub(super) async fn container(&self, opened: &Opened) -> Result<Seen, Answer> {
        let cell = cell(&self.containers, &opened.key());
        let ask = || async {
            container::look(&opened.account, &opened.address.container).await?.ok_or_else(|| {
                let (container, account) = (harmless(&opened.address.container), &opened.account.name);
                let why = format!("there is no container {container} in {account}; is it the right account?");
                Answer::because(Outcome::Unavailable, why)
            })
        };
        cell.get_or_try_init(ask).await.copied()
    }

    /// The container is there, and the right one as far as living images can tell.
    pub(super) async fn is_right(&self, opened: &Opened) -> Result<(), Answer> {
        self.container(opened).await?;
        let cell = cell(&self.right, &opened.key());
        cell.get_or_try_init(|| self.ask_witnesses(opened)).await.copied()
    }

    /// In the container itself, else in the account's other ones.
    async fn ask_witnesses(&self, opened: &Opened) -> Result<(), Answer> {
        let witnesses = {
            let known = self.witnesses.lock().unwrap_or_else(PoisonError::into_inner);
            known.get(&opened.group).or_else(|| known.get(&opened.way)).cloned().unwrap_or_default()
        };
        if witnesses.is_empty() {
            return Ok(());
        }
        let look = |one: &Witness| {
            let one = one.clone();
            async move { object::look(&opened.account, &one.container, &one.object, Sure::Fairly).await }
        };
        let looks = join_all(witnesses.iter().map(look)).await;
        if looks.iter().any(|look| matches!(look, Ok(found) if *found != Look::Missing)) {
            return Ok(());
        }
        // One that could not be looked at may be there.
        looks.into_iter().find_map(Result::err).map_or_else(
            || {
                let (container, count) = (harmless(&opened.address.container), witnesses.len());
                let why = format!(
                    "none of {count} objects of living images is in container {container} of {}; is it the right account?",
                    opened.account.name
                );
                Err(Answer::because(Outcome::Unavailable, why))
            },
            Err,
        )
    }

    pub(super) async fn features(&self, opened: &Opened) -> Result<Features, Answer> {
        let host = opened.account.name.split('/').next().unwrap_or_default();
        let cell = cell(&self.features, host);
        cell.get_or_try_init(|| bulk::features(&opened.account)).await.copied()
    }
}

impl Opened {
    fn key(&self) -> String {
        format!("{} {}", self.account.name, self.address.container)
    }
}

fn cell<T>(cells: &Cells<T>, key: &str) -> Arc<OnceCell<T>> {
    let mut cells = cells.lock().unwrap_or_else(PoisonError::into_inner);
    Arc::clone(cells.entry(key.to_owned()).or_default())
}

fn clear<T>(cells: &Cells<T>) {
    cells.lock().unwrap_or_else(PoisonError::into_inner).clear();
}
