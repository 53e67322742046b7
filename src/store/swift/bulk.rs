//! Many objects deleted: by Swift's bulk middleware where it is there, else one by one.
//!
//! Promises: every name is accounted for, as gone, not there or refused; what the report of a request leaves out counts
//! as refused. The report stands in the body of a `200 OK`, behind white space that keeps the connection alive (Swift,
//! "Bulk Operations"; `swift/common/middleware/bulk.py`).

use std::collections::BTreeMap;

use futures::stream::{self, StreamExt};
use reqwest::Url;
use reqwest::header::{ACCEPT, CONTENT_TYPE, HeaderValue};
use serde::Deserialize;

use super::accounts::Account;
use super::object::{self, object_url};
use crate::observe::text::harmless;
use crate::scrub::Approved;
use crate::store::client::{Order, Reply};
use crate::store::{Answer, Outcome};

/// No more in one request, whatever Swift allows: a claim is asked about before each.
const AT_ONCE: usize = 250;
/// Requests at the same time where there is no bulk delete.
const PARALLEL: usize = 8;

/// What a cluster's `/info` says.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Features {
    /// `max_deletes_per_request` of the bulk middleware. `None`: it is not there.
    pub bulk: Option<usize>,
    /// Static large objects.
    pub slo: bool,
}

/// What became of many objects.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Tally {
    pub gone: u64,
    /// Were not there.
    pub missing: u64,
    /// By status.
    pub refused: BTreeMap<String, u64>,
}

/// An object by container and name.
pub(super) type Name = (String, String);

/// Asks the cluster, without credentials. One that does not tell has neither.
pub(super) async fn features(account: &Account) -> Result<Features, Answer> {
    let reply = account.send(|base| Ok(Order::get(info_url(base)))).await?;
    Ok(if reply.status.is_success() { read_info(&reply.body) } else { Features::default() })
}

/// `/info` lies beside `/v1`.
fn info_url(base: &Url) -> Url {
    let mut url = base.clone();
    let root = url.path().split_once("/v1").map_or("", |(root, _)| root).to_owned();
    url.set_path(&format!("{root}/info"));
    url.set_query(None);
    url
}

fn read_info(body: &[u8]) -> Features {
    #[derive(Deserialize)]
    struct Info {
        bulk_delete: Option<Bulk>,
        slo: Option<serde::de::IgnoredAny>,
    }
    #[derive(Deserialize)]
    struct Bulk {
        max_deletes_per_request: Option<usize>,
    }
    let Ok(info) = serde_json::from_slice::<Info>(body) else { return Features::default() };
    let bulk = info.bulk_delete.map(|bulk| bulk.max_deletes_per_request.unwrap_or(AT_ONCE)).filter(|max| *max > 0);
    Features { bulk, slo: info.slo.is_some() }
}

/// Deletes them all, as far as that goes. `done` hears how many are through.
pub(super) async fn delete_all(
    account: &Account,
    features: Features,
    names: &[Name],
    approved: &Approved,
    done: impl Fn(u64),
) -> Result<Tally, Answer> {
    let mut tally = Tally::default();
    match features.bulk {
        Some(max) if names.len() > 1 => {
            for some in names.chunks(max.min(AT_ONCE)) {
                tally.add(in_bulk(account, some, approved).await?);
                done(tally.through());
            }
        }
        _ => {
            let each = |(container, object): &Name| {
                let (container, object) = (container.clone(), object.clone());
                async move { object::delete(account, &container, &object, approved).await }
            };
            let mut answers = stream::iter(names.iter().map(each)).buffer_unordered(PARALLEL);
            while let Some(answer) = answers.next().await {
                match answer {
                    Ok(true) => tally.gone += 1,
                    Ok(false) => tally.missing += 1,
                    Err(answer) if answer.outcome == Outcome::Unavailable => return Err(answer),
                    Err(answer) => tally.refuse(&answer.detail.unwrap_or_default()),
                }
                done(tally.through());
            }
        }
    }
    Ok(tally)
}

async fn in_bulk(account: &Account, names: &[Name], approved: &Approved) -> Result<Tally, Answer> {
    let list = |base: &Url| {
        let mut list = String::new();
        for (container, object) in names {
            let quoted = object_url(base, container, object)?;
            list.push_str(quoted.path().strip_prefix(base.path().trim_end_matches('/')).unwrap_or_default());
            list.push('\n');
        }
        Ok::<_, Answer>(list)
    };
    let order = |base: &Url| {
        let mut url = base.clone();
        url.set_query(Some("bulk-delete"));
        let order = Order::post(url)
            .header(CONTENT_TYPE, HeaderValue::from_static("text/plain"))
            .header(ACCEPT, HeaderValue::from_static("application/json"))
            .body(list(base)?)
            .safe_to_repeat();
        Ok(order.takes_away(std::slice::from_ref(approved)))
    };
    let reply = account.send(order).await?;
    read_report(&reply, names.len(), "delete many objects")
}

/// The report in a body, about so many objects.
pub(super) fn read_report(reply: &Reply, asked: usize, what: &str) -> Result<Tally, Answer> {
    if !reply.status.is_success() {
        return Err(reply.unexpected(what));
    }
    let report: Report = reply.json()?;
    Ok(report.tally(asked))
}

/// `get_response_body` of the bulk middleware. Ceph's gateway has objects in `Errors`, Swift has pairs.
#[derive(Deserialize)]
struct Report {
    #[serde(rename = "Number Deleted", default)]
    deleted: u64,
    #[serde(rename = "Number Not Found", default)]
    missing: u64,
    #[serde(rename = "Response Status", default)]
    status: String,
    #[serde(rename = "Errors", default)]
    errors: Vec<Failure>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Failure {
    Pair((serde::de::IgnoredAny, String)),
    Object {
        #[serde(rename = "Status")]
        status: String,
    },
}

impl Report {
    fn tally(self, asked: usize) -> Tally {
        let mut tally = Tally { gone: self.deleted, missing: self.missing, refused: BTreeMap::new() };
        for failure in self.errors {
            let (Failure::Pair((_, status)) | Failure::Object { status }) = failure;
            tally.refuse(&status);
        }
        let asked = u64::try_from(asked).unwrap_or(u64::MAX);
        let left_out = asked.saturating_sub(tally.through());
        if left_out > 0 {
            *tally.refused.entry(shown(&self.status)).or_default() += left_out;
        } else if !self.status.starts_with('2') && tally.refused.is_empty() {
            tally.refuse(&self.status);
        }
        tally
    }
}

fn shown(status: &str) -> String {
    let short: String = status.chars().take(120).collect();
    if short.is_empty() { "no answer".to_owned() } else { harmless(&short).into_owned() }
}

impl Tally {
    fn through(&self) -> u64 {
        self.gone + self.missing + self.refused.values().sum::<u64>()
    }

    pub(super) fn add(&mut self, other: Self) {
        self.gone += other.gone;
        self.missing += other.missing;
        for (status, count) in other.refused {
            *self.refused.entry(status).or_default() += count;
        }
    }

    fn refuse(&mut self, status: &str) {
        *self.refused.entry(shown(status)).or_default() += 1;
    }

    /// Why not everything is gone; `None` where it is.
    pub(super) fn kept(&self, what: &str) -> Option<Answer> {
        let left: u64 = self.refused.values().sum();
        if left == 0 {
            return None;
        }
        let is = |codes: &[&str]| {
            let of = |status: &String| {
                codes.iter().any(|code| status.starts_with(code) || status.contains(&format!("({code}")))
            };
            self.refused.keys().any(of)
        };
        let outcome = match () {
            () if is(&["5", "408", "429", "498", "499", "no answer"]) => Outcome::Unavailable,
            () if is(&["401", "403"]) => Outcome::Forbidden,
            () => Outcome::Failed,
        };
        let why: Vec<_> = self.refused.iter().map(|(status, count)| format!("{count} x {status}")).collect();
        let all = self.through();
        let why = why.join(", ");
        Some(Answer::because(
            outcome,
            format!("{left} of {all} {what} could not be deleted ({why}); {} are gone", all - left),
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tally(json: &str, asked: usize) -> Tally {
        serde_json::from_str::<Report>(json).unwrap().tally(asked)
    }

    fn outcome(json: &str, asked: usize) -> Option<Outcome> {
        tally(json, asked).kept("segments").map(|answer| answer.outcome)
    }

    /// The first three are what Swift 2.38 answered; the fourth is Ceph's form.
    #[test]
    fn every_object_of_a_report_is_accounted_for() {
        let clean = r#"   {"Number Not Found": 1, "Response Status": "200 OK", "Errors": [], "Number Deleted": 3, "Response Body": ""}"#;
        assert_eq!(tally(clean, 4), Tally { gone: 3, missing: 1, refused: BTreeMap::new() });
        assert_eq!(outcome(clean, 4), None);
        assert_eq!(outcome(clean, 5), Some(Outcome::Failed), "one was left out");
        let refused = r#"{"Number Not Found": 0, "Response Status": "400 Bad Request",
            "Errors": [["/glance/seg/x/1", "403 Forbidden"]], "Number Deleted": 1, "Response Body": ""}"#;
        assert_eq!(outcome(refused, 2), Some(Outcome::Forbidden));
        let answer = tally(refused, 2).kept("segments").unwrap();
        assert_eq!(answer.detail.unwrap(), "1 of 2 segments could not be deleted (1 x 403 Forbidden); 1 are gone");
        let down = r#"{"Response Status": "502 Bad Gateway", "Errors": [["/a", "503 Service Unavailable"]], "Number Deleted": 0}"#;
        assert_eq!(outcome(down, 1), Some(Outcome::Unavailable));
        let ceph = r#"{"Response Status": "400 Bad Request", "Errors": [{"Name": "/a", "Status": "409 Conflict"}]}"#;
        assert_eq!(outcome(ceph, 1), Some(Outcome::Failed));
        let whole = r#"{"Response Status": "413 Request Entity Too Large", "Errors": []}"#;
        assert_eq!(outcome(whole, 2), Some(Outcome::Failed));
        assert_eq!(outcome("{}", 1), Some(Outcome::Unavailable));
    }

    #[test]
    fn a_cluster_says_what_it_can_do() {
        let info = br#"{"swift": {}, "bulk_delete": {"max_deletes_per_request": 1000}, "slo": {"max_manifest_segments": 1000}}"#;
        assert_eq!(read_info(info), Features { bulk: Some(1000), slo: true });
        assert_eq!(read_info(br#"{"bulk_delete": {}}"#), Features { bulk: Some(AT_ONCE), slo: false });
        for nothing in [&b"{}"[..], b"<html>", b""] {
            assert_eq!(read_info(nothing), Features::default());
        }
        for (base, info) in [
            ("http://h:1/v1/AUTH_x", "http://h:1/info"),
            ("https://h/swift/v1/AUTH_x?a", "https://h/swift/info"),
            ("https://h/other", "https://h/info"),
        ] {
            assert_eq!(info_url(&base.parse().unwrap()).as_str(), info);
        }
    }
}
