//! Runs that are cut off: signals, a database that goes away, another scrubber, a reader that closes the pipe. After
//! each, the files and the rows are held against each other, and the next run must finish the work.
//!
//! To hit a run in the midst of its work for certain, a test locks the row of one location: the recorder waits at it,
//! while the lanes go on until the channel to the recorder is full.

mod lost_database;
mod pipes;
mod several;
mod signals;

use std::collections::BTreeMap;

use chrono::TimeDelta;

use crate::support::binary::{Finished, Running, Scrubber};
use crate::support::database::Session;
use crate::support::eventually;
use crate::support::rows::Image;
use crate::support::servers::{Engine, engines_at_hand};
use crate::support::site::Site;

/// More than the recorder's batch, its channel and all that the lanes have in hand, so that a run that waits at
/// [`LOCKED`] has not come to the end.
pub const MANY: usize = 3000;

/// The location at which a run is held; beyond the recorder's first batch.
pub const LOCKED: usize = 600;

/// How far the lanes must have come beyond it before a test goes on; less than the channel holds.
pub const AHEAD: usize = 800;

/// Deleted but not recorded, at most, when the recorder is held: its batch (500), the channel (1,000), and what the
/// lanes have in hand (4 calls of 32).
pub const MOST_UNRECORDED: usize = 500 + 1000 + 4 * 32;

pub fn servers() -> impl Iterator<Item = Engine> {
    engines_at_hand().into_iter().filter(|engine| *engine != Engine::Sqlite)
}

/// A living image and `count` due ones, each with a file.
pub fn site_with(engine: Engine, count: usize) -> Site {
    let site = Site::new(engine);
    fill(&site, count);
    site
}

/// The same at a site.
pub fn fill(site: &Site, count: usize) {
    let engine = site.database.engine;
    let living = Image::active("living", &[&site.file("living")]).sql(engine);
    let ago = |number| TimeDelta::hours(3) - TimeDelta::seconds(number as i64);
    let due = (0..count).map(|number| {
        let name = format!("due{number:04}");
        Image::pending(&name, ago(number), &[&site.file(&name)]).sql(engine)
    });
    let all = std::iter::once(living).chain(due).collect::<String>();
    site.database.execute(&format!("BEGIN;{all}COMMIT"));
}

fn start(site: &Site, config: &str) -> Running {
    let once = Scrubber::new().config_file(&site.config(config)).arg("--once").arg("--format").arg("json");
    once.start()
}

/// A run that is held at [`LOCKED`]: it has recorded something, and has deleted what it cannot record yet.
fn held(site: &Site, config: &str) -> (Running, Session) {
    held_with(site, || start(site, config))
}

/// The same with whatever `start` starts.
pub fn held_with(site: &Site, start: impl FnOnce() -> Running) -> (Running, Session) {
    let mut lock = site.database.session();
    let find = format!("SELECT id FROM image_locations WHERE image_id = 'due{LOCKED:04}'");
    let Some(id) = site.database.rows(&find).remove(0).remove(0) else { panic!("no location to lock") };
    lock.execute("BEGIN");
    // By its key: a search would lock every row that InnoDB reads.
    lock.execute(&format!("UPDATE image_locations SET meta_data = '{{}}' WHERE id = {id}"));
    let running = start();
    // The servers say who waits for a lock too, but MariaDB not to those who ask often.
    eventually("the lanes to run ahead of the recorder", || (files(site) < MANY - LOCKED - AHEAD).then_some(()));
    (running, lock)
}

/// Due files that are left.
pub fn files(site: &Site) -> usize {
    std::fs::read_dir(site.data()).unwrap().count() - 1
}

/// What files and rows say.
pub struct State {
    pub files: usize,
    /// Locations by status.
    rows: BTreeMap<String, usize>,
}

impl State {
    /// Panics where they contradict each other in a way that no crash may cause.
    #[track_caller]
    pub fn of(site: &Site) -> State {
        let mut rows = BTreeMap::new();
        for row in site.database.rows(
            "SELECT i.id, i.status, l.status FROM images i JOIN image_locations l ON l.image_id = i.id WHERE i.id <> 'living'",
        ) {
            let [Some(id), Some(image), Some(location)] = &row[..] else { panic!("{row:?}") };
            assert!(location != "deleted" || !site.has(id), "{id} is recorded as deleted, but its file is there");
            assert_eq!(image, location, "{id}: its image and its only location are recorded together");
            *rows.entry(location.clone()).or_default() += 1;
        }
        assert!(site.has("living"), "the living image's file was deleted");
        State { files: files(site), rows }
    }

    pub fn deleted(&self) -> usize {
        self.rows.get("deleted").copied().unwrap_or_default()
    }

    /// Locations whose file is gone but whose row does not say so.
    pub fn unrecorded(&self, all: usize) -> usize {
        all - self.files - self.deleted()
    }
}

fn report(run: &Finished) -> serde_json::Value {
    serde_json::from_str(&run.stdout).unwrap_or_else(|e| panic!("{e}: {}", run.output()))
}

/// Locations that a run finished with this outcome.
fn done(run: &Finished, outcome: &str) -> u64 {
    let report = report(run);
    let done = report["done"].as_array().unwrap().iter();
    done.filter(|line| line["outcome"] == outcome).map(|line| line["locations"].as_u64().unwrap()).sum()
}

/// The next run finishes everything; what the one before could not record is `absent` to it.
#[track_caller]
pub fn assert_finishes(site: &Site, all: usize, absent: usize) {
    let run = start(site, "").wait().expect_code(0);
    let state = State::of(site);
    assert_eq!((state.files, state.deleted()), (0, all), "{}", run.output());
    assert_eq!(done(&run, "absent"), absent as u64, "{}", run.stdout);
}
