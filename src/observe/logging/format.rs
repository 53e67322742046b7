//! A record as a line: oslo.log's `logging_default_format_string`, or the object of its `JSONFormatter`.
//!
//! Promises: exactly one line break, at the end. Never fails after [`Formatter::new`].

use std::fmt::Write as _;

use chrono::format::{Item, StrftimeItems};
use serde::ser::{Serialize, SerializeMap as _, Serializer};
use serde_json::Value;
use tracing::Level;

use super::LogError;
use super::record::Record;
use crate::config::LogConfig;
use crate::observe::text::{SafeJson, harmless};

/// oslo.log's default of `log_date_format`.
const DATE_FORMAT: &str = "%Y-%m-%d %H:%M:%S";

/// Values shorter than this may stand in a message by chance, so their fields are always written.
const SHORTEST_SAID: usize = 8;

/// How lines look.
#[derive(Debug)]
pub(super) struct Formatter {
    date: Vec<Item<'static>>,
    json: bool,
    hostname: String,
}

impl Formatter {
    pub(super) fn new(config: &LogConfig) -> Result<Self, LogError> {
        let wanted = if config.date_format.is_empty() { DATE_FORMAT } else { &config.date_format };
        let date = StrftimeItems::new(wanted).parse_to_owned();
        let date = date.map_err(|_| LogError::DateFormat(wanted.to_owned()))?;
        // Not by a file of /proc, which a sandbox may hide.
        let hostname = rustix::system::uname().nodename().to_string_lossy().into_owned();
        Ok(Self { date, json: config.json, hostname })
    }

    /// `record` as one line, with its line break.
    pub(super) fn line(&self, record: &Record) -> String {
        let mut line = match self.json {
            true => self.json_line(record),
            false => self.text_line(record),
        };
        line.push('\n');
        line
    }

    fn text_line(&self, record: &Record) -> String {
        let mut line = self.asctime(record);
        let (millis, process) = (millis(record), record.stamp.process);
        let (level, name, message) = (level_name(record.level), &record.name, harmless(&record.message));
        // Writing to a String does not fail.
        let _ = write!(line, ".{millis:03} {process} {level} {name} [-] {message}");
        for (key, value) in &record.fields {
            let text = match value {
                Value::String(text) => harmless(text),
                other => other.to_string().into(),
            };
            if !says(&message, &text) {
                let _ = write!(line, " {key}={}", Quoted(&text));
            }
        }
        line
    }

    fn json_line(&self, record: &Record) -> String {
        let mut line = Vec::with_capacity(400);
        let object = Object { asctime: self.asctime(record), hostname: &self.hostname, record };
        // Cannot fail: the keys are strings and the writer is memory.
        let _ = object.serialize(&mut serde_json::Serializer::with_formatter(&mut line, SafeJson));
        String::from_utf8_lossy(&line).into_owned()
    }

    fn asctime(&self, record: &Record) -> String {
        let mut text = String::with_capacity(200);
        let _ = write!(text, "{}", record.stamp.time.format_with_items(self.date.iter()));
        text
    }
}

/// Milliseconds within the second; a leap second of chrono's has 1000 more.
fn millis(record: &Record) -> u32 {
    record.stamp.time.timestamp_subsec_millis() % 1000
}

/// Python's names; TRACE is shown as DEBUG.
fn level_name(level: Level) -> &'static str {
    match level {
        Level::ERROR => "ERROR",
        Level::WARN => "WARNING",
        Level::INFO => "INFO",
        _ => "DEBUG",
    }
}

/// Python's numbers.
fn level_number(level: Level) -> u8 {
    match level {
        Level::ERROR => 40,
        Level::WARN => 30,
        Level::INFO => 20,
        _ => 10,
    }
}

/// Whether `message` holds `value` as a word, so that a field need not repeat it. Meant for ids.
fn says(message: &str, value: &str) -> bool {
    let joins = |c: char| c.is_alphanumeric() || c == '-' || c == '_';
    value.len() >= SHORTEST_SAID
        && message.match_indices(value).any(|(at, _)| {
            let (before, after) = (&message[..at], &message[at + value.len()..]);
            !before.ends_with(joins) && !after.starts_with(joins)
        })
}

/// A value behind `key=`, in quotation marks where its end could not be seen otherwise.
struct Quoted<'a>(&'a str);

impl std::fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let open = |c: char| c.is_whitespace() || c == '"' || c == '=';
        if !self.0.is_empty() && !self.0.contains(open) {
            return f.write_str(self.0);
        }
        write!(f, "\"{}\"", self.0.replace('"', "\\\""))
    }
}

/// The keys of oslo.log's `JSONFormatter` that have a meaning here, then our own fields beside them.
struct Object<'a> {
    asctime: String,
    hostname: &'a str,
    record: &'a Record,
}

const KEYS: [&str; 9] =
    ["message", "asctime", "name", "levelname", "levelno", "created", "msecs", "process", "hostname"];

impl Serialize for Object<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Record { stamp, level, name, message, fields } = self.record;
        let [k_message, k_asctime, k_name, k_levelname, k_levelno, k_created, k_msecs, k_process, k_hostname] = KEYS;
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry(k_message, message)?;
        map.serialize_entry(k_asctime, &self.asctime)?;
        map.serialize_entry(k_name, name)?;
        map.serialize_entry(k_levelname, level_name(*level))?;
        map.serialize_entry(k_levelno, &level_number(*level))?;
        map.serialize_entry(k_created, &created(stamp.time.timestamp_micros()))?;
        map.serialize_entry(k_msecs, &millis(self.record))?;
        map.serialize_entry(k_process, &stamp.process)?;
        map.serialize_entry(k_hostname, self.hostname)?;
        for (key, value) in fields {
            match KEYS.contains(key) {
                // A library's field must not pose as the line's own; ours have other names.
                true => map.serialize_entry(&format!("field_{key}"), value)?,
                false => map.serialize_entry(key, value)?,
            }
        }
        map.end()
    }
}

/// Seconds since the epoch, as Python's `LogRecord.created`.
#[expect(clippy::cast_precision_loss, reason = "microseconds of this century fit into the 53 bits of a float")]
fn created(micros: i64) -> f64 {
    micros as f64 / 1e6
}
