//! A restore that is killed at each named place: the image is as deleted as before, or whole; and another restore brings
//! it back, or a scrub finishes it.

use chrono::{TimeDelta, Utc};
use glance_scrubber::crash::{Point, VARIABLE};
use rustix::process::Signal;

use super::scene::{self, Action, action};
use super::{Shared, Sharing, beside_each_other, is_at_hand};
use crate::support::api::{ApiImage, ApiLocation};
use crate::support::api_rows::Rows;
use crate::support::binary::Scrubber;
use crate::support::eventually;
use crate::support::rows::Image;
use crate::support::servers::{Engine, engines_at_hand};
use crate::support::snapshot::Snapshot;

const ID: &str = "comes-back";

/// A living image, and a deleted one with everything that an image can have.
fn set(shared: &Shared) -> ApiImage {
    let site = &shared.site;
    let engine = site.database.engine;
    let location = |name: &str| {
        let location = ApiLocation { uri: site.uri(name), store: "file".to_owned() };
        std::fs::write(site.data().join(name), location.content()).unwrap();
        location
    };
    let image = ApiImage {
        id: ID.to_owned(),
        locations: vec![location("one"), location("two")],
        tags: vec!["a".to_owned(), "b".to_owned()],
        properties: vec![("os".to_owned(), "linux".to_owned()), ("arch".to_owned(), "x86".to_owned())],
        members: vec!["friend".to_owned()],
    };
    let ago = Utc::now() - TimeDelta::hours(2);
    site.database.execute(&Image::active("living", &[&site.file("living")]).sql(engine));
    site.database.execute(&image.create(engine, ago));
    for transaction in image.delete(engine, || ago) {
        site.database.execute(&transaction);
    }
    image
}

fn restore(shared: &Shared) -> Scrubber {
    Scrubber::new().config_file(&shared.config()).args(&["--restore", ID])
}

fn rows(shared: &Shared) -> Rows {
    Rows::read(|sql| shared.site.database.rows(sql))
}

#[track_caller]
fn assert_whole(shared: &Shared, image: &ApiImage) {
    assert_eq!(rows(shared).fault_of(image), None, "{}", rows(shared).of(ID));
}

/// A site whose restore was killed at `point`.
fn killed_at(engine: Engine, sharing: Sharing, point: Point) -> (Shared, ApiImage) {
    let shared = Shared::new(engine, sharing);
    let image = set(&shared);
    let before = Snapshot::of(&shared.site.database);
    let run = restore(&shared).env(VARIABLE, point.name()).run();
    assert_eq!(run.signal, Some(Signal::KILL.as_raw()), "nothing comes to {point:?}: {}", run.output());
    rows(&shared).assert_sound();
    match point {
        Point::RestoreAfterCommit => assert_whole(&shared, &image),
        _ => Snapshot::of(&shared.site.database).assert_is(&before, point.name()),
    }
    (shared, image)
}

/// Until nobody's lease hinders it any more.
fn comes_back(engine: Engine, sharing: Sharing, point: Point) {
    let (shared, image) = killed_at(engine, sharing, point);
    if point != Point::RestoreAfterCommit {
        eventually("the image to come back", || {
            let run = restore(&shared).run();
            assert!(matches!(run.code, Some(0 | 7)), "{:?}: {}", run.code, run.output());
            (run.code == Some(0)).then_some(())
        });
    }
    let run = scene::once(&shared).run().expect_code(0);
    assert_eq!(scene::report(&run)["done"], serde_json::json!([]), "{}", run.output());
    assert_whole(&shared, &image);
}

/// The restore was given up: the image goes in the end. One that was back before the kill stays.
fn goes_on(engine: Engine, sharing: Sharing, point: Point) {
    let (shared, image) = killed_at(engine, sharing, point);
    eventually("the claims to be gone", || {
        shared.retry_now();
        let run = scene::once(&shared).run();
        assert!(matches!(run.code, Some(0 | 3)), "{:?}: {}", run.code, run.output());
        rows(&shared).assert_sound();
        let done = point == Point::RestoreAfterCommit || rows(&shared).images[ID][0] == "deleted";
        (done && shared.claimed() == 0).then_some(())
    });
    match point {
        Point::RestoreAfterCommit => assert_whole(&shared, &image),
        _ => assert_eq!(rows(&shared).rest_of(&image), None),
    }
    assert!(shared.site.has("living"));
}

fn kill_everywhere(engine: Engine) {
    if !is_at_hand(engine) {
        return;
    }
    let points = || Point::ALL.iter().copied();
    let places = Sharing::ALL.into_iter().flat_map(|sharing| points().map(move |point| (sharing, point)));
    let places = places.filter(|(sharing, point)| action(*point, *sharing) == Action::Restore);
    let ends: [fn(Engine, Sharing, Point); 2] = [comes_back, goes_on];
    let cases = places.flat_map(|place| ends.map(|end| (place, end)));
    beside_each_other(cases, |((sharing, point), end)| end(engine, sharing, point));
}

#[test]
fn a_restore_on_sqlite_is_killed_everywhere() {
    kill_everywhere(Engine::Sqlite);
}

#[test]
fn a_restore_on_mariadb_is_killed_everywhere() {
    kill_everywhere(Engine::Mariadb);
}

#[test]
fn a_restore_on_postgresql_is_killed_everywhere() {
    kill_everywhere(Engine::Postgres);
}

/// A scrubber is stopped when it has claimed, looked and is about to call its store. A restore waits until that claim
/// has lapsed and rested, and has the image; then the scrubber goes on, and must see that its time is over.
#[test]
fn a_scrubber_that_slept_through_its_lease_deletes_nothing() {
    let places = [Point::AfterClaim, Point::AfterLook, Point::BeforeCall];
    let sharings = [Sharing::Within, Sharing::Beside];
    let engines = engines_at_hand();
    let cases = engines.iter().flat_map(|engine| sharings.map(|sharing| places.map(|point| (*engine, sharing, point))));
    beside_each_other(cases.flatten(), |(engine, sharing, point)| {
        let shared = Shared::new(engine, sharing);
        let image = set(&shared);
        let sleeper = scene::once(&shared).env(VARIABLE, format!("{}:1:stop", point.name())).start();
        eventually("the scrubber to be stopped", || sleeper.is_stopped().then_some(()));
        eventually("the image to come back", || {
            let run = restore(&shared).run();
            assert!(matches!(run.code, Some(0 | 7)), "{:?}: {}", run.code, run.output());
            (run.code == Some(0)).then_some(())
        });
        sleeper.signal(Signal::CONT);
        let run = sleeper.wait();
        assert_eq!(scene::report(&run)["done"], serde_json::json!([]), "{point:?}: {}", run.output());
        assert_whole(&shared, &image);
    });
}
