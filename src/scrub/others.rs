//! What other scrubbers had claimed when a lane came to it.
//!
//! Promises: a lane that has come to the end of its list waits for others' claims only as long as their scrubbers may
//! have died: a claim that is renewed is left to its owner, one that is released or lapses is looked at again. So the
//! share of a dead scrubber is taken over within its lease, by whoever is still in a cycle.

use std::collections::HashMap;
use std::time::Duration;

use chrono::{DateTime, Utc};
use tokio_util::sync::CancellationToken;

use crate::catalog::LocationId;
use crate::claim::{Claim, Party};

/// The first wait; then twice as long each time, up to [`LONGEST`]. The share of one that lives is finished soon.
const SHORTEST: Duration = Duration::from_millis(100);
const LONGEST: Duration = Duration::from_secs(5);

/// The claims of others, in one lane.
#[derive(Debug, Default)]
pub(super) struct Others {
    waited: Option<Duration>,
    /// Those that may be of a dead scrubber.
    doubtful: HashMap<LocationId, Claim>,
    /// When each would have lapsed, as first seen.
    first_seen: HashMap<LocationId, DateTime<Utc>>,
}

impl Others {
    /// Takes note of a claim. It comes back where its owner lives, so that there is nothing to wait for.
    pub(super) fn note(&mut self, location: LocationId, claim: Claim) -> Option<Claim> {
        let first = *self.first_seen.entry(location).or_insert(claim.until);
        // A restore is over in moments, and what it leaves is either active or pending for the next cycle.
        if claim.until > first || claim.owner.party() == Party::Restore {
            return Some(claim);
        }
        self.doubtful.insert(location, claim);
        None
    }

    /// Waits a moment where there is something to wait for. False: there is not, or it is time to stop.
    pub(super) async fn wait(&mut self, stop: &CancellationToken) -> bool {
        if self.doubtful.is_empty() {
            return false;
        }
        let wait = self.waited.map_or(SHORTEST, |waited| (waited * 2).min(LONGEST));
        self.waited = Some(wait);
        stop.run_until_cancelled(tokio::time::sleep(wait)).await.is_some()
    }

    /// Those that were waited for, to be looked at again.
    pub(super) fn take(&mut self) -> Vec<LocationId> {
        let mut locations: Vec<_> = self.doubtful.drain().map(|(location, _)| location).collect();
        locations.sort_unstable();
        locations
    }

    /// Those that are still waited for when the lane ends.
    pub(super) fn left(&mut self) -> Vec<(LocationId, Claim)> {
        self.doubtful.drain().collect()
    }
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::*;
    use crate::claim::Owner;

    #[test]
    fn a_claim_that_is_renewed_is_left_to_its_owner() {
        let mut others = Others::default();
        let (location, owner) = (LocationId(1), Owner::new(Party::Scrubber));
        let claim = |seconds| {
            let until = DateTime::UNIX_EPOCH + TimeDelta::seconds(seconds);
            Claim { owner: owner.clone(), until }
        };
        assert!(others.note(location, claim(60)).is_none());
        assert_eq!(others.take(), [location]);
        assert!(others.note(location, claim(60)).is_none(), "it may be of a dead one");
        others.take();
        assert!(others.note(location, claim(61)).is_some());
        assert!(others.left().is_empty());
    }

    #[test]
    fn nobody_waits_for_a_restore() {
        let claim = Claim { owner: Owner::new(Party::Restore), until: DateTime::UNIX_EPOCH };
        assert!(Others::default().note(LocationId(1), claim).is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn there_is_nothing_to_wait_for_without_a_claim_or_after_a_stop() {
        let (mut others, stop) = (Others::default(), CancellationToken::new());
        assert!(!others.wait(&stop).await);
        let claim = Claim { owner: Owner::new(Party::Scrubber), until: DateTime::UNIX_EPOCH };
        assert!(others.note(LocationId(1), claim).is_none());
        assert!(others.wait(&stop).await && others.wait(&stop).await);
        stop.cancel();
        assert!(!others.wait(&stop).await);
        assert_eq!(others.left().len(), 1);
    }
}
