//! Containers: the proof that one is there, and the end of one that was an image's own.

use reqwest::Url;

use super::accounts::Account;
use super::dlo::Segments;
use super::listing::page;
use super::object::container_url;
use crate::scrub::Approved;
use crate::store::client::Order;
use crate::store::{Answer, Outcome};

/// What a container says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Seen {
    /// Swift keeps what is deleted (`X-Versions-Enabled`, `X-History-Location`).
    pub keeps_versions: bool,
}

/// Looks at a container; `None` where it is not there, although its account is.
pub(super) async fn look(account: &Account, container: &str) -> Result<Option<Seen>, Answer> {
    let reply = account.send(|base: &Url| Ok(Order::head(container_url(base, container)?))).await?;
    match reply.status.as_u16() {
        200..=299 => {
            let enabled = reply.header("x-versions-enabled").is_some_and(|is| is.eq_ignore_ascii_case("true"));
            Ok(Some(Seen { keeps_versions: enabled || reply.header("x-history-location").is_some() }))
        }
        404 => {
            let reply = account.send(|base: &Url| Ok(Order::head(base.clone()))).await?;
            match reply.status.is_success() {
                true => Ok(None),
                false => Err(match reply.status.as_u16() {
                    // Its project was removed, or it is not this cluster's.
                    404 | 410 => Answer::because(
                        Outcome::Unavailable,
                        format!("there is no account {}; is it the right cluster?", account.name),
                    ),
                    _ => reply.unexpected("look at the account"),
                }),
            }
        }
        _ => Err(reply.unexpected("look at the container")),
    }
}

/// Removes a container that was one image's own. What keeps it there is no reason to keep the location: the data is gone.
///
/// # Errors
/// `unavailable`: it should be tried again. Swift brings a container's list up to date some moments after an object, and
/// takes the container for full as long.
pub(super) async fn remove(
    account: &Account,
    container: &str,
    object: &str,
    approved: &Approved,
) -> Result<Option<String>, Answer> {
    let order =
        |base: &Url| Ok(Order::delete(container_url(base, container)?).takes_away(std::slice::from_ref(approved)));
    let reply = account.send(order).await?;
    let stays = |why: &str| Ok(Some(format!("its container {container} stays: {why}")));
    match reply.status.as_u16() {
        200..=299 | 404 => Ok(None),
        409 => {
            let segments = Segments::of_glance(container, object);
            let listed = page(account, container, "", "").await?;
            if listed.iter().any(|name| name != object && !segments.is_glances(name)) {
                return stays("it is not empty");
            }
            let why =
                format!("Swift has not noticed yet that container {container} is empty; the next cycle removes it");
            Err(Answer::because(Outcome::Unavailable, why))
        }
        401 | 403 => stays("we may not delete it (the reseller role can)"),
        _ => {
            let answer = reply.unexpected("delete the image's container");
            match answer.outcome {
                Outcome::Unavailable => Err(answer),
                _ => stays(&answer.detail.unwrap_or_default()),
            }
        }
    }
}
