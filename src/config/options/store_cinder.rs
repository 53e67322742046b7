//! Stores of type `cinder` (glance_store's `_drivers/cinder/store.py`).

use super::{OptionSpec as O, alias};

const WRITING: &str = "Only used when volumes are attached or created. Accepted, but without effect here.";

pub(super) const CINDER: &[O] = &[
    O::text("cinder_store_auth_address", "URL of Keystone. The scrubber needs credentials of its own for Cinder."),
    O::text("cinder_store_user_name", "The user that owns the volumes."),
    O::text("cinder_store_password", "The password of that user.").secret(),
    O::text("cinder_store_project_name", "The project that the volumes are in."),
    O::text("cinder_store_user_domain_name", "The domain of the user.").or("Default"),
    O::text("cinder_store_project_domain_name", "The domain of the project.").or("Default"),
    O::text("cinder_store_application_credential_id", "Id of an application credential, instead of a user."),
    O::text("cinder_store_application_credential_secret", "Secret of the application credential.").secret(),
    O::text("cinder_os_region_name", "The region of Cinder in Keystone's catalog.").was(&[alias("os_region_name")]),
    O::text(
        "cinder_catalog_info",
        "Type, name and interface of Cinder in the catalog, separated by colons; counts where it is set.",
    )
    .or("volumev3::publicURL"),
    O::text("cinder_endpoint_template", "URL of Cinder, instead of the one in Keystone's catalog."),
    O::text("cinder_ca_certificates_file", "A file with the certificate authorities to trust."),
    O::flag("cinder_api_insecure", "false", "Do not check Cinder's certificate."),
    O::int("cinder_state_transition_timeout", "Seconds to wait until a volume is gone.").from(0).or("300"),
    O::int("cinder_http_retries", "Requests are repeated within store_deadline.").from(0).or("3").unused(),
    O::text("cinder_volume_type", WRITING).unused(),
    O::text("rootwrap_config", WRITING).or("/etc/glance/rootwrap.conf").unused(),
    O::flag("cinder_enforce_multipath", "false", WRITING).unused(),
    O::flag("cinder_use_multipath", "false", WRITING).unused(),
    O::text("cinder_mount_point_base", WRITING).or("/var/lib/glance/mnt").unused(),
    O::flag("cinder_do_extend_attached", "false", WRITING).unused(),
    O::int("cinder_attachment_retry_attempts", WRITING).from(1).or("5").unused(),
];
