//! What is asked of the product: every decision here is one of its functions.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use glance_scrubber::catalog::{Horizon, ImageId, ImageRow, LocationId, LocationRow, StoredValue};
use glance_scrubber::claim::{self, Claim, Hold, Lease, Moment, Owner, Party};
use glance_scrubber::config::StoreId;
use glance_scrubber::location::{Keyring, Location as Opened, Scheme};
use glance_scrubber::scrub::{Approved, Decision, Policy, decide};
use glance_scrubber::store::{Answer, Finding, Pace, Store, Stores, Target};

use super::world::{Holder, Location, Status, Ticks};

/// A step of the protocol that is left out or done wrongly.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The rows are read before the location is claimed.
    LookBeforeClaim,
    /// A restore takes over a claim as soon as it lapses.
    NoRest,
    /// A call begins whatever is left of the lease.
    NoLeaseCheck,
    /// Recording and releasing do not ask whose the claim is.
    NoOwnerCheck,
    /// A restore commits without asking whose its claims are.
    CommitUnverified,
    /// What a restore has to wait for is forgotten where a scrubber takes over from another.
    TakeOverForgetsRest,
    /// A call that got no answer is released like one that did.
    SilenceForgetsRest,
    /// A restore with claims in another database does not ask what is left of its lease before it commits.
    CommitLapsed,
}

/// A configuration of the model.
pub struct Rules {
    pub lease: Ticks,
    /// The longest call, as the config knows it.
    pub longest: Ticks,
    /// How much later than that a call whose lease was checked may take effect: the process was stopped between the
    /// check and the call, or the backend was slow. The same between a restore's verification and its commit.
    pub slack: Ticks,
    /// How much earlier than a claim's end the clock of a restore's node says that it has come.
    pub skew: Ticks,
    /// Claims in another database than Glance's.
    pub beside: bool,
    /// Looks for what must be seen to happen, and not for what must not.
    pub shows: bool,
    /// How many of the two locations scrubbers work on. A restore claims both.
    pub scrubbed: usize,
    /// Worlds that differ in names only are one. Not where the way to a world is to be shown.
    pub renames: bool,
    pub fault: Option<Fault>,
    /// What the plan says: by the image's and the location's status.
    pub deletes: [[bool; 3]; 3],
    pub owners: [Owner; 5],
}

/// The database's clock at this moment; any time will do.
const NOW: i64 = 1_000_000;

const STATUSES: [Status; 3] = [Status::Pending, Status::Active, Status::Deleted];

impl Rules {
    /// A lease of two ticks, calls of one that may be late by one.
    pub fn new() -> Self {
        let deletes = STATUSES.map(|image| STATUSES.map(|location| is_planned(image, location)));
        let owner = |text: &str| Owner::from_row(text.to_owned());
        let owners =
            ["scrubber a 1 0", "scrubber b 1 0", "restore c 1 0", "scrubber d 1 0", "restore e 1 0"].map(owner);
        Self {
            lease: 2,
            longest: 1,
            slack: 1,
            skew: 0,
            beside: false,
            shows: false,
            scrubbed: 2,
            renames: false,
            fault: None,
            deletes,
            owners,
        }
    }

    pub fn has(&self, fault: Fault) -> bool {
        self.fault == Some(fault)
    }

    /// Whether the plan, and the fresh look, say that a location is to be deleted.
    pub fn deletes(&self, image: Status, location: Status) -> bool {
        self.deletes[image as usize][location as usize]
    }

    /// Whether `by` may claim a location.
    pub fn may_take(&self, location: &Location, by: Holder) -> bool {
        let now = at(if self.is_scrubbers(by) { 0 } else { self.skew });
        if self.has(Fault::NoRest) {
            let hold = Hold { rests_until: None, ..self.hold(location) };
            return claim::may_take(&hold, self.owner(by), now, Duration::ZERO);
        }
        claim::may_take(&self.hold(location), self.owner(by), now, span(self.lease))
    }

    /// Claims a location for `by`, who may take it.
    pub fn take(&self, location: &mut Location, by: Holder) {
        let mut hold = claim::take(&self.hold(location), self.owner(by), at(0), span(self.lease));
        if self.has(Fault::TakeOverForgetsRest) {
            hold.rests_until = self.hold(location).rests_until;
        }
        location.claim = hold.claim.map(|claim| (by, ticks(claim.until)));
        location.rest = hold.rests_until.map_or(0, ticks);
    }

    /// Releases a location's claim.
    pub fn release(&self, location: &mut Location, unanswered: bool) {
        let unanswered = unanswered && !self.has(Fault::SilenceForgetsRest);
        let hold = claim::release(&self.hold(location), unanswered, at(0), span(self.lease));
        (location.claim, location.rest) = (None, hold.rests_until.map_or(0, ticks));
    }

    pub fn is_held_by(&self, location: &Location, by: Holder) -> bool {
        claim::is_held_by(&self.hold(location), self.owner(by))
    }

    /// Whether a call may begin, by what is left of a lease.
    pub fn covers(&self, left: Ticks) -> bool {
        let now = Moment::at(span(100));
        Lease::since(now, span(left)).covers(now, span(self.longest))
    }

    /// A location's row in the table of claims.
    fn hold(&self, location: &Location) -> Hold {
        let claim = location.claim.map(|(holder, until)| Claim { owner: self.owner(holder).clone(), until: at(until) });
        Hold { claim, rests_until: (location.rest > 0).then(|| at(location.rest)) }
    }

    fn owner(&self, holder: Holder) -> &Owner {
        match holder {
            Holder::Scrubber(which) => &self.owners[which],
            Holder::Restore => &self.owners[2],
            Holder::LostScrubber => &self.owners[3],
            Holder::LostRestore => &self.owners[4],
        }
    }

    pub fn is_scrubbers(&self, holder: Holder) -> bool {
        self.owner(holder).party() == Party::Scrubber
    }
}

fn at(ticks: Ticks) -> DateTime<Utc> {
    DateTime::UNIX_EPOCH + TimeDelta::seconds(NOW + i64::from(ticks))
}

/// From now; what has passed is now.
fn ticks(at_: DateTime<Utc>) -> Ticks {
    Ticks::try_from((at_ - at(0)).num_seconds().max(0)).unwrap()
}

fn span(ticks: Ticks) -> Duration {
    Duration::from_secs(u64::try_from(ticks).unwrap())
}

/// The verdict of the plan on rows as Glance leaves them.
fn is_planned(image: Status, location: Status) -> bool {
    let word = |status| match status {
        Status::Pending => "pending_delete",
        Status::Active => "active",
        Status::Deleted => "deleted",
    };
    let deleted_at = |status| (status != Status::Active).then(|| at(-100).naive_utc());
    let id = ImageId("image".to_owned());
    let row = LocationRow {
        id: LocationId(1),
        image_id: id.clone(),
        value: StoredValue::new("rbd://image".to_owned()),
        meta_data: None,
        status: word(location).to_owned(),
        deleted_at: deleted_at(location),
        image: Some(ImageRow {
            id,
            name: None,
            owner: None,
            size: None,
            status: word(image).to_owned(),
            deleted: image != Status::Active,
            deleted_at: deleted_at(image),
        }),
    };
    let (keys, stores) = (Keyring::empty(), Stores::new(false, vec![Arc::new(Anywhere(StoreId("ceph".to_owned())))]));
    let policy = Policy { horizon: Horizon { due: at(-1), skew: at(0) }, keys: &keys, stores: &stores };
    matches!(decide(&Ok(row), &policy), Decision::Delete(_))
}

/// A store that understands everything.
struct Anywhere(StoreId);

#[async_trait]
impl Store for Anywhere {
    fn id(&self) -> &StoreId {
        &self.0
    }
    fn schemes(&self) -> &'static [Scheme] {
        &[Scheme::Rbd]
    }
    fn pace(&self) -> Pace {
        Pace { workers: 1, batch: 1 }
    }
    fn locate(&self, _: &Opened) -> Result<Target, Answer> {
        Ok(Target { container: String::new(), identity: None })
    }
    fn owns(&self, _: &Opened) -> bool {
        true
    }
    async fn delete(&self, _: &[Approved]) -> Vec<Answer> {
        Vec::new()
    }
    async fn check(&self) -> Vec<Finding> {
        Vec::new()
    }
}
