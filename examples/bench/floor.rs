//! The least that any scrubber must do: the unlinks one by one, and two statements for each thousand rows.
//!
//! It knows beforehand what is due, looks at nothing and checks nothing. A process of its own, like the other
//! contestants, so that starting and connecting are measured for all of them or for none.

use std::path::Path;

use anyhow::Result;
use chrono::Utc;

use crate::cloud::{Cloud, Image, State};
use crate::database::Database;
use crate::files;

/// Rows in one statement.
const ROWS: usize = 1000;

pub async fn run(cloud: &Cloud, dir: &Path, url: &str) -> Result<()> {
    let mut database = Database::connect(url).await?;
    let mut due = cloud.images().filter(|image| image.state == State::Due);
    loop {
        let page: Vec<_> = due.by_ref().take(ROWS).collect();
        if page.is_empty() {
            break;
        }
        for image in &page {
            std::fs::remove_file(files::file(dir, image))?;
        }
        for statement in updates(&page) {
            database.execute(statement).await?;
        }
    }
    database.close().await
}

/// One transaction.
fn updates(page: &[Image]) -> [String; 4] {
    let now = Utc::now().format("'%Y-%m-%d %H:%M:%S%.6f'").to_string();
    let list = |one: fn(&Image) -> String| page.iter().map(one).collect::<Vec<_>>().join(",");
    let (numbers, ids) = (list(|image| image.number.to_string()), list(|image| format!("'{}'", image.id)));
    [
        "BEGIN".to_owned(),
        format!(
            "UPDATE image_locations SET status = 'deleted', deleted = true, updated_at = {now}, deleted_at = {now} \
             WHERE id IN ({numbers})"
        ),
        format!("UPDATE images SET status = 'deleted', updated_at = {now} WHERE id IN ({ids})"),
        "COMMIT".to_owned(),
    ]
}
