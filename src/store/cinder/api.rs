//! The requests to Cinder's API, each with what its answer means.
//!
//! Without a microversion but where one is named: what is used is in every Cinder since Queens. Source: Cinder's API
//! reference (Block Storage API v3).

use std::collections::HashSet;
use std::sync::Arc;

use reqwest::Url;
use reqwest::header::{HeaderName, HeaderValue};
use serde::Deserialize;

use super::volume::Volume;
use crate::config::CinderConfig;
use crate::scrub::Approved;
use crate::store::client::{Order, Reply, shown};
use crate::store::keystone::{Session, Token};
use crate::store::{Answer, Outcome};

const MICROVERSION: HeaderName = HeaderName::from_static("openstack-api-version");

/// The first that refuses filters which it does not have for everybody ("generalized resource filters").
const WITH_STRICT_FILTERS: &str = "volume 3.31";

/// How many volumes a page of a list may have; Cinder's own limit is the same (`osapi_max_limit`).
const PAGE: usize = 1000;

pub(super) struct Api {
    session: Session,
    /// Instead of the catalog's.
    endpoint_template: Option<String>,
}

/// What a look at a volume's id brought.
#[derive(Debug)]
pub(super) enum Seen {
    There(Box<Volume>),
    /// Cinder says that we can see none of this id. What that proves is for `proof` to say.
    Nothing,
}

/// What became of an order to delete.
#[derive(Debug)]
pub(super) enum Taken {
    /// Cinder will do it.
    Yes,
    /// There is none.
    Nothing,
    /// It cannot be done to a volume in its state; Cinder's words.
    No(String),
}

impl Api {
    pub(super) fn new(session: Session, config: &CinderConfig) -> Self {
        Self { session, endpoint_template: config.endpoint_template.clone() }
    }

    /// See [`Session::token`].
    pub(super) async fn token(&self) -> Result<Arc<Token>, Answer> {
        self.session.token().await
    }

    /// Looks at a volume.
    pub(super) async fn volume(&self, id: &str) -> Result<Seen, Answer> {
        #[derive(Deserialize)]
        struct Body {
            volume: Volume,
        }
        let reply = self.get(&["volumes", id], &[], None).await?;
        match reply.status.as_u16() {
            200 => {
                let Body { volume } = reply.json()?;
                if volume.id != id {
                    return Err(Answer::because(
                        Outcome::Failed,
                        "cinder showed another volume than the one asked for",
                    ));
                }
                Ok(Seen::There(Box::new(volume)))
            }
            404 if is_not_found(&reply) => Ok(Seen::Nothing),
            _ => Err(unexpected(&reply, "show the volume")),
        }
    }

    /// Tells Cinder to delete it.
    pub(super) async fn delete(&self, id: &str, approved: &Approved) -> Result<Taken, Answer> {
        let order = |token: &Token| {
            let url = self.url(token, &["volumes", id])?;
            Ok(Order::delete(url).takes_away(std::slice::from_ref(approved)))
        };
        let reply = self.session.send(order).await?;
        match reply.status.as_u16() {
            200..=299 => Ok(Taken::Yes),
            404 if is_not_found(&reply) => Ok(Taken::Nothing),
            400 | 409 => Ok(Taken::No(shown(&words(&reply).unwrap_or_default()))),
            _ => Err(unexpected(&reply, "delete the volume")),
        }
    }

    /// The volumes that are being deleted, all that we may see. Those of further pages are left out. Without their details,
    /// which would cost Cinder most of the work: that it filters by the status is relied on, and whoever is listed wrongly is
    /// looked at by itself when its time is over.
    pub(super) async fn deleting(&self) -> Result<HashSet<String>, Answer> {
        #[derive(Deserialize)]
        struct Body {
            volumes: Vec<Listed>,
        }
        #[derive(Deserialize)]
        struct Listed {
            id: String,
        }
        let limit = PAGE.to_string();
        let query = [("status", "deleting"), ("all_tenants", "1"), ("limit", &limit)];
        let reply = self.get(&["volumes"], &query, None).await?;
        if reply.status != 200 {
            return Err(unexpected(&reply, "list the volumes"));
        }
        let Body { volumes } = reply.json()?;
        Ok(volumes.into_iter().map(|volume| volume.id).collect())
    }

    /// How many snapshots a volume has, as far as we may see them.
    pub(super) async fn snapshots(&self, volume: &str) -> Result<usize, Answer> {
        #[derive(Deserialize)]
        struct Body {
            snapshots: Vec<Listed>,
        }
        #[derive(Deserialize)]
        struct Listed {
            volume_id: String,
        }
        let query = [("volume_id", volume), ("all_tenants", "1")];
        let reply = self.get(&["snapshots"], &query, None).await?;
        if reply.status != 200 {
            return Err(unexpected(&reply, "list the volume's snapshots"));
        }
        let Body { snapshots } = reply.json()?;
        Ok(snapshots.iter().filter(|snapshot| snapshot.volume_id == volume).count())
    }

    /// Whether Cinder takes us for an administrator, who sees the volumes of all projects. It says so nowhere; but only an
    /// administrator may filter a list by whatever they like, and whether a filter is let through is decided by the same
    /// flag as whether a volume is looked up in all projects (`context.is_admin`; `cinder/api/common.py`,
    /// `reject_invalid_filters`). No volume has what is filtered by here, so that the list is empty.
    pub(super) async fn is_admin(&self) -> Result<bool, Answer> {
        let query = [("all_tenants", "1"), ("limit", "1"), ("glance-scrubber", "1")];
        let reply = self.get(&["volumes"], &query, Some(WITH_STRICT_FILTERS)).await?;
        // An older Cinder takes no such microversion, and drops such filters without a word.
        let is_strict = reply.header(MICROVERSION.as_str()) == Some(WITH_STRICT_FILTERS);
        match reply.status.as_u16() {
            200 => Ok(is_strict),
            400 | 406 => Ok(false),
            _ => Err(unexpected(&reply, "list volumes")),
        }
    }

    /// Whether the project lets us list its volumes.
    pub(super) async fn may_list(&self) -> Result<(), Answer> {
        let reply = self.get(&["volumes"], &[("limit", "1")], None).await?;
        if reply.status == 200 { Ok(()) } else { Err(unexpected(&reply, "list volumes")) }
    }

    async fn get(
        &self,
        path: &[&str],
        query: &[(&str, &str)],
        microversion: Option<&'static str>,
    ) -> Result<Reply, Answer> {
        let order = |token: &Token| {
            let mut url = self.url(token, path)?;
            if !query.is_empty() {
                url.query_pairs_mut().extend_pairs(query);
            }
            let order = Order::get(url);
            Ok(match microversion {
                Some(version) => order.header(MICROVERSION, HeaderValue::from_static(version)),
                None => order,
            })
        };
        self.session.send(order).await
    }

    fn url(&self, token: &Token, path: &[&str]) -> Result<Url, Answer> {
        let mut url = match &self.endpoint_template {
            Some(template) => filled(template, token.project_id.as_deref()).ok_or_else(bad_template)?,
            None => token.endpoint.clone(),
        };
        url.path_segments_mut().map_err(|()| bad_template())?.pop_if_empty().extend(path);
        Ok(url)
    }
}

/// `cinder_endpoint_template` for a project.
pub(super) fn filled(template: &str, project: Option<&str>) -> Option<Url> {
    let project = project.filter(|id| id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-'));
    let mut text = template.to_owned();
    for place in ["%(project_id)s", "%(tenant_id)s"] {
        if text.contains(place) {
            text = text.replace(place, project?);
        }
    }
    let url: Url = text.parse().ok()?;
    (url.has_host() && !text.contains("%(") && matches!(url.scheme(), "http" | "https")).then_some(url)
}

pub(super) fn bad_template() -> Answer {
    Answer::because(
        Outcome::Failed,
        "cinder_endpoint_template must be a URL with %(project_id)s or %(tenant_id)s and nothing else to fill in",
    )
}

/// Cinder's own "there is none", not that of a web server on the way.
fn is_not_found(reply: &Reply) -> bool {
    #[derive(Deserialize)]
    struct Body {
        #[serde(rename = "itemNotFound")]
        _fault: serde::de::IgnoredAny,
    }
    reply.json::<Body>().is_ok()
}

/// The message of a fault: `{"badRequest": {"code": 400, "message": "…"}}`.
fn words(reply: &Reply) -> Option<String> {
    let faults: serde_json::Map<String, serde_json::Value> = reply.json().ok()?;
    faults.values().find_map(|fault| Some(fault.get("message")?.as_str()?.to_owned()))
}

fn unexpected(reply: &Reply, what: &str) -> Answer {
    let answer = reply.refusal(what, words(reply).as_deref());
    match reply.status.as_u16() {
        // Cinder's older word for "too many requests".
        413 => Answer { outcome: Outcome::Unavailable, ..answer },
        _ => answer,
    }
}

/// What the endpoint of a template is before the project is known; it keeps the catalog from being asked.
pub(super) fn stand_in(template: &str) -> Option<Url> {
    filled(template, Some("project"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_template_is_filled_with_the_project_and_with_nothing_else() {
        for (template, want) in [
            ("http://c:8776/v3/%(tenant_id)s", Some("http://c:8776/v3/b5c4")),
            ("https://c/volume/v3/%(project_id)s", Some("https://c/volume/v3/b5c4")),
            ("https://c/volume/v3", Some("https://c/volume/v3")),
            ("https://c/v3/%(user_id)s", None),
            ("ftp://c/v3/%(project_id)s", None),
            ("c/v3", None),
        ] {
            assert_eq!(filled(template, Some("b5c4")).as_ref().map(Url::as_str), want, "{template}");
        }
        let template = "http://c:8776/v3/%(tenant_id)s";
        assert_eq!(filled(template, Some("../other")), None);
        assert_eq!(filled(template, None), None);
    }
}
