//! Every option that the scrubber knows, in one table: the reader, the check of `[scrubber]` and the sample config all
//! come from here.
//!
//! Promises: names, types, defaults and ranges are those of Glance 33, oslo.db 18, oslo.log 8 and glance_store 5.7;
//! names that older releases accepted are aliases. Options that change nothing here stay in the table, because a value
//! may refer to them (`$name`). Rejected: attributes on the config structs, as one struct field often comes from
//! several options and most options have no field.

mod database;
mod default;
mod glance_store;
mod logging;
mod pace;
mod scrubber;
mod store_cinder;
mod store_file;
mod store_object;
mod store_rbd;
mod store_vmware;

use super::types::Kind;

/// One option.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OptionSpec {
    /// The key in a file.
    pub name: &'static str,
    /// How its text is read.
    pub kind: Kind,
    /// As it would be written in a file; `None` is unset.
    pub default: Option<&'static str>,
    /// The value must never be shown.
    pub secret: bool,
    /// The scrubber reads it. If not, the option is accepted and does nothing here.
    pub used: bool,
    /// Names that it had in older releases.
    pub aliases: &'static [Alias],
    /// One or two sentences for the sample config.
    pub help: &'static str,
}

/// An older name of an option.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Alias {
    /// The section it stood in, in lower case but for `DEFAULT`; `None` is the option's own.
    pub section: Option<&'static str>,
    /// The key.
    pub name: &'static str,
}

/// The options of a section, in the order of the sample config.
#[derive(Debug, Clone, Copy)]
pub struct OptionGroup {
    /// The section without brackets.
    pub section: &'static str,
    /// What the section is about.
    pub about: &'static str,
    /// Its options.
    pub options: &'static [OptionSpec],
}

/// The sections with a fixed name. Sections of stores are named by `enabled_backends`; see [`store_options`].
pub const GROUPS: &[OptionGroup] = &[
    OptionGroup { section: "DEFAULT", about: "What Glance's scrubber has always had.", options: default::OPTIONS },
    OptionGroup { section: "DEFAULT", about: "Logging, as in oslo.log.", options: logging::OPTIONS },
    OptionGroup { section: "database", about: "Glance's database, as in oslo.db.", options: database::OPTIONS },
    OptionGroup { section: "glance_store", about: "Which stores there are.", options: glance_store::OPTIONS },
    OptionGroup {
        section: "scrubber",
        about: "What this program adds. A name that is not listed here is an error.",
        options: scrubber::OPTIONS,
    },
    OptionGroup {
        section: "scrubber",
        about: "How fast. May stand in a store's section as well, or in [backend_defaults], for that store; with a single \
                store of each type in [glance_store].",
        options: pace::OPTIONS,
    },
];

/// The store types with their options. In multi-store mode they stand in the store's own section or in
/// `[backend_defaults]`, else in `[glance_store]`.
pub const STORE_TYPES: &[(&str, &[OptionSpec])] = &[
    ("file", store_file::FILE),
    ("http", store_file::HTTP),
    ("rbd", store_rbd::RBD),
    ("swift", store_object::SWIFT),
    ("s3", store_object::S3),
    ("cinder", store_cinder::CINDER),
    ("vmware", store_vmware::VMWARE),
];

/// Options of every store section in multi-store mode.
pub const STORE_COMMON: &[OptionSpec] = glance_store::EVERY_STORE;

/// Options of every store in either mode, which are this program's own.
pub const STORE_PACE: &[OptionSpec] = pace::OPTIONS;

/// The options of a store type; none for a type that is not known.
pub fn store_options(kind: &str) -> &'static [OptionSpec] {
    STORE_TYPES.iter().find(|(name, _)| *name == kind).map_or(&[], |(_, options)| options)
}

/// The option of a fixed section.
pub fn find(section: &str, name: &str) -> Option<&'static OptionSpec> {
    GROUPS
        .iter()
        .filter(|group| group.section == section)
        .flat_map(|group| group.options)
        .find(|option| option.is_called(name))
}

/// The option of any store type. Names are distinct between types.
pub fn find_store_option(name: &str) -> Option<&'static OptionSpec> {
    let of_types = STORE_TYPES.iter().flat_map(|(_, options)| options.iter());
    of_types.chain(STORE_PACE).find(|option| option.is_called(name))
}

impl OptionSpec {
    const fn new(name: &'static str, kind: Kind, help: &'static str) -> Self {
        Self { name, kind, default: None, secret: false, used: true, aliases: &[], help }
    }

    const fn text(name: &'static str, help: &'static str) -> Self {
        Self::new(name, Kind::Text, help)
    }

    const fn flag(name: &'static str, default: &'static str, help: &'static str) -> Self {
        Self::new(name, Kind::Bool, help).or(default)
    }

    /// Without bounds; see [`Self::within`] and [`Self::from`].
    const fn int(name: &'static str, help: &'static str) -> Self {
        Self::new(name, Kind::Int { min: i64::MIN, max: i64::MAX }, help)
    }

    const fn choice(name: &'static str, words: &'static [&'static str], help: &'static str) -> Self {
        Self::new(name, Kind::Choice { words, ignore_case: false }, help)
    }

    /// The default.
    const fn or(mut self, default: &'static str) -> Self {
        self.default = Some(default);
        self
    }

    const fn within(mut self, min: i64, max: i64) -> Self {
        self.kind = Kind::Int { min, max };
        self
    }

    const fn from(self, min: i64) -> Self {
        self.within(min, i64::MAX)
    }

    const fn secret(mut self) -> Self {
        self.secret = true;
        self
    }

    /// Accepted, but without effect here.
    const fn unused(mut self) -> Self {
        self.used = false;
        self
    }

    const fn was(mut self, aliases: &'static [Alias]) -> Self {
        self.aliases = aliases;
        self
    }

    /// By its name or by an older one that stood in the same section.
    fn is_called(&self, name: &str) -> bool {
        self.name == name || self.aliases.iter().any(|alias| alias.section.is_none() && alias.name == name)
    }
}

/// An older name in the same section.
const fn alias(name: &'static str) -> Alias {
    Alias { section: None, name }
}

/// An older name in another section.
const fn alias_in(section: &'static str, name: &'static str) -> Alias {
    Alias { section: Some(section), name }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::super::types::convert;
    use super::*;

    fn all() -> impl Iterator<Item = &'static OptionSpec> {
        let fixed = GROUPS.iter().flat_map(|group| group.options);
        fixed.chain(STORE_TYPES.iter().flat_map(|(_, options)| options.iter())).chain(STORE_COMMON)
    }

    #[test]
    fn every_default_is_a_value_of_its_own_type() {
        for option in all() {
            if let Some(default) = option.default {
                assert!(convert(option.kind, vec![default.to_owned()]).is_ok(), "{}", option.name);
                assert!(!default.contains('$'), "{}", option.name);
            }
        }
    }

    #[test]
    fn every_option_has_a_sentence_for_the_sample() {
        for option in all() {
            assert!(option.help.ends_with('.') && option.help.len() >= 15, "{}", option.name);
            assert!(option.help.starts_with(|c: char| c.is_ascii_uppercase()), "{}", option.name);
        }
    }

    #[test]
    fn names_are_distinct_where_they_can_meet() {
        let mut seen = BTreeSet::new();
        for group in GROUPS {
            for option in group.options {
                assert!(seen.insert((group.section, option.name)), "{}", option.name);
            }
        }
        for (_, options) in STORE_TYPES {
            for option in *options {
                assert!(seen.insert(("glance_store", option.name)), "{}", option.name);
            }
        }
    }

    #[test]
    fn what_sounds_secret_is_secret() {
        for option in all() {
            let sounds = ["password", "secret", "_key", "_keys", "connection"];
            let harmless = ["connection_recycle_time", "connection_debug", "connection_trace"];
            if sounds.iter().any(|word| option.name.contains(word)) && !harmless.contains(&option.name) {
                assert!(option.secret, "{}", option.name);
            }
        }
    }
}
