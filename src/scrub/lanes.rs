//! One lane a store: fresh look, delete, hand the answers on.
//!
//! Promises: a lane never waits for another one (but where `scrub_pool_size` bounds them all); it reads its rows again
//! in small portions just before they are deleted, and once more where the store was slow in coming to them; it starts
//! nothing once asked to stop, and finishes what is in hand. Where scrubbers share their work it claims before it looks
//! (`claiming`). A container (directory, pool, bucket) that has answered nothing but `unavailable` several times in a row
//! is left alone until the next cycle, and gets a single call first in a later one; what lies elsewhere in the same store
//! goes on. Fails only by the database.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use chrono::{DateTime, Utc};
use futures::stream::{FuturesUnordered, StreamExt};
use tokio::sync::{Semaphore, mpsc};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::Clock;
use super::going::{Entry, Going};
use super::guard::Approval;
use super::holder::Holder;
use super::memory::Memory;
use super::observer::{InHand, Observer, StoreCall};
use super::plan::{Keep, Policy, Reason};
use super::pulse::UnderWay;
use super::queue::{Call, Left, Queue};
use super::rate::Tempo;
use super::report::Example;
use super::silence::Heard;
use crate::catalog::{Catalog, CatalogError, LocationId};
use crate::crash::{self, Point};
use crate::store::{Answer, Outcome, Store};

/// A lane that waits shows so often that it lives.
const SIGN_OF_LIFE: Duration = Duration::from_secs(5);

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
        let tempo = Tempo::of(self.policy.stores, lane, self.memory, self.look_lasts);
        let turn = |container: &str| self.memory.turn(store.id(), container, self.clock.now());
        let mut queue = Queue::new(ids, tempo.look_ahead);
        let mut working = FuturesUnordered::new();
        let mut failure = None;
        loop {
            let goes_on = failure.is_none() && !self.stop.is_cancelled() && !settled.is_closed();
            let mut wake = None;
            if goes_on {
                // Where it fails, what is in hand is waited for, so that it can still be recorded or counted.
                failure = self.refill(lane, &mut queue, &tempo, &settled).await.err();
                let now = Instant::now();
                while working.len() < tempo.workers
                    && let Some(call) = queue.next(turn, tempo.next().is_none_or(|next| next <= now))
                {
                    tempo.begin(now, call.cost());
                    working.push(self.call(lane, store, call, &settled));
                }
                let next = tempo.next().filter(|next| *next > now && working.len() < tempo.workers);
                wake = queue.wakes_at(next);
            } else {
                self.leave_going(lane, &mut queue, &settled).await;
            }
            self.observer.lane(store.id(), queue.len(), working.len());
            let answered = tokio::select! {
                answered = working.next(), if !working.is_empty() => answered,
                () = self.wait(wake, &settled), if wake.is_some() => continue,
                else => None,
            };
            match answered {
                Some(Ok((call, answers))) => {
                    let heard = Heard::of(answers.iter().map(|answer| Some(answer.outcome)));
                    self.memory.heard(store.id(), &call.container, heard, call.probe, self.clock.now());
                    self.hand_on(lane, call.in_hand, answers, &mut queue.going, &settled).await;
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

    /// Looks at what its store may be done with by now; and at the next portion's rows, once all calls of the one before
    /// are on their way.
    async fn refill(
        &self,
        lane: usize,
        queue: &mut Queue<'a>,
        tempo: &Tempo<'_>,
        settled: &mpsc::Sender<Settled>,
    ) -> Result<(), CatalogError> {
        self.look_at_going(lane, queue, tempo.full_batch, settled).await?;
        if queue.waiting.is_empty()
            && queue.going.len() < tempo.most_going
            && let Some(portion) = queue.next_portion()
        {
            let ours = match self.holder.is_needed() {
                true => self.claim(lane, &portion, &mut queue.others, settled).await?,
                false => portion,
            };
            queue.waiting = self.look(lane, &ours, tempo.batch, |_| None, settled).await?;
        }
        Ok(())
    }

    /// Brings back the locations that were `deleting` and are to be looked at now, by a fresh look at their rows.
    async fn look_at_going(
        &self,
        lane: usize,
        queue: &mut Queue<'a>,
        batch: usize,
        settled: &mpsc::Sender<Settled>,
    ) -> Result<(), CatalogError> {
        let due = queue.going.take_due(Instant::now());
        if due.is_empty() {
            return Ok(());
        }
        let waits: HashMap<_, _> = due.iter().map(|one| (one.in_hand.which.location, one.in_hand.waited)).collect();
        let portion: Vec<_> = due.iter().map(|one| one.in_hand.which.location).collect();
        let waited = |location| waits.get(&location).copied().flatten();
        match self.look(lane, &portion, batch, waited, settled).await {
            Ok(calls) => {
                calls.into_iter().rev().for_each(|call| queue.waiting.push_front(call));
                Ok(())
            }
            Err(error) => {
                queue.going.put_back(due, Instant::now());
                Err(error)
            }
        }
    }

    /// What its store is still at is left to the next cycle, which looks again.
    async fn leave_going(&self, lane: usize, queue: &mut Queue<'a>, settled: &mpsc::Sender<Settled>) {
        for Entry { in_hand, detail } in queue.take_going() {
            let keep = Keep { reason: Reason::Outcome(Outcome::Deleting), detail };
            self.send(settled, in_hand.settled(lane, End::Kept(keep))).await;
        }
    }

    /// Waits until then, or until the lane has to end. Shows life meanwhile: the wait is as it should be.
    async fn wait(&self, until: Option<Instant>, settled: &mpsc::Sender<Settled>) {
        let Some(until) = until else { return };
        let sleep = async {
            while Instant::now() < until {
                tokio::time::sleep_until(until.min(Instant::now() + SIGN_OF_LIFE)).await;
                self.observer.alive();
            }
        };
        tokio::select! {
            () = sleep => {}
            () = self.stop.cancelled() => {}
            () = settled.closed() => {}
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
        call = self.look_once_more(lane, call, settled).await?;
        call = self.still_ours(lane, call, settled).await?;
        if call.in_hand.is_empty() {
            return Ok((call, Vec::new()));
        }
        self.holder.begin(&call.locations());
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

    async fn hand_on(
        &self,
        lane: usize,
        in_hand: Vec<InHand>,
        answers: Vec<Answer>,
        going: &mut Going,
        settled: &mpsc::Sender<Settled>,
    ) {
        let unanswered = || Answer::because(Outcome::Failed, "the store gave fewer answers than it was asked for");
        let (mut answers, now) = (answers.into_iter(), Instant::now());
        for in_hand in in_hand {
            let answer = answers.next().unwrap_or_else(unanswered);
            if answer.outcome == Outcome::Deleting {
                going.add(in_hand, answer.detail, now);
                continue;
            }
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
        Self { which: Example::vanished(location), bytes: 0, due_at: None, waited: None }
    }

    /// Without another answer: what its store was at may still take effect.
    pub(super) fn settled(self, lane: usize, end: End) -> Settled {
        let Self { which, bytes, due_at, waited } = self;
        Settled { which, lane, bytes, due_at, end, unanswered: waited.is_some() }
    }
}
