//! Stores of type `file` and `http` (glance_store's `_drivers/filesystem.py` and `http.py`).

use super::super::types::Kind;
use super::OptionSpec as O;

const WRITING: &str = "Only used when images are written. Accepted, but without effect here.";
const POOL: &str = "Threads of Glance's own time limit. Accepted, but without effect here.";

pub(super) const FILE: &[O] = &[
    O::text(
        "filesystem_store_datadir",
        "The directory of the images. Set it to nothing where filesystem_store_datadirs is used.",
    )
    .or("/var/lib/glance/images"),
    O::new(
        "filesystem_store_datadirs",
        Kind::Multi,
        "Several directories as PATH or PATH:PRIORITY; may be given several times. Priorities do not matter for \
         deleting.",
    ),
    O::text(
        "filesystem_store_metadata_file",
        "A JSON file with the id and the mount point of the directories, as in Glance.",
    ),
    O::int(
        "filesystem_store_timeout",
        "Seconds after which deleting a file is given up, instead of [scrubber] store_deadline. 0 means that \
         store_deadline holds.",
    )
    .within(0, super::default::SECONDS_MAX)
    .or("0"),
    O::int("filesystem_store_file_perm", WRITING).or("0").unused(),
    O::int("filesystem_store_chunk_size", WRITING).from(1).or("65536").unused(),
    O::flag("filesystem_thin_provisioning", "false", WRITING).unused(),
    O::int("filesystem_store_thread_pool_size", POOL).from(1).or("10").unused(),
    O::int("filesystem_store_threadpool_threshold", POOL).within(0, 100).or("75").unused(),
];

const READING: &str = "Only used when images are read over HTTP. Accepted, but without effect here.";

pub(super) const HTTP: &[O] = &[
    O::text("https_ca_certificates_file", READING).unused(),
    O::flag("https_insecure", "true", READING).unused(),
    O::new("http_proxy_information", Kind::Dict, READING).or("").unused(),
];
