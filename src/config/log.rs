//! The options of oslo.log that have a meaning here.
//!
//! Promises: the destinations that oslo.log would choose. Rejected: Python's format strings; they are accepted, but
//! the layout of a line is ours.

use std::path::{Path, PathBuf};

use super::reader::Reader;

const GROUP: &str = "DEFAULT";

/// The oslo.log options (section 2.6 of Glance's option list) that have a meaning here.
#[derive(Debug, Clone)]
pub struct LogConfig {
    /// `debug`.
    pub debug: bool,
    /// `log_file`, already joined with `log_dir`; `<log_dir>/glance-scrubber.log` where only that is set.
    pub file: Option<PathBuf>,
    /// `use_stderr` (the scrubber's default is true).
    pub stderr: bool,
    /// `use_journal`.
    pub journal: bool,
    /// `use_syslog`.
    pub syslog: bool,
    /// `syslog_log_facility`, default `LOG_USER`.
    pub syslog_facility: String,
    /// `use_json`.
    pub json: bool,
    /// `log_date_format`, strftime.
    pub date_format: String,
    /// `default_log_levels`: (logger, level), as written.
    pub levels: Vec<(String, String)>,
}

pub(super) fn load(reader: &mut Reader) -> LogConfig {
    let mut path = |name| reader.text(GROUP, name).filter(|path| !path.is_empty());
    let file = log_file(path("log_file"), path("log_dir"));
    if path("log_config_append").is_some() {
        reader.report.warn("log_config_append names a logging config of Python, which cannot be read; it is ignored");
    }
    LogConfig {
        debug: reader.flag(GROUP, "debug"),
        file,
        stderr: reader.flag(GROUP, "use_stderr"),
        journal: reader.flag(GROUP, "use_journal"),
        syslog: reader.flag(GROUP, "use_syslog"),
        syslog_facility: reader.text(GROUP, "syslog_log_facility").unwrap_or_default(),
        json: reader.flag(GROUP, "use_json"),
        date_format: reader.text(GROUP, "log_date_format").unwrap_or_default(),
        levels: levels(reader),
    }
}

/// oslo.log's `_get_log_file_path`; an absolute file ignores the directory.
fn log_file(file: Option<String>, dir: Option<String>) -> Option<PathBuf> {
    match (file, dir) {
        (Some(file), Some(dir)) => Some(Path::new(&dir).join(file)),
        (Some(file), None) => Some(PathBuf::from(file)),
        (None, Some(dir)) => Some(Path::new(&dir).join("glance-scrubber.log")),
        (None, None) => None,
    }
}

fn levels(reader: &mut Reader) -> Vec<(String, String)> {
    let pairs = reader.list(GROUP, "default_log_levels");
    let mut levels = Vec::new();
    for pair in &pairs {
        match pair.split_once('=') {
            Some((logger, level)) => levels.push((logger.to_owned(), level.to_owned())),
            None => reader.report.warn("[DEFAULT] default_log_levels: a piece without = is ignored"),
        }
    }
    levels
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_is_joined_as_oslo_does() {
        let path = |file: &str, dir: &str| {
            let some = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
            log_file(some(file), some(dir)).map(|path| path.display().to_string()).unwrap_or_default()
        };
        assert_eq!(path("a.log", "/var/log"), "/var/log/a.log");
        assert_eq!(path("/a.log", "/var/log"), "/a.log");
        assert_eq!(path("a.log", ""), "a.log");
        assert_eq!(path("", "/var/log"), "/var/log/glance-scrubber.log");
        assert_eq!(path("", ""), "");
    }
}
