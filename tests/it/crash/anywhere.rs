//! Kills at random instants, under load.

use std::time::{Duration, Instant};

use chrono::TimeDelta;
use fastrand::Rng;
use glance_scrubber::crash::{Point, VARIABLE};
use rustix::process::Signal;

use super::scene::{self, Action, action};
use super::{Shared, Sharing, beside_each_other};
use crate::support::eventually;
use crate::support::rows::Image;
use crate::support::servers::{Engine, engines_at_hand};

/// Due images: more than one batch of the recorder.
const COUNT: usize = 700;

/// Kills, for each engine and way of sharing.
const KILLS: usize = 8;

/// The named places are passed so often at least, while there is work: each portion of a lane's is looked at, and each of
/// its calls is made and recorded.
const VISITS: u64 = 6;

fn set(shared: &Shared) {
    let (site, engine) = (&shared.site, shared.site.database.engine);
    let mut sql = Image::active("living", &[&site.file("living")]).sql(engine);
    for number in 0..COUNT {
        let names = [format!("due{number}.a"), format!("due{number}.b")];
        let uris = names.iter().take(1 + number % 2).map(|name| site.file(name)).collect::<Vec<_>>();
        let uris: Vec<_> = uris.iter().map(String::as_str).collect();
        sql += &Image::pending(&format!("due{number}"), TimeDelta::hours(2), &uris).sql(engine);
    }
    site.database.execute(&format!("BEGIN;{sql}COMMIT"));
}

/// Images that are not deleted yet. Panics where rows and files contradict each other.
#[track_caller]
fn left(shared: &Shared) -> usize {
    let site = &shared.site;
    let rows = site.database.rows(
        "SELECT i.status, l.status, l.value FROM images i JOIN image_locations l ON l.image_id = i.id \
         WHERE i.id <> 'living'",
    );
    for row in rows {
        let [Some(image), Some(location), Some(value)] = &row[..] else { panic!("{row:?}") };
        let is_there = std::path::Path::new(value.strip_prefix("file://").unwrap()).exists();
        assert!(location != "deleted" || !is_there, "{value} is recorded as deleted, but it is there");
        assert!(image != "deleted" || location == "deleted", "an image is deleted, but {value} is {location}");
    }
    assert!(site.has("living"), "the living image's file was deleted");
    let pending = site.database.rows("SELECT id FROM images WHERE status = 'pending_delete'");
    pending.len()
}

/// Wherever it hits: no row says deleted while its file is there, and the next runs finish.
fn kill_anywhere(engine: Engine, sharing: Sharing, seed: u64) {
    let mut random = Rng::with_seed(seed);
    let shared = Shared::new(engine, sharing);
    set(&shared);
    let longest = undisturbed(engine, sharing);
    let mut recorded = 0;
    for _ in 0..KILLS {
        if random.bool() {
            let running = scene::once(&shared).start();
            // Not to wait for something: the instant is what is random.
            std::thread::park_timeout(longest.mul_f64(random.f64()));
            let _ = running.try_signal(Signal::KILL);
            running.wait();
        } else {
            let points =
                Point::ALL.iter().filter(|point| action(**point, sharing) == Action::Scrub).collect::<Vec<_>>();
            let point = points[random.usize(0..points.len())];
            scene::once(&shared).env(VARIABLE, format!("{}:{}", point.name(), random.u64(1..=VISITS))).run();
        }
        let now_recorded = COUNT - left(&shared);
        assert!(now_recorded >= recorded, "what was recorded is forgotten");
        recorded = now_recorded;
    }
    eventually("a run that leaves nothing to do", || {
        shared.retry_now();
        let run = scene::once(&shared).run();
        assert!(matches!(run.code, Some(0 | 3)), "{:?}: {}", run.code, run.output());
        (left(&shared) == 0 && shared.claimed() == 0).then_some(())
    });
    assert_eq!(std::fs::read_dir(shared.site.data()).unwrap().count(), 1, "only the living image's file is left");
}

/// How long a run takes that nobody kills.
fn undisturbed(engine: Engine, sharing: Sharing) -> Duration {
    let shared = Shared::new(engine, sharing);
    set(&shared);
    let begun = Instant::now();
    let run = scene::once(&shared).run();
    assert!(matches!(run.code, Some(0 | 3)), "{:?}: {}", run.code, run.output());
    begun.elapsed()
}

#[test]
fn sigkill_at_any_moment_loses_nothing() {
    let seed = std::env::var("SCRUBBER_TEST_SEED").map_or_else(|_| fastrand::u64(..), |seed| seed.parse().unwrap());
    println!("SCRUBBER_TEST_SEED={seed}");
    let cases = engines_at_hand().into_iter().flat_map(|engine| Sharing::ALL.map(|sharing| (engine, sharing)));
    beside_each_other(cases, |(engine, sharing)| kill_anywhere(engine, sharing, seed));
}
