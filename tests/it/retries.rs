//! Failures that outlive a run: the real program, several times over one database with `coordination = database`.

mod answers;
mod daemons;

use std::path::PathBuf;

use chrono::TimeDelta;
use serde_json::Value;

use crate::support::binary::Finished;
use crate::support::rows::{Image, states};
use crate::support::servers::{Engine, engines_at_hand};
use crate::support::site::Site;

const HOURS: TimeDelta = TimeDelta::hours(2);
const SHARED: &str = "[scrubber]\ncoordination = database";

/// A site with an image that lives.
fn site(engine: Engine) -> Site {
    let site = Site::new(engine);
    Image::active("living", &[&site.file("living")]).insert(&site.database);
    site
}

/// A due image whose file is a directory: the store is asked, and fails.
fn failing(site: &Site, id: &str) {
    std::fs::create_dir(site.data().join(id)).unwrap();
    Image::pending(id, HOURS, &[&site.uri(id)]).insert(&site.database);
}

fn shared(site: &Site) -> PathBuf {
    site.config(SHARED)
}

/// One cycle with exit code 3; its report.
#[track_caller]
fn once(site: &Site) -> Value {
    once_with(site, &shared(site))
}

#[track_caller]
fn once_with(site: &Site, config: &std::path::Path) -> Value {
    json(site.run_with(config, &["--once", "-f", "json"]).expect_code(3))
}

#[track_caller]
fn json(run: Finished) -> Value {
    serde_json::from_str(&run.stdout).unwrap_or_else(|error| panic!("{error}: {}\n{}", run.stdout, run.stderr))
}

/// `reason` and `waiting` of each line of what a cycle kept.
fn kept(report: &Value) -> Vec<(String, u64)> {
    let line = |line: &Value| (line["reason"].as_str().unwrap().to_owned(), line["waiting"].as_u64().unwrap());
    report["kept"].as_array().unwrap().iter().map(line).collect()
}

fn is_kept(reason: &str, waiting: u64) -> Vec<(String, u64)> {
    vec![(reason.to_owned(), waiting)]
}

/// The values of some columns of the table, for one image, in the order of its locations.
fn table(site: &Site, columns: &str, image: &str) -> Vec<Vec<String>> {
    let sql = format!("SELECT {columns} FROM scrubber_locations WHERE image_id = '{image}' ORDER BY location_id");
    let text = |row: Vec<Option<String>>| row.into_iter().map(Option::unwrap_or_default).collect();
    site.database.rows(&sql).into_iter().map(text).collect()
}

fn attempts(site: &Site, image: &str) -> Vec<String> {
    table(site, "attempts", image).into_iter().flatten().collect()
}

/// The wait of everything is over.
fn wait_is_over(site: &Site) {
    let changed = site.database.execute("UPDATE scrubber_locations SET next_attempt_at = '2026-01-01 00:00:00'");
    assert!(changed > 0, "nothing waits");
}

/// It all began to fail long ago.
fn failed_long_ago(site: &Site) {
    site.database.execute("UPDATE scrubber_locations SET first_failed_at = '2026-01-01 00:00:00'");
}

#[test]
fn a_failure_waits_in_the_next_run_too_and_attempts_count_on() {
    for engine in engines_at_hand() {
        let site = site(engine);
        failing(&site, "stuck");
        let first = once(&site);
        assert_eq!(kept(&first), is_kept("failed", 0), "{engine:?}");
        assert_eq!(table(&site, "attempts, last_outcome, store", "stuck"), [["1", "failed", "file"]]);
        let error = &table(&site, "last_error", "stuck")[0][0];
        assert!(error.ends_with("stuck is a directory, not an image's file"), "{error}");

        let second = site.run_with(&shared(&site), &["--once", "-f", "json"]).expect_code(3);
        assert!(!second.stderr.contains("ERROR"), "told before: {}", second.stderr);
        let second = json(second);
        assert_eq!((kept(&second), &second["planned"]["locations"]), (is_kept("failed", 1), &Value::from(0)));
        let detail = second["kept"][0]["detail"].as_str().unwrap();
        assert!(detail.starts_with("tried once, stays since 20") && detail.ends_with(error.as_str()), "{detail}");
        assert_eq!(attempts(&site, "stuck"), ["1"], "it was not tried");

        for tries in ["2", "3"] {
            wait_is_over(&site);
            let again = site.run_with(&shared(&site), &["--once", "-f", "json"]).expect_code(3);
            assert!(!again.stderr.contains("ERROR"), "the same is no news: {}", again.stderr);
            assert_eq!(kept(&json(again)), is_kept("failed", 0), "{engine:?}");
            assert_eq!(attempts(&site, "stuck"), [tries]);
        }
        // Each wait is twice as long: 60 s, 120 s, 240 s, less their spread.
        let wait = |site: &Site| table(site, "first_failed_at, next_attempt_at", "stuck");
        assert!(wait(&site)[0][0] < wait(&site)[0][1]);

        std::fs::remove_dir(site.data().join("stuck")).unwrap();
        site.file("stuck");
        wait_is_over(&site);
        site.run_with(&shared(&site), &["--once"]).expect_code(0);
        assert_eq!(states(&site.database, "stuck").0, "deleted");
        assert_eq!(table(&site, "attempts", "stuck"), Vec::<Vec<String>>::new(), "forgotten with its location");
    }
}

#[test]
fn what_no_store_is_asked_about_is_written_down_once_and_told_once() {
    for engine in engines_at_hand() {
        let site = site(engine);
        Image::pending("outside", HOURS, &["file:///etc/hostname"]).insert(&site.database);
        Image::pending("unknown", HOURS, &["sheepdog://user:hunter2@127.0.0.1:7000:image"]).insert(&site.database);
        let first = site.run_with(&shared(&site), &["--once"]).expect_code(3);
        assert_eq!(first.stderr.matches("ERROR").count(), 2, "{}", first.stderr);
        assert_eq!(table(&site, "attempts, last_outcome", "outside"), [["0", "forbidden"]]);
        assert_eq!(table(&site, "attempts, last_outcome", "unknown"), [["0", "no_store"]]);
        // What is written again shows.
        site.database.execute("UPDATE scrubber_locations SET attempts = 7");
        let second = site.run_with(&shared(&site), &["--once"]).expect_code(3);
        assert_eq!(second.stderr.matches("ERROR").count(), 0, "{}", second.stderr);
        assert_eq!((attempts(&site, "outside"), attempts(&site, "unknown")), (vec!["7".into()], vec!["7".into()]));
        // Another reason is news.
        site.database.execute("UPDATE image_locations SET value = 'no uri' WHERE image_id = 'outside'");
        let third = site.run_with(&shared(&site), &["--once"]).expect_code(3);
        assert_eq!(third.stderr.matches("ERROR").count(), 1, "{}", third.stderr);
        assert_eq!(table(&site, "attempts, last_outcome", "outside")[0][0], "0");
        // A row that was mended goes at once.
        let mended = site.file("mended");
        site.database.execute(&format!("UPDATE image_locations SET value = '{mended}' WHERE image_id = 'outside'"));
        site.run_with(&shared(&site), &["--once"]).expect_code(3);
        assert_eq!(states(&site.database, "outside").0, "deleted");
    }
}

#[test]
fn rows_of_what_is_not_pending_any_more_are_forgotten() {
    for engine in engines_at_hand() {
        let site = site(engine);
        ["restored", "purged", "stuck", "young"].iter().for_each(|id| failing(&site, id));
        once(&site);
        site.database.execute("UPDATE image_locations SET status = 'active' WHERE image_id = 'restored'");
        site.database.execute("DELETE FROM image_locations WHERE image_id = 'purged'");
        let now = chrono::Utc::now().format("%Y-%m-%d %H:%M:%S");
        site.database.execute(&format!("UPDATE images SET deleted_at = '{now}' WHERE id = 'young'"));
        once(&site);
        let left = site.database.rows("SELECT image_id FROM scrubber_locations ORDER BY image_id");
        assert_eq!(left, [["stuck"], ["young"]].map(|row| row.map(|id| Some(id.to_owned()))), "{engine:?}");
    }
}

#[test]
fn what_fails_for_long_is_given_up_in_every_run_and_never_dropped() {
    for engine in engines_at_hand() {
        let site = site(engine);
        failing(&site, "stuck");
        Image::pending("outside", HOURS, &["file:///etc/hostname"]).insert(&site.database);
        let config = || site.config(&format!("{SHARED}\ngive_up_after = 86400"));
        once_with(&site, &config());
        failed_long_ago(&site);
        wait_is_over(&site);
        // One more try for what was asked for; what was not is given up in word.
        let report = once_with(&site, &config());
        assert_eq!(kept(&report), [("given_up".to_owned(), 0), ("failed".to_owned(), 0)], "{engine:?}");
        assert_eq!(attempts(&site, "stuck"), ["2"]);
        let third = site.run_with(&config(), &["--once", "-f", "json"]).expect_code(3);
        let told = "Reason: given_up: failed, tried 2 times, stays since 2026-01-01T00:00:00Z: ";
        assert_eq!(third.stderr.matches(told).count(), 1, "{}", third.stderr);
        assert!(third.stderr.contains("; --retry-now tries it again"), "{}", third.stderr);
        let fourth = site.run_with(&config(), &["--once", "-f", "json"]).expect_code(3);
        assert_eq!(fourth.stderr.matches("ERROR").count(), 0, "told once: {}", fourth.stderr);
        let report = json(fourth);
        assert_eq!((kept(&report), &report["kept"][0]["locations"]), (is_kept("given_up", 0), &Value::from(2)));
        assert_eq!(attempts(&site, "stuck"), ["2"], "it was not tried");
        assert_eq!(states(&site.database, "stuck"), ("pending_delete".to_owned(), vec!["pending_delete".to_owned()]));

        let cleared = json(site.run_with(&config(), &["--retry-now", "-f", "json"]).expect_code(0));
        assert_eq!(cleared["summary"]["locations"], 2);
        assert_eq!(kept(&once_with(&site, &config())), [("forbidden".to_owned(), 0), ("failed".to_owned(), 0)]);
        assert_eq!(attempts(&site, "stuck"), ["1"]);
    }
}

#[test]
fn retry_now_clears_the_images_named_or_all() {
    for engine in engines_at_hand() {
        let site = site(engine);
        ["one", "two", "three"].iter().for_each(|id| failing(&site, id));
        once(&site);
        let config = shared(&site);
        let named = site.run_with(&config, &["--retry-now", "one", "nobody", "-f", "csv"]).expect_code(0);
        assert_eq!(named.stdout, "image_id,locations\none,1\nnobody,0\n", "{engine:?}");
        assert_eq!(named.stderr.matches("Glance's database has no image nobody").count(), 1, "{}", named.stderr);
        assert_eq!(named.stderr.matches("has no image").count(), 1);
        assert_eq!(kept(&once(&site)), is_kept("failed", 2), "one of three was tried");
        assert_eq!(attempts(&site, "one"), ["1"]);
        let all = site.run_with(&config, &["--retry-now"]).expect_code(0);
        assert!(all.stdout.ends_with("\n3 locations are tried in the next cycle\n"), "{}", all.stdout);
        assert_eq!(kept(&once(&site)), is_kept("failed", 0));
        // Given twice, both count.
        let twice = site.run_with(&config, &["--retry-now", "one", "--retry-now", "two", "-f", "value"]);
        assert_eq!(twice.expect_code(0).stdout, "one 1\ntwo 1\n");
    }
}

#[test]
fn without_coordination_nothing_is_remembered_and_no_table_is_made() {
    for engine in engines_at_hand() {
        let site = site(engine);
        failing(&site, "stuck");
        for _ in 0..2 {
            let report = once_with(&site, &site.config(""));
            assert_eq!(kept(&report), is_kept("failed", 0), "each run tries everything");
        }
        site.run(&["--dry-run"]).expect_code(0);
        let refused = site.run(&["--retry-now"]).expect_code(2);
        assert!(refused.stderr.contains("coordination = none") && refused.stderr.contains("SIGUSR1"), "{refused:?}");
        let tables = match engine {
            Engine::Sqlite => "SELECT name FROM sqlite_master WHERE name LIKE 'scrubber%'",
            Engine::Mariadb => {
                "SELECT table_name FROM information_schema.tables
                 WHERE table_schema = DATABASE() AND table_name LIKE 'scrubber%'"
            }
            Engine::Postgres => "SELECT table_name FROM information_schema.tables WHERE table_name LIKE 'scrubber%'",
        };
        assert_eq!(site.database.rows(tables), Vec::<Vec<_>>::new(), "{engine:?}");
    }
}

#[test]
fn a_word_of_a_later_version_breaks_nothing() {
    for engine in engines_at_hand() {
        let site = site(engine);
        failing(&site, "stuck");
        once(&site);
        site.database.execute("UPDATE scrubber_locations SET last_outcome = 'quarantined', last_error = 'by policy'");
        let report = once(&site);
        assert_eq!(kept(&report), is_kept("failed", 1), "{engine:?}");
        let detail = report["kept"][0]["detail"].as_str().unwrap();
        assert!(detail.ends_with(": quarantined: by policy"), "{detail}");
        wait_is_over(&site);
        once(&site);
        assert_eq!(table(&site, "attempts, last_outcome", "stuck"), [["1", "failed"]], "tried, in words of our own");
    }
}

#[test]
fn no_credential_is_written_down() {
    for engine in engines_at_hand() {
        let site = site(engine);
        let uris = [
            "swift+https://tenant%3Auser:hunter2@keystone.example.com/v3/container/object",
            "s3+https://access:hunter2@s3.example.com/bucket/object",
            "file://user:hunter2@/etc/hostname",
            "sheepdog://user:hunter2@127.0.0.1:7000:image",
            "cinder://user:hunter2@",
            "http://user:hunter2 @nowhere",
        ];
        Image::pending("secret", HOURS, &uris).insert(&site.database);
        for _ in 0..2 {
            let run = site.run_with(&shared(&site), &["--once", "--debug"]);
            assert!(!run.stderr.contains("hunter2"), "{}", run.stderr);
            wait_is_over(&site);
        }
        let rows = site.database.rows("SELECT * FROM scrubber_locations");
        assert!(rows.len() >= 4 && !format!("{rows:?}").contains("hunter2"), "{engine:?}: {rows:?}");
        let shown = site.run_with(&shared(&site), &["--dry-run", "-f", "json"]).expect_code(0);
        assert!(!shown.stdout.contains("hunter2"), "{}", shown.stdout);
    }
}
