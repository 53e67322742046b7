//! One lane a store: fresh look, delete, hand the answers on.
//!
//! Promises: a lane never waits for another one (but where `scrub_pool_size` bounds them all); it reads its rows again
//! in small portions just before they are deleted, and once more where the store was slow in coming to them; it starts
//! nothing once asked to stop, and finishes what is in hand. Where scrubbers share their work it claims before it looks
//! (`claiming`). A container (directory, pool, bucket) that has answered nothing but `unavailable` several times in a row
//! is left alone until the next cycle, and gets a single call first in a later one; what lies elsewhere in the same store
//! goes on. Fails only by the database.

use std::collections::{HashSet, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use futures::stream::{FuturesUnordered, StreamExt};
use tokio::sync::{Semaphore, mpsc};
use tokio_util::sync::CancellationToken;

use super::Clock;
use super::guard::Approval;
use super::holder::Holder;
use super::memory::Memory;
use super::observer::{InHand, Observer, StoreCall};
use super::patience;
use super::plan::{self, Keep, Policy, Reason};
use super::pulse::{Pulse, UnderWay};
use super::queue::{Call, Left, Queue, add};
use super::report::Example;
use super::silence::Heard;
use crate::catalog::{Catalog, CatalogError, LocationId};
use crate::crash::{self, Point};
use crate::store::{Answer, Outcome, Store};

/// What became of one location.
#[derive(Debug)]
pub(super) struct Settled {
    pub which: Example,
    pub lane: usize,
    pub bytes: u64,
    pub due_at: Option<DateTime<Utc>>,
    pub end: End,
    /// Its store was called and gave no answer, or is at it: the data may still go.
    pub unanswered: bool,
}

/// Finished or kept.
#[derive(Debug)]
pub(super) enum End {
    Gone(Outcome),
    Kept(Keep),
    /// Another scrubber has finished it since it was planned.
    Elsewhere,
}

/// What all lanes of a cycle have in common.
pub(super) struct Lanes<'a> {
    pub catalog: &'a dyn Catalog,
    pub policy: &'a Policy<'a>,
    pub approval: &'a Approval,
    pub memory: &'a Memory,
    pub holder: &'a Holder<'a>,
    pub clock: &'a dyn Clock,
    /// `scrub_pool_size`.
    pub pool: Option<&'a Semaphore>,
    pub stop: &'a CancellationToken,
    pub patience: Duration,
    /// How long a look at a row is fresh enough to delete by.
    pub look_lasts: Duration,
    /// How far the deletes are that take their time.
    pub under_way: UnderWay,
    pub observer: &'a dyn Observer,
    /// Calls to stores so far.
    pub calls: AtomicU64,
    /// Locations whose data is gone and whose outcome nobody took any more.
    pub lost: AtomicU64,
}

impl<'a> Lanes<'a> {
    /// Works through one store's locations. Ends early when `settled` is closed: then nothing can be recorded any more.
    pub(super) async fn run(
        &self,
        lane: usize,
        ids: &[LocationId],
        settled: mpsc::Sender<Settled>,
    ) -> Result<Vec<Left>, CatalogError> {
        let store = self.policy.stores.all()[lane].as_ref();
        let pace = store.pace();
        let turn = |container: &str| self.memory.turn(store.id(), container, self.clock.now());
        let mut queue = Queue::new(ids, pace);
        let mut working = FuturesUnordered::new();
        let mut failure = None;
        loop {
            let goes_on = failure.is_none() && !self.stop.is_cancelled() && !settled.is_closed();
            if goes_on {
                // Where it fails, what is in hand is waited for, so that it can still be recorded or counted.
                failure = self.refill(lane, &mut queue, pace.batch, &settled).await.err();
                while working.len() < pace.workers.max(1)
                    && let Some(call) = queue.next(turn)
                {
                    working.push(self.call(lane, store, call, &settled));
                }
            }
            self.observer.lane(store.id(), queue.len(), working.len());
            match working.next().await {
                Some(Ok((call, answers))) => {
                    let heard = Heard::of(answers.iter().map(|answer| Some(answer.outcome)));
                    self.memory.heard(store.id(), &call.container, heard, call.probe, self.clock.now());
                    self.hand_on(lane, call.in_hand, answers, &settled).await;
                }
                Some(Err(error)) => failure = Some(error),
                // Nothing is under way, so nothing can be waited for either.
                None if goes_on && failure.is_none() && !queue.is_empty() => queue.leave_waiting(),
                None if goes_on && failure.is_none() && queue.others.wait(self.stop).await => queue.look_again(),
                None => break,
            }
        }
        for (location, claim) in queue.others.left() {
            self.tell_claimed(lane, location, &claim, &settled).await;
        }
        failure.map_or_else(|| Ok(queue.into_left()), Err)
    }

    /// Looks at the next portion's rows once all calls of the one before are on their way.
    async fn refill(
        &self,
        lane: usize,
        queue: &mut Queue<'a>,
        batch: usize,
        settled: &mpsc::Sender<Settled>,
    ) -> Result<(), CatalogError> {
        if queue.waiting.is_empty()
            && let Some(portion) = queue.next_portion()
        {
            let ours = match self.holder.is_needed() {
                true => self.claim(lane, &portion, &mut queue.others, settled).await?,
                false => portion,
            };
            queue.waiting = self.look(lane, &ours, batch, settled).await?;
        }
        Ok(())
    }

    /// Reads a portion's rows again and examines each. What is kept after all is handed on at once.
    async fn look(
        &self,
        lane: usize,
        portion: &[LocationId],
        batch: usize,
        settled: &mpsc::Sender<Settled>,
    ) -> Result<VecDeque<Call<'a>>, CatalogError> {
        let read = || self.catalog.locations(portion);
        let rows = patience::retry(self.patience, "read locations again", read).await?;
        let looked_at = Instant::now();
        crash::point(Point::AfterLook);
        let there = rows.iter().map(|row| plan::ids(row).0).collect();
        self.tell_vanished(lane, portion, &there, settled).await;
        let mut calls = VecDeque::new();
        for row in &rows {
            let due_at = plan::due_at(row, self.policy.horizon);
            let in_hand = InHand { which: Example::of(row), bytes: plan::bytes(row), due_at };
            match self.approval.examine(row, self.policy, lane) {
                Ok(approved) => {
                    let approved = approved.watched(Pulse::of(plan::bytes(row), &self.under_way));
                    let approved = approved.under(self.holder.tenure(in_hand.which.location));
                    add(&mut calls, looked_at, in_hand, approved, batch);
                }
                Err(keep) => self.send(settled, in_hand.settled(lane, End::Kept(keep))).await,
            }
        }
        Ok(calls)
    }

    /// Rows that were there when the cycle was planned, and are not any more.
    pub(super) async fn tell_vanished(
        &self,
        lane: usize,
        portion: &[LocationId],
        there: &HashSet<LocationId>,
        settled: &mpsc::Sender<Settled>,
    ) {
        if there.len() == portion.len() {
            return;
        }
        for location in portion.iter().filter(|location| !there.contains(location)) {
            let keep = Keep { reason: Reason::Changed, detail: Some("its row has gone".to_owned()) };
            self.send(settled, InHand::unread(*location).settled(lane, End::Kept(keep))).await;
        }
    }

    /// Deletes, after a third look if the second has become old while the call waited for its turn.
    async fn call(
        &self,
        lane: usize,
        store: &dyn Store,
        mut call: Call<'a>,
        settled: &mpsc::Sender<Settled>,
    ) -> Result<(Call<'a>, Vec<Answer>), CatalogError> {
        let _place = match self.pool {
            // Closed never happens: nobody closes it. Then the lane's own width still holds.
            Some(pool) => pool.acquire().await.ok(),
            None => None,
        };
        if call.looked_at.elapsed() >= self.look_lasts {
            let portion: Vec<_> = call.in_hand.iter().map(|in_hand| in_hand.which.location).collect();
            let mut fresh = self.look(lane, &portion, portion.len(), settled).await?;
            let first = fresh.pop_front();
            for moved in fresh.into_iter().flat_map(|call| call.in_hand) {
                let detail = Some("what it points to was changed in the meantime".to_owned());
                self.send(settled, moved.settled(lane, End::Kept(Keep { reason: Reason::Changed, detail }))).await;
            }
            match first {
                Some(fresh) => {
                    let probe = call.probe.filter(|probe| probe.is_for(&fresh.container));
                    call = Call { probe, ..fresh };
                }
                None => return Ok((Call { in_hand: Vec::new(), approved: Vec::new(), ..call }, Vec::new())),
            }
        }
        call = self.still_ours(lane, call, settled).await?;
        if call.in_hand.is_empty() {
            return Ok((call, Vec::new()));
        }
        let locations: Vec<_> = call.in_hand.iter().map(|in_hand| in_hand.which.location).collect();
        self.holder.begin(&locations);
        let number = self.calls.fetch_add(1, Ordering::Relaxed);
        let seen = StoreCall { number, store: store.id(), container: &call.container, in_hand: &call.in_hand };
        self.observer.call_began(&seen);
        let begun = Instant::now();
        crash::point(Point::BeforeCall);
        let answers = store.delete(&call.approved).await;
        crash::point(Point::AfterDelete);
        self.observer.call_ended(&seen, begun.elapsed());
        Ok((call, answers))
    }

    async fn hand_on(&self, lane: usize, in_hand: Vec<InHand>, answers: Vec<Answer>, settled: &mpsc::Sender<Settled>) {
        let unanswered = || Answer::because(Outcome::Failed, "the store gave fewer answers than it was asked for");
        let mut answers = answers.into_iter();
        for in_hand in in_hand {
            let answer = answers.next().unwrap_or_else(unanswered);
            log_remark(&in_hand.which, &answer);
            let unanswered = answer.outcome.may_take_effect();
            let end = if answer.outcome.finishes() { End::Gone(answer.outcome) } else { End::Kept(answer.into()) };
            self.send(settled, Settled { unanswered, ..in_hand.settled(lane, end) }).await;
        }
    }

    /// A closed channel means that the recorder gave up on the database; it has said so.
    pub(super) async fn send(&self, settled: &mpsc::Sender<Settled>, one: Settled) {
        let gone = matches!(one.end, End::Gone(_));
        if settled.send(one).await.is_err() && gone {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// What a store has to say of data that is gone: where trashed data lies, and who holds it.
fn log_remark(one: &Example, answer: &Answer) {
    if answer.outcome.finishes() && answer.detail.is_some() {
        let (image, location) = (one.image.as_ref().map_or("?", |image| &image.0), one.location);
        tracing::info!(
            image_id = image, location_id = %location, outcome = answer.outcome.as_str(),
            "Location {location} of image {image}: {answer}"
        );
    }
}

impl InHand {
    /// One whose row is not at hand.
    pub(super) const fn unread(location: LocationId) -> Self {
        Self { which: Example::vanished(location), bytes: 0, due_at: None }
    }

    pub(super) fn settled(self, lane: usize, end: End) -> Settled {
        Settled { which: self.which, lane, bytes: self.bytes, due_at: self.due_at, end, unanswered: false }
    }
}
