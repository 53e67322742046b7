//! What is printed on stdout: a list ([`ListWriter`]) or one object ([`write_properties`]), in the formats that the
//! openstack client knows.
//!
//! Promises: memory does not grow with the number of rows; text from the database is harmless on a terminal (`table`,
//! `value`) and exact for machines (`json`, `csv`). Fails with an [`OutputError`]; a reader that has seen enough
//! (`| head`) is an error of its own, since it is no fault.
//! Rejected: guarding CSV cells that begin with `=`, `+`, `-` or `@` against spreadsheets, because it would change
//! names, and a script that reads them could not tell.

mod cell;
mod list;
mod properties;
#[cfg(test)]
mod tests;

use std::io;

pub use self::cell::Cell;
pub use self::list::{ListWriter, Listing};
pub use self::properties::write_properties;

/// The version of the JSON documents. Fields may be added within a version, none removed or given another meaning.
pub const VERSION: u32 = 1;

/// `-f`, `--format`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum Format {
    /// A frame for people.
    #[default]
    Table,
    /// One JSON document.
    Json,
    /// RFC 4180, with a header.
    Csv,
    /// Values separated by spaces, without a header.
    Value,
}

/// Why a result could not be printed.
#[derive(Debug, thiserror::Error)]
pub enum OutputError {
    /// The reader closed the pipe: a normal end, to be left without a word.
    #[error("the reader of the output closed it")]
    Closed,
    /// Anything else, a full disk for one.
    #[error("cannot write the output: {0}")]
    Io(io::Error),
}

impl From<io::Error> for OutputError {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Self::Closed,
            _ => Self::Io(error),
        }
    }
}

impl From<serde_json::Error> for OutputError {
    fn from(error: serde_json::Error) -> Self {
        io::Error::from(error).into()
    }
}

impl From<csv::Error> for OutputError {
    fn from(error: csv::Error) -> Self {
        // Not through csv's own conversion, which makes every fault an ErrorKind::Other.
        match error.into_kind() {
            csv::ErrorKind::Io(error) => error.into(),
            other => Self::Io(io::Error::other(format!("{other:?}"))),
        }
    }
}
