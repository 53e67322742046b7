//! What [`Memory`] has in common with the table of claims: rows in, rows out.
//!
//! Promises: for one cycle it is a copy of the table, as far as it remembers; what the table does not have is not known.
//! Times are shifted between the two clocks where those differ by too much. Nobody is asked here.

use super::*;
use crate::catalog::{ClaimRow, FailedAttempt};

/// No cycle's number, as far as any process lives.
const NOT_IN_TABLE: u32 = u32::MAX;

impl Memory {
    /// What is to be done with the table first.
    pub(in crate::scrub) fn orders(&self) -> Orders {
        *self.lock_orders()
    }

    /// That was done, or there is no table.
    pub(in crate::scrub) fn orders_done(&self, done: Orders) {
        let mut orders = self.lock_orders();
        orders.forget &= !done.forget;
        orders.config_changed &= !done.config_changed;
    }

    /// The table is about to be read: what it does not have is forgotten at the end ([`Memory::adopted`]).
    pub(in crate::scrub) fn adopt(&self) {
        let mut locations = self.lock_locations();
        locations.is_copy = true;
        locations.unseen_rows.clear();
        locations.known.values_mut().for_each(|attempt| attempt.seen = NOT_IN_TABLE);
    }

    /// A row of the table. False: a new config may have mended it, if `config_changed`; it is not taken over.
    pub(in crate::scrub) fn adopt_row(&self, row: &ClaimRow, config_changed: bool) -> bool {
        let location = row.location;
        let mut locations = self.lock_locations();
        if locations.unseen_rows.len() < LOCATIONS {
            locations.unseen_rows.push(location);
        }
        let Some(failed) = &row.failed else { return true };
        let mut attempt = Attempt::known(&row.image, failed, locations.ahead);
        if config_changed && (attempt.hangs_on_config() || attempt.hangs_on_answer()) {
            return false;
        }
        let store = failed.store.as_ref().map(|store| StoreId(store.clone()));
        // What the plan finds out, it says itself.
        if attempt.was_asked() {
            let words = attempt.foreign_words(failed).or_else(|| failed.error.clone());
            let of = store.clone().unwrap_or_else(|| StoreId(String::new()));
            attempt.words = words.and_then(|words| locations.intern(&of, attempt.reason, &words));
        }
        attempt.store = store.map(|store| locations.store(&store));
        attempt.seen = self.cycle();
        locations.remember(location, attempt);
        true
    }

    /// The table has been read to its end.
    pub(in crate::scrub) fn adopted(&self) {
        self.lock_locations().known.retain(|_, attempt| attempt.seen != NOT_IN_TABLE);
    }

    /// The scan has found these pending and due.
    pub(in crate::scrub) fn scanned(&self, due: &[LocationId]) {
        let mut locations = self.lock_locations();
        if locations.unseen_rows.is_empty() {
            return;
        }
        let due: HashSet<_> = due.iter().collect();
        locations.unseen_rows.retain(|location| !due.contains(location));
        locations.unseen_rows.shrink_to_fit();
    }

    /// Rows of the table that may be history.
    pub(in crate::scrub) fn take_unseen_rows(&self) -> Vec<LocationId> {
        std::mem::take(&mut self.lock_locations().unseen_rows)
    }

    /// What the table should know of a location, after [`Memory::kept`]. `None` where nothing is remembered of it.
    pub(in crate::scrub) fn failed_attempt(&self, location: LocationId) -> Option<FailedAttempt> {
        let locations = self.lock_locations();
        let attempt = locations.known.get(&location)?;
        Some(attempt.to_row(locations.ahead))
    }

    /// How the host's clock stands to the database's, for the times in the table. What it was said to be before.
    pub(in crate::scrub) fn note_skew(&self, skew: Skew) -> Skew {
        self.lock_locations().ahead = if skew.is_large() { skew.ahead() } else { TimeDelta::zero() };
        *self.skew.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// It has been said.
    pub(in crate::scrub) fn told_skew(&self, skew: Skew) {
        *self.skew.lock().unwrap_or_else(PoisonError::into_inner) = skew;
    }
}
