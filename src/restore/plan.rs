//! What of an image comes back: a pure function of its rows.
//!
//! Promises: contacts nobody; what was removed from the image before it was deleted stays removed, and what cannot be told
//! is left as it is. Fails with a [`Refusal`].
//!
//! How the rows of a deletion are known (Glance deletes in this order, in one request of its API; `domain/__init__.py`,
//! `db/__init__.py` and `db/sqlalchemy/api.py` of Glance):
//! 1. each location, one after the other: `pending_delete`, and a time of its own;
//! 2. all properties, one after the other, with times after those;
//! 3. the image, its tags and its members, all with one time, which is the latest.
//!
//! So the latest pending location up to the image's time belongs to the deletion, since an image without a living location
//! does not become `pending_delete`; and so do those that were deleted shortly before it. Between the first and the second
//! step the API may wait for Barbican, so that the image's own time says little about the locations'.
//!
//! Limit: in the second step Glance also deletes anew, with a new time, every property that had been removed from the image
//! before. Nothing in the row tells it from the others, and it comes back with them.

use chrono::{NaiveDateTime, TimeDelta, Timelike};

use super::refusal::Refusal;
use crate::catalog::{Child, ImageId, ImageRow, ImageRows, LocationId, LocationRow, Restoration};

/// The longest that the API waits between the deletion of one location and that of the next: a statement, with its
/// repetitions after a deadlock. By MySQL's clock, which has whole seconds, it may look like one more.
const BETWEEN_LOCATIONS: TimeDelta = TimeDelta::seconds(3);

/// The longest that one request to the API takes from the last location to the image. Longer than any proxy waits.
const REQUEST: TimeDelta = TimeDelta::minutes(10);

/// Properties by which Glance knows that an import is under way, and where: with them back, it would take the image for
/// one that is still being imported.
const OF_AN_IMPORT: [&str; 3] = ["os_glance_import_task", "os_glance_stage_host", "os_glance_hash_op_host"];

/// `images.id` has so many characters.
const ID_LENGTH: usize = 36;

/// What an image went through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// Deleted under delayed_delete, and not scrubbed yet.
    Deleted,
    /// After that, made active by Python's `--restore`, without its locations and the rest.
    HalfRestored,
}

/// What comes back.
#[derive(Debug)]
pub struct RestorePlan {
    /// The image as it is.
    pub image: ImageRow,
    /// What it gets for a status.
    pub status: &'static str,
    /// Locations that were deleted with it.
    pub locations: Vec<LocationRow>,
    /// Pending locations that were removed from it individually. They stay so, and are scrubbed in their time.
    pub staying: Vec<LocationRow>,
    /// Properties that were deleted with it.
    pub properties: Vec<Child>,
    /// Tags that were deleted with it.
    pub tags: Vec<Child>,
    /// Members that were deleted with it.
    pub members: Vec<Child>,
    /// The API has destroyed the key of its data, by a property of the image that asked for it.
    pub key_is_destroyed: bool,
}

impl RestorePlan {
    /// Every location that nobody else may touch while the image comes back: those that stay pending may point to the
    /// same data as the others.
    pub fn pending(&self) -> impl Iterator<Item = LocationId> {
        self.locations.iter().chain(&self.staying).map(|row| row.id)
    }

    /// The rows to change, without claims.
    pub fn restoration(&self) -> Restoration {
        let ids = |rows: &[Child]| rows.iter().map(|row| row.id).collect();
        Restoration {
            image: self.image.clone(),
            status: self.status,
            locations: self.locations.iter().map(|row| row.id).collect(),
            properties: ids(&self.properties),
            tags: ids(&self.tags),
            members: ids(&self.members),
            settlement: None,
        }
    }
}

/// Whether any image can have this id. Asked before the database is: PostgreSQL takes no NUL in a text, and MariaDB
/// compares nothing beyond Unicode's first plane with Glance's columns, which have no room for it.
///
/// # Errors
/// Says that there is no such image.
pub fn possible(id: &str) -> Result<(), Refusal> {
    if id.chars().count() > ID_LENGTH {
        return Err(Refusal::LongId(id.to_owned()));
    }
    if id.is_empty() || id.chars().any(|letter| letter.is_control() || u32::from(letter) > 0xffff) {
        return Err(Refusal::NoImage { id: id.to_owned(), spelled: None });
    }
    Ok(())
}

/// Decides what comes back of the image `id`.
///
/// # Errors
/// Why nothing does.
pub fn plan(id: &str, rows: Option<ImageRows>, fate: Fate) -> Result<RestorePlan, Refusal> {
    let no_image = |spelled| Refusal::NoImage { id: id.to_owned(), spelled };
    let rows = rows.ok_or_else(|| no_image(None))?;
    if rows.image.id.0 != id {
        return Err(no_image(Some(rows.image.id)));
    }
    let status = status_after(&rows.image, fate)?;
    let deleted_at = rows.image.deleted_at.ok_or_else(|| Refusal::NoTime(rows.image.id.clone()))?;
    let locations = rows.locations.into_iter().collect::<Result<Vec<_>, _>>()?;
    whole(&rows.image.id, &locations, deleted_at)?;
    let latest = latest_of_the_deletion(&locations, deleted_at);
    let (latest, earliest) = latest.ok_or_else(|| Refusal::NoLocation(rows.image.id.clone()))?;
    let pending = locations.into_iter().filter(is_pending);
    let (locations, staying) =
        pending.partition(|row| row.deleted_at.is_some_and(|at| at >= earliest && at <= deleted_at));
    let keys_with_it = destroys_its_key(&rows.properties);
    Ok(RestorePlan {
        status,
        locations,
        staying,
        properties: rows
            .properties
            .into_iter()
            .filter(|row| row.deleted && !OF_AN_IMPORT.contains(&row.name.as_str()))
            .filter(|row| row.deleted_at.is_some_and(|at| at >= latest && at <= deleted_at))
            .collect(),
        tags: deleted_with(rows.tags, deleted_at),
        members: deleted_with(rows.members, deleted_at),
        key_is_destroyed: keys_with_it,
        image: rows.image,
    })
}

/// The status that the image gets; or why it gets none.
fn status_after(image: &ImageRow, fate: Fate) -> Result<&'static str, Refusal> {
    let refused = |hint| Err(Refusal::Status { status: image.status.clone(), hint });
    match (fate, image.status.as_str(), image.deleted) {
        (Fate::Deleted, "pending_delete", true) | (Fate::HalfRestored, "active", false) => Ok("active"),
        (Fate::HalfRestored, "deactivated", false) => Ok("deactivated"),
        (_, "pending_delete", false) => Err(Refusal::NotDeletedYet(image.id.clone())),
        (Fate::Deleted, _, false) if image.deleted_at.is_some() => refused(
            "; another program restored its row alone: --repair-restored brings back the rest, if its data is still there",
        ),
        (_, "deleted", _) => refused("; its data is gone"),
        _ => refused(""),
    }
}

/// Refuses an image of which something was scrubbed.
fn whole(image: &ImageId, locations: &[LocationRow], deleted_at: NaiveDateTime) -> Result<(), Refusal> {
    let ids = |wanted: &dyn Fn(&&LocationRow) -> bool| locations.iter().filter(wanted).map(|row| row.id).collect();
    let gone: Vec<_> = ids(&|row| row.status == "deleted" && is_scrubbed(row, deleted_at));
    if gone.is_empty() {
        return Ok(());
    }
    Err(Refusal::HalfScrubbed { image: image.clone(), gone, left: ids(&|row| is_pending(row)) })
}

/// Whether a `deleted` location was scrubbed after its image was deleted. A scrubber sets the time anew, so that the time
/// before is lost: one that had been removed individually and was scrubbed late counts as well.
///
/// Not scrubbed is what was gone before, and what the deletion of the image itself marked, with the image's own time:
/// places of an import that never held data. Where times have whole seconds only, the same time proves nothing.
fn is_scrubbed(row: &LocationRow, deleted_at: NaiveDateTime) -> bool {
    let Some(at) = row.deleted_at else { return true };
    let has_fraction = deleted_at.nanosecond() != 0;
    let never_held_data = row.meta_data.as_deref().is_some_and(|text| text.contains("os_glance_parallel_import"));
    let marked_with_it = at == deleted_at && (has_fraction || never_held_data);
    at >= deleted_at && !marked_with_it
}

/// The times of the last and of the first location that the deletion took.
fn latest_of_the_deletion(
    locations: &[LocationRow],
    deleted_at: NaiveDateTime,
) -> Option<(NaiveDateTime, NaiveDateTime)> {
    let pending = locations.iter().filter(|row| is_pending(row)).filter_map(|row| row.deleted_at);
    let mut times: Vec<_> = pending.filter(|at| *at <= deleted_at && deleted_at - *at <= REQUEST).collect();
    times.sort_unstable_by(|a, b| b.cmp(a));
    let latest = *times.first()?;
    let next = |earliest: NaiveDateTime, at: &NaiveDateTime| (earliest - *at <= BETWEEN_LOCATIONS).then_some(*at);
    let chain = times.iter().scan(latest, |earliest, at| {
        *earliest = next(*earliest, at)?;
        Some(*earliest)
    });
    Some((latest, chain.last().unwrap_or(latest)))
}

/// What was deleted with the image, by the very same time. What has been added anew since, to an image that was restored
/// in part, stays alone: twice the same tag or member is nothing that Glance can live with.
fn deleted_with(rows: Vec<Child>, deleted_at: NaiveDateTime) -> Vec<Child> {
    let living: Vec<String> = rows.iter().filter(|row| !row.deleted).map(|row| row.name.clone()).collect();
    rows.into_iter()
        .filter(|row| row.deleted && row.deleted_at == Some(deleted_at) && !living.contains(&row.name))
        .collect()
}

fn is_pending(row: &LocationRow) -> bool {
    row.status == "pending_delete"
}

/// By Cinder's properties the API destroys the key in Barbican when the image is deleted, before it can be scrubbed.
fn destroys_its_key(properties: &[Child]) -> bool {
    let value = |name: &str| properties.iter().find(|row| row.name == name).and_then(|row| row.value.as_deref());
    value("cinder_encryption_key_id").is_some()
        && value("cinder_encryption_key_deletion_policy") == Some("on_image_deletion")
}

#[cfg(test)]
#[path = "plan_tests.rs"]
mod tests;
