//! Why an image is not brought back. Nothing was changed then.

use chrono::{DateTime, Utc};

use crate::catalog::{BrokenRow, ImageId, LocationId};
use crate::claim::Claim;
use crate::config::StoreId;
use crate::observe::text::harmless;
use crate::scrub::Reason;

/// Ids in a message; the rest is counted.
const NAMED: usize = 5;

/// Why a restore was refused, with what to do about it. The first words are those of Glance's own scrubber where it
/// refuses the same.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Refusal {
    /// There is no such image.
    #[error("No image found with ID {}{}", harmless(.id), spelled_hint(.spelled.as_ref()))]
    NoImage {
        /// What was asked for.
        id: String,
        /// An id that the database takes for the same.
        spelled: Option<ImageId>,
    },
    /// No image can have such an id.
    #[error("Image with the given id {} was not found: an id has 36 characters at most", harmless(.0))]
    LongId(String),
    /// Its status is another one.
    #[error("cannot restore the image from {} to active (wanted from_state=pending_delete){hint}", harmless(.status))]
    Status {
        /// What it is.
        status: String,
        /// What is known besides, beginning with a separator.
        hint: &'static str,
    },
    /// `pending_delete`, but not deleted.
    #[error(
        "image {0} is pending_delete but not marked deleted: Glance's API is about to delete it, or was stopped in the \
         middle of it; try again in some minutes. If it stays so, set deleted and deleted_at (to the present) in its row \
         of images, and try again"
    )]
    NotDeletedYet(ImageId),
    /// Nothing says when it was deleted.
    #[error(
        "image {0} has no deletion time, so that what was deleted with it cannot be told from what was removed before"
    )]
    NoTime(ImageId),
    /// A row that decides cannot be read.
    #[error("{0}; correct the row, and try again")]
    Broken(#[from] BrokenRow),
    /// Some of its data has gone.
    #[error(
        "image {image} is scrubbed in part: the data of {} has gone{}",
        counted(.gone), if .left.is_empty() { String::new() } else { format!(", that of {} is pending", counted(.left)) }
    )]
    HalfScrubbed {
        /// The image.
        image: ImageId,
        /// Its locations that were deleted with it and are scrubbed.
        gone: Vec<LocationId>,
        /// Those whose data still waits.
        left: Vec<LocationId>,
    },
    /// Nothing that could come back.
    #[error(
        "image {0} has no location that was deleted with it, so that it would be active without data; look at its rows in \
         image_locations"
    )]
    NoLocation(ImageId),
    /// Somebody works on a location.
    #[error(
        "location {location} is being worked on by {}, until {} at the latest; try again after that",
        harmless(&.claim.owner.shown()), time(*.free)
    )]
    Claimed {
        /// The location.
        location: LocationId,
        /// Whose it is.
        claim: Claim,
        /// When a restore may have it, by the database's clock.
        free: DateTime<Utc>,
    },
    /// A scrubber's call to the store was not answered, and may take effect yet.
    #[error(
        "a scrubber's call to delete the data of location {location} was not answered, and may still take effect; try \
         again after {}",
        time(*.until)
    )]
    Rests {
        /// The location.
        location: LocationId,
        /// Until then, by the database's clock.
        until: DateTime<Utc>,
    },
    /// The data is not there any more.
    #[error("the data of location {location}{} is gone{}", in_store(.store.as_ref()), in_words(.detail.as_deref()))]
    Gone {
        /// The location.
        location: LocationId,
        /// Its store.
        store: Option<StoreId>,
        /// The store's words.
        detail: Option<String>,
    },
    /// The store is deleting it.
    #[error("the data of location {location}{} is being deleted{}", in_store(.store.as_ref()), in_words(.detail.as_deref()))]
    Going {
        /// The location.
        location: LocationId,
        /// Its store.
        store: Option<StoreId>,
        /// The store's words.
        detail: Option<String>,
    },
    /// A delete had begun with the data.
    #[error("the data of location {location}{} is not whole: {missing}; a delete had begun", in_store(.store.as_ref()))]
    Damaged {
        /// The location.
        location: LocationId,
        /// Its store.
        store: Option<StoreId>,
        /// What it lacks.
        missing: String,
    },
    /// The data is there, but not as much as the image has.
    #[error(
        "the data of location {location}{} has {found} bytes, and the image {expected}; look at the store",
        in_store(.store.as_ref())
    )]
    OtherSize {
        /// The location.
        location: LocationId,
        /// Its store.
        store: Option<StoreId>,
        /// Bytes in the store.
        found: u64,
        /// `images.size`.
        expected: u64,
    },
    /// Whether the data is there is not known.
    #[error(
        "whether the data of location {location}{} is there cannot be told ({}{}); put that right, and try again",
        in_store(.store.as_ref()), .reason.as_str(), in_words(.detail.as_deref())
    )]
    Untold {
        /// The location.
        location: LocationId,
        /// Its store, where it is known.
        store: Option<StoreId>,
        /// The word of the reason.
        reason: Reason,
        /// The words of the store, or why none was asked.
        detail: Option<String>,
    },
    /// Somebody was faster.
    #[error("{what} changed in the meantime; look at the image, and try again")]
    Changed {
        /// What of the image.
        what: &'static str,
    },
    /// The claims ran out before everything was seen.
    #[error("looking at the data took longer than the claim on it lasts; try again, or raise [scrubber] claim_lease")]
    TooSlow,
}

fn spelled_hint(spelled: Option<&ImageId>) -> String {
    spelled.map_or_else(String::new, |id| format!("; there is {}: give it as it is spelled", harmless(&id.0)))
}

fn in_store(store: Option<&StoreId>) -> String {
    store.map_or_else(String::new, |store| format!(" in store {store}"))
}

fn in_words(detail: Option<&str>) -> String {
    detail.map_or_else(String::new, |detail| format!(": {detail}"))
}

fn time(at: DateTime<Utc>) -> String {
    at.format("%Y-%m-%dT%H:%M:%SZ").to_string()
}

fn counted(ids: &[LocationId]) -> String {
    let named: Vec<_> = ids.iter().take(NAMED).map(ToString::to_string).collect();
    let more = ids.len().saturating_sub(NAMED);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    let noun = if ids.len() == 1 { "location" } else { "locations" };
    format!("{noun} {}{more}", named.join(", "))
}
