//! What lies in a container under a prefix, page by page.
//!
//! Promises: as far as the container's own list goes, which Swift brings up to date some moments after an object. A page
//! is as long as the cluster makes it (10,000 by default); the last one is empty.

use reqwest::Url;
use serde::Deserialize;

use super::accounts::Account;
use super::object::container_url;
use crate::store::client::Order;
use crate::store::{Answer, Outcome};

#[derive(Deserialize)]
struct Entry {
    /// Not for the directories of a listing with a delimiter, which is not asked for.
    name: Option<String>,
}

/// The names after `marker`. A container that is not there has none.
pub(super) async fn page(
    account: &Account,
    container: &str,
    prefix: &str,
    marker: &str,
) -> Result<Vec<String>, Answer> {
    let order = |base: &Url| {
        let mut url = container_url(base, container)?;
        url.query_pairs_mut().append_pair("format", "json").append_pair("prefix", prefix).append_pair("marker", marker);
        Ok(Order::get(url))
    };
    let reply = account.send(order).await?;
    match reply.status.as_u16() {
        204 | 404 => Ok(Vec::new()),
        200..=299 => {
            let names: Vec<_> = reply.json::<Vec<Entry>>()?.into_iter().filter_map(|entry| entry.name).collect();
            // What does not lie there was not asked for; and a list that goes back has no end.
            let fits = |name: &String| name.starts_with(prefix) && name.as_str() > marker;
            if names.iter().all(fits) {
                Ok(names)
            } else {
                Err(Answer::because(Outcome::Failed, "the container's list has names that were not asked for"))
            }
        }
        _ => Err(reply.unexpected("list the segments")),
    }
}
