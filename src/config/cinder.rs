//! What deleting from a `cinder` store needs.
//!
//! glance_store's rule for when a store has credentials of its own (`is_user_overriden`, `_drivers/cinder/store.py`): the
//! address of Keystone with user, password and project, or with an application credential. Without them its driver needs
//! the request of a user, which a scrubber does not have.

use std::path::PathBuf;
use std::time::Duration;

use secrecy::SecretString;

use super::reader::Reader;
use super::stores::StoreOptions;

/// Options of a `cinder` store.
#[derive(Debug, Clone)]
pub struct CinderConfig {
    /// `cinder_store_auth_address`: Keystone's URL. It may be none.
    pub auth_url: Option<String>,
    /// Who we are there; `None` where an option is missing.
    pub user: Option<CinderUser>,
    /// `cinder_os_region_name`.
    pub region: Option<String>,
    /// `cinder_catalog_info`, where somebody set it.
    pub catalog: Option<CatalogInfo>,
    /// `cinder_endpoint_template`, with `%(project_id)s` or `%(tenant_id)s` in it.
    pub endpoint_template: Option<String>,
    /// `cinder_ca_certificates_file`.
    pub ca_file: Option<PathBuf>,
    /// `cinder_api_insecure`.
    pub insecure: bool,
    /// `cinder_state_transition_timeout`: how long a volume may be in the state `deleting`.
    pub timeout: Duration,
}

/// Credentials for Keystone.
#[derive(Debug, Clone)]
pub enum CinderUser {
    /// `cinder_store_user_name` and what belongs to it.
    Password {
        /// `cinder_store_user_name`.
        user: String,
        /// `cinder_store_user_domain_name`.
        user_domain: String,
        /// `cinder_store_password`.
        password: SecretString,
        /// `cinder_store_project_name`.
        project: String,
        /// `cinder_store_project_domain_name`.
        project_domain: String,
    },
    /// `cinder_store_application_credential_id` and `…_secret`, which win, as in glance_store.
    Application {
        /// The id.
        id: String,
        /// The secret.
        secret: SecretString,
    },
}

/// `cinder_catalog_info`: `type:name:interface`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CatalogInfo {
    /// `volumev3`; that of an older API, which no Cinder has any more, is replaced by it.
    pub service: String,
    /// `publicURL`.
    pub interface: String,
}

impl CinderConfig {
    /// The project that a user is in, by its name.
    pub fn project(&self) -> Option<&str> {
        match &self.user {
            Some(CinderUser::Password { project, .. }) => Some(project),
            _ => None,
        }
    }

    /// Whether both lead to the same volumes: the same Cinder, for the same user and project.
    pub fn is_same_place(&self, other: &Self) -> bool {
        let place = |one: &Self| {
            let who = match &one.user {
                Some(CinderUser::Password { user, user_domain, project, project_domain, .. }) => {
                    vec![user.clone(), user_domain.clone(), project.clone(), project_domain.clone()]
                }
                Some(CinderUser::Application { id, .. }) => vec![id.clone()],
                None => Vec::new(),
            };
            (one.auth_url.clone(), who, one.region.clone(), one.catalog.clone(), one.endpoint_template.clone())
        };
        place(self) == place(other)
    }
}

pub(super) fn load(reader: &mut Reader, options: &StoreOptions) -> CinderConfig {
    let mut text = |name: &str| options.text(reader, name);
    let auth_url = text("cinder_store_auth_address");
    let application =
        text("cinder_store_application_credential_id").zip(text("cinder_store_application_credential_secret"));
    let password = text("cinder_store_user_name").zip(text("cinder_store_password"));
    let default_domain = || "Default".to_owned();
    let user = match (application, password.zip(text("cinder_store_project_name"))) {
        (Some((id, secret)), _) => Some(CinderUser::Application { id, secret: secret.into() }),
        (None, Some(((user, password), project))) => Some(CinderUser::Password {
            user,
            user_domain: text("cinder_store_user_domain_name").unwrap_or_else(default_domain),
            password: password.into(),
            project,
            project_domain: text("cinder_store_project_domain_name").unwrap_or_else(default_domain),
        }),
        (None, None) => None,
    };
    CinderConfig {
        auth_url,
        user,
        region: options.text(reader, "cinder_os_region_name"),
        catalog: catalog(reader, options),
        endpoint_template: options.text(reader, "cinder_endpoint_template"),
        ca_file: options.text(reader, "cinder_ca_certificates_file").map(PathBuf::from),
        insecure: options.flag(reader, "cinder_api_insecure"),
        timeout: options.seconds(reader, "cinder_state_transition_timeout").unwrap_or(Duration::from_secs(300)),
    }
}

/// glance_store does not look at it where the store has credentials, so that its default must not count here either.
fn catalog(reader: &mut Reader, options: &StoreOptions) -> Option<CatalogInfo> {
    let (setting, _) = options.get(reader, "cinder_catalog_info")?;
    let text = Some(setting).filter(super::reader::Setting::is_set)?.into_text().filter(|text| !text.is_empty())?;
    let parts: Vec<_> = text.split(':').collect();
    let [service, _, interface] = parts[..] else {
        options.refuse(reader, "cinder_catalog_info", "must have three parts: type:name:interface");
        return None;
    };
    if !["publicURL", "internalURL", "adminURL"].contains(&interface) {
        options.refuse(reader, "cinder_catalog_info", "must end in publicURL, internalURL or adminURL");
        return None;
    }
    let is_old = ["", "volume", "volumev2"].contains(&service);
    let service = if is_old { "volumev3" } else { service };
    Some(CatalogInfo { service: service.to_owned(), interface: interface.to_owned() })
}
