//! A state of the world: what Glance's database, the table of claims, the backends and the processes hold.
//!
//! Times are ticks from now, so that a state does not depend on when it is reached, and the number of states is finite
//! although the clock never ends. What lies so far back that no decision depends on it is cut off.

/// Ticks from now; before it where negative.
pub type Ticks = i8;

/// Where a row of Glance's stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Status {
    Pending,
    Active,
    Deleted,
}

/// Whose a claim is. All processes that are gone are one: nobody will ever act for them again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Holder {
    Scrubber(usize),
    Restore,
    LostScrubber,
    LostRestore,
}

/// A location's row, its row in the table of claims, and its data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Location {
    pub status: Status,
    pub data: bool,
    /// Who holds it, and when that lapses.
    pub claim: Option<(Holder, Ticks)>,
    /// How much longer a restore keeps off, whoever holds it.
    pub rest: Ticks,
    /// A call that nobody waits for any more, and how long it may still take effect: of several, the longest.
    pub adrift: Option<Ticks>,
}

/// How a scrubber's work on a location ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum End {
    /// The store says that the data is gone.
    Gone,
    /// The store was not asked, or says for certain that it did nothing.
    Kept,
    /// No answer, or none that tells whether the call may still take effect.
    Silent,
}

/// A scrubber: what it does with which location, and how much is left of its lease as it knows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Scrubber {
    Idle,
    /// Only where the look comes first.
    LookedTooEarly(usize),
    Claimed(usize, Ticks),
    Looked(usize, Ticks),
    /// Its lease was checked; the call takes effect within so many ticks, or never.
    Calling(usize, Ticks),
    Ended(usize, End),
    /// Only with claims in another database: what is left is the release.
    Recorded(usize, End),
}

/// A restore.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Restore {
    Idle,
    Planned,
    Claimed(Ticks),
    LookedAgain(Ticks),
    Probed(Ticks),
    /// Only with claims in another database: they were verified, and the commit comes within so many ticks, or never.
    Verified(Ticks),
    /// It was refused, or (with claims in another database) it has committed: what is left is the release.
    Leaving,
}

/// Everything. One image with two locations, two scrubbers, a restore.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct World {
    pub image: Status,
    pub locations: [Location; 2],
    pub scrubbers: [Scrubber; 2],
    pub restore: Restore,
    /// Somebody took what had not lapsed, or recorded or released what was another's.
    pub usurped: bool,
}

impl World {
    /// Deleted through the API, nothing begun.
    pub const fn new() -> Self {
        let location = Location { status: Status::Pending, data: true, claim: None, rest: 0, adrift: None };
        Self {
            image: Status::Pending,
            locations: [location; 2],
            scrubbers: [Scrubber::Idle; 2],
            restore: Restore::Idle,
            usurped: false,
        }
    }

    /// The same with the names of scrubbers, and of locations, changed: of the two or four, the first.
    pub fn renamed(self, locations: bool) -> Self {
        let other = self.with_scrubbers_swapped();
        let first = self.min(other);
        if !locations {
            return first;
        }
        first.min(self.with_locations_swapped()).min(other.with_locations_swapped())
    }

    fn with_scrubbers_swapped(mut self) -> Self {
        self.scrubbers.swap(0, 1);
        for location in &mut self.locations {
            if let Some((Holder::Scrubber(which), _)) = &mut location.claim {
                *which = 1 - *which;
            }
        }
        self
    }

    fn with_locations_swapped(mut self) -> Self {
        self.locations.swap(0, 1);
        for scrubber in &mut self.scrubbers {
            match scrubber {
                Scrubber::Idle => {}
                Scrubber::LookedTooEarly(location)
                | Scrubber::Claimed(location, _)
                | Scrubber::Looked(location, _)
                | Scrubber::Calling(location, _)
                | Scrubber::Ended(location, _)
                | Scrubber::Recorded(location, _) => *location = 1 - *location,
            }
        }
        self
    }

    pub fn all(&self, what: impl Fn(&Location) -> bool) -> bool {
        self.locations.iter().all(what)
    }

    pub fn any(&self, what: impl Fn(&Location) -> bool) -> bool {
        self.locations.iter().any(what)
    }

    /// A scrubber is gone. What it asked of a store goes on.
    pub fn lose_scrubber(&mut self, which: usize) {
        if let Scrubber::Calling(location, left) = self.scrubbers[which] {
            self.locations[location].set_adrift(left);
        }
        self.scrubbers[which] = Scrubber::Idle;
        self.lose(Holder::Scrubber(which), Holder::LostScrubber);
    }

    /// The restore is gone.
    pub fn lose_restore(&mut self) {
        self.restore = Restore::Idle;
        self.lose(Holder::Restore, Holder::LostRestore);
    }

    fn lose(&mut self, who: Holder, lost: Holder) {
        for location in &mut self.locations {
            location.claim = location.claim.map(|(holder, until)| (if holder == who { lost } else { holder }, until));
        }
    }

    /// A tick passes, unless something must have happened before it ends.
    pub fn tick(&mut self, lease: Ticks) -> bool {
        let due = self.scrubbers.iter().any(|scrubber| matches!(scrubber, Scrubber::Calling(_, 0)))
            || self.restore == Restore::Verified(0);
        if due {
            return false;
        }
        for location in &mut self.locations {
            location.claim = location.claim.map(|(holder, until)| (holder, (until - 1).max(-lease)));
            location.rest = (location.rest - 1).max(0);
            location.adrift = location.adrift.filter(|left| *left > 0).map(|left| left - 1);
        }
        for scrubber in &mut self.scrubbers {
            match scrubber {
                Scrubber::Claimed(_, lease) | Scrubber::Looked(_, lease) => *lease = (*lease - 1).max(0),
                Scrubber::Calling(_, left) => *left -= 1,
                _ => {}
            }
        }
        match &mut self.restore {
            Restore::Claimed(lease) | Restore::LookedAgain(lease) | Restore::Probed(lease) => {
                *lease = (*lease - 1).max(0);
            }
            Restore::Verified(left) => *left -= 1,
            _ => {}
        }
        true
    }
}

impl Location {
    pub fn set_adrift(&mut self, left: Ticks) {
        self.adrift = Some(self.adrift.map_or(left, |other| other.max(left)));
    }
}
