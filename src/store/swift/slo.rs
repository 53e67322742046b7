//! Static large objects: a manifest that lists its segments by name. Glance writes none, but other tools do.
//!
//! Promises: the segments go first, and the manifest when they are gone. Swift's own `?multipart-manifest=delete` takes
//! the manifest away even where it could not take the segments, which then nobody finds any more; it is asked only at the
//! end, and its report read, which stands in the body of a `200 OK`. A manifest that lists what bears another image's id is
//! left for somebody to look at.

use futures::stream::{self, StreamExt};
use reqwest::Url;
use reqwest::header::{ACCEPT, HeaderValue};
use serde::Deserialize;

use super::accounts::Account;
use super::bulk::{Features, Name, Tally, delete_all, read_report};
use super::object::{self, Look, Sure, object_url};
use crate::location::shape::is_uuid;
use crate::observe::text::harmless;
use crate::scrub::Approved;
use crate::store::client::Order;
use crate::store::{Answer, Outcome};

/// Looks at the same time.
const PARALLEL: usize = 8;

/// A line of a manifest (`swift/common/middleware/slo.py`, `?multipart-manifest=get`).
#[derive(Deserialize)]
struct Line {
    /// `/container/object`; none for data that stands in the manifest itself.
    name: Option<String>,
    /// A manifest in its turn.
    #[serde(default)]
    sub_slo: bool,
}

/// What a manifest lists.
#[derive(Debug, PartialEq, Eq)]
struct Parts {
    plain: Vec<Name>,
    /// Manifests in their turn.
    nested: Vec<Name>,
}

/// Deletes the segments, then the manifest. `None`: the manifest was gone by then.
pub(super) async fn delete(
    account: &Account,
    features: Features,
    container: &str,
    object: &str,
    approved: &Approved,
) -> Result<Option<Answer>, Answer> {
    let Some(parts) = parts(account, container, object).await? else { return Ok(None) };
    let total = parts.plain.len() as u64 + 1;
    let tell = |done: u64| approved.pulse().tell(done, total);
    let mut tally = delete_all(account, features, &parts.plain, approved, tell).await?;
    for (container, object) in &parts.nested {
        tally.add(whole(account, container, object, approved).await?);
    }
    if let Some(kept) = tally.kept("segments") {
        return Ok(Some(kept));
    }
    let rest = whole(account, container, object, approved).await?;
    Ok(Some(rest.kept("objects of its manifest").unwrap_or(Answer::plain(Outcome::Deleted))))
}

/// How many segments are gone, of how many.
pub(super) async fn missing(account: &Account, container: &str, object: &str) -> Result<(usize, usize), Answer> {
    let Some(Parts { plain, nested }) = parts(account, container, object).await? else { return Ok((0, 0)) };
    let all: Vec<_> = plain.into_iter().chain(nested).collect();
    let (mut gone, count) = (0, all.len());
    let look =
        |(container, object): Name| async move { object::look(account, &container, &object, Sure::Fairly).await };
    let mut looks = stream::iter(all).map(look).buffer_unordered(PARALLEL);
    while let Some(look) = looks.next().await {
        gone += usize::from(look? == Look::Missing);
    }
    Ok((gone, count))
}

async fn parts(account: &Account, container: &str, object: &str) -> Result<Option<Parts>, Answer> {
    let order = |base: &Url| {
        let mut url = object_url(base, container, object)?;
        url.set_query(Some("multipart-manifest=get"));
        Ok(Order::get(url))
    };
    let reply = account.send(order).await?;
    match reply.status.as_u16() {
        200..=299 => sort(reply.json()?, object).map(Some),
        404 => Ok(None),
        _ => Err(reply.unexpected("read the manifest")),
    }
}

fn sort(lines: Vec<Line>, object: &str) -> Result<Parts, Answer> {
    let mut parts = Parts { plain: Vec::new(), nested: Vec::new() };
    for Line { name, sub_slo } in lines {
        let Some(name) = name else { continue };
        let Some((container, segment)) = name.trim_start_matches('/').split_once('/') else {
            return Err(Answer::because(Outcome::Failed, "its manifest lists something that is no object"));
        };
        if bears_another_id(segment, object) {
            let shown: String = name.chars().take(200).collect();
            let detail = format!(
                "its manifest lists {:?}, which by its name is another image's; delete it by hand",
                harmless(&shown)
            );
            return Err(Answer::because(Outcome::Failed, detail));
        }
        let name = (container.to_owned(), segment.to_owned());
        let list = if sub_slo { &mut parts.nested } else { &mut parts.plain };
        if !list.contains(&name) {
            list.push(name);
        }
    }
    Ok(parts)
}

/// Whether a part of the name begins with the id of an image that is not this one.
fn bears_another_id(segment: &str, object: &str) -> bool {
    segment.split('/').filter_map(|part| part.get(..36)).any(|head| is_uuid(head) && head != object)
}

/// `?multipart-manifest=delete`: the manifest with all that it lists.
async fn whole(account: &Account, container: &str, object: &str, approved: &Approved) -> Result<Tally, Answer> {
    let order = |base: &Url| {
        let mut url = object_url(base, container, object)?;
        url.set_query(Some("multipart-manifest=delete"));
        let order = Order::delete(url).header(ACCEPT, HeaderValue::from_static("application/json"));
        Ok(order.takes_away(std::slice::from_ref(approved)))
    };
    let reply = account.send(order).await?;
    match reply.status.as_u16() {
        404 => Ok(Tally::default()),
        _ => read_report(&reply, 1, "delete the large object"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "5f0c8a1e-3d2b-4c6f-9a7d-0b1e2f3a4c5d";
    const OTHER: &str = "6f0c8a1e-3d2b-4c6f-9a7d-0b1e2f3a4c5d";

    fn sorted(names: &[String]) -> Option<(usize, usize)> {
        let line = |name: &String| Line { name: Some(name.clone()), sub_slo: name.contains("nested") };
        let parts = sort(names.iter().map(line).collect(), ID).ok()?;
        Some((parts.plain.len(), parts.nested.len()))
    }

    #[test]
    fn what_bears_another_images_id_is_no_segment_of_this_one() {
        let own = [format!("/segs/{ID}-00001"), format!("/segs/{ID}/slo/1/2/3"), "/segs/a/b".to_owned()];
        assert_eq!(sorted(&own), Some((3, 0)));
        assert_eq!(sorted(&[format!("/segs/{ID}/nested")]), Some((0, 1)));
        assert_eq!(sorted(&[own[0].clone(), own[0].clone()]), Some((1, 0)), "listed twice");
        for other in [format!("/glance/{OTHER}"), format!("/glance/x/{OTHER}-00001"), "/glance".to_owned()] {
            assert_eq!(sorted(&[own[0].clone(), other.clone()]), None, "{other}");
        }
    }
}
