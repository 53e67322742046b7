//! `[scrubber]`: what this program adds to Glance's options.

use super::super::types::Kind;
use super::OptionSpec as O;
use super::default::SECONDS_MAX;

pub(super) const OPTIONS: &[O] = &[
    O::int(
        "max_images_per_cycle",
        "At most so many images in one cycle, the oldest first; the others wait for the next one. Not set means no \
         limit.",
    )
    .from(1),
    O::int(
        "max_bytes_per_cycle",
        "At most so many bytes in one cycle, by the sizes in Glance's database. Not set means no limit.",
    )
    .from(1),
    O::int(
        "max_percent_of_images",
        "Refuse a cycle that would delete more than this percentage of all images that are not deleted or due: a guard against a \
         wrong database or a mass deletion by mistake. Not set means no limit.",
    )
    .within(0, 100),
    O::int(
        "min_age",
        "Never delete what has been pending for fewer seconds than this, whatever scrub_time says. A floor that a \
         mistyped scrub_time cannot undercut.",
    )
    .within(0, SECONDS_MAX)
    .or("0"),
    O::text(
        "file_marker",
        "Name of a file that must stand in each data directory of file stores. Where it is missing, the directory \
         counts as not mounted and nothing in it is deleted or taken for deleted.",
    ),
    O::int("store_deadline", "Seconds after which a call to a store is given up; the location stays pending.")
        .within(1, SECONDS_MAX)
        .or("60"),
    O::int("database_deadline", "Seconds after which a statement to the database is given up.")
        .within(1, SECONDS_MAX)
        .or("60"),
    O::int(
        "database_patience",
        "Seconds that a cycle waits for a database that went away under it. Then the cycle ends; what it deleted and \
         could not record, the next one finds absent.",
    )
    .within(0, SECONDS_MAX)
    .or("60"),
    O::new(
        "old_encryption_keys",
        Kind::Multi,
        "Former values of metadata_encryption_key, tried in this order where that one does not fit. May be given \
         several times; each has 16, 24 or 32 bytes.",
    )
    .secret(),
];
