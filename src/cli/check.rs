//! `--check`: looks at the database and every store, and explains each fault.

use std::io::BufWriter;

use futures::future::join_all;

use crate::catalog::{self, CatalogError, Scope};
use crate::config::{Config, DatabaseUrl};
use crate::exit::Exit;
use crate::location::Keyring;
use crate::observe::output::{Cell, Format, ListWriter, Listing, OutputError};
use crate::scrub::{self, Clock, Policy, Settings, SystemClock};
use crate::store::{self, Finding, State, Stores};

const LISTING: Listing<3> = Listing { kind: "check", rows: "findings", columns: ["subject", "state", "detail"] };

/// Reads everything, changes nothing.
pub async fn run(config: &Config, format: Format) -> Exit {
    let stores = store::open(config);
    let (database, exit) = match look_at_database(config, &stores).await {
        Ok(finding) => (finding, Exit::Clean),
        Err(error) => (finding("database", State::Fault, error.to_string()), Exit::Database),
    };
    let looks =
        join_all(stores.all().iter().map(|store| async move { (store.id().clone(), store.check().await) })).await;
    let mut findings = vec![finding("config", State::Ok, config_detail(config)), database];
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
async fn look_at_database(config: &Config, stores: &Stores) -> Result<Finding, CatalogError> {
    let kind = match &config.database.url {
        DatabaseUrl::Sqlite { path, .. } => format!("SQLite {}", path.display()),
        DatabaseUrl::Mysql(server) => format!("MySQL {}/{}", server.host, server.database),
        DatabaseUrl::Postgres(server) => format!("PostgreSQL {}/{}", server.host, server.database),
    };
    let catalog = catalog::open_read_only(&config.database, config.scrubber.database_deadline).await?;
    let census = catalog.census().await?;
    let scan = catalog.scan(Scope::Pending).await?;
    let keys = scrub::keyring(config).unwrap_or_else(|_| Keyring::empty());
    let horizon = scrub::horizon(SystemClock.now(), Settings::of(config, false).grace);
    scrub::acquaint(catalog.as_ref(), &Policy { horizon, keys: &keys, stores }).await?;
    let detail = format!("{kind}: {} images, {} locations pending", census.living, scan.locations.len());
    Ok(finding("database", State::Ok, detail))
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
