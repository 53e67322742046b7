//! `--retry-now`: what failed is tried in the next cycle of any scrubber, whatever its wait.
//!
//! Promises: nothing is deleted and no claim is touched; only failures are forgotten. Each image is one statement.

use std::io::BufWriter;

use crate::catalog::{self, CatalogError, ImageId};
use crate::config::Config;
use crate::exit::Exit;
use crate::observe::output::{Cell, Format, ListWriter, Listing, OutputError};

const LISTING: Listing<2> = Listing { kind: "retry_now", rows: "cleared", columns: ["image_id", "locations"] };

/// Clears the failures of `images`, or all, and prints of how many locations.
pub async fn run(config: &Config, images: &[String], format: Format) -> Exit {
    let images: Vec<_> = images.iter().map(|id| ImageId(id.trim().to_owned())).collect();
    let cleared = match clear(config, &images).await {
        Ok(cleared) => cleared,
        Err(error) => {
            tracing::error!("{error}");
            return Exit::Database;
        }
    };
    match print(&cleared, format) {
        Ok(()) | Err(OutputError::Closed) => Exit::Clean,
        Err(error) => {
            tracing::error!("{error}");
            Exit::Unexpected
        }
    }
}

/// How many locations of each image; of no image where all were meant.
async fn clear(config: &Config, images: &[ImageId]) -> Result<Vec<(Option<ImageId>, u64)>, CatalogError> {
    let deadline = config.scrubber.database_deadline;
    let ledger = catalog::open(&config.database, deadline).await?;
    let coordination = catalog::coordinate(&config.scrubber.sharing, &ledger, deadline).await?;
    // The command line was refused where there is none.
    let Some(claims) = coordination.claims() else { return Ok(Vec::new()) };
    if images.is_empty() {
        return Ok(vec![(None, claims.retry_now(&[]).await?)]);
    }
    let known = ledger.images(images).await?;
    let mut cleared = Vec::with_capacity(images.len());
    for image in images {
        // As its row spells it: MySQL finds it without case, and our own table does not.
        let found = known.iter().map(|(row, _)| &row.id).find(|id| id.0.eq_ignore_ascii_case(&image.0));
        if found.is_none() {
            tracing::warn!(image_id = %image, "Glance's database has no image {image}");
        }
        let image = found.unwrap_or(image);
        cleared.push((Some(image.clone()), claims.retry_now(std::slice::from_ref(image)).await?));
    }
    Ok(cleared)
}

fn print(cleared: &[(Option<ImageId>, u64)], format: Format) -> Result<(), OutputError> {
    let mut list = ListWriter::new(format, LISTING, BufWriter::new(std::io::stdout()))?;
    for (image, locations) in cleared {
        let image = image.as_ref().map_or(Cell::None, |image| Cell::Text(&image.0));
        list.row(&[image, Cell::Int(i64::try_from(*locations).unwrap_or(i64::MAX))])?;
    }
    let all: u64 = cleared.iter().map(|(_, locations)| locations).sum();
    list.finish(&serde_json::json!({ "locations": all }), &format!("{all} locations are tried in the next cycle"))
}
