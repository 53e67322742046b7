//! How long a holder may still rely on its claims, by a clock of its own.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// A point on a clock that nobody sets and that goes on while the host is suspended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Moment(Duration);

impl Moment {
    /// Now: Linux's `CLOCK_BOOTTIME`. `Instant` stands still while the host sleeps, and leases do not.
    pub fn now() -> Self {
        let time = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
        let (seconds, nanos) = (u64::try_from(time.tv_sec), u32::try_from(time.tv_nsec));
        Self(Duration::new(seconds.unwrap_or_default(), nanos.unwrap_or_default()))
    }

    /// So long after the host's start; for who brings a time of their own.
    pub const fn at(since_boot: Duration) -> Self {
        Self(since_boot)
    }
}

/// The lease of what a holder claimed or renewed in one statement, as the holder knows it. Of what was claimed later
/// there is another one: the earlier must not be taken for longer than it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lease {
    until: Moment,
}

impl Lease {
    /// A lease that was asked for at `asked`, before the statement was sent: the database counts from a later moment, so
    /// this ends no later than the claim itself.
    pub fn since(asked: Moment, length: Duration) -> Self {
        Self { until: Moment(asked.0.saturating_add(length)) }
    }

    /// Whether a call that takes `longest` at most and begins `now` ends before the lease.
    pub fn covers(&self, now: Moment, longest: Duration) -> bool {
        now.0.checked_add(longest).is_some_and(|end| end <= self.until.0)
    }
}

/// The lease of one location, renewed by the cycle and asked by whoever is about to touch the data, in any thread.
#[derive(Debug, Clone, Default)]
pub struct Tenure(Option<Arc<Held>>);

#[derive(Debug)]
struct Held {
    /// `None`: somebody else has it.
    lease: Mutex<Option<Lease>>,
    longest: Duration,
}

impl Tenure {
    /// For a location that is claimed, and whose call takes `longest` at most. The default is one that needs no claim.
    pub fn of(lease: Lease, longest: Duration) -> Self {
        Self(Some(Arc::new(Held { lease: Mutex::new(Some(lease)), longest })))
    }

    /// The claim was renewed; `None`: it was lost.
    pub fn renew(&self, lease: Option<Lease>) {
        if let Some(held) = &self.0 {
            *held.lease.lock().unwrap_or_else(PoisonError::into_inner) = lease;
        }
    }

    /// Whether a call may begin now: it must end before the lease does. Between this answer and what it permits there is
    /// always a moment. A process that is stopped in just that one is noticed by nobody; a restore has waited for one lease
    /// more than the claim's, so that the stop has to last for longer than what is left of both.
    pub fn lets_begin(&self) -> bool {
        self.0.as_ref().is_none_or(|held| held.covers(held.longest))
    }

    /// Whether a call that is under way may go on.
    pub fn lasts(&self) -> bool {
        self.0.as_ref().is_none_or(|held| held.covers(Duration::ZERO))
    }
}

impl Held {
    fn covers(&self, longest: Duration) -> bool {
        let lease = *self.lease.lock().unwrap_or_else(PoisonError::into_inner);
        lease.is_some_and(|lease| lease.covers(Moment::now(), longest))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_begins_only_if_it_ends_before_the_lease() {
        let at = |seconds| Moment::at(Duration::from_secs(seconds));
        let lease = Lease::since(at(100), Duration::from_secs(60));
        assert!(lease.covers(at(100), Duration::from_secs(60)));
        assert!(lease.covers(at(130), Duration::from_secs(30)));
        assert!(!lease.covers(at(130), Duration::from_secs(31)));
        assert!(!lease.covers(at(161), Duration::ZERO));
        assert!(!lease.covers(at(130), Duration::MAX), "no overflow");
    }

    #[test]
    fn a_tenure_is_as_long_as_its_lease_and_one_without_a_claim_never_ends() {
        let minute = Duration::from_secs(60);
        let tenure = Tenure::of(Lease::since(Moment::now(), minute), minute / 2);
        let other = tenure.clone();
        assert!(tenure.lets_begin() && tenure.lasts());
        other.renew(Some(Lease::since(Moment::now(), minute / 4)));
        assert!(!tenure.lets_begin() && tenure.lasts());
        other.renew(Some(Lease::since(Moment::now(), Duration::ZERO)));
        assert!(!tenure.lasts());
        other.renew(Some(Lease::since(Moment::now(), minute)));
        assert!(tenure.lets_begin());
        other.renew(None);
        assert!(!tenure.lets_begin() && !tenure.lasts());
        assert!(Tenure::default().lets_begin() && Tenure::default().lasts());
    }

    #[test]
    fn the_clock_goes_on() {
        let before = Moment::now();
        assert!(Moment::now() >= before);
        assert!(before > Moment::at(Duration::ZERO));
    }
}
