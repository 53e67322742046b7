//! Who may touch a location: the protocol between scrubbers on several hosts, and a restore.
//!
//! Promises: pure; every decision of the protocol is one of the functions here, and the database's side
//! (`catalog/claims`), the cycle and the restore all call them, as does the model that checks the protocol exhaustively.
//! The protocol:
//!
//! 1. A location is claimed for a time, its lease, by the clock of the database ([`may_take`]).
//! 2. Its rows are read again after that; a restore that came first shows there.
//! 3. A call to a store begins only if it must end before the lease does ([`Lease::covers`]); leases are renewed while
//!    work is in hand.
//! 4. What became of it is recorded and the claim released in one transaction, and only by the claim's holder
//!    ([`is_held_by`]).
//!
//! A scrubber takes over a lapsed claim at once: to delete twice harms nothing. A restore does not, nor is one taken
//! over from a restore: a call that was in hand when its process was lost may still take effect for some time. That is
//! over when the lease has passed a second time (see [`may_take`]).
//!
//! Rejected: locks that a server holds for a session (`GET_LOCK` is forbidden on Percona's clusters and means nothing on
//! Galera's other nodes); and leases by the hosts' clocks, one of which is wrong sooner or later.

mod lease;
mod owner;

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

pub use lease::{Lease, Moment};
pub use owner::{Owner, Party};

/// A claim as the table has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// Whose it is.
    pub owner: Owner,
    /// When it lapses, by the clock of the database.
    pub until: DateTime<Utc>,
}

impl Claim {
    /// A claim that begins `now`.
    pub fn new(owner: Owner, now: DateTime<Utc>, lease: Duration) -> Self {
        let until = TimeDelta::from_std(lease).ok().and_then(|lease| now.checked_add_signed(lease));
        Self { owner, until: until.unwrap_or(DateTime::<Utc>::MAX_UTC) }
    }
}

/// Whether `by` may claim a location that `held` claims, at the database's `now`. `lease` is how long a claim lasts.
///
/// Between scrubbers a claim ends when it lapses. Where a restore is on either side it must have been over for one lease
/// more: by then the last call that began under it has ended, or was given up by the backend too.
pub fn may_take(held: Option<&Claim>, by: &Owner, now: DateTime<Utc>, lease: Duration) -> bool {
    let Some(held) = held else { return true };
    if held.owner == *by {
        return true;
    }
    let between_scrubbers = by.party() == Party::Scrubber && held.owner.party() == Party::Scrubber;
    let rest = if between_scrubbers { Duration::ZERO } else { lease };
    let free = TimeDelta::from_std(rest).ok().and_then(|rest| held.until.checked_add_signed(rest));
    free.is_some_and(|free| now >= free)
}

/// Whether a claim is still `by`'s, so that `by` may renew it, release it, and record what became of its location.
/// A claim that lapsed and that nobody took over is.
pub fn is_held_by(held: Option<&Claim>, by: &Owner) -> bool {
    held.is_some_and(|held| held.owner == *by)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEASE: Duration = Duration::from_secs(60);

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + TimeDelta::seconds(seconds)
    }

    #[test]
    fn a_scrubber_takes_over_when_a_claim_lapses_and_not_before() {
        let (mine, theirs) = (Owner::new(Party::Scrubber), Owner::new(Party::Scrubber));
        let held = Claim::new(theirs.clone(), at(0), LEASE);
        assert!(may_take(None, &mine, at(0), LEASE));
        assert!(!may_take(Some(&held), &mine, at(59), LEASE));
        assert!(may_take(Some(&held), &mine, at(60), LEASE));
        assert!(may_take(Some(&held), &theirs, at(0), LEASE), "it is its own");
    }

    #[test]
    fn with_a_restore_on_either_side_a_claim_rests_for_a_lease() {
        let (scrubber, restore) = (Owner::new(Party::Scrubber), Owner::new(Party::Restore));
        for (held, by) in [(&scrubber, &restore), (&restore, &scrubber), (&restore, &Owner::new(Party::Restore))] {
            let held = Claim::new(held.clone(), at(0), LEASE);
            assert!(!may_take(Some(&held), by, at(119), LEASE));
            assert!(may_take(Some(&held), by, at(120), LEASE));
        }
    }

    #[test]
    fn only_its_holder_has_a_claim_lapsed_or_not() {
        let (mine, theirs) = (Owner::new(Party::Scrubber), Owner::new(Party::Scrubber));
        let held = Claim::new(mine.clone(), at(0), LEASE);
        assert!(is_held_by(Some(&held), &mine));
        assert!(!is_held_by(Some(&held), &theirs));
        assert!(!is_held_by(None, &mine));
    }

    #[test]
    fn a_lease_beyond_all_time_is_never_over() {
        let (mine, theirs) = (Owner::new(Party::Scrubber), Owner::new(Party::Restore));
        let held = Claim::new(theirs, at(0), Duration::MAX);
        assert!(!may_take(Some(&held), &mine, at(i64::from(u32::MAX)), Duration::MAX));
    }
}
