//! A lane's part in the protocol of [`crate::claim`].
//!
//! Promises: a portion is claimed before its rows are read for the last time, so that a restore which came first shows in
//! them; a call begins only under claims that outlast it. Several scrubbers that walk one list share it by leapfrogging:
//! what is finished costs a line of a cheap read, what is in hand elsewhere is passed over, and is no failure.
//! Fails only by the database.

use tokio::sync::mpsc;

use super::lanes::{End, Lanes, Settled};
use super::observer::InHand;
use super::others::Others;
use super::patience;
use super::plan::{self, Keep, Reason};
use super::queue::Call;
use crate::catalog::{CatalogError, FailedAttempt, LocationId, Taken, Wanted};
use crate::claim::Claim;

impl<'a> Lanes<'a> {
    /// Claims what is still to be deleted of a portion; what of it is ours. What another scrubber has finished since
    /// the plan costs a reading, and no claim.
    pub(super) async fn claim(
        &self,
        lane: usize,
        portion: &[LocationId],
        others: &mut Others,
        settled: &mpsc::Sender<Settled>,
    ) -> Result<Vec<LocationId>, CatalogError> {
        let wanted = self.still_pending(lane, portion, settled).await?;
        let mut ours = Vec::with_capacity(wanted.len());
        for (Wanted { location, .. }, taken) in wanted.iter().zip(self.holder.take(&wanted).await?) {
            match taken {
                Taken::Granted(_) => ours.push(*location),
                Taken::Held(claim) => {
                    if let Some(claim) = others.note(*location, claim) {
                        self.tell_claimed(lane, *location, &claim, settled).await;
                    }
                }
                Taken::Waits(failed) => self.tell_tried(lane, *location, &failed, settled).await,
                // Said to a restore alone.
                Taken::Rests(_) => {}
            }
        }
        Ok(ours)
    }

    /// What of a portion nobody has finished since it was planned.
    async fn still_pending(
        &self,
        lane: usize,
        portion: &[LocationId],
        settled: &mpsc::Sender<Settled>,
    ) -> Result<Vec<Wanted>, CatalogError> {
        let read = || self.catalog.statuses(portion);
        let rows = patience::retry(self.patience, "read statuses of locations", read).await?;
        let there = rows.iter().map(|(location, ..)| *location).collect();
        self.tell_vanished(lane, portion, &there, |_| None, settled).await;
        let mut wanted = Vec::with_capacity(rows.len());
        for (location, image, status) in rows {
            let end = match status.as_str() {
                "pending_delete" => {
                    wanted.push(Wanted { location, image });
                    continue;
                }
                "deleted" => End::Elsewhere,
                other => End::Kept(plan::changed(other)),
            };
            self.send(settled, InHand::unread(location).settled(lane, end)).await;
        }
        Ok(wanted)
    }

    /// Another works on it, and shows signs of life.
    pub(super) async fn tell_claimed(
        &self,
        lane: usize,
        location: LocationId,
        claim: &Claim,
        settled: &mpsc::Sender<Settled>,
    ) {
        let detail = format!("claimed by {}, until {}", claim.owner.shown(), plan::shown(claim.until));
        let keep = Keep { reason: Reason::Claimed, detail: Some(detail) };
        self.send(settled, InHand::unread(location).settled(lane, End::Kept(keep))).await;
    }

    /// Another has tried it in vain since the plan.
    async fn tell_tried(
        &self,
        lane: usize,
        location: LocationId,
        failed: &FailedAttempt,
        settled: &mpsc::Sender<Settled>,
    ) {
        let next = failed.next.map_or_else(String::new, |next| format!(", again at {}", plan::shown(next)));
        let words = failed.error.as_ref().map_or_else(String::new, |words| format!(": {words}"));
        let detail = format!("another scrubber has just tried it: {}{next}{words}", failed.outcome);
        let keep = Keep { reason: Reason::Claimed, detail: Some(detail) };
        self.send(settled, InHand::unread(location).settled(lane, End::Kept(keep))).await;
    }

    /// Takes out of a call what was lost while it waited. The store asks once more, just before it touches anything.
    pub(super) async fn still_ours(
        &self,
        lane: usize,
        call: Call<'a>,
        settled: &mpsc::Sender<Settled>,
    ) -> Result<Call<'a>, CatalogError> {
        let ready = self.holder.ready(&call.locations()).await?;
        if ready.iter().all(|ready| *ready) {
            return Ok(call);
        }
        let Call { in_hand, approved, .. } = call;
        let (mut ours, mut theirs) = (Vec::new(), Vec::new());
        for (ready, pair) in ready.into_iter().zip(in_hand.into_iter().zip(approved)) {
            if ready { ours.push(pair) } else { theirs.push(pair.0) }
        }
        for lost in theirs {
            let detail = Some("the claim on it ran out while it waited for its turn".to_owned());
            self.send(settled, lost.settled(lane, End::Kept(Keep { reason: Reason::Claimed, detail }))).await;
        }
        let (in_hand, approved) = ours.into_iter().unzip();
        Ok(Call { in_hand, approved, ..call })
    }
}
