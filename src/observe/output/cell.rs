//! One value of a row, and how each format writes it.

use std::borrow::Cow;

use chrono::NaiveDateTime;
use serde::{Serialize, Serializer};

use crate::observe::human;
use crate::observe::text::harmless;

/// A value of a row or a property.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cell<'a> {
    /// Any text, also foreign.
    Text(&'a str),
    /// A count or an id.
    Int(i64),
    /// A size in bytes: `1.5 GiB` in tables, a plain number elsewhere.
    Bytes(u64),
    /// A time in UTC: ISO 8601 with `Z`, to the second, as in Glance's API.
    Time(NaiveDateTime),
    /// Nothing known: `None` for people as the openstack client has it, null in JSON, empty in CSV.
    None,
}

impl<'a> Cell<'a> {
    /// For a table.
    pub(super) fn human(&self) -> Cow<'a, str> {
        match self {
            Self::Bytes(size) => human::bytes(*size).into(),
            other => other.value(),
        }
    }

    /// For the `value` format.
    pub(super) fn value(&self) -> Cow<'a, str> {
        match self {
            Self::Text(text) => harmless(text),
            Self::None => "None".into(),
            other => other.exact(),
        }
    }

    /// For CSV: as it is.
    pub(super) fn exact(&self) -> Cow<'a, str> {
        match self {
            Self::Text(text) => Cow::Borrowed(text),
            Self::Int(number) => number.to_string().into(),
            Self::Bytes(size) => size.to_string().into(),
            Self::Time(time) => time.format("%Y-%m-%dT%H:%M:%SZ").to_string().into(),
            Self::None => "".into(),
        }
    }

    /// Numbers are compared by their last digits, so they stand to the right.
    pub(super) fn is_number(&self) -> bool {
        matches!(self, Self::Int(_) | Self::Bytes(_))
    }
}

impl Serialize for Cell<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Int(number) => serializer.serialize_i64(*number),
            Self::Bytes(size) => serializer.serialize_u64(*size),
            Self::Text(_) | Self::Time(_) => serializer.serialize_str(&self.exact()),
            Self::None => serializer.serialize_none(),
        }
    }
}

/// Names and values as one JSON object, in their order.
pub(super) struct Object<I>(pub(super) I);

impl<'a, I: Iterator<Item = (&'a str, Cell<'a>)> + Clone> Serialize for Object<I> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.clone())
    }
}
