//! The summary of a cycle on stdout.

use std::io::{BufWriter, Write};

use crate::config::StoreId;
use crate::observe::output::{Cell, Format, ListWriter, Listing, OutputError};
use crate::scrub::CycleReport;

const LISTING: Listing<6> = Listing {
    kind: "cycle",
    rows: "results",
    columns: ["store", "verdict", "outcome", "locations", "bytes", "detail"],
};

/// Prints what was done and what stays. JSON is the whole report.
pub(super) fn print(report: &CycleReport, format: Format) -> Result<(), OutputError> {
    let mut out = BufWriter::new(std::io::stdout().lock());
    if format == Format::Json {
        writeln!(out, "{}", report.to_json())?;
        return Ok(out.flush()?);
    }
    let mut list = ListWriter::new(format, LISTING, out)?;
    for ((store, outcome), tally) in &report.done {
        let locations = Cell::Int(i64::try_from(tally.locations).unwrap_or(i64::MAX));
        let bytes = Cell::Bytes(tally.bytes);
        let (store, outcome) = (Cell::Text(store.as_str()), Cell::Text(outcome.as_str()));
        list.row(&[store, Cell::Text("finished"), outcome, locations, bytes, Cell::None])?;
    }
    for (store, reason, line) in report.kept.lines() {
        let locations = Cell::Int(i64::try_from(line.tally.locations).unwrap_or(i64::MAX));
        let bytes = Cell::Bytes(line.tally.bytes);
        let store = store.map_or(Cell::None, |store: &StoreId| Cell::Text(store.as_str()));
        let detail = line.detail.as_deref().map_or(Cell::None, Cell::Text);
        list.row(&[store, Cell::Text("kept"), Cell::Text(reason.as_str()), locations, bytes, detail])?;
    }
    for (store, tally) in &report.trash {
        let (freed, failed) = (Cell::Text("freed from the trash"), Cell::Text("left in the trash after a failure"));
        for (what, images, bytes) in [(freed, tally.freed, tally.bytes), (failed, tally.failed, 0)] {
            if images > 0 {
                let images = Cell::Int(i64::try_from(images).unwrap_or(i64::MAX));
                list.row(&[Cell::Text(store.as_str()), what, Cell::None, images, Cell::Bytes(bytes), Cell::None])?;
            }
        }
    }
    let stopped = if report.interrupted { "; stopped before the end" } else { "" };
    list.finish(&(), &format!("{} images finished{stopped}", report.images_finished))
}
