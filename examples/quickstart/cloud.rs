//! Images in every state that a scrubber meets.

use std::path::{Path, PathBuf};

use anyhow::Result;
use chrono::{TimeDelta, Utc};
use sqlx::{AssertSqlSafe, Connection, SqliteConnection, raw_sql};

/// Glance's tables as its `glance-manage db_sync` makes them.
const SCHEMA: &str = include_str!("../../tests/it/support/glance_sqlite.sql");

/// What was made.
pub struct Cloud {
    pub config_file: PathBuf,
    pub files_that_must_stay: Vec<String>,
    data: PathBuf,
}

/// One image with one location.
struct Image {
    id: &'static str,
    name: &'static str,
    /// Hours since it was deleted; `None` for a living one.
    deleted: Option<i64>,
    visibility: &'static str,
    /// The location's value; `None` for the image's own file.
    value: Option<&'static str>,
}

const IMAGES: [Image; 6] = [
    Image { id: "0a6f3c52-due", name: "cirros", deleted: Some(48), visibility: "private", value: None },
    Image { id: "1b7d4e63-community", name: "debian-12", deleted: Some(36), visibility: "community", value: None },
    Image {
        id: "2c8e5f74-web",
        name: "fedora",
        deleted: Some(30),
        visibility: "public",
        value: Some("https://mirror.example.com/fedora.qcow2"),
    },
    Image {
        id: "3d9f6a85-broken",
        name: "ubuntu",
        deleted: Some(25),
        visibility: "private",
        value: Some("3f2c-a-value-that-no-key-decrypts"),
    },
    Image { id: "4ea07b96-recent", name: "windows", deleted: Some(1), visibility: "private", value: None },
    Image { id: "5fb18ca7-living", name: "rocky-9", deleted: None, visibility: "shared", value: None },
];

/// Makes the database, the files and the config below `home`.
pub async fn build(home: &Path) -> Result<Cloud> {
    let (data, database) = (home.join("images"), home.join("glance.sqlite"));
    std::fs::create_dir(&data)?;
    std::fs::write(&database, "")?;
    let mut connection = SqliteConnection::connect(&format!("sqlite://{}", database.display())).await?;
    raw_sql(SCHEMA).execute(&mut connection).await?;
    for image in &IMAGES {
        if image.value.is_none() {
            std::fs::write(data.join(image.id), vec![0; 1 << 20])?;
        }
        raw_sql(AssertSqlSafe(rows(image, &data))).execute(&mut connection).await?;
    }
    connection.close().await?;
    let config_file = home.join("glance-scrubber.conf");
    let config = format!(
        "[DEFAULT]\nscrub_time = 86400\n[database]\nconnection = sqlite:///{}\n[glance_store]\n\
         filesystem_store_datadir = {}\n",
        database.display(),
        data.display()
    );
    std::fs::write(&config_file, config)?;
    let files_that_must_stay = vec!["4ea07b96-recent".to_owned(), "5fb18ca7-living".to_owned()];
    Ok(Cloud { config_file, files_that_must_stay, data })
}

impl Cloud {
    /// The names in the data directory.
    pub fn files(&self) -> Result<Vec<String>> {
        let names = std::fs::read_dir(&self.data)?.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()));
        let mut names = names.collect::<Result<Vec<_>>>()?;
        names.sort();
        Ok(names)
    }
}

/// The rows that Glance would have written.
fn rows(image: &Image, data: &Path) -> String {
    let own_file = format!("file://{}/{}", data.display(), image.id);
    let value = image.value.unwrap_or(&own_file);
    let created = (Utc::now() - TimeDelta::days(30)).format("%Y-%m-%d %H:%M:%S%.6f");
    let (status, deleted, deleted_at) = match image.deleted {
        Some(hours) => {
            let at = Utc::now() - TimeDelta::hours(hours);
            ("pending_delete", 1, format!("'{}'", at.format("%Y-%m-%d %H:%M:%S%.6f")))
        }
        None => ("active", 0, "NULL".to_owned()),
    };
    let Image { id, name, visibility, .. } = image;
    format!(
        "INSERT INTO images (id, name, size, status, created_at, deleted_at, deleted, min_disk, min_ram, owner, visibility)
         VALUES ('{id}', '{name}', 1048576, '{status}', '{created}', {deleted_at}, {deleted}, 0, 0, 'demo', '{visibility}');
         INSERT INTO image_locations (image_id, value, created_at, deleted_at, deleted, meta_data, status)
         VALUES ('{id}', '{value}', '{created}', {deleted_at}, {deleted}, '{{}}', '{status}')"
    )
}
