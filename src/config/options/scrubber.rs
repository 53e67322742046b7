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
    O::choice(
        "rbd_in_use",
        &["trash", "wait"],
        "What becomes of an RBD image that clones or snapshots of others still hold: trash moves it to the pool's trash, \
         as Glance does; wait leaves it as it is until they have gone. Clones of format 1 keep it as it is in any case.",
    )
    .or("trash"),
    O::flag(
        "reclaim_trash",
        "false",
        "Once a cycle, free the RBD images in the trash that Glance's database knows as deleted and that nothing holds \
         any more.",
    ),
    O::int(
        "rbd_workers",
        "RBD images in hand at once, for each store. Most of them wait for the monitors, which remove snapshots once a \
         second, any number at a time.",
    )
    .within(1, 256)
    .or("128"),
    O::int("rbd_removals", "RBD images being removed at once, for each cluster: this is the OSDs' work.")
        .within(1, 256)
        .or("16"),
    O::int(
        "rbd_concurrent_management_ops",
        "Objects of one RBD image removed at once. Not set means what Ceph's configuration says.",
    )
    .within(1, 1024),
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
