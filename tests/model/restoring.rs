//! The steps of a restore.

use super::rules::{Fault, Rules};
use super::steps::Step;
use super::world::{Holder, Restore, Status, Ticks, World};

impl Rules {
    pub fn step_restore(&self, world: &mut World, step: Step) -> bool {
        match (step, world.restore) {
            (Step::RestorePlan, Restore::Idle) => {
                world.restore = Restore::Planned;
                is_whole(world)
            }
            (Step::RestoreClaim, Restore::Planned) => self.claim_all(world),
            (Step::RestoreLookAgain, Restore::Claimed(lease)) => {
                world.restore = if is_whole(world) { Restore::LookedAgain(lease) } else { Restore::Leaving };
                true
            }
            (Step::RestoreProbe, Restore::LookedAgain(lease)) => {
                world.restore = if world.all(|row| row.data) { Restore::Probed(lease) } else { Restore::Leaving };
                true
            }
            (Step::RestoreRenew, _) => self.renew_all(world),
            (Step::RestoreVerify, Restore::Probed(lease)) => self.verify(world, lease),
            (Step::RestoreCommit, Restore::Probed(_)) => self.commit_within(world),
            (Step::RestoreCommit, Restore::Verified(_)) => {
                // The claims are released after; until then nobody else has them.
                commit(world);
                world.restore = Restore::Leaving;
                true
            }
            (Step::RestoreRelease, Restore::Leaving) => {
                self.release_all(world);
                world.restore = Restore::Idle;
                true
            }
            _ => false,
        }
    }

    /// With claims in Glance's database a restore does not ask what is left of its lease, and need not know.
    fn restores_lease(&self) -> Ticks {
        if self.beside { self.lease } else { 0 }
    }

    /// One transaction: it gets all, or it is refused and gives back what it got.
    fn claim_all(&self, world: &mut World) -> bool {
        let mut granted = 0;
        for location in &mut world.locations {
            if self.may_take(location, Holder::Restore) {
                self.take(location, Holder::Restore);
                granted += 1;
            }
        }
        world.restore = match granted {
            2 => Restore::Claimed(self.restores_lease()),
            0 => Restore::Idle,
            _ => Restore::Leaving,
        };
        true
    }

    fn renew_all(&self, world: &mut World) -> bool {
        if !self.holds_all(world) {
            world.restore = Restore::Leaving;
            return true;
        }
        for location in &mut world.locations {
            location.claim = Some((Holder::Restore, self.lease));
        }
        match &mut world.restore {
            Restore::Claimed(lease) | Restore::LookedAgain(lease) | Restore::Probed(lease) => {
                *lease = self.restores_lease()
            }
            _ => {}
        }
        true
    }

    /// Claims in Glance's database: looked at in the transaction that commits.
    fn commit_within(&self, world: &mut World) -> bool {
        if (self.holds_all(world) || self.has(Fault::CommitUnverified)) && commit(world) {
            self.release_all(world);
            world.restore = Restore::Idle;
        } else {
            world.restore = Restore::Leaving;
        }
        true
    }

    /// Claims in another database: that they are held says nothing of the next moment, so the lease must cover it.
    fn verify(&self, world: &mut World, lease: Ticks) -> bool {
        let lasts = self.covers(lease) || self.has(Fault::CommitLapsed);
        let verified = (self.holds_all(world) && lasts) || self.has(Fault::CommitUnverified);
        world.restore = if verified { Restore::Verified(self.longest + self.slack) } else { Restore::Leaving };
        true
    }

    fn holds_all(&self, world: &World) -> bool {
        world.all(|location| self.is_held_by(location, Holder::Restore))
    }

    fn release_all(&self, world: &mut World) {
        for location in &mut world.locations {
            if self.is_held_by(location, Holder::Restore) {
                self.release(location, false);
            }
        }
    }
}

/// Whether an image can be brought back as a whole, by its rows.
fn is_whole(world: &World) -> bool {
    world.image == Status::Pending && world.all(|location| location.status == Status::Pending)
}

/// What Glance's rows get, if they still are as they were.
fn commit(world: &mut World) -> bool {
    if !is_whole(world) {
        return false;
    }
    world.image = Status::Active;
    for location in &mut world.locations {
        location.status = Status::Active;
    }
    true
}
