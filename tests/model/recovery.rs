//! Nothing is stranded: whatever state the processes leave when they are gone, a new one brings the image to an end.
//!
//! stateright's `eventually` does not see a run that goes round in a circle, and every run here can: renewing, failing
//! and dying have no end. So this is an `always`: from each world without processes there is a way.

use super::rules::Rules;
use super::steps::Step;
use super::world::{Restore, Scrubber, Status, World};

/// Ticks after which a row is certainly free, for anybody.
fn patience(rules: &Rules) -> i8 {
    3 * rules.lease + rules.longest + rules.slack + 1
}

impl Rules {
    /// Whether a new scrubber finishes the image of a world without processes, and a new restore brings it back if all
    /// its data is there.
    pub fn recovers(&self, quiet: &World) -> bool {
        let late = [None, Some(Step::DeletesLate(0)), Some(Step::DeletesLate(1))];
        quiet.image != Status::Pending
            || late.into_iter().all(|late| {
                let world = late.map_or(*quiet, |step| self.try_step(*quiet, step));
                let whole = world.all(|location| location.data && location.status == Status::Pending);
                (self.scrubbed < 2 || self.scrub(world).image == Status::Deleted)
                    && (!whole || self.restore(world).image == Status::Active)
            })
    }

    /// One scrubber, again and again; a tick passes with each of its steps.
    fn scrub(&self, mut world: World) -> World {
        for _ in 0..patience(self) {
            for location in 0..2 {
                if world.locations[location].status != Status::Pending {
                    continue;
                }
                let ways = [Step::LookTooEarly(0, location), Step::Claim(0, location), Step::Tick, Step::Look(0)];
                let ends =
                    [Step::Call(0), Step::Deletes(0), Step::Settle(0, false), Step::Record(0, false), Step::Release(0)];
                for step in ways.into_iter().chain(ends) {
                    world = self.try_step(world, step);
                }
                world.lose_scrubber(0);
            }
            world = self.try_step(world, Step::Tick);
        }
        self.try_step(world, Step::FinishImage)
    }

    fn restore(&self, mut world: World) -> World {
        for _ in 0..patience(self) {
            world = self.try_step(world, Step::Tick);
        }
        let steps = [Step::RestorePlan, Step::RestoreClaim, Step::RestoreLookAgain, Step::RestoreProbe];
        for step in steps.into_iter().chain([Step::RestoreVerify, Step::RestoreCommit]) {
            world = self.try_step(world, step);
        }
        world
    }

    /// A step where it is possible.
    fn try_step(&self, world: World, step: Step) -> World {
        let mut possible = Vec::new();
        self.possible(&world, &mut possible);
        if !possible.contains(&step) {
            return world;
        }
        self.step(&world, step).unwrap_or(world)
    }
}

/// A world in which nobody does anything.
pub fn is_quiet(world: &World) -> bool {
    world.scrubbers == [Scrubber::Idle; 2] && world.restore == Restore::Idle
}
