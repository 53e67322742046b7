//! The file format of Python's `ConfigParser`, in which `swift_store_config_file` is written.
//!
//! Promises: the sections and values that CPython's `configparser.ConfigParser` reads with its defaults: `=` or `:`,
//! comments on lines of their own, continuation lines, `[DEFAULT]`, keys without case, `%(name)s`. What Python refuses,
//! this refuses: a file as a whole by its line, a value by itself. No error holds a piece of a value, which may be a
//! password. Rejected: the reader for oslo.config's files (`ini`), which knows no `%`, no `[DEFAULT]` and no `;`.

use std::collections::{HashMap, HashSet};

use super::text::{is_space, strip, strip_end};

/// Steps of `%(name)s` within one value (`MAX_INTERPOLATION_DEPTH`).
const DEPTH: usize = 10;
/// Bytes that a value may grow to; Python has no such limit.
const MAX_LENGTH: usize = 1 << 20;
const DEFAULT: &str = "DEFAULT";

/// A file that was read.
#[derive(Debug, Default)]
pub(super) struct PythonIni {
    defaults: Values,
    /// In the order of the file.
    sections: Vec<(String, Values)>,
}

type Values = HashMap<String, String>;

/// A file that Python would not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Unreadable {
    /// Counted from 1.
    pub line: usize,
    pub reason: &'static str,
}

/// A value that Python would not give. Without a piece of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum BadValue {
    /// `%` that is neither `%%` nor the beginning of `%(name)s`.
    Percent,
    /// `%(name)s` of something that is not there.
    NoSuchName,
    /// References in a circle, or that make it too long.
    TooDeep,
}

impl std::fmt::Display for BadValue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Percent => "has a % that stands alone; write %%",
            Self::NoSuchName => "refers with %(...)s to a name that its section does not have",
            Self::TooDeep => "refers with %(...)s to itself, or to too much",
        })
    }
}

/// What the lines so far have opened.
#[derive(Default)]
struct Reading {
    file: PythonIni,
    /// `None` before the first section; the inner `None` is `[DEFAULT]`.
    section: Option<Option<usize>>,
    /// The key whose value goes on on lines that are indented further than this.
    open: Option<String>,
    indent: usize,
    seen: HashSet<(String, Option<String>)>,
}

impl PythonIni {
    pub(super) fn parse(text: &str) -> Result<Self, Unreadable> {
        let mut reading = Reading::default();
        let text = text.replace("\r\n", "\n").replace('\r', "\n");
        for (at, line) in text.split('\n').enumerate() {
            reading.line(line).map_err(|reason| Unreadable { line: at + 1, reason })?;
        }
        let Reading { mut file, .. } = reading;
        let all = file.sections.iter_mut().map(|(_, values)| values).chain(std::iter::once(&mut file.defaults));
        for value in all.flat_map(|values| values.values_mut()) {
            value.truncate(strip_end(value).len());
        }
        Ok(file)
    }

    /// The sections but for `[DEFAULT]`, in the order of the file.
    pub(super) fn sections(&self) -> impl Iterator<Item = &str> {
        self.sections.iter().map(|(name, _)| name.as_str())
    }

    /// The value of a key, also from `[DEFAULT]`, with its references resolved.
    pub(super) fn get(&self, section: &str, key: &str) -> Result<Option<String>, BadValue> {
        let Some((_, values)) = self.sections.iter().find(|(name, _)| name == section) else { return Ok(None) };
        let find = |key: &str| values.get(key).or_else(|| self.defaults.get(key)).map(String::as_str);
        let Some(raw) = find(&key.to_lowercase()) else { return Ok(None) };
        let mut out = String::new();
        interpolate(raw, &find, &mut out, 1)?;
        Ok(Some(out))
    }
}

/// `BasicInterpolation._interpolate_some`.
fn interpolate<'a>(
    mut rest: &'a str,
    find: &dyn Fn(&str) -> Option<&'a str>,
    out: &mut String,
    depth: usize,
) -> Result<(), BadValue> {
    if depth > DEPTH || out.len() > MAX_LENGTH {
        return Err(BadValue::TooDeep);
    }
    while let Some((before, after)) = rest.split_once('%') {
        out.push_str(before);
        if let Some(after) = after.strip_prefix('%') {
            out.push('%');
            rest = after;
            continue;
        }
        let name = after.strip_prefix('(').and_then(|inner| inner.split_once(')'));
        let (name, after) = name.filter(|(name, _)| !name.is_empty()).ok_or(BadValue::Percent)?;
        rest = after.strip_prefix('s').ok_or(BadValue::Percent)?;
        let value = find(&name.to_lowercase()).ok_or(BadValue::NoSuchName)?;
        if value.contains('%') {
            interpolate(value, find, out, depth + 1)?;
        } else {
            out.push_str(value);
        }
    }
    out.push_str(rest);
    if out.len() > MAX_LENGTH { Err(BadValue::TooDeep) } else { Ok(()) }
}

impl Reading {
    /// `RawConfigParser._read`, one line of it.
    fn line(&mut self, line: &str) -> Result<(), &'static str> {
        let value = strip(line);
        if value.starts_with(['#', ';']) {
            return Ok(());
        }
        if value.is_empty() {
            self.go_on("");
            return Ok(());
        }
        let indent = line.chars().take_while(|c| is_space(*c)).count();
        if self.section.is_some() && self.open.is_some() && indent > self.indent {
            self.go_on(value);
            return Ok(());
        }
        self.indent = indent;
        if let Some(name) = header(value) {
            return self.begin(name);
        }
        self.assign(value)
    }

    fn values(&mut self) -> Option<&mut Values> {
        match self.section? {
            None => Some(&mut self.file.defaults),
            Some(index) => self.file.sections.get_mut(index).map(|(_, values)| values),
        }
    }

    /// One more line of the value that is open.
    fn go_on(&mut self, line: &str) {
        let Some(key) = self.open.clone() else { return };
        if let Some(value) = self.values().and_then(|values| values.get_mut(&key)) {
            value.push('\n');
            value.push_str(line);
        }
    }

    fn begin(&mut self, name: &str) -> Result<(), &'static str> {
        self.open = None;
        if name == DEFAULT {
            self.section = Some(None);
            return Ok(());
        }
        if !self.seen.insert((name.to_owned(), None)) {
            return Err("the section of that name is there already");
        }
        self.file.sections.push((name.to_owned(), Values::new()));
        self.section = Some(Some(self.file.sections.len() - 1));
        Ok(())
    }

    fn assign(&mut self, value: &str) -> Result<(), &'static str> {
        let section = match self.section {
            None => return Err("it stands before the first [section]"),
            Some(None) => DEFAULT.to_owned(),
            Some(Some(index)) => self.file.sections.get(index).map(|(name, _)| name.clone()).unwrap_or_default(),
        };
        let (key, value) = value.split_once(['=', ':']).ok_or("it has neither = nor :")?;
        let key = strip_end(key).to_lowercase();
        if key.is_empty() {
            return Err("it has no name before = or :");
        }
        if !self.seen.insert((section, Some(key.clone()))) {
            return Err("the section has that name already");
        }
        let value = strip(value).to_owned();
        if let Some(values) = self.values() {
            values.insert(key.clone(), value);
        }
        self.open = Some(key);
        Ok(())
    }
}

/// `\[(?P<header>.+)\]` at the beginning, as greedy as in Python.
fn header(value: &str) -> Option<&str> {
    let inner = value.strip_prefix('[')?;
    inner.rfind(']').map(|end| &inner[..end]).filter(|name| !name.is_empty())
}

#[cfg(test)]
#[path = "python_ini_tests.rs"]
mod tests;
