//! Arguments in, exit code out: everything between is a [`crate::config::Config`] and one of the actions.
//!
//! Errors end here: each is said once, in a sentence that names what to do. Rejected: deciding by exit status alone
//! in the library (a daemon must survive what ends a single run).

mod args;
pub mod check;
pub mod dry_run;
mod man;
pub mod once;
mod progress;
pub mod restore;
pub mod retry_now;
mod summary;

use std::io::Write;
use std::time::Duration;

use args::Args;

use crate::config::{Config, Invocation, Sharing, load, sample};
use crate::daemon;
use crate::daemon::detach::{self, Announcer, Side};
use crate::daemon::pid_file::{PidFile, PidFileError};
use crate::exit::Exit;
use crate::observe::logging;
use crate::observe::terminal::Terminal;
use crate::store;

/// Runs the command that the process was started with.
pub fn main() -> Exit {
    let args = match Args::parse_from(std::env::args_os()) {
        Ok(args) => args,
        Err(error) => {
            // Help goes to stdout and is no error; a closed pipe under it is nobody's fault.
            let _ = error.print();
            return if error.use_stderr() { Exit::Usage } else { Exit::Clean };
        }
    };
    if let Some(shell) = args.shell_completion {
        return print(&Args::completion(shell));
    }
    if args.print_sample_config {
        return print(sample().as_bytes());
    }
    if args.print_man_page {
        return print(&Args::man_page());
    }
    if args.version {
        return print(concat!(env!("CARGO_PKG_VERSION"), "\n").as_bytes());
    }
    match prepare(&args) {
        Ok(prepared) if prepared.config.daemon => run_daemon(&args, prepared),
        Ok(prepared) => run(&args, &prepared),
        Err((exit, words)) => {
            say(&words);
            exit
        }
    }
}

/// Prints on stdout what needs no configuration. A reader that has gone is no fault.
fn print(text: &[u8]) -> Exit {
    match std::io::stdout().write_all(text) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Exit::Unexpected,
        _ => Exit::Clean,
    }
}

/// What every action begins with.
struct Prepared {
    invocation: Invocation,
    config: Config,
    terminal: Terminal,
}

/// Reads the configuration and sets up logging.
fn prepare(args: &Args) -> Result<Prepared, (Exit, String)> {
    if args.restore.as_ref().is_some_and(|id| id.trim().is_empty()) {
        let words = "--restore needs an image id, and got an empty one (an unset variable?); nothing was done";
        return Err((Exit::Usage, words.to_owned()));
    }
    if args.retry_now.iter().flatten().any(|id| id.trim().is_empty()) {
        let words = "--retry-now got an empty image id (an unset variable?); nothing was done";
        return Err((Exit::Usage, words.to_owned()));
    }
    let invocation = Invocation::from_process(args.sources(), args.overrides());
    let config = load(&invocation).map_err(|errors| (Exit::Config, errors.to_string()))?;
    restore_is_possible(args, &config)?;
    if config.daemon && (args.allow_empty || args.format.is_some()) {
        let words = "--allow-empty and --format are for a single run; add --once, or leave them out";
        return Err((Exit::Usage, words.to_owned()));
    }
    if args.retry_now.is_some() && matches!(config.scrubber.sharing, Sharing::Alone { .. }) {
        let words = "--retry-now has nothing to clear: with [scrubber] coordination = none, no run knows of the failures \
                     of another one; --once tries everything, and a daemon is told by SIGUSR1";
        return Err((Exit::Usage, words.to_owned()));
    }
    if args.pid_file.is_some() && !config.daemon {
        return Err((Exit::Usage, "--pid-file is for a daemon; add --daemon or --detach".to_owned()));
    }
    let terminal = Terminal::stderr();
    logging::init(&config.log, Some(terminal.clone())).map_err(|error| (Exit::Config, error.to_string()))?;
    if args.log_config_append.is_some() {
        tracing::warn!("--log-config-append names a Python logging configuration, which has no effect here");
    }
    for warning in &config.warnings {
        tracing::warn!("{warning}");
    }
    Ok(Prepared { invocation, config, terminal })
}

/// A `restore =` left behind in a file counts too: scrubbing instead would be the opposite of what was asked.
fn restore_is_possible(args: &Args, config: &Config) -> Result<(), (Exit, String)> {
    let Some(id) = &config.restore else { return Ok(()) };
    let words = if id.trim().is_empty() {
        "restore = in a file or the environment is empty, and needs an image id; nothing was done".to_owned()
    } else if config.daemon {
        "The restore and daemon options should not be set together. Please use either of them in one request."
            .to_owned()
    } else if args.once || args.repair_restored {
        let option = if args.once { "--once" } else { "--repair-restored" };
        format!("{option} was given, and restore = in a file or the environment; leave out one of them")
    } else {
        return Ok(());
    };
    Err((Exit::Usage, words))
}

fn run(args: &Args, prepared: &Prepared) -> Exit {
    let Prepared { config, terminal, .. } = prepared;
    in_runtime(async {
        if args.check {
            check::run(config, args.format.unwrap_or_default()).await
        } else if let Some(images) = &args.retry_now {
            retry_now::run(config, images, args.format.unwrap_or_default()).await
        } else if let Some(wanted) = wanted_back(args, config) {
            restore::run(config, restore::Request { wanted, dry_run: args.dry_run, format: args.format }).await
        } else if args.dry_run {
            let (allow_empty, probe, format) = (args.allow_empty, args.probe, args.format.unwrap_or_default());
            dry_run::run(config, dry_run::Wanted { allow_empty, probe, format }).await
        } else {
            once::run(config, args.allow_empty, args.format, terminal).await
        }
    })
}

/// What is to be brought back, if anything is.
fn wanted_back(args: &Args, config: &Config) -> Option<restore::Wanted> {
    if args.repair_restored {
        return Some(restore::Wanted::HalfRestored);
    }
    config.restore.clone().map(restore::Wanted::Image)
}

/// Everything that has to happen before there is a runtime, and then the daemon.
fn run_daemon(args: &Args, prepared: Prepared) -> Exit {
    let lock = args.pid_file.as_deref().map(PidFile::lock).transpose();
    let mut lock = match lock {
        Ok(lock) => lock,
        Err(error) => {
            say(&error.to_string());
            return if matches!(error, PidFileError::Taken { .. }) { Exit::Locked } else { Exit::Config };
        }
    };
    let announcer = if args.detach {
        match detach::detach() {
            Ok(Side::Daemon(announcer)) => announcer,
            Ok(Side::Terminal(code, words)) => {
                // The daemon has the lock, and the file is its own.
                std::mem::forget(lock);
                say(&words);
                return Exit::Detached(code);
            }
            Err(words) => {
                say(&words);
                return Exit::Unexpected;
            }
        }
    } else {
        Announcer::default()
    };
    if let Some(Err(error)) = lock.as_mut().map(PidFile::write) {
        tracing::warn!("The pid could not be written: {error}");
    }
    in_runtime(daemon::run(prepared.invocation, prepared.config, announcer))
}

fn in_runtime(action: impl Future<Output = Exit>) -> Exit {
    // Two threads serve the database and the lanes; deletes that block have threads of their own.
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => {
            say(&format!("cannot start: {error}"));
            return Exit::Unexpected;
        }
    };
    let exit = runtime.block_on(action);
    // A call that hangs in a dead file system or cluster must not keep a finished run from ending.
    runtime.shutdown_timeout(Duration::from_millis(100));
    let _ = std::io::stdout().flush();
    store::leave_hanging_calls(exit.code());
    exit
}

/// Says something on stderr, as Glance's commands do, where there is no log (yet).
fn say(words: &str) {
    for line in words.lines() {
        // Without stderr there is nobody to tell.
        let _ = writeln!(std::io::stderr(), "ERROR: {line}");
    }
}
