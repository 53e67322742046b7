//! What is told to people and machines: [`logging`], what is printed on stdout ([`output`]), and the [`progress`] bar.
//!
//! Promises: text that came out of a database or a backend cannot forge a log line or steer a terminal ([`text`]);
//! the bar and the log lines share one [`terminal`] and do not tear each other. Fails at start with a
//! [`logging::LogError`]; afterwards nothing that goes wrong here stops a scrub.

pub mod audit_log;
pub mod human;
pub mod logging;
pub mod metrics;
pub mod output;
pub mod progress;
pub mod server;
pub mod status;
pub mod terminal;
pub mod text;
