//! How fast stores are worked on: in `[scrubber]` for each of them, and in a store's own section for it alone.

use super::super::types::Kind;
use super::OptionSpec as O;

pub(super) const OPTIONS: &[O] = &[
    O::new(
        "max_deletes_per_second",
        Kind::Decimal { max: 1_000_000 },
        "At most so many locations deleted in a second, evenly spread, from each store and by each scrubber: 20, or 0.5 \
         for one in two seconds. Not set means as fast as the store goes.",
    ),
    O::int(
        "workers",
        "Calls to each store at once. Not set means what suits its type: for rbd that is rbd_workers, which also goes \
         before this where both stand in [scrubber].",
    )
    .within(1, 1024),
    O::flag(
        "pause",
        "false",
        "Delete nothing for now, and speak to no store for it: what is due is kept as paused. Restoring still works.",
    ),
];
