//! One request to a bucket, and what its refusals mean.

use std::time::SystemTime;

use base64::prelude::{BASE64_STANDARD, Engine as _};
use futures::stream::{self, StreamExt};
use md5::{Digest, Md5};
use reqwest::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use reqwest::{Method, Url};

use super::endpoint::{Endpoint, NoHostName};
use super::refusal::Refusal;
use super::sign::Signer;
use crate::claim::Tenure;
use crate::store::client::{Client, Order, Reply};
use crate::store::xml::Element;
use crate::store::{Answer, Outcome};

/// Requests of one store.
pub(super) struct Api {
    pub client: Client,
    pub endpoint: Endpoint,
    pub signer: Signer,
}

/// What is asked of a bucket, or of an object in it.
pub(super) struct Ask<'a> {
    pub method: Method,
    pub bucket: &'a str,
    pub key: Option<&'a str>,
    pub query: &'a [(&'a str, &'a str)],
    pub body: Option<String>,
    /// The claims under which it takes something away.
    pub tenures: &'a [Tenure],
}

impl<'a> Ask<'a> {
    /// Looks at a bucket.
    pub(super) fn get(bucket: &'a str, query: &'a [(&'a str, &'a str)]) -> Self {
        Self { method: Method::GET, bucket, key: None, query, body: None, tenures: &[] }
    }

    /// Looks at an object.
    pub(super) fn head(bucket: &'a str, key: &'a str) -> Self {
        Self { method: Method::HEAD, bucket, key: Some(key), query: &[], body: None, tenures: &[] }
    }

    /// Takes an object away, or a part of it.
    pub(super) fn delete(
        bucket: &'a str,
        key: &'a str,
        query: &'a [(&'a str, &'a str)],
        tenures: &'a [Tenure],
    ) -> Self {
        Self { method: Method::DELETE, bucket, key: Some(key), query, body: None, tenures }
    }

    /// Takes many objects away; the body says which.
    pub(super) fn delete_many(bucket: &'a str, body: String, tenures: &'a [Tenure]) -> Self {
        let query = &[("delete", "")];
        Self { method: Method::POST, bucket, key: None, query, body: Some(body), tenures }
    }
}

/// Why a request did not do what it was to do.
pub(super) enum Failed {
    /// The server says so.
    Refused(Refusal),
    /// There is no answer to rely on, or there was no request.
    Unanswered(Answer),
}

impl Api {
    /// The reply of a server that did what it was asked for.
    pub(super) async fn send(&self, ask: Ask<'_>) -> Result<Reply, Failed> {
        let url = self.url(&ask).map_err(Failed::Unanswered)?;
        let reply = self.exchange(ask, url).await.map_err(Failed::Unanswered)?;
        if reply.status.is_success() { Ok(reply) } else { Err(Failed::Refused(Refusal::of(&reply, &self.signer))) }
    }

    /// The document that a server sent; `what` is what was asked for, in words.
    pub(super) async fn document(&self, ask: Ask<'_>, what: &str) -> Result<Element, Failed> {
        let reply = self.send(ask).await?;
        let Some(document) = Element::parse(&reply.body) else {
            return Err(Failed::Unanswered(self.garbled(what)));
        };
        // Amazon sends 200 before it knows how a long request ends ("DeleteObjects", "CompleteMultipartUpload").
        if document.name == "Error" {
            return Err(Failed::Refused(Refusal::stated(&document, &self.signer)));
        }
        Ok(document)
    }

    pub(super) fn garbled(&self, what: &str) -> Answer {
        let host = self.endpoint.shown();
        Answer::because(Outcome::Failed, format!("{host} sent no XML that can be understood, asked to {what}"))
    }

    async fn exchange(&self, ask: Ask<'_>, url: Url) -> Result<Reply, Answer> {
        let body = ask.body.unwrap_or_default();
        let mut order = match ask.method {
            Method::HEAD => Order::head(url),
            Method::DELETE => Order::delete(url),
            // Deleting the same once more does no harm.
            Method::POST => Order::post(url).safe_to_repeat(),
            _ => Order::get(url),
        };
        if !body.is_empty() {
            // The one or the other is demanded, as the server is old or new.
            order = order.header(HeaderName::from_static("content-md5"), header(&md5(&body))?);
            order = order.header(CONTENT_TYPE, HeaderValue::from_static("application/xml"));
        }
        let order = self.signer.sign(order.under(ask.tenures), body.as_bytes(), SystemTime::now())?.body(body);
        Ok(self.client.send(&order).await?)
    }

    fn url(&self, ask: &Ask<'_>) -> Result<Url, Answer> {
        self.endpoint.url(ask.bucket, ask.key, ask.query).map_err(|NoHostName| unaddressable(ask.bucket))
    }
}

/// Waits for all of these, a few at a time, in order.
pub(super) async fn a_few_at_once<F: Future>(requests: Vec<F>) -> Vec<F::Output> {
    stream::iter(requests).buffered(AT_ONCE).collect().await
}

/// Requests at once where each is for one object.
const AT_ONCE: usize = 16;

/// Of a bucket whose name the host's name cannot hold.
pub(super) fn unaddressable(bucket: &str) -> Answer {
    let bucket = crate::observe::text::harmless(bucket);
    let detail = format!("bucket {bucket} cannot stand in a host's name; set s3_store_bucket_url_format = path");
    Answer::because(Outcome::Malformed, detail)
}

fn md5(body: &str) -> String {
    BASE64_STANDARD.encode(Md5::digest(body.as_bytes()))
}

fn header(text: &str) -> Result<HeaderValue, Answer> {
    HeaderValue::from_str(text).map_err(|_| Answer::because(Outcome::Failed, "a header could not be made"))
}
