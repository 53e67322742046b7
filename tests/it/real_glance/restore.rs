//! An image that a real Glance deleted under delayed_delete comes back, by the real program: for Glance's API it is what
//! it was, in every property, tag, member and byte; and when it is deleted again, it is scrubbed.

use std::process::Command;

use serde_json::{Value, json};

use super::story::{GRACE_MINUTES, age};
use super::{KEY, scrub, start};
use crate::support::database::Database;
use crate::support::glance::{Glance, Stores};
use crate::support::servers::{Engine, glance_venv};
use crate::support::snapshot::Snapshot;

const PROJECT: &str = "33333333333333333333333333333333";

macro_rules! lives {
    ($($name:ident: $engine:ident $stores:ident $key:expr;)*) => {
        $(#[test]
        fn $name() {
            delete_and_restore(Engine::$engine, Stores::$stores, $key);
        })*
    };
}

lives! {
    restored_on_sqlite_single_plain: Sqlite Single None;
    restored_on_sqlite_single_encrypted: Sqlite Single Some(KEY);
    restored_on_mariadb_single_encrypted: Mariadb Single Some(KEY);
    restored_on_mariadb_multi_plain: Mariadb Multi None;
    restored_on_postgres_single_plain: Postgres Single None;
    restored_on_postgres_multi_encrypted: Postgres Multi Some(KEY);
}

fn delete_and_restore(engine: Engine, stores: Stores, key: Option<&str>) {
    let Some((database, glance)) = start(engine, stores, key) else { return };
    let api = &glance.api;
    let image = rich_image(&glance, &database, stores);
    let before = Seen::of(&glance, &image);
    let alive = crate::restore::alive(&database, &image);
    let files = glance.files();
    api.delete(&image);
    assert_eq!(api.show(&image), None);
    let deleted = Snapshot::of(&database);

    scrub(&glance, &format!("--dry-run --restore {image}"), 0, &[KEY.to_owned()]);
    Snapshot::of(&database).assert_is(&deleted, "after a dry run");
    scrub(&glance, &format!("--restore {image}"), 0, &[KEY.to_owned()]);
    assert_eq!(Seen::of(&glance, &image), before.with_what_glance_deleted_anew());
    let removed = "image_properties removed".to_owned();
    let now_alive = crate::restore::alive(&database, &image);
    assert_eq!(now_alive.iter().filter(|row| **row != removed).collect::<Vec<_>>(), alive.iter().collect::<Vec<_>>());
    assert_eq!(glance.files(), files);
    assert_eq!(api.list(), std::slice::from_ref(&image));

    // A purge of what was deleted long ago leaves it alone, and so does a scrub.
    age(&database, 60 * 24 * 40);
    purge(&glance);
    scrub(&glance, "--once", 0, &[]);
    assert_eq!(Seen::of(&glance, &image).data, before.data);

    // Deleted once more, it is pending once more, and is scrubbed in its time.
    api.delete(&image);
    scrub(&glance, "--once", 0, &[]);
    assert_eq!(glance.files(), files, "its grace period is not over");
    age(&database, 2 * GRACE_MINUTES);
    api_keeps_one_living(&glance);
    scrub(&glance, "--once", 0, &[]);
    assert_eq!(Snapshot::of(&database).value("images", "id", &image, "status").as_deref(), Some("deleted"));
    assert!(!glance.files().iter().any(|file| file.ends_with(&image)), "{:?}", glance.files());
    scrub(&glance, &format!("--restore {image}"), 7, &[]);
}

/// What Python's own `--restore` left is completed: image, locations, properties, tags and members.
#[test]
fn what_the_python_scrubber_restored_is_repaired() {
    for (engine, stores, key) in [
        (Engine::Sqlite, Stores::Single, None),
        (Engine::Mariadb, Stores::Multi, Some(KEY)),
        (Engine::Postgres, Stores::Multi, None),
    ] {
        let Some((database, glance)) = start(engine, stores, key) else { continue };
        let image = rich_image(&glance, &database, stores);
        let before = Seen::of(&glance, &image);
        glance.api.delete(&image);
        python_restore(&glance, &image);
        let left = glance.api.show(&image).expect("it is active");
        assert_eq!((left["status"].as_str(), left["tags"].as_array().map(Vec::len)), (Some("active"), Some(0)));

        // Nothing of it is scrubbed, however old it is.
        age(&database, 4 * GRACE_MINUTES);
        api_keeps_one_living(&glance);
        scrub(&glance, "--once", 0, &[]);
        scrub(&glance, &format!("--restore {image}"), 7, &[]);

        let rows = Snapshot::of(&database);
        scrub(&glance, "--dry-run --repair-restored", 0, &[KEY.to_owned()]);
        Snapshot::of(&database).assert_is(&rows, "after a dry run");
        scrub(&glance, "--repair-restored", 0, &[KEY.to_owned()]);
        let mut expected = before.with_what_glance_deleted_anew();
        let mut seen = Seen::of(&glance, &image);
        // All times were made older.
        for image in [&mut seen.image, &mut expected.image] {
            image.as_object_mut().unwrap().remove("created_at");
        }
        assert_eq!(seen, expected);
        assert_eq!(Snapshot::of(&database).value("images", "id", &image, "deleted_at"), None);
        scrub(&glance, "--repair-restored", 0, &[]);
    }
}

/// With tags, properties and members that stay, and such that were removed before; in two stores where there are several.
fn rich_image(glance: &Glance, database: &Database, stores: Stores) -> String {
    let api = &glance.api;
    let id = api.create("rich", json!({"tags": ["one", "two"], "os_distro": "debian", "removed": "x"}));
    let data = "data of a rich image; ".repeat(20);
    match stores {
        Stores::Single => api.upload(&id, data.as_bytes(), None),
        Stores::Multi => api.import(&id, data.as_bytes(), &["fast", "cheap"]),
    }
    api.add_member(&id, PROJECT);
    api.add_member(&id, "44444444444444444444444444444444");
    api.remove_member(&id, "44444444444444444444444444444444");
    api.add_tag(&id, "three");
    api.add_tag(&id, "removed");
    api.remove_tag(&id, "removed");
    api.set_property(&id, "note", "é, \"quoted\"");
    api.remove_property(&id, "removed");
    // MariaDB's times have whole seconds: what was removed in the very second of the deletion is not told from it.
    age(database, 1);
    id
}

/// Or the guards would refuse to scrub the only image there is.
fn api_keeps_one_living(glance: &Glance) {
    glance.api.create("living", json!({}));
}

/// What the API says of an image.
#[derive(Debug, Clone, PartialEq)]
struct Seen {
    image: Value,
    members: Vec<String>,
    data: String,
}

impl Seen {
    #[track_caller]
    fn of(glance: &Glance, id: &str) -> Seen {
        let mut image = glance.api.show(id).expect("the API shows it");
        let fields = image.as_object_mut().unwrap();
        fields.remove("updated_at");
        for list in ["tags", "locations"] {
            // As they come from the database: in no order.
            fields.get_mut(list).and_then(Value::as_array_mut).unwrap().sort_by_key(ToString::to_string);
        }
        let data = String::from_utf8(glance.api.download(id).expect("the API has its data")).unwrap();
        Seen { image, members: glance.api.members(id), data }
    }

    /// A property that was removed is deleted once more with the image, by the same statements as the others (glance's
    /// `_set_properties_for_image`): nothing in its row tells it from them.
    fn with_what_glance_deleted_anew(&self) -> Seen {
        let mut seen = self.clone();
        seen.image["removed"] = json!("x");
        seen
    }
}

/// The Python program itself, but for its look at the processes of this machine, among which are other tests'.
#[track_caller]
fn python_restore(glance: &Glance, id: &str) {
    let program = "import glance.cmd.scrubber as s; s.scrubber_already_running = lambda: False; s.main()";
    run_python(&["-c", program, "--config-file", &glance.config_file().display().to_string(), "--restore", id]);
}

/// `glance-manage db purge_images_table` for what was deleted more than a day ago.
#[track_caller]
fn purge(glance: &Glance) {
    let program = "import sys; sys.argv[0] = 'glance-manage'; import glance.cmd.manage as m; sys.exit(m.main())";
    let file = glance.config_file().display().to_string();
    run_python(&["-c", program, "--config-file", &file, "db", "purge_images_table", "--age_in_days", "1"]);
}

#[track_caller]
fn run_python(arguments: &[&str]) {
    let python = glance_venv().unwrap().join("bin/python");
    let done = Command::new(python).args(arguments).env("PYTHONDONTWRITEBYTECODE", "1").output().unwrap();
    assert!(done.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&done.stderr));
}

/// Its row goes with the purge if it has a `deleted_at`, which is what Python's restore leaves.
#[test]
fn a_purge_takes_what_python_restored_and_not_what_was_repaired() {
    let Some((database, glance)) = start(Engine::Sqlite, Stores::Single, None) else { return };
    let images: Vec<String> = (0..2).map(|_| rich_image(&glance, &database, Stores::Single)).collect();
    for image in &images {
        glance.api.delete(image);
    }
    scrub(&glance, &format!("--restore {}", images[0]), 0, &[]);
    python_restore(&glance, &images[1]);
    age(&database, 60 * 24 * 40);
    // What refers to an image goes first.
    let referring = "DELETE FROM image_locations WHERE deleted = 1; DELETE FROM image_properties WHERE deleted = 1;
                     DELETE FROM image_tags WHERE deleted = 1; DELETE FROM image_members WHERE deleted = 1";
    database.execute(referring);
    purge(&glance);
    assert_eq!(glance.api.list(), [images[0].clone()]);
    Seen::of(&glance, &images[0]);
}
