//! A kill at each named place.

use glance_scrubber::crash::{Point, VARIABLE};
use rustix::process::Signal;

use super::scene::{self, Look};
use super::{Shared, Sharing};
use crate::support::servers::Engine;

/// Each place is passed at least so often in the scene: by two lanes, or by the record of what needs only to be finished
/// and then by that of the lanes.
const VISITS: u64 = 2;

/// Kills a run at the `nth` visit of `point`; false where it did not come there.
fn is_killed_at(shared: &Shared, point: Point, nth: u64) -> bool {
    let run = scene::once(shared).env(VARIABLE, format!("{}:{nth}", point.name())).run();
    let killed = run.signal == Some(Signal::KILL.as_raw());
    assert!(killed || run.code == Some(3), "{point:?}:{nth}: {}", run.output());
    killed
}

/// What is for certain when a run was killed there for the first or second time.
#[track_caller]
fn assert_fits(look: &Look, point: Point, nth: u64) {
    let (untouched, unrecorded) = (look.gone == 0, look.recorded == 0);
    let fits = match (point, nth) {
        (Point::AfterLook | Point::BeforeCall, 1) => untouched && unrecorded && look.finished,
        (Point::AfterLocationRecord | Point::AfterImageRecord, 1) => untouched && unrecorded && !look.finished,
        (Point::AfterCommit, 1) => untouched && unrecorded && look.finished,
        (Point::AfterDelete, 2) => !untouched && look.finished,
        (Point::AfterLocationRecord | Point::AfterImageRecord, 2) => unrecorded && look.finished,
        (Point::AfterCommit, 2) => !unrecorded && look.finished,
        _ => true,
    };
    assert!(fits, "{point:?}:{nth} leaves {look:?}");
}

/// Goes through all places that a scrub comes to, at the same time: most of a case is waiting for leases to lapse.
fn kill_everywhere(engine: Engine, sharing: Sharing) {
    if engine != Engine::Sqlite && engine.admin_url().is_none() {
        return;
    }
    let cases = Point::ALL.iter().flat_map(|point| (1..=VISITS).map(move |nth| (*point, nth)));
    std::thread::scope(|scope| {
        for (point, nth) in cases {
            scope.spawn(move || {
                let shared = Shared::new(engine, sharing);
                scene::set(&shared);
                assert!(is_killed_at(&shared, point, nth), "{engine:?}, {sharing:?}: nothing comes to {point:?}:{nth}");
                assert_fits(&Look::at(&shared), point, nth);
                scene::assert_finishes(&shared);
            });
        }
    });
}

#[test]
fn a_scrubber_on_sqlite_is_killed_everywhere() {
    kill_everywhere(Engine::Sqlite, Sharing::Alone);
}

#[test]
fn a_scrubber_on_mariadb_is_killed_everywhere() {
    kill_everywhere(Engine::Mariadb, Sharing::Alone);
}

#[test]
fn a_scrubber_on_postgresql_is_killed_everywhere() {
    kill_everywhere(Engine::Postgres, Sharing::Alone);
}

/// Without the variable, and with a name that no place has, nothing happens.
#[test]
fn a_place_that_nobody_named_kills_nobody() {
    let shared = Shared::new(Engine::Sqlite, Sharing::Alone);
    scene::set(&shared);
    scene::once(&shared).env(VARIABLE, "nowhere").run().expect_code(3);
    assert_eq!(Look::at(&shared), Look::when_done());
}
