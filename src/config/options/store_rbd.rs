//! Stores of type `rbd` (glance_store's `_drivers/rbd.py`).

use super::OptionSpec as O;

const WRITING: &str = "Only used when images are written. Accepted, but without effect here.";

pub(super) const RBD: &[O] = &[
    O::text("rbd_store_pool", "The pool of images whose location does not name one.").or("images"),
    O::text("rbd_store_user", "The Ceph user, without the leading client. Not set means librados' default."),
    O::text("rbd_store_ceph_conf", "Ceph's config file. Empty means that librados looks in its usual places.").or(""),
    // Without glance_store's default of -1: not set is something else here.
    O::int(
        "rados_connect_timeout",
        "Seconds to wait for the cluster; -1 leaves Ceph's own values alone, 0 waits for ever. Not set means half of \
         [scrubber] store_deadline where Ceph's config has no limits.",
    ),
    O::int("rbd_store_chunk_size", WRITING).from(1).or("8").unused(),
    O::flag("rbd_thin_provisioning", "false", WRITING).unused(),
];
