//! Swift's own login, version 1: a user and a key in headers, answered by a URL and a token (Swift's "TempAuth", and
//! Ceph's gateway). Only where `auth_version = 1` says so.
//!
//! Promises: one token however many wait for it; a new one where a service says 401, once. Fails as
//! [`keystone::Session`](super::super::keystone::Session) does.

use std::sync::Arc;

use reqwest::Url;
use reqwest::header::{HeaderName, HeaderValue};
use secrecy::SecretString;
use tokio::sync::Mutex;

use crate::store::client::{Client, Order, Reply};
use crate::store::{Answer, Outcome};

const X_AUTH_USER: HeaderName = HeaderName::from_static("x-auth-user");
const X_AUTH_KEY: HeaderName = HeaderName::from_static("x-auth-key");
const X_AUTH_TOKEN: HeaderName = HeaderName::from_static("x-auth-token");

/// A login by version 1.
pub(super) struct V1 {
    pub client: Arc<Client>,
    pub auth_url: Url,
    /// `ACCOUNT:USER`.
    pub user: String,
    pub key: SecretString,
    /// `swift_store_endpoint`: instead of the URL that the login names.
    pub endpoint: Option<Url>,
    pub token: Mutex<Option<Arc<V1Token>>>,
}

/// What the login gave.
pub(super) struct V1Token {
    value: SecretString,
    pub storage: Url,
}

impl V1 {
    pub(super) async fn token(&self) -> Result<Arc<V1Token>, Answer> {
        let mut token = self.token.lock().await;
        if let Some(token) = &*token {
            return Ok(Arc::clone(token));
        }
        let new = Arc::new(self.ask().await?);
        *token = Some(Arc::clone(&new));
        Ok(new)
    }

    /// See [`Session::send`](super::super::keystone::Session::send).
    pub(super) async fn send<'a>(
        &self,
        order: impl Fn(&V1Token) -> Result<Order<'a>, Answer>,
    ) -> Result<Reply, Answer> {
        let first = self.token().await?;
        let reply = self.client.send(&order(&first)?.secret_header(X_AUTH_TOKEN, &first.value)?).await?;
        if reply.status != 401 {
            return Ok(reply);
        }
        {
            let mut token = self.token.lock().await;
            if token.as_ref().is_some_and(|token| Arc::ptr_eq(token, &first)) {
                *token = None;
            }
        }
        let second = self.token().await?;
        Ok(self.client.send(&order(&second)?.secret_header(X_AUTH_TOKEN, &second.value)?).await?)
    }

    async fn ask(&self) -> Result<V1Token, Answer> {
        let user = HeaderValue::from_str(&self.user)
            .map_err(|_| Answer::because(Outcome::Malformed, "its user has characters that no header may have"))?;
        let order = Order::get(self.auth_url.clone()).header(X_AUTH_USER, user).secret_header(X_AUTH_KEY, &self.key)?;
        let reply = self.client.send(&order).await?;
        if reply.status == 401 {
            return Err(reply.refusal("let us in", Some("the user or the key is wrong")));
        }
        if !reply.status.is_success() {
            return Err(reply.unexpected("make a token"));
        }
        let lacks =
            || Answer::because(Outcome::Failed, "the answer to the login (auth_version = 1) has no token in it");
        let value = reply.header("x-auth-token").map(SecretString::from).ok_or_else(lacks)?;
        let storage = match &self.endpoint {
            Some(endpoint) => endpoint.clone(),
            None => reply.header("x-storage-url").and_then(|url| url.parse().ok()).ok_or_else(lacks)?,
        };
        Ok(V1Token { value, storage })
    }
}
