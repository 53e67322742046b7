//! Rows as Glance writes them, in bulk.
//!
//! Statements of many rows in one transaction. Rejected: each engine's own way of loading (three formats to keep true),
//! and making rows inside the database (three dialects).

use std::fmt::Write;

use anyhow::Result;
use chrono::{DateTime, TimeDelta, Utc};

use crate::cloud::{Cloud, Image, State, scatter};
use crate::database::{Database, Place};

/// Images in one statement: some 300 kB, well below what a server takes by default.
const ROWS: usize = 500;

const IMAGES: &str = "INSERT INTO images (id, name, size, status, created_at, updated_at, deleted_at, deleted, disk_format, \
                      container_format, checksum, owner, min_disk, min_ram, protected, visibility, os_hidden, \
                      os_hash_algo, os_hash_value) VALUES ";
const LOCATIONS: &str = "INSERT INTO image_locations (id, image_id, value, created_at, updated_at, deleted_at, deleted, \
                         meta_data, status) VALUES ";
const PROPERTIES: &str = "INSERT INTO image_properties (image_id, name, value, created_at, updated_at, deleted_at, \
                          deleted) VALUES ";
const TAGS: &str = "INSERT INTO image_tags (image_id, value, created_at, updated_at, deleted_at, deleted) VALUES ";

/// How much of an image is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Detail {
    /// Two properties and a tag each, which a scrubber may read.
    All,
    /// Only what this scrubber reads: a million images are filled in a fraction of the time.
    ImagesAndLocations,
}

/// Replaces whatever is there.
pub async fn fill(cloud: &Cloud, place: &Place, detail: Detail) -> Result<()> {
    let mut database = place.fresh().await?;
    let before = match &database {
        Database::Sqlite(_) => "PRAGMA synchronous = OFF; PRAGMA journal_mode = OFF; PRAGMA cache_size = -1000000",
        Database::Mariadb(_) => "SET SESSION unique_checks = 0, foreign_key_checks = 0",
        Database::Postgres(_) => "SET synchronous_commit = off",
    };
    database.execute(before).await?;
    database.execute("BEGIN").await?;
    let now = Utc::now();
    let mut images = cloud.images();
    loop {
        let page: Vec<_> = images.by_ref().take(ROWS).collect();
        if page.is_empty() {
            break;
        }
        for statement in statements(cloud, &page, now, detail) {
            database.execute(statement).await?;
        }
    }
    database.execute("COMMIT").await?;
    // What a server does by itself within minutes; Glance never asks SQLite for it.
    let after = match &database {
        Database::Sqlite(_) => "",
        Database::Mariadb(_) => "ANALYZE TABLE images, image_locations, image_properties, image_tags",
        Database::Postgres(_) => "VACUUM ANALYZE",
    };
    database.execute(after).await?;
    database.close().await
}

fn statements(cloud: &Cloud, page: &[Image], now: DateTime<Utc>, detail: Detail) -> Vec<String> {
    let mut statements: Vec<_> = [IMAGES, LOCATIONS, PROPERTIES, TAGS].map(str::to_owned).into();
    for image in page {
        for (statement, row) in statements.iter_mut().zip(rows(cloud, image, now)) {
            statement.push_str(&row);
        }
    }
    for statement in &mut statements {
        statement.pop(); // the last comma
    }
    statements.truncate(if detail == Detail::All { 4 } else { 2 });
    statements
}

/// The rows of an image, each with a comma behind it.
fn rows(cloud: &Cloud, image: &Image, now: DateTime<Utc>) -> [String; 4] {
    let Image { number, id, state } = image;
    // Deletions of a month, in another order than the ids'. Each a day old at least, and younger only where it waits.
    let age = scatter(number ^ 0x5eed) % 2_592_000;
    let (status, at) = match state {
        State::Living => ("active", None),
        State::Waiting => ("pending_delete", Some(now - TimeDelta::seconds((age % 3600).cast_signed()))),
        State::Due => ("pending_delete", Some(now - TimeDelta::seconds((172_800 + age).cast_signed()))),
        State::Gone => ("deleted", Some(now - TimeDelta::seconds((172_800 + age).cast_signed()))),
    };
    let text = |at: DateTime<Utc>| format!("'{}'", at.format("%Y-%m-%d %H:%M:%S%.6f"));
    let created = text(now - TimeDelta::seconds((5_184_000 + age).cast_signed()));
    let (updated, deleted_at) = at.map_or((created.clone(), "NULL".to_owned()), |at| (text(at), text(at)));
    let times = format!("{created}, {updated}, {deleted_at}, {}", at.is_some());
    let (owner, hash) = (scatter(number % 50), scatter(number ^ 0xface));
    let (size, location) = (cloud.size, cloud.location(image));
    let mut properties = String::new();
    for (name, value) in [("os_distro", "debian"), ("hw_disk_bus", "virtio")] {
        // A String takes everything.
        let _ = write!(properties, "('{id}', '{name}', '{value}', {times}),");
    }
    [
        format!(
            "('{id}', 'image {number}', {size}, '{status}', {times}, 'raw', 'bare', '{hash:032x}', \
             '{owner:032x}', 0, 0, false, 'shared', false, 'sha512', '{hash:0128x}'),"
        ),
        format!("({number}, '{id}', '{location}', {times}, '{{}}', '{status}'),"),
        properties,
        format!("('{id}', 'tag', {times}),"),
    ]
}
