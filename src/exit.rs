//! Exit codes. A cron job and a unit file depend on them: a number never changes its meaning.

use std::process::ExitCode;

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// Done; nothing stays that needs anybody.
    Clean,
    /// Something that nobody foresaw.
    Unexpected,
    /// The command line is wrong.
    Usage,
    /// Done, but something stays pending after a failure, or a check found a fault.
    Attention,
    /// A guard refused the whole cycle; nothing was deleted.
    Refused,
    /// The configuration is wrong.
    Config,
    /// The database cannot be reached or used.
    Database,
    /// A restore was refused; nothing was changed.
    RestoreRefused,
    /// Another daemon holds the pid file's lock (EX_TEMPFAIL of sysexits.h).
    Locked,
    /// A daemon went into the background; this is what its start ended in.
    Detached(u8),
    /// Stopped by SIGINT, in order.
    Interrupted,
    /// Stopped by SIGTERM, in order.
    Terminated,
}

impl Exit {
    /// The number.
    pub const fn code(self) -> u8 {
        match self {
            Self::Clean => 0,
            Self::Unexpected => 1,
            Self::Usage => 2,
            Self::Attention => 3,
            Self::Refused => 4,
            Self::Config => 5,
            Self::Database => 6,
            Self::RestoreRefused => 7,
            Self::Locked => 75,
            Self::Detached(code) => code,
            Self::Interrupted => 130,
            Self::Terminated => 143,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}
