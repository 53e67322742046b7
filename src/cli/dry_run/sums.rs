//! The sums under a dry run's list: by store, verdict and reason.

use std::collections::BTreeMap;
use std::io::BufWriter;

use serde::Serialize;

use super::{bytes, text, why};
use crate::config::StoreId;
use crate::observe::output::{Cell, Format, ListWriter, Listing, OutputError};
use crate::scrub::{Entry, Refusal, Tally};

/// Counts by store, verdict and reason.
#[derive(Default)]
pub(super) struct Sums(BTreeMap<(Option<StoreId>, &'static str, &'static str), Sum>);

#[derive(Default)]
struct Sum {
    tally: Tally,
    /// Of those that their store knew.
    stored: Option<u64>,
}

/// With `--probe`.
const PROBED: Listing<6> = Listing {
    kind: "dry_run_summary",
    rows: "verdicts",
    columns: ["store", "verdict", "reason", "locations", "bytes", "stored"],
};

const PLAIN: Listing<5> = Listing { kind: PROBED.kind, rows: PROBED.rows, columns: but_last(PROBED.columns) };

const fn but_last<T: Copy>(row: [T; 6]) -> [T; 5] {
    let [plain @ .., _] = row;
    plain
}

#[derive(Serialize)]
struct Line {
    store: Option<String>,
    verdict: &'static str,
    reason: Option<&'static str>,
    locations: u64,
    bytes: u64,
    #[serde(flatten)]
    probed: Option<Stored>,
}

/// Only with `--probe`; null where no store knew.
#[derive(Serialize)]
struct Stored {
    stored: Option<u64>,
}

#[derive(Serialize)]
pub(super) struct Summary {
    by_store: Vec<Line>,
    refusal: Option<String>,
}

impl Sums {
    pub(super) fn add(&mut self, entry: &Entry) {
        let reason = why(&entry.verdict).map_or("", |(reason, _)| reason);
        let sum = self.0.entry((entry.store.clone(), entry.verdict.as_str(), reason)).or_default();
        sum.tally.locations += 1;
        sum.tally.bytes = sum.tally.bytes.saturating_add(entry.size.unwrap_or_default());
        if let Some(stored) = entry.stored {
            sum.stored = Some(sum.stored.unwrap_or_default().saturating_add(stored));
        }
    }

    pub(super) fn into_summary(self, probe: bool, refusal: Option<&Refusal>) -> Summary {
        let line = |((store, verdict, reason), sum): ((Option<StoreId>, &'static str, &'static str), Sum)| Line {
            store: store.map(|store| store.0),
            verdict,
            reason: Some(reason).filter(|reason| !reason.is_empty()),
            locations: sum.tally.locations,
            bytes: sum.tally.bytes,
            probed: probe.then_some(Stored { stored: sum.stored }),
        };
        Summary { by_store: self.0.into_iter().map(line).collect(), refusal: refusal.map(ToString::to_string) }
    }
}

impl Summary {
    /// The same as a second table, for people.
    pub(super) fn print(&self, probe: bool) -> Result<(), OutputError> {
        match probe {
            false => self.print_as(PLAIN, |line| but_last(line.cells())),
            true => self.print_as(PROBED, Line::cells),
        }
    }

    fn print_as<const N: usize>(
        &self,
        listing: Listing<N>,
        cells: fn(&Line) -> [Cell<'_>; N],
    ) -> Result<(), OutputError> {
        let mut table = ListWriter::new(Format::Table, listing, BufWriter::new(std::io::stdout()))?;
        self.by_store.iter().try_for_each(|line| table.row(&cells(line)))?;
        let footer = if self.by_store.is_empty() { "Nothing is pending." } else { "" };
        table.finish(&(), footer)
    }
}

impl Line {
    fn cells(&self) -> [Cell<'_>; 6] {
        [
            text(self.store.as_deref()),
            Cell::Text(self.verdict),
            text(self.reason),
            Cell::Int(i64::try_from(self.locations).unwrap_or(i64::MAX)),
            Cell::Bytes(self.bytes),
            bytes(self.probed.as_ref().and_then(|probed| probed.stored)),
        ]
    }
}
