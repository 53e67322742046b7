//! `--store rbd`: a pool of thin images, each with a little data and a protected snapshot, as Glance leaves them.
//!
//! Against this scrubber stand the bare calls of librbd (open, unprotect, snap_remove, close, remove) from many threads of
//! one process, which are the floor, and the peer, as it is by default and with 16 images at a time. To be fair and quick:
//!
//! - Removing a snapshot waits for a commit of Ceph's monitors, once a second with Ceph's own settings: measure on a cluster
//!   that has not been told to commit faster, or there is nothing to see. And one that nobody else uses.
//! - The peer by default does one image a second, so that it gets fewer of them; rates are compared.
//! - A program's start is not what is measured, and with Python it takes long: `images/s` and `CPU ms/image` are without
//!   what the same program takes with nothing due.
//! - Ratios are taken within each run; shown are the median and the extremes.
//! - Connections are counted by the cluster: it numbers its clients. With one monitor the count is exact.
//!
//! The pool is filled and emptied again and again: one that holds anything is refused, also what an interrupted run left;
//! `pool.py CONF USER POOL make /dev/null 1 1 default` empties it. What is done to it, and the floor, is
//! `pool.py` in Debian's Python with python3-rados and python3-rbd. Rejected: librbd from here, since declaring C functions
//! is unsafe code, and a program in Python that only waits for librbd is as fast.
//!
//! The peer is Glance's scrubber, which reads the same config: `--peer VENV/bin/glance-scrubber`, with both modules in its
//! environment (links to Debian's two files will do). On SQLite its threads lock each other out, and with 16 images at a
//! time it FAILS: give it a server with `--database`.

mod pool;
mod report;

use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context, Result};

use crate::Bench;
use crate::cloud::{After, Cloud, Counts, State};
use crate::fill::{Detail, fill};
use crate::measure::{self, Usage};
use crate::table::note;
use pool::Pool;

/// So many at a time on both sides, where the peer is not at its defaults.
const AT_A_TIME: u32 = 16;

/// Images for the peer at its defaults, which takes a second for each.
const PEER_IMAGES: u64 = 20;

/// What `--store rbd` adds to the command line.
#[derive(clap::Args)]
#[command(next_help_heading = "With --store rbd")]
#[group(id = "rbd")]
pub struct Args {
    /// The cluster's config file
    #[arg(long, value_name = "FILE", required_if_eq("store", "rbd"))]
    ceph_conf: Option<PathBuf>,
    /// A pool that is empty, and will be filled and emptied
    #[arg(long, value_name = "NAME", required_if_eq("store", "rbd"))]
    pool: Option<String>,
    /// Ceph's user, without client.
    #[arg(long, value_name = "NAME", required_if_eq("store", "rbd"))]
    user: Option<String>,
    /// Threads of the floor, several with commas between; each makes a contestant
    #[arg(long, value_name = "N", value_delimiter = ',', default_values_t = [16, 32, 64, 128])]
    floor_threads: Vec<u32>,
    /// Measure with so many images too: memory should not grow with them
    #[arg(long, value_name = "N")]
    many: Option<u64>,
    /// Size of an image
    #[arg(long, value_name = "GIB", default_value_t = 1)]
    image_gib: u64,
    /// Data in each image
    #[arg(long, value_name = "MIB", default_value_t = 2)]
    image_mib: u64,
    /// Images' features as a number: 1 makes them without object-map and fast-diff (default: as the cluster says)
    #[arg(long, value_name = "BITS")]
    image_features: Option<u64>,
    /// A Python that has rados and rbd
    #[arg(long, value_name = "PATH", default_value = "/usr/bin/python3")]
    python: PathBuf,
}

/// Who takes part.
struct Contestant {
    name: String,
    program: Program,
    images: u64,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Program {
    Floor {
        threads: u32,
    },
    /// With these settings of `[scrubber]`.
    Scrubber {
        settings: String,
    },
    /// With this `scrub_pool_size`, or its own.
    Peer {
        at_a_time: Option<u32>,
    },
}

/// One measured run.
struct Round {
    /// With all images due.
    work: Usage,
    /// With none due.
    start: Usage,
    connections: u64,
}

pub async fn run(bench: &Bench<'_>) -> Result<()> {
    let pool = Pool::open(&bench.args.rbd, bench.home)?;
    let result = compete(bench, &pool).await;
    // Also after a failure: the next run wants it empty.
    pool.fill(&[])?;
    result
}

async fn compete(bench: &Bench<'_>, pool: &Pool<'_>) -> Result<()> {
    let contestants = contestants(bench);
    let mut results: Vec<Result<Vec<Round>>> = contestants.iter().map(|_| Ok(Vec::new())).collect();
    for run in 1..=bench.args.runs {
        // In turn within a run, so that a machine that becomes slower does so for all.
        for (contestant, result) in contestants.iter().zip(&mut results) {
            let Ok(rounds) = result else { continue };
            match one_round(bench, pool, contestant).await? {
                Ok(round) => {
                    let rate = round.rate(contestant.images);
                    note(&format!("run {run}: {} {:.3} s, {rate:.1} images/s", contestant.name, round.work.wall));
                    rounds.push(round);
                }
                Err(error) => {
                    note(&format!("run {run}: {} FAILED: {error:#}", contestant.name));
                    *result = Err(error);
                }
            }
        }
    }
    report::report(&contestants, results)
}

fn contestants(bench: &Bench<'_>) -> Vec<Contestant> {
    let (args, images) = (&bench.args.rbd, bench.cloud.counts.due);
    let floor = |&threads: &u32| Contestant {
        name: format!("librbd alone, {threads} threads"),
        program: Program::Floor { threads },
        images,
    };
    let mut contestants: Vec<_> = args.floor_threads.iter().map(floor).collect();
    let scrubber = |settings: &str, images| Contestant {
        name: ["glance-scrubber", settings].join(" ").trim_end().to_owned(),
        program: Program::Scrubber { settings: settings.to_owned() },
        images,
    };
    contestants.push(scrubber("", images));
    contestants.extend(bench.args.with.iter().map(|settings| scrubber(settings, images)));
    contestants.extend(args.many.map(|many| scrubber("", many)));
    if bench.args.peer.is_some() {
        contestants.push(scrubber(&limited(), images));
        for (at_a_time, images) in [(None, bench.args.peer_images.unwrap_or(PEER_IMAGES)), (Some(AT_A_TIME), images)] {
            let settings = at_a_time.map_or(String::new(), |number| format!(" scrub_pool_size={number}"));
            let name = format!("the peer{settings}");
            contestants.push(Contestant { name, program: Program::Peer { at_a_time }, images });
        }
    }
    contestants
}

/// This scrubber with as many image removals as the peer has.
fn limited() -> String {
    format!("rbd_removals={AT_A_TIME} rbd_workers=64")
}

/// The inner error is the contestant's.
async fn one_round(bench: &Bench<'_>, pool: &Pool<'_>, contestant: &Contestant) -> Result<Result<Round>> {
    let (start, _) = match attempt(bench, pool, contestant, 0).await? {
        Ok(start) => start,
        Err(error) => return Ok(Err(error)),
    };
    let work = attempt(bench, pool, contestant, contestant.images).await?;
    Ok(work.map(|(work, connections)| Round { work, start, connections }))
}

/// Refills, runs, verifies. The number is that of connections.
async fn attempt(
    bench: &Bench<'_>,
    pool: &Pool<'_>,
    contestant: &Contestant,
    due: u64,
) -> Result<Result<(Usage, u64)>> {
    let cloud = pool.cloud(Counts { due, ..bench.cloud.counts });
    fill(&cloud, &bench.place, Detail::All).await?;
    pool.fill(&cloud.images().map(|image| image.id).collect::<Vec<_>>())?;
    let command = contestant.program.command(bench, pool, &cloud)?;
    let before = pool.mark()?;
    let usage = match measure::run(&command, Stdio::null(), bench.home)? {
        Ok(usage) => usage,
        Err(error) => return Ok(Err(error)),
    };
    let connections = pool.connections_since(&before)?;
    let data = pool.verify(&cloud)?;
    let after = if contestant.program.records() { After::Scrubbing } else { After::Looking };
    let mut database = bench.place.connect().await?;
    let rows = cloud.verify_rows(&mut database, after).await;
    database.close().await?;
    Ok(data.and(rows).map(|()| (usage, connections)))
}

impl Program {
    /// Whether it is more than calls to librbd.
    fn records(&self) -> bool {
        !matches!(self, Self::Floor { .. })
    }

    /// What scrubs once. Writes what it reads.
    fn command(&self, bench: &Bench<'_>, pool: &Pool<'_>, cloud: &Cloud) -> Result<Command> {
        match self {
            Self::Floor { threads } => {
                let due = cloud.images().filter(|image| image.state == State::Due).map(|image| image.id);
                pool.floor(&due.collect::<Vec<_>>(), *threads)
            }
            Self::Scrubber { settings } => {
                let settings = settings.split_whitespace().collect::<Vec<_>>().join("\n");
                bench.write_config(&format!("{}[scrubber]\n{settings}\n", pool.config()))?;
                Ok(bench.scrubber())
            }
            Self::Peer { at_a_time } => {
                let size = at_a_time.map_or(String::new(), |number| format!("scrub_pool_size = {number}\n"));
                bench.write_config(&format!("{}[DEFAULT]\n{size}", pool.config()))?;
                bench.peer()
            }
        }
    }
}

impl Round {
    /// Images in a second, without the program's start.
    fn rate(&self, images: u64) -> f64 {
        images as f64 / (self.work.wall - self.start.wall)
    }
}

/// The value of an option that clap has seen to.
fn given<T>(option: Option<&T>) -> Result<&T> {
    option.context("--store rbd needs --ceph-conf, --pool and --user")
}
