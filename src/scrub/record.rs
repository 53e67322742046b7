//! Outcomes in, rows marked: the only place where a cycle writes.
//!
//! Promises: what is marked `deleted` had a finishing outcome from its store; a batch is one transaction; no
//! transaction waits for a store. Between a store's answer and the commit a crash loses only the knowledge: the next
//! cycle asks the store again and hears `absent`. When the database stays away the recorder stops taking outcomes,
//! which stops the lanes: at most a channel full of deletes is left unrecorded.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use tokio::sync::mpsc;

use super::holder::{Holder, Kept};
use super::lanes::{End, Settled};
use super::memory::Memory;
use super::observer::{Ended, SettledLocation, Statement};
use super::plan::Policy;
use super::report::{self, CycleReport};
use super::retry::{self, Standing};
use super::watched::timed;
use super::{Clock, Observer, patience};
use crate::catalog::{Batch, CatalogError, FailedAttempt, ImageId, Ledger, Recorded};
use crate::config::StoreId;

/// Locations in one transaction: large enough that a location costs a small part of a statement, small enough that
/// the row locks on Glance's tables are held for milliseconds.
const BATCH: usize = 500;

/// Outcomes that may wait for the recorder: two batches, so that the lanes go on while one is written.
pub(super) const QUEUE: usize = 2 * BATCH;

/// How long a batch that is not full waits for more. A slow store's outcomes are recorded this soon after they came.
const LINGER: Duration = Duration::from_millis(50);

/// New failures that are logged one by one in a cycle; the report has the rest, with examples.
const LOGGED: u64 = 1000;

pub(super) struct Recorder<'a> {
    pub ledger: Arc<dyn Ledger>,
    pub policy: &'a Policy<'a>,
    pub memory: &'a Memory,
    pub holder: &'a Holder<'a>,
    pub clock: &'a dyn Clock,
    pub observer: &'a dyn Observer,
    pub patience: Duration,
    pub report: &'a mut CycleReport,
}

impl<'a> Recorder<'a> {
    /// Takes outcomes until the last lane has gone, then hands back the report, and how recording ended.
    pub(super) async fn run(
        mut self,
        mut settled: mpsc::Receiver<Settled>,
    ) -> (&'a mut CycleReport, Result<(), CatalogError>) {
        let mut batch = Vec::with_capacity(BATCH);
        let mut ended = Ok(());
        while ended.is_ok() && gather(&mut settled, &mut batch).await {
            ended = self.take(&mut batch).await;
        }
        // Whatever lanes still hand on cannot be recorded any more. Closing first lets them see it.
        settled.close();
        while let Some(late) = settled.recv().await {
            if matches!(late.end, End::Gone(_)) {
                self.report.unrecorded += 1;
            }
        }
        (self.report, ended)
    }

    /// Finishes images that have no pending location left.
    pub(super) async fn finish(&mut self, images: &[ImageId]) -> Result<(), CatalogError> {
        for page in images.chunks(BATCH) {
            let batch = Batch { images: page.to_vec(), ..Batch::default() };
            // What is only to be recorded needs no claim: nothing is deleted, and the update sees for itself that no
            // location of the image is left.
            let recorded = self.record(&batch, &[]).await?;
            let unfinished: Vec<_> = page.iter().filter(|image| !recorded.finished.contains(image)).cloned().collect();
            // Another scrubber may have finished them since they were listed.
            let read = || self.ledger.images(&unfinished);
            let rows = patience::retry(self.patience, "read images again", read).await?;
            let still_pending = rows.into_iter().filter(|(row, _)| row.status == "pending_delete");
            self.report.images_unfinished.extend(still_pending.map(|(row, _)| row.id));
            self.count_finished(&recorded);
        }
        for image in self.report.images_unfinished.iter().take(LOGGED as usize) {
            tracing::warn!(
                image_id = %image,
                "Image {image} is pending_delete and has a location that is neither pending nor deleted; it stays"
            );
        }
        Ok(())
    }

    async fn take(&mut self, settled: &mut Vec<Settled>) -> Result<(), CatalogError> {
        let mut batch = Batch::default();
        for one in settled.iter() {
            if let End::Gone(_) = one.end {
                batch.gone.push(one.which.location);
                batch.images.extend(one.which.image.clone());
            }
        }
        batch.images.sort_unstable();
        batch.images.dedup();
        // What failed is counted before it is recorded, since it is recorded as well.
        let at = self.clock.now();
        let standings: Vec<_> = settled.iter().map(|one| self.standing(one, at)).collect();
        let kept: Vec<_> = settled.iter().filter_map(|one| self.kept(one)).collect();
        let recorded = match self.record(&batch, &kept).await {
            Ok(recorded) => recorded,
            Err(error) => {
                self.report.unrecorded += batch.gone.len() as u64;
                return Err(error);
            }
        };
        let overtaken = recorded.overtaken.iter().map(|(location, _)| location);
        let elsewhere: HashSet<_> = overtaken.chain(&recorded.lost).copied().collect();
        self.report.lost += recorded.lost.len() as u64;
        for location in &recorded.lost {
            tracing::warn!(
                location_id = %location,
                "The data of location {location} was removed, but its claim had been taken over: whoever has it records it"
            );
        }
        for (location, status) in &recorded.overtaken {
            if status == "deleted" {
                // Another scrubber deleted it too, and was first to record it: what both wanted.
                tracing::debug!(location_id = %location, "Location {location} was recorded by another scrubber");
                self.report.recorded_elsewhere += 1;
                continue;
            }
            self.report.overtaken += 1;
            tracing::error!(
                location_id = %location,
                "The data of location {location} was removed, but its row had become '{status}' in the meantime"
            );
        }
        for (one, standing) in settled.drain(..).zip(standings) {
            // What another recorded is not ours to count.
            self.settle(&one, at, standing, elsewhere.contains(&one.which.location));
        }
        self.count_finished(&recorded);
        Ok(())
    }

    async fn record(&self, batch: &Batch, kept: &[Kept]) -> Result<Recorded, CatalogError> {
        let now = self.clock.now();
        let record = || {
            let recording = self.holder.record(self.ledger.as_ref(), batch, kept, now);
            timed(self.observer, Statement::Record, recording)
        };
        patience::retry(self.patience, "record what was deleted", record).await
    }

    /// How a location that stays stands to what was known of it.
    fn standing(&self, one: &Settled, at: DateTime<Utc>) -> Standing {
        match &one.end {
            End::Kept(keep) => self.memory.kept(one.which.location, self.store(one), keep, at),
            _ => Standing::New,
        }
    }

    /// What the table of claims is to know of a location that stays.
    fn kept(&self, one: &Settled) -> Option<Kept> {
        let End::Kept(keep) = &one.end else { return None };
        let location = one.which.location;
        let known = retry::is_remembered(keep.reason).then(|| self.memory.failed_attempt(location)).flatten();
        // In its own words, of which memory keeps some.
        let failed = known.map(|known| FailedAttempt { error: keep.detail.clone(), ..known });
        Some(Kept { location, failed, unanswered: one.unanswered })
    }

    fn store(&self, one: &Settled) -> &'a StoreId {
        self.policy.stores.all()[one.lane].id()
    }

    fn settle(&mut self, one: &Settled, at: DateTime<Utc>, standing: Standing, overtaken: bool) {
        let Settled { which, lane, bytes, due_at, end, .. } = one;
        let store = self.policy.stores.all()[*lane].id();
        let (image, location) = (which.image.as_ref().map_or("?", |image| &image.0), which.location);
        let end = match end {
            _ if overtaken => Ended::Overtaken,
            End::Gone(outcome) => Ended::Finished(*outcome),
            End::Kept(keep) => Ended::Kept(keep),
            End::Elsewhere => {
                self.report.recorded_elsewhere += 1;
                Ended::Overtaken
            }
        };
        let seen = SettledLocation { which, store: Some(store), bytes: *bytes, due_at: *due_at, at, end, standing };
        match end {
            Ended::Finished(outcome) => {
                self.memory.gone(location);
                tracing::debug!(
                    image_id = image, location_id = %location, store = store.as_str(), outcome = outcome.as_str(),
                    "Image {image} is scrubbed from a location."
                );
                self.report.done.entry((store.clone(), outcome)).or_default().add(*bytes);
            }
            Ended::Kept(keep) => {
                self.report.kept.add(Some(store), keep, *bytes, which, standing);
                log_kept(&self.report.kept, &seen);
            }
            Ended::Overtaken => {}
        }
        self.observer.settled(&seen);
    }

    fn count_finished(&mut self, recorded: &Recorded) {
        self.report.images_finished += recorded.finished.len() as u64;
        self.observer.images_finished(&recorded.finished);
        for image in &recorded.finished {
            tracing::info!(image_id = %image, "Image {image} has been scrubbed successfully");
        }
    }
}

/// Logs a location that stays, after it was counted in `kept`. The words of failures are those that operators of
/// Glance's own scrubber search for; what an earlier cycle has told already is told at DEBUG.
pub(super) fn log_kept(kept: &report::Kept, one: &SettledLocation<'_>) {
    let Ended::Kept(keep) = one.end else { return };
    let standing = one.standing;
    let (word, store) = (keep.reason.as_str(), one.store.map_or("-", StoreId::as_str));
    let (image, location) = (one.which.image.as_ref().map_or("?", |image| &image.0), one.which.location);
    let detail = keep.detail.as_deref().unwrap_or("-");
    if !keep.reason.is_failure() || standing != Standing::New || kept.news() > LOGGED {
        tracing::debug!(
            image_id = image, location_id = %location, store, outcome = word,
            "Location {location} of image {image} is kept: {word}: {detail}"
        );
        return;
    }
    tracing::error!(
        image_id = image, location_id = %location, store, outcome = word,
        "Unable to scrub image {image} from a location. Reason: {word}: {detail}"
    );
    if one.which.image_is_pending {
        tracing::warn!(
            image_id = image,
            "One or more image locations couldn't be scrubbed from backend. Leaving image '{image}' in 'pending_delete' status"
        );
    }
}

/// Fills a batch: waits for the first outcome, then a moment for more. False when the last lane has gone.
async fn gather(settled: &mut mpsc::Receiver<Settled>, batch: &mut Vec<Settled>) -> bool {
    match settled.recv().await {
        Some(first) => batch.push(first),
        None => return false,
    }
    let full = async {
        while batch.len() < BATCH {
            let room = BATCH - batch.len();
            if settled.recv_many(batch, room).await == 0 {
                break;
            }
        }
    };
    let _ = tokio::time::timeout(LINGER, full).await;
    true
}
