//! Log lines as oslo.log writes them, so that what operators grep, ship and rotate today goes on working.
//!
//! Promises: every destination that is configured gets every line, each with one write; a message cannot forge a line;
//! after the start no fault of a destination stops a scrub (it is told once on stderr). Fails at start with a
//! [`LogError`]: a log file that cannot be written, or no destination at all.
//! Rejected: tracing-subscriber's own formatter (no oslo line, and a newline in a message makes two lines), and a
//! writer thread with a queue, because the last lines before a crash are the ones that matter.
//!
//! Differences from oslo.log, all wanted: with `use_syslog` alone it logs to stdout too, which here is for results;
//! libraries stay at WARNING unless `default_log_levels` names them.

mod format;
mod journal;
mod levels;
mod record;
mod sink;
mod syslog;
#[cfg(test)]
mod tests;

use std::io;
use std::path::PathBuf;

use tracing_subscriber::layer::SubscriberExt as _;

use self::format::Formatter;
use self::levels::Levels;
use self::record::LogLayer;
use self::sink::{Destination, FileSink, StderrSink, StdoutSink};
use self::syslog::{Facility, SyslogSink};
use super::terminal::Terminal;
use crate::config::LogConfig;

/// The name that the lines of this program carry, as those of the Python scrubber do.
pub const LOGGER: &str = "glance.scrubber";

/// The tag in syslog and journald: the name of the program, as with oslo.log.
const IDENTIFIER: &str = "glance-scrubber";

/// Where the C library's `syslog(3)` sends to.
const DEV_LOG: &str = "/dev/log";

/// Why logging cannot start.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// `log_file` cannot be opened.
    #[error(
        "cannot write the log file {}: {source}; check that its directory exists and that this user may write there \
         (log_file, log_dir)", path.display()
    )]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A field of `log_date_format` that is not known.
    #[error("log_date_format {0:?} is not a valid strftime format")]
    DateFormat(String),
    /// A level in `default_log_levels` that is not one of Python's.
    #[error(
        "default_log_levels: {logger}={level} names no level; use DEBUG, INFO, WARNING, ERROR, CRITICAL or a number"
    )]
    Level {
        /// The logger.
        logger: String,
        /// What was written.
        level: String,
    },
    /// An unknown `syslog_log_facility`.
    #[error("syslog_log_facility {0:?} is none of LOG_KERN, LOG_USER, LOG_DAEMON, LOG_LOCAL0 to LOG_LOCAL7, …")]
    Facility(String),
    /// `use_journal` without a journal, and no other destination.
    #[error("cannot reach journald: {0}; set use_journal = false, or run where /run/systemd/journal/socket is")]
    Journal(io::Error),
    /// `use_syslog` without a syslog daemon, and no other destination.
    #[error("cannot reach syslog at {DEV_LOG}: {0}; set use_syslog = false, or start the syslog daemon")]
    Syslog(io::Error),
    /// [`init`] ran before.
    #[error("logging is set up already")]
    Twice,
}

/// Starts logging for the whole process, as `config` says. `terminal` is the one that a progress bar draws on.
///
/// Call it once, after detaching: file and sockets do not pass a fork well. journald or syslog that cannot be reached
/// is a warning as long as another destination is left.
///
/// # Errors
/// A [`LogError`]; nothing is installed then.
pub fn init(config: &LogConfig, terminal: Option<Terminal>) -> Result<(), LogError> {
    let levels = Levels::new(config)?;
    let formatter = Formatter::new(config)?;
    let Destinations { lines, journal, missing } =
        Destinations::open(config, terminal.unwrap_or_else(Terminal::hidden))?;
    let subscriber =
        tracing_subscriber::registry().with(levels.into_filter()).with(LogLayer::new(formatter, lines)).with(journal);
    tracing::subscriber::set_global_default(subscriber).map_err(|_| LogError::Twice)?;
    for error in missing {
        tracing::warn!("{error}");
    }
    Ok(())
}

/// Where the lines go.
struct Destinations {
    lines: Vec<Destination>,
    journal: Option<tracing_journald::Layer>,
    /// What is configured but cannot be reached now, while something else can.
    missing: Vec<LogError>,
}

impl Destinations {
    fn open(config: &LogConfig, terminal: Terminal) -> Result<Self, LogError> {
        let mut all = Self { lines: Vec::new(), journal: None, missing: Vec::new() };
        if let Some(path) = &config.file {
            let sink = FileSink::open(path).map_err(|source| LogError::File { path: path.clone(), source })?;
            all.lines.push(Destination::new(sink));
        }
        let stderr_is_journal = config.stderr && journal::has_stderr();
        if config.journal || stderr_is_journal {
            match journal::layer(Facility::find(&config.syslog_facility)?) {
                Ok(layer) => all.journal = Some(layer),
                Err(error) if config.journal => all.missing.push(LogError::Journal(error)),
                // Then the lines go the way that systemd laid.
                Err(_) => {}
            }
        }
        if config.stderr && !(stderr_is_journal && all.journal.is_some()) {
            all.lines.push(Destination::new(StderrSink(terminal.clone())));
        }
        let reachable = !all.lines.is_empty() || all.journal.is_some();
        if config.syslog {
            let sink = SyslogSink::new(Facility::find(&config.syslog_facility)?, DEV_LOG).map_err(LogError::Syslog)?;
            all.lines.push(match sink.probe() {
                Ok(()) => Destination::new(sink),
                Err(error) if !reachable => return Err(LogError::Syslog(error)),
                Err(error) => {
                    all.missing.push(LogError::Syslog(error));
                    // Kept, since the daemon may start after us.
                    Destination::failing(sink)
                }
            });
        } else if !reachable {
            match all.missing.pop() {
                Some(error) => return Err(error),
                None => all.lines.push(Destination::new(StdoutSink(terminal))),
            }
        }
        Ok(all)
    }
}
