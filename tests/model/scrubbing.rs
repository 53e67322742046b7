//! The steps of a scrubber.

use super::rules::{Fault, Rules};
use super::steps::{Step, finish_image};
use super::world::{End, Holder, Scrubber, Status, World};

impl Rules {
    pub fn possible_for_scrubber(&self, which: usize, scrubber: Scrubber, steps: &mut Vec<Step>) {
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

    pub fn step_scrubber(&self, world: &mut World, step: Step) -> bool {
        match step {
            Step::LookTooEarly(which, location) => self.look_too_early(world, which, location),
            Step::Claim(which, location) => self.claim_one(world, which, location),
            Step::Look(which) => self.look(world, which),
            Step::Renew(which) => self.renew(world, which),
            Step::Call(which) => self.call(world, which),
            Step::Deletes(which) => answer(world, which, true, End::Gone),
            Step::DeletesUnheard(which) => answer(world, which, true, End::Silent),
            // Data that is not there is absent, which is as good as deleted.
            Step::Fails(which) => answer(world, which, false, End::Kept),
            Step::GiveUp(which) => give_up(world, which),
            Step::Settle(which, finish) => self.settle(world, which, finish),
            Step::Record(which, finish) => self.record(world, which, finish),
            Step::Release(which) => self.release_recorded(world, which),
            _ => false,
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
        world.usurped |= location.claim.is_some_and(|(holder, until)| holder != by && until > 0);
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
