//! Rows, written as they come.

use std::io::Write;

use comfy_table::presets::ASCII_FULL_CONDENSED;
use comfy_table::{CellAlignment, LineStyle, Row, Table, TableStyle};
use serde::Serialize;

use super::cell::Object;
use super::{Cell, Format, OutputError, VERSION};
use crate::observe::text::{SafeJson, harmless};

/// Rows in one frame of a table. A frame must be in memory as a whole, since its widths are known only at its end;
/// a thousand rows are more than anybody reads at once.
const FRAME: usize = 1000;

/// The frame that the openstack client draws.
pub(super) const STYLE: TableStyle = ASCII_FULL_CONDENSED.header_separator(LineStyle::new('+', '-', '+', '+'));

/// What a list is called, and its columns.
#[derive(Debug, Clone, Copy)]
pub struct Listing<const N: usize> {
    /// `kind` of the JSON document.
    pub kind: &'static str,
    /// The key of its rows: `images`, say.
    pub rows: &'static str,
    /// Keys of JSON and CSV (`image_id`); a table makes titles of them (`Image ID`).
    pub columns: [&'static str; N],
}

/// Writes a list row by row. Give it a buffered `W`; [`ListWriter::finish`] flushes it.
#[must_use = "a list is complete only after finish()"]
#[derive(Debug)]
pub struct ListWriter<W: Write, const N: usize> {
    listing: Listing<N>,
    sheet: Sheet<W>,
}

#[derive(Debug)]
enum Sheet<W: Write> {
    Table { out: W, frame: Vec<Row> },
    Json { out: W, empty: bool },
    Csv(Box<csv::Writer<W>>),
    Value(W),
}

impl<W: Write, const N: usize> ListWriter<W, N> {
    /// Begins a list on `out`.
    ///
    /// # Errors
    /// [`OutputError`], as for the other methods.
    pub fn new(format: Format, listing: Listing<N>, mut out: W) -> Result<Self, OutputError> {
        let sheet = match format {
            Format::Table => Sheet::Table { out, frame: Vec::new() },
            Format::Json => {
                write!(out, "{{\"version\": {VERSION}, \"kind\": ")?;
                json(&mut out, &listing.kind)?;
                write!(out, ", ")?;
                json(&mut out, &listing.rows)?;
                write!(out, ": [")?;
                Sheet::Json { out, empty: true }
            }
            Format::Csv => {
                let mut out = csv::Writer::from_writer(out);
                out.write_record(listing.columns)?;
                Sheet::Csv(Box::new(out))
            }
            Format::Value => Sheet::Value(out),
        };
        Ok(Self { listing, sheet })
    }

    /// One row, a cell for each column.
    ///
    /// # Errors
    /// [`OutputError::Closed`] when nobody reads any more: stop then.
    pub fn row(&mut self, cells: &[Cell<'_>; N]) -> Result<(), OutputError> {
        match &mut self.sheet {
            Sheet::Table { out, frame } => {
                frame.push(table_row(cells));
                if frame.len() == FRAME {
                    write_frame(out, &self.listing.columns, frame)?;
                }
            }
            Sheet::Json { out, empty } => {
                // A row a line: a document of a million rows can still be searched.
                let separator: &[u8] = if std::mem::take(empty) { b"\n  " } else { b",\n  " };
                out.write_all(separator)?;
                json(out, &Object(self.listing.columns.into_iter().zip(cells.iter().copied())))?;
            }
            Sheet::Csv(out) => {
                cells.iter().try_for_each(|cell| out.write_field(cell.exact().as_bytes()))?;
                out.write_record(None::<&[u8]>)?;
            }
            Sheet::Value(out) => {
                let values = cells.iter().map(Cell::value).collect::<Vec<_>>();
                writeln!(out, "{}", values.join(" "))?;
            }
        }
        Ok(())
    }

    /// Ends the list: `summary` goes into the JSON document, `footer`, a line for people, under the table.
    ///
    /// # Errors
    /// [`OutputError`]; the list may then be incomplete.
    pub fn finish(self, summary: &impl Serialize, footer: &str) -> Result<(), OutputError> {
        match self.sheet {
            Sheet::Table { mut out, mut frame } => {
                if !frame.is_empty() {
                    write_frame(&mut out, &self.listing.columns, &mut frame)?;
                }
                if !footer.is_empty() {
                    writeln!(out, "{}", harmless(footer))?;
                }
                out.flush()?;
            }
            Sheet::Json { mut out, empty } => {
                write!(out, "{}], \"summary\": ", if empty { "" } else { "\n" })?;
                json(&mut out, summary)?;
                writeln!(out, "}}")?;
                out.flush()?;
            }
            Sheet::Csv(mut out) => out.flush()?,
            Sheet::Value(mut out) => out.flush()?,
        }
        Ok(())
    }
}

/// `value` as JSON.
pub(super) fn json(out: &mut impl Write, value: &impl Serialize) -> Result<(), OutputError> {
    Ok(value.serialize(&mut serde_json::Serializer::with_formatter(out, SafeJson))?)
}

pub(super) fn table_row(cells: &[Cell<'_>]) -> Row {
    let cell = |cell: &Cell<'_>| {
        let alignment = if cell.is_number() { CellAlignment::Right } else { CellAlignment::Left };
        comfy_table::Cell::new(cell.human()).set_alignment(alignment)
    };
    Row::from(cells.iter().map(cell).collect::<Vec<_>>())
}

/// Writes `rows` with a header and empties them.
fn write_frame(out: &mut impl Write, columns: &[&str], rows: &mut Vec<Row>) -> Result<(), OutputError> {
    let mut table = Table::new();
    // Never wrapped to a terminal's width: an id that is broken in two cannot be copied or searched.
    table.load_style(STYLE).set_header(columns.iter().map(|name| title(name)).collect::<Vec<_>>());
    table.add_rows(rows.drain(..));
    for line in table.lines() {
        writeln!(out, "{line}")?;
    }
    Ok(())
}

/// `image_id` as the openstack client titles it: `Image ID`.
fn title(column: &str) -> String {
    let word = |word: &str| match word {
        "id" | "url" | "uri" => word.to_ascii_uppercase(),
        _ => {
            let mut chars = word.chars();
            chars.next().map(|first| first.to_ascii_uppercase()).into_iter().chain(chars).collect()
        }
    };
    column.split('_').map(word).collect::<Vec<_>>().join(" ")
}
