//! The images of one test: each ended in another way, and what is to become of each is said here.

use serde_json::json;

use crate::support::database::Database;
use crate::support::glance::{Glance, Stores};
use crate::support::servers::Engine;
use crate::support::snapshot::Snapshot;
use crate::support::web::Web;

/// `scrub_time` in these tests; what was deleted before it is three times as old, and `young` a third.
pub const GRACE_MINUTES: u32 = 30;

/// Stands in a location's URL.
const WEB_PASSWORD: &str = "web-passw0rd";

/// Image ids.
pub struct Story {
    /// Deleted with tags, properties and a member.
    rich: String,
    /// Deleted, visible to everyone who asks: what Python's scrubber never sees.
    community: String,
    /// Deleted, with a file and an http location.
    two_places: String,
    /// Living: the file was removed from it, the http location stays.
    thinned: String,
    /// Deleted, but its grace period is not over.
    pub young: String,
    /// Deleted and brought back by Python's `--restore`: its location is still pending.
    restored: String,
    /// Living, with tags, properties and a member.
    alive: String,
    several_stores: Option<SeveralStores>,
    pub web: Web,
}

/// What only exists with several stores.
struct SeveralStores {
    /// Deleted, with data in two stores.
    everywhere: String,
    /// Living: deleted from one of its two stores.
    moved: String,
}

impl Story {
    /// Makes it all happen through the API.
    pub fn told(glance: &Glance, database: &Database, stores: Stores) -> Story {
        let api = &glance.api;
        let web = Web::serving(data_of("thinned").into_bytes());
        let multi = stores == Stores::Multi;
        let with_data = |name: &str, more, store: &str| {
            let id = api.create(name, more);
            api.upload(&id, data_of(name).as_bytes(), multi.then_some(store));
            id
        };
        let on_web = |id: &str, path: &str| {
            let url = web.url(path).replace("//", &format!("//reader:{WEB_PASSWORD}@"));
            api.add_location(id, &url, if multi { json!({"store": "web"}) } else { json!({}) });
        };
        let details = json!({"tags": ["one", "two"], "os_distro": "debian", "hw_disk_bus": "virtio"});

        let alive = with_data("alive", details.clone(), "fast");
        let rich = with_data("rich", details, "cheap");
        for id in [&alive, &rich] {
            api.add_member(id, "33333333333333333333333333333333");
            api.add_tag(id, "three");
            api.set_property(id, "note", "é, \"quoted\"");
        }
        let community = with_data("community", json!({"visibility": "community"}), "fast");
        let two_places = with_data("two places", json!({}), "fast");
        on_web(&two_places, "two-places");
        let thinned = with_data("thinned", json!({}), "cheap");
        on_web(&thinned, "thinned");
        api.remove_location(&thinned, "file://");
        let restored = with_data("restored", json!({}), "fast");
        let young = with_data("young", json!({}), "cheap");
        let queued = api.create("deleted before it had data, so finished by Glance itself", json!({}));
        let several_stores = multi.then(|| SeveralStores::told(glance));

        for id in [&rich, &community, &two_places, &restored, &queued] {
            api.delete(id);
        }
        restore_as_python_does(database, &restored);
        age(database, 3 * GRACE_MINUTES);
        api.delete(&young);
        age(database, GRACE_MINUTES / 3);
        Story { rich, community, two_places, thinned, young, restored, alive, several_stores, web }
    }

    /// The images whose data and description must stay as they are.
    pub fn living(&self) -> impl Iterator<Item = &str> {
        let moved = self.several_stores.as_ref().map(|several| several.moved.as_str());
        [self.alive.as_str(), self.thinned.as_str()].into_iter().chain(moved)
    }

    /// The images that a scrub finishes.
    pub fn scrubbed(&self) -> impl Iterator<Item = &str> {
        let everywhere = self.several_stores.as_ref().map(|several| several.everywhere.as_str());
        [self.rich.as_str(), self.community.as_str(), self.two_places.as_str()].into_iter().chain(everywhere)
    }

    /// The rows after a scrub, from those before. A finished location becomes `deleted` at the time of the scrub, and so
    /// does its `deleted_at`; a finished image becomes `deleted` too but keeps its `deleted_at` (glance/scrubber.py,
    /// `_scrub_image`; `image_location_delete` and `image_update` in glance/db/sqlalchemy/api.py). No other row changes.
    pub fn expected(&self, mut rows: Snapshot) -> Snapshot {
        for id in self.scrubbed().chain(self.living()) {
            let pending =
                |row: &crate::support::snapshot::Cells| row.is("image_id", id) && row.is("status", "pending_delete");
            let changes = [("status", "deleted"), ("updated_at", "NOW"), ("deleted_at", "NOW")];
            rows.change("image_locations", pending, &changes);
        }
        for id in self.scrubbed() {
            rows.change("images", |row| row.is("id", id), &[("status", "deleted"), ("updated_at", "NOW")]);
        }
        rows
    }

    /// The files after a scrub, from those before.
    pub fn expected_files(&self, mut files: Vec<String>) -> Vec<String> {
        let before = files.len();
        let finished: Vec<_> = self.scrubbed().chain([self.thinned.as_str()]).collect();
        let moved = self.several_stores.as_ref().map(|several| format!("cheap/{}", several.moved));
        files.retain(|file| !finished.iter().any(|id| file.ends_with(id)) && moved.as_ref() != Some(file));
        // Every pending location that is not http had its file: if not, this test would prove little.
        assert_eq!(before - files.len(), if self.several_stores.is_some() { 7 } else { 4 }, "files to go");
        for kept in [&self.alive, &self.restored, &self.young] {
            assert!(files.iter().any(|file| file.ends_with(kept)), "{kept} has no file in {files:?}");
        }
        files
    }

    /// What no output may show.
    pub fn secrets(&self, database: &Database) -> Vec<String> {
        let mut secrets = vec![WEB_PASSWORD.to_owned(), super::KEY.to_owned()];
        let credentials = database.url().split_once("://").and_then(|(_, rest)| rest.rsplit_once('@'));
        secrets.extend(
            credentials.and_then(|(credentials, _)| credentials.split_once(':')).map(|(_, word)| word.to_owned()),
        );
        secrets
    }
}

impl SeveralStores {
    fn told(glance: &Glance) -> SeveralStores {
        let imported = |name: &str| {
            let id = glance.api.create(name, json!({}));
            glance.api.import(&id, data_of(name).as_bytes(), &["fast", "cheap"]);
            id
        };
        let (everywhere, moved) = (imported("everywhere"), imported("moved"));
        glance.api.delete(&everywhere);
        glance.api.delete_from_store(&moved, "cheap");
        SeveralStores { everywhere, moved }
    }
}

/// A few KiB that differ from image to image.
fn data_of(name: &str) -> String {
    format!("data of {name}; ").repeat(300)
}

/// What `glance-scrubber --restore` leaves behind (`image_restore` in glance/db/sqlalchemy/api.py): it brings back the
/// image's row and nothing else.
fn restore_as_python_does(database: &Database, id: &str) {
    let no = if database.engine == Engine::Postgres { "false" } else { "0" };
    let changed = database.execute(&format!(
        "UPDATE images SET status = 'active', deleted = {no} WHERE id = '{id}' AND status = 'pending_delete'"
    ));
    assert_eq!(changed, 1);
}

/// Makes all that has happened so far `minutes` older.
pub fn age(database: &Database, minutes: u32) {
    let older = |column: &str| match database.engine {
        Engine::Sqlite => {
            format!("{column} = strftime('%Y-%m-%d %H:%M:', {column}, '-{minutes} minutes') || substr({column}, 18)")
        }
        Engine::Mariadb => format!("{column} = {column} - INTERVAL {minutes} MINUTE"),
        Engine::Postgres => format!("{column} = {column} - INTERVAL '{minutes} minutes'"),
    };
    let columns = ["created_at", "updated_at", "deleted_at"].map(older).join(", ");
    for table in crate::support::snapshot::TABLES {
        database.execute(&format!("UPDATE {table} SET {columns}"));
    }
}
