//! `--dry-run`: every pending location, what would become of it, and why. With `--probe` the stores are asked as well.

mod sums;

use std::io::BufWriter;

use crate::catalog::{self, CatalogError};
use crate::config::{Config, StoreId};
use crate::exit::Exit;
use crate::observe::output::{Cell, Format, ListWriter, Listing, OutputError};
use crate::scrub::{self, Audit, Clock, Entry, Memory, Policy, Prober, Refusal, Settings, SystemClock, Verdict};
use crate::store;
use sums::Sums;

/// With `--probe`. `stored` is the last column, so that what picks columns by number picks the same with and without.
const PROBED: Listing<13> = Listing {
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
        "stored",
    ],
};

const PLAIN: Listing<12> = Listing { kind: PROBED.kind, rows: PROBED.rows, columns: but_last(PROBED.columns) };

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

/// What the command line asks of a dry run.
#[derive(Debug, Clone, Copy, Default)]
pub struct Wanted {
    /// `--allow-empty`.
    pub allow_empty: bool,
    /// `--probe`.
    pub probe: bool,
    /// `--format`.
    pub format: Format,
}

/// Prints the list; changes nothing, and could not: its database connection is read-only, and no approval exists.
pub async fn run(config: &Config, wanted: Wanted) -> Exit {
    let listed = match wanted.probe {
        false => list(config, wanted, PLAIN, |entry| but_last(cells(entry))).await,
        true => list(config, wanted, PROBED, cells).await,
    };
    match listed {
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

async fn list<const N: usize>(
    config: &Config,
    wanted: Wanted,
    listing: Listing<N>,
    cells: fn(&Entry) -> [Cell<'_>; N],
) -> Result<Option<Refusal>, Stopped> {
    let Wanted { allow_empty, probe, format } = wanted;
    let catalog = catalog::open_read_only(&config.database, config.scrubber.database_deadline).await?;
    let settings = Settings::of(config, allow_empty);
    let stores = store::open(config);
    let keys = scrub::keyring(config).unwrap_or_else(|_| crate::location::Keyring::empty());
    let horizon = scrub::horizon(SystemClock.now(), settings.grace);
    let policy = Policy { horizon, keys: &keys, stores: &stores };
    let memory = Memory::default();
    let plan = scrub::survey(catalog.as_ref(), &policy, settings.limits, &memory, &mut |_, _| ()).await?;
    let refusal = scrub::judge(&plan, plan.census(catalog.as_ref()).await?, settings.guards).err();

    let mut list = ListWriter::new(format, listing, BufWriter::new(std::io::stdout()))?;
    let mut sums = Sums::default();
    let audit = Audit {
        catalog: catalog.as_ref(),
        policy: &policy,
        plan: &plan,
        limits: settings.limits,
        grace: settings.grace,
        prober: probe.then(|| Prober::new(&stores, settings.pool)),
    };
    audit
        .each::<Stopped>(&mut |entry| {
            sums.add(entry);
            Ok(list.row(&cells(entry))?)
        })
        .await?;
    let summary = sums.into_summary(probe, refusal.as_ref());
    list.finish(&summary, "")?;
    if format == Format::Table {
        summary.print(probe)?;
    }
    Ok(refusal)
}

fn cells(entry: &Entry) -> [Cell<'_>; 13] {
    let time = |at: Option<chrono::NaiveDateTime>| at.map_or(Cell::None, Cell::Time);
    let (reason, detail) = why(&entry.verdict).unzip();
    [
        text(entry.image_id.as_ref().map(|id| id.0.as_str())),
        text(entry.name.as_deref()),
        text(entry.owner.as_deref()),
        bytes(entry.size),
        time(entry.deleted_at),
        time(entry.due_at),
        entry.location_id.map_or(Cell::None, |id| Cell::Int(id.0)),
        text(entry.store.as_ref().map(StoreId::as_str)),
        text(entry.location.as_deref()),
        Cell::Text(entry.verdict.as_str()),
        text(reason),
        text(detail.flatten()),
        bytes(entry.stored),
    ]
}

/// The reason's word and its detail.
fn why(verdict: &Verdict) -> Option<(&'static str, Option<&str>)> {
    match verdict {
        Verdict::Keep(keep) => Some((keep.reason.as_str(), keep.detail.as_deref())),
        Verdict::Delete(Some(foreseen)) => Some((foreseen.outcome.as_str(), foreseen.detail.as_deref())),
        Verdict::Delete(None) | Verdict::Finish => None,
    }
}

fn bytes(size: Option<u64>) -> Cell<'static> {
    size.map_or(Cell::None, Cell::Bytes)
}

fn text(text: Option<&str>) -> Cell<'_> {
    text.map_or(Cell::None, Cell::Text)
}

/// A row without its last column, `stored`, which nobody knows without `--probe`.
const fn but_last<T: Copy>(row: [T; 13]) -> [T; 12] {
    let [plain @ .., _] = row;
    plain
}
