//! `--restore`, `--repair-restored` and their dry runs, by the real program: on rows as Glance writes them, and as they
//! should not be but are.

mod claims;
mod races;
mod rbd;
mod refused;
mod rows;

use std::fmt::Write as _;

use chrono::{DateTime, TimeDelta, Utc};

use crate::support::database::Database;
use crate::support::servers::Engine;
use crate::support::site::Site;

/// An image that Glance has deleted under delayed_delete, with everything that an image may have.
pub struct Deleted {
    pub id: String,
    /// Of the image, its tags and its members.
    pub at: DateTime<Utc>,
    /// A location's value, and how long before `at` it was deleted.
    pub locations: Vec<(String, TimeDelta)>,
    /// A property's name, and how long before `at` it was deleted.
    pub properties: Vec<(&'static str, TimeDelta)>,
    /// The same of tags.
    pub tags: Vec<(&'static str, TimeDelta)>,
    /// The same of members.
    pub members: Vec<(&'static str, TimeDelta)>,
    pub size: u64,
}

impl Deleted {
    /// Two hours ago, with one location, properties, tags and a member; and with what was removed from it before.
    pub fn new(id: &str, value: &str) -> Deleted {
        let (millis, before) = (TimeDelta::milliseconds, TimeDelta::minutes(5));
        // Of the middle of a second, so that MariaDB's times, which are cut, are the same second's.
        let at = chrono::SubsecRound::trunc_subsecs(Utc::now(), 0) - TimeDelta::hours(2) + millis(500);
        Deleted {
            id: id.to_owned(),
            at,
            locations: vec![(value.to_owned(), millis(40))],
            properties: vec![("os_distro", millis(20)), ("note", millis(10)), ("removed", before)],
            tags: vec![("one", TimeDelta::zero()), ("two", TimeDelta::zero()), ("removed", before)],
            members: vec![("project", TimeDelta::zero()), ("removed", before)],
            size: value.rsplit('/').next().unwrap().len() as u64,
        }
    }

    pub fn insert(&self, database: &Database) {
        let yes = if database.engine == Engine::Postgres { "true" } else { "1" };
        let id = &self.id;
        let time = |before: &TimeDelta| format!("'{}'", (self.at - *before).format("%Y-%m-%d %H:%M:%S%.6f"));
        let (at, created) = (time(&TimeDelta::zero()), "'2026-01-01 00:00:00'");
        let mut sql = format!(
            "INSERT INTO images (id, name, owner, size, status, created_at, updated_at, deleted_at, deleted, min_disk, \
             min_ram, visibility) VALUES ('{id}', 'name of {id}', 'owner', {}, 'pending_delete', {created}, {at}, {at}, \
             {yes}, 0, 0, 'shared');",
            self.size
        );
        for (value, before) in &self.locations {
            let at = time(before);
            write!(
                sql,
                "INSERT INTO image_locations (image_id, value, status, created_at, updated_at, deleted_at, deleted, \
                 meta_data) VALUES ('{id}', '{value}', 'pending_delete', {created}, {at}, {at}, {yes}, '{{}}');"
            )
            .unwrap();
        }
        for (name, before) in &self.properties {
            let at = time(before);
            write!(
                sql,
                "INSERT INTO image_properties (image_id, name, value, created_at, updated_at, deleted_at, deleted) \
                 VALUES ('{id}', '{name}', 'value', {created}, {at}, {at}, {yes});"
            )
            .unwrap();
        }
        for (tag, before) in &self.tags {
            let at = time(before);
            write!(
                sql,
                "INSERT INTO image_tags (image_id, value, created_at, updated_at, deleted_at, deleted) \
                 VALUES ('{id}', '{tag}', {created}, {at}, {at}, {yes});"
            )
            .unwrap();
        }
        for (member, before) in &self.members {
            let at = time(before);
            write!(
                sql,
                "INSERT INTO image_members (image_id, member, can_share, status, created_at, updated_at, deleted_at, \
                 deleted) VALUES ('{id}', '{member}', {no}, 'accepted', {created}, {at}, {at}, {yes});",
                no = if yes == "true" { "false" } else { "0" }
            )
            .unwrap();
        }
        database.execute(&sql);
    }
}

/// What is alive of an image, as `table name`, sorted.
pub fn alive(database: &Database, id: &str) -> Vec<String> {
    let no = if database.engine == Engine::Postgres { "false" } else { "0" };
    let mut alive = Vec::new();
    for (table, column, id_column) in [
        ("images", "status", "id"),
        ("image_locations", "status", "image_id"),
        ("image_properties", "name", "image_id"),
        ("image_tags", "value", "image_id"),
        ("image_members", "member", "image_id"),
    ] {
        let rows = database.rows(&format!(
            "SELECT {column} FROM {table} WHERE {id_column} = '{id}' AND deleted = {no} AND deleted_at IS NULL"
        ));
        alive.extend(rows.into_iter().flatten().flatten().map(|name| format!("{table} {name}")));
    }
    alive.sort();
    alive
}

/// Everything of [`Deleted::new`] that was alive before it was deleted.
pub const ALL: [&str; 7] = [
    "image_locations active",
    "image_members project",
    "image_properties note",
    "image_properties os_distro",
    "image_tags one",
    "image_tags two",
    "images active",
];

/// A site with a living image, so that the data directory is known for the right one.
pub fn site(engine: Engine) -> Site {
    let site = Site::new(engine);
    crate::support::rows::Image::active("living", &[&site.file("living")]).insert(&site.database);
    site
}
