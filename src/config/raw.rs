//! Which of several texts an option gets: command line, then environment, then the last file that has it.
//!
//! Promises: the choice of oslo.config (`cfg.py`, `_get_file_value`), also with older names and reopened sections.
//! Rejected: two of its habits. A `Multi` option from the environment is one text here; Python splits it into
//! characters. And the command line always wins; with oslo the environment does where a file names the option too.

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;

use super::error::Place;
use super::ini::Assignment;
use super::options::OptionSpec;
use super::text::normalize_section;
use super::types::Kind;

/// A file, taken apart.
pub(super) struct ParsedFile {
    pub path: PathBuf,
    pub assignments: Vec<Assignment>,
}

/// The texts of an option.
pub(super) struct Found {
    /// One, or all occurrences of a [`Kind::Multi`]. Never empty.
    pub texts: Vec<String>,
    /// Where the last of them stands.
    pub place: Place,
    /// The older name under which it was found, as `[section] name`.
    pub old_name: Option<String>,
}

/// All texts there are.
pub(super) struct RawValues {
    /// In the order of parsing; the last wins.
    files: Vec<IndexedFile>,
    env: BTreeMap<String, String>,
    overrides: Vec<(String, String)>,
}

struct IndexedFile {
    path: PathBuf,
    /// By normalised section and key: texts with their lines, in order.
    texts: HashMap<(String, String), Vec<(String, usize)>>,
}

impl RawValues {
    pub fn new(files: Vec<ParsedFile>, env: BTreeMap<String, String>, overrides: Vec<(String, String)>) -> Self {
        let files = files
            .into_iter()
            .map(|file| {
                let mut texts: HashMap<_, Vec<_>> = HashMap::new();
                for Assignment { section, key, value, line } in file.assignments {
                    texts.entry((normalize_section(&section), key)).or_default().push((value, line));
                }
                IndexedFile { path: file.path, texts }
            })
            .collect();
        Self { files, env, overrides }
    }

    /// The texts of an option in a group; `None` where nobody set it.
    pub fn find(&self, group: &str, option: &OptionSpec) -> Option<Found> {
        self.from_command_line(group, option)
            .or_else(|| self.from_environment(group, option))
            .or_else(|| self.from_files(group, option))
    }

    fn from_command_line(&self, group: &str, option: &OptionSpec) -> Option<Found> {
        let (_, text) = self.overrides.iter().rfind(|(name, _)| group == "DEFAULT" && name == option.name)?;
        Some(Found { texts: vec![text.clone()], place: Place::CommandLine, old_name: None })
    }

    fn from_environment(&self, group: &str, option: &OptionSpec) -> Option<Found> {
        let name = format!("OS_{}__{}", group.to_uppercase(), option.name.to_uppercase());
        let text = self.env.get(&name)?;
        Some(Found { texts: vec![text.clone()], place: Place::Environment(name), old_name: None })
    }

    /// Inside a file the current name goes before older ones, but an older name in a later file before both.
    fn from_files(&self, group: &str, option: &OptionSpec) -> Option<Found> {
        let own = (normalize_section(group), option.name.to_owned());
        let older = option.aliases.iter().map(|alias| {
            let section = alias.section.map_or_else(|| own.0.clone(), normalize_section);
            (section, alias.name.to_owned())
        });
        let names: Vec<_> = std::iter::once(own.clone()).chain(older).collect();
        if option.kind == Kind::Multi {
            return self.all_in_files(&names);
        }
        for file in self.files.iter().rev() {
            for name in &names {
                if let Some((text, line)) = file.texts.get(name).and_then(|texts| texts.last()) {
                    let old_name = (*name != own).then(|| format!("[{}] {}", name.0, name.1));
                    return Some(Found { texts: vec![text.clone()], place: Place::line(&file.path, *line), old_name });
                }
            }
        }
        None
    }

    fn all_in_files(&self, names: &[(String, String)]) -> Option<Found> {
        let mut found = Found { texts: Vec::new(), place: Place::Unset, old_name: None };
        for file in &self.files {
            for (text, line) in names.iter().filter_map(|name| file.texts.get(name)).flatten() {
                found.texts.push(text.clone());
                found.place = Place::line(&file.path, *line);
            }
        }
        (!found.texts.is_empty()).then_some(found)
    }

    /// Every key that is set in a section, with its place, in no particular order.
    pub fn keys(&self, section: &str) -> impl Iterator<Item = (&str, Place)> {
        let section = normalize_section(section);
        self.files.iter().flat_map(move |file| {
            let section = section.clone();
            file.texts.iter().filter(move |((at, _), _)| *at == section).flat_map(move |((_, key), texts)| {
                texts.iter().map(move |(_, line)| (key.as_str(), Place::line(&file.path, *line)))
            })
        })
    }

    /// The environment, for names that belong to no option.
    pub fn env_names(&self) -> impl Iterator<Item = &str> {
        self.env.keys().map(String::as_str)
    }

    /// The names given on the command line.
    pub fn override_names(&self) -> impl Iterator<Item = &str> {
        self.overrides.iter().map(|(name, _)| name.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::super::{ini, options};
    use super::*;

    fn values(files: &[&str]) -> RawValues {
        let files = files.iter().enumerate().map(|(n, text)| ParsedFile {
            path: format!("f{n}").into(),
            assignments: ini::parse_ini(text.as_bytes()).unwrap(),
        });
        RawValues::new(files.collect(), BTreeMap::new(), Vec::new())
    }

    fn get(values: &RawValues, group: &str, name: &str) -> Option<(String, String)> {
        let option = options::find(group, name).or_else(|| options::find_store_option(name)).unwrap();
        values.find(group, option).map(|found| (found.texts.join("|"), found.place.to_string()))
    }

    fn found(text: &str, place: &str) -> Option<(String, String)> {
        Some((text.to_owned(), place.to_owned()))
    }

    #[test]
    fn the_last_file_wins_and_in_it_the_last_line() {
        let values = values(&[
            "[DEFAULT]\nscrub_time=1\ndebug=a\n",
            "[DEFAULT]\nscrub_time=2\n[x]\n[DEFAULT]\nscrub_time=3\n[default]\nscrub_time=9\n",
        ]);
        assert_eq!(get(&values, "DEFAULT", "scrub_time"), found("3", "f1:5: "));
        assert_eq!(get(&values, "DEFAULT", "debug"), found("a", "f0:3: "));
        assert_eq!(get(&values, "DEFAULT", "daemon"), None);
    }

    #[test]
    fn sections_are_merged_without_case_and_keys_are_not() {
        let values = values(&["[DataBase]\nconnection=a\nRETRY_INTERVAL=1\n[DATABASE]\nconnection=b\n"]);
        assert_eq!(get(&values, "database", "connection"), found("b", "f0:5: "));
        assert_eq!(get(&values, "database", "retry_interval"), None);
    }

    #[test]
    fn an_older_name_loses_inside_a_file_and_wins_in_a_later_one() {
        let both = "[database]\nconnection=new\n[DEFAULT]\nsql_connection=old\n";
        assert_eq!(get(&values(&[both]), "database", "connection"), found("new", "f0:2: "));
        let later = values(&[both, "[DEFAULT]\nsql_connection=later\n"]);
        assert_eq!(get(&later, "database", "connection"), found("later", "f1:2: "));
        let option = options::find("database", "connection").unwrap();
        assert_eq!(later.find("database", option).unwrap().old_name.as_deref(), Some("[DEFAULT] sql_connection"));
        let dashed = values(&["[DEFAULT]\nlog-config=x\nlog-file=y\n"]);
        assert_eq!(get(&dashed, "DEFAULT", "log_config_append"), found("x", "f0:2: "));
        assert_eq!(get(&dashed, "DEFAULT", "log_file"), None);
    }

    #[test]
    fn a_multi_option_is_every_occurrence_in_order() {
        let values = values(&[
            "[s]\nfilesystem_store_datadirs=/a\nfilesystem_store_datadirs=\n",
            "[S]\nfilesystem_store_datadirs=/b\n",
        ]);
        assert_eq!(get(&values, "s", "filesystem_store_datadirs"), found("/a||/b", "f1:2: "));
    }

    #[test]
    fn command_line_before_environment_before_files() {
        let mut values = values(&["[DEFAULT]\ndaemon=file\ndebug=file\n[Ceph-1]\nfilesystem_store_datadirs=/f\n"]);
        for name in ["OS_DEFAULT__DAEMON", "OS_DEFAULT__DEBUG", "OS_CEPH-1__FILESYSTEM_STORE_DATADIRS"] {
            values.env.insert(name.to_owned(), "env".to_owned());
        }
        values.overrides = vec![("daemon".into(), "first".into()), ("daemon".into(), "last".into())];
        assert_eq!(get(&values, "DEFAULT", "daemon"), found("last", "command line: "));
        assert_eq!(get(&values, "DEFAULT", "debug"), found("env", "environment variable OS_DEFAULT__DEBUG: "));
        // One text, where Python makes three of one letter each.
        let place = "environment variable OS_CEPH-1__FILESYSTEM_STORE_DATADIRS: ";
        assert_eq!(get(&values, "Ceph-1", "filesystem_store_datadirs"), found("env", place));
    }
}
