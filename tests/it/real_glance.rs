//! A real glance-api makes images and deletes them, our program finishes it, and every row of Glance's image tables,
//! every file and every answer of the API is compared with what it should be.
//!
//! The database, the stores and the config file are the ones that Glance itself uses.

mod restore;
mod story;

use crate::support::binary::Scrubber;
use crate::support::database::Database;
use crate::support::glance::{Glance, Settings, Stores};
use crate::support::servers::{Engine, engines_at_hand};
use crate::support::snapshot::Snapshot;
use story::{GRACE_MINUTES, Story, age};

const KEY: &str = "0123456789abcdef0123456789abcdef";

/// One test each, for they take seconds.
macro_rules! lives {
    ($($name:ident: $engine:ident $stores:ident $key:expr;)*) => {
        $(#[test]
        fn $name() {
            live_and_scrub(Engine::$engine, Stores::$stores, $key);
        })*
    };
}

// Several stores only on the servers: Glance's own import into two of them runs in two threads, which on SQLite
// sometimes lock each other out for good ("database is locked"), with no scrubber near. What several stores mean to us
// on SQLite is tried by rows of our own, in scrub_once.
lives! {
    sqlite_single_plain: Sqlite Single None;
    sqlite_single_encrypted: Sqlite Single Some(KEY);
    mariadb_single_plain: Mariadb Single None;
    mariadb_multi_plain: Mariadb Multi None;
    mariadb_multi_encrypted: Mariadb Multi Some(KEY);
    postgres_single_plain: Postgres Single None;
    postgres_multi_plain: Postgres Multi None;
    postgres_multi_encrypted: Postgres Multi Some(KEY);
}

fn live_and_scrub(engine: Engine, stores: Stores, key: Option<&str>) {
    let Some((database, glance)) = start(engine, stores, key) else { return };
    let story = Story::told(&glance, &database, stores);
    let living: Vec<_> = story.living().map(|id| (id, glance.api.show(id), glance.api.download(id))).collect();
    let list = glance.api.list();
    let rows = Snapshot::of(&database);
    let files = glance.files();
    let requests = story.web.requests();

    for looking in ["--check", "--dry-run", "--dry-run --probe"] {
        scrub(&glance, looking, 0, &story.secrets(&database));
        Snapshot::of(&database).assert_is(&rows, looking);
        assert_eq!(glance.files(), files, "after {looking}");
    }

    let start = utc_now(0);
    scrub(&glance, "--once", 0, &story.secrets(&database));
    let scrubbed = Snapshot::of(&database);
    scrubbed.clone().between(&start, &utc_now(1), "NOW").assert_is(&story.expected(rows), "after the scrub");
    assert_eq!(glance.files(), story.expected_files(files), "after the scrub");
    assert_eq!(story.web.requests(), requests, "an http location is not ours to touch");

    for (id, image, data) in living {
        assert_eq!(glance.api.show(id), image, "a living image");
        assert_eq!(glance.api.download(id), data, "a living image's data");
    }
    assert_eq!(glance.api.list(), list);
    for id in story.scrubbed() {
        assert_eq!(glance.api.show(id), None);
        assert_eq!(glance.api.download(id), None);
    }

    let files = glance.files();
    scrub(&glance, "--once", 0, &story.secrets(&database));
    Snapshot::of(&database).assert_is(&scrubbed, "after a second scrub");
    assert_eq!(glance.files(), files, "after a second scrub");

    age(&database, GRACE_MINUTES);
    scrub(&glance, "--once", 0, &story.secrets(&database));
    let young = Snapshot::of(&database).value("images", "id", &story.young, "status");
    assert_eq!(young.as_deref(), Some("deleted"), "an image whose grace period has passed since");
}

/// A directory that is not mounted looks just like one whose files have gone: nothing may be recorded as deleted then.
#[test]
fn a_store_that_is_not_there_leaves_everything_pending() {
    let Some((database, glance)) = start(Engine::Sqlite, Stores::Single, None) else { return };
    let image = glance.api.create("image", serde_json::json!({}));
    glance.api.upload(&image, b"data", None);
    glance.api.create("living", serde_json::json!({}));
    glance.api.delete(&image);
    age(&database, 2 * GRACE_MINUTES);
    let rows = Snapshot::of(&database);

    std::fs::rename(glance.path("images"), glance.path("unmounted")).unwrap();
    scrub(&glance, "--once", 3, &[]);
    Snapshot::of(&database).assert_is(&rows, "with the store's directory away");
    assert!(!glance.path("images").exists(), "the directory was made, so the next look would find it empty");

    std::fs::rename(glance.path("unmounted"), glance.path("images")).unwrap();
    scrub(&glance, "--once", 0, &[]);
    assert_eq!(Snapshot::of(&database).value("images", "id", &image, "status").as_deref(), Some("deleted"));
    assert_eq!(glance.files(), [] as [String; 0]);
}

/// None where the engine or Glance is not at hand.
fn start(engine: Engine, stores: Stores, key: Option<&str>) -> Option<(Database, Glance)> {
    if !engines_at_hand().contains(&engine) {
        return None;
    }
    let database = Database::fresh(engine);
    let grace = format!("scrub_time = {}", GRACE_MINUTES * 60);
    let glance = Glance::start(&database, Settings { stores, key, scrubber: &grace })?;
    Some((database, glance))
}

/// Runs the program with Glance's own config file and the arguments of `mode`; what it says must show none of `secrets`.
#[track_caller]
fn scrub(glance: &Glance, mode: &str, code: i32, secrets: &[String]) {
    let finished = Scrubber::new().config_file(&glance.config_file()).arg("-f").arg("json");
    let finished = mode.split(' ').fold(finished, Scrubber::arg).run().expect_code(code);
    for secret in secrets {
        assert!(!finished.output().contains(secret), "{secret:?} is in what {mode} says:\n{}", finished.output());
    }
}

/// As the databases write it, to the second, for MariaDB has no more.
fn utc_now(seconds_more: i64) -> String {
    (chrono::Utc::now() + chrono::Duration::seconds(seconds_more)).format("%Y-%m-%d %H:%M:%S").to_string()
}
