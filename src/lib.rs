//! Finishes what Glance's `delayed_delete` began.
//!
//! The way of the data, which is also the order to read in: [`config`] → [`catalog`] (Glance's database) →
//! [`location`] (what a row points to) → [`scrub`] (plan, guard, lanes, record) → [`store`] (the backends).
//! ARCHITECTURE.md is the map; the invariants are there.

pub mod catalog;
pub mod claim;
pub mod cli;
pub mod config;
pub mod crash;
mod daemon;
pub mod exit;
pub mod host_lock;
pub mod location;
pub mod observe;
pub mod restore;
pub mod scrub;
pub mod store;
