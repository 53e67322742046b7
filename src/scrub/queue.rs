//! What a lane has before it: portions that are not read yet, and calls that wait for their turn.
//!
//! Promises: a portion is small, so that its rows are read just before they are deleted; a call is for one container.
//! What others had claimed comes back at the end of the list, once it may be free. Nobody is asked here.

use std::collections::VecDeque;
use std::slice::Chunks;

use tokio::time::Instant;

use super::going::{Entry, Going};
use super::guard::Approved;
use super::memory::{Probe, Turn};
use super::observer::InHand;
use super::others::Others;
use super::plan::{Keep, Reason};
use super::silence::Silence;
use super::survey::PAGE;
use crate::catalog::LocationId;
use crate::store::Outcome;

/// What a lane did not get to: how many locations, and why.
#[derive(Debug)]
pub(super) struct Left {
    pub locations: u64,
    pub keep: Keep,
}

/// Locations in one container for one call to the store, with their approvals in the same order.
pub(super) struct Call<'a> {
    pub container: String,
    pub looked_at: std::time::Instant,
    pub in_hand: Vec<InHand>,
    pub approved: Vec<Approved>,
    /// It is the only one to its container for now.
    pub probe: Option<Probe<'a>>,
}

impl Call<'_> {
    pub(super) fn locations(&self) -> Vec<LocationId> {
        self.in_hand.iter().map(|in_hand| in_hand.which.location).collect()
    }

    /// Deletes that it begins: to look again at what its store is at costs nothing.
    pub(super) fn cost(&self) -> usize {
        self.in_hand.iter().filter(|in_hand| in_hand.waited.is_none()).count()
    }
}

/// A lane's locations that are not in hand yet.
pub(super) struct Queue<'a> {
    pub portions: Chunks<'a, LocationId>,
    /// Locations in `portions`, and in `again`.
    pub unread: usize,
    /// What others had claimed, to be looked at once more.
    pub again: Vec<LocationId>,
    pub others: Others,
    /// What its store is at.
    pub going: Going,
    pub waiting: VecDeque<Call<'a>>,
    /// Locations that were not tried because of silence.
    pub left_alone: usize,
}

impl<'a> Queue<'a> {
    /// `look_ahead`: how many locations make a portion, at least one.
    pub(super) fn new(ids: &'a [LocationId], look_ahead: usize) -> Self {
        Self {
            portions: ids.chunks(look_ahead.max(1)),
            unread: ids.len(),
            again: Vec::new(),
            others: Others::default(),
            going: Going::default(),
            waiting: VecDeque::new(),
            left_alone: 0,
        }
    }

    /// The locations to look at next.
    pub(super) fn next_portion(&mut self) -> Option<Vec<LocationId>> {
        let portion = match self.portions.next() {
            Some(portion) => portion.to_vec(),
            None if self.again.is_empty() => return None,
            None => self.again.drain(..self.again.len().min(PAGE)).collect(),
        };
        self.unread -= portion.len();
        Some(portion)
    }

    /// Puts what others had claimed back into the list.
    pub(super) fn look_again(&mut self) {
        self.again = self.others.take();
        self.unread += self.again.len();
    }

    /// The next call that may be made now. `may_cost`: whether a delete may be begun.
    pub(super) fn next(&mut self, turn: impl Fn(&str) -> Turn<'a>, may_cost: bool) -> Option<Call<'a>> {
        let mut place = 0;
        loop {
            let call = self.waiting.get(place)?;
            if !may_cost && call.cost() > 0 {
                place += 1;
                continue;
            }
            match turn(&call.container) {
                Turn::Ask(probe) => return self.waiting.remove(place).map(|call| Call { probe, ..call }),
                Turn::Wait => place += 1,
                Turn::LeaveAlone => self.left_alone += self.waiting.remove(place)?.in_hand.len(),
            }
        }
    }

    /// When there is something to be done, if nothing happens before. `next`: when a delete may be begun, where that is
    /// what calls wait for.
    pub(super) fn wakes_at(&self, next: Option<Instant>) -> Option<Instant> {
        let next = next.filter(|_| self.waiting.iter().any(|call| call.cost() > 0));
        self.going.next().into_iter().chain(next).min()
    }

    /// What its store is at, wherever it waits to be looked at again.
    pub(super) fn take_going(&mut self) -> Vec<Entry> {
        let (again, others) = self.waiting.drain(..).partition(|call| call.cost() == 0);
        self.waiting = others;
        let again: VecDeque<Call<'a>> = again;
        let entry = |in_hand| Entry { in_hand, detail: None };
        let again = again.into_iter().flat_map(|call| call.in_hand).map(entry);
        self.going.take_all().into_iter().chain(again).collect()
    }

    /// Gives up what still waits for its turn.
    pub(super) fn leave_waiting(&mut self) {
        self.left_alone += self.waiting.drain(..).map(|call| call.in_hand.len()).sum::<usize>();
    }

    /// What will not be tried any more in this cycle.
    pub(super) fn into_left(self) -> Vec<Left> {
        let interrupted = self.len();
        debug_assert_eq!(self.going.len(), 0, "told as what it is");
        let detail = Some(Silence::detail("left alone until the next cycle"));
        let silent = Keep { reason: Reason::Outcome(Outcome::Unavailable), detail };
        let parts = [(interrupted, Keep::plain(Reason::Interrupted)), (self.left_alone, silent)];
        let parts = parts.into_iter().filter(|(locations, _)| *locations > 0);
        parts.map(|(locations, keep)| Left { locations: locations as u64, keep }).collect()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.unread == 0 && self.waiting.is_empty()
    }

    /// Locations.
    pub(super) fn len(&self) -> usize {
        self.unread + self.going.len() + self.waiting.iter().map(|call| call.in_hand.len()).sum::<usize>()
    }
}

/// Puts a location into the last call to its container that has room, or into a new one.
pub(super) fn add(
    calls: &mut VecDeque<Call<'_>>,
    looked_at: std::time::Instant,
    in_hand: InHand,
    approved: Approved,
    batch: usize,
) {
    let container = &approved.target().container;
    match calls.iter_mut().rev().find(|call| call.container == *container && call.in_hand.len() < batch) {
        Some(call) => {
            call.in_hand.push(in_hand);
            call.approved.push(approved);
        }
        None => {
            let container = container.clone();
            let (in_hand, approved) = (vec![in_hand], vec![approved]);
            calls.push_back(Call { container, looked_at, in_hand, approved, probe: None });
        }
    }
}
