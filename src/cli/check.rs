//! `--check`: looks at the database and every store, and explains each fault.

use std::io::BufWriter;

use futures::future::join_all;

use crate::catalog::{self, Catalog, CatalogError, ClaimRow, Scope, Table};
use crate::config::{Config, DatabaseUrl, Sharing};
use crate::exit::Exit;
use crate::location::Keyring;
use crate::observe::output::{Cell, Format, ListWriter, Listing, OutputError};
use crate::scrub::{self, Clock, Policy, Settings, Skew, SystemClock};
use crate::store::{self, Finding, State, Stores};

const LISTING: Listing<3> = Listing { kind: "check", rows: "findings", columns: ["subject", "state", "detail"] };

/// Reads everything, changes nothing.
pub async fn run(config: &Config, format: Format) -> Exit {
    let stores = store::open(config);
    let (database, exit) = match look_at_database(config, &stores).await {
        Ok(findings) => (findings, Exit::Clean),
        Err(error) => (vec![finding("database", State::Fault, error.to_string())], Exit::Database),
    };
    let looks =
        join_all(stores.all().iter().map(|store| async move { (store.id().clone(), store.check().await) })).await;
    let mut findings = vec![finding("config", State::Ok, config_detail(config))];
    findings.extend(database);
    for store in config.stores.stores.iter().filter(|store| store.pace.paused) {
        let detail = "pause is set: what is due in it is kept as paused, and nothing is deleted from it".to_owned();
        findings.push(finding(&format!("store {}: pause", store.id), State::Warning, detail));
    }
    for (id, found) in looks {
        findings.extend(
            found.into_iter().map(|found| Finding { subject: format!("store {id}: {}", found.subject), ..found }),
        );
    }
    if stores.all().is_empty() {
        findings.push(finding("stores", State::Fault, "no store is configured; see [glance_store] stores".to_owned()));
    }
    let faulty = findings.iter().any(|finding| finding.state == State::Fault);
    match print(&findings, format) {
        Ok(()) | Err(OutputError::Closed) => {}
        Err(error) => {
            tracing::error!("{error}");
            return Exit::Unexpected;
        }
    }
    if exit == Exit::Clean && faulty { Exit::Attention } else { exit }
}

/// Counts, and lets the stores know what must be in them: an empty directory is a fault only if images should be there.
async fn look_at_database(config: &Config, stores: &Stores) -> Result<Vec<Finding>, CatalogError> {
    let kind = match &config.database.url {
        DatabaseUrl::Sqlite { path, .. } => format!("SQLite {}", path.display()),
        DatabaseUrl::Mysql(server) => format!("MySQL {}/{}", server.host, server.database),
        DatabaseUrl::Postgres(server) => format!("PostgreSQL {}/{}", server.host, server.database),
    };
    let catalog = catalog::open_read_only(&config.database, config.scrubber.database_deadline).await?;
    let census = catalog.census().await?;
    let scan = catalog.scan(Scope::Pending).await?;
    let keys = scrub::keyring(config).unwrap_or_else(|_| Keyring::empty());
    let skew = Skew::measure(catalog.as_ref(), &SystemClock).await?;
    let horizon = scrub::horizon(skew.earlier(SystemClock.now()), Settings::of(config, false).grace);
    scrub::acquaint(catalog.as_ref(), &Policy { horizon, keys: &keys, stores }).await?;
    let detail = format!("{kind}: {} images, {} locations pending", census.living, scan.locations.len());
    Ok(vec![finding("database", State::Ok, detail), clock(skew), coordination(config, catalog.as_ref()).await])
}

fn clock(skew: Skew) -> Finding {
    if skew.is_large() {
        finding("clock", State::Warning, format!("{skew}; what is due is decided by the earlier one"))
    } else {
        finding("clock", State::Ok, "this host's clock and the database's agree".to_owned())
    }
}

async fn coordination(config: &Config, catalog: &dyn Catalog) -> Finding {
    let found = look_at_claims(config, catalog).await;
    let (state, detail) = found.unwrap_or_else(|error| (State::Fault, error.to_string()));
    finding("coordination", state, detail)
}

async fn look_at_claims(config: &Config, catalog: &dyn Catalog) -> Result<(State, String), CatalogError> {
    const TABLE: &str = "database: table scrubber_locations";
    const LATER: &str = "is not there yet; the first cycle makes it";
    let own = &config.scrubber;
    if matches!(own.sharing, Sharing::Alone { .. }) {
        return Ok((State::Ok, "none: one scrubber, nothing in the database".to_owned()));
    }
    let claims = catalog::coordinate_read_only(&own.sharing, &config.database, own.database_deadline).await?;
    let Some(claims) = claims else { return Ok((State::Ok, format!("{TABLE} {LATER}, and its file"))) };
    let version = match claims.table().await? {
        Table::There { version } => version,
        Table::Absent { obstacle: None } => return Ok((State::Ok, format!("{TABLE} {LATER}"))),
        Table::Absent { obstacle: Some(obstacle) } => {
            let detail = format!("{TABLE} is not there, and the first cycle may fail to make it: {obstacle}");
            return Ok((State::Warning, detail));
        }
    };
    let (now, mut claimed, mut lapsed) = (catalog.clock().await?, 0_u64, 0_u64);
    let count = &mut |row: ClaimRow| {
        let is_held = row.hold.claim.map(|claim| now < claim.until);
        claimed += u64::from(is_held == Some(true));
        lapsed += u64::from(is_held == Some(false));
    };
    let rows = claims.rows(count).await?;
    let detail = format!("{TABLE}, version {version}: {rows} locations, {claimed} claimed, {lapsed} claims lapsed");
    Ok((State::Ok, detail))
}

fn config_detail(config: &Config) -> String {
    let mode = if config.stores.multi { "multi-store" } else { "single-store" };
    let grace = config.scrub_time.max(config.scrubber.min_age).as_secs();
    format!(
        "{mode}, {} stores, {} encryption keys, grace {grace} s",
        config.stores.stores.len(),
        config.encryption_keys.len()
    )
}

fn finding(subject: &str, state: State, detail: String) -> Finding {
    Finding { subject: subject.to_owned(), state, detail }
}

fn print(findings: &[Finding], format: Format) -> Result<(), OutputError> {
    let mut list = ListWriter::new(format, LISTING, BufWriter::new(std::io::stdout()))?;
    for Finding { subject, state, detail } in findings {
        list.row(&[Cell::Text(subject), Cell::Text(state.as_str()), Cell::Text(detail)])?;
    }
    list.finish(&(), "")
}
