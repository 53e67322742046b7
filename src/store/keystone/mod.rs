//! Keystone v3: a token and an endpoint for one set of credentials.
//!
//! Promises: one token is asked for however many wait for it, renewed before it expires and once where a service says
//! 401; credentials that Keystone refused are not shown to it again for a minute, so that a wrong password does not lock
//! the account; a token goes to the endpoint of the catalog or of the config, never to an address that a location names.
//! A session belongs to one store (glance_store's Cinder driver shares one among all stores, with the first one's user).
//!
//! Sources: Keystone's API reference, "Authentication and token management"; keystoneauth1 for how a catalog is read.

mod credentials;
mod token;

use std::sync::Arc;
use std::time::Duration;

use reqwest::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use tokio::sync::Mutex;
use tokio::time::Instant;

pub(in crate::store) use credentials::{Credentials, Named, Who};
pub(in crate::store) use token::{Interface, Token, Wanted};

use super::client::{Client, Order, Reply};
use super::{Answer, Outcome};

const X_AUTH_TOKEN: HeaderName = HeaderName::from_static("x-auth-token");
const X_SUBJECT_TOKEN: &str = "x-subject-token";

/// How long a refusal is taken for the last word.
const REFUSED_FOR: Duration = Duration::from_secs(60);

/// A login at Keystone.
pub(in crate::store) struct Session {
    client: Arc<Client>,
    credentials: Credentials,
    wanted: Wanted,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    token: Option<Arc<Token>>,
    refused: Option<(Answer, Instant)>,
}

impl Session {
    /// Contacts nobody.
    pub(in crate::store) fn new(client: Arc<Client>, credentials: Credentials, wanted: Wanted) -> Self {
        Self { client, credentials, wanted, state: Mutex::default() }
    }

    /// A token that lasts for some time yet.
    ///
    /// # Errors
    /// `forbidden`: Keystone refuses the credentials; `unavailable`; `failed`: its catalog lacks the service.
    pub(in crate::store) async fn token(&self) -> Result<Arc<Token>, Answer> {
        let mut state = self.state.lock().await;
        if let Some(token) = state.token.as_ref().filter(|token| token.lasts()) {
            return Ok(Arc::clone(token));
        }
        self.renew(&mut state).await
    }

    /// Sends what `order` makes of a token. Where the service does not know the token any more, a new one is asked for
    /// and the order made and sent once more.
    ///
    /// # Errors
    /// Those of [`Self::token`] and of [`Client::send`]. Any status is a reply, also a second 401.
    pub(in crate::store) async fn send<'a>(
        &self,
        order: impl Fn(&Token) -> Result<Order<'a>, Answer>,
    ) -> Result<Reply, Answer> {
        let token = self.token().await?;
        let reply = self.send_with(&token, &order).await?;
        if reply.status != 401 {
            return Ok(reply);
        }
        let token = self.instead_of(&token).await?;
        self.send_with(&token, &order).await
    }

    async fn send_with<'a>(
        &self,
        token: &Token,
        order: impl Fn(&Token) -> Result<Order<'a>, Answer>,
    ) -> Result<Reply, Answer> {
        let order = order(token)?.secret_header(X_AUTH_TOKEN, &token.value)?;
        Ok(self.client.send(&order).await?)
    }

    /// A newer token than one that a service refused; somebody else may have got it meanwhile.
    async fn instead_of(&self, old: &Arc<Token>) -> Result<Arc<Token>, Answer> {
        let mut state = self.state.lock().await;
        match &state.token {
            Some(newer) if !Arc::ptr_eq(newer, old) => Ok(Arc::clone(newer)),
            _ => self.renew(&mut state).await,
        }
    }

    async fn renew(&self, state: &mut State) -> Result<Arc<Token>, Answer> {
        if let Some((answer, at)) = &state.refused
            && at.elapsed() < REFUSED_FOR
        {
            return Err(answer.clone());
        }
        state.token = None;
        state.refused = None;
        let asked = self.ask().await;
        match &asked {
            Ok(token) => state.token = Some(Arc::clone(token)),
            Err(answer) if answer.outcome == Outcome::Forbidden => {
                state.refused = Some((answer.clone(), Instant::now()));
            }
            Err(_) => {}
        }
        asked
    }

    async fn ask(&self) -> Result<Arc<Token>, Answer> {
        let order = Order::post(self.credentials.tokens_url()?)
            .header(CONTENT_TYPE, HeaderValue::from_static("application/json"))
            .body(self.credentials.body())
            .safe_to_repeat();
        let asked = Instant::now();
        let reply = self.client.send(&order).await?;
        match reply.status.as_u16() {
            201 => Token::read(&reply, &self.wanted, asked).map(Arc::new),
            401 => Err(reply.refusal("let us in", Some("the user, the project or the password is wrong"))),
            404 => Err(reply.refusal("make a token", Some("there is no Keystone v3 below the URL that is configured"))),
            _ => Err(reply.unexpected("make a token")),
        }
    }
}

#[cfg(test)]
mod tests;
