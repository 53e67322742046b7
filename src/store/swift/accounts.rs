//! Which login a location is reached by, and in which account it lies.
//!
//! Promises: one login for each set of credentials, made when it is first needed. A location that carries credentials is
//! reached by these; where they are refused and the config has the same user at the same address with another key, by that
//! one, as a password that was changed is the usual reason. Each wrong key is shown once a cycle, and never again where the
//! configured one was right. A token goes to nobody but the service that the catalog or `swift_store_endpoint` names: the
//! URL that a location without credentials carries must lie there, and name an account.
//!
//! Two spellings of the same account (`swift+config`, credentials, the URL of the account) are the same once the login
//! has told the account's URL: for the config's own accounts that is when a cycle begins ([`Accounts::introduce`]).

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use futures::future::join_all;
use reqwest::Url;
use secrecy::{ExposeSecret, SecretString};

use super::address::{Address, By, host_and_port, project_and_name};
use super::login::{self, Login, Reach};
use crate::config::{SwiftAccount, SwiftConfig, SwiftName, SwiftUser};
use crate::observe::text::harmless;
use crate::store::client::{Client, Order, Reply};
use crate::store::{Answer, Outcome};

/// How long a survey waits for the accounts to be told. What takes longer goes on for the lanes.
const INTRODUCTION: Duration = Duration::from_secs(3);

pub(super) struct Accounts {
    pub client: Arc<Client>,
    pub config: SwiftConfig,
    logins: Mutex<HashMap<String, Vec<Arc<Entry>>>>,
    /// Where logins lead, by [`Way::name`], as far as that is known by now.
    learned: Mutex<HashMap<String, String>>,
    /// The same as it was when the cycle began.
    known: RwLock<Known>,
}

#[derive(Default)]
struct Known {
    accounts: HashMap<String, String>,
    /// An account of the config did not answer.
    incomplete: bool,
}

struct Entry {
    /// What the password login differs by, besides its name.
    key: SecretString,
    login: Result<Login, Answer>,
    refused: Mutex<Option<Refused>>,
}

#[derive(Clone)]
struct Refused {
    answer: Answer,
    /// The configured key was right instead.
    for_good: bool,
}

/// How a location is reached.
pub(super) struct Way {
    /// Project and host of the login: the same for every user of the project. No credentials.
    pub name: String,
    account: SwiftAccount,
    /// The same user at the same address, with another key.
    otherwise: Option<SwiftAccount>,
    /// The account's URL, where the location carries that.
    storage: Option<Url>,
}

/// A way that was gone: requests can be sent.
pub(super) struct Account {
    entry: Arc<Entry>,
    /// See [`Way::storage`].
    storage: Option<Url>,
    /// Host, port and path of the account's URL.
    pub name: String,
}

impl Accounts {
    pub(super) fn new(client: Arc<Client>, config: SwiftConfig) -> Self {
        Self { client, config, logins: Mutex::default(), learned: Mutex::default(), known: RwLock::default() }
    }

    /// # Errors
    /// `malformed`, `no_store`, `forbidden`: the location can't be reached as things are configured.
    pub(super) fn way(&self, by: &By) -> Result<Way, Answer> {
        match by {
            By::Account(name) => self.by_name(name),
            By::Credentials { auth_url, user, key } => self.by_credentials(auth_url, user, key),
            By::Storage(url) => self.by_storage(url),
        }
    }

    fn by_name(&self, name: &str) -> Result<Way, Answer> {
        // glance_store 5 writes `None` where a store's own section has no default_swift_reference.
        let wanted = if name == "None" { &self.config.default_account } else { name };
        let account = self.config.accounts.iter().find(|account| account.name == wanted).ok_or_else(|| {
            let name = harmless(wanted);
            let place = match &self.config.config_file {
                Some(file) => format!("is not in {}", harmless(file)),
                None => "needs swift_store_config_file, or swift_store_user, _key and _auth_address".to_owned(),
            };
            Answer::because(Outcome::NoStore, format!("its account {name} {place}"))
        })?;
        Way::of(account.clone(), None)
    }

    /// The user's domains, and how to log in, are those of the config's account for the same user, else of the default
    /// one: a URI has no room for them.
    fn by_credentials(&self, auth_url: &Url, user: &str, key: &SecretString) -> Result<Way, Answer> {
        let (project, user) = project_and_name(user).map_err(|why| Answer::because(Outcome::Malformed, why))?;
        let is_theirs = |account: &&SwiftAccount| {
            let same = |own: &SwiftUser| matches!(own, SwiftUser::Password { project: p, user: u, .. } if *p == project && *u == user);
            same(&account.user) && same_host(&account.auth_address, auth_url)
        };
        let known = self.config.accounts.iter().find(is_theirs);
        let default = || self.config.accounts.iter().find(|account| account.name == self.config.default_account);
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
            auth: like.map_or(self.config.auth_version, |account| account.auth),
        };
        let differs = |known: &&SwiftAccount| known.user.key_text() != key.expose_secret();
        Ok(Way { otherwise: known.filter(differs).cloned(), ..Way::of(account, None)? })
    }

    fn by_storage(&self, url: &Url) -> Result<Way, Answer> {
        // The driver writes the address of Keystone, and no credentials, where an application credential stands in the
        // options of the store (and cannot read that back).
        let is_keystone = |account: &&SwiftAccount| {
            let ours = login::parse(&account.auth_address, "auth_address");
            ours.is_ok_and(|ours| host_and_port(&ours) == host_and_port(url) && bare_path(&ours) == bare_path(url))
        };
        let own = self.config.accounts.iter().filter(is_keystone);
        if let Some(account) = own.min_by_key(|account| account.name != self.config.default_account) {
            return Way::of(account.clone(), None);
        }
        match &self.config.service {
            Some(service) => Way::of(service.clone(), Some(url.clone())),
            None => Err(Answer::because(
                Outcome::Forbidden,
                "it carries no credentials (swift_store_multi_tenant); name a login with the reseller role in [scrubber] \
                 swift_service_auth",
            )),
        }
    }

    /// The account of a location, as it was known when the cycle began.
    pub(super) fn identity(&self, way: &Way, address: &Address) -> String {
        let account = match &way.storage {
            Some(url) => account_name(url),
            None => match self.known.read().unwrap_or_else(PoisonError::into_inner).accounts.get(&way.name) {
                Some(account) => account.clone(),
                None => format!("?{}", way.name),
            },
        };
        let part = |text: &str| text.replace('%', "%25").replace('/', "%2F");
        format!("swift:{account}/{}/{}", part(&address.container), part(&address.object))
    }

    /// Logs in where that was not done yet.
    pub(super) async fn open(&self, way: &Way) -> Result<Account, Answer> {
        let first = self.entry(&way.account);
        let refused = match first.try_login().await {
            Ok(()) => return self.opened(way, first).await,
            Err(answer) => answer,
        };
        let Some(otherwise) = way.otherwise.as_ref().filter(|_| refused.outcome == Outcome::Forbidden) else {
            return Err(refused);
        };
        let second = self.entry(otherwise);
        match second.try_login().await {
            Ok(()) => {
                first.forget_it();
                self.opened(way, second).await
            }
            Err(answer) if answer.outcome == Outcome::Forbidden => Err(Answer::because(
                Outcome::Forbidden,
                format!(
                    "the credentials in its URI are refused, and so are those of account {}: {}",
                    harmless(&otherwise.name),
                    answer.detail.unwrap_or_default()
                ),
            )),
            Err(answer) => Err(answer),
        }
    }

    /// The login of `swift_service_auth`, in its own account.
    pub(super) async fn service(&self) -> Result<Account, Answer> {
        let none = || Answer::because(Outcome::Forbidden, "[scrubber] swift_service_auth is not set");
        let service = self.config.service.clone().ok_or_else(none)?;
        self.open(&Way::of(service, None)?).await
    }

    async fn opened(&self, way: &Way, entry: Arc<Entry>) -> Result<Account, Answer> {
        let name =
            entry.login()?.reach(|reach| base(way.storage.as_ref(), reach).map(|url| account_name(&url))).await??;
        if way.storage.is_none() {
            self.learned.lock().unwrap_or_else(PoisonError::into_inner).insert(way.name.clone(), name.clone());
        }
        Ok(Account { entry, storage: way.storage.clone(), name })
    }

    /// Whether what else points to a location's data was compared by the account that it really lies in.
    ///
    /// # Errors
    /// `unavailable`: it was not.
    pub(super) fn was_compared(&self, way: &Way, account: &Account) -> Result<(), Answer> {
        if way.storage.is_some() {
            return Ok(());
        }
        let later = |why: String| Answer::because(Outcome::Unavailable, why);
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        match known.accounts.get(&way.name) {
            Some(name) if *name == account.name => Ok(()),
            Some(_) => Err(later("its account has another URL than when the cycle began; the next one will see".to_owned())),
            None if known.accounts.values().any(|other| *other == account.name) => Err(later(
                "its account is known by another address as well, so that what else points to it could not be compared; \
                 the daemon's next cycle will, and --once where this address has an account in swift_store_config_file"
                    .to_owned(),
            )),
            None if known.incomplete => Err(later(
                "an account of the config did not answer when the cycle began; the next one will see whether it is the same"
                    .to_owned(),
            )),
            None => Ok(()),
        }
    }

    /// A cycle begins: asks where the config's accounts are, and forgets what was refused.
    pub(super) async fn introduce(&self) {
        for entry in self.logins.lock().unwrap_or_else(PoisonError::into_inner).values().flatten() {
            let mut refused = entry.refused.lock().unwrap_or_else(PoisonError::into_inner);
            if refused.as_ref().is_some_and(|refused| !refused.for_good) {
                *refused = None;
            }
        }
        let ask = |account: &SwiftAccount| {
            let way = Way::of(account.clone(), None);
            async move {
                let asked = tokio::time::timeout(INTRODUCTION, async { self.open(&way?).await }).await;
                !matches!(asked, Err(_) | Ok(Err(Answer { outcome: Outcome::Unavailable, .. })))
            }
        };
        let answered = join_all(self.config.accounts.iter().map(ask)).await;
        let accounts = self.learned.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let incomplete = answered.contains(&false);
        *self.known.write().unwrap_or_else(PoisonError::into_inner) = Known { accounts, incomplete };
    }

    fn entry(&self, account: &SwiftAccount) -> Arc<Entry> {
        let name = format!("{:?} {}", account.auth, account.user.shown(&account.auth_address));
        let key = account.user.key_text();
        let mut logins = self.logins.lock().unwrap_or_else(PoisonError::into_inner);
        let entries = logins.entry(name).or_default();
        if let Some(entry) = entries.iter().find(|entry| entry.key.expose_secret() == key) {
            return Arc::clone(entry);
        }
        let login = Login::new(&self.client, &self.config, account);
        let entry = Arc::new(Entry { key: SecretString::from(key), login, refused: Mutex::default() });
        entries.push(Arc::clone(&entry));
        entry
    }
}

impl Entry {
    fn login(&self) -> Result<&Login, Answer> {
        self.login.as_ref().map_err(Answer::clone)
    }

    async fn try_login(&self) -> Result<(), Answer> {
        let refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(refused) = refused {
            return Err(refused.answer);
        }
        let reached = self.login()?.reach(|_| ()).await;
        if let Err(answer) = &reached
            && answer.outcome == Outcome::Forbidden
        {
            let refused = Refused { answer: answer.clone(), for_good: false };
            *self.refused.lock().unwrap_or_else(PoisonError::into_inner) = Some(refused);
        }
        reached
    }

    /// Another key was right.
    fn forget_it(&self) {
        if let Some(refused) = &mut *self.refused.lock().unwrap_or_else(PoisonError::into_inner) {
            refused.for_good = true;
        }
    }
}

impl Account {
    /// Sends what `order` makes of the account's URL.
    pub(super) async fn send<'a>(&self, order: impl Fn(&Url) -> Result<Order<'a>, Answer>) -> Result<Reply, Answer> {
        self.entry.login()?.send(|reach| order(&base(self.storage.as_ref(), reach)?)).await
    }

    pub(super) async fn roles(&self) -> Result<Vec<String>, Answer> {
        self.entry.login()?.roles().await
    }
}

impl Way {
    /// Whether the location carries the URL of the account, and nothing of a login.
    pub(super) fn is_by_url(&self) -> bool {
        self.storage.is_some()
    }

    /// Whether one of these accounts is in the same project at the same address.
    pub(super) fn is_of(&self, accounts: &[SwiftAccount]) -> bool {
        accounts.iter().any(|account| Self::of(account.clone(), None).is_ok_and(|way| way.name == self.name))
    }

    fn of(account: SwiftAccount, storage: Option<Url>) -> Result<Self, Answer> {
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
fn base(named: Option<&Url>, reach: &Reach<'_>) -> Result<Url, Answer> {
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

fn account_name(url: &Url) -> String {
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
    fn shown(&self, address: &str) -> String {
        match self {
            Self::Password { user, project, user_domain, project_domain, .. } => {
                format!("{address} {user:?} {project:?} {user_domain:?} {project_domain:?}")
            }
            Self::Application { id, .. } => format!("{address} {id}"),
        }
    }

    fn key_text(&self) -> String {
        match self {
            Self::Password { key, .. } => key.expose_secret().to_owned(),
            Self::Application { secret, .. } => secret.expose_secret().to_owned(),
        }
    }
}
