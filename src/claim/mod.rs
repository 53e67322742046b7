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
//! over from a restore: a call that was in hand when its process was lost, or that was given up at its deadline, may
//! still take effect for some time. So a location rests: nobody restores it before one more lease has passed, whoever
//! claimed and released it meanwhile ([`rest_after_take_over`], [`rest_after_release`]).
//!
//! Rejected: locks that a server holds for a session (`GET_LOCK` is forbidden on Percona's clusters and means nothing on
//! Galera's other nodes); and leases by the hosts' clocks, one of which is wrong sooner or later.

mod lease;
mod owner;

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

pub use lease::{Lease, Moment, Tenure};
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
        Self { owner, until: later(now, lease) }
    }
}

/// How a location stands: who works on it, and until when a call that nobody waits for may still take effect.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Hold {
    /// Whose it is, lapsed or not.
    pub claim: Option<Claim>,
    /// Until when nobody may restore it, by the clock of the database.
    pub rests_until: Option<DateTime<Utc>>,
}

/// Whether `by` may claim a location that stands so, at the database's `now`. `lease` is how long a claim lasts.
///
/// Between scrubbers a claim ends when it lapses. Where a restore is on either side it must have been over for one lease
/// more: by then the last call that began under it has ended, or was given up by the backend too.
pub fn may_take(hold: &Hold, by: &Owner, now: DateTime<Utc>, lease: Duration) -> bool {
    if by.party() == Party::Restore && hold.rests_until.is_some_and(|until| now < until) {
        return false;
    }
    let Some(held) = &hold.claim else { return true };
    if held.owner == *by {
        return true;
    }
    let between_scrubbers = by.party() == Party::Scrubber && held.owner.party() == Party::Scrubber;
    now >= if between_scrubbers { held.until } else { later(held.until, lease) }
}

/// How a location stands once `by`, who may take it, has. What a claim that is taken over leaves behind rests.
pub fn take(hold: &Hold, by: &Owner, now: DateTime<Utc>, lease: Duration) -> Hold {
    let claim = Some(Claim::new(by.clone(), now, lease));
    Hold { claim, rests_until: rest_after_take_over(hold, by, lease) }
}

/// Until when a location rests that `by` has taken.
pub fn rest_after_take_over(hold: &Hold, by: &Owner, lease: Duration) -> Option<DateTime<Utc>> {
    let taken_over = hold.claim.as_ref().filter(|held| held.owner != *by);
    hold.rests_until.max(taken_over.map(|held| later(held.until, lease)))
}

/// How a location stands that was released but not finished. `unanswered`: its call was given up, and may take effect yet.
/// A connection may break long before a call's deadline, so that the rest counts from the end of the claim, which no
/// call outlasts, and not from `now`.
pub fn release(hold: &Hold, unanswered: bool, now: DateTime<Utc>, lease: Duration) -> Hold {
    let ends = hold.claim.as_ref().map_or(now, |held| held.until.max(now));
    Hold { claim: None, rests_until: hold.rests_until.max(unanswered.then(|| later(ends, lease))) }
}

fn later(at: DateTime<Utc>, lease: Duration) -> DateTime<Utc> {
    let end = TimeDelta::from_std(lease).ok().and_then(|lease| at.checked_add_signed(lease));
    end.unwrap_or(DateTime::<Utc>::MAX_UTC)
}

/// Whether a claim is still `by`'s, so that `by` may renew it, release it, and record what became of its location.
/// A claim that lapsed and that nobody took over is.
pub fn is_held_by(hold: &Hold, by: &Owner) -> bool {
    hold.claim.as_ref().is_some_and(|held| held.owner == *by)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEASE: Duration = Duration::from_secs(60);

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + TimeDelta::seconds(seconds)
    }

    fn held(by: &Owner, from: i64) -> Hold {
        Hold { claim: Some(Claim::new(by.clone(), at(from), LEASE)), rests_until: None }
    }

    #[test]
    fn a_scrubber_takes_over_when_a_claim_lapses_and_not_before() {
        let (mine, theirs) = (Owner::new(Party::Scrubber), Owner::new(Party::Scrubber));
        let held = held(&theirs, 0);
        assert!(may_take(&Hold::default(), &mine, at(0), LEASE));
        assert!(!may_take(&held, &mine, at(59), LEASE));
        assert!(may_take(&held, &mine, at(60), LEASE));
        assert!(may_take(&held, &theirs, at(0), LEASE), "it is its own");
    }

    #[test]
    fn with_a_restore_on_either_side_a_claim_rests_for_a_lease() {
        let (scrubber, restore) = (Owner::new(Party::Scrubber), Owner::new(Party::Restore));
        for (holder, by) in [(&scrubber, &restore), (&restore, &scrubber), (&restore, &Owner::new(Party::Restore))] {
            let held = held(holder, 0);
            assert!(!may_take(&held, by, at(119), LEASE));
            assert!(may_take(&held, by, at(120), LEASE));
        }
    }

    #[test]
    fn what_a_lost_scrubber_left_rests_through_a_take_over() {
        let (lost, other) = (Owner::new(Party::Scrubber), Owner::new(Party::Scrubber));
        let restore = Owner::new(Party::Restore);
        let taken = take(&held(&lost, 0), &other, at(60), LEASE);
        let released = release(&taken, false, at(61), LEASE);
        assert_eq!(released, Hold { claim: None, rests_until: Some(at(120)) });
        assert!(!may_take(&released, &restore, at(119), LEASE), "the lost one's call may still take effect");
        assert!(may_take(&released, &restore, at(120), LEASE));
        assert!(may_take(&released, &lost, at(61), LEASE), "scrubbers need not wait");
    }

    #[test]
    fn a_call_that_was_given_up_rests_and_an_answered_one_does_not() {
        let (scrubber, restore) = (Owner::new(Party::Scrubber), Owner::new(Party::Restore));
        let held = held(&scrubber, 0);
        assert!(may_take(&release(&held, false, at(10), LEASE), &restore, at(10), LEASE));
        let unanswered = release(&held, true, at(10), LEASE);
        assert!(
            !may_take(&unanswered, &restore, at(119), LEASE),
            "its end is the claim's, not the moment it was given up"
        );
        assert!(may_take(&unanswered, &restore, at(120), LEASE));
        assert_eq!(release(&held, true, at(90), LEASE).rests_until, Some(at(150)), "given up after its claim lapsed");
        let later = Hold { rests_until: Some(at(500)), ..held };
        assert_eq!(release(&later, true, at(10), LEASE).rests_until, Some(at(500)), "never shortened");
    }

    #[test]
    fn only_its_holder_has_a_claim_lapsed_or_not() {
        let (mine, theirs) = (Owner::new(Party::Scrubber), Owner::new(Party::Scrubber));
        assert!(is_held_by(&held(&mine, 0), &mine));
        assert!(!is_held_by(&held(&mine, 0), &theirs));
        assert!(!is_held_by(&Hold::default(), &mine));
    }

    #[test]
    fn a_lease_beyond_all_time_is_never_over() {
        let (mine, theirs) = (Owner::new(Party::Scrubber), Owner::new(Party::Restore));
        let held = Hold { claim: Some(Claim::new(theirs, at(0), Duration::MAX)), rests_until: None };
        assert!(!may_take(&held, &mine, at(i64::from(u32::MAX)), Duration::MAX));
    }
}
