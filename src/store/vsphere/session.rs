//! A session at a vSphere server, and calls in it.
//!
//! Promises: one login for all calls of a store, once more where the server has forgotten the session; credentials that it
//! refused are not shown to it again for a minute, as accounts get locked; no call but one whose connection broke is made
//! twice. The cookie of the session is a secret like the password.

use std::sync::Arc;
use std::time::Duration;

use reqwest::Url;
use reqwest::header::{CONTENT_TYPE, COOKIE, HeaderName, HeaderValue, SET_COOKIE};
use secrecy::{ExposeSecret, SecretString};
use tokio::sync::Mutex;
use tokio::time::Instant;

use super::answers;
use super::soap::{self, Content, Fault};
use crate::claim::Tenure;
use crate::store::client::{Client, Order, Reply, Trouble};
use crate::store::xml::Element;
use crate::store::{Answer, Outcome};

/// How long a refusal is taken for the last word.
const REFUSED_FOR: Duration = Duration::from_secs(60);

/// The cookie that is the session.
const COOKIE_NAME: &str = "vmware_soap_session";

pub(super) struct Session {
    client: Client,
    /// `https://host/sdk`.
    url: Url,
    user: String,
    password: SecretString,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    login: Option<Arc<Login>>,
    refused: Option<(Answer, Instant)>,
}

/// What a login brought.
pub(super) struct Login {
    cookie: SecretString,
    pub content: Content,
}

impl Session {
    /// Contacts nobody.
    pub(super) fn new(client: Client, url: Url, user: String, password: SecretString) -> Self {
        Self { client, url, user, password, state: Mutex::default() }
    }

    /// Makes a call with what a login brought. `under`: the claims that it needs, of a call that takes something away.
    ///
    /// # Errors
    /// What kept us from an answer; a fault is one.
    pub(super) async fn call(
        &self,
        envelope: impl Fn(&Content) -> String,
        under: &[Tenure],
    ) -> Result<Result<Element, Fault>, Answer> {
        let login = self.login().await?;
        let answer = self.ask(&envelope(&login.content), Some(&login), under).await?.1;
        if !is_forgotten(&answer) {
            return Ok(answer);
        }
        let login = self.instead_of(&login).await?;
        Ok(self.ask(&envelope(&login.content), Some(&login), under).await?.1)
    }

    /// Asks for the head of a file, as HTTP clients do.
    pub(super) async fn head(&self, url: Url) -> Result<Reply, Answer> {
        let login = self.login().await?;
        Ok(self.client.send(&Order::head(url).secret_header(COOKIE, &login.cookie)?).await?)
    }

    pub(super) fn url(&self) -> &Url {
        &self.url
    }

    /// How long a call may take.
    pub(super) fn deadline(&self) -> Duration {
        self.client.deadline()
    }

    /// A session that is there, as far as we know.
    pub(super) async fn login(&self) -> Result<Arc<Login>, Answer> {
        let mut state = self.state.lock().await;
        match &state.login {
            Some(login) => Ok(Arc::clone(login)),
            None => self.log_in(&mut state).await,
        }
    }

    /// A newer login than one that the server has forgotten; somebody else may have made it meanwhile.
    pub(super) async fn instead_of(&self, old: &Arc<Login>) -> Result<Arc<Login>, Answer> {
        let mut state = self.state.lock().await;
        match &state.login {
            Some(newer) if !Arc::ptr_eq(newer, old) => Ok(Arc::clone(newer)),
            _ => self.log_in(&mut state).await,
        }
    }

    async fn log_in(&self, state: &mut State) -> Result<Arc<Login>, Answer> {
        if let Some((answer, at)) = &state.refused
            && at.elapsed() < REFUSED_FOR
        {
            return Err(answer.clone());
        }
        *state = State::default();
        let logged_in = self.try_log_in().await;
        match &logged_in {
            Ok(login) => state.login = Some(Arc::clone(login)),
            Err(answer) if answer.outcome == Outcome::Forbidden => {
                state.refused = Some((answer.clone(), Instant::now()));
            }
            Err(_) => {}
        }
        logged_in
    }

    async fn try_log_in(&self) -> Result<Arc<Login>, Answer> {
        let (_, answer) = self.ask(&soap::service_content(), None, &[]).await?;
        let answer = answer.map_err(|fault| answers::of_fault(&fault, "say what it is"))?;
        let content = soap::content(&answer).ok_or_else(|| self.is_none())?;
        let envelope = soap::login(&content.session_manager, &self.user, self.password.expose_secret());
        let (reply, answer) = self.ask(&envelope, None, &[]).await?;
        answer.map_err(|fault| answers::of_fault(&fault, "let us in"))?;
        let cookie = cookie(&reply).ok_or_else(|| self.is_none())?;
        Ok(Arc::new(Login { cookie, content }))
    }

    async fn ask(
        &self,
        envelope: &str,
        login: Option<&Login>,
        under: &[Tenure],
    ) -> Result<(Reply, Result<Element, Fault>), Answer> {
        let order = || -> Result<Order<'_>, Trouble> {
            // Not said to be safe to repeat: faults come with the status 500, and a refused login must not come again.
            let order = Order::post(self.url.clone())
                .header(CONTENT_TYPE, HeaderValue::from_static("text/xml; charset=utf-8"))
                .header(HeaderName::from_static("soapaction"), HeaderValue::from_static(soap::ACTION))
                .body(envelope.to_owned())
                .under(under);
            match login {
                Some(login) => order.secret_header(COOKIE, &login.cookie),
                None => Ok(order),
            }
        };
        let reply = match self.client.send(&order()?).await {
            // A connection that was kept for too long, or a network that hiccups. What is asked here means the same when
            // it comes twice.
            Err(Trouble::Cut { .. }) => self.client.send(&order()?).await?,
            other => other?,
        };
        match reply.status.as_u16() {
            200 | 500 => match soap::read(&reply.body) {
                Some(answer) => Ok((reply, answer)),
                None if reply.status == 500 => Err(reply.unexpected("answer")),
                None => Err(self.is_none()),
            },
            _ => Err(reply.unexpected("answer")),
        }
    }

    fn is_none(&self) -> Answer {
        let host = self.url.host_str().unwrap_or_default();
        Answer::because(Outcome::Failed, format!("{host} does not answer as a vSphere server; see vmware_server_host"))
    }
}

/// Whether the server does not know our session any more.
fn is_forgotten(answer: &Result<Element, Fault>) -> bool {
    match answer {
        Err(fault) => fault.name == "NotAuthenticated",
        Ok(answer) => matches!(soap::task(answer), Some(Err(fault)) if fault.name == "NotAuthenticated"),
    }
}

/// `vmware_soap_session=…`, as it has to be sent back.
fn cookie(reply: &Reply) -> Option<SecretString> {
    let cookies = reply.headers.get_all(SET_COOKIE).into_iter().filter_map(|value| value.to_str().ok());
    let mut pairs = cookies.map(|cookie| cookie.split(';').next().unwrap_or_default().trim());
    let ours = |pair: &&str| pair.strip_prefix(COOKIE_NAME).is_some_and(|rest| rest.starts_with('='));
    pairs.rfind(ours).map(SecretString::from)
}

#[cfg(test)]
#[path = "session_tests.rs"]
mod tests;
