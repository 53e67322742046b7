//! Stores of type `swift` and `s3` (glance_store's `_drivers/swift/store.py` and `_drivers/s3.py`).

use super::super::types::Kind;
use super::OptionSpec as O;

const WRITING: &str = "Only used when images are written. Accepted, but without effect here.";
const READING: &str = "Only used when images are read. Accepted, but without effect here.";

pub(super) const SWIFT: &[O] = &[
    O::text("swift_store_auth_address", "URL of Keystone. Used where swift_store_config_file is not set."),
    O::text("swift_store_user", "The user as PROJECT:USER. Used where swift_store_config_file is not set.").secret(),
    O::text("swift_store_key", "The password of swift_store_user.").secret(),
    O::text("swift_store_application_credential_id", "Id of an application credential, instead of a user.").secret(),
    O::text("swift_store_application_credential_secret", "Secret of the application credential.").secret(),
    O::text("swift_store_project_name", "Project of the application credential, by name."),
    O::text("swift_store_project_id", "Project of the application credential, by id."),
    O::choice("swift_store_auth_version", &["1", "2", "3"], "Version of the authentication; 3 is Keystone.").or("3"),
    O::text("swift_store_config_file", "A file with one section for each account, which locations refer to by name."),
    O::text("default_swift_reference", "The account in swift_store_config_file for new images.").or("ref1"),
    O::text("swift_store_container", "The container of the images, or the beginning of its name.").or("glance"),
    O::int("swift_store_multiple_containers_seed", "How many characters of the image id go into the container's name.")
        .within(0, 32)
        .or("0"),
    O::flag("swift_store_multi_tenant", "false", "Whether images lie in the accounts of their owners."),
    O::text("swift_store_region", "The region of the endpoint in Keystone's catalog."),
    O::text("swift_store_endpoint", "URL of the storage, instead of the one in Keystone's catalog."),
    O::choice(
        "swift_store_endpoint_type",
        &["publicURL", "adminURL", "internalURL"],
        "Which endpoint of Keystone's catalog to use.",
    )
    .or("publicURL"),
    O::text("swift_store_service_type", "The service's type in Keystone's catalog.").or("object-store"),
    O::text("swift_store_cacert", "A file with the certificate authorities to trust."),
    O::flag("swift_store_auth_insecure", "false", "Do not check the certificates of Keystone and Swift."),
    O::int("swift_store_large_object_size", WRITING).from(1).or("5120").unused(),
    O::int("swift_store_large_object_chunk_size", WRITING).from(1).or("200").unused(),
    O::flag("swift_store_create_container_on_put", "false", WRITING).unused(),
    O::new("swift_store_admin_tenants", Kind::List, WRITING).or("").unused(),
    O::flag("swift_store_ssl_compression", "true", READING).unused(),
    O::int("swift_store_retry_get_count", READING).from(0).or("0").unused(),
    O::int("swift_store_expire_soon_interval", READING).from(0).or("60").unused(),
    O::flag("swift_store_use_trusts", "true", WRITING).unused(),
    O::flag("swift_buffer_on_upload", "false", WRITING).unused(),
    O::text("swift_upload_buffer_dir", WRITING).unused(),
];

pub(super) const S3: &[O] = &[
    O::text("s3_store_host", "URL of the S3 service, with http:// or https://."),
    O::text("s3_store_region_name", "The region. Empty means that it is taken from the host's name, if at all.").or(""),
    O::text("s3_store_access_key", "The access key.").secret(),
    O::text("s3_store_secret_key", "The secret key.").secret(),
    O::text("s3_store_bucket", "The bucket of the images."),
    O::choice(
        "s3_store_bucket_url_format",
        &["auto", "virtual", "path"],
        "Whether the bucket stands in the host's name (virtual) or in the path.",
    )
    .or("auto"),
    O::text("s3_store_cacert", "A file with the certificate authorities to trust. Empty means the system's.").or(""),
    O::flag("s3_store_create_bucket_on_put", "false", WRITING).unused(),
    O::int("s3_store_large_object_size", WRITING).from(0).or("100").unused(),
    O::int("s3_store_large_object_chunk_size", WRITING).or("10").unused(),
    O::int("s3_store_thread_pools", WRITING).or("10").unused(),
    O::flag("s3_store_enable_data_integrity_protection", "false", WRITING).unused(),
    O::choice("s3_store_request_checksum_calculation", CHECKSUMS, WRITING).or("when_required").unused(),
    O::choice("s3_store_response_checksum_validation", CHECKSUMS, READING).or("when_required").unused(),
];

const CHECKSUMS: &[&str] = &["when_required", "when_supported"];
