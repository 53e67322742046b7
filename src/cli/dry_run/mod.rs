//! `--dry-run`: every pending location, what would become of it, and why. With `--probe` the stores are asked as well.

mod sums;

use std::io::BufWriter;

use chrono::{DateTime, Utc};

use crate::catalog::{self, CatalogError, Claims};
use crate::config::{Config, Sharing, StoreId};
use crate::exit::Exit;
use crate::observe::output::{Cell, Format, ListWriter, Listing, OutputError};
use crate::scrub::{
    self, Audit, Clock, Entry, LookUp, Memory, Policy, Prober, Refusal, Settings, Skew, SystemClock, Verdict,
};
use crate::store;
use sums::Sums;

/// With `--probe`. `stored` is the last column, so that what picks columns by number picks the same with and without.
const PROBED: Listing<16> = Listing {
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
        "attempts",
        "last_outcome",
        "next_attempt_at",
        "stored",
    ],
};

const PLAIN: Listing<15> = Listing { kind: PROBED.kind, rows: PROBED.rows, columns: but_last(PROBED.columns) };

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
    let (now, skew) = (SystemClock.now(), Skew::measure(catalog.as_ref(), &SystemClock).await?);
    if skew.is_large() {
        tracing::warn!("{skew}; what is due is decided by the earlier one");
    }
    let horizon = scrub::horizon(skew.earlier(now), settings.grace);
    let policy = Policy { horizon, keys: &keys, stores: &stores };
    let own = &config.scrubber;
    let claims = catalog::coordinate_read_only(&own.sharing, &config.database, own.database_deadline).await?;
    if let Some(claims) = &claims {
        // What a cycle would not work with, it would not tell from an empty one.
        claims.table().await?;
    }
    let look_up = claims.as_deref().and_then(|claims| look_up(config, claims, now, skew));
    let memory = match &look_up {
        Some(look_up) => look_up.all().await?,
        None => Memory::default(),
    };
    let plan = scrub::survey(catalog.as_ref(), &policy, settings.limits, &memory, None, &mut |_, _| ()).await?;
    let refusal = scrub::judge(&plan, plan.census(catalog.as_ref()).await?, settings.guards).err();

    let mut list = ListWriter::new(format, listing, BufWriter::new(std::io::stdout()))?;
    let mut sums = Sums::default();
    let audit = Audit {
        catalog: catalog.as_ref(),
        policy: &policy,
        plan: &plan,
        limits: settings.limits,
        grace: settings.grace,
        look_up,
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

/// What is known of earlier failures, where they are kept in the database.
fn look_up<'a>(config: &Config, claims: &'a dyn Claims, now: DateTime<Utc>, skew: Skew) -> Option<LookUp<'a>> {
    let Sharing::Database { lease, .. } = &config.scrubber.sharing else { return None };
    let give_up_after = config.scrubber.give_up_after;
    Some(LookUp { claims, now, skew, lease: *lease, give_up_after })
}

fn cells(entry: &Entry) -> [Cell<'_>; 16] {
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
        entry.attempts.map_or(Cell::None, |attempts| Cell::Int(attempts.into())),
        text(entry.last_outcome.as_deref()),
        time(entry.next_attempt_at),
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
const fn but_last<T: Copy>(row: [T; 16]) -> [T; 15] {
    let [plain @ .., _] = row;
    plain
}
