//! Which files are read, and in which order: the search of oslo.config (`cfg.py`, `find_config_files`).
//!
//! Promises: the order of Glance's scrubber, later files win; every file that cannot be had is named, not only the
//! first. A default file that is not there is no error. Rejected: taking over what Python does with a directory that
//! cannot be listed (nothing, silently): a scrubber without its conf.d may delete after 0 seconds.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use super::error::{ConfigError, Place, Report};
use super::ini;
use super::raw::ParsedFile;

/// The names under which Glance's scrubber looks for its files, in the order of parsing.
const NAMES: [&str; 2] = ["glance", "glance-scrubber"];

/// `--config-file` or `--config-dir`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ConfigSource {
    /// `--config-file`.
    File(PathBuf),
    /// `--config-dir`: its `*.conf`, sorted by name.
    Dir(PathBuf),
}

/// What the process was started with, as far as the config depends on it.
#[derive(Clone, Default)]
pub struct Invocation {
    /// `--config-file` and `--config-dir` in the order of the command line.
    pub sources: Vec<ConfigSource>,
    /// Options of `[DEFAULT]` from the command line: name with underscores, value. The last of a name wins.
    pub overrides: Vec<(String, String)>,
    /// The environment; `OS_<GROUP>__<OPTION>`, `SNAP` and `SNAP_COMMON` are looked at.
    pub env: BTreeMap<String, String>,
    /// What `~` stands for.
    pub home: Option<PathBuf>,
    /// Directories to search instead of the default ones.
    pub search: Option<Vec<PathBuf>>,
}

impl fmt::Debug for Invocation {
    /// Names only: environment and command line may hold the URL of the database.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Invocation")
            .field("sources", &self.sources)
            .field("overrides", &self.overrides.iter().map(|(name, _)| name).collect::<Vec<_>>())
            .field("home", &self.home)
            .field("search", &self.search)
            .finish_non_exhaustive()
    }
}

impl Invocation {
    /// With the environment and the home directory of this process.
    ///
    /// A variable that is not UTF-8 is left out: no option could take its value.
    pub fn from_process(sources: Vec<ConfigSource>, overrides: Vec<(String, String)>) -> Self {
        let env = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .collect();
        Self { sources, overrides, env, home: std::env::home_dir(), search: None }
    }

    /// The files to read, in order; what is missing goes to `report`.
    fn files(&self, report: &mut Report) -> Vec<PathBuf> {
        let search = self.search.clone().unwrap_or_else(|| self.default_search());
        let mut files = Vec::new();
        if !self.sources.iter().any(|source| matches!(source, ConfigSource::File(_))) {
            files.extend(NAMES.iter().filter_map(|name| first_existing(&search, &format!("{name}.conf"))));
        }
        if !self.sources.iter().any(|source| matches!(source, ConfigSource::Dir(_))) {
            for dir in NAMES.iter().filter_map(|name| first_existing(&search, &format!("{name}.conf.d"))) {
                files.extend(conf_files(&dir, report));
            }
        }
        for source in &self.sources {
            match source {
                ConfigSource::File(path) => files.push(self.absolute(path)),
                ConfigSource::Dir(path) => files.extend(conf_files(&self.absolute(path), report)),
            }
        }
        files
    }

    /// Where oslo.config's `find_file` looks for a file that an option names: `cfg.py`. An absolute path is itself.
    pub(super) fn beside(&self) -> Vec<PathBuf> {
        let mut dirs = Vec::new();
        for source in &self.sources {
            if let ConfigSource::Dir(path) = source {
                dirs.push(self.absolute(path));
            }
        }
        for source in self.sources.iter().rev() {
            if let ConfigSource::File(path) = source {
                dirs.extend(self.absolute(path).parent().map(Path::to_owned));
            }
        }
        dirs.extend(self.search.clone().unwrap_or_else(|| self.default_search()));
        dirs
    }

    fn default_search(&self) -> Vec<PathBuf> {
        let mut dirs = Vec::new();
        if let Some(home) = &self.home {
            dirs.extend([home.join(".glance"), home.clone()]);
        }
        dirs.extend([PathBuf::from("/etc/glance"), PathBuf::from("/etc")]);
        for name in ["SNAP_COMMON", "SNAP"] {
            if let Some(root) = self.env.get(name).filter(|root| !root.is_empty()) {
                dirs.push(Path::new(root).join("etc/glance"));
            }
        }
        dirs
    }

    /// `~` expanded, made absolute. A `~user` stays: it would need the user database for a spelling nobody uses.
    fn absolute(&self, path: &Path) -> PathBuf {
        let path = match (&self.home, path.strip_prefix("~")) {
            (Some(home), Ok(rest)) => home.join(rest),
            _ => path.to_owned(),
        };
        std::path::absolute(&path).unwrap_or(path)
    }
}

/// Reads and parses every file. A file with errors still gives its good lines, so that those are checked too.
pub(super) fn read(invocation: &Invocation, report: &mut Report) -> Vec<ParsedFile> {
    let mut parsed = Vec::new();
    for path in invocation.files(report) {
        match fs::read(&path) {
            Ok(bytes) => {
                let (assignments, errors) = ini::parse(&bytes);
                for error in errors {
                    report.error(ConfigError::at(Place::line(&path, error.line), error.reason));
                }
                parsed.push(ParsedFile { path, assignments });
            }
            Err(error) => {
                let reason = unreadable(&error, "config file", "is a directory; name it with --config-dir");
                report.error(ConfigError::at(Place::file(path), reason));
            }
        }
    }
    parsed
}

/// The first directory that holds `name`. Anything of that name counts, as for oslo: a directory is an error later.
fn first_existing(search: &[PathBuf], name: &str) -> Option<PathBuf> {
    search.iter().map(|dir| dir.join(name)).find(|path| path.exists())
}

/// `*.conf` of a directory as a shell sees them: no dot-files, sorted by name.
fn conf_files(dir: &Path, report: &mut Report) -> Vec<PathBuf> {
    let listed = fs::read_dir(dir)
        .and_then(|entries| entries.map(|entry| entry.map(|entry| entry.file_name())).collect::<io::Result<Vec<_>>>());
    match listed {
        Ok(mut names) => {
            names.retain(|name| {
                let name = name.as_encoded_bytes();
                name.ends_with(b".conf") && !name.starts_with(b".")
            });
            names.sort();
            names.into_iter().map(|name| dir.join(name)).collect()
        }
        Err(error) => {
            let reason = unreadable(&error, "config directory", "is a file");
            report.error(ConfigError::at(Place::file(dir), reason));
            Vec::new()
        }
    }
}

fn unreadable(error: &io::Error, what: &str, other_kind: &str) -> String {
    match error.kind() {
        ErrorKind::NotFound => format!("{what} not found"),
        ErrorKind::PermissionDenied => format!("no permission to read this {what}"),
        ErrorKind::IsADirectory => format!("{what} expected, but this {other_kind}"),
        ErrorKind::NotADirectory => format!("{what} expected, but this {other_kind} or lies below one"),
        _ => format!("failed to read this {what}: {error}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(dir: &Path, name: &str) -> PathBuf {
        let path = dir.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, "[DEFAULT]\n").unwrap();
        path
    }

    fn invocation(search: &[&Path], sources: Vec<ConfigSource>) -> Invocation {
        let search = Some(search.iter().map(|dir| dir.to_path_buf()).collect());
        Invocation { sources, search, ..Invocation::default() }
    }

    fn files(invocation: &Invocation) -> Vec<PathBuf> {
        let mut report = Report::default();
        let files = invocation.files(&mut report);
        report.finish().unwrap();
        files
    }

    #[test]
    fn each_name_is_taken_from_the_first_directory_that_has_it() {
        let root = tempfile::tempdir().unwrap();
        let (a, b) = (root.path().join("a"), root.path().join("b"));
        let scrubber = write(&a, "glance-scrubber.conf");
        let glance = write(&b, "glance.conf");
        write(&b, "glance-scrubber.conf");
        write(&b, "glance-api.conf");
        let second = write(&a, "glance-scrubber.conf.d/2.conf");
        let tenth = write(&a, "glance-scrubber.conf.d/10.conf");
        let more: Vec<_> = (3..10).rev().map(|n| write(&a, &format!("glance-scrubber.conf.d/{n}.conf"))).collect();
        let common = write(&b, "glance.conf.d/x.conf");
        write(&a, "glance-scrubber.conf.d/.hidden.conf");
        write(&a, "glance-scrubber.conf.d/x.conf.rpmnew");
        let want = [glance, scrubber, common, tenth, second].into_iter().chain(more.into_iter().rev());
        assert_eq!(files(&invocation(&[&a, &b], vec![])), want.collect::<Vec<_>>());
    }

    #[test]
    fn explicit_files_and_directories_each_replace_their_default() {
        let root = tempfile::tempdir().unwrap();
        let dir = root.path();
        let default = write(dir, "glance.conf");
        let default_d = write(dir, "glance.conf.d/d.conf");
        let own = write(dir, "own/own.conf");
        let own_d = write(dir, "own.d/o.conf");
        let (file, own_dir) = (ConfigSource::File(own.clone()), ConfigSource::Dir(dir.join("own.d")));
        assert_eq!(files(&invocation(&[dir], vec![file.clone()])), [default_d.clone(), own.clone()]);
        assert_eq!(files(&invocation(&[dir], vec![own_dir.clone()])), [default, own_d.clone()]);
        assert_eq!(files(&invocation(&[dir], vec![own_dir.clone(), file.clone()])), [own_d.clone(), own.clone()]);
        assert_eq!(files(&invocation(&[dir], vec![file, own_dir])), [own, own_d]);
    }

    #[test]
    fn the_default_search_path_is_oslos() {
        let mut invocation = Invocation { home: Some("/home/g".into()), ..Invocation::default() };
        invocation.env.insert("SNAP".into(), "/snap/glance/1".into());
        invocation.env.insert("SNAP_COMMON".into(), "/var/snap/glance/common".into());
        let want = [
            "/home/g/.glance",
            "/home/g",
            "/etc/glance",
            "/etc",
            "/var/snap/glance/common/etc/glance",
            "/snap/glance/1/etc/glance",
        ];
        assert_eq!(invocation.default_search(), want.map(PathBuf::from));
        assert_eq!(invocation.absolute(Path::new("~/x.conf")), Path::new("/home/g/x.conf"));
    }

    #[test]
    fn everything_that_cannot_be_read_is_named() {
        let root = tempfile::tempdir().unwrap();
        let dir = root.path();
        let file = write(dir, "a.conf");
        let sources = vec![
            ConfigSource::File(dir.join("missing.conf")),
            ConfigSource::File(dir.to_owned()),
            ConfigSource::Dir(dir.join("missing.d")),
            ConfigSource::Dir(file),
        ];
        let mut report = Report::default();
        read(&invocation(&[], sources), &mut report);
        let text = report.finish().unwrap_err().to_string().replace(&dir.display().to_string(), "DIR");
        assert_eq!(
            text.lines().collect::<Vec<_>>(),
            [
                "DIR/missing.d: config directory not found",
                "DIR/a.conf: config directory expected, but this is a file or lies below one",
                "DIR/missing.conf: config file not found",
                "DIR: config file expected, but this is a directory; name it with --config-dir",
            ]
        );
    }
}
