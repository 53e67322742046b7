//! A token, and what Keystone says with it.

use std::time::Duration;

use chrono::{DateTime, Utc};
use reqwest::Url;
use secrecy::SecretString;
use serde::Deserialize;
use tokio::time::Instant;

use super::X_SUBJECT_TOKEN;
use crate::observe::text::harmless;
use crate::store::client::Reply;
use crate::store::{Answer, Outcome};

/// A token is renewed so long before its end: what was begun with it has to be checked by the service until then.
const MARGIN: Duration = Duration::from_secs(120);

/// Which of a service's endpoints.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::store) enum Interface {
    Public,
    Internal,
    Admin,
}

impl Interface {
    /// Keystone's word for it.
    pub(in crate::store) const fn as_str(self) -> &'static str {
        match self {
            Self::Public => "public",
            Self::Internal => "internal",
            Self::Admin => "admin",
        }
    }

    /// As the options write it: `publicURL`, `internalURL`, `adminURL`, or without `URL`.
    pub(in crate::store) fn of(word: &str) -> Option<Self> {
        let word = word.strip_suffix("URL").unwrap_or(word);
        [Self::Public, Self::Internal, Self::Admin].into_iter().find(|interface| interface.as_str() == word)
    }
}

/// The service that a token is wanted for.
#[derive(Debug, Clone)]
pub(in crate::store) struct Wanted {
    /// Its type in the catalog: `object-store`, `volumev3`.
    pub(in crate::store) service: String,
    pub(in crate::store) interface: Interface,
    /// `None`: the first one.
    pub(in crate::store) region: Option<String>,
    /// Instead of the catalog's.
    pub(in crate::store) endpoint: Option<Url>,
}

/// A token and what it is good for.
pub(in crate::store) struct Token {
    pub(super) value: SecretString,
    /// The service's URL.
    pub(in crate::store) endpoint: Url,
    pub(in crate::store) project_id: Option<String>,
    /// Names of roles in that project.
    pub(in crate::store) roles: Vec<String>,
    renew_at: Instant,
}

impl Token {
    pub(super) fn lasts(&self) -> bool {
        Instant::now() < self.renew_at
    }

    /// Reads Keystone's answer to an order of `asked`.
    pub(super) fn read(reply: &Reply, wanted: &Wanted, asked: Instant) -> Result<Self, Answer> {
        let value = reply.header(X_SUBJECT_TOKEN).map(SecretString::from);
        let value = value.ok_or_else(|| failed("Keystone's answer has no token in it".to_owned()))?;
        let Envelope { token } = reply.json()?;
        // By Keystone's own clock on both sides; ours may be wrong.
        let life = (token.expires_at - token.issued_at).to_std().unwrap_or_default();
        let endpoint = wanted.endpoint.clone().map_or_else(|| find(&token.catalog, wanted), Ok)?;
        Ok(Self {
            value,
            endpoint,
            project_id: token.project.map(|project| project.id),
            roles: token.roles.into_iter().map(|role| role.name).collect(),
            renew_at: asked + life.saturating_sub(MARGIN.min(life / 4)),
        })
    }
}

/// The endpoint of a catalog.
fn find(catalog: &[Service], wanted: &Wanted) -> Result<Url, Answer> {
    let (service, interface) = (&wanted.service, wanted.interface.as_str());
    let in_region = |endpoint: &&Endpoint| match &wanted.region {
        Some(region) => [&endpoint.region, &endpoint.region_id].into_iter().any(|known| known.as_ref() == Some(region)),
        None => true,
    };
    let mut endpoints = catalog
        .iter()
        .filter(|known| known.kind == *service)
        .flat_map(|known| &known.endpoints)
        .filter(|endpoint| endpoint.interface == interface)
        .filter(in_region);
    let Some(endpoint) = endpoints.next() else {
        let region =
            wanted.region.as_ref().map(|region| format!(" in region {}", harmless(region))).unwrap_or_default();
        return Err(failed(format!("Keystone's catalog has no {interface} endpoint of {}{region}", harmless(service))));
    };
    endpoint.url.parse().ok().filter(|url: &Url| url.has_host()).ok_or_else(|| {
        failed(format!("Keystone's catalog has no URL for {}, but {}", harmless(service), harmless(&endpoint.url)))
    })
}

fn failed(detail: String) -> Answer {
    Answer::because(Outcome::Failed, detail)
}

#[derive(Deserialize)]
struct Envelope {
    token: Body,
}

#[derive(Deserialize)]
struct Body {
    issued_at: DateTime<Utc>,
    expires_at: DateTime<Utc>,
    project: Option<Project>,
    #[serde(default)]
    roles: Vec<Role>,
    #[serde(default)]
    catalog: Vec<Service>,
}

#[derive(Deserialize)]
struct Project {
    id: String,
}

#[derive(Deserialize)]
struct Role {
    name: String,
}

#[derive(Deserialize)]
struct Service {
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    endpoints: Vec<Endpoint>,
}

#[derive(Deserialize)]
struct Endpoint {
    interface: String,
    region: Option<String>,
    region_id: Option<String>,
    url: String,
}
