//! Operators who want images back: some of their restores are killed, stopped for long, or meet a second one.

use std::time::Duration;

use fastrand::Rng;
use rustix::process::Signal;

use super::model::{Image, Life};
use super::{Soak, check};
use crate::support::binary::{Finished, Running};

/// What was deleted so long ago is hardly worth a try.
const HOPE: Duration = Duration::from_secs(6);

pub fn restore(soak: &Soak) {
    let mut random = soak.random(20);
    let mut session = soak.site.database.session();
    while !soak.is_over() {
        soak.pass(Duration::from_millis(random.u64(0..200)));
        let Some(image) = pick(soak, &mut random) else { continue };
        let id = &image.api.id;
        let restored = match random.u32(0..10) {
            0..2 => killed(soak, &mut random, start(soak, id)),
            2 => stopped(soak, &mut random, start(soak, id)),
            3 => {
                soak.counts.one("restores beside another one");
                let both = [start(soak, id), start(soak, id)].map(|run| outcome(soak, id, &run.wait()));
                Some(both.contains(&true))
            }
            _ => Some(outcome(soak, id, &start(soak, id).wait())),
        };
        let Some(restored) = restored else { continue };
        // Nobody else touches an image that is open.
        if restored {
            check::assert_whole(soak, &mut session, &image);
        }
        soak.model.lock().unwrap().set(id, if restored { Life::Living } else { Life::Refused });
    }
}

fn pick(soak: &Soak, random: &mut Rng) -> Option<Image> {
    let mut model = soak.model.lock().unwrap();
    let young = |image: &Image| matches!(image.life, Life::Pending(since) if since.elapsed() < HOPE);
    let image = model.pick(random, young)?;
    model.set(&image.api.id, Life::Open);
    Some(image)
}

fn start(soak: &Soak, id: &str) -> Running {
    soak.counts.one("restores");
    soak.scrubber().args(&["--restore", id]).start()
}

/// None where it was killed before it said how it ended.
fn killed(soak: &Soak, random: &mut Rng, running: Running) -> Option<bool> {
    // Not to wait for something: the instant is what is random.
    std::thread::park_timeout(Duration::from_millis(random.u64(0..400)));
    let _ = running.try_signal(Signal::KILL);
    let run = running.wait();
    if run.code.is_some() {
        return Some(outcome(soak, "", &run));
    }
    soak.counts.one("restores killed");
    None
}

fn stopped(soak: &Soak, random: &mut Rng, running: Running) -> Option<bool> {
    std::thread::park_timeout(Duration::from_millis(random.u64(0..300)));
    if running.try_signal(Signal::STOP).is_ok() {
        // However long: it commits nothing when its claims have lapsed.
        soak.pass(Duration::from_millis(random.u64(500..9000)));
        let _ = running.try_signal(Signal::CONT);
        soak.counts.one("restores stopped");
    }
    let run = running.wait();
    if run.code == Some(6) {
        // It slept through a statement's deadline, and cannot know what became of it.
        return None;
    }
    Some(outcome(soak, "", &run))
}

/// Whether the image is back. Refusals are counted by their words, without numbers and names.
fn outcome(soak: &Soak, id: &str, run: &Finished) -> bool {
    match run.code {
        Some(0) => {
            soak.counts.one("restored");
            true
        }
        Some(7) => {
            soak.counts.one(format!("refused: {}", reason(&run.stderr)));
            false
        }
        _ => panic!("the restore of {id} ended with {:?}: {}", run.code, run.output()),
    }
}

/// The first words that tell one refusal from another.
fn reason(stderr: &str) -> &'static str {
    let known = [
        "cannot restore the image from deleted",
        "cannot restore the image from active",
        "scrubbed in part",
        "is being worked on by scrubber",
        "is being worked on by restore",
        "was not answered, and may still take effect",
        "is gone",
        // No file is left there of those that lived when the restore began.
        "cannot be told",
        "changed in the meantime",
        // It was stopped while it looked.
        "took longer than the claim on it lasts",
        "the claims",
        "has no location that was deleted with it",
        "not marked deleted",
    ];
    known.into_iter().find(|words| stderr.contains(words)).unwrap_or_else(|| panic!("refused for what? {stderr}"))
}
