//! Images and locations as Glance would have written them, and as they should not be but are.

use chrono::{DateTime, TimeDelta, Utc};

use super::database::Database;
use super::servers::Engine;

/// An image's row, with its locations.
#[derive(Clone)]
pub struct Image {
    pub id: String,
    pub name: String,
    pub status: &'static str,
    pub deleted: bool,
    pub deleted_at: Option<DateTime<Utc>>,
    pub visibility: &'static str,
    pub size: u64,
    pub locations: Vec<Location>,
}

/// A location's row.
#[derive(Clone)]
pub struct Location {
    pub value: String,
    pub status: &'static str,
    pub deleted_at: Option<DateTime<Utc>>,
    pub meta_data: Option<String>,
}

impl Image {
    /// Living, with locations.
    pub fn active(id: &str, values: &[&str]) -> Image {
        let location = |value: &&str| Location {
            value: (*value).to_owned(),
            status: "active",
            deleted_at: None,
            meta_data: Some("{}".to_owned()),
        };
        Image {
            id: id.to_owned(),
            name: format!("name of {id}"),
            status: "active",
            deleted: false,
            deleted_at: None,
            visibility: "shared",
            size: 1000,
            locations: values.iter().map(location).collect(),
        }
    }

    /// Deleted under delayed_delete, so long ago.
    pub fn pending(id: &str, ago: TimeDelta, values: &[&str]) -> Image {
        let at = Utc::now() - ago;
        let mut image = Image::active(id, values);
        (image.status, image.deleted, image.deleted_at) = ("pending_delete", true, Some(at));
        for location in &mut image.locations {
            (location.status, location.deleted_at) = ("pending_delete", Some(at));
        }
        image
    }

    /// With one location's meta_data.
    pub fn with_meta_data(mut self, meta_data: Option<&str>) -> Image {
        for location in &mut self.locations {
            location.meta_data = meta_data.map(str::to_owned);
        }
        self
    }

    pub fn insert(&self, database: &Database) {
        database.execute(&self.sql(database.engine));
    }

    /// The statements that make it.
    pub fn sql(&self, engine: Engine) -> String {
        let flag = |on: bool| match (engine, on) {
            (Engine::Postgres, on) => on.to_string(),
            (_, on) => i32::from(on).to_string(),
        };
        let Image { id, name, status, visibility, size, .. } = self;
        let image = format!(
            "INSERT INTO images (id, name, owner, size, status, created_at, deleted_at, deleted, min_disk, min_ram, visibility)
             VALUES ('{id}', '{name}', 'owner', {size}, '{status}', '2026-01-01 00:00:00', {}, {}, 0, 0, '{visibility}');",
            time(self.deleted_at),
            flag(self.deleted),
        );
        let locations = self.locations.iter().map(|Location { value, status, deleted_at, meta_data }| {
            let meta_data = meta_data.as_ref().map_or("NULL".to_owned(), |text| format!("'{text}'"));
            format!(
                "INSERT INTO image_locations (image_id, value, status, created_at, deleted_at, deleted, meta_data)
                 VALUES ('{id}', '{value}', '{status}', '2026-01-01 00:00:00', {}, {}, {meta_data});",
                time(*deleted_at),
                flag(*status != "active"),
            )
        });
        image + &locations.collect::<String>()
    }
}

fn time(at: Option<DateTime<Utc>>) -> String {
    at.map_or("NULL".to_owned(), |at| format!("'{}'", at.format("%Y-%m-%d %H:%M:%S%.6f")))
}

/// `status` of an image's row and of its locations' rows, in order.
pub fn states(database: &Database, image: &str) -> (String, Vec<String>) {
    let text = |rows: Vec<Vec<Option<String>>>| rows.into_iter().flatten().flatten().collect::<Vec<_>>();
    let of_image = text(database.rows(&format!("SELECT status FROM images WHERE id = '{image}'")));
    let of_locations =
        text(database.rows(&format!("SELECT status FROM image_locations WHERE image_id = '{image}' ORDER BY id")));
    (of_image.join(","), of_locations)
}
