//! What the table knows of earlier failures, for one cycle; and what of it is history.
//!
//! Promises: the table is read as a stream, and taken into [`Memory`] as far as that remembers; what is written here is
//! what the plan alone finds out, once for each new reason, and what was asked for: to forget. A row is forgotten only
//! when its location was read and is not pending any more, and nobody works on it. Fails by the database alone.
//!
//! Rejected: asking the table only for what is due. Its rows are failures, of which there are few; and one statement
//! that streams costs less than a page of ids at a time.

use super::memory::{Memory, Orders};
use super::survey::PAGE;
use crate::catalog::{Catalog, CatalogError, Claims, FailedAttempt, ImageId, LocationId, Wanted};

/// Takes over what the table says, after what was asked for in the meantime is done.
pub(super) async fn adopt(claims: Option<&dyn Claims>, memory: &Memory) -> Result<(), CatalogError> {
    let orders = memory.orders();
    let Some(claims) = claims else {
        memory.orders_done(orders);
        return Ok(());
    };
    if orders.forget {
        claims.retry_now(&[]).await?;
        memory.orders_done(Orders { forget: true, config_changed: false });
    }
    let mended = read(claims, memory, orders.config_changed).await?;
    for page in mended.chunks(PAGE) {
        claims.retry_now(page).await?;
    }
    memory.orders_done(orders);
    Ok(())
}

/// Reads the table, and says of which images a changed config may have mended a location.
pub(super) async fn read(
    claims: &dyn Claims,
    memory: &Memory,
    config_changed: bool,
) -> Result<Vec<ImageId>, CatalogError> {
    let mut mended = Vec::new();
    memory.adopt();
    claims
        .rows(&mut |row| {
            if !memory.adopt_row(&row, config_changed) {
                mended.push(row.image);
            }
        })
        .await?;
    memory.adopted();
    Ok(mended)
}

/// Forgets rows of locations that are not pending any more.
pub(super) async fn tidy(catalog: &dyn Catalog, claims: &dyn Claims, memory: &Memory) -> Result<(), CatalogError> {
    for page in memory.take_unseen_rows().chunks(PAGE) {
        let rows = catalog.locations(page).await?;
        let pending = |location: &LocationId| {
            rows.iter().any(|row| match row {
                Ok(row) => row.id == *location && row.status == "pending_delete",
                // Whatever it is, it is there.
                Err(broken) => broken.location == *location,
            })
        };
        let history: Vec<_> = page.iter().copied().filter(|location| !pending(location)).collect();
        if !history.is_empty() {
            claims.forget(&history).await?;
        }
    }
    Ok(())
}

/// What the plan alone found out, until it is written down.
pub(super) struct Notes<'a> {
    claims: Option<&'a dyn Claims>,
    memory: &'a Memory,
    unwritten: Vec<(Wanted, FailedAttempt)>,
}

impl<'a> Notes<'a> {
    pub(super) const fn new(claims: Option<&'a dyn Claims>, memory: &'a Memory) -> Self {
        Self { claims, memory, unwritten: Vec::new() }
    }

    /// Takes note of a location that is kept for a new reason. Its image is what a row belongs to.
    pub(super) fn add(&mut self, location: LocationId, image: Option<&ImageId>, words: Option<&str>) {
        let (Some(_), Some(image)) = (self.claims, image) else { return };
        if let Some(failed) = self.memory.failed_attempt(location) {
            let error = failed.error.clone().or_else(|| words.map(str::to_owned));
            let wanted = Wanted { location, image: image.clone() };
            self.unwritten.push((wanted, FailedAttempt { error, ..failed }));
        }
    }

    /// Writes them down.
    pub(super) async fn write(&mut self) -> Result<(), CatalogError> {
        let unwritten = std::mem::take(&mut self.unwritten);
        match self.claims {
            Some(claims) if !unwritten.is_empty() => claims.note(&unwritten).await,
            _ => Ok(()),
        }
    }
}
