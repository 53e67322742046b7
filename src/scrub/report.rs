//! What a cycle did: one value that feeds log, table, JSON and metrics, so that they cannot disagree.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::Serialize;

use super::guard::Refusal;
use super::observer::CycleId;
use super::plan::{self, Keep, Reason};
use super::retry::Standing;
use super::skew::Skew;
use crate::catalog::{BrokenRow, CatalogError, ImageId, LocationId, LocationRow};
use crate::config::StoreId;
use crate::store::Outcome;

/// Kept locations named for each store and reason; more would not help anybody.
const EXAMPLES: usize = 5;

/// The version of the JSON forms. Fields may be added under the same number.
pub const JSON_VERSION: u32 = 1;

/// A count of locations and the bytes that Glance gives their images.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Tally {
    /// Locations.
    pub locations: u64,
    /// Bytes; 0 for an image of unknown size.
    pub bytes: u64,
}

impl Tally {
    pub(super) fn add(&mut self, bytes: u64) {
        self.locations += 1;
        self.bytes = self.bytes.saturating_add(bytes);
    }
}

/// One kept location, to start looking from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Example {
    /// Its image, where the row says.
    pub image: Option<ImageId>,
    /// The location.
    pub location: LocationId,
    /// Whether the image is pending itself; a location may have been removed from a living one.
    #[serde(skip)]
    pub image_is_pending: bool,
}

impl Example {
    /// A row that has gone.
    pub(super) const fn vanished(location: LocationId) -> Self {
        Self { image: None, location, image_is_pending: false }
    }

    pub(super) fn of(row: &Result<LocationRow, BrokenRow>) -> Self {
        let (location, image) = plan::ids(row);
        Self { image: image.cloned(), location, image_is_pending: plan::image_is_pending(row) }
    }
}

/// What stays of one store for one reason.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KeptLine {
    /// How much.
    pub tally: Tally,
    /// Of these, locations that were not tried: their next try is still to come, or their store does not answer.
    pub waiting: u64,
    /// The first reason given in words.
    pub detail: Option<String>,
    /// Some of them.
    pub examples: Vec<Example>,
}

/// What stays, by store and reason. Bounded by the number of stores.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Kept {
    lines: BTreeMap<(Option<StoreId>, Reason), KeptLine>,
    /// Failures that no earlier cycle has told.
    news: u64,
}

impl Kept {
    pub(super) fn add(
        &mut self,
        store: Option<&StoreId>,
        keep: &Keep,
        bytes: u64,
        example: &Example,
        standing: Standing,
    ) {
        self.news += u64::from(standing == Standing::New && keep.reason.is_failure());
        let line = self.lines.entry((store.cloned(), keep.reason)).or_default();
        line.tally.add(bytes);
        line.waiting += u64::from(standing == Standing::Waiting);
        if line.examples.len() < EXAMPLES {
            line.examples.push(example.clone());
        }
        if line.detail.is_none() {
            line.detail.clone_from(&keep.detail);
        }
    }

    /// Locations that were planned but not looked at again: their number is known, their bytes are not.
    pub(super) fn add_unseen(&mut self, store: &StoreId, keep: &Keep, locations: u64) {
        let line = self.lines.entry((Some(store.clone()), keep.reason)).or_default();
        line.tally.locations += locations;
        // The others were interrupted.
        line.waiting += if matches!(keep.reason, Reason::Outcome(_)) { locations } else { 0 };
        if line.detail.is_none() {
            line.detail.clone_from(&keep.detail);
        }
    }

    /// By store and reason; no store where a row did not get as far as having one.
    pub fn lines(&self) -> impl Iterator<Item = (Option<&StoreId>, Reason, &KeptLine)> {
        self.lines.iter().map(|((store, reason), line)| (store.as_ref(), *reason, line))
    }

    /// Locations that stay for a reason that an operator should look at.
    pub fn failures(&self) -> u64 {
        self.lines.iter().filter(|((_, reason), _)| reason.is_failure()).map(|(_, line)| line.tally.locations).sum()
    }

    /// Locations that were not tried in this cycle, because of how earlier tries ended.
    pub fn waiting(&self) -> u64 {
        self.lines.values().map(|line| line.waiting).sum()
    }

    /// Failures that no earlier cycle has told.
    pub(super) fn news(&self) -> u64 {
        self.news
    }
}

/// What was found and freed in one store's trash.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct TrashTally {
    /// Everything that lies in it.
    pub entries: u64,
    /// Of these, images that Glance has as deleted.
    pub glances: u64,
    /// Of these, freed in this cycle. The others are still held by clones, or kept for some time by the operator.
    pub freed: u64,
    /// Bytes of the freed images.
    pub bytes: u64,
    /// Images that could not be freed for a reason that somebody should look at.
    pub failed: u64,
}

/// The result of a cycle.
#[derive(Debug, Clone)]
pub struct CycleReport {
    /// Its name in the log and the audit log.
    pub cycle: CycleId,
    /// When it began.
    pub started_at: DateTime<Utc>,
    /// When it ended.
    pub ended_at: DateTime<Utc>,
    /// What was to be deleted.
    pub planned: Tally,
    /// The images of `planned`.
    pub planned_images: u64,
    /// Finished locations, by store and outcome, recorded in the database.
    pub done: BTreeMap<(StoreId, Outcome), Tally>,
    /// What stays.
    pub kept: Kept,
    /// The backends' own trash, where the config wants it emptied.
    pub trash: BTreeMap<StoreId, TrashTally>,
    /// Images that became `deleted`.
    pub images_finished: u64,
    /// Pending images without a pending location that could not be finished: another location of them lives.
    pub images_unfinished: Vec<ImageId>,
    /// Locations whose data is gone but whose row somebody else had changed before we could record it.
    pub overtaken: u64,
    /// Locations that another scrubber finished since they were planned, or that it deleted too and recorded first.
    pub recorded_elsewhere: u64,
    /// Locations whose data is gone and whose claim was taken over before it could be recorded: whoever has it records it.
    pub lost: u64,
    /// Locations whose data is gone and that could not be recorded; the next cycle finds them `absent`.
    pub unrecorded: u64,
    /// Locations compared by the shared check.
    pub living: u64,
    /// Living locations that it could not read.
    pub living_unreadable: u64,
    /// How the host's clock stood to the database's.
    pub skew: Skew,
    /// A guard refused; nothing was deleted.
    pub refusal: Option<Refusal>,
    /// The database failed; the cycle ended early.
    pub failure: Option<CatalogError>,
    /// It was asked to stop.
    pub interrupted: bool,
}

impl CycleReport {
    pub(super) fn begin(cycle: CycleId, now: DateTime<Utc>) -> Self {
        Self {
            cycle,
            started_at: now,
            ended_at: now,
            planned: Tally::default(),
            planned_images: 0,
            done: BTreeMap::new(),
            kept: Kept::default(),
            trash: BTreeMap::new(),
            images_finished: 0,
            images_unfinished: Vec::new(),
            overtaken: 0,
            recorded_elsewhere: 0,
            lost: 0,
            unrecorded: 0,
            living: 0,
            living_unreadable: 0,
            skew: Skew::default(),
            refusal: None,
            failure: None,
            interrupted: false,
        }
    }

    /// All that was finished.
    pub fn finished(&self) -> Tally {
        self.done.values().fold(Tally::default(), |sum, tally| Tally {
            locations: sum.locations + tally.locations,
            bytes: sum.bytes.saturating_add(tally.bytes),
        })
    }

    /// Whether somebody should look at what a cycle left, although it came to its end.
    pub fn needs_attention(&self) -> bool {
        let in_trash = self.trash.values().any(|tally| tally.failed > 0);
        self.kept.failures() > 0 || in_trash || self.overtaken > 0 || !self.images_unfinished.is_empty()
    }

    /// The stable JSON form, version [`JSON_VERSION`].
    pub fn to_json(&self) -> serde_json::Value {
        serde_json::json!({
            "version": JSON_VERSION,
            "kind": "cycle",
            "cycle": self.cycle.to_string(),
            "started_at": self.started_at.format("%Y-%m-%dT%H:%M:%S%.6fZ").to_string(),
            "ended_at": self.ended_at.format("%Y-%m-%dT%H:%M:%S%.6fZ").to_string(),
            "planned": { "images": self.planned_images, "locations": self.planned.locations, "bytes": self.planned.bytes },
            "images_finished": self.images_finished,
            "images_unfinished": self.images_unfinished,
            "done": self.done.iter().map(|((store, outcome), tally)| serde_json::json!({
                "store": store.as_str(), "outcome": outcome, "locations": tally.locations, "bytes": tally.bytes,
            })).collect::<Vec<_>>(),
            "kept": self.kept.lines().map(|(store, reason, line)| serde_json::json!({
                "store": store.map(StoreId::as_str), "reason": reason.as_str(), "failure": reason.is_failure(),
                "locations": line.tally.locations, "bytes": line.tally.bytes, "waiting": line.waiting,
                "detail": line.detail, "examples": line.examples,
            })).collect::<Vec<_>>(),
            "waiting": self.kept.waiting(),
            "trash": self.trash.iter().map(|(store, tally)| serde_json::json!({
                "store": store.as_str(), "entries": tally.entries, "glances": tally.glances, "freed": tally.freed,
                "bytes": tally.bytes, "failed": tally.failed,
            })).collect::<Vec<_>>(),
            "overtaken": self.overtaken,
            "recorded_elsewhere": self.recorded_elsewhere,
            "lost": self.lost,
            "unrecorded": self.unrecorded,
            "shared_check": { "living": self.living, "unreadable": self.living_unreadable },
            "clock_skew_seconds": self.skew.is_large().then(|| self.skew.ahead().num_seconds()),
            "refusal": self.refusal.as_ref().map(ToString::to_string),
            "failure": self.failure.as_ref().map(ToString::to_string),
            "interrupted": self.interrupted,
        })
    }
}

impl std::fmt::Display for CycleReport {
    /// One line, for the log and for `STATUS=`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Tally { locations, bytes } = self.finished();
        write!(f, "{locations} locations ({bytes} bytes) and {} images finished", self.images_finished)?;
        let separate = |(store, reason, line): (Option<&StoreId>, Reason, &KeptLine)| {
            let store = store.map_or("-", StoreId::as_str);
            format!("{} {} ({store})", line.tally.locations, reason.as_str())
        };
        let kept: Vec<_> = self.kept.lines().map(separate).collect();
        if !kept.is_empty() {
            write!(f, "; kept: {}", kept.join(", "))?;
        }
        if self.kept.waiting() > 0 {
            write!(f, "; {} of these not tried yet again", self.kept.waiting())?;
        }
        for (store, TrashTally { freed, bytes, .. }) in self.trash.iter().filter(|(_, tally)| tally.freed > 0) {
            write!(f, "; {freed} images ({bytes} bytes) freed from the trash of {store}")?;
        }
        if self.interrupted {
            f.write_str("; stopped before the end")?;
        }
        Ok(())
    }
}
