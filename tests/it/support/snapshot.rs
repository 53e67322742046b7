//! All rows of Glance's five image tables as text, to compare what a program did with what it should have done.

use std::fmt::Write;

use super::database::{Database, Row};

pub const TABLES: [&str; 5] = ["images", "image_locations", "image_properties", "image_tags", "image_members"];

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    /// Table, row; in the order of the tables above and of the ids.
    rows: Vec<(&'static str, Row)>,
}

impl Snapshot {
    pub fn of(database: &Database) -> Snapshot {
        let rows_of = |table| database.named_rows(&format!("SELECT * FROM {table} ORDER BY id")).into_iter();
        Snapshot { rows: TABLES.into_iter().flat_map(|table| rows_of(table).map(move |row| (table, row))).collect() }
    }

    /// The value of `column` in the row of `table` whose `key` column says `value`; there must be exactly one.
    pub fn value(&self, table: &str, key: &str, value: &str, column: &str) -> Option<String> {
        let mut rows = self.rows.iter().filter(|(of, row)| *of == table && cell(row, key).as_deref() == Some(value));
        let (Some((_, row)), None) = (rows.next(), rows.next()) else {
            panic!("no one row in {table} with {key} = {value}")
        };
        cell(row, column).clone()
    }

    /// Sets columns of the rows of `table` that `wanted` picks.
    pub fn change(&mut self, table: &str, wanted: impl Fn(&Cells) -> bool, changes: &[(&str, &str)]) {
        for (_, row) in self.rows.iter_mut().filter(|(of, row)| *of == table && wanted(&Cells(row))) {
            for (column, value) in changes {
                let cell = row.iter_mut().find(|(name, _)| name == column);
                cell.unwrap_or_else(|| panic!("{table} has no {column}")).1 = Some((*value).to_owned());
            }
        }
    }

    /// Sets a column of the rows of `table` that `wanted` picks to NULL.
    pub fn clear(&mut self, table: &str, wanted: impl Fn(&Cells) -> bool, column: &str) {
        for (_, row) in self.rows.iter_mut().filter(|(of, row)| *of == table && wanted(&Cells(row))) {
            let cell = row.iter_mut().find(|(name, _)| name == column);
            cell.unwrap_or_else(|| panic!("{table} has no {column}")).1 = None;
        }
    }

    /// Replaces every time from `start` to `end` by `word`: when exactly is not for a test to say.
    pub fn between(mut self, start: &str, end: &str, word: &str) -> Snapshot {
        let times = self.rows.iter_mut().flat_map(|(_, row)| row).filter(|(name, _)| name.ends_with("_at"));
        for time in times.filter_map(|(_, time)| time.as_mut()).filter(|time| (start..=end).contains(&time.as_str())) {
            *time = word.to_owned();
        }
        self
    }

    /// Panics with the lines that differ: `-` for what was expected, `+` for what is.
    #[track_caller]
    pub fn assert_is(&self, expected: &Snapshot, when: &str) {
        let (is, should) = (self.lines(), expected.lines());
        if is != should {
            let mut difference = String::new();
            for line in should.iter().filter(|line| !is.contains(line)) {
                writeln!(difference, "- {line}").unwrap();
            }
            for line in is.iter().filter(|line| !should.contains(line)) {
                writeln!(difference, "+ {line}").unwrap();
            }
            panic!("{when}: the rows are not as expected\n{difference}");
        }
    }

    fn lines(&self) -> Vec<String> {
        let cell = |(name, text): &(String, Option<String>)| match text {
            Some(text) => format!(" {name}={text:?}"),
            None => format!(" {name}=NULL"),
        };
        self.rows
            .iter()
            .map(|(table, row)| row.iter().map(cell).fold((*table).to_owned(), |line, next| line + &next))
            .collect()
    }
}

/// A row to pick by.
pub struct Cells<'a>(&'a Row);

impl Cells<'_> {
    pub fn is(&self, column: &str, value: &str) -> bool {
        cell(self.0, column).as_deref() == Some(value)
    }
}

fn cell<'a>(row: &'a Row, column: &str) -> &'a Option<String> {
    &row.iter().find(|(name, _)| name == column).unwrap_or_else(|| panic!("no column {column}")).1
}
