//! What the storm did.

use std::collections::BTreeMap;
use std::fmt;
use std::io::Write;
use std::sync::Mutex;

/// Numbers by name, in the order of the names.
#[derive(Default)]
pub struct Counts(Mutex<BTreeMap<String, u64>>);

impl Counts {
    pub fn add(&self, what: impl Into<String>, number: u64) {
        *self.0.lock().unwrap().entry(what.into()).or_default() += number;
    }

    pub fn one(&self, what: impl Into<String>) {
        self.add(what, 1);
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let counts = self.0.lock().unwrap();
        let mut between = "";
        for (what, number) in counts.iter() {
            write!(f, "{between}{what} {number}")?;
            between = ", ";
        }
        Ok(())
    }
}

/// Adds a line to the table that `tests/all` prints.
pub fn add_line(line: &str) {
    let Some(file) = std::env::var_os("SCRUBBER_TEST_CASES") else { return };
    let mut file = std::fs::OpenOptions::new().append(true).create(true).open(file).unwrap();
    file.write_all(format!("{line}\n").as_bytes()).unwrap(); // in one write: others write too
}
