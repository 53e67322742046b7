//! Which due data also belongs to a location that must keep it.
//!
//! One pass over the living locations, against keyed 64-bit hashes of what is due: 8 bytes a location, however long
//! the URIs are, and encrypted rows compare by what they decrypt to (equal URIs have different tokens). A collision
//! keeps data that could have gone, once in some 10^7 cycles of a million due and a million living locations; the key
//! is fresh each cycle, so that nobody can aim at one. Rejected: a SQL join on `value` (blind to encryption and to
//! spelling).

use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasher, RandomState};

use crate::catalog::LivingRow;
use crate::location::{self, Keyring, Location};
use crate::store::{Stores, Target};

/// Living locations remembered for each container, for its store to know it by.
const WITNESSES: usize = 8;

/// What is due, by hash.
#[derive(Default)]
pub(super) struct DueData {
    key: RandomState,
    hashes: Vec<u64>,
}

impl DueData {
    pub(super) fn add(&mut self, target: &Target) {
        if let Some(identity) = &target.identity {
            self.add_identity(identity);
        }
    }

    pub(super) fn add_identity(&mut self, identity: &str) {
        self.hashes.push(self.key.hash_one(identity));
    }

    /// Nothing may be added after the first look-up.
    pub(super) fn seal(mut self) -> LivingData {
        self.hashes.sort_unstable();
        self.hashes.dedup();
        LivingData { due: self, shared: HashSet::new(), witnesses: HashMap::new(), seen: 0, unreadable: 0 }
    }
}

/// What the living locations say about the due data.
pub(super) struct LivingData {
    due: DueData,
    shared: HashSet<u64>,
    witnesses: HashMap<(usize, String), Vec<Location>>,
    /// Living locations seen.
    pub(super) seen: u64,
    /// Those of them that could not be read or decrypted, or mean something in a cluster that does not answer: what they
    /// point to is unknown.
    pub(super) unreadable: u64,
}

impl LivingData {
    /// Takes note of a location that must keep its data.
    pub(super) fn see(&mut self, row: &LivingRow, keys: &Keyring, stores: &Stores) {
        self.seen += 1;
        let opened = row.value.as_ref().map(|value| location::open(value.expose(), &row.image_id.0, keys));
        let living = match opened {
            Some(Ok(living)) => living,
            // A URI that no store understands is nobody's data.
            Some(Err(location::LocationError::Malformed { .. } | location::LocationError::UnknownScheme { .. })) => {
                return;
            }
            Some(Err(location::LocationError::Undecryptable { .. })) | None => {
                self.unreadable += 1;
                return;
            }
        };
        let (targets, are_all) = stores.meanings(&living);
        self.unreadable += u64::from(!are_all);
        for identity in targets.into_iter().filter_map(|target| target.identity) {
            let hash = self.due.key.hash_one(&identity);
            if self.due.hashes.binary_search(&hash).is_ok() {
                self.shared.insert(hash);
            }
        }
        self.remember(row, living, stores);
    }

    fn remember(&mut self, row: &LivingRow, living: Location, stores: &Stores) {
        let Ok(store) = stores.route(&living, row.meta_data.as_deref()) else { return };
        let Ok(target) = stores.all()[store].locate(&living) else { return };
        let witnesses = self.witnesses.entry((store, target.container)).or_default();
        if witnesses.len() < WITNESSES {
            witnesses.push(living);
        }
    }

    /// Tells each store what must be there, and keeps what is shared.
    pub(super) fn settle(self, stores: &Stores) -> SharedData {
        let mut by_store: HashMap<usize, Vec<Location>> = HashMap::new();
        for ((store, _), living) in self.witnesses {
            by_store.entry(store).or_default().extend(living);
        }
        for (index, store) in stores.all().iter().enumerate() {
            store.expect(&by_store.remove(&index).unwrap_or_default());
        }
        SharedData { key: self.due.key, shared: self.shared }
    }

    /// What is shared, for a question that is not about a cycle's plan.
    pub(super) fn into_shared(self) -> SharedData {
        SharedData { key: self.due.key, shared: self.shared }
    }
}

/// The due data that stays.
pub struct SharedData {
    key: RandomState,
    shared: HashSet<u64>,
}

impl SharedData {
    pub(super) fn contains(&self, target: &Target) -> bool {
        target.identity.as_ref().is_some_and(|identity| self.contains_identity(identity))
    }

    pub(super) fn contains_identity(&self, identity: &str) -> bool {
        self.shared.contains(&self.key.hash_one(identity))
    }
}
