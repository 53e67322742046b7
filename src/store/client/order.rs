//! One request, and what must hold when it is sent.

use std::time::Duration;

use bytes::Bytes;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use reqwest::{Method, Request, Url};
use secrecy::{ExposeSecret, SecretString};

use super::{Reply, Trouble};
use crate::claim::Tenure;
use crate::scrub::Approved;

/// A request. What takes something away must say for whom, by [`Order::takes_away`]: a `DELETE` without is not sent.
pub(in crate::store) struct Order<'a> {
    pub(super) url: Url,
    method: Method,
    headers: HeaderMap,
    body: Bytes,
    repeatable: bool,
    tenures: Vec<&'a Tenure>,
}

impl<'a> Order<'a> {
    pub(in crate::store) fn get(url: Url) -> Self {
        Self::new(Method::GET, url, true)
    }

    pub(in crate::store) fn head(url: Url) -> Self {
        Self::new(Method::HEAD, url, true)
    }

    pub(in crate::store) fn delete(url: Url) -> Self {
        Self::new(Method::DELETE, url, true)
    }

    /// Not repeated once it may have arrived, unless [`Self::safe_to_repeat`].
    pub(in crate::store) fn post(url: Url) -> Self {
        Self::new(Method::POST, url, false)
    }

    fn new(method: Method, url: Url, repeatable: bool) -> Self {
        Self { url, method, headers: HeaderMap::new(), body: Bytes::new(), repeatable, tenures: Vec::new() }
    }

    pub(in crate::store) fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.insert(name, value);
        self
    }

    /// A header that is a credential.
    ///
    /// # Errors
    /// Where it cannot be sent: a token with a line feed in it, say.
    pub(in crate::store) fn secret_header(mut self, name: HeaderName, value: &SecretString) -> Result<Self, Trouble> {
        let unfit =
            |_| Trouble::Setup(format!("the value for the header {name} has characters that no header may have"));
        let mut value = HeaderValue::from_str(value.expose_secret()).map_err(unfit)?;
        value.set_sensitive(true);
        self.headers.insert(name, value);
        Ok(self)
    }

    pub(in crate::store) fn body(mut self, body: impl Into<Bytes>) -> Self {
        self.body = body.into();
        self
    }

    /// A `POST` that means the same when it comes twice.
    pub(in crate::store) fn safe_to_repeat(mut self) -> Self {
        self.repeatable = true;
        self
    }

    /// It takes away what these locations point to.
    pub(in crate::store) fn takes_away(self, approved: &'a [Approved]) -> Self {
        self.under(approved.iter().map(Approved::tenure))
    }

    /// It takes away what is under these claims.
    pub(in crate::store) fn under(mut self, tenures: impl IntoIterator<Item = &'a Tenure>) -> Self {
        self.tenures.extend(tenures);
        self
    }

    pub(in crate::store) fn url(&self) -> &Url {
        &self.url
    }

    pub(in crate::store) fn method(&self) -> &Method {
        &self.method
    }

    pub(in crate::store) fn headers(&self) -> &HeaderMap {
        &self.headers
    }

    pub(super) fn may_repeat(&self) -> bool {
        self.repeatable
    }

    /// Host and port, for errors.
    pub(super) fn host(&self) -> String {
        address(&self.url)
    }

    /// Whether it may be sent now.
    pub(super) fn allowed(&self) -> Result<(), Trouble> {
        if self.method == Method::DELETE && self.tenures.is_empty() {
            return Err(Trouble::Setup("a delete that was approved by nobody was not sent".to_owned()));
        }
        if self.tenures.iter().all(|tenure| tenure.lets_begin()) { Ok(()) } else { Err(Trouble::RanOut) }
    }

    /// Whether one that was sent may go on.
    pub(super) fn lasts(&self) -> bool {
        self.tenures.iter().all(|tenure| tenure.lasts())
    }

    pub(super) fn request(&self) -> Request {
        let mut request = Request::new(self.method.clone(), self.url.clone());
        *request.headers_mut() = self.headers.clone();
        if !self.body.is_empty() || self.method == Method::POST {
            *request.body_mut() = Some(self.body.clone().into());
        }
        request
    }

    /// Neither query nor headers: there are credentials in them.
    pub(super) fn log(&self, tried: &Result<Reply, Trouble>, took: Duration) {
        let (method, host, path) = (&self.method, self.host(), self.url.path());
        match tried {
            Ok(reply) => tracing::debug!("{method} {host}{path}: {} in {took:.1?}", reply.status.as_u16()),
            Err(trouble) => tracing::debug!("{method} {host}{path}: {trouble} after {took:.1?}"),
        }
    }
}

/// `host:port` of a URL, without credentials.
pub(super) fn address(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}
