//! The command line: what Glance's own scrubber understands, and our additions.

use std::path::PathBuf;

use clap::{ArgAction, CommandFactory, FromArgMatches, Parser};

use crate::config::ConfigSource;
use crate::observe::output::Format;

/// Finish what Glance's delayed_delete began: remove the data of pending images from their stores, and record it.
#[derive(Debug, Parser)]
#[command(name = "glance-scrubber", disable_version_flag = true, infer_long_args = true, args_override_self = true)]
#[command(after_help = "Exit codes: 0 clean, 1 unexpected, 2 usage, 3 something stays pending after a failure, \
                        4 a guard refused, 5 configuration, 6 database, 7 a restore was refused, 75 another daemon has the pid file, 130/143 \
                        interrupted.")]
pub(super) struct Args {
    /// Read this configuration file at this point of the command line (may be repeated)
    #[arg(long, value_name = "PATH", action = ArgAction::Append)]
    config_file: Vec<PathBuf>,

    /// Read DIR/*.conf, sorted by name, at this point of the command line (may be repeated)
    #[arg(long, value_name = "DIR", action = ArgAction::Append)]
    config_dir: Vec<PathBuf>,

    /// Scrub what is due once and exit (the default, unless the configuration says daemon = True)
    #[arg(long, group = "action")]
    pub once: bool,

    /// Show what would be done with each pending location, and why; change nothing
    #[arg(long, group = "action")]
    pub dry_run: bool,

    /// With --dry-run: also ask the stores what deleting would meet and free; change nothing
    // Both rules: clap does not ask for --dry-run where it would conflict with what is there, and that would scrub.
    #[arg(long, requires = "dry_run", conflicts_with_all = ["once", "check", "daemon", "restore", "repair_restored", "retry_now"])]
    pub probe: bool,

    /// Look at the configuration, the database and every store, and explain each fault; change nothing
    #[arg(long, group = "action")]
    pub check: bool,

    /// Run as a long-running process, in the foreground: a cycle every wakeup_time seconds
    #[arg(short = 'D', long, group = "action")]
    pub daemon: bool,

    /// Run as a long-running process in the background; ends when that is ready, or with its exit code
    #[arg(long, conflicts_with_all = ["once", "check", "dry_run", "restore", "repair_restored", "retry_now", "nodaemon"])]
    pub detach: bool,

    /// Lock this file for as long as the daemon lives, and write its pid into it
    #[arg(long, value_name = "PATH", conflicts_with_all = ["once", "check", "dry_run", "restore", "repair_restored", "retry_now", "nodaemon"])]
    pub pid_file: Option<PathBuf>,

    /// The inverse of --daemon
    #[arg(long, conflicts_with = "daemon")]
    pub nodaemon: bool,

    /// Bring back the deleted image with this id, as long as its data is there (or show that, in a dry run)
    // Not of the group, since --dry-run goes with it.
    #[arg(long, value_name = "IMAGE_ID", conflicts_with_all = ["once", "check", "daemon", "retry_now"])]
    pub restore: Option<String>,

    /// Bring back the rest of all images that Glance's own scrubber restored in part (or show that, in a dry run)
    #[arg(long, conflicts_with_all = ["once", "check", "daemon", "restore", "retry_now"])]
    pub repair_restored: bool,

    /// Let what failed be tried in the next cycle, whatever its wait, also what was given up: the locations of these
    /// images, or all where none is named. Needs coordination = database; a daemon without is told by SIGUSR1
    // Said twice, both lists count: clap appends to a list.
    #[arg(long, value_name = "IMAGE_ID", group = "action", num_args = 0..)]
    pub retry_now: Option<Vec<String>>,

    /// Scrub although the database shows no image that is not deleted
    #[arg(long)]
    pub allow_empty: bool,

    /// How results are printed
    #[arg(short, long, value_enum, value_name = "FORMAT")]
    pub format: Option<Format>,

    /// Log at level DEBUG instead of INFO
    #[arg(short, long)]
    debug: bool,
    /// The inverse of --debug
    #[arg(long, conflicts_with = "debug")]
    nodebug: bool,

    /// strftime format of the time in log lines
    #[arg(long, value_name = "FORMAT")]
    log_date_format: Option<String>,
    /// Log to this file
    #[arg(long, value_name = "PATH", alias = "logfile")]
    log_file: Option<String>,
    /// Directory of relative log files
    #[arg(long, value_name = "DIR", alias = "logdir")]
    log_dir: Option<String>,
    /// Log to syslog
    #[arg(long)]
    use_syslog: bool,
    /// The inverse of --use-syslog
    #[arg(long, conflicts_with = "use_syslog")]
    nouse_syslog: bool,
    /// Log to journald
    #[arg(long)]
    use_journal: bool,
    /// The inverse of --use-journal
    #[arg(long, conflicts_with = "use_journal")]
    nouse_journal: bool,
    /// Log JSON, one object a line
    #[arg(long)]
    use_json: bool,
    /// The inverse of --use-json
    #[arg(long, conflicts_with = "use_json")]
    nouse_json: bool,
    /// syslog facility
    #[arg(long, value_name = "NAME")]
    syslog_log_facility: Option<String>,

    /// A Python logging configuration: not understood here, named so that it is not ignored in silence
    #[arg(long, value_name = "PATH", aliases = ["log-config", "log_config"], hide = true)]
    pub log_config_append: Option<PathBuf>,

    /// Print a completion script for this shell and exit
    #[arg(long = "shell_completion", alias = "shell-completion", value_name = "SHELL", exclusive = true)]
    pub shell_completion: Option<clap_complete::Shell>,

    /// Print a configuration file with every option and its default, and exit
    #[arg(long, exclusive = true)]
    pub print_sample_config: bool,

    /// Print the manual page and exit
    #[arg(long, exclusive = true, hide = true)]
    pub print_man_page: bool,

    /// Print the version and exit
    #[arg(long)]
    pub version: bool,

    #[arg(skip)]
    sources: Vec<ConfigSource>,
}

impl Args {
    /// Parses the process's command line.
    ///
    /// # Errors
    /// clap's, which also stands for `--help`.
    pub(super) fn parse_from<I: IntoIterator<Item = std::ffi::OsString>>(args: I) -> Result<Self, clap::Error> {
        let matches = Self::command().try_get_matches_from(args)?;
        let mut parsed = Self::from_arg_matches(&matches)?;
        // Files and directories take effect in the order in which they stand.
        let places = |name| matches.indices_of(name).into_iter().flatten();
        let files = places("config_file").zip(parsed.config_file.iter().cloned().map(ConfigSource::File));
        let dirs = places("config_dir").zip(parsed.config_dir.iter().cloned().map(ConfigSource::Dir));
        let mut sources: Vec<_> = files.chain(dirs).collect();
        sources.sort_by_key(|(place, _)| *place);
        parsed.sources = sources.into_iter().map(|(_, source)| source).collect();
        Ok(parsed)
    }

    /// The completion script for a shell.
    pub(super) fn completion(shell: clap_complete::Shell) -> Vec<u8> {
        let mut script = Vec::new();
        clap_complete::generate(shell, &mut Self::command(), "glance-scrubber", &mut script);
        script
    }

    /// The manual page.
    pub(super) fn man_page() -> Vec<u8> {
        super::man::page(Self::command())
    }

    /// Configuration files and directories, in command-line order.
    pub(super) fn sources(&self) -> Vec<ConfigSource> {
        self.sources.clone()
    }

    /// What the command line sets of `[DEFAULT]`.
    pub(super) fn overrides(&self) -> Vec<(String, String)> {
        let mut overrides = Vec::new();
        let single = self.once || self.dry_run || self.check || self.repair_restored || self.retry_now.is_some();
        let flags = [
            ("debug", self.debug, self.nodebug),
            ("daemon", self.daemon || self.detach, self.nodaemon || single),
            ("use_syslog", self.use_syslog, self.nouse_syslog),
            ("use_journal", self.use_journal, self.nouse_journal),
            ("use_json", self.use_json, self.nouse_json),
        ];
        for (name, on, off) in flags {
            if on || off {
                overrides.push((name.to_owned(), on.to_string()));
            }
        }
        let texts = [
            ("log_date_format", &self.log_date_format),
            ("log_file", &self.log_file),
            ("log_dir", &self.log_dir),
            ("syslog_log_facility", &self.syslog_log_facility),
            ("restore", &self.restore),
        ];
        for (name, text) in texts {
            overrides.extend(text.iter().map(|text| (name.to_owned(), text.clone())));
        }
        overrides
    }
}
