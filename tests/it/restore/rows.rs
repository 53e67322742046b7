//! What comes back, and what does not.

use serde_json::{Value, json};

use super::*;
use crate::support::binary::Finished;
use crate::support::rows::states;
use crate::support::servers::engines_at_hand;
use crate::support::snapshot::Snapshot;

fn json_of(run: &Finished) -> Value {
    serde_json::from_str(&run.stdout).unwrap_or_else(|e| panic!("{e}: {}", run.output()))
}

#[test]
fn an_image_comes_back_with_all_that_was_deleted_with_it() {
    for engine in engines_at_hand() {
        let site = site(engine);
        Deleted::new("image", &site.file("image")).insert(&site.database);
        let before = Snapshot::of(&site.database);

        let shown = json_of(&site.run(&["--dry-run", "--restore", "image", "-f", "json"]).expect_code(0));
        Snapshot::of(&site.database).assert_is(&before, "after a dry run");
        assert_eq!(shown["summary"]["verdict"], "restore", "{shown}");
        let counts = ["locations", "properties", "tags", "members"].map(|what| shown["summary"][what].clone());
        assert_eq!(counts, [1, 2, 2, 1].map(Value::from), "{shown}");

        let restored = json_of(&site.run(&["--restore", "image", "-f", "json"]).expect_code(0));
        assert_eq!(restored["summary"]["verdict"], "restored");
        let names = |part: &str| -> Vec<_> {
            let parts = restored["parts"].as_array().unwrap().iter().filter(|line| line["part"] == part);
            parts.map(|line| line["name"].clone()).collect()
        };
        assert_eq!(names("property"), ["os_distro", "note"]);
        assert_eq!((names("tag"), names("member")), (vec![json!("one"), json!("two")], vec![json!("project")]));
        assert_eq!(alive(&site.database, "image"), ALL, "{engine:?}");
        assert!(site.has("image"));

        // Nothing but the image's own rows has changed, and of those only what a deletion sets.
        let mut expected = before;
        let is_image = |row: &crate::support::snapshot::Cells| row.is("id", "image");
        let now = [("deleted", "0"), ("updated_at", "NOW")];
        expected.change("images", is_image, &[&now[..], &[("status", "active")]].concat());
        expected.clear("images", is_image, "deleted_at");
        let (is_mine, not_removed) = ("image_id", ["name", "value", "member"]);
        for (table, name) in [("image_properties", 0), ("image_tags", 1), ("image_members", 2)] {
            let mine = |row: &crate::support::snapshot::Cells| {
                row.is(is_mine, "image") && !row.is(not_removed[name], "removed")
            };
            expected.change(table, mine, &now);
            expected.clear(table, mine, "deleted_at");
        }
        let mine = |row: &crate::support::snapshot::Cells| row.is("image_id", "image");
        expected.change("image_locations", mine, &[&now[..], &[("status", "active")]].concat());
        expected.clear("image_locations", mine, "deleted_at");
        let (start, end) = (Utc::now() - TimeDelta::minutes(2), Utc::now() + TimeDelta::minutes(1));
        let time = |at: DateTime<Utc>| at.format("%Y-%m-%d %H:%M:%S").to_string();
        Snapshot::of(&site.database).between(&time(start), &time(end), "NOW").assert_is(&expected, "restored");

        // It is a living image again: nothing of it is scrubbed, and a second restore says so.
        site.run(&["--once"]).expect_code(0);
        assert_eq!(alive(&site.database, "image"), ALL);
        assert!(site.has("image"));
        let again = site.run(&["--restore", "image"]).expect_code(7);
        assert!(again.stderr.contains("ERROR: cannot restore the image from active to active"), "{}", again.output());
    }
}

/// Removed from the image an hour before it was deleted: it goes its own way, and holds up nothing.
#[test]
fn a_location_that_was_removed_before_stays_and_is_scrubbed() {
    for engine in engines_at_hand() {
        let site = site(engine);
        let mut image = Deleted::new("image", &site.file("image"));
        image.locations.push((site.file("removed"), TimeDelta::hours(1)));
        image.insert(&site.database);
        let run = site.run(&["--restore", "image", "-f", "json"]).expect_code(0);
        let stays = json_of(&run)["parts"].as_array().unwrap().iter().any(|line| line["verdict"] == "stays");
        assert!(stays, "{}", run.output());
        assert_eq!(
            states(&site.database, "image"),
            ("active".to_owned(), vec!["active".into(), "pending_delete".into()])
        );
        site.run(&["--once"]).expect_code(0);
        assert_eq!(states(&site.database, "image"), ("active".to_owned(), vec!["active".into(), "deleted".into()]));
        assert!(site.has("image") && !site.has("removed"));
    }
}

#[test]
fn images_that_python_restored_are_completed() {
    for engine in engines_at_hand() {
        let site = site(engine);
        let no = if engine == Engine::Postgres { "false" } else { "0" };
        for id in ["whole", "lost", "scrubbed", "deleted"] {
            Deleted::new(id, &site.file(id)).insert(&site.database);
        }
        site.database.execute(&format!(
            "UPDATE images SET status = 'active', deleted = {no} WHERE id IN ('whole', 'lost', 'scrubbed');
             UPDATE image_locations SET status = 'deleted', deleted_at = '{}' WHERE image_id = 'scrubbed'",
            Utc::now().format("%Y-%m-%d %H:%M:%S%.6f")
        ));
        std::fs::remove_file(site.data().join("lost")).unwrap();
        let before = Snapshot::of(&site.database);
        let dry = site.run(&["--dry-run", "--repair-restored", "-f", "json"]).expect_code(7);
        assert_eq!(json_of(&dry)["summary"], json!({"restored": 1, "refused": 2}), "{}", dry.output());
        Snapshot::of(&site.database).assert_is(&before, "after a dry run");

        let run = site.run(&["--repair-restored", "-f", "json"]).expect_code(7);
        let verdicts = |id: &str| {
            let result = json_of(&run);
            let line = result["images"].as_array().unwrap().iter().find(|line| line["image_id"] == id).cloned();
            line.map(|line| format!("{}: {}", line["verdict"].as_str().unwrap(), line["detail"].as_str().unwrap_or("")))
        };
        assert_eq!(verdicts("whole").as_deref(), Some("restored: "), "{}", run.output());
        assert!(verdicts("lost").unwrap().contains("is gone"), "{}", run.output());
        assert!(verdicts("scrubbed").unwrap().contains("scrubbed in part: the data of location"), "{}", run.output());
        assert_eq!(verdicts("deleted"), None);
        assert_eq!(alive(&site.database, "whole"), ALL, "{engine:?}");
        for id in ["lost", "scrubbed", "deleted"] {
            assert_eq!(alive(&site.database, id), [""; 0], "{id}");
        }
        site.database.execute("DELETE FROM image_locations WHERE image_id IN ('lost', 'scrubbed')");
        let nothing = site.run(&["--repair-restored"]).expect_code(0);
        assert!(nothing.stdout.contains("No image was restored in part."), "{}", nothing.output());
    }
}
