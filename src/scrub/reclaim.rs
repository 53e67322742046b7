//! The end of a cycle: freeing what lies in the backends' own trash and is Glance's.
//!
//! Promises: an entry is freed only if its name is the id of an image that Glance's database has as `deleted`, with
//! every location, in a look made just now, and if no location that must keep its data points to it. Whatever is not
//! Glance's, or not certainly, is not touched. A store's trash that cannot be listed or freed holds up nothing else.
//! Fails only by the database.

use std::collections::HashMap;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::guard::{Approval, Reclaimable};
use super::observer::Observer;
use super::patience;
use super::plan::Policy;
use super::pulse::{Pulse, UnderWay};
use super::report::{CycleReport, TrashTally};
use super::shared::{DueData, SharedData};
use super::survey::PAGE;
use crate::catalog::{Catalog, CatalogError, ImageId, LivingRow};
use crate::config::StoreId;
use crate::store::{Outcome, Store, TrashItem};

pub(super) struct Reclaim<'a> {
    pub catalog: &'a dyn Catalog,
    pub policy: &'a Policy<'a>,
    pub approval: &'a Approval,
    pub stop: &'a CancellationToken,
    pub patience: Duration,
    pub observer: &'a dyn Observer,
    pub under_way: UnderWay,
}

impl Reclaim<'_> {
    /// Goes through the trash of every store.
    pub(super) async fn run(&self, report: &mut CycleReport) -> Result<(), CatalogError> {
        let mut is_ready = false;
        for store in self.policy.stores.not_paused() {
            if self.stop.is_cancelled() {
                break;
            }
            if !store.has_trash() {
                continue;
            }
            if !is_ready {
                // The survey of a cycle in which nothing is due asks no store.
                self.policy.stores.prepare_not_paused().await;
                is_ready = true;
            }
            let listed = store.trash().await;
            self.observer.alive();
            match listed {
                Ok(items) if items.is_empty() => {}
                Ok(items) => {
                    let tally = self.empty(store.as_ref(), items).await?;
                    report.trash.insert(store.id().clone(), tally);
                }
                Err(answer) => tracing::warn!(store = store.id().as_str(), "Trash of store {}: {answer}", store.id()),
            }
        }
        Ok(())
    }

    async fn empty(&self, store: &dyn Store, items: Vec<TrashItem>) -> Result<TrashTally, CatalogError> {
        let mut tally = TrashTally { entries: items.len() as u64, ..TrashTally::default() };
        let Some(needed) = self.needed(store.id(), &items).await? else { return Ok(tally) };
        for page in items.chunks(PAGE) {
            if self.stop.is_cancelled() {
                break;
            }
            let released = self.release(page, &needed).await?;
            tally.glances += released.len() as u64;
            for (item, reclaimed) in released.iter().zip(store.reclaim(&released).await) {
                let name = &item.item().name;
                match reclaimed.answer.outcome {
                    Outcome::Deleted => {
                        tally.freed += 1;
                        tally.bytes = tally.bytes.saturating_add(reclaimed.bytes);
                        tracing::info!(image_id = %name, store = %store.id(), "Image {name} freed from the trash");
                    }
                    Outcome::Absent => {}
                    // As it should be: it is tried again in each cycle.
                    Outcome::InUse => {
                        tracing::debug!(image_id = %name, "Image {name} stays in the trash: {}", reclaimed.answer)
                    }
                    _ => {
                        tally.failed += 1;
                        tracing::warn!(image_id = %name, "Image {name} stays in the trash: {}", reclaimed.answer);
                    }
                }
            }
        }
        Ok(tally)
    }

    /// Which of the entries a location that must keep its data points to. `None` where that cannot be told.
    async fn needed(&self, store: &StoreId, items: &[TrashItem]) -> Result<Option<SharedData>, CatalogError> {
        let mut trashed = DueData::default();
        items.iter().for_each(|item| trashed.add_identity(&item.identity));
        let mut living = trashed.seal();
        let see = &mut |row: LivingRow| living.see(&row, self.policy.keys, self.policy.stores);
        self.catalog.living(self.policy.horizon, see).await?;
        if living.unreadable > 0 {
            tracing::warn!(
                "The trash of store {store} is left alone: what {} locations of living images point to is unknown, and \
                 they might need what lies in it",
                living.unreadable
            );
            return Ok(None);
        }
        Ok(Some(living.into_shared()))
    }

    async fn release(&self, page: &[TrashItem], needed: &SharedData) -> Result<Vec<Reclaimable>, CatalogError> {
        let ids: Vec<_> = page.iter().map(|item| ImageId(item.name.clone())).collect();
        let rows = patience::retry(self.patience, "look up what is in the trash", || self.catalog.images(&ids)).await?;
        let images: HashMap<_, _> = rows.iter().map(|(image, lives)| (image.id.0.as_str(), (image, *lives))).collect();
        let release = |item: &TrashItem| {
            let (image, lives) = images.get(item.name.as_str())?;
            // None of the plan's bytes, but a sign of life.
            let pulse = Pulse::of(0, &self.under_way);
            Some(self.approval.release(item.clone(), image, *lives, needed)?.watched(pulse))
        };
        Ok(page.iter().filter_map(release).collect())
    }
}
