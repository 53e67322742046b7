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
    O::text(
        "swift_service_auth",
        "Who deletes Swift locations that carry no credentials (swift_store_multi_tenant): an account of the store itself, by \
         its name in swift_store_config_file, or a section of the config that holds a login, as keystone_authtoken does. \
         Needs Swift's reseller_admin_role (ResellerAdmin). Not set means that such locations stay pending.",
    ),
    O::flag(
        "s3_all_versions",
        "true",
        "In an S3 bucket that keeps versions, delete all versions and delete markers of an image. false writes a delete \
         marker, as Glance does: the image can no longer be read, and its data stays and takes space.",
    ),
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
    O::choice(
        "coordination",
        &["none", "database"],
        "How scrubbers share their work. database: each claims what it works on in a table of its own, \
         scrubber_locations, so that several hosts finish a backlog together, failures are remembered across runs, and a \
         restore is safe while scrubbers run anywhere. none: no trace in the database; for one scrubber.",
    )
    .or("none"),
    O::text(
        "state_connection",
        "SQLAlchemy URL of the database for scrubber_locations, where it shall not be Glance's own. All hosts need the \
         same. Only with coordination = database.",
    )
    .secret(),
    O::int(
        "claim_lease",
        "Seconds after which the claims of a scrubber that has died are taken over. They are renewed while it works. Must \
         be longer than the deadline of a call to any store.",
    )
    .within(1, SECONDS_MAX)
    .or("300"),
    O::int(
        "give_up_after",
        "Seconds after which a location that has failed all the time is given up: reported, but not tried any more until \
         --retry-now. Not set means never.",
    )
    .within(1, SECONDS_MAX),
    O::text(
        "lock_file",
        "With coordination = none: a file that scrubbers on this host lock during a cycle, so that --restore does not \
         meet one. Scrubbers and restores of one Glance need the same.",
    )
    .or("/run/lock/glance-scrubber.lock"),
    O::int(
        "start_jitter",
        "The daemon's first cycle begins after a random time of at most so many seconds, so that hosts that start together \
         do not scrub together.",
    )
    .within(0, SECONDS_MAX)
    .or("0"),
    O::text(
        "wakeup_cron",
        "When the daemon's cycles begin, as a cron expression in UTC, instead of every wakeup_time seconds: 0 2 * * * is \
         two o'clock each night. With seconds as an optional first field.",
    ),
    O::int(
        "window",
        "Seconds after an instant of wakeup_cron within which work may be started; what is in hand then is finished. Not \
         set means no end.",
    )
    .within(1, SECONDS_MAX),
    O::int(
        "shutdown_grace",
        "Seconds that the daemon, asked to stop, waits for what it has in hand before it leaves it.",
    )
    .within(0, SECONDS_MAX)
    .or("60"),
    O::text(
        "listen",
        "Where the daemon shows its metrics and its status over HTTP: 127.0.0.1:9929, [::1]:9929, or a socket as \
         unix:/run/glance-scrubber/status.sock. No password is asked for. Not set means nowhere.",
    ),
    O::text(
        "audit_log",
        "A file that gets a line of JSON for each location that is deleted, and for each that stays for a new reason. Not \
         set means none.",
    ),
    O::new(
        "old_encryption_keys",
        Kind::Multi,
        "Former values of metadata_encryption_key, tried in this order where that one does not fit. May be given \
         several times; each has 16, 24 or 32 bytes.",
    )
    .secret(),
];
