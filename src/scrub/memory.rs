//! What outlives a cycle: which locations failed, and which containers do not answer.
//!
//! Promises: bounded. A location that stays takes 72 bytes and its share of a hash table (less than 20 MB for the
//! [`LOCATIONS`] at most); beyond that, locations are tried and told in each cycle, as if it were the first. What a plan
//! does not see any more is forgotten. It cannot fail, and it is lost with the process: then everything is tried once
//! more. Two cycles must not share one at the same time.
//!
//! With `coordination = database` the table has what is known of locations, and this is a copy for one cycle
//! ([`super::known`]): what the table does not have is not known, so that `--retry-now` on any host works on all. A
//! failure that could not be written down is one try more. Containers that do not answer are each process's own.
//!
//! Rejected: the words of each location, which are mostly the same and would be most of it; [`WORDS`] for each store
//! and reason are kept.

mod table;

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

use super::breaker::{Breaker, BreakerPosition, Change, Permit};
use super::plan::{self, Keep, Reason};
use super::rate::Begun;
use super::retry::{self, Attempt, Chance, Remedy, Standing};
use super::silence::{CALLS, Heard, Silence};
use super::skew::Skew;
use crate::catalog::{ImageId, LocationId};
use crate::config::StoreId;
use crate::store::Outcome;

/// Locations remembered at most.
const LOCATIONS: usize = 200_000;

/// Different details kept for each store and reason. A report shows one; a few more, since that one may be finished.
const WORDS: usize = 64;

/// Characters of a detail that are kept.
const WORD_LENGTH: usize = 300;

/// What is known from earlier cycles. Empty at the start of the process.
pub struct Memory {
    chance: Box<dyn Fn() -> Chance + Send + Sync>,
    /// Numbers the cycles.
    cycle: AtomicU32,
    locations: Mutex<Locations>,
    breakers: Mutex<Breakers>,
    orders: Mutex<Orders>,
    /// The last call to each store that has a rate.
    begun: Mutex<HashMap<StoreId, Begun>>,
    /// What was last said of the host's clock.
    skew: Mutex<Skew>,
}

/// What is to be done with the table before the next cycle.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Orders {
    /// Forget all failures.
    pub forget: bool,
    /// Forget those that a new config may have mended.
    pub config_changed: bool,
}

type Breakers = BTreeMap<StoreId, BTreeMap<String, Breaker>>;

#[derive(Default)]
struct Locations {
    now: DateTime<Utc>,
    /// `[scrubber] give_up_after`.
    give_up_after: Option<TimeDelta>,
    /// How far the host's clock is ahead of the table's, where that is too much.
    ahead: TimeDelta,
    /// Whether all this is a copy of the table.
    is_copy: bool,
    /// Locations in the table that this cycle has not seen pending.
    unseen_rows: Vec<LocationId>,
    known: HashMap<LocationId, Attempt>,
    stores: Vec<Arc<StoreId>>,
    words: BTreeMap<(StoreId, Reason), Vec<Arc<str>>>,
}

/// How one container's breaker stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BreakerState {
    /// The store.
    pub store: StoreId,
    /// The directory, pool or bucket. No credentials.
    pub container: String,
    /// Closed, open or half open.
    pub state: BreakerPosition,
    /// Where it is not closed: when the next cycle may probe.
    pub until: Option<DateTime<Utc>>,
}

/// A location that is not tried in this cycle, because of how earlier tries ended.
#[derive(Debug)]
pub(super) struct Untried {
    pub keep: Keep,
    pub store: Option<Arc<StoreId>>,
    /// `New`: it is given up, and was not told so before.
    pub standing: Standing,
}

/// What a lane may do with a call.
pub(super) enum Turn<'a> {
    /// Make it.
    Ask(Option<Probe<'a>>),
    /// Not before the probe that is under way has its answer.
    Wait,
    /// Not in this cycle.
    LeaveAlone,
}

/// The one call that a half-open breaker lets through. Given back where it was not made.
pub(super) struct Probe<'a> {
    memory: &'a Memory,
    store: StoreId,
    container: String,
}

impl Default for Memory {
    fn default() -> Self {
        Self::with_chance(|| fastrand::u32(..))
    }
}

impl Memory {
    /// An empty one, whose waits are spread by `chance`: 0 for the shortest, `u32::MAX` for the longest.
    pub fn with_chance(chance: impl Fn() -> u32 + Send + Sync + 'static) -> Self {
        Self {
            chance: Box::new(chance),
            cycle: AtomicU32::new(0),
            locations: Mutex::default(),
            breakers: Mutex::default(),
            orders: Mutex::default(),
            begun: Mutex::default(),
            skew: Mutex::default(),
        }
    }

    /// The config was loaded anew, and may have mended what hung on it: a key, a store, a directory, an address. That is
    /// tried in the next cycle, whatever its wait; containers that do not answer are probed first, as ever.
    pub fn config_changed(&self) {
        self.lock_orders().config_changed = true;
        let mut locations = self.lock_locations();
        locations.known.retain(|_, attempt| !attempt.hangs_on_config());
        let now = locations.now;
        locations.known.values_mut().filter(|known| known.hangs_on_answer()).for_each(Attempt::wait_no_longer);
        drop(locations);
        self.lock_breakers()
            .values_mut()
            .flat_map(BTreeMap::values_mut)
            .for_each(|breaker| breaker.wait_no_longer(now));
    }

    /// Forgets everything, also what the table knows: the next cycle tries all, and tells all.
    pub fn forget(&self) {
        self.lock_orders().forget = true;
        *self.lock_locations() = Locations::default();
        self.lock_breakers().clear();
    }

    /// Containers that gave no answer lately, by store. Those that always answered are not listed; one that answers
    /// again is, as closed, until the next cycle.
    pub fn breakers(&self) -> Vec<BreakerState> {
        let state = |store: &StoreId, container: &String, breaker: &Breaker| BreakerState {
            store: store.clone(),
            container: container.clone(),
            state: breaker.position(),
            until: breaker.until(),
        };
        let breakers = self.lock_breakers();
        let of_store = |(store, containers): (&StoreId, &BTreeMap<String, Breaker>)| {
            containers.iter().map(|(container, breaker)| state(store, container, breaker)).collect::<Vec<_>>()
        };
        breakers.iter().flat_map(of_store).collect()
    }

    /// Locations that are remembered.
    pub fn remembered(&self) -> usize {
        self.lock_locations().known.len()
    }

    fn lock_locations(&self) -> MutexGuard<'_, Locations> {
        self.locations.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lock_breakers(&self) -> MutexGuard<'_, Breakers> {
        self.breakers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lock_orders(&self) -> MutexGuard<'_, Orders> {
        self.orders.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn cycle(&self) -> u32 {
        self.cycle.load(Ordering::Relaxed)
    }
}

/// What the plan asks.
impl Memory {
    /// A cycle begins. Its plan is made for this moment, so what waits then waits through all of it.
    pub(super) fn begin(&self, now: DateTime<Utc>, give_up_after: Option<Duration>) {
        self.cycle.fetch_add(1, Ordering::Relaxed);
        let mut locations = self.lock_locations();
        locations.now = now;
        // Longer than all time is never.
        locations.give_up_after = give_up_after.and_then(|after| TimeDelta::from_std(after).ok());
    }

    /// Whether any of these is to be tried.
    pub(super) fn lets_any(&self, all: &[LocationId]) -> bool {
        let locations = self.lock_locations();
        let stays = |location| locations.known.get(location).is_some_and(|known| locations.leaves(known));
        !all.iter().all(stays)
    }

    /// Takes note of a location that is pending still. If it is not to be tried: why it stays.
    pub(super) fn see(&self, location: LocationId, image: Option<&ImageId>) -> Option<Untried> {
        let mut locations = self.lock_locations();
        if locations.known.get(&location).is_some_and(|known| !known.is_of(image)) {
            locations.known.remove(&location);
        }
        let (now, after, remedy) = (locations.now, locations.give_up_after, locations.remedy());
        let attempt = locations.known.get_mut(&location)?;
        attempt.seen = self.cycle();
        if attempt.was_asked() && attempt.is_given_up(now, after) {
            let standing = if attempt.tell_given_up() { Standing::New } else { Standing::Again };
            let keep = attempt.given_up(attempt.words.as_deref(), remedy);
            return Some(Untried { keep, store: attempt.store.clone(), standing });
        }
        let untried = |attempt: &Attempt| Untried {
            keep: attempt.keep(),
            store: attempt.store.clone(),
            standing: Standing::Waiting,
        };
        attempt.waits(now).then(|| untried(attempt))
    }

    /// A location stays pending in a store that is paused: what is known of it is known after that, too.
    pub(super) fn stays(&self, location: LocationId) {
        if let Some(attempt) = self.lock_locations().known.get_mut(&location) {
            attempt.seen = self.cycle();
        }
    }

    /// If a container with something due in it is left alone from the start: why that stays.
    pub(super) fn leave_alone(&self, store: &StoreId, container: &str) -> Option<Keep> {
        let now = self.lock_locations().now;
        let mut breakers = self.lock_breakers();
        let breaker = breakers.get_mut(store)?.get_mut(container)?;
        breaker.seen = self.cycle();
        let until = breaker.until().filter(|_| breaker.is_open(now))?;
        let detail = Silence::detail(&format!("left alone until {}", plan::shown(until)));
        Some(Keep { reason: Reason::Outcome(Outcome::Unavailable), detail: Some(detail) })
    }

    /// A location stays, and no store was asked about it. It is looked at again in each cycle, also when it is given up:
    /// then only its reason changes.
    pub(super) fn kept_unasked(&self, location: LocationId, keep: Keep) -> (Keep, Standing) {
        if !retry::is_remembered(keep.reason) {
            return (keep, Standing::New);
        }
        let mut locations = self.lock_locations();
        let mut attempt = Attempt::unasked(locations.known.get(&location), keep.reason, locations.now);
        attempt.seen = self.cycle();
        let is_given_up = attempt.is_given_up(locations.now, locations.give_up_after);
        let given_up = is_given_up.then(|| attempt.given_up(keep.detail.as_deref(), locations.remedy()));
        let standing = locations.remember(location, attempt);
        (given_up.unwrap_or(keep), standing)
    }

    /// The plan has seen everything that is pending: the rest is history.
    pub(super) fn forget_unseen(&self) {
        let cycle = self.cycle();
        self.lock_locations().forget_unseen(cycle);
        self.lock_breakers().retain(|_, containers| {
            containers.retain(|_, breaker| breaker.seen == cycle && !breaker.is_blank());
            !containers.is_empty()
        });
    }
}

/// What the lanes and the recorder tell.
impl Memory {
    /// A location stays after its store was asked, or on the way to it.
    pub(super) fn kept(&self, location: LocationId, store: &StoreId, keep: &Keep, now: DateTime<Utc>) -> Standing {
        if !retry::is_remembered(keep.reason) {
            return Standing::New;
        }
        let mut locations = self.lock_locations();
        let mut attempt = Attempt::asked(locations.known.get(&location), keep.reason, now, (self.chance)());
        attempt.words = keep.detail.as_ref().and_then(|detail| locations.intern(store, keep.reason, detail));
        attempt.store = Some(locations.store(store));
        attempt.seen = self.cycle();
        locations.remember(location, attempt)
    }

    /// A location is finished.
    pub(super) fn gone(&self, location: LocationId) {
        self.lock_locations().known.remove(&location);
    }

    /// The last call to a store that has a rate.
    pub(super) fn begun(&self, store: &StoreId) -> Option<Begun> {
        self.begun.lock().unwrap_or_else(PoisonError::into_inner).get(store).copied()
    }

    /// A call to such a store begins.
    pub(super) fn note_begun(&self, store: &StoreId, after: impl FnOnce(Option<Begun>) -> Begun) {
        let mut begun = self.begun.lock().unwrap_or_else(PoisonError::into_inner);
        let now = after(begun.get(store).copied());
        begun.insert(store.clone(), now);
    }

    /// Whether a call may be made now.
    pub(super) fn turn(&self, store: &StoreId, container: &str, now: DateTime<Utc>) -> Turn<'_> {
        let mut breakers = self.lock_breakers();
        let breaker = breakers.get_mut(store).and_then(|containers| containers.get_mut(container));
        let permit = breaker.map_or(Permit::Ask, |breaker| breaker.ask(now, self.cycle()));
        match permit {
            Permit::Ask => Turn::Ask(None),
            Permit::Probe => {
                let (store, container) = (store.clone(), container.to_owned());
                Turn::Ask(Some(Probe { memory: self, store, container }))
            }
            Permit::Wait => Turn::Wait,
            Permit::LeaveAlone => Turn::LeaveAlone,
        }
    }

    /// Takes note of what a call brought.
    pub(super) fn heard(
        &self,
        store: &StoreId,
        container: &str,
        heard: Heard,
        probe: Option<Probe<'_>>,
        now: DateTime<Utc>,
    ) {
        let change = {
            let mut breakers = self.lock_breakers();
            let known = breakers.get_mut(store).and_then(|containers| containers.get_mut(container));
            let breaker = match known {
                Some(breaker) => breaker,
                // Nearly every call there is: an answer, after answers.
                None if heard != Heard::Silence => return,
                None => breakers.entry(store.clone()).or_default().entry(container.to_owned()).or_default(),
            };
            breaker.seen = self.cycle();
            breaker.note(heard, probe.is_some(), now, self.cycle(), (self.chance)())
        };
        // Takes the lock itself, where the call was not made.
        drop(probe);
        let id = store.as_str();
        match change {
            Some(Change::Opened(until)) => tracing::warn!(
                store = id,
                "{container} in store {store} gave no answer {CALLS} times in a row: left alone in this cycle and until {}",
                plan::shown(until)
            ),
            Some(Change::Reopened(until)) => tracing::debug!(
                store = id,
                "{container} in store {store} gave no answer again: left alone in this cycle and until {}",
                plan::shown(until)
            ),
            Some(Change::Closed) => tracing::info!(store = id, "{container} in store {store} answers again"),
            None => {}
        }
    }
}

impl Probe<'_> {
    /// Whether it is for this container: a row may have been changed while its call waited.
    pub(super) fn is_for(&self, container: &str) -> bool {
        self.container == container
    }
}

impl Drop for Probe<'_> {
    fn drop(&mut self) {
        let mut breakers = self.memory.lock_breakers();
        let breaker = breakers.get_mut(&self.store).and_then(|containers| containers.get_mut(&self.container));
        // After an answer there is nothing left to give back.
        breaker.into_iter().for_each(Breaker::give_back);
    }
}

impl Locations {
    /// Whether the plan leaves it alone.
    fn leaves(&self, known: &Attempt) -> bool {
        known.waits(self.now) || (known.was_asked() && known.is_given_up(self.now, self.give_up_after))
    }

    const fn remedy(&self) -> Remedy {
        if self.is_copy { Remedy::RetryNow } else { Remedy::Signal }
    }

    fn forget_unseen(&mut self, cycle: u32) {
        self.known.retain(|_, attempt| attempt.seen == cycle);
        // A hash table does not shrink by itself.
        self.known.shrink_to(self.known.len() * 2);
        self.words.retain(|_, words| {
            words.retain(|word| Arc::strong_count(word) > 1);
            !words.is_empty()
        });
    }

    fn remember(&mut self, location: LocationId, attempt: Attempt) -> Standing {
        let is_full = self.known.len() >= LOCATIONS;
        match self.known.entry(location) {
            Entry::Occupied(mut known) => {
                let before = known.insert(attempt).reason;
                if before == known.get().reason { Standing::Again } else { Standing::New }
            }
            Entry::Vacant(_) if is_full => Standing::New,
            Entry::Vacant(place) => {
                place.insert(attempt);
                Standing::New
            }
        }
    }

    fn store(&mut self, id: &StoreId) -> Arc<StoreId> {
        if let Some(known) = self.stores.iter().find(|store| ***store == *id) {
            return Arc::clone(known);
        }
        let store = Arc::new(id.clone());
        self.stores.push(Arc::clone(&store));
        store
    }

    fn intern(&mut self, store: &StoreId, reason: Reason, detail: &str) -> Option<Arc<str>> {
        let detail: String = detail.chars().take(WORD_LENGTH).collect();
        let words = self.words.entry((store.clone(), reason)).or_default();
        if let Some(known) = words.iter().find(|word| ***word == *detail) {
            return Some(Arc::clone(known));
        }
        (words.len() < WORDS).then(|| {
            words.push(detail.into());
            Arc::clone(&words[words.len() - 1])
        })
    }
}

#[cfg(test)]
#[path = "memory_tests.rs"]
mod tests;
