//! What is to become of one location: a pure function of its row, the config and the clock.
//!
//! Promises: [`decide`] contacts nobody and changes nothing; it is the same for a dry run, for the plan of a cycle and
//! for the fresh look just before a delete. It fails by keeping: whatever it does not understand stays.

use std::time::Duration;

use chrono::{DateTime, NaiveDateTime, SubsecRound, TimeDelta, Utc};

use crate::catalog::{BrokenRow, Horizon, ImageId, ImageRow, LocationId, LocationRow};
use crate::location::{self, Keyring, Location, LocationError};
use crate::store::{Answer, Outcome, Stores, Target};

/// How far a deletion time may lie ahead of our clock before it is called skew. Clocks that are synchronised differ
/// by less, and MySQL rounds half a second up.
const SKEW_TOLERANCE: TimeDelta = TimeDelta::seconds(60);

/// Why a location is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Reason {
    /// Its grace period is not over.
    NotDue,
    /// Its deletion time lies in the future: some host's clock is wrong.
    ClockSkew,
    /// The API has not finished deleting it (no deletion time, or the image is not marked deleted).
    NotDeletedYet,
    /// Python's `--restore` made its image active; the pending locations are all that is left of it.
    Restored,
    /// The image's row is gone.
    Orphaned,
    /// Somebody changed the row since it was listed.
    Changed,
    /// Another scrubber, or a restore, has claimed it.
    Claimed,
    /// It failed for longer than `[scrubber] give_up_after`, and is not tried any more until somebody asks for it.
    GivenUp,
    /// A pending image whose location is neither pending nor deleted: recording it would leave data behind.
    Unfinished,
    /// This cycle has reached `max_images_per_cycle` or `max_bytes_per_cycle`.
    Limit,
    /// Its store is not to be worked on for now (`pause`).
    Paused,
    /// The scrubber was asked to stop before it came to this one.
    Interrupted,
    /// No store was asked, or it did not delete.
    Outcome(Outcome),
}

impl Reason {
    /// The word for people and machines.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NotDue => "not_due",
            Self::ClockSkew => "clock_skew",
            Self::NotDeletedYet => "not_deleted_yet",
            Self::Restored => "restored",
            Self::Orphaned => "orphaned",
            Self::Changed => "changed",
            Self::Claimed => "claimed",
            Self::GivenUp => "given_up",
            Self::Unfinished => "unfinished",
            Self::Limit => "limit",
            Self::Paused => "paused",
            Self::Interrupted => "interrupted",
            Self::Outcome(outcome) => outcome.as_str(),
        }
    }

    /// The reason of a word. `None` of one that only a later version knows.
    pub(super) fn of_word(word: &str) -> Option<Self> {
        Self::all().find(|reason| reason.as_str() == word)
    }

    /// Every reason: those that no store was asked for, then the outcomes that keep a location.
    pub fn all() -> impl Iterator<Item = Self> {
        let first = std::iter::successors(Some(Self::NotDue), |reason| reason.next());
        let outcomes = Outcome::ALL.into_iter().filter(|outcome| !outcome.finishes());
        first.chain(outcomes.map(Self::Outcome))
    }

    /// A match, so that a new reason cannot be forgotten.
    const fn next(self) -> Option<Self> {
        match self {
            Self::NotDue => Some(Self::ClockSkew),
            Self::ClockSkew => Some(Self::NotDeletedYet),
            Self::NotDeletedYet => Some(Self::Restored),
            Self::Restored => Some(Self::Orphaned),
            Self::Orphaned => Some(Self::Changed),
            Self::Changed => Some(Self::Claimed),
            Self::Claimed => Some(Self::GivenUp),
            Self::GivenUp => Some(Self::Unfinished),
            Self::Unfinished => Some(Self::Limit),
            Self::Limit => Some(Self::Paused),
            Self::Paused => Some(Self::Interrupted),
            Self::Interrupted | Self::Outcome(_) => None,
        }
    }

    /// Whether a location was only not come to in this cycle, and nothing is to be said of it.
    pub const fn is_postponed(self) -> bool {
        matches!(self, Self::NotDue | Self::Claimed | Self::Limit | Self::Paused | Self::Interrupted)
    }

    /// Whether an operator has something to look at.
    pub const fn is_failure(self) -> bool {
        match self {
            Self::Orphaned | Self::GivenUp | Self::Unfinished => true,
            Self::Outcome(outcome) => outcome.is_failure(),
            _ => false,
        }
    }
}

/// A location that stays, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Keep {
    /// The word.
    pub reason: Reason,
    /// One line for a person; never a credential.
    pub detail: Option<String>,
}

impl Keep {
    /// Keeps for a reason that explains itself.
    pub const fn plain(reason: Reason) -> Self {
        Self { reason, detail: None }
    }

    fn because(reason: Reason, detail: impl Into<String>) -> Self {
        Self { reason, detail: Some(detail.into()) }
    }
}

impl From<Answer> for Keep {
    fn from(answer: Answer) -> Self {
        Self { reason: Reason::Outcome(answer.outcome), detail: answer.detail }
    }
}

impl From<LocationError> for Keep {
    fn from(error: LocationError) -> Self {
        let outcome = match error {
            LocationError::Undecryptable { .. } => Outcome::Undecryptable,
            LocationError::Malformed { .. } => Outcome::Malformed,
            LocationError::UnknownScheme { .. } => Outcome::NoStore,
        };
        Self::because(Reason::Outcome(outcome), error.to_string())
    }
}

/// Where a location leads.
#[derive(Debug)]
pub struct Resolved {
    /// Index into [`Stores::all`].
    pub store: usize,
    /// The URI, decrypted.
    pub location: Location,
    /// What it means to its store.
    pub target: Target,
}

/// A verdict on one location.
#[derive(Debug)]
pub enum Decision {
    /// It is due, and its store knows what to delete.
    Delete(Resolved),
    /// It stays. The store's index, where the row got that far.
    Keep(Keep, Option<usize>),
}

/// Everything that a decision depends on besides the row.
pub struct Policy<'a> {
    /// What is due at the cycle's beginning. Not moved on during a cycle: what was planned is what is done.
    pub horizon: Horizon,
    /// Keys for encrypted locations.
    pub keys: &'a Keyring,
    /// The configured stores.
    pub stores: &'a Stores,
}

/// The horizon of a cycle that begins `now`: due is what was deleted `grace` ago or longer.
pub fn horizon(now: DateTime<Utc>, grace: Duration) -> Horizon {
    // A grace period beyond chrono's range (some 262 000 years) makes nothing due.
    let grace = TimeDelta::from_std(grace).unwrap_or(TimeDelta::MAX);
    let due = now.checked_sub_signed(grace).unwrap_or(DateTime::<Utc>::MIN_UTC);
    Horizon { due: due.max(EARLIEST).trunc_subsecs(0), skew: now + SKEW_TOLERANCE }
}

/// Year one: older than any row, and a date that every database can compare with.
const EARLIEST: DateTime<Utc> = match DateTime::from_timestamp(-62_135_596_800, 0) {
    Some(earliest) => earliest,
    None => DateTime::<Utc>::MIN_UTC,
};

/// Decides on a row as the catalog brought it.
pub fn decide(row: &Result<LocationRow, BrokenRow>, policy: &Policy<'_>) -> Decision {
    let row = match row {
        Ok(row) => row,
        Err(broken) => {
            return Decision::Keep(Keep::because(Reason::Outcome(Outcome::Malformed), broken.to_string()), None);
        }
    };
    if let Err(keep) = due(row, policy.horizon) {
        return Decision::Keep(keep, None);
    }
    let decided = route(row, policy).map_err(|keep| (keep, None)).and_then(|(location, store)| {
        if policy.stores.is_paused(store) {
            return Err((Keep::plain(Reason::Paused), Some(store)));
        }
        locate(location, store, policy)
    });
    match decided {
        Ok(resolved) => Decision::Delete(resolved),
        Err((keep, store)) => Decision::Keep(keep, store),
    }
}

/// The store of a row whose time has come, if it is paused: whatever is known of earlier failures, that is why it stays.
pub(super) fn paused(row: &Result<LocationRow, BrokenRow>, policy: &Policy<'_>) -> Option<usize> {
    if !policy.stores.is_any_paused() {
        return None;
    }
    let row = row.as_ref().ok().filter(|row| due(row, policy.horizon).is_ok())?;
    route(row, policy).ok().map(|(_, store)| store).filter(|store| policy.stores.is_paused(*store))
}

/// Whether a row is pending and its time has come, whatever else there is to say of it.
pub(super) fn is_due(row: &Result<LocationRow, BrokenRow>, horizon: Horizon) -> bool {
    row.as_ref().is_ok_and(|row| due(row, horizon).is_ok())
}

/// The instant from which a row's grace period counts, where it has one.
pub fn due_from(row: &LocationRow) -> Option<NaiveDateTime> {
    match &row.image {
        Some(image) if is_pending(&image.status) => image.deleted_at,
        _ => row.deleted_at,
    }
}

/// When a row's grace period is over, to the second.
pub(super) fn due_at(row: &Result<LocationRow, BrokenRow>, horizon: Horizon) -> Option<DateTime<Utc>> {
    let from = row.as_ref().ok().and_then(due_from)?.and_utc();
    // What the horizon was made from: it has no fraction of a second either.
    let grace = began(horizon).trunc_subsecs(0) - horizon.due;
    from.checked_add_signed(grace)
}

/// When the cycle began that a horizon belongs to.
pub(super) fn began(horizon: Horizon) -> DateTime<Utc> {
    horizon.skew - SKEW_TOLERANCE
}

/// Whether a row is pending and its time has come.
fn due(row: &LocationRow, horizon: Horizon) -> Result<(), Keep> {
    if !is_pending(&row.status) {
        return Err(changed(&row.status));
    }
    let Some(image) = &row.image else {
        return Err(Keep::because(Reason::Orphaned, format!("image {} has no row in images", row.image_id)));
    };
    if is_restored(image) {
        let detail =
            "its image was made active again by --restore without its locations; this is all that is left of it";
        return Err(Keep::because(Reason::Restored, detail));
    }
    if is_pending(&image.status) && !image.deleted {
        return Err(Keep::because(Reason::NotDeletedYet, "its image is pending_delete but not marked deleted"));
    }
    let Some(from) = due_from(row).map(|at| at.and_utc()) else {
        return Err(Keep::because(Reason::NotDeletedYet, "it has no deletion time"));
    };
    if from > horizon.skew {
        let detail = format!("it was deleted at {}, which is in the future; look at the hosts' clocks", shown(from));
        return Err(Keep::because(Reason::ClockSkew, detail));
    }
    // Glance's scrubber floors the deletion time to the second.
    if from.trunc_subsecs(0) > horizon.due {
        return Err(Keep::plain(Reason::NotDue));
    }
    Ok(())
}

/// Why a location stays that is not pending any more.
pub(super) fn changed(status: &str) -> Keep {
    Keep::because(Reason::Changed, format!("its status is {status} now"))
}

/// Decrypts, parses and routes, also to a store that is paused. The store's index comes along where the row got that far.
///
/// # Errors
/// Why the location leads nowhere.
pub fn resolve(row: &LocationRow, policy: &Policy<'_>) -> Result<Resolved, (Keep, Option<usize>)> {
    let (location, store) = route(row, policy).map_err(|keep| (keep, None))?;
    locate(location, store, policy)
}

/// The URI and its store.
fn route(row: &LocationRow, policy: &Policy<'_>) -> Result<(Location, usize), Keep> {
    let location = location::open(row.value.expose(), &row.image_id.0, policy.keys)?;
    let store = policy.stores.route(&location, row.meta_data.as_deref())?;
    Ok((location, store))
}

fn locate(location: Location, store: usize, policy: &Policy<'_>) -> Result<Resolved, (Keep, Option<usize>)> {
    let target = policy.stores.all()[store].locate(&location).map_err(|answer| (answer.into(), Some(store)))?;
    Ok(Resolved { store, location, target })
}

/// What Python's `--restore` leaves: an image that is not deleted but has a deletion time.
fn is_restored(image: &ImageRow) -> bool {
    !is_pending(&image.status) && !image.deleted && image.deleted_at.is_some()
}

fn is_pending(status: &str) -> bool {
    status == "pending_delete"
}

pub(super) fn shown(at: DateTime<Utc>) -> String {
    at.format("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// The ids of a row, broken or not.
pub fn ids(row: &Result<LocationRow, BrokenRow>) -> (LocationId, Option<&ImageId>) {
    match row {
        Ok(row) => (row.id, Some(row.image.as_ref().map_or(&row.image_id, |image| &image.id))),
        Err(broken) => (broken.location, broken.image_id.as_ref()),
    }
}

/// Whether a row's image is pending, so that a kept location keeps it so.
pub fn image_is_pending(row: &Result<LocationRow, BrokenRow>) -> bool {
    row.as_ref().is_ok_and(|row| row.image.as_ref().is_some_and(|image| is_pending(&image.status)))
}

/// The bytes that a row stands for, where Glance knows.
pub fn bytes(row: &Result<LocationRow, BrokenRow>) -> u64 {
    row.as_ref().ok().and_then(|row| row.image.as_ref()?.size).unwrap_or_default()
}

#[cfg(test)]
#[path = "plan_tests.rs"]
mod tests;
