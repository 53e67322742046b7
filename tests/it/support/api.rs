//! What Glance's API writes into its database: an image with everything that belongs to it, and its deletion under
//! `delayed_delete`, statement by statement. As read from a real Glance's transactions; `real_glance` compares the rest.

use std::path::Path;

use chrono::{DateTime, Utc};

use super::servers::Engine;

/// An image as its creator sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiImage {
    pub id: String,
    pub locations: Vec<ApiLocation>,
    pub tags: Vec<String>,
    pub properties: Vec<(String, String)>,
    pub members: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiLocation {
    pub uri: String,
    /// The id of its store.
    pub store: String,
}

/// Bytes of each image.
const SIZE: usize = 1000;

impl ApiLocation {
    /// What lies there: its own URI, as long as the image is.
    pub fn content(&self) -> String {
        format!("{:.<SIZE$}", self.uri)
    }
}

impl ApiImage {
    /// The statements of its creation, as one transaction.
    pub fn create(&self, engine: Engine, now: DateTime<Utc>) -> String {
        let (id, now, no) = (&self.id, time(now), flag(engine, false));
        let mut sql = format!(
            "INSERT INTO images (id, name, owner, size, status, created_at, updated_at, deleted, min_disk, min_ram, visibility) \
             VALUES ('{id}', 'name of {id}', 'owner', {SIZE}, 'active', {now}, {now}, {no}, 0, 0, 'shared');"
        );
        for ApiLocation { uri, store } in &self.locations {
            sql += &format!(
                "INSERT INTO image_locations (image_id, value, status, created_at, updated_at, deleted, meta_data) \
                 VALUES ('{id}', '{uri}', 'active', {now}, {now}, {no}, '{{\"store\": \"{store}\"}}');"
            );
        }
        for tag in &self.tags {
            sql += &format!(
                "INSERT INTO image_tags (image_id, value, created_at, updated_at, deleted) \
                 VALUES ('{id}', '{tag}', {now}, {now}, {no});"
            );
        }
        for (name, value) in &self.properties {
            sql += &format!(
                "INSERT INTO image_properties (image_id, name, value, created_at, updated_at, deleted) \
                 VALUES ('{id}', '{name}', '{value}', {now}, {now}, {no});"
            );
        }
        for member in &self.members {
            sql += &format!(
                "INSERT INTO image_members (image_id, member, can_share, status, created_at, updated_at, deleted) \
                 VALUES ('{id}', '{member}', {no}, 'pending', {now}, {now}, {no});"
            );
        }
        sql
    }

    /// The transactions of its deletion, in order. `now` is asked for each.
    pub fn delete(&self, engine: Engine, now: impl Fn() -> DateTime<Utc>) -> impl Iterator<Item = String> {
        let id = &self.id;
        let locations = self.locations.iter().map(|location| Step::Location(&location.uri));
        let steps = locations.chain([Step::Remove, Step::Destroy]);
        let (yes, no) = (flag(engine, true), flag(engine, false));
        steps.map(move |step| {
            let now = time(now());
            match step {
                Step::Location(uri) => remove_location(id, uri, engine, &now),
                Step::Remove => format!(
                    "UPDATE images SET status = 'pending_delete', updated_at = {now} WHERE id = '{id}';\
                     UPDATE image_properties SET deleted = {yes}, deleted_at = {now}, updated_at = {now} \
                     WHERE image_id = '{id}' AND deleted = {no};"
                ),
                Step::Destroy => {
                    let mark = format!("deleted = {yes}, deleted_at = {now}");
                    let mut sql = format!("UPDATE images SET {mark}, updated_at = {now} WHERE id = '{id}';");
                    sql += &format!(
                        "UPDATE image_locations SET status = 'deleted', {mark}, updated_at = {now} \
                         WHERE image_id = '{id}' AND deleted = {no};"
                    );
                    for table in ["image_properties", "image_tags", "image_members"] {
                        sql += &format!("UPDATE {table} SET {mark} WHERE image_id = '{id}' AND deleted = {no};");
                    }
                    sql
                }
            }
        })
    }
}

enum Step<'a> {
    Location(&'a str),
    Remove,
    Destroy,
}

/// The transaction that takes a location from an image, which may live on without it.
pub fn remove_location(image: &str, uri: &str, engine: Engine, now: &str) -> String {
    format!(
        "UPDATE image_locations SET status = 'pending_delete', deleted = {}, deleted_at = {now}, updated_at = {now} \
         WHERE image_id = '{image}' AND value = '{uri}' AND status = 'active';",
        flag(engine, true)
    )
}

/// As Glance writes a time: UTC, with microseconds where the column has them.
pub fn time(at: DateTime<Utc>) -> String {
    at.format("'%Y-%m-%d %H:%M:%S%.6f'").to_string()
}

fn flag(engine: Engine, on: bool) -> &'static str {
    match (engine, on) {
        (Engine::Postgres, true) => "true",
        (Engine::Postgres, false) => "false",
        (_, true) => "1",
        (_, false) => "0",
    }
}

/// The path of a `file` URI.
pub fn path_of(uri: &str) -> &Path {
    Path::new(uri.strip_prefix("file://").unwrap())
}
