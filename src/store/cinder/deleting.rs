//! One list of all volumes that are being deleted, instead of a question for each.
//!
//! Promises: what is in the list was `deleting` a moment ago, and is to be asked for again later. What is not in it may be
//! anything (gone, failed, on a further page, or not deleting yet when the list was made), and is looked at by itself.

use std::collections::HashSet;
use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::Instant;

use super::api::Api;
use crate::store::Answer;

/// So many volumes are as well asked for one by one.
pub(super) const FEW: usize = 3;

/// For how long a list is good. Shorter than the pause between two looks at a volume.
const GOOD_FOR: Duration = Duration::from_millis(400);

#[derive(Debug, Default)]
pub(super) struct Deleting(Mutex<Option<(Instant, HashSet<String>)>>);

impl Deleting {
    /// Whether a volume is being deleted for certain.
    ///
    /// # Errors
    /// There is no list.
    pub(super) async fn lists(&self, api: &Api, volume: &str) -> Result<bool, Answer> {
        let mut list = self.0.lock().await;
        if let Some((_, volumes)) = list.as_ref().filter(|(made, _)| made.elapsed() < GOOD_FOR) {
            return Ok(volumes.contains(volume));
        }
        let volumes = api.deleting().await?;
        let is_listed = volumes.contains(volume);
        *list = Some((Instant::now(), volumes));
        Ok(is_listed)
    }
}
