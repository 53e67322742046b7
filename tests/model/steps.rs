//! The steps of the world: each is one transaction, one call's effect, or the loss of a process.

use super::rules::Rules;
use super::world::{End, Holder, Location, Restore, Scrubber, Status, World};

/// What may happen next. A scrubber's steps name the scrubber first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    Tick,
    /// Only where the look comes first.
    LookTooEarly(usize, usize),
    Claim(usize, usize),
    Look(usize),
    Renew(usize),
    /// Checks the lease, and calls if it covers the call.
    Call(usize),
    /// The data goes, and the scrubber hears of it.
    Deletes(usize),
    /// The data goes, and the answer is lost.
    DeletesUnheard(usize),
    /// The store says that it did nothing.
    Fails(usize),
    /// No answer comes; the call may still take effect.
    GiveUp(usize),
    /// Records and releases. Whether this transaction sees what another one did to the image's other location, so that
    /// it finishes the image, is open.
    Settle(usize, bool),
    /// With claims in another database: records.
    Record(usize, bool),
    /// With claims in another database: releases.
    Release(usize),
    ScrubberLost(usize),
    /// A call that nobody waits for takes effect.
    DeletesLate(usize),
    /// A cycle finishes an image of which nothing is left.
    FinishImage,
    /// The row of a location that is not pending any more is forgotten; the status was read at some time before.
    Forget(usize),
    RestorePlan,
    RestoreClaim,
    RestoreLookAgain,
    RestoreProbe,
    RestoreRenew,
    RestoreVerify,
    RestoreCommit,
    RestoreRelease,
    RestoreLost,
    /// A restored image is deleted through the API again.
    DeleteAgain,
}

impl Rules {
    /// Steps that may be possible in a world; [`Rules::step`] has the last word.
    pub fn possible(&self, world: &World, steps: &mut Vec<Step>) {
        if world.image == Status::Deleted {
            return; // all there is to write asks for a row that is pending
        }
        steps.push(Step::Tick);
        for (which, scrubber) in world.scrubbers.iter().enumerate() {
            self.possible_for_scrubber(which, *scrubber, steps);
        }
        for (location, row) in world.locations.iter().enumerate() {
            if row.adrift.is_some() {
                steps.push(Step::DeletesLate(location));
            }
            if row.claim.is_some() || row.rest > 0 {
                steps.push(Step::Forget(location));
            }
        }
        match world.restore {
            Restore::Idle => steps.push(Step::RestorePlan),
            Restore::Planned => steps.push(Step::RestoreClaim),
            Restore::Claimed(_) => steps.push(Step::RestoreLookAgain),
            Restore::LookedAgain(_) => steps.push(Step::RestoreProbe),
            Restore::Probed(_) if self.beside => steps.push(Step::RestoreVerify),
            Restore::Probed(_) | Restore::Verified(_) => steps.push(Step::RestoreCommit),
            Restore::Leaving => steps.push(Step::RestoreRelease),
        }
        if matches!(world.restore, Restore::Claimed(_) | Restore::LookedAgain(_) | Restore::Probed(_)) {
            steps.push(Step::RestoreRenew);
        }
        if world.restore != Restore::Idle {
            steps.push(Step::RestoreLost);
        }
        match world.image {
            Status::Active => steps.push(Step::DeleteAgain),
            Status::Pending | Status::Deleted => steps.push(Step::FinishImage),
        }
    }

    /// The world after a step; `None` where it cannot happen or changes nothing.
    pub fn step(&self, before: &World, step: Step) -> Option<World> {
        let mut world = *before;
        let happened = match step {
            Step::Tick => world.tick(self.lease),
            Step::ScrubberLost(which) => {
                world.lose_scrubber(which);
                true
            }
            Step::DeletesLate(location) => {
                world.locations[location].data = false;
                true
            }
            Step::FinishImage => finish_image(&mut world),
            Step::Forget(location) => self.forget(&mut world, location),
            Step::RestoreLost => {
                world.lose_restore();
                true
            }
            Step::DeleteAgain => delete_again(&mut world),
            _ => self.step_scrubber(&mut world, step) || self.step_restore(&mut world, step),
        };
        self.forget_what_is_over(&mut world);
        (happened && world != *before).then_some(world)
    }

    /// What nothing depends on any more, so that worlds that differ in nothing else are one.
    fn forget_what_is_over(&self, world: &mut World) {
        for location in &mut world.locations {
            let lost = matches!(location.claim, Some((Holder::LostScrubber | Holder::LostRestore, _)));
            let over = lost && location.claim.is_some_and(|(_, until)| until <= -self.lease);
            let rested = Location { rest: 0, ..*location };
            if over && self.may_take(&rested, Holder::Scrubber(0)) && self.may_take(&rested, Holder::LostRestore) {
                location.claim = None;
            }
        }
        // Data does not come back: no restore can succeed any more, whatever it need not wait for.
        if world.image == Status::Pending && world.any(|location| !location.data) {
            for location in &mut world.locations {
                (location.rest, location.adrift) = (0, None);
            }
            for scrubber in &mut world.scrubbers {
                if let Scrubber::Ended(_, end @ End::Silent) = scrubber {
                    *end = End::Kept;
                }
            }
        }
    }

    /// Only what a restore could claim, too: the row may have become pending again since its status was read.
    fn forget(&self, world: &mut World, index: usize) -> bool {
        let location = &mut world.locations[index];
        if !self.may_take(location, Holder::LostRestore) {
            return false;
        }
        (location.claim, location.rest) = (None, 0);
        true
    }
}

pub fn finish_image(world: &mut World) -> bool {
    let finished = world.image == Status::Pending && world.all(|location| location.status == Status::Deleted);
    if finished {
        world.image = Status::Deleted;
    }
    finished
}

fn delete_again(world: &mut World) -> bool {
    world.image = Status::Pending;
    for location in &mut world.locations {
        if location.status == Status::Active {
            location.status = Status::Pending;
        }
    }
    true
}
