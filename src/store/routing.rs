//! Which store a location belongs to (glance_store's `location.py` and `multi_backend.py`, without their guesses).
//!
//! Single-store mode: the store of the URI's scheme; `meta_data` is not looked at. Multi-store mode: the id in
//! `meta_data`, under `store` or, in rows that Rocky and Stein wrote, `backend`; without one, the only store that
//! certainly owns the URI. Whatever cannot be decided is `no_store`, never "not found": Glance's search through all
//! backends ends in "not found in any", which its scrubber records as deleted.

use std::sync::Arc;

use futures::future::join_all;

use super::{Answer, Outcome, Pace, Store, Target};
use crate::config::{PaceConfig, Rate};
use crate::location::Location;

/// All configured stores.
pub struct Stores {
    multi: bool,
    stores: Vec<Arc<dyn Store>>,
    /// What the config says of each; nothing, where it is shorter.
    paces: Vec<PaceConfig>,
}

impl Stores {
    /// Puts stores under one roof. `multi`: route by store id.
    pub fn new(multi: bool, stores: Vec<Arc<dyn Store>>) -> Self {
        Self { multi, stores, paces: Vec::new() }
    }

    /// Works on them as fast as the config says, in the same order.
    pub fn paced(self, paces: Vec<PaceConfig>) -> Self {
        Self { paces, ..self }
    }

    /// The stores, in the order of the config.
    pub fn all(&self) -> &[Arc<dyn Store>] {
        &self.stores
    }

    fn config(&self, index: usize) -> PaceConfig {
        self.paces.get(index).copied().unwrap_or_default()
    }

    /// A store's own pace, but as wide as the config wants it.
    pub fn pace(&self, index: usize) -> Pace {
        let own = self.stores[index].pace();
        Pace { workers: self.config(index).workers.unwrap_or(own.workers), ..own }
    }

    /// `max_deletes_per_second`.
    pub fn rate(&self, index: usize) -> Option<Rate> {
        self.config(index).rate
    }

    /// Whether nothing is deleted from a store for now.
    pub fn is_paused(&self, index: usize) -> bool {
        self.config(index).paused
    }

    /// Whether that holds for any store.
    pub fn is_any_paused(&self) -> bool {
        self.paces.iter().any(|pace| pace.paused)
    }

    /// The stores that are worked on.
    pub fn not_paused(&self) -> impl Iterator<Item = &Arc<dyn Store>> {
        self.stores.iter().enumerate().filter(|(index, _)| !self.is_paused(*index)).map(|(_, store)| store)
    }

    /// Lets every store get ready, all at once: see [`Store::prepare`].
    pub async fn prepare(&self) {
        join_all(self.stores.iter().map(|store| store.prepare())).await;
    }

    /// The same for those that are worked on.
    pub async fn prepare_not_paused(&self) {
        join_all(self.not_paused().map(|store| store.prepare())).await;
    }

    /// Finds the store of a location; the index is that of [`Self::all`].
    ///
    /// # Errors
    /// `no_store`, with what to change in the config or the row.
    pub fn route(&self, location: &Location, meta_data: Option<&str>) -> Result<usize, Answer> {
        if !self.multi {
            return self.by_scheme(location);
        }
        match store_id(meta_data) {
            Some(id) => self.by_id(location, &id),
            None => self.by_ownership(location),
        }
    }

    /// Every meaning that a location could have here, whatever store its row names: for finding out what else points
    /// to some data, a row's wrong store id must not hide it. With it, whether that is all: a store that cannot be
    /// reached may not know what the location means to it.
    pub fn meanings(&self, location: &Location) -> (Vec<Target>, bool) {
        let mut meanings = (Vec::new(), true);
        let stores = self.stores.iter().enumerate();
        for (index, store) in stores.filter(|(_, store)| store.schemes().contains(&location.scheme)) {
            match store.locate(location) {
                Ok(target) => meanings.0.push(target),
                // One that is paused has not been prepared, and nothing is deleted from it.
                Err(_) if self.is_paused(index) => {}
                Err(answer) => meanings.1 &= answer.outcome != Outcome::Unavailable,
            }
        }
        meanings
    }

    fn by_scheme(&self, location: &Location) -> Result<usize, Answer> {
        let scheme = location.scheme;
        self.stores.iter().position(|store| store.schemes().contains(&scheme)).ok_or_else(|| {
            let kind = scheme.store_type();
            no_store(format!("no store serves {}://; add {kind} to [glance_store] stores", scheme.as_str()))
        })
    }

    fn by_id(&self, location: &Location, id: &str) -> Result<usize, Answer> {
        let found = self.stores.iter().position(|store| store.id().as_str() == id);
        let Some(index) = found else {
            let id = harmless(id);
            return Err(no_store(format!("its store id {id} is not in enabled_backends; was it renamed or removed?")));
        };
        if !self.stores[index].schemes().contains(&location.scheme) {
            let scheme = location.scheme.as_str();
            return Err(no_store(format!("store {id} does not serve {scheme}://; was its type changed?")));
        }
        Ok(index)
    }

    fn by_ownership(&self, location: &Location) -> Result<usize, Answer> {
        let mut owners = (0..self.stores.len()).filter(|&index| {
            self.stores[index].schemes().contains(&location.scheme) && self.stores[index].owns(location)
        });
        match (owners.next(), owners.count()) {
            (Some(only), 0) => Ok(only),
            (None, _) => Err(no_store("its meta_data names no store, and no configured store owns its URI".to_owned())),
            (Some(_), others) => Err(no_store(format!(
                "its meta_data names no store, and {} configured stores could own its URI",
                others + 1
            ))),
        }
    }
}

fn no_store(detail: String) -> Answer {
    Answer::because(Outcome::NoStore, detail)
}

/// `meta_data` is JSON that users can write to: anything but an object with a string under the key means "none".
fn store_id(meta_data: Option<&str>) -> Option<String> {
    let object: serde_json::Map<String, serde_json::Value> = serde_json::from_str(meta_data?).ok()?;
    ["store", "backend"].iter().find_map(|key| Some(object.get(*key)?.as_str()?.to_owned()).filter(|id| !id.is_empty()))
}

/// A store id from a row, fit for a log line.
fn harmless(id: &str) -> String {
    let short: String = id.chars().filter(|letter| !letter.is_control()).take(64).collect();
    format!("'{short}'")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_text_under_a_known_key_is_a_store_id() {
        let cases = [
            (r#"{"store": "fast"}"#, Some("fast")),
            (r#"{"backend": "fast"}"#, Some("fast")),
            (r#"{"backend": "old", "store": "new"}"#, Some("new")),
            (r#"{"store": ""}"#, None),
            (r#"{"store": 7}"#, None),
            (r#"{"store": ["a"], "backend": "b"}"#, Some("b")),
            ("{}", None),
            ("[]", None),
            ("null", None),
            ("{broken", None),
            ("", None),
        ];
        for (meta_data, expected) in cases {
            assert_eq!(store_id(Some(meta_data)).as_deref(), expected, "{meta_data}");
        }
        assert_eq!(store_id(None), None);
    }

    #[test]
    fn a_store_id_from_a_row_cannot_forge_a_log_line() {
        assert_eq!(harmless("a\nERROR forged\u{1b}[31m"), "'aERROR forged[31m'");
        assert_eq!(harmless(&"x".repeat(1000)).len(), 66);
    }
}
