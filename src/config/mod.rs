//! oslo.config files in, one validated [`Config`] out.
//!
//! Promises: a file that Glance reads, this reads in the same way; every error is reported at once, each with
//! file and line, none with a secret. Fails with [`ConfigErrors`]. Rejected: reading options where they are used, as
//! oslo does, because a bad value then surfaces in the middle of a run.
//!
//! The way of a value: `sources` (which files) → `ini` (lines) → `raw` (which of several texts) →
//! `interpolate` (`$name`) → `types` → `reader`, which the parts of [`Config`] ask. The names and types of all
//! options are in [`options`].

mod database;
mod error;
mod ini;
mod interpolate;
mod listen;
mod load;
mod log;
pub mod options;
mod pace;
mod raw;
mod rbd;
mod reader;
mod sample;
mod scrubber;
mod sharing;
mod sources;
mod stores;
mod text;
mod types;

use std::fmt;
use std::time::Duration;

use secrecy::SecretString;

pub use database::{DatabaseConfig, DatabaseUrl, ServerUrl, TlsConfig, TlsMode};
pub use error::{ConfigError, ConfigErrors, Place};
pub use ini::{Assignment, IniError, parse_ini};
pub use listen::Listen;
pub use load::load;
pub use log::LogConfig;
pub use pace::{PaceConfig, Rate};
pub use rbd::{InUse, LEAST_DEADLINE, RadosTimeout, RbdConfig, RbdPolicy};
pub use sample::sample;
pub use scrubber::ScrubberConfig;
pub use sharing::Sharing;
pub use sources::{ConfigSource, Invocation};
pub use stores::{FileConfig, StoreConfig, StoreKind, StoresConfig};
pub use types::{Kind, Value};

/// The key of `enabled_backends`, or the store type in single-store mode (`file`, `rbd`, …). Case-sensitive.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct StoreId(pub String);

impl StoreId {
    /// The id as it stands in the config and in a location's metadata.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for StoreId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Everything that one run needs to know, already checked.
#[derive(Debug, Clone)]
pub struct Config {
    /// Seconds that an image stays `pending_delete` before its data goes (`scrub_time`).
    pub scrub_time: Duration,
    /// `scrub_pool_size`, only where an operator set it: it then bounds all lanes together.
    pub scrub_pool_size: Option<usize>,
    /// Time between two wake-ups of the daemon (`wakeup_time`).
    pub wakeup_time: Duration,
    /// `daemon`: loop instead of one pass.
    pub daemon: bool,
    /// `restore`, where set (also in a file). May be the empty string; the caller refuses that.
    pub restore: Option<String>,
    /// `metadata_encryption_key` first, then `[scrubber] old_encryption_keys`; each 16, 24 or 32 bytes.
    pub encryption_keys: Vec<SecretString>,
    /// `[database]`.
    pub database: DatabaseConfig,
    /// Which stores there are.
    pub stores: StoresConfig,
    /// `[scrubber]`: what is ours alone.
    pub scrubber: ScrubberConfig,
    /// The oslo.log options.
    pub log: LogConfig,
    /// What an operator should hear but that stops nothing (a deprecated name, a skipped store type …).
    pub warnings: Vec<String>,
}
