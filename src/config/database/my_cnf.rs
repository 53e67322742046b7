//! One group of a MySQL option file, where `read_default_file` names it (TripleO keeps TLS settings there).
//!
//! Promises: reads what pymysql's `optionfile.py` reads; a key has dashes or underscores, any case. Fails where the
//! file is there but cannot be read. A missing file is a warning, since pymysql takes no notice of it. Rejected:
//! following `!include`: pymysql refuses such files, mysqlclient follows them, so we say that we skip it.

use std::collections::HashMap;
use std::fs;
use std::io::ErrorKind;
use std::path::Path;

/// The keys of a group with their values. No `Debug`: one of them is a password.
#[derive(Default)]
pub(super) struct Group {
    values: HashMap<String, Option<String>>,
}

impl Group {
    /// The value of a key (lower case, underscores); an empty one counts as not there.
    pub fn get(&self, key: &str) -> Option<String> {
        self.values.get(key)?.clone().filter(|value| !value.is_empty())
    }

    /// A switch: the bare key, or one with a word for yes.
    pub fn is_on(&self, key: &str) -> bool {
        match self.values.get(key) {
            None => false,
            Some(None) => true,
            Some(Some(value)) => matches!(value.to_lowercase().as_str(), "1" | "on" | "true" | "yes"),
        }
    }
}

/// Reads the groups of a file; a later group in `groups` goes before an earlier one.
pub(super) fn read(path: &Path, groups: &[&str], notes: &mut Vec<String>) -> Result<Group, String> {
    let bytes = match fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == ErrorKind::NotFound => {
            notes.push("the file in read_default_file is not there; connecting with what the URL says".to_owned());
            return Ok(Group::default());
        }
        Err(error) => return Err(format!("failed to read the file in read_default_file: {}", error.kind())),
    };
    let text = String::from_utf8(bytes).map_err(|_| "the file in read_default_file is not valid UTF-8".to_owned())?;
    let mut found = Group::default();
    for group in groups {
        found.values.extend(parse(&text, group, notes));
    }
    Ok(found)
}

fn parse(text: &str, group: &str, notes: &mut Vec<String>) -> HashMap<String, Option<String>> {
    let mut values = HashMap::new();
    let mut inside = false;
    for line in text.lines().map(str::trim) {
        if line.is_empty() || line.starts_with(['#', ';']) {
            continue;
        }
        if line.starts_with('!') {
            notes.push("!include in the file of read_default_file is not followed".to_owned());
        } else if let Some(name) = line.strip_prefix('[') {
            inside = name.split(']').next() == Some(group);
        } else if inside {
            let (key, value) = match line.split_once(['=', ':']) {
                Some((key, value)) => (key.trim(), Some(unquote(value.trim()).to_owned())),
                None => (line, None),
            };
            values.insert(key.to_lowercase().replace('-', "_"), value);
        }
    }
    values
}

/// One pair of quotation marks around the value is not part of it.
fn unquote(value: &str) -> &str {
    for quote in ['"', '\''] {
        if let Some(inner) = value.strip_prefix(quote).and_then(|rest| rest.strip_suffix(quote)) {
            return inner;
        }
    }
    value
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "# comment\n!includedir /etc/my.cnf.d\n[client]\nuser=c\nport = 3307\n[tripleo]\n\
                        SSL-CA = \"/ca.pem\"\n  ssl_key: '/key'\nssl\npassword = p=w:d\nempty=\n[other]\nuser=o\n";

    fn group(names: &[&str]) -> Group {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("my.cnf");
        fs::write(&path, FILE).unwrap();
        read(&path, names, &mut Vec::new()).unwrap()
    }

    #[test]
    fn only_the_named_groups_are_read_and_the_last_wins() {
        let tripleo = group(&["tripleo"]);
        assert_eq!(tripleo.get("ssl_ca").as_deref(), Some("/ca.pem"));
        assert_eq!(tripleo.get("ssl_key").as_deref(), Some("/key"));
        assert_eq!(tripleo.get("password").as_deref(), Some("p=w:d"));
        assert_eq!(tripleo.get("user"), None);
        assert_eq!(tripleo.get("empty"), None);
        assert!(tripleo.is_on("ssl") && !tripleo.is_on("ssl_ca") && !tripleo.is_on("nothing"));
        assert_eq!(group(&["client", "other"]).get("user").as_deref(), Some("o"));
        assert_eq!(group(&["client", "other"]).get("port").as_deref(), Some("3307"));
    }

    #[test]
    fn a_missing_file_is_a_warning_and_a_directory_an_error() {
        let dir = tempfile::tempdir().unwrap();
        let mut notes = Vec::new();
        assert!(read(&dir.path().join("none"), &["client"], &mut notes).is_ok_and(|group| group.values.is_empty()));
        assert_eq!(notes.len(), 1);
        assert!(read(dir.path(), &["client"], &mut notes).is_err());
    }
}
