//! Where a cycle tells what happens, while it happens: to the bar, the status, the metrics, the audit log.
//!
//! Promises: an event borrows what the cycle has in hand anyway, so that telling nobody costs nothing; events of one
//! location come in order. An observer must not block, and cannot make a cycle fail.

use std::time::Duration;

use chrono::{DateTime, Utc};

use super::backlog::Backlog;
use super::plan::Keep;
use super::pulse::UnderWay;
use super::report::{Example, Tally};
use super::retry::Standing;
use crate::catalog::{CatalogError, ImageId};
use crate::config::StoreId;
use crate::store::Outcome;

/// Somebody who watches cycles go on. Every method does nothing unless it is written.
pub trait Observer: Send + Sync {
    /// A cycle begins.
    fn began(&self, _cycle: CycleId, _at: DateTime<Utc>) {}
    /// Whether [`Observer::backlog`] is listened to. It costs a statement that reads what is not due yet.
    fn wants_backlog(&self) -> bool {
        false
    }
    /// How much is pending, by age, as the survey saw it. Told where it is wanted.
    fn backlog(&self, _backlog: &Backlog) {}
    /// A location that the survey keeps: it is no part of what was planned.
    fn passed_over(&self, _one: &SettledLocation<'_>) {}
    /// The plan is made and no guard refused it.
    fn planned(&self, _plan: Tally) {}
    /// A location of the plan is finished or kept, and recorded.
    fn settled(&self, _one: &SettledLocation<'_>) {}
    /// Images became `deleted`, and that is recorded.
    fn images_finished(&self, _images: &[ImageId]) {}
    /// How many locations a lane has before it, and how many calls are in flight.
    fn lane(&self, _store: &StoreId, _depth: usize, _in_flight: usize) {}
    /// A store is called.
    fn call_began(&self, _call: &StoreCall<'_>) {}
    /// That call has been answered, after so long.
    fn call_ended(&self, _call: &StoreCall<'_>, _took: Duration) {}
    /// The database cannot be reached, or gives no answer. A cycle asks it again while its patience lasts.
    fn database_away(&self, _why: &CatalogError) {}
    /// The database has answered (well or not), after so long. For a stream: until its last row.
    fn database_answered(&self, _statement: Statement, _took: Duration) {}
    /// A sign of life. Events that are one by themselves (an answer of a store or of the database) come with it.
    fn alive(&self) {}
    /// Where it looks for what is under way. Asked for once a cycle.
    fn under_way(&self) -> UnderWay {
        UnderWay::default()
    }
}

/// Nobody.
impl Observer for () {}

/// A cycle's name in the log, the report and the audit log: random, because several scrubbers may write to one log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct CycleId(pub u32);

impl CycleId {
    /// A new one.
    pub fn random() -> Self {
        use std::hash::BuildHasher as _;
        // The standard library seeds each of these at random; the lower half of a hash is as random as the whole.
        let bytes = std::hash::RandomState::new().hash_one(std::process::id()).to_ne_bytes();
        Self(u32::from_ne_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]))
    }
}

impl std::fmt::Display for CycleId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:08x}", self.0)
    }
}

/// What became of one location.
#[derive(Debug, Clone, Copy)]
pub struct SettledLocation<'a> {
    /// Its ids.
    pub which: &'a Example,
    /// Its store, where the row got as far as having one.
    pub store: Option<&'a StoreId>,
    /// Bytes, as in Glance's database; 0 where it does not know.
    pub bytes: u64,
    /// When its grace period was over.
    pub due_at: Option<DateTime<Utc>>,
    /// When this became known.
    pub at: DateTime<Utc>,
    /// Finished, or kept.
    pub end: Ended<'a>,
    /// Whether this is news: for who tells a reason once.
    pub standing: Standing,
}

impl SettledLocation<'_> {
    /// The word for people and machines.
    pub const fn word(&self) -> &'static str {
        match self.end {
            Ended::Finished(outcome) => outcome.as_str(),
            Ended::Kept(keep) => keep.reason.as_str(),
            Ended::Overtaken => "overtaken",
            Ended::Elsewhere => "recorded_elsewhere",
        }
    }
}

/// How a location ended.
#[derive(Debug, Clone, Copy)]
pub enum Ended<'a> {
    /// Its row is `deleted` now, by us.
    Finished(Outcome),
    /// It stays pending.
    Kept(&'a Keep),
    /// Its data is gone, but another was first to change its row, or has taken over its claim.
    Overtaken,
    /// Another scrubber finished it since the cycle was planned.
    Elsewhere,
}

/// One call to a store.
#[derive(Debug, Clone, Copy)]
pub struct StoreCall<'a> {
    /// Its number in this cycle.
    pub number: u64,
    /// The store.
    pub store: &'a StoreId,
    /// What its locations lie in.
    pub container: &'a str,
    /// The locations, as far as they are worth naming.
    pub in_hand: &'a [InHand],
}

/// A location in hand.
#[derive(Debug)]
pub struct InHand {
    /// Its ids.
    pub which: Example,
    /// Bytes; see [`SettledLocation::bytes`].
    pub bytes: u64,
    /// When its grace period was over.
    pub due_at: Option<DateTime<Utc>>,
    /// Its store was at it when it was last asked (`deleting`), and it has waited so long for this look.
    pub(super) waited: Option<Duration>,
}

/// What the database was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Statement {
    /// The ids of what is due.
    Scan,
    /// A page of rows.
    Locations,
    /// A page of rows, their statuses alone.
    Statuses,
    /// Rows of images.
    Images,
    /// Everything that must keep its data.
    Living,
    /// A count of images.
    Census,
    /// What is not due yet, by age.
    Waiting,
    /// A transaction that records deletions.
    Record,
    /// The same, rolled back.
    Rehearse,
    /// A transaction that claims locations.
    Claim,
    /// A transaction that releases claims and records nothing.
    Release,
}

impl Statement {
    /// All of them.
    pub const ALL: [Self; 11] = [
        Self::Scan,
        Self::Locations,
        Self::Statuses,
        Self::Images,
        Self::Living,
        Self::Census,
        Self::Waiting,
        Self::Record,
        Self::Rehearse,
        Self::Claim,
        Self::Release,
    ];

    /// The word for people and machines.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Scan => "scan",
            Self::Locations => "locations",
            Self::Statuses => "statuses",
            Self::Images => "images",
            Self::Living => "living",
            Self::Census => "census",
            Self::Waiting => "waiting",
            Self::Record => "record",
            Self::Rehearse => "rehearse",
            Self::Claim => "claim",
            Self::Release => "release",
        }
    }
}

/// Several observers at once, told in their order. What is under way is the first one's to show.
pub struct Several<'a>(pub &'a [&'a dyn Observer]);

impl Observer for Several<'_> {
    fn began(&self, cycle: CycleId, at: DateTime<Utc>) {
        self.0.iter().for_each(|each| each.began(cycle, at));
    }
    fn wants_backlog(&self) -> bool {
        self.0.iter().any(|each| each.wants_backlog())
    }
    fn backlog(&self, backlog: &Backlog) {
        self.0.iter().for_each(|each| each.backlog(backlog));
    }
    fn passed_over(&self, one: &SettledLocation<'_>) {
        self.0.iter().for_each(|each| each.passed_over(one));
    }
    fn planned(&self, plan: Tally) {
        self.0.iter().for_each(|each| each.planned(plan));
    }
    fn settled(&self, one: &SettledLocation<'_>) {
        self.0.iter().for_each(|each| each.settled(one));
    }
    fn images_finished(&self, images: &[ImageId]) {
        self.0.iter().for_each(|each| each.images_finished(images));
    }
    fn lane(&self, store: &StoreId, depth: usize, in_flight: usize) {
        self.0.iter().for_each(|each| each.lane(store, depth, in_flight));
    }
    fn call_began(&self, call: &StoreCall<'_>) {
        self.0.iter().for_each(|each| each.call_began(call));
    }
    fn call_ended(&self, call: &StoreCall<'_>, took: Duration) {
        self.0.iter().for_each(|each| each.call_ended(call, took));
    }
    fn database_away(&self, why: &CatalogError) {
        self.0.iter().for_each(|each| each.database_away(why));
    }
    fn database_answered(&self, statement: Statement, took: Duration) {
        self.0.iter().for_each(|each| each.database_answered(statement, took));
    }
    fn alive(&self) {
        self.0.iter().for_each(|each| each.alive());
    }
    fn under_way(&self) -> UnderWay {
        self.0.first().map(|first| first.under_way()).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cycles_have_names_of_their_own() {
        let (one, other) = (CycleId::random(), CycleId::random());
        assert_ne!(one, other);
        assert_eq!(CycleId(0xbeef).to_string(), "0000beef");
    }
}
