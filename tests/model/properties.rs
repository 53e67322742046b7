//! What must always hold, and what must be seen to happen, or the model shows nothing.

use stateright::{Model, Property};

use super::recovery::is_quiet;
use super::rules::Rules;
use super::steps::Step;
use super::world::{End, Holder, Restore, Scrubber, Status, World};

pub const LIVING_DATA: &str = "a restored image has all its data, for as long as it lives";
pub const PROOF: &str = "a location is deleted only when its data is gone";
pub const WHOLE: &str = "an image is deleted only when all its locations are";
pub const NEVER_HALF: &str = "an image is restored or scrubbed, never half";
pub const HOLDER_ONLY: &str = "a claim that has not lapsed is its holder's alone, and so are record and release";
pub const NOT_STRANDED: &str = "nothing is stranded";

impl Model for Rules {
    type State = World;
    type Action = Step;

    fn init_states(&self) -> Vec<World> {
        vec![World::new()]
    }

    fn actions(&self, world: &World, steps: &mut Vec<Step>) {
        self.possible(world, steps);
    }

    fn next_state(&self, world: &World, step: Step) -> Option<World> {
        let after = self.step(world, step)?;
        Some(if self.renames { after.renamed(self.scrubbed == 2) } else { after })
    }

    fn properties(&self) -> Vec<Property<Self>> {
        if self.shows { shown() } else { promised() }
    }
}

fn promised() -> Vec<Property<Rules>> {
    vec![
        Property::always(LIVING_DATA, |_, world: &World| world.image != Status::Active || world.all(|row| row.data)),
        Property::always(PROOF, |_, world: &World| world.all(|row| row.status != Status::Deleted || !row.data)),
        Property::always(WHOLE, |_, world: &World| {
            world.image != Status::Deleted || world.all(|row| row.status == Status::Deleted)
        }),
        Property::always(NEVER_HALF, |_, world: &World| match world.image {
            Status::Active => world.all(|row| row.status == Status::Active),
            Status::Deleted => world.all(|row| row.status == Status::Deleted),
            Status::Pending => world.all(|row| row.status != Status::Active),
        }),
        Property::always(HOLDER_ONLY, |_, world: &World| !world.usurped),
        // Whatever a world comes to when its processes are lost is reached, too.
        Property::always(NOT_STRANDED, |rules: &Rules, world: &World| !is_quiet(world) || rules.recovers(world)),
    ]
}

/// What must be seen to happen, or nothing is shown by what does not. Asked apart: of each world it costs as much again.
fn shown() -> Vec<Property<Rules>> {
    vec![
        Property::sometimes("an image is scrubbed", |_, world: &World| {
            world.image == Status::Deleted && is_quiet(world)
        }),
        Property::sometimes("an image is restored", |_, world: &World| {
            world.image == Status::Active && is_quiet(world)
        }),
        Property::sometimes("a claim is taken over during a call", |_, world: &World| {
            world
                .scrubbers
                .iter()
                .enumerate()
                .any(|(which, scrubber)| matches!(scrubber, Scrubber::Calling(at, _) if taken_over(world, which, *at)))
        }),
        Property::sometimes("a late finisher is turned away", |rules: &Rules, world: &World| {
            world.scrubbers.iter().enumerate().any(|(which, scrubber)| match *scrubber {
                Scrubber::Ended(at, End::Gone) => {
                    taken_over(world, which, at)
                        && world.locations[at].status == Status::Pending
                        && rules
                            .step(world, Step::Settle(which, true))
                            .is_some_and(|after| after.locations == world.locations && after.image == world.image)
                }
                _ => false,
            })
        }),
        Property::sometimes(
            "a restore waits for a claim that has lapsed but not rested",
            |rules: &Rules, world: &World| {
                world.restore == Restore::Planned
                    && world.any(|row| {
                        row.claim.is_some_and(|(holder, until)| until <= 0 && rules.is_scrubbers(holder))
                            && !rules.may_take(row, Holder::Restore)
                    })
            },
        ),
        Property::sometimes(
            "a restore waits for a call whose claim nobody has any more",
            |rules: &Rules, world: &World| {
                world.restore == Restore::Planned
                    && world
                        .any(|row| row.claim.is_none() && row.adrift.is_some() && !rules.may_take(row, Holder::Restore))
            },
        ),
        Property::sometimes("a restore finds that data is gone", |_, world: &World| {
            matches!(world.restore, Restore::LookedAgain(_)) && !world.all(|row| row.data)
        }),
        Property::sometimes("a call takes effect beside another on the same data", |_, world: &World| {
            world.any(|row| row.adrift.is_some())
                && world.scrubbers.iter().any(
                    |scrubber| matches!(scrubber, Scrubber::Calling(at, _) if world.locations[*at].adrift.is_some()),
                )
        }),
    ]
}

/// Whether another scrubber holds what `which` works on.
fn taken_over(world: &World, which: usize, location: usize) -> bool {
    matches!(world.locations[location].claim, Some((Holder::Scrubber(other), _)) if other != which)
}
