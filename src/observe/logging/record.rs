//! From a tracing event to a line at every destination.
//!
//! Fields of spans are not written, only those of the event: a line must be understandable where its code stands.

use std::borrow::Cow;
use std::fmt;

use chrono::{DateTime, FixedOffset, Local};
use serde_json::Value;
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::layer::{Context, Layer};

use super::LOGGER;
use super::format::Formatter;
use super::sink::{Destination, Entry};

/// What one line is made of.
#[derive(Debug)]
pub(super) struct Record {
    pub(super) stamp: Stamp,
    pub(super) level: Level,
    pub(super) name: Cow<'static, str>,
    pub(super) message: String,
    /// In the order of the code.
    pub(super) fields: Vec<(&'static str, Value)>,
}

/// When, and in which process.
#[derive(Debug, Clone, Copy)]
pub(super) struct Stamp {
    pub(super) time: DateTime<FixedOffset>,
    pub(super) process: u32,
}

impl Stamp {
    fn now() -> Self {
        Self { time: Local::now().fixed_offset(), process: std::process::id() }
    }
}

/// The name of the Python logger that stands for `target`: our own crate is [`LOGGER`] as a whole, because that is the
/// one name that operators filter on.
pub(super) fn logger_name(target: &str) -> Cow<'_, str> {
    const CRATE: &str = env!("CARGO_CRATE_NAME");
    match target.strip_prefix(CRATE) {
        Some(rest) if rest.is_empty() || rest.starts_with("::") => Cow::Borrowed(LOGGER),
        _ if target.contains("::") => Cow::Owned(target.replace("::", ".")),
        _ => Cow::Borrowed(target),
    }
}

/// Formats each event once and hands it to every destination.
#[derive(Debug)]
pub(super) struct LogLayer {
    formatter: Formatter,
    destinations: Vec<Destination>,
    stamp: fn() -> Stamp,
}

impl LogLayer {
    pub(super) fn new(formatter: Formatter, destinations: Vec<Destination>) -> Self {
        Self { formatter, destinations, stamp: Stamp::now }
    }

    #[cfg(test)]
    pub(super) fn with_stamp(self, stamp: fn() -> Stamp) -> Self {
        Self { stamp, ..self }
    }
}

impl<S: Subscriber> Layer<S> for LogLayer {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        if self.destinations.is_empty() {
            return;
        }
        let mut record = Record {
            stamp: (self.stamp)(),
            level: *event.metadata().level(),
            name: logger_name(event.metadata().target()),
            message: String::new(),
            fields: Vec::new(),
        };
        event.record(&mut record);
        let line = self.formatter.line(&record);
        let entry = Entry { time: record.stamp.time, level: record.level, line: &line };
        for destination in &self.destinations {
            destination.write(&entry);
        }
    }
}

impl Record {
    fn set(&mut self, field: &Field, value: Value) {
        match (field.name(), value) {
            ("message", Value::String(text)) => self.message = text,
            ("message", other) => self.message = other.to_string(),
            (name, value) => self.fields.push((name, value)),
        }
    }
}

impl Visit for Record {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.set(field, value.into());
    }
    fn record_i64(&mut self, field: &Field, value: i64) {
        self.set(field, value.into());
    }
    fn record_u64(&mut self, field: &Field, value: u64) {
        self.set(field, value.into());
    }
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.set(field, value.into());
    }
    fn record_bool(&mut self, field: &Field, value: bool) {
        self.set(field, value.into());
    }
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.set(field, format!("{value:?}").into());
    }
}
