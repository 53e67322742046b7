//! `--dry-run --probe`: what the stores say before anything is deleted, and that nothing is.

mod files;
mod pages;
