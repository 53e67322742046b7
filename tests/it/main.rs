//! The integration tests: one binary, so that it is linked once.
#![cfg(test)] // always so; it is what lets clippy know that these modules are tests

mod all_stores;
mod bad_input;
mod catalog;
mod claims;
mod crash;
mod daemon;
mod faults;
mod galera;
mod golden;
mod lanes;
mod observe;
mod probe;
mod rbd;
mod real_glance;
mod restore;
mod retries;
mod scrub_once;
mod soak;
mod support;
