//! A kill at each named place.

use glance_scrubber::crash::{Point, VARIABLE};
use rustix::process::Signal;

use super::scene::{self, Action, Look, action};
use super::{Shared, Sharing, beside_each_other, is_at_hand};
use crate::support::servers::Engine;

/// Each place is passed so often at least in the scene: for each of two tables, by each of two lanes, or by the record of
/// what needs only to be finished and then by that of the lanes.
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
fn assert_fits(look: &Look, shared: &Shared, point: Point, nth: u64) {
    let (untouched, unrecorded) = (look.gone == 0, look.recorded == 0);
    let claimed = shared.sharing == Sharing::Alone || shared.claimed() > 0;
    let fits = match (point, nth) {
        (Point::AfterClaim | Point::AfterLook | Point::BeforeCall, 1) => {
            untouched && unrecorded && look.finished && claimed
        }
        (Point::AfterLocationRecord | Point::AfterImageRecord, 1) => untouched && unrecorded && !look.finished,
        (Point::AfterCommit, 1) => untouched && unrecorded && look.finished,
        (Point::AfterDelete, 2) => !untouched && look.finished,
        (Point::AfterLocationRecord | Point::AfterImageRecord, 2) => unrecorded && look.finished && claimed,
        (Point::AfterCommit, 2) => !unrecorded && look.finished,
        // Recorded and released in one transaction, or one after the other.
        (Point::InRelease, 1) => untouched && unrecorded && look.finished == (shared.sharing == Sharing::Beside),
        (Point::InRelease, 2) => look.finished && (unrecorded || shared.sharing == Sharing::Beside),
        (Point::BetweenTables, _) => untouched && unrecorded && !look.finished,
        _ => true,
    };
    assert!(fits, "{point:?}:{nth} leaves {look:?}, claimed: {}", shared.claimed());
}

/// Goes through all places that a scrub comes to.
fn kill_everywhere(engine: Engine, sharing: Sharing) {
    if !is_at_hand(engine) {
        return;
    }
    let points = Point::ALL.iter().copied().filter(|point| action(*point, sharing) == Action::Scrub);
    let cases = points.flat_map(|point| (1..=VISITS).map(move |nth| (point, nth)));
    beside_each_other(cases, |(point, nth)| {
        let shared = Shared::new(engine, sharing);
        scene::set(&shared);
        assert!(is_killed_at(&shared, point, nth), "{engine:?}, {sharing:?}: nothing comes to {point:?}:{nth}");
        assert_fits(&Look::at(&shared), &shared, point, nth);
        scene::assert_finishes(&shared);
    });
}

/// A test for each engine and way of sharing, so that they run beside each other.
macro_rules! killed_everywhere {
    ($($name:ident: $engine:ident, $sharing:ident;)+) => {
        $(#[test]
        fn $name() {
            kill_everywhere(Engine::$engine, Sharing::$sharing);
        })+
    };
}

killed_everywhere! {
    a_scrubber_on_sqlite_is_killed_everywhere: Sqlite, Alone;
    a_scrubber_on_mariadb_is_killed_everywhere: Mariadb, Alone;
    a_scrubber_on_postgresql_is_killed_everywhere: Postgres, Alone;
    a_scrubber_with_claims_on_sqlite_is_killed_everywhere: Sqlite, Within;
    a_scrubber_with_claims_on_mariadb_is_killed_everywhere: Mariadb, Within;
    a_scrubber_with_claims_on_postgresql_is_killed_everywhere: Postgres, Within;
    a_scrubber_with_claims_beside_sqlite_is_killed_everywhere: Sqlite, Beside;
    a_scrubber_with_claims_beside_mariadb_is_killed_everywhere: Mariadb, Beside;
    a_scrubber_with_claims_beside_postgresql_is_killed_everywhere: Postgres, Beside;
}

/// Every place is one that a test above or in `restores` sees the program die at.
#[test]
fn no_place_is_left_out() {
    for point in Point::ALL {
        let somewhere = Sharing::ALL.iter().any(|sharing| action(*point, *sharing) != Action::None);
        assert!(somewhere, "no test comes to {point:?}");
    }
}

/// Without the variable, and with a name that no place has, nothing happens.
#[test]
fn a_place_that_nobody_named_kills_nobody() {
    let shared = Shared::new(Engine::Sqlite, Sharing::Alone);
    scene::set(&shared);
    scene::once(&shared).env(VARIABLE, "nowhere").run().expect_code(3);
    assert_eq!(Look::at(&shared), Look::when_done());
}
