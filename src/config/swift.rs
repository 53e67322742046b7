//! What deleting from a `swift` store needs: its own options, the accounts of `swift_store_config_file`, and the
//! account that `[scrubber] swift_service_auth` names.
//!
//! Promises: the accounts that glance_store's `_drivers/swift/utils.py` finds (`SwiftParams`), each with its own domains
//! and version. One that is incomplete is left out with a warning, and so is a whole file that cannot be read: other
//! locations of the store need neither. No warning holds a piece of a value. Rejected: glance_store's habit to take
//! domains and version of the default account for every other one too.

use std::path::{Path, PathBuf};

use secrecy::SecretString;

use super::error::ConfigError;
use super::options;
use super::python_ini::PythonIni;
use super::reader::Reader;
use super::stores::{StoreConfig, StoreKind, StoreOptions};
use super::text::looks_like_a_name;

/// Options of a `swift` store.
#[derive(Debug, Clone)]
pub struct SwiftConfig {
    /// The accounts that locations name (`swift+config://NAME/…`).
    pub accounts: Vec<SwiftAccount>,
    /// `default_swift_reference`.
    pub default_account: String,
    /// `swift_store_config_file`, as it was written.
    pub config_file: Option<String>,
    /// `swift_store_auth_version`: of locations that carry credentials.
    pub auth_version: SwiftAuth,
    /// `swift_store_container`.
    pub container: String,
    /// `swift_store_multiple_containers_seed` is not 0: [`Self::container`] is the beginning of the names.
    pub many_containers: bool,
    /// `swift_store_multi_tenant`.
    pub multi_tenant: bool,
    /// `swift_store_region`.
    pub region: Option<String>,
    /// `swift_store_endpoint`.
    pub endpoint: Option<String>,
    /// `swift_store_endpoint_type`: `publicURL`, `internalURL` or `adminURL`.
    pub endpoint_type: String,
    /// `swift_store_service_type`.
    pub service_type: String,
    /// `swift_store_cacert`.
    pub ca_file: Option<PathBuf>,
    /// `swift_store_auth_insecure`.
    pub insecure: bool,
    /// The account of `[scrubber] swift_service_auth`, for locations without credentials.
    pub service: Option<SwiftAccount>,
}

/// A login.
#[derive(Debug, Clone)]
pub struct SwiftAccount {
    /// The section, or the name that stands for the store's own options.
    pub name: String,
    /// URL of Keystone, or of Swift's own authentication.
    pub auth_address: String,
    /// Who logs in.
    pub user: SwiftUser,
    /// How.
    pub auth: SwiftAuth,
}

/// Who logs in.
#[derive(Debug, Clone)]
pub enum SwiftUser {
    /// By a password.
    Password {
        /// The user: a name, or an id.
        user: SwiftName,
        /// The password.
        key: SecretString,
        /// The user's project.
        project: SwiftName,
        /// Where the user's name means something.
        user_domain: SwiftName,
        /// Where the project's name means something.
        project_domain: SwiftName,
    },
    /// By an application credential, which knows its project.
    Application {
        /// Its id.
        id: String,
        /// Its secret.
        secret: SecretString,
    },
}

/// A user, a project or a domain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SwiftName {
    /// By id.
    Id(String),
    /// By name.
    Name(String),
}

impl SwiftName {
    /// The id or the name.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Id(text) | Self::Name(text) => text,
        }
    }
}

/// How to log in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SwiftAuth {
    /// Swift's own (`auth_version = 1`).
    V1,
    /// Keystone v3, also where 2 is written: no Keystone knows that any more.
    Keystone,
}

pub(super) fn load(reader: &mut Reader, options: &StoreOptions) -> SwiftConfig {
    let text = |reader: &mut Reader, name: &str| options.text(reader, name);
    let auth_version = auth_version(text(reader, "swift_store_auth_version").as_deref());
    let default_account = text(reader, "default_swift_reference").unwrap_or_else(|| "ref1".to_owned());
    let config_file = text(reader, "swift_store_config_file");
    let accounts = match &config_file {
        Some(name) => accounts_of_file(reader, name, auth_version),
        None => own_account(reader, options, &default_account, auth_version).into_iter().collect(),
    };
    let seed = options.number(reader, "swift_store_multiple_containers_seed").unwrap_or_default();
    SwiftConfig {
        accounts,
        default_account,
        config_file,
        auth_version,
        container: text(reader, "swift_store_container").unwrap_or_else(|| "glance".to_owned()),
        many_containers: seed > 0,
        multi_tenant: options.flag(reader, "swift_store_multi_tenant"),
        region: text(reader, "swift_store_region"),
        endpoint: text(reader, "swift_store_endpoint"),
        endpoint_type: text(reader, "swift_store_endpoint_type").unwrap_or_else(|| "publicURL".to_owned()),
        service_type: text(reader, "swift_store_service_type").unwrap_or_else(|| "object-store".to_owned()),
        ca_file: text(reader, "swift_store_cacert").map(PathBuf::from),
        insecure: options.flag(reader, "swift_store_auth_insecure"),
        service: None,
    }
}

fn auth_version(text: Option<&str>) -> SwiftAuth {
    if text.is_some_and(|text| text == "1" || text.starts_with("1.")) { SwiftAuth::V1 } else { SwiftAuth::Keystone }
}

/// The store's own options as an account (`_form_default_params`).
fn own_account(reader: &mut Reader, options: &StoreOptions, name: &str, auth: SwiftAuth) -> Option<SwiftAccount> {
    let mut get = |name: &str| options.text(reader, &format!("swift_store_{name}"));
    account(name, &mut |key| {
        let own = ["auth_address", "user", "key", "application_credential_id", "application_credential_secret"];
        Ok(if own.contains(&key) { get(key) } else { None })
    })
    .ok()
    .map(|account| SwiftAccount { auth, ..account })
}

/// The sections of a file (`_load_config`).
fn accounts_of_file(reader: &mut Reader, name: &str, auth: SwiftAuth) -> Vec<SwiftAccount> {
    let lost = "its swift+config locations stay pending";
    let Some(path) = reader.beside.iter().map(|dir| dir.join(name)).find(|path| path.exists()) else {
        reader.report.warn(format!("swift_store_config_file {name} was not found; {lost}"));
        return Vec::new();
    };
    let shown = path.display();
    let text = match read(&path) {
        Ok(text) => text,
        Err(why) => {
            reader.report.warn(format!("{shown}: {why}; {lost}"));
            return Vec::new();
        }
    };
    let file = match PythonIni::parse(&text) {
        Ok(file) => file,
        Err(unreadable) => {
            let (line, reason) = (unreadable.line, unreadable.reason);
            reader.report.warn(format!("{shown}:{line}: {reason}; {lost}"));
            return Vec::new();
        }
    };
    let mut accounts = Vec::new();
    for section in file.sections() {
        let mut get = |key: &str| match file.get(section, key) {
            Ok(Some(value)) => without_quotes(value).map(Some).ok_or(format!("{key} has a quote that is not closed")),
            Ok(None) => Ok(None),
            Err(bad) => Err(format!("{key} {bad}")),
        };
        let version = get("auth_version").unwrap_or_default();
        let auth = version.as_deref().map_or(auth, |version| auth_version(Some(version)));
        match account(section, &mut get) {
            Ok(account) => accounts.push(SwiftAccount { auth, ..account }),
            Err(why) => {
                let section = if looks_like_a_name(section) { section } else { "(not shown)" };
                reader.report.warn(format!("{shown}: account {section} is left out: {why}"));
            }
        }
    }
    accounts
}

fn read(path: &Path) -> Result<String, String> {
    let bytes = std::fs::read(path).map_err(|error| format!("failed to read it: {error}"))?;
    String::from_utf8(bytes).map_err(|_| "it is not UTF-8".to_owned())
}

/// `SwiftConfigParser._process_quotes`; `None` where one is not closed.
fn without_quotes(value: String) -> Option<String> {
    let Some(quote) = value.chars().next().filter(|c| matches!(c, '"' | '\'')) else { return Some(value) };
    let inner = value.strip_prefix(quote)?.strip_suffix(quote)?;
    Some(inner.to_owned())
}

/// An account from keys as `swift_store_config_file` has them.
fn account(name: &str, get: &mut dyn FnMut(&str) -> Result<Option<String>, String>) -> Result<SwiftAccount, String> {
    let mut given = |key: &str| Ok::<_, String>(get(key)?.filter(|value| !value.is_empty()));
    let (id, secret) = (given("application_credential_id")?, given("application_credential_secret")?);
    let auth_address = given("auth_address")?.ok_or("auth_address is not set")?;
    let user = if let (Some(id), Some(secret)) = (id, secret) {
        SwiftUser::Application { id, secret: secret.into() }
    } else {
        let user = given("user")?.ok_or("user is not set")?;
        let key = SecretString::from(given("key")?.ok_or("key is not set")?);
        let (project, user) = project_and_user(&user).ok_or("user is not PROJECT:USER")?;
        SwiftUser::Password {
            user,
            key,
            project,
            user_domain: domain(given("user_domain_id")?, given("user_domain_name")?),
            project_domain: domain(given("project_domain_id")?, given("project_domain_name")?),
        }
    };
    Ok(SwiftAccount { name: name.to_owned(), auth_address, user, auth: SwiftAuth::Keystone })
}

/// `PROJECT:USER`, both by name. `None` where it has not just one colon.
pub(crate) fn project_and_user(text: &str) -> Option<(SwiftName, SwiftName)> {
    let (project, user) = text.split_once(':').filter(|(project, user)| !project.is_empty() && !user.is_empty())?;
    (!user.contains(':')).then(|| (SwiftName::Name(project.to_owned()), SwiftName::Name(user.to_owned())))
}

fn domain(id: Option<String>, name: Option<String>) -> SwiftName {
    match (id, name) {
        (Some(id), _) => SwiftName::Id(id),
        (None, Some(name)) => SwiftName::Name(name),
        (None, None) => SwiftName::Id("default".to_owned()),
    }
}

/// `[scrubber] swift_service_auth`: an account of the store itself, or a section as `[keystone_authtoken]` is one.
pub(super) fn load_service(reader: &mut Reader, group: &str, stores: &mut [StoreConfig]) {
    let Some(setting) = reader.setting(group, "swift_service_auth") else { return };
    let place = setting.place.clone();
    let Some(name) = setting.into_text() else { return };
    let mut swifts = stores.iter_mut().filter_map(|store| match &mut store.kind {
        StoreKind::Swift(swift) => Some(&mut **swift),
        _ => None,
    });
    let mut section: Option<Result<SwiftAccount, String>> = None;
    let mut failure = None;
    for swift in &mut swifts {
        if let Some(own) = swift.accounts.iter().find(|account| account.name == name) {
            swift.service = Some(own.clone());
            continue;
        }
        match section.get_or_insert_with(|| service_section(reader, &name)) {
            Ok(account) => swift.service = Some(account.clone()),
            Err(why) => failure = Some(why.clone()),
        }
    }
    if let Some(why) = failure {
        reader.report.error(ConfigError::of(place, group, "swift_service_auth", why));
    }
}

fn service_section(reader: &mut Reader, name: &str) -> Result<SwiftAccount, String> {
    if name.is_empty() || options::GROUPS.iter().any(|group| group.section == name) {
        return Err("must name an account of swift_store_config_file, or a section like keystone_authtoken".to_owned());
    }
    reader.service_section = Some(name.to_owned());
    let mut given = |key: &str| reader.text(name, key).filter(|text| !text.is_empty());
    let lacks = |key: &str| {
        format!(
            "names neither an account of the store nor a section of the config with {key} (and the rest of a login)"
        )
    };
    let auth_address = given("auth_url").ok_or_else(|| lacks("auth_url"))?;
    if let (Some(id), Some(secret)) = (given("application_credential_id"), given("application_credential_secret")) {
        let user = SwiftUser::Application { id, secret: secret.into() };
        return Ok(SwiftAccount { name: name.to_owned(), auth_address, user, auth: SwiftAuth::Keystone });
    }
    let named = |id: Option<String>, name: Option<String>| id.map(SwiftName::Id).or(name.map(SwiftName::Name));
    let user = named(given("user_id"), given("username")).ok_or_else(|| lacks("username"))?;
    let project = named(given("project_id"), given("project_name")).ok_or_else(|| lacks("project_name"))?;
    let key = given("password").ok_or_else(|| lacks("password"))?.into();
    let user_domain = domain(given("user_domain_id"), given("user_domain_name"));
    let project_domain = domain(given("project_domain_id"), given("project_domain_name"));
    let user = SwiftUser::Password { user, key, project, user_domain, project_domain };
    Ok(SwiftAccount { name: name.to_owned(), auth_address, user, auth: SwiftAuth::Keystone })
}

#[cfg(test)]
#[path = "swift_tests.rs"]
mod tests;
