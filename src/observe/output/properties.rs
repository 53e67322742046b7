//! One object, as `openstack … show` prints it.

use std::io::Write;

use comfy_table::Table;

use super::cell::Object;
use super::list::{STYLE, json, table_row};
use super::{Cell, Format, OutputError, VERSION};

/// Writes `pairs` of name and value to `out`, and flushes it: a table of fields, one JSON object (with `version` and
/// `kind` first, so no pair may be called so), CSV of two columns, or the bare values, one a line.
///
/// # Errors
/// [`OutputError`].
pub fn write_properties(
    format: Format,
    kind: &str,
    pairs: &[(&str, Cell<'_>)],
    mut out: impl Write,
) -> Result<(), OutputError> {
    match format {
        Format::Table => {
            let mut table = Table::new();
            table.load_style(STYLE).set_header(["Field", "Value"]);
            // To the left also numbers: the values below each other are not of one kind.
            let text = |value: &Cell<'_>| value.human().into_owned();
            table.add_rows(pairs.iter().map(|(name, value)| table_row(&[Cell::Text(name), Cell::Text(&text(value))])));
            for line in table.lines() {
                writeln!(out, "{line}")?;
            }
        }
        Format::Json => {
            let head = [("version", Cell::Int(i64::from(VERSION))), ("kind", Cell::Text(kind))];
            json(&mut out, &Object(head.into_iter().chain(pairs.iter().copied())))?;
            writeln!(out)?;
        }
        Format::Csv => {
            let mut csv = csv::Writer::from_writer(&mut out);
            csv.write_record(["field", "value"])?;
            for (name, value) in pairs {
                csv.write_record([*name, &*value.exact()])?;
            }
            csv.flush()?;
        }
        Format::Value => {
            for (_, value) in pairs {
                writeln!(out, "{}", value.value())?;
            }
        }
    }
    Ok(out.flush()?)
}
