//! A cloud in a temporary directory: Glance's database with images in every state, a data directory, a dry run, a
//! scrub, and what is left and why. Everything goes through the library's public path, with a config file as an
//! operator would write it.
//!
//! `cargo run --release --example quickstart`

mod cloud;

use std::io::Write;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use glance_scrubber::cli::dry_run::{self, Wanted};
use glance_scrubber::cli::once;
use glance_scrubber::config::{Config, ConfigSource, Invocation, load};
use glance_scrubber::exit::Exit;
use glance_scrubber::observe::logging;
use glance_scrubber::observe::output::Format;
use glance_scrubber::observe::terminal::Terminal;

#[tokio::main]
async fn main() -> Result<()> {
    let home = tempfile::tempdir().context("no temporary directory")?;
    let cloud = cloud::build(home.path()).await?;
    let config = read_config(&cloud.config_file)?;
    logging::init(&config.log, None)?;

    heading(&format!("The data directory: {}", cloud.files()?.join(" ")))?;
    heading("What would be done now, with scrub_time = 86400:  glance-scrubber --dry-run")?;
    ensure!(dry_run::run(&config, Wanted::default()).await == Exit::Clean, "the dry run failed");

    heading("Doing it:  glance-scrubber --once")?;
    let exit = once::run(&config, false, Some(Format::Table), &Terminal::hidden()).await;
    ensure!(exit == Exit::Attention, "the broken image should have asked for attention (3), but this was {exit:?}");

    heading("What is left, and why:  glance-scrubber --dry-run")?;
    ensure!(dry_run::run(&config, Wanted::default()).await == Exit::Clean, "the second dry run failed");
    let files = cloud.files()?;
    heading(&format!("The data directory: {}", files.join(" ")))?;
    ensure!(files == cloud.files_that_must_stay, "expected {:?}", cloud.files_that_must_stay);
    heading("Exit code 3: done, and one location needs somebody to look at it. Living and recent images are untouched.")
}

fn read_config(file: &Path) -> Result<Config> {
    let invocation = Invocation::from_process(vec![ConfigSource::File(file.to_owned())], Vec::new());
    Ok(load(&invocation)?)
}

fn heading(words: &str) -> Result<()> {
    Ok(writeln!(std::io::stdout(), "\n# {words}")?)
}
