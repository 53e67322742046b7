//! `--dry-run`: every pending location, what would become of it, and why.

use std::collections::BTreeMap;
use std::io::BufWriter;

use serde::Serialize;

use crate::catalog::{self, CatalogError};
use crate::config::{Config, StoreId};
use crate::exit::Exit;
use crate::observe::output::{Cell, Format, ListWriter, Listing, OutputError};
use crate::scrub::{self, Audit, Clock, Entry, Policy, Refusal, Settings, SystemClock, Tally, Verdict};
use crate::store;

const LISTING: Listing<12> = Listing {
    kind: "dry_run",
    rows: "locations",
    columns: [
        "image_id",
        "name",
        "owner",
        "size",
        "deleted_at",
        "due_at",
        "location_id",
        "store",
        "location",
        "verdict",
        "reason",
        "detail",
    ],
};

/// What can end a dry run.
enum Stopped {
    Database(CatalogError),
    Output(OutputError),
}

impl From<CatalogError> for Stopped {
    fn from(error: CatalogError) -> Self {
        Self::Database(error)
    }
}

impl From<OutputError> for Stopped {
    fn from(error: OutputError) -> Self {
        Self::Output(error)
    }
}

/// Prints the list; changes nothing, and could not: its database connection is read-only, and no approval exists.
pub async fn run(config: &Config, allow_empty: bool, format: Format) -> Exit {
    match list(config, allow_empty, format).await {
        Ok(None) | Err(Stopped::Output(OutputError::Closed)) => Exit::Clean,
        Ok(Some(refusal)) => {
            tracing::warn!("A cycle would be refused now: {refusal}");
            Exit::Refused
        }
        Err(Stopped::Database(error)) => {
            tracing::error!("{error}");
            Exit::Database
        }
        Err(Stopped::Output(error)) => {
            tracing::error!("{error}");
            Exit::Unexpected
        }
    }
}

async fn list(config: &Config, allow_empty: bool, format: Format) -> Result<Option<Refusal>, Stopped> {
    let catalog = catalog::open_read_only(&config.database, config.scrubber.database_deadline).await?;
    let settings = Settings::of(config, allow_empty);
    let stores = store::open(config);
    let keys = scrub::keyring(config).unwrap_or_else(|_| crate::location::Keyring::empty());
    let horizon = scrub::horizon(SystemClock.now(), settings.grace);
    let policy = Policy { horizon, keys: &keys, stores: &stores };
    let plan = scrub::survey(catalog.as_ref(), &policy, settings.limits, &mut |_, _, _, _| ()).await?;
    let refusal = scrub::judge(&plan, plan.census(catalog.as_ref()).await?, settings.guards).err();

    let mut list = ListWriter::new(format, LISTING, BufWriter::new(std::io::stdout()))?;
    let mut summary = Summary::default();
    let audit = Audit {
        catalog: catalog.as_ref(),
        policy: &policy,
        plan: &plan,
        limits: settings.limits,
        grace: settings.grace,
    };
    audit
        .each::<Stopped>(&mut |entry| {
            summary.add(entry);
            Ok(list.row(&cells(entry))?)
        })
        .await?;
    let summary = summary.into_json(refusal.as_ref());
    list.finish(&summary, "")?;
    if format == Format::Table {
        summary.print()?;
    }
    Ok(refusal)
}

fn cells(entry: &Entry) -> [Cell<'_>; 12] {
    let time = |at: Option<chrono::NaiveDateTime>| at.map_or(Cell::None, Cell::Time);
    let (reason, detail) = match &entry.verdict {
        Verdict::Keep(keep) => (Cell::Text(keep.reason.as_str()), text(keep.detail.as_deref())),
        Verdict::Delete | Verdict::Finish => (Cell::None, Cell::None),
    };
    [
        text(entry.image_id.as_ref().map(|id| id.0.as_str())),
        text(entry.name.as_deref()),
        text(entry.owner.as_deref()),
        entry.size.map_or(Cell::None, Cell::Bytes),
        time(entry.deleted_at),
        time(entry.due_at),
        entry.location_id.map_or(Cell::None, |id| Cell::Int(id.0)),
        text(entry.store.as_ref().map(StoreId::as_str)),
        text(entry.location.as_deref()),
        Cell::Text(entry.verdict.as_str()),
        reason,
        detail,
    ]
}

fn text(text: Option<&str>) -> Cell<'_> {
    text.map_or(Cell::None, Cell::Text)
}

/// Counts by store, verdict and reason.
#[derive(Default)]
struct Summary(BTreeMap<(Option<StoreId>, &'static str, &'static str), Tally>);

const SUMMARY: Listing<5> = Listing {
    kind: "dry_run_summary",
    rows: "verdicts",
    columns: ["store", "verdict", "reason", "locations", "bytes"],
};

#[derive(Serialize)]
struct SummaryLine {
    store: Option<String>,
    verdict: &'static str,
    reason: Option<&'static str>,
    locations: u64,
    bytes: u64,
}

#[derive(Serialize)]
struct SummaryJson {
    by_store: Vec<SummaryLine>,
    refusal: Option<String>,
}

impl Summary {
    fn add(&mut self, entry: &Entry) {
        let reason = match &entry.verdict {
            Verdict::Keep(keep) => keep.reason.as_str(),
            Verdict::Delete | Verdict::Finish => "",
        };
        let tally = self.0.entry((entry.store.clone(), entry.verdict.as_str(), reason)).or_default();
        tally.locations += 1;
        tally.bytes = tally.bytes.saturating_add(entry.size.unwrap_or_default());
    }

    fn into_json(self, refusal: Option<&Refusal>) -> SummaryJson {
        let line =
            |((store, verdict, reason), tally): ((Option<StoreId>, &'static str, &'static str), Tally)| SummaryLine {
                store: store.map(|store| store.0),
                verdict,
                reason: Some(reason).filter(|reason| !reason.is_empty()),
                locations: tally.locations,
                bytes: tally.bytes,
            };
        SummaryJson { by_store: self.0.into_iter().map(line).collect(), refusal: refusal.map(ToString::to_string) }
    }
}

impl SummaryJson {
    /// The same as a second table, for people.
    fn print(&self) -> Result<(), OutputError> {
        let mut table = ListWriter::new(Format::Table, SUMMARY, BufWriter::new(std::io::stdout()))?;
        for line in &self.by_store {
            let locations = Cell::Int(i64::try_from(line.locations).unwrap_or(i64::MAX));
            let (store, reason) = (text(line.store.as_deref()), text(line.reason));
            table.row(&[store, Cell::Text(line.verdict), reason, locations, Cell::Bytes(line.bytes)])?;
        }
        let footer = if self.by_store.is_empty() { "Nothing is pending." } else { "" };
        table.finish(&(), footer)
    }
}
