//! An option's value, ready to use: found ([`raw`](super::raw)), interpolated, converted.
//!
//! Promises: a fault is told with the place of the value that holds it; no secret in it. A chain of references ends:
//! one that comes back to itself is an error, and so is one that grows without bound. Values are converted only when
//! somebody asks, as in oslo, so that a bad value of an option that nobody needs does no harm.

use super::error::{ConfigError, Place, Report};
use super::interpolate::{Piece, pieces, unescape};
use super::options::{self, OptionSpec};
use super::raw::RawValues;
use super::text::{looks_harmless, looks_like_a_name};
use super::types::{Value, convert};

/// References followed for one value; a chain that doubles at each step reaches this, an honest one never.
const MAX_REFERENCES: usize = 1000;
/// Bytes that a value may grow to.
const MAX_LENGTH: usize = 1 << 20;

/// A value and where it is from.
pub(super) struct Setting {
    /// `None`: not set and without default, or an empty number.
    pub value: Option<Value>,
    /// [`Place::Unset`] for a default. Of several occurrences, the last.
    pub place: Place,
    /// The place of each occurrence of a multi option.
    pub places: Vec<Place>,
}

impl Setting {
    /// Somebody wrote it; an empty number counts as not written.
    pub fn is_set(&self) -> bool {
        self.place != Place::Unset && self.value.is_some()
    }

    /// The text of a text option.
    pub fn into_text(self) -> Option<String> {
        match self.value {
            Some(Value::Text(text)) => Some(text),
            _ => None,
        }
    }
}

/// Gives values and collects faults.
pub(super) struct Reader {
    pub raw: RawValues,
    pub report: Report,
    /// The sections of stores with their types, once they are known.
    pub stores: Vec<(String, String)>,
}

impl Reader {
    /// The value of an option; `None` after a fault, which is in the report then.
    pub fn setting(&mut self, group: &str, name: &str) -> Option<Setting> {
        let Some(option) = self.option(group, name) else {
            let reason = "is not in the table of options; please report this as a bug";
            self.report.error(ConfigError::of(Place::Unset, group, name, reason));
            return None;
        };
        if let Some(found) = self.raw.find(group, option)
            && let (Some(old_name), Some((_, place))) = (found.old_name, found.texts.last())
        {
            self.report.warn(format!("{place}{old_name} is an old name; write [{group}] {name}"));
        }
        match self.evaluate(group, option, &mut Walk::default()) {
            Ok(setting) => Some(setting),
            Err((place, reason)) => {
                self.report.error(ConfigError::of(place, group, name, reason));
                None
            }
        }
    }

    /// A text option.
    pub fn text(&mut self, group: &str, name: &str) -> Option<String> {
        self.setting(group, name)?.into_text()
    }

    /// A boolean option; false after a fault.
    pub fn flag(&mut self, group: &str, name: &str) -> bool {
        self.setting(group, name).is_some_and(|setting| setting.value == Some(Value::Bool(true)))
    }

    /// A whole number.
    pub fn int(&mut self, group: &str, name: &str) -> Option<i64> {
        match self.setting(group, name)?.value {
            Some(Value::Int(number)) => Some(number),
            _ => None,
        }
    }

    /// A whole number that is not negative; the table must have the bound.
    pub fn unsigned(&mut self, group: &str, name: &str) -> Option<u64> {
        self.int(group, name).and_then(|number| u64::try_from(number).ok())
    }

    /// A whole number that is not negative; written but empty is an error.
    pub fn number_not_empty(&mut self, group: &str, name: &str) -> Option<u64> {
        self.not_empty(group, name)?;
        self.unsigned(group, name)
    }

    /// A number of any kind; written but empty is an error.
    pub fn not_empty(&mut self, group: &str, name: &str) -> Option<Setting> {
        let setting = self.setting(group, name)?;
        if setting.value.is_none() && setting.place != Place::Unset {
            let reason = "is empty; give a number, or remove the line for the default";
            self.report.error(ConfigError::of(setting.place, group, name, reason));
            return None;
        }
        Some(setting)
    }

    /// A list.
    pub fn list(&mut self, group: &str, name: &str) -> Vec<String> {
        match self.setting(group, name).and_then(|setting| setting.value) {
            Some(Value::List(items)) => items,
            _ => Vec::new(),
        }
    }

    /// The option of that name in a group, which may be a store's.
    fn option(&self, group: &str, name: &str) -> Option<&'static OptionSpec> {
        match group {
            "glance_store" => options::find(group, name).or_else(|| options::find_store_option(name)),
            "backend_defaults" => options::find_store_option(name),
            _ => options::find(group, name).or_else(|| {
                let (_, kind) = self.stores.iter().find(|(id, _)| id == group)?;
                let common = options::STORE_COMMON.iter().chain(options::STORE_PACE);
                options::store_options(kind).iter().chain(common).find(|option| option.name == name)
            }),
        }
    }

    fn evaluate(&self, group: &str, option: &'static OptionSpec, walk: &mut Walk) -> Result<Setting, Fault> {
        let Some(found) = self.raw.find(group, option) else {
            let texts = option.default.map(|text| vec![text.to_owned()]);
            let value = texts.map_or(Ok(None), |texts| convert(option.kind, texts));
            let value = value.map_err(|reason| (Place::Unset, reason))?;
            return Ok(Setting { value, place: Place::Unset, places: Vec::new() });
        };
        let last = found.texts.last();
        let shown = last.map(|(text, _)| text).filter(|text| !option.secret && looks_harmless(text)).cloned();
        let (mut texts, mut places) = (Vec::new(), Vec::new());
        for (text, place) in found.texts {
            match self.interpolate(&text, group, option, walk) {
                Ok(text) => texts.push(text),
                Err(reason) => return Err((place, reason)),
            }
            places.push(place);
        }
        let place = places.last().cloned().unwrap_or(Place::Unset);
        match convert(option.kind, texts) {
            Ok(value) => Ok(Setting { value, place, places }),
            Err(reason) => {
                let subject = shown.map_or_else(|| "the value".to_owned(), |text| format!("`{text}`"));
                Err((place, format!("{subject} {reason}")))
            }
        }
    }

    fn interpolate(
        &self,
        text: &str,
        group: &str,
        option: &'static OptionSpec,
        walk: &mut Walk,
    ) -> Result<String, String> {
        if !text.contains('$') {
            return Ok(text.to_owned());
        }
        let text = unescape(text);
        let mut out = String::new();
        walk.path.push((group.to_owned(), option.name));
        for piece in pieces(&text) {
            match piece {
                Piece::Text(text) => out.push_str(text),
                Piece::Reference(name) => out.push_str(&self.resolve(name, group, option.secret, walk)?),
            }
            if out.len() > MAX_LENGTH {
                return Err("the value grows too long by its references".to_owned());
            }
        }
        walk.path.pop();
        Ok(out)
    }

    /// What `$name` stands for in a value of `group`. `secret`: the name may be a piece of a password.
    fn resolve(&self, name: &str, group: &str, secret: bool, walk: &mut Walk) -> Result<String, String> {
        let shown = if secret || !name.split('.').all(looks_like_a_name) {
            "a word after $".to_owned()
        } else {
            format!("`${name}`")
        };
        let Some((group, option)) = self.referenced(name, group) else {
            return Err(format!("{shown} is not an option that can be referred to; write $$ for a plain $"));
        };
        walk.references += 1;
        if walk.references > MAX_REFERENCES {
            return Err("the value has too many references".to_owned());
        }
        if walk.path.iter().any(|(at, known)| *at == group && *known == option.name) {
            return Err(format!("{shown} leads back to itself"));
        }
        match self.evaluate(&group, option, walk) {
            Ok(setting) => Ok(setting.value.map(|value| value.to_python()).unwrap_or_default()),
            Err((_, reason)) => Err(format!("{shown} stands for an option with a fault: {reason}")),
        }
    }

    /// `group.name` in that group, a plain name in the value's own group and then in `[DEFAULT]`.
    ///
    /// `DEFAULT` is no group for oslo, so `$DEFAULT.name` is refused; group names have their exact case here.
    fn referenced(&self, name: &str, own: &str) -> Option<(String, &'static OptionSpec)> {
        if let Some((group, name)) = name.split_once('.') {
            let option = (group != "DEFAULT").then(|| self.option(group, name)).flatten()?;
            return Some((group.to_owned(), option));
        }
        [own, "DEFAULT"].iter().find_map(|group| Some(((*group).to_owned(), self.option(group, name)?)))
    }
}

/// Where a fault is and what it is.
type Fault = (Place, String);

/// The way through references.
#[derive(Default)]
struct Walk {
    /// Options that are being worked out, outermost first.
    path: Vec<(String, &'static str)>,
    references: usize,
}

#[cfg(test)]
#[path = "reader_tests.rs"]
mod tests;
