//! Asks the stores what a cycle's deletes would meet: `--dry-run --probe`.
//!
//! Promises: nothing changes, since a store's `delete` takes [`Approved`](super::Approved) targets and there is no
//! approval here; memory is that of one page; every store is asked at its own pace, all at once, and one that gives no
//! answer is left alone after a few calls, so that it holds up one or two pages and not each of them. It fails by
//! saying nothing of a location, or why nothing is known. Rejected: a lane for each store that runs ahead (the list is
//! in the order of deletion, so what runs ahead of a slow store would have to be kept).

use std::collections::VecDeque;

use futures::future::join_all;
use futures::stream::{FuturesUnordered, StreamExt};
use tokio::sync::Semaphore;

use super::plan::Resolved;
use super::silence::Silence;
use crate::store::{Answer, Outcome, Probed, Store, Stores};

/// Asks about page after page, and remembers which stores are silent.
pub struct Prober<'a> {
    stores: &'a Stores,
    silences: Vec<Silence>,
    pool: Option<Semaphore>,
}

/// Locations in one container for one call, with their places in the page.
struct Call {
    container: String,
    places: Vec<usize>,
    targets: Vec<Resolved>,
}

impl<'a> Prober<'a> {
    /// `pool`: `scrub_pool_size`, which bounds the calls to all stores together.
    pub fn new(stores: &'a Stores, pool: Option<usize>) -> Self {
        let silences = stores.all().iter().map(|_| Silence::default()).collect();
        Self { stores, silences, pool: pool.map(Semaphore::new) }
    }

    /// Asks about a page's locations; the answers stand where the questions stood.
    pub async fn ask(&mut self, page: Vec<Option<Resolved>>) -> Vec<Option<Probed>> {
        let mut answers: Vec<_> = page.iter().map(|_| None).collect();
        let mut calls: Vec<VecDeque<Call>> = self.silences.iter().map(|_| VecDeque::new()).collect();
        for (place, target) in page.into_iter().enumerate() {
            let Some(target) = target else { continue };
            let store = target.store;
            add(&mut calls[store], place, target, self.stores.pace(store).batch);
        }
        let pool = self.pool.as_ref();
        let stores = self.stores.all().iter().enumerate().zip(&mut self.silences).zip(calls);
        let looks = stores.map(|(((index, store), silence), calls)| {
            ask_store(store.as_ref(), self.stores.pace(index).workers, silence, calls, pool)
        });
        for (place, probed) in join_all(looks).await.into_iter().flatten() {
            answers[place] = Some(probed);
        }
        answers
    }
}

fn add(calls: &mut VecDeque<Call>, place: usize, target: Resolved, batch: usize) {
    let open = |call: &&mut Call| call.container == target.target.container && call.places.len() < batch;
    match calls.iter_mut().rev().find(open) {
        Some(call) => {
            call.places.push(place);
            call.targets.push(target);
        }
        None => {
            let container = target.target.container.clone();
            calls.push_back(Call { container, places: vec![place], targets: vec![target] });
        }
    }
}

/// Asks one store at its pace; a container that has been silent for too long is not asked any more.
async fn ask_store(
    store: &dyn Store,
    workers: usize,
    silence: &mut Silence,
    mut waiting: VecDeque<Call>,
    pool: Option<&Semaphore>,
) -> Vec<(usize, Probed)> {
    let mut working = FuturesUnordered::new();
    let mut answers = Vec::new();
    loop {
        while working.len() < workers.max(1)
            && let Some(call) = waiting.pop_front()
        {
            if silence.is_final(&call.container) {
                let detail = Silence::detail("not asked any more");
                let unasked = Probed::from(Answer::because(Outcome::Unavailable, detail));
                answers.extend(call.places.into_iter().map(|place| (place, unasked.clone())));
            } else {
                working.push(ask_once(store, call, pool));
            }
        }
        let Some((Call { container, places, .. }, probed)) = working.next().await else { break };
        silence.note(&container, probed.iter().map(|probed| probed.answer.as_ref().map(|answer| answer.outcome)));
        // What a store leaves out it knows nothing of.
        answers.extend(places.into_iter().zip(probed.into_iter().chain(std::iter::repeat_with(Probed::default))));
    }
    answers
}

async fn ask_once(store: &dyn Store, call: Call, pool: Option<&Semaphore>) -> (Call, Vec<Probed>) {
    let _turn = match pool {
        // Closed never happens: nobody closes it. Then the store's own pace still holds.
        Some(pool) => pool.acquire().await.ok(),
        None => None,
    };
    let probed = store.probe(&call.targets).await;
    (call, probed)
}
