//! What must hold while the storm goes on, and when it is over.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::model::{Image, Life};
use super::{LEASE, STORES, Soak, directory_of};
use crate::support::api::path_of;
use crate::support::api_rows::Rows;
use crate::support::database::Session;
use crate::support::eventually;
use crate::support::servers::Engine;

/// Looks again and again, until the storm is over.
pub fn look_on(soak: &Soak) {
    let mut session = soak.site.database.session();
    let mut owners = BTreeMap::new();
    while !soak.is_over() {
        look(soak, &mut session);
        count_take_overs(soak, &mut session, &mut owners);
        soak.counts.one("looks at everything");
        soak.pass(Duration::from_millis(300));
    }
}

/// Counts claims that went from one owner to another, as far as they are seen. `owners`: whose each location was before.
fn count_take_overs(soak: &Soak, session: &mut Session, owners: &mut BTreeMap<String, String>) {
    if soak.claims_are_made(session) {
        let rows = session.rows("SELECT location_id, owner FROM scrubber_locations WHERE owner IS NOT NULL");
        let rows = rows.into_iter().map(|row| row.into_iter().flatten().collect::<Vec<_>>());
        let now: BTreeMap<_, _> = rows.map(|row| (row[0].clone(), row[1].clone())).collect();
        let taken = now.iter().filter(|(location, owner)| owners.get(*location).is_some_and(|before| before != *owner));
        soak.counts.add("take-overs seen", taken.count() as u64);
        *owners = now;
    }
}

fn look(soak: &Soak, session: &mut Session) {
    let before: BTreeMap<_, _> = {
        let model = soak.model.lock().unwrap();
        let living = model.images.iter().filter(|(_, image)| image.life == Life::Living);
        living.map(|(id, image)| (id.clone(), image.clone())).collect()
    };
    let rows = read(soak, session);
    rows.assert_sound();
    let faults: Vec<_> = before.values().filter_map(|image| Some((image, rows.fault_of(&image.api)?))).collect();
    // What changed in the meantime was not wrong.
    let model = soak.model.lock().unwrap();
    for (image, fault) in faults {
        let unchanged = model.images[&image.api.id].version == image.version;
        assert!(!unchanged, "{} lives, but {fault}\nrows: {}", image.api.id, rows.of(&image.api.id));
    }
}

/// An image that was restored is as it was before it was deleted.
pub fn assert_whole(soak: &Soak, session: &mut Session, image: &Image) {
    let rows = read(soak, session);
    if let Some(fault) = rows.fault_of(&image.api) {
        panic!("{} was restored, but {fault}\nrows: {}", image.api.id, rows.of(&image.api.id));
    }
}

fn read(soak: &Soak, session: &mut Session) -> Rows {
    session.execute(match soak.engine() {
        Engine::Postgres => "BEGIN ISOLATION LEVEL REPEATABLE READ",
        _ => "START TRANSACTION WITH CONSISTENT SNAPSHOT",
    });
    let rows = Rows::read(|sql| session.rows(sql));
    session.execute("COMMIT");
    rows
}

/// After the storm: everything that is due becomes so, leases lapse, and then one run finishes all that is left.
pub fn all_is_quiet(soak: &Soak) {
    let mut session = soak.site.database.session();
    look(soak, &mut session);
    eventually("everything to be due", || {
        let young =
            |image: &Image| matches!(image.life, Life::Pending(since) if since.elapsed() < Duration::from_secs(3));
        (soak.model.lock().unwrap().count(young) == 0).then_some(())
    });
    let lapsed = lapsed(soak.engine());
    eventually("all claims to have lapsed", || {
        let held = format!("SELECT 1 FROM scrubber_locations WHERE owner IS NOT NULL AND NOT {lapsed}");
        session.rows(&held).is_empty().then_some(())
    });
    // What a stopped scrubber could not do in time waits for another try.
    soak.scrubber().arg("--retry-now").run().expect_code(0);
    let run = soak.scrubber().args(&["--once", "--format", "json"]).run().expect_code(0);
    let rows = read(soak, &mut session);
    rows.assert_sound();
    let model = soak.model.lock().unwrap();
    let lives = |image: &Image| match image.life {
        Life::Living => true,
        Life::Open => rows.images[&image.api.id][0] == "active",
        Life::Pending(_) | Life::Refused => false,
        Life::Changing => panic!("{} is changing, but the writer has ended", image.api.id),
    };
    let living: BTreeSet<_> =
        model.images.values().filter(|image| lives(image)).map(|image| image.api.id.clone()).collect();
    for (id, image) in &model.images {
        let shares = image.api.locations.iter().any(|location| model.is_needed(&location.uri, &living));
        let fault = match living.contains(id) {
            true => rows.fault_of(&image.api),
            // It stays as long as what it shares.
            false if shares => None,
            false => rows.rest_of(&image.api),
        };
        if let Some(fault) = fault {
            panic!("{id} is {:?}, but {fault}\nrows: {}\nthe quiet run: {}", image.life, rows.of(id), run.output());
        }
    }
    let locations = living.iter().flat_map(|id| &model.images[id].api.locations);
    let expected: BTreeSet<_> = locations.map(|location| path_of(&location.uri).to_owned()).collect();
    let entries = STORES.iter().flat_map(|store| std::fs::read_dir(directory_of(&soak.site, store)).unwrap());
    let files: BTreeSet<_> = entries.map(|entry| entry.unwrap().path()).collect();
    assert_eq!(files, expected, "the files that are there are not those of the living images");
    let idle = soak.scrubber().args(&["--once", "--format", "json"]).run().expect_code(0);
    let report: serde_json::Value = serde_json::from_str(&idle.stdout).unwrap();
    let stays: Vec<_> = report["kept"].as_array().unwrap().iter().map(|kept| &kept["reason"]).collect();
    assert_eq!(report["done"], serde_json::json!([]), "{report}");
    assert!(stays.iter().all(|reason| *reason == "shared"), "{report}");
    let claimed = session.rows("SELECT location_id, owner FROM scrubber_locations WHERE owner IS NOT NULL");
    assert!(claimed.is_empty(), "claims that nobody released: {claimed:?}");
}

/// A claim is over that anybody may take, a scrubber or a restore.
fn lapsed(engine: Engine) -> String {
    let now = match engine {
        Engine::Postgres => format!("(now() AT TIME ZONE 'utc' - interval '{LEASE} seconds')"),
        _ => format!("(utc_timestamp(3) - INTERVAL {LEASE} SECOND)"),
    };
    format!("(claimed_until < {now})")
}
