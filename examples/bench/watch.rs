//! The modes in which nothing may change: a listing of everything, and wake-ups that find nothing to do.
//!
//! Filled once, for reading leaves it as it was; that too is verified. Beside the program's whole run stands its scan
//! alone, through the library on a connection that is already there: what is left is the program's own.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::process::Command;
use std::time::Instant;

use anyhow::{Result, ensure};
use chrono::Utc;

use glance_scrubber::catalog::{self, Scope};
use glance_scrubber::config::{ConfigSource, Invocation, load};
use glance_scrubber::scrub;

use crate::cloud::After;
use crate::contest::Contestant;
use crate::fill::{Detail, fill};
use crate::measure::{self, Usage, median};
use crate::table::{note, print, say};
use crate::{Bench, Mode};

pub async fn run(bench: &Bench<'_>) -> Result<()> {
    bench.write_file_config()?;
    let peer = bench.args.peer.as_ref().filter(|_| bench.args.mode != Mode::DryRun).map(|_| Contestant::Peer);
    note("filling");
    // A peer may read what our own scrubber does not.
    fill(&bench.cloud, &bench.place, if peer.is_some() { Detail::All } else { Detail::ImagesAndLocations }).await?;
    let mut rows = Vec::new();
    for contestant in [Some(Contestant::Scrubber), peer].into_iter().flatten() {
        rows.push(watch(bench, contestant).await?);
    }
    let heads = ["contestant", "seconds", "bare scan s", "beyond the scan s", "rows listed", "CPU s", "peak MiB"];
    print(heads, rows)?;
    let mut database = bench.place.connect().await?;
    bench.cloud.verify_rows(&mut database, After::Looking).await?;
    database.close().await?;
    say("nothing was changed")
}

/// Medians of one contestant's runs.
async fn watch(bench: &Bench<'_>, contestant: Contestant) -> Result<[String; 7]> {
    let command = if bench.args.mode == Mode::DryRun { listing(bench) } else { contestant.command(bench)? };
    let (mut usages, mut scans, mut listed) = (Vec::<Usage>::new(), Vec::new(), None);
    for run in 1..=bench.args.runs {
        let output = bench.home.join("stdout");
        let usage = measure::run(&command, File::create(&output)?.into(), bench.home)??;
        scans.push(bare_scan(bench).await?);
        note(&format!("run {run}: {} {:.3} s", contestant.name(), usage.wall));
        usages.push(usage);
        if bench.args.mode == Mode::DryRun {
            // One line has the heads.
            let rows = (BufReader::new(File::open(&output)?).split(b'\n').count() as u64).saturating_sub(1);
            let pending = bench.cloud.counts.due + bench.cloud.counts.waiting;
            ensure!(rows == pending, "{rows} rows were listed, not {pending}");
            listed = Some(rows);
        }
    }
    let of = |number: fn(&Usage) -> f64| median(usages.iter().map(number));
    let beyond = median(usages.iter().zip(&scans).map(|(usage, scan)| usage.wall - scan));
    Ok([
        contestant.name().to_owned(),
        format!("{:.3}", of(|usage| usage.wall)),
        format!("{:.3}", median(scans)),
        format!("{beyond:.3}"),
        listed.map_or("-".to_owned(), |rows| rows.to_string()),
        format!("{:.2}", of(|usage| usage.cpu)),
        format!("{:.1}", of(|usage| usage.peak)),
    ])
}

fn listing(bench: &Bench<'_>) -> Command {
    let mut command = Command::new(&bench.binary);
    command.args(["--dry-run", "--format", "csv", "--config-file"]).arg(bench.config_file());
    command
}

/// Seconds of the statement with which every cycle begins.
async fn bare_scan(bench: &Bench<'_>) -> Result<f64> {
    let source = ConfigSource::File(bench.config_file());
    let config = load(&Invocation::from_process(vec![source], Vec::new()))?;
    let catalog = catalog::open_read_only(&config.database, config.scrubber.database_deadline).await?;
    let scope = Scope::Due(scrub::horizon(Utc::now(), config.scrub_time));
    let start = Instant::now();
    catalog.scan(scope).await?;
    Ok(start.elapsed().as_secs_f64())
}
