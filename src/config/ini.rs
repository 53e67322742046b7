//! The file format of oslo.config (`oslo_config/iniparser.py`), which is not quite any other INI format.
//!
//! Promises: any bytes give assignments or errors, never a panic; all errors of a file at once; no error shows a line,
//! as any line may hold a secret. Rejected: an INI crate, as none has continuation lines, quotes and comments as oslo
//! has them, and a setting read differently from Glance deletes the wrong thing.

use std::fmt;

use super::text::{strip, strip_end, strip_start};

/// `key = value` under a section.
#[derive(Clone, PartialEq, Eq)]
pub struct Assignment {
    /// The section as written.
    pub section: String,
    /// The key as written.
    pub key: String,
    /// The value without its outer quotes, continuation lines joined with `\n`.
    pub value: String,
    /// The line of the key, counted from 1.
    pub line: usize,
}

impl fmt::Debug for Assignment {
    /// Without the value, which may be a password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Assignment([{}] {} at line {})", self.section, self.key, self.line)
    }
}

/// A line that is not of the format.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {reason}")]
pub struct IniError {
    /// Counted from 1.
    pub line: usize,
    /// What is wrong with it.
    pub reason: &'static str,
}

const BOM: &str = "the file begins with a byte order mark; save it as UTF-8 without one";
const NOT_UTF8: &str = "the line is not valid UTF-8";
const CONTINUATION: &str = "unexpected continuation line: the line is indented, but nothing above it to continue";
const NO_BRACKET: &str = "invalid section: the line begins with [ and must end with ], without a comment after it";
const NO_NAME: &str = "empty section name";
const NO_SEPARATOR: &str = "no ':' or '=' found in assignment";
const NO_KEY: &str = "the key before ':' or '=' is empty";
const NO_SECTION: &str = "assignment before any section; put a line [DEFAULT] above it";

/// Reads a file's bytes: its assignments in order, or all its errors.
pub fn parse_ini(bytes: &[u8]) -> Result<Vec<Assignment>, Vec<IniError>> {
    let (assignments, errors) = parse(bytes);
    if errors.is_empty() { Ok(assignments) } else { Err(errors) }
}

/// As [`parse_ini`], but with the good lines of a bad file, so that their values can be checked in the same run.
pub(super) fn parse(bytes: &[u8]) -> (Vec<Assignment>, Vec<IniError>) {
    let mut parser = Parser::default();
    for (n, line) in lines(bytes).enumerate() {
        parser.line(n + 1, line);
    }
    (parser.assignments, parser.errors)
}

#[derive(Default)]
struct Parser {
    section: Section,
    /// What an indented line would continue.
    open: Open,
    assignments: Vec<Assignment>,
    errors: Vec<IniError>,
}

#[derive(Default)]
enum Section {
    #[default]
    None,
    /// After a section line that is an error: what follows belongs we know not where, and is skipped.
    Unknown,
    Named(String),
}

#[derive(Default, PartialEq)]
enum Open {
    #[default]
    Nothing,
    /// The last of `assignments`.
    Assignment,
    /// A line that was an error; its continuation is no second error.
    Skipped,
}

impl Parser {
    fn line(&mut self, number: usize, bytes: &[u8]) {
        let Ok(line) = std::str::from_utf8(bytes) else {
            return self.error(number, NOT_UTF8);
        };
        let line = match line.strip_prefix('\u{feff}') {
            Some(rest) if number == 1 => {
                // Python takes the mark for text, so that even `[DEFAULT]` behind it is an error.
                self.error(number, BOM);
                rest
            }
            _ => line,
        };
        let line = strip_end(line);
        if line.is_empty() {
            self.open = Open::Nothing;
        } else if line.starts_with([' ', '\t']) {
            self.continuation(number, line);
        } else if line.starts_with('[') {
            self.section(number, line);
        } else if line.starts_with(['#', ';']) {
            self.open = Open::Nothing;
        } else {
            self.assignment(number, line);
        }
    }

    fn continuation(&mut self, number: usize, line: &str) {
        match (&self.open, self.assignments.last_mut()) {
            (Open::Assignment, Some(assignment)) => {
                assignment.value.push('\n');
                assignment.value.push_str(strip_start(line));
            }
            (Open::Skipped, _) => {}
            _ => self.error(number, CONTINUATION),
        }
    }

    fn section(&mut self, number: usize, line: &str) {
        self.open = Open::Nothing;
        self.section = Section::Unknown;
        match line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            None => self.error(number, NO_BRACKET),
            Some("") => self.error(number, NO_NAME),
            // Not trimmed: `[ DEFAULT ]` is another section for oslo.
            Some(name) => self.section = Section::Named(name.to_owned()),
        }
    }

    fn assignment(&mut self, number: usize, line: &str) {
        let Some((key, value)) = line.split_once([':', '=']) else {
            return self.error(number, NO_SEPARATOR);
        };
        let key = strip(key);
        if key.is_empty() {
            return self.error(number, NO_KEY);
        }
        match &self.section {
            Section::None => self.error(number, NO_SECTION),
            Section::Unknown => self.open = Open::Skipped,
            Section::Named(section) => {
                self.assignments.push(Assignment {
                    section: section.clone(),
                    key: key.to_owned(),
                    value: unquote(strip(value)).to_owned(),
                    line: number,
                });
                self.open = Open::Assignment;
            }
        }
    }

    fn error(&mut self, line: usize, reason: &'static str) {
        self.open = Open::Skipped;
        self.errors.push(IniError { line, reason });
    }
}

/// Takes one quotation mark off each end where both are the same; a lone one is its own pair and vanishes.
fn unquote(value: &str) -> &str {
    for quote in ['"', '\''] {
        if let Some(rest) = value.strip_prefix(quote) {
            return if rest.is_empty() { rest } else { rest.strip_suffix(quote).unwrap_or(value) };
        }
    }
    value
}

/// Python's universal newlines: `\n`, `\r\n` and a lone `\r`. No empty last line after a final newline.
fn lines(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = bytes;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let end = rest.iter().position(|byte| matches!(byte, b'\n' | b'\r')).unwrap_or(rest.len());
        let (line, tail) = rest.split_at(end);
        rest = tail.strip_prefix(b"\r\n").or_else(|| tail.get(1..)).unwrap_or_default();
        Some(line)
    })
}

#[cfg(test)]
#[path = "ini_tests.rs"]
mod tests;
