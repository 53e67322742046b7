//! The fresh look: rows are read again just before their data is deleted, and each is decided on anew.
//!
//! Promises: what passes is [`Approved`](super::Approved) by a row that was read now; what does not is handed on as kept
//! at once. Fails only by the database.

use std::collections::{HashSet, VecDeque};
use std::time::{Duration, Instant};

use tokio::sync::mpsc;

use super::lanes::{End, Lanes, Settled};
use super::observer::InHand;
use super::patience;
use super::plan::{self, Keep, Reason};
use super::pulse::Pulse;
use super::queue::{Call, add};
use super::report::Example;
use crate::catalog::{CatalogError, LocationId};
use crate::crash::{self, Point};

impl<'a> Lanes<'a> {
    /// Reads a portion's rows again and examines each. `waited`: see [`InHand::waited`].
    pub(super) async fn look(
        &self,
        lane: usize,
        portion: &[LocationId],
        batch: usize,
        waited: impl Fn(LocationId) -> Option<Duration>,
        settled: &mpsc::Sender<Settled>,
    ) -> Result<VecDeque<Call<'a>>, CatalogError> {
        let read = || self.catalog.locations(portion);
        let rows = patience::retry(self.patience, "read locations again", read).await?;
        let looked_at = Instant::now();
        crash::point(Point::AfterLook);
        let there = rows.iter().map(|row| plan::ids(row).0).collect();
        self.tell_vanished(lane, portion, &there, &waited, settled).await;
        let mut calls = VecDeque::new();
        for row in &rows {
            let due_at = plan::due_at(row, self.policy.horizon);
            let (which, bytes) = (Example::of(row), plan::bytes(row));
            let in_hand = InHand { waited: waited(which.location), which, bytes, due_at };
            match self.approval.examine(row, self.policy, lane) {
                Ok(approved) => {
                    let approved = approved.watched(Pulse::of(bytes, &self.under_way));
                    let approved = approved.under(self.holder.tenure(in_hand.which.location));
                    add(&mut calls, looked_at, in_hand, approved, batch);
                }
                Err(keep) => self.send(settled, in_hand.settled(lane, End::Kept(keep))).await,
            }
        }
        Ok(calls)
    }

    /// Looks once more if the look has become old while the call waited for its turn. The call may be empty after it.
    pub(super) async fn look_once_more(
        &self,
        lane: usize,
        call: Call<'a>,
        settled: &mpsc::Sender<Settled>,
    ) -> Result<Call<'a>, CatalogError> {
        if call.looked_at.elapsed() < self.look_lasts {
            return Ok(call);
        }
        let portion = call.locations();
        let waited = |location| {
            let same = call.in_hand.iter().find(|in_hand| in_hand.which.location == location);
            same.and_then(|in_hand| in_hand.waited)
        };
        let mut fresh = self.look(lane, &portion, portion.len(), waited, settled).await?;
        let first = fresh.pop_front();
        for moved in fresh.into_iter().flat_map(|call| call.in_hand) {
            let detail = Some("what it points to was changed in the meantime".to_owned());
            self.send(settled, moved.settled(lane, End::Kept(Keep { reason: Reason::Changed, detail }))).await;
        }
        match first {
            Some(fresh) => {
                let probe = call.probe.filter(|probe| probe.is_for(&fresh.container));
                Ok(Call { probe, ..fresh })
            }
            None => Ok(Call { in_hand: Vec::new(), approved: Vec::new(), ..call }),
        }
    }

    /// Rows that were there when the cycle was planned, and are not any more.
    pub(super) async fn tell_vanished(
        &self,
        lane: usize,
        portion: &[LocationId],
        there: &HashSet<LocationId>,
        waited: impl Fn(LocationId) -> Option<Duration>,
        settled: &mpsc::Sender<Settled>,
    ) {
        if there.len() == portion.len() {
            return;
        }
        for location in portion.iter().filter(|location| !there.contains(location)) {
            let keep = Keep { reason: Reason::Changed, detail: Some("its row has gone".to_owned()) };
            let in_hand = InHand { waited: waited(*location), ..InHand::unread(*location) };
            self.send(settled, in_hand.settled(lane, End::Kept(keep))).await;
        }
    }
}
