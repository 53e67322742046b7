//! Which login a location is reached by.
//!
//! Promises: pure. A location that carries credentials is reached by these, and if the config has the same user at the same
//! address with another key, by that one when they are refused. A token goes to nobody but the service that the catalog or
//! `swift_store_endpoint` names: the URL that a location without credentials carries must lie there, and name an account.

use reqwest::Url;
use secrecy::{ExposeSecret, SecretString};

use super::address::{By, host_and_port, project_and_name};
use super::login::{self, Reach};
use crate::config::{SwiftAccount, SwiftConfig, SwiftName, SwiftUser};
use crate::observe::text::harmless;
use crate::store::{Answer, Outcome};

/// How a location is reached.
pub(super) struct Way {
    /// Project and host of the login: the same for every user of the project. No credentials.
    pub name: String,
    pub account: SwiftAccount,
    /// The same user at the same address, with another key.
    pub otherwise: Option<SwiftAccount>,
    /// The account's URL, where the location carries that.
    pub storage: Option<Url>,
}

impl Way {
    /// # Errors
    /// `malformed`, `no_store`, `forbidden`: the location can't be reached as things are configured.
    pub(super) fn find(config: &SwiftConfig, by: &By) -> Result<Self, Answer> {
        match by {
            By::Account(name) => Self::by_name(config, name),
            By::Credentials { auth_url, user, key } => Self::by_credentials(config, auth_url, user, key),
            By::Storage(url) => Self::by_storage(config, url),
        }
    }

    fn by_name(config: &SwiftConfig, name: &str) -> Result<Self, Answer> {
        // glance_store 5 writes `None` where a store's own section has no default_swift_reference.
        let wanted = if name == "None" { &config.default_account } else { name };
        let account = config.accounts.iter().find(|account| account.name == wanted).ok_or_else(|| {
            let name = harmless(wanted);
            let place = match &config.config_file {
                Some(file) => format!("is not in {}", harmless(file)),
                None => "needs swift_store_config_file, or swift_store_user, _key and _auth_address".to_owned(),
            };
            Answer::because(Outcome::NoStore, format!("its account {name} {place}"))
        })?;
        Self::of(account.clone(), None)
    }

    /// The user's domains, and how to log in, are those of the config's account for the same user, else of the default
    /// one: a URI has no room for them.
    fn by_credentials(config: &SwiftConfig, auth_url: &Url, user: &str, key: &SecretString) -> Result<Self, Answer> {
        let (project, user) = project_and_name(user).map_err(|why| Answer::because(Outcome::Malformed, why))?;
        let is_theirs = |account: &&SwiftAccount| {
            let same = |own: &SwiftUser| matches!(own, SwiftUser::Password { project: p, user: u, .. } if *p == project && *u == user);
            same(&account.user) && same_host(&account.auth_address, auth_url)
        };
        let known = config.accounts.iter().find(is_theirs);
        let default = || config.accounts.iter().find(|account| account.name == config.default_account);
        let like = known.or_else(default);
        let (user_domain, project_domain) = match like.map(|account| &account.user) {
            Some(SwiftUser::Password { user_domain, project_domain, .. }) => {
                (user_domain.clone(), project_domain.clone())
            }
            _ => (SwiftName::Id("default".to_owned()), SwiftName::Id("default".to_owned())),
        };
        let account = SwiftAccount {
            name: "its URI".to_owned(),
            auth_address: auth_url.to_string(),
            user: SwiftUser::Password { user, key: key.clone(), project, user_domain, project_domain },
            auth: like.map_or(config.auth_version, |account| account.auth),
        };
        let differs = |known: &&SwiftAccount| known.user.key_text() != key.expose_secret();
        Ok(Self { otherwise: known.filter(differs).cloned(), ..Self::of(account, None)? })
    }

    fn by_storage(config: &SwiftConfig, url: &Url) -> Result<Self, Answer> {
        // The driver writes the address of Keystone, and no credentials, where an application credential stands in the
        // options of the store (and cannot read that back).
        let is_keystone = |account: &&SwiftAccount| {
            let ours = login::parse(&account.auth_address, "auth_address");
            ours.is_ok_and(|ours| host_and_port(&ours) == host_and_port(url) && bare_path(&ours) == bare_path(url))
        };
        let own = config.accounts.iter().filter(is_keystone);
        if let Some(account) = own.min_by_key(|account| account.name != config.default_account) {
            return Self::of(account.clone(), None);
        }
        match &config.service {
            Some(service) => Self::of(service.clone(), Some(url.clone())),
            None => Err(Answer::because(
                Outcome::Forbidden,
                "it carries no credentials (swift_store_multi_tenant); name a login with the reseller role in [scrubber] \
                 swift_service_auth",
            )),
        }
    }

    /// Whether the location carries the URL of the account, and nothing of a login.
    pub(super) fn is_by_url(&self) -> bool {
        self.storage.is_some()
    }

    /// Whether one of these accounts is in the same project at the same address.
    pub(super) fn is_of(&self, accounts: &[SwiftAccount]) -> bool {
        accounts.iter().any(|account| Self::of(account.clone(), None).is_ok_and(|way| way.name == self.name))
    }

    /// By a login of the config.
    pub(super) fn of(account: SwiftAccount, storage: Option<Url>) -> Result<Self, Answer> {
        let url = login::parse(&account.auth_address, "auth_address")?;
        let name = match (&storage, &account.user) {
            (Some(storage), _) => account_name(storage),
            (None, SwiftUser::Password { project, .. }) => {
                format!("project {} at {}", harmless(project.as_str()), host_and_port(&url))
            }
            (None, SwiftUser::Application { .. }) => {
                format!("account {} at {}", harmless(&account.name), host_and_port(&url))
            }
        };
        Ok(Self { name, account, otherwise: None, storage })
    }
}

/// The URL that requests begin with: where the login leads, or where the location says, if that is the same service.
///
/// # Errors
/// `forbidden`: a token must not go to where a row of the database wants it.
pub(super) fn base(named: Option<&Url>, reach: &Reach<'_>) -> Result<Url, Answer> {
    let Some(named) = named else { return Ok(reach.storage.clone()) };
    let same = |url: &Url| (url.scheme().to_owned(), host_and_port(url));
    let refuse = |why: String| Err(Answer::because(Outcome::Forbidden, why));
    if same(named) != same(reach.storage) {
        return refuse(format!(
            "its URL leads to {}://{}, and the object store is {}://{}; no token is sent there (see swift_store_endpoint and \
             swift_store_region)",
            named.scheme(),
            host_and_port(named),
            reach.storage.scheme(),
            host_and_port(reach.storage)
        ));
    }
    let (root, own) = split_account(reach.storage);
    let (named_root, account) = split_account(named);
    // Without the project's id in it, the URL is the same for all accounts, and the token alone says which one is meant.
    let names_accounts = own.contains('_') || reach.project.is_some_and(|project| own.contains(project));
    // Percent-escapes would be another spelling of an account that somebody else means.
    let is_plain = !account.is_empty() && !account.contains('%') && named_root == root;
    if !names_accounts || !is_plain {
        return refuse(format!(
            "its URL names no account below {}, so that it cannot be told whose it is",
            account_name(reach.storage)
        ));
    }
    Ok(named.clone())
}

/// `/v1` and `AUTH_x`.
fn split_account(url: &Url) -> (&str, &str) {
    let path = url.path().trim_end_matches('/');
    path.rsplit_once('/').unwrap_or(("", path))
}

/// Host, port and path of an account's URL.
pub(super) fn account_name(url: &Url) -> String {
    format!("{}{}", host_and_port(url), url.path().trim_end_matches('/'))
}

/// The path without a version of Keystone.
fn bare_path(url: &Url) -> &str {
    let path = url.path().trim_end_matches('/');
    path.strip_suffix("/v3").or_else(|| path.strip_suffix("/v2.0")).unwrap_or(path)
}

fn same_host(address: &str, url: &Url) -> bool {
    login::parse(address, "auth_address")
        .is_ok_and(|own| own.scheme() == url.scheme() && host_and_port(&own) == host_and_port(url))
}

impl SwiftUser {
    /// What distinguishes a login but for its key. Not for messages.
    pub(super) fn shown(&self, address: &str) -> String {
        match self {
            Self::Password { user, project, user_domain, project_domain, .. } => {
                format!("{address} {user:?} {project:?} {user_domain:?} {project_domain:?}")
            }
            Self::Application { id, .. } => format!("{address} {id}"),
        }
    }

    pub(super) fn key_text(&self) -> String {
        match self {
            Self::Password { key, .. } => key.expose_secret().to_owned(),
            Self::Application { secret, .. } => secret.expose_secret().to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_that_a_location_carries_must_lie_at_the_service_and_name_an_account() {
        let base_of = |named: &str, storage: &str, project: Option<&str>| {
            let storage = storage.parse().unwrap();
            base(Some(&named.parse().unwrap()), &Reach { storage: &storage, project }).is_ok()
        };
        let own = "https://s:8080/v1/AUTH_b5c4";
        assert!(base_of("https://s:8080/v1/AUTH_d6e7", own, Some("b5c4")));
        assert!(base_of("https://S:8080/v1/AUTH_b5c4/", own, Some("b5c4")));
        assert!(base_of("https://s/v1/d6e7", "https://s:443/v1/b5c4", Some("b5c4")), "without a prefix");
        for elsewhere in [
            "http://s:8080/v1/AUTH_d6e7",
            "https://s/v1/AUTH_d6e7",
            "https://s.evil:8080/v1/AUTH_d6e7",
            "https://s:8080/v1/x/AUTH_d6e7",
            "https://s:8080/v1/../v2/AUTH_d6e7",
            "https://s:8080/v1/%41UTH_d6e7",
            "https://s:8080/v1//AUTH_d6e7",
            "https://s:8080/v1",
            "https://s:8080/",
        ] {
            assert!(!base_of(elsewhere, own, Some("b5c4")), "{elsewhere}");
        }
        // Ceph's gateway without accounts in its URLs: the token says whose it is, and that is ours.
        for project in [Some("b5c4"), None] {
            assert!(!base_of("https://s/swift/v1", "https://s/swift/v1", project));
        }
    }
}
