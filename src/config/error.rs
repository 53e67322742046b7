//! What is wrong with a config, and where.
//!
//! Promises: one line an error, `FILE:LINE: reason`, in the order of reading, each once; no value of a secret option,
//! nor any text that could be a piece of one. Rejected: stopping at the first, because an operator then needs one
//! restart for each typing error.

use std::fmt;
use std::path::{Path, PathBuf};

/// Where a value was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// In a file; the line counts from 1 and is missing where the fault is the file itself.
    File {
        /// The file.
        path: PathBuf,
        /// The line.
        line: Option<usize>,
    },
    /// In this environment variable.
    Environment(String),
    /// On the command line.
    CommandLine,
    /// Nowhere: the default holds.
    Unset,
}

impl Place {
    /// A whole file.
    pub fn file(path: impl Into<PathBuf>) -> Self {
        Self::File { path: path.into(), line: None }
    }

    /// One line of a file.
    pub fn line(path: impl Into<PathBuf>, line: usize) -> Self {
        Self::File { path: path.into(), line: Some(line) }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File { path, line: Some(line) } => write!(f, "{}:{line}: ", path.display()),
            Self::File { path, line: None } => write!(f, "{}: ", path.display()),
            Self::Environment(name) => write!(f, "environment variable {name}: "),
            Self::CommandLine => write!(f, "command line: "),
            Self::Unset => Ok(()),
        }
    }
}

/// One fault.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{place}{}{reason}", option.as_deref().map(|name| format!("{name}: ")).unwrap_or_default())]
pub struct ConfigError {
    /// Where.
    pub place: Place,
    /// Which option, as `[group] name`.
    pub option: Option<String>,
    /// What is wrong and what to do about it; no secret.
    pub reason: String,
}

impl ConfigError {
    /// A fault that belongs to no option (a file that is missing, a line that is no assignment).
    pub fn at(place: Place, reason: impl Into<String>) -> Self {
        Self { place, option: None, reason: reason.into() }
    }

    /// A fault of an option.
    pub fn of(place: Place, group: &str, name: &str, reason: impl Into<String>) -> Self {
        Self { place, option: Some(format!("[{group}] {name}")), reason: reason.into() }
    }

    /// The file, where the fault is in one.
    pub fn file(&self) -> Option<&Path> {
        match &self.place {
            Place::File { path, .. } => Some(path),
            _ => None,
        }
    }

    /// The line in it, counted from 1.
    pub fn line(&self) -> Option<usize> {
        match &self.place {
            Place::File { line, .. } => *line,
            _ => None,
        }
    }
}

/// Everything that is wrong; never empty. Displays one error a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigErrors(Vec<ConfigError>);

impl ConfigErrors {
    /// The errors in the order of reading.
    pub fn iter(&self) -> impl Iterator<Item = &ConfigError> {
        self.0.iter()
    }
}

impl From<ConfigError> for ConfigErrors {
    fn from(error: ConfigError) -> Self {
        Self(vec![error])
    }
}

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, error) in self.0.iter().enumerate() {
            if n > 0 {
                writeln!(f)?;
            }
            write!(f, "{error}")?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigErrors {}

/// Collects while a config is read: errors that stop us and warnings that do not, each once.
#[derive(Debug, Default)]
pub(super) struct Report {
    errors: Vec<ConfigError>,
    warnings: Vec<String>,
}

impl Report {
    /// Notes a fault. Several stores read the same `[backend_defaults]`, so the same fault may come again.
    pub fn error(&mut self, error: ConfigError) {
        if !self.errors.contains(&error) {
            self.errors.push(error);
        }
    }

    /// Notes what an operator should hear.
    pub fn warn(&mut self, warning: impl Into<String>) {
        let warning = warning.into();
        if !self.warnings.contains(&warning) {
            self.warnings.push(warning);
        }
    }

    /// Nothing is wrong so far.
    pub fn is_clean(&self) -> bool {
        self.errors.is_empty()
    }

    /// The warnings of a clean report, or all errors.
    pub fn finish(self) -> Result<Vec<String>, ConfigErrors> {
        if self.errors.is_empty() { Ok(self.warnings) } else { Err(ConfigErrors(self.errors)) }
    }
}
