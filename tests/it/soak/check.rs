//! What must hold while the storm goes on, and when it is over.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::model::{Image, Life};
use super::{STORES, Soak, directory_of, path_of};
use crate::support::database::Session;
use crate::support::eventually;
use crate::support::servers::Engine;

/// Looks again and again, until the storm is over.
pub fn look_on(soak: &Soak) {
    let mut session = soak.site.database.session();
    while !soak.is_over() {
        look(soak, &mut session);
        soak.counts.one("looks at everything");
        soak.pass(Duration::from_millis(300));
    }
}

fn look(soak: &Soak, session: &mut Session) {
    let before: BTreeMap<_, _> = {
        let model = soak.model.lock().unwrap();
        let living = model.images.iter().filter(|(_, image)| image.life == Life::Living);
        living.map(|(id, image)| (id.clone(), image.clone())).collect()
    };
    let rows = Rows::read(session, soak.engine());
    rows.assert_sound();
    let faults: Vec<_> = before.values().filter_map(|image| Some((image, rows.fault_of(image)?))).collect();
    // What changed in the meantime was not wrong.
    let model = soak.model.lock().unwrap();
    for (image, fault) in faults {
        let unchanged = model.images[&image.api.id].version == image.version;
        assert!(!unchanged, "{} lives, but {fault}\nrows: {}", image.api.id, rows.of(&image.api.id));
    }
}

/// The rows of all images, of one moment.
struct Rows {
    /// Image: status, deleted, deleted_at.
    images: BTreeMap<String, [String; 3]>,
    /// Image: its locations' URI, status, deleted, deleted_at.
    locations: BTreeMap<String, Vec<[String; 4]>>,
    /// Image: what belongs to it and is not deleted, as table, name and value.
    parts: BTreeMap<String, BTreeSet<[String; 3]>>,
}

impl Rows {
    fn read(session: &mut Session, engine: Engine) -> Rows {
        let texts = |row: Vec<Option<String>>| row.into_iter().map(Option::unwrap_or_default).collect::<Vec<_>>();
        session.execute(match engine {
            Engine::Postgres => "BEGIN ISOLATION LEVEL REPEATABLE READ",
            _ => "START TRANSACTION WITH CONSISTENT SNAPSHOT",
        });
        let images = session.rows("SELECT id, status, deleted, deleted_at FROM images").into_iter().map(texts);
        let images = images.map(key_and_rest).collect();
        let mut locations: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for row in session.rows("SELECT image_id, value, status, deleted, deleted_at FROM image_locations") {
            let (image, rest) = key_and_rest(texts(row));
            locations.entry(image).or_default().push(rest);
        }
        let mut parts: BTreeMap<_, BTreeSet<_>> = BTreeMap::new();
        for row in session.rows(
            "SELECT image_id, 'tag', value, '' FROM image_tags WHERE deleted = false \
             UNION ALL SELECT image_id, 'property', name, value FROM image_properties WHERE deleted = false \
             UNION ALL SELECT image_id, 'member', member, '' FROM image_members WHERE deleted = false",
        ) {
            let (image, rest) = key_and_rest(texts(row));
            parts.entry(image).or_default().insert(rest);
        }
        session.execute("COMMIT");
        Rows { images, locations, parts }
    }

    /// What holds for every image at every moment.
    fn assert_sound(&self) {
        for (id, locations) in &self.locations {
            for [uri, status, ..] in locations {
                // Names are never used again, so a file that is there now was there when the rows were read.
                let is_there = path_of(uri).exists();
                assert!(status != "deleted" || !is_there, "{uri} is recorded as deleted, but it is there");
                let image_status = &self.images[id][0];
                assert!(image_status != "deleted" || status == "deleted", "{id} is deleted, but {uri} is {status}");
            }
        }
    }

    /// What is wrong with an image that should be whole.
    fn fault_of(&self, image: &Image) -> Option<String> {
        let id = &image.api.id;
        let is = self.images.get(id);
        if is != Some(&["active", "0", ""].map(str::to_owned)) {
            return Some(format!("its row is {is:?}"));
        }
        for location in &image.api.locations {
            let rows = self.locations.get(id)?;
            let whole = [location.uri.as_str(), "active", "0", ""].map(str::to_owned);
            if !rows.contains(&whole) {
                return Some(format!("{} is not one of its active locations", location.uri));
            }
            match std::fs::read_to_string(path_of(&location.uri)) {
                Ok(content) if content == location.uri => {}
                content => return Some(format!("the file of {} is {content:?}", location.uri)),
            }
        }
        let active = self.locations.get(id).into_iter().flatten().filter(|[_, status, ..]| status == "active").count();
        if active != image.api.locations.len() {
            return Some(format!("it has {active} active locations"));
        }
        let part = |table: &str, name: &str, value: &str| [table, name, value].map(str::to_owned);
        let tags = image.api.tags.iter().map(|tag| part("tag", tag, ""));
        let properties = image.api.properties.iter().map(|(name, value)| part("property", name, value));
        let members = image.api.members.iter().map(|member| part("member", member, ""));
        let should: BTreeSet<_> = tags.chain(properties).chain(members).collect();
        let is = self.parts.get(id).cloned().unwrap_or_default();
        (is != should).then(|| format!("of its parts {should:?} there are {is:?}"))
    }

    /// What is left of an image that should be gone.
    fn rest_of(&self, image: &Image) -> Option<String> {
        let status = &self.images[&image.api.id][0];
        if status != "deleted" {
            return Some(format!("it is {status}"));
        }
        let left = image.api.locations.iter().find(|location| path_of(&location.uri).exists());
        left.map(|location| format!("{} is there", location.uri))
    }

    fn of(&self, id: &str) -> String {
        format!("{:?} {:?} {:?}", self.images.get(id), self.locations.get(id), self.parts.get(id))
    }
}

fn key_and_rest<const N: usize>(row: Vec<String>) -> (String, [String; N]) {
    let mut row = row.into_iter();
    let key = row.next().unwrap();
    (key, row.collect::<Vec<_>>().try_into().unwrap())
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
    let run = soak.scrubber().args(&["--once", "--format", "json"]).run().expect_code(0);
    let rows = Rows::read(&mut session, soak.engine());
    rows.assert_sound();
    let mut expected = BTreeSet::new();
    for (id, image) in &soak.model.lock().unwrap().images {
        let lives = match image.life {
            Life::Living => true,
            Life::Pending(_) => false,
            Life::Changing => panic!("{id} is changing, but the writer has ended"),
        };
        let fault = if lives { rows.fault_of(image) } else { rows.rest_of(image) };
        if let Some(fault) = fault {
            panic!("{id} is {:?}, but {fault}\nrows: {}\nthe quiet run: {}", image.life, rows.of(id), run.output());
        }
        if lives {
            expected.extend(image.api.locations.iter().map(|location| path_of(&location.uri).to_owned()));
        }
    }
    let entries = STORES.iter().flat_map(|store| std::fs::read_dir(directory_of(&soak.site, store)).unwrap());
    let files: BTreeSet<_> = entries.map(|entry| entry.unwrap().path()).collect();
    assert_eq!(files, expected, "the files that are there are not those of the living images");
    let idle = soak.scrubber().args(&["--once", "--format", "json"]).run().expect_code(0);
    let report: serde_json::Value = serde_json::from_str(&idle.stdout).unwrap();
    assert_eq!((&report["done"], &report["kept"]), (&serde_json::json!([]), &serde_json::json!([])), "{report}");
}
