//! `--mode scrub`: the floor, this scrubber and a peer do the same work.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result};

use crate::cloud::{After, Counts};
use crate::database::Statements;
use crate::files;
use crate::fill::{Detail, fill};
use crate::measure::{self, Usage, median};
use crate::table::{note, print, say};
use crate::{Bench, Coordination};

/// Who takes part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Contestant {
    Floor,
    Scrubber,
    /// The same, sharing its work by claims, with nobody to share it with.
    Claiming,
    Peer,
}

/// One measured run.
struct Round {
    usage: Usage,
    /// What the server ran for it, where that is counted.
    statements: Option<Statements>,
}

/// Medians of a contestant, or why it is out.
type Standing = Result<(Usage, Option<Statements>)>;

pub async fn run(bench: &Bench<'_>) -> Result<()> {
    bench.write_file_config()?;
    let mut contestants = vec![Contestant::Floor, Contestant::Scrubber];
    contestants.extend((bench.args.coordination == Coordination::Database).then_some(Contestant::Claiming));
    contestants.extend(bench.args.peer.as_ref().map(|_| Contestant::Peer));
    let mut results: Vec<Result<Vec<Round>>> = contestants.iter().map(|_| Ok(Vec::new())).collect();
    for run in 1..=bench.args.runs {
        // In turn within a run, so that a machine that becomes slower does so for all.
        for (contestant, result) in contestants.iter().zip(&mut results) {
            let Ok(rounds) = result else { continue };
            match one_round(bench, *contestant).await? {
                Ok(round) => {
                    note(&format!("run {run}: {} {:.3} s", contestant.name(), round.usage.wall));
                    rounds.push(round);
                }
                Err(error) => *result = Err(error),
            }
        }
    }
    let standings = results.into_iter().map(|rounds| Ok(medians(&rounds?))).collect();
    report(bench.cloud.counts.due, &contestants, standings)
}

/// Refills, runs, verifies. The inner error is the contestant's.
async fn one_round(bench: &Bench<'_>, contestant: Contestant) -> Result<Result<Round>> {
    fill(&bench.cloud, &bench.place, Detail::All).await?;
    files::make(&bench.cloud, &bench.data)?;
    let mut database = bench.place.connect().await?;
    let before = database.statements().await;
    let usage = match measure::run(&contestant.command(bench)?, Stdio::null(), bench.home)? {
        Ok(usage) => usage,
        Err(error) => return Ok(Err(error)),
    };
    let after = database.statements().await;
    let statements = before.zip(after).map(|(before, after)| after.since(before));
    let files = files::verify(&bench.cloud, &bench.data);
    let rows = bench.cloud.verify_rows(&mut database, After::Scrubbing).await;
    database.close().await?;
    Ok(files.and(rows).map(|()| Round { usage, statements }))
}

impl Contestant {
    pub fn name(self) -> &'static str {
        match self {
            Self::Floor => "the floor",
            Self::Scrubber => "glance-scrubber",
            Self::Claiming => "by claims",
            Self::Peer => "the peer",
        }
    }

    /// What scrubs once.
    pub fn command(self, bench: &Bench<'_>) -> Result<Command> {
        Ok(match self {
            Self::Floor => {
                let mut floor = Command::new(std::env::current_exe()?);
                floor.args(["--be-the-floor", "--database", bench.place.url(), "--dir"]).arg(&bench.data);
                let Counts { due, waiting, .. } = bench.cloud.counts;
                floor.args(["--images", &(due + waiting).to_string(), "--due", &due.to_string()]);
                floor
            }
            Self::Scrubber => bench.scrubber(),
            Self::Claiming => bench.scrubber_with(&bench.claims_config_file()),
            Self::Peer => bench.peer()?,
        })
    }
}

impl Bench<'_> {
    /// This scrubber, once.
    pub fn scrubber(&self) -> Command {
        self.scrubber_with(&self.config_file())
    }

    fn scrubber_with(&self, config: &Path) -> Command {
        let mut scrubber = Command::new(&self.binary);
        scrubber.arg("--once").arg("--config-file").arg(config);
        scrubber
    }

    /// The other one.
    pub fn peer(&self) -> Result<Command> {
        let words = self.args.peer.as_deref().context("no --peer")?;
        let mut peer = Command::new("sh");
        peer.arg("-c").arg(format!("{words} --config-file '{}'", self.config_file().display()));
        Ok(peer)
    }

    pub fn config_file(&self) -> PathBuf {
        self.home.join("glance-scrubber.conf")
    }

    /// The config file with coordination by claims.
    pub fn claims_config_file(&self) -> PathBuf {
        self.home.join("by-claims.conf")
    }

    pub fn write_file_config(&self) -> Result<()> {
        self.write_config(&format!(
            "[glance_store]\nstores = file\ndefault_store = file\nfilesystem_store_datadir = {}\n",
            self.data.display()
        ))?;
        let plain = std::fs::read_to_string(self.config_file())?;
        Ok(std::fs::write(self.claims_config_file(), plain + "[scrubber]\ncoordination = database\n")?)
    }

    /// A config that every version of Glance's scrubber reads too, with `rest` behind it. Its directory is ours alone: the
    /// URL has a password.
    pub fn write_config(&self, rest: &str) -> Result<()> {
        let url = self.place.url().replace('$', "$$");
        let config =
            format!("[DEFAULT]\ndelayed_delete = True\nscrub_time = 86400\n[database]\nconnection = {url}\n{rest}");
        Ok(std::fs::write(self.config_file(), config)?)
    }
}

fn medians(rounds: &[Round]) -> (Usage, Option<Statements>) {
    let of = |number: fn(&Round) -> f64| median(rounds.iter().map(number));
    let usage = Usage { wall: of(|r| r.usage.wall), cpu: of(|r| r.usage.cpu), peak: of(|r| r.usage.peak) };
    // Counts hardly differ from run to run; the last one is as good as the median.
    (usage, rounds.last().and_then(|round| round.statements))
}

fn report(due: u64, contestants: &[Contestant], standings: Vec<Standing>) -> Result<()> {
    let due = due as f64;
    let wall = |wanted| {
        let place = contestants.iter().position(|contestant| *contestant == wanted)?;
        standings.get(place)?.as_ref().ok().map(|(usage, _)| usage.wall)
    };
    let floor = wall(Contestant::Floor);
    let row = |(contestant, standing): (&Contestant, &Standing)| {
        let name = contestant.name().to_owned();
        let Ok((usage, statements)) = standing else {
            return [name, "FAILED".to_owned(), "-".into(), "-".into(), "-".into(), "-".into(), "-".into(), "-".into()];
        };
        let each = |count: Option<u64>| count.map_or("not counted".to_owned(), |n| format!("{:.4}", n as f64 / due));
        [
            name,
            format!("{:.3}", usage.wall),
            format!("{:.0}", due / usage.wall),
            floor.map_or("-".to_owned(), |floor| format!("{:.2}", usage.wall / floor)),
            each(statements.map(|statements| statements.run)),
            each(statements.and_then(|statements| statements.prepared)),
            format!("{:.2}", usage.cpu),
            format!("{:.1}", usage.peak),
        ]
    };
    let heads =
        ["contestant", "seconds", "images/s", "× floor", "statements/image", "prepared/image", "CPU s", "peak MiB"];
    print(heads, contestants.iter().zip(&standings).map(row).collect())?;
    let scrubber = wall(Contestant::Scrubber);
    if let (Some(scrubber), Some(floor)) = (scrubber, floor) {
        say(&format!("glance-scrubber takes {:.2} times the floor's time", scrubber / floor))?;
    }
    if let (Some(scrubber), Some(claiming)) = (scrubber, wall(Contestant::Claiming)) {
        say(&format!("by claims it takes {:.2} times as long", claiming / scrubber))?;
    }
    if let (Some(scrubber), Some(peer)) = (scrubber, wall(Contestant::Peer)) {
        say(&format!("glance-scrubber does {:.1} times the peer's images/s", peer / scrubber))?;
    }
    let failures: Vec<_> = contestants.iter().zip(standings).filter_map(|(who, end)| Some((who, end.err()?))).collect();
    for (contestant, error) in &failures {
        say(&format!("{} FAILED: {error:#}", contestant.name()))?;
    }
    anyhow::ensure!(failures.is_empty(), "a contestant failed");
    Ok(())
}
