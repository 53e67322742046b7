//! Stores of type `vmware` (glance_store's `_drivers/vmware_datastore.py`).

use super::super::types::Kind;
use super::{OptionSpec as O, alias};

pub(super) const VMWARE: &[O] = &[
    O::text("vmware_server_host", "Name or address of the vCenter or ESXi server; a port may follow."),
    O::text("vmware_server_username", "The user on that server."),
    O::text("vmware_server_password", "The password of that user.").secret(),
    O::int("vmware_api_retry_count", "Requests are repeated within store_deadline.").from(1).or("10").unused(),
    O::int("vmware_task_poll_interval", "The longest pause between two looks at a task, in seconds.").from(1).or("5"),
    O::text("vmware_store_image_dir", "The directory of the images on each datastore; nothing else is deleted.")
        .or("/openstack_glance"),
    O::flag("vmware_insecure", "false", "Do not check the server's certificate.").was(&[alias("vmware_api_insecure")]),
    O::text("vmware_ca_file", "A file with the certificate authorities to trust; it wins over vmware_insecure."),
    O::new(
        "vmware_datastores",
        Kind::Multi,
        "A datastore as DATACENTER_PATH:DATASTORE or with :WEIGHT; may be given several times.",
    ),
];
