//! The steps of the world: each is one transaction, one call's effect, or the loss of a process.

use super::rules::{Fault, Rules};
use super::world::{End, Holder, Restore, Scrubber, Status, World};

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

    fn possible_for_scrubber(&self, which: usize, scrubber: Scrubber, steps: &mut Vec<Step>) {
        match scrubber {
            Scrubber::Idle => {
                let early = self.has(Fault::LookBeforeClaim);
                let begins = if early { Step::LookTooEarly } else { Step::Claim };
                steps.extend((0..self.scrubbed).map(|location| begins(which, location)));
            }
            Scrubber::LookedTooEarly(location) => steps.push(Step::Claim(which, location)),
            Scrubber::Claimed(..) => steps.extend([Step::Look(which), Step::Renew(which)]),
            Scrubber::Looked(..) => steps.extend([Step::Call(which), Step::Renew(which)]),
            Scrubber::Calling(..) => steps.extend([
                Step::Deletes(which),
                Step::DeletesUnheard(which),
                Step::Fails(which),
                Step::GiveUp(which),
                Step::Renew(which),
            ]),
            Scrubber::Ended(_, End::Gone) if self.beside => {
                steps.extend([Step::Record(which, true), Step::Record(which, false)]);
            }
            Scrubber::Ended(_, End::Gone) => steps.extend([Step::Settle(which, true), Step::Settle(which, false)]),
            Scrubber::Ended(..) => steps.push(Step::Settle(which, false)),
            Scrubber::Recorded(..) => steps.push(Step::Release(which)),
        }
        if scrubber != Scrubber::Idle {
            steps.push(Step::ScrubberLost(which));
        }
    }

    /// The world after a step; `None` where it cannot happen or changes nothing.
    pub fn step(&self, before: &World, step: Step) -> Option<World> {
        let mut world = *before;
        let happened = match step {
            Step::Tick => world.tick(self.lease),
            Step::LookTooEarly(which, location) => self.look_too_early(&mut world, which, location),
            Step::Claim(which, location) => self.claim_one(&mut world, which, location),
            Step::Look(which) => self.look(&mut world, which),
            Step::Renew(which) => self.renew(&mut world, which),
            Step::Call(which) => self.call(&mut world, which),
            Step::Deletes(which) => answer(&mut world, which, true, End::Gone),
            Step::DeletesUnheard(which) => answer(&mut world, which, true, End::Silent),
            // Data that is not there is absent, which is as good as deleted.
            Step::Fails(which) => answer(&mut world, which, false, End::Kept),
            Step::GiveUp(which) => give_up(&mut world, which),
            Step::Settle(which, finish) => self.settle(&mut world, which, finish),
            Step::Record(which, finish) => self.record(&mut world, which, finish),
            Step::Release(which) => self.release_recorded(&mut world, which),
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
            _ => self.step_restore(&mut world, step),
        };
        self.forget_what_is_over(&mut world);
        (happened && world != *before).then_some(world)
    }

    /// What nothing depends on any more, so that worlds that differ in nothing else are one.
    fn forget_what_is_over(&self, world: &mut World) {
        for location in &mut world.locations {
            let lost = matches!(location.claim, Some((Holder::LostScrubber | Holder::LostRestore, _)));
            if lost && location.claim.is_some_and(|(_, until)| until <= -self.lease) {
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

    fn look_too_early(&self, world: &mut World, which: usize, location: usize) -> bool {
        world.scrubbers[which] = Scrubber::LookedTooEarly(location);
        self.deletes(world.image, world.locations[location].status)
    }

    /// The plan may be old: whatever the rows are by now, it may be claimed.
    fn claim_one(&self, world: &mut World, which: usize, index: usize) -> bool {
        let by = Holder::Scrubber(which);
        let location = &mut world.locations[index];
        if !self.may_take(location, by) {
            return false;
        }
        self.take(location, by);
        let early = world.scrubbers[which] == Scrubber::LookedTooEarly(index);
        world.scrubbers[which] =
            if early { Scrubber::Looked(index, self.lease) } else { Scrubber::Claimed(index, self.lease) };
        true
    }

    fn look(&self, world: &mut World, which: usize) -> bool {
        let Scrubber::Claimed(index, lease) = world.scrubbers[which] else { return false };
        let goes = self.deletes(world.image, world.locations[index].status);
        world.scrubbers[which] = if goes { Scrubber::Looked(index, lease) } else { Scrubber::Ended(index, End::Kept) };
        true
    }

    /// What is not its own any more is not touched; a call that is under way cannot be taken back.
    fn renew(&self, world: &mut World, which: usize) -> bool {
        let scrubber = world.scrubbers[which];
        let (Scrubber::Claimed(index, _) | Scrubber::Looked(index, _) | Scrubber::Calling(index, _)) = scrubber else {
            return false;
        };
        let by = Holder::Scrubber(which);
        let held = self.is_held_by(&world.locations[index], by);
        if held {
            world.locations[index].claim = Some((by, self.lease));
        }
        world.scrubbers[which] = match scrubber {
            Scrubber::Calling(..) => scrubber,
            _ if !held => Scrubber::Idle,
            Scrubber::Claimed(..) => Scrubber::Claimed(index, self.lease),
            _ => Scrubber::Looked(index, self.lease),
        };
        true
    }

    fn call(&self, world: &mut World, which: usize) -> bool {
        let Scrubber::Looked(index, lease) = world.scrubbers[which] else { return false };
        let begins = self.covers(lease) || self.has(Fault::NoLeaseCheck);
        world.scrubbers[which] = match begins {
            true => Scrubber::Calling(index, self.longest + self.slack),
            false => Scrubber::Ended(index, End::Kept),
        };
        true
    }

    /// One transaction, by the claim's holder alone.
    fn settle(&self, world: &mut World, which: usize, finish: bool) -> bool {
        let Scrubber::Ended(index, end) = world.scrubbers[which] else { return false };
        let held = self.is_held_by(&world.locations[index], Holder::Scrubber(which));
        if held || self.has(Fault::NoOwnerCheck) {
            if end == End::Gone {
                mark_deleted(world, index, finish);
            }
            world.usurped |= !held && world.locations[index].claim.is_some();
            self.release(&mut world.locations[index], end == End::Silent);
        }
        world.scrubbers[which] = Scrubber::Idle;
        true
    }

    fn record(&self, world: &mut World, which: usize, finish: bool) -> bool {
        let Scrubber::Ended(index, end) = world.scrubbers[which] else { return false };
        mark_deleted(world, index, finish);
        world.scrubbers[which] = Scrubber::Recorded(index, end);
        true
    }

    fn release_recorded(&self, world: &mut World, which: usize) -> bool {
        let Scrubber::Recorded(index, end) = world.scrubbers[which] else { return false };
        let held = self.is_held_by(&world.locations[index], Holder::Scrubber(which));
        if held || self.has(Fault::NoOwnerCheck) {
            world.usurped |= !held && world.locations[index].claim.is_some();
            self.release(&mut world.locations[index], end == End::Silent);
        }
        world.scrubbers[which] = Scrubber::Idle;
        true
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

fn answer(world: &mut World, which: usize, deletes: bool, end: End) -> bool {
    let Scrubber::Calling(index, _) = world.scrubbers[which] else { return false };
    if deletes {
        world.locations[index].data = false;
    }
    world.scrubbers[which] = Scrubber::Ended(index, end);
    true
}

fn give_up(world: &mut World, which: usize) -> bool {
    let Scrubber::Calling(index, left) = world.scrubbers[which] else { return false };
    world.locations[index].set_adrift(left);
    world.scrubbers[which] = Scrubber::Ended(index, End::Silent);
    true
}

/// What Glance's rows get, where they still are as they were.
fn mark_deleted(world: &mut World, index: usize, finish: bool) {
    if world.locations[index].status == Status::Pending {
        world.locations[index].status = Status::Deleted;
        if finish {
            finish_image(world);
        }
    }
}

fn finish_image(world: &mut World) -> bool {
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
