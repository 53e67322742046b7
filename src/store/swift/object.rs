//! One object: its URL, a look at it, and its delete.

use reqwest::Url;
use reqwest::header::{HeaderName, HeaderValue};

use super::accounts::Account;
use crate::scrub::Approved;
use crate::store::client::{Order, Reply};
use crate::store::{Answer, Outcome};

/// Asks all replicas, and takes the newest answer: one of them may not know yet what the others have.
const X_NEWEST: HeaderName = HeaderName::from_static("x-newest");

/// What lies under an object's name (Swift's "Large Objects").
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Look {
    /// An object without a manifest. Its bytes.
    Plain(u64),
    /// A static large object: a list of segments that is kept with it. The segments' bytes.
    Static(u64),
    /// A dynamic large object: all objects that begin with what `manifest` says. The segments' bytes, where Swift counted
    /// them.
    Dynamic { manifest: String, bytes: Option<u64> },
    /// Nothing.
    Missing,
}

/// How sure a look must be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sure {
    /// The first replica's word.
    Fairly,
    /// All replicas that answer.
    Newest,
}

/// `HEAD` of an object.
pub(super) async fn look(account: &Account, container: &str, object: &str, sure: Sure) -> Result<Look, Answer> {
    let order = |base: &Url| {
        let order = Order::head(object_url(base, container, object)?);
        Ok(if sure == Sure::Newest { order.header(X_NEWEST, HeaderValue::from_static("true")) } else { order })
    };
    let reply = account.send(order).await?;
    match reply.status.as_u16() {
        200..=299 => Ok(of_headers(&reply)),
        404 => Ok(Look::Missing),
        _ => Err(reply.unexpected("look at the object")),
    }
}

fn of_headers(reply: &Reply) -> Look {
    let bytes = reply.header("content-length").and_then(|length| length.parse().ok());
    // Any case: swift/common/middleware/slo.py asks config_true_value.
    if reply.header("x-static-large-object").is_some_and(|is| is.eq_ignore_ascii_case("true")) {
        return Look::Static(bytes.unwrap_or_default());
    }
    match reply.headers.get("x-object-manifest") {
        // What is no text is no manifest of ours; it will be said to be one that cannot be read.
        Some(manifest) => Look::Dynamic { manifest: String::from_utf8_lossy(manifest.as_bytes()).into_owned(), bytes },
        None => Look::Plain(bytes.unwrap_or_default()),
    }
}

/// `DELETE` of one object; whether it was there.
pub(super) async fn delete(
    account: &Account,
    container: &str,
    object: &str,
    approved: &Approved,
) -> Result<bool, Answer> {
    let order =
        |base: &Url| Ok(Order::delete(object_url(base, container, object)?).takes_away(std::slice::from_ref(approved)));
    let reply = account.send(order).await?;
    match reply.status.as_u16() {
        200..=299 => Ok(true),
        404 => Ok(false),
        _ => Err(reply.unexpected("delete the object")),
    }
}

/// The URL of an object, which may have slashes in its name.
pub(super) fn object_url(base: &Url, container: &str, object: &str) -> Result<Url, Answer> {
    below(base, [container].into_iter().chain(object.split('/')))
}

pub(super) fn container_url(base: &Url, container: &str) -> Result<Url, Answer> {
    below(base, [container])
}

fn below<'a>(base: &Url, parts: impl IntoIterator<Item = &'a str>) -> Result<Url, Answer> {
    let failed = |why: &str| Answer::because(Outcome::Failed, why);
    let mut url = base.clone();
    url.set_query(None);
    url.set_fragment(None);
    let mut path = url.path_segments_mut().map_err(|()| failed("the object store's URL has no path"))?;
    path.pop_if_empty();
    for part in parts {
        // The URL would go up to what lies above.
        if matches!(part, "." | "..") {
            return Err(failed("a name with . or .. in it cannot be asked for"));
        }
        path.push(part);
    }
    drop(path);
    Ok(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_quoted_and_stay_below_their_container() {
        let base: Url = "http://h:8080/v1/AUTH_x/?a#b".parse().unwrap();
        let url = |container, object| object_url(&base, container, object).map(|url| url.to_string());
        assert_eq!(url("glance", "o").unwrap(), "http://h:8080/v1/AUTH_x/glance/o");
        assert_eq!(url("my c", "a%b?c#d/e").unwrap(), "http://h:8080/v1/AUTH_x/my%20c/a%25b%3Fc%23d/e");
        assert!(url("..", "o").is_err());
        assert!(url("glance", "a/../../other/o").is_err());
    }
}
