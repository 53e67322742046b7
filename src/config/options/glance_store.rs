//! `[glance_store]`: which stores there are (glance_store's `backend.py` and `multi_backend.py`).

use super::super::types::Kind;
use super::OptionSpec as O;

pub(super) const OPTIONS: &[O] = &[
    O::text(
        "default_backend",
        "The store for new images, one of enabled_backends. Deleting does not need it, but Glance insists on it.",
    ),
    O::new("stores", Kind::List, "Store types where enabled_backends is not set, separated by commas.").or("file,http"),
    O::choice(
        "default_store",
        &[
            "file",
            "filesystem",
            "http",
            "https",
            "swift",
            "swift+http",
            "swift+https",
            "swift+config",
            "rbd",
            "cinder",
            "vsphere",
            "s3",
        ],
        "The scheme for new images where enabled_backends is not set. Deleting does not need it.",
    )
    .or("file")
    .unused(),
];

pub(super) const EVERY_STORE: &[O] = &[
    O::text("store_description", "What the store is, for people. Accepted, but without effect here.").unused(),
    O::int("weight", "Preference of the store for downloads. Accepted, but without effect here.").or("0").unused(),
];
