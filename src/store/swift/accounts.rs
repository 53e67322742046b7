//! The logins of a store, and in which account each ends.
//!
//! Promises: one login for each set of credentials, made when it is first needed. Each wrong key is shown once a cycle, and
//! never again where the configured one was right for the same user.
//!
//! Two spellings of the same account (`swift+config`, credentials, the URL of the account) are the same once the login
//! has told the account's URL: for the config's own accounts that is when a cycle begins ([`Accounts::introduce`]).

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use futures::future::join_all;
use reqwest::Url;
use secrecy::{ExposeSecret, SecretString};

use super::address::Address;
use super::login::Login;
use super::way::{Way, account_name, base};
use crate::config::{SwiftAccount, SwiftConfig};
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
