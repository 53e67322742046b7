//! `[DEFAULT]`: the options of Glance's own scrubber.

use super::super::types::Kind;
use super::OptionSpec as O;

/// Longest time that an option in seconds may name: about 1900 years, as Python's dates end there and ours go further.
pub(in crate::config) const SECONDS_MAX: i64 = 60_000_000_000;

pub(super) const OPTIONS: &[O] = &[
    O::int(
        "scrub_time",
        "Seconds that an image stays in pending_delete before its data is deleted. 0 deletes at the next wake-up.",
    )
    .within(0, SECONDS_MAX)
    .or("0"),
    O::int(
        "scrub_pool_size",
        "At most so many deletes at once over all stores together. Where it is not set, each store has its own limit.",
    )
    .from(1),
    O::int("wakeup_time", "Seconds from the beginning of one cycle to the beginning of the next, for the daemon.")
        .within(0, SECONDS_MAX)
        .or("300"),
    O::flag("daemon", "false", "Keep running and wake up every wakeup_time seconds, instead of making one pass."),
    O::text(
        "restore",
        "Restore the image with this id instead of scrubbing. Meant for the command line: left in a file, it turns \
         every run into a restore.",
    ),
    O::text(
        "metadata_encryption_key",
        "The key with which Glance encrypts the locations of images: 16, 24 or 32 bytes, the same as in \
         glance-api.conf. Empty or not set means that locations are not encrypted.",
    )
    .secret(),
    O::new(
        "enabled_backends",
        Kind::Dict,
        "The stores as STORE_ID:TYPE pairs separated by commas, the same as in glance-api.conf. Each store has a \
         section of its name. Not set means a single store, described in [glance_store].",
    ),
    O::flag("delayed_delete", "false", "Whether Glance's API leaves deleting to the scrubber. Only the API reads it.")
        .unused(),
    O::text("node_staging_uri", "Where the API stages uploads. Only the API reads it.")
        .or("file:///tmp/staging/")
        .unused(),
];
