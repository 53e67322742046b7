//! Tables for a terminal that can also be pasted into a page.

use std::io::Write;

use anyhow::Result;
use comfy_table::presets::ASCII_MARKDOWN;
use comfy_table::{CellAlignment, Table};

/// Prints rows of texts; all columns but the first hold numbers.
pub fn print<const N: usize>(heads: [&str; N], rows: Vec<[String; N]>) -> Result<()> {
    let mut table = Table::new();
    table.load_style(ASCII_MARKDOWN).set_header(heads).add_rows(rows);
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    say(&table.to_string())
}

pub fn say(words: &str) -> Result<()> {
    Ok(writeln!(std::io::stdout(), "{words}")?)
}

/// What is going on, for whoever watches.
pub fn note(words: &str) {
    // Without stderr nobody watches.
    let _ = writeln!(std::io::stderr(), "{words}");
}
