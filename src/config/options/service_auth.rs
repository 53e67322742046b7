//! The section that `[scrubber] swift_service_auth` may name: the options of keystoneauth's password login, as they
//! stand in `[keystone_authtoken]`.

use super::OptionSpec as O;

pub(super) const OPTIONS: &[O] = &[
    O::text("auth_url", "URL of Keystone."),
    O::text("username", "The user, by name."),
    O::text("user_id", "The user, by id."),
    O::text("password", "The user's password.").secret(),
    O::text("project_name", "The user's project, by name."),
    O::text("project_id", "The user's project, by id."),
    O::text("user_domain_name", "The user's domain, by name."),
    O::text("user_domain_id", "The user's domain, by id."),
    O::text("project_domain_name", "The project's domain, by name."),
    O::text("project_domain_id", "The project's domain, by id."),
    O::text("application_credential_id", "Id of an application credential, instead of a user.").secret(),
    O::text("application_credential_secret", "Secret of the application credential.").secret(),
];
