//! One login at Keystone, or at Swift itself, and the requests that go under it.

use std::sync::Arc;

use reqwest::Url;
use tokio::sync::Mutex;

use super::tempauth::V1;
use crate::config::{SwiftAccount, SwiftAuth, SwiftConfig, SwiftName, SwiftUser};
use crate::store::client::{Client, Order, Reply};
use crate::store::keystone::{Credentials, Interface, Named, Session, Wanted, Who};
use crate::store::{Answer, Outcome};

/// A login.
pub(super) enum Login {
    Keystone(Box<Session>),
    V1(Box<V1>),
}

/// Where a login leads.
pub(super) struct Reach<'a> {
    /// The account's URL: `https://host/v1/AUTH_…`.
    pub storage: &'a Url,
    /// The id of the login's project, where Keystone told it.
    pub project: Option<&'a str>,
}

impl Login {
    /// Contacts nobody.
    ///
    /// # Errors
    /// `failed`: an address in the config is no URL.
    pub(super) fn new(client: &Arc<Client>, config: &SwiftConfig, account: &SwiftAccount) -> Result<Self, Answer> {
        let auth_url = parse(&account.auth_address, "auth_address")?;
        let endpoint = config.endpoint.as_ref().map(|url| parse(url, "swift_store_endpoint")).transpose()?;
        let client = Arc::clone(client);
        match (&account.user, account.auth) {
            (SwiftUser::Password { user, key, project, .. }, SwiftAuth::V1) => {
                let user = format!("{}:{}", project.as_str(), user.as_str());
                let token = Mutex::default();
                Ok(Self::V1(Box::new(V1 { client, auth_url, user, key: key.clone(), endpoint, token })))
            }
            (user, _) => {
                let wanted = Wanted {
                    service: config.service_type.clone(),
                    interface: Interface::of(&config.endpoint_type).unwrap_or(Interface::Public),
                    region: config.region.clone(),
                    endpoint,
                };
                let credentials = Credentials { auth_url, who: who(user) };
                Ok(Self::Keystone(Box::new(Session::new(client, credentials, wanted))))
            }
        }
    }

    /// Sends what `order` makes of where the login leads; with a new token and once more where the service says 401.
    pub(super) async fn send<'a>(
        &self,
        order: impl Fn(&Reach<'_>) -> Result<Order<'a>, Answer>,
    ) -> Result<Reply, Answer> {
        match self {
            Self::Keystone(session) => {
                let under = |token: &crate::store::keystone::Token| {
                    order(&Reach { storage: &token.endpoint, project: token.project_id.as_deref() })
                };
                session.send(under).await
            }
            Self::V1(v1) => v1.send(|token| order(&Reach { storage: &token.storage, project: None })).await,
        }
    }

    /// Logs in, where that was not done yet, and applies `f` to where it leads.
    pub(super) async fn reach<T>(&self, f: impl FnOnce(&Reach<'_>) -> T) -> Result<T, Answer> {
        match self {
            Self::Keystone(session) => {
                let token = session.token().await?;
                Ok(f(&Reach { storage: &token.endpoint, project: token.project_id.as_deref() }))
            }
            Self::V1(v1) => {
                let token = v1.token().await?;
                Ok(f(&Reach { storage: &token.storage, project: None }))
            }
        }
    }

    /// The names of our roles; none by version 1.
    pub(super) async fn roles(&self) -> Result<Vec<String>, Answer> {
        match self {
            Self::Keystone(session) => Ok(session.token().await?.roles.clone()),
            Self::V1(v1) => v1.token().await.map(|_| Vec::new()),
        }
    }
}

/// A URL of the config. `auth_address` may lack the scheme, which glance_store takes for `https`.
pub(super) fn parse(text: &str, option: &str) -> Result<Url, Answer> {
    let full = if text.contains("://") { text.to_owned() } else { format!("https://{text}") };
    let url = full.parse().ok().filter(|url: &Url| url.has_host() && url.username().is_empty());
    let wrong = || Answer::because(Outcome::Failed, format!("{option} is no URL with http:// or https://"));
    url.filter(|url| matches!(url.scheme(), "http" | "https")).ok_or_else(wrong)
}

fn who(user: &SwiftUser) -> Who {
    let named = |name: &SwiftName| match name {
        SwiftName::Id(id) => Named::Id(id.clone()),
        SwiftName::Name(name) => Named::Name(name.clone()),
    };
    match user {
        SwiftUser::Password { user, key, project, user_domain, project_domain } => Who::Password {
            user: named(user),
            user_domain: named(user_domain),
            password: key.clone(),
            project: named(project),
            project_domain: named(project_domain),
        },
        SwiftUser::Application { id, secret } => Who::Application { id: id.clone(), secret: secret.clone() },
    }
}
