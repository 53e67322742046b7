//! The images that a scrubber is killed over, and what may have become of them.

use std::collections::BTreeMap;

use chrono::TimeDelta;

use glance_scrubber::crash::Point;

use super::{Shared, Sharing};
use crate::support::binary::{Finished, Scrubber};
use crate::support::eventually;
use crate::support::rows::{Image, Location};

/// What comes to a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    Scrub,
    Restore,
    /// Nothing, with this way of sharing.
    None,
}

/// By whom a place is passed. A new place has to be named here, or nothing is built.
pub fn action(point: Point, sharing: Sharing) -> Action {
    let claims = |action| if sharing == Sharing::Alone { Action::None } else { action };
    match point {
        Point::AfterLook | Point::BeforeCall | Point::AfterDelete => Action::Scrub,
        Point::AfterLocationRecord | Point::AfterImageRecord | Point::AfterCommit => Action::Scrub,
        Point::BetweenTables | Point::AfterClaim | Point::InRelease => claims(Action::Scrub),
        Point::RestoreAfterClaim | Point::RestoreAfterProbe => Action::Restore,
        Point::RestoreInTransaction | Point::RestoreAfterCommit => Action::Restore,
    }
}

/// What must become of a location in the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    /// Deleted, with its file if it has one.
    Goes,
    /// Pending for ever: it shares a living image's file, or no store takes it.
    Stays,
}
use Fate::{Goes, Stays};

/// The due images: each with its locations, and their fates. `/` begins a URI that is not a file of the data directory.
const DUE: [(&str, &[(&str, Fate)]); 8] = [
    ("plain", &[("plain", Goes)]),
    ("pair", &[("pair.a", Goes), ("pair.b", Goes)]),
    ("web", &[("/http://127.0.0.1:9/web", Goes), ("web", Goes)]),
    ("twin-1", &[("twin", Goes)]),
    ("twin-2", &[("twin", Goes)]),
    ("shares", &[("living", Stays), ("shares.own", Goes)]),
    ("outside", &[("/file:///nowhere/outside", Stays)]),
    ("partly", &[("partly", Goes), ("/rbd://fsid/pool/partly/snap", Stays)]),
];

/// An image of which somebody crashed before saying that it is finished.
const FINISHABLE: &str = "finishable";

/// Makes the scene.
pub fn set(shared: &Shared) {
    let site = &shared.site;
    let engine = site.database.engine;
    let hours_ago = TimeDelta::hours(2);
    let mut sql = Image::active("living", &[&site.file("living")]).sql(engine);
    for (image, locations) in DUE {
        let uris: Vec<_> = locations
            .iter()
            .map(|(name, _)| name.strip_prefix('/').map_or_else(|| site.file(name), str::to_owned))
            .collect();
        let uris: Vec<_> = uris.iter().map(String::as_str).collect();
        sql += &Image::pending(image, hours_ago, &uris).sql(engine);
    }
    let mut finishable = Image::pending(FINISHABLE, hours_ago, &[]);
    let (deleted_at, meta_data) = (finishable.deleted_at, Some("{}".to_owned()));
    finishable.locations.push(Location { value: site.uri("was-there"), status: "deleted", deleted_at, meta_data });
    sql += &finishable.sql(engine);
    site.database.execute(&format!("BEGIN;{sql}COMMIT"));
}

/// What rows and files say.
#[derive(Debug, PartialEq, Eq)]
pub struct Look {
    /// Locations that are recorded as deleted.
    pub recorded: usize,
    /// Files of due images that are gone.
    pub gone: usize,
    /// Whether the image that only had to be finished is.
    pub finished: bool,
}

impl Look {
    /// Panics where rows and files contradict each other, or something is gone that must stay.
    #[track_caller]
    pub fn at(shared: &Shared) -> Look {
        let site = &shared.site;
        let (images, locations) = (statuses(shared, "images", "id"), statuses(shared, "image_locations", "image_id"));
        let mut look = Look { recorded: 0, gone: 0, finished: images[FINISHABLE] == ["deleted"] };
        assert_eq!((&images["living"][0], &locations["living"][0]), (&"active".to_owned(), &"active".to_owned()));
        assert!(site.has("living"), "the living image's file was deleted");
        for (image, parts) in DUE {
            assert_eq!(locations[image].len(), parts.len());
            for ((name, fate), status) in parts.iter().zip(&locations[image]) {
                let is_there = site.has(name);
                match status.as_str() {
                    "deleted" => {
                        assert_eq!((*fate, is_there), (Goes, false), "{name} of {image} is recorded as deleted")
                    }
                    "pending_delete" => {}
                    status => panic!("{name} of {image} has become {status}"),
                }
                look.recorded += usize::from(status == "deleted");
                look.gone += usize::from(!name.starts_with('/') && !is_there);
            }
            let whole = locations[image].iter().all(|status| status == "deleted");
            match images[image][0].as_str() {
                "deleted" => assert!(whole, "{image} is deleted, but not all of its locations are"),
                // They are recorded in one transaction.
                status => assert!(status == "pending_delete" && !whole, "{image} is {status}: {:?}", locations[image]),
            }
        }
        look
    }

    /// Everything that is due and can go has gone, and nothing else.
    pub fn when_done() -> Look {
        let parts = || DUE.into_iter().flat_map(|(_, parts)| parts).filter(|(_, fate)| *fate == Goes);
        let files = parts().filter(|(name, _)| !name.starts_with('/'));
        Look { recorded: parts().count(), gone: files.count(), finished: true }
    }
}

fn statuses(shared: &Shared, table: &str, id: &str) -> BTreeMap<String, Vec<String>> {
    let mut found: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for row in shared.site.database.rows(&format!("SELECT {id}, status FROM {table} ORDER BY id")) {
        let [Some(id), Some(status)] = <[_; 2]>::try_from(row).unwrap() else { panic!("NULL in {table}") };
        found.entry(id).or_default().push(status);
    }
    found
}

/// One run, to be asked for its JSON.
pub fn once(shared: &Shared) -> Scrubber {
    Scrubber::new().config_file(&shared.config()).args(&["--once", "--format", "json"])
}

/// Runs the program until everything is done that can be, however long a killed one's leases last; then once more, for
/// nothing.
#[track_caller]
pub fn assert_finishes(shared: &Shared) {
    let mut last = String::new();
    eventually("a run that leaves nothing to do", || {
        shared.retry_now();
        let run = once(shared).run();
        last = run.output();
        assert_eq!(run.code, Some(3), "two locations fail for good\n{last}");
        (Look::at(shared) == Look::when_done() && shared.claimed() == 0).then_some(())
    });
    let idle = once(shared).run();
    assert_eq!(idle.code, Some(3), "{}", idle.output());
    let report = report(&idle);
    assert_eq!((&report["done"], &report["images_finished"]), (&serde_json::json!([]), &0.into()), "{last}");
    assert_eq!(Look::at(shared), Look::when_done());
}

pub fn report(run: &Finished) -> serde_json::Value {
    serde_json::from_str(&run.stdout).unwrap_or_else(|e| panic!("{e}: {}", run.output()))
}
