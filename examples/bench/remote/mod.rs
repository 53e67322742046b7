//! `--store s3`, `swift`, `cinder`: a bucket, a container, a project with small images as glance_store leaves them, on
//! servers that are there.
//!
//! Against this scrubber stands glance_store's own driver: its `delete` for each image, one after the other, as Glance's
//! scrubber calls it by default, and from several threads; with no database to read or write, so that it is faster than any
//! scrubber around it. To be fair:
//!
//! - Everybody first does the whole work once through a proxy that counts (see `counter.rs`), which warms the servers up. The
//!   measured runs have no proxy, but with `--latency`: there it stands for the way to the server and the time that a larger
//!   one takes, which is longer than what a small one on loopback needs to work.
//! - A program's start is not what is measured, and with Python it takes long: `images/s` and `CPU ms/image` are without what
//!   the same program takes with nothing due. (What glance_store's driver loads with its first delete counts as work.)
//! - glance_store's driver takes so long for an object in S3 that it gets fewer of them; rates are compared.
//! - Ratios are taken within each run; shown are the median and the extremes.
//! - Cinder deletes after it has answered. This scrubber waits for the end of it, and glance_store's driver does not:
//!   everybody's time ends when the last volume is gone.
//!
//! What is made and deleted is called `scrubber-bench` (in Cinder: all volumes of the project); what holds anything is
//! refused, also what an interrupted run left. `backend.py STORE CLOUD make /dev/null` empties it. The servers, their users,
//! and a Python with glance_store, boto3, python-swiftclient and python-cinderclient are told by a JSON file: `tests/cloud
//! DIR` starts servers and writes `DIR/cloud.json`, and the head of `backend.py` says what a file of your own must have.
//!
//! The peer is Glance's scrubber, which reads the same config, with the store's client libraries in its environment. On SQLite
//! it is slow and locks itself out with more than one thread: give it a server with `--database`.

mod backend;
mod counter;
mod report;

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result};

use crate::cloud::{After, Cloud, Counts, State};
use crate::fill::{Detail, fill};
use crate::measure::{self, Usage};
use crate::table::note;
use crate::{Bench, Store};
use backend::{Backend, Watch};
use counter::{Count, Counter};

/// glance_store makes a new client for each object in S3, which takes it a tenth of a second.
const S3_DRIVER_IMAGES: u64 = 200;

/// What these stores add to the command line.
#[derive(clap::Args)]
#[command(next_help_heading = "With --store s3, swift or cinder")]
#[group(id = "remote")]
pub struct Args {
    /// Where the servers are and who may use them: JSON as tests/cloud writes it
    #[arg(long, value_name = "FILE", required_if_eq_any([("store", "s3"), ("store", "swift"), ("store", "cinder")]))]
    cloud: Option<PathBuf>,
    /// The S3 server in that file
    #[arg(long, value_name = "NAME", default_value = "radosgw")]
    s3_server: String,
    /// Threads of glance_store's driver, several with commas between; each makes a contestant
    #[arg(long, value_name = "N", value_delimiter = ',', default_values_t = [1, 16])]
    driver_threads: Vec<u32>,
    /// Images for glance_store's driver (default: with --store s3 200, as it is slow; else as many as for this scrubber)
    #[arg(long, value_name = "N")]
    driver_images: Option<u64>,
    /// Milliseconds for which each request is kept on its way
    #[arg(long, value_name = "MS", default_value_t = 0)]
    latency: u64,
}

/// Who takes part.
struct Contestant {
    name: String,
    program: Program,
    images: u64,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Program {
    /// With these settings of `[scrubber]`.
    Scrubber {
        settings: String,
    },
    /// glance_store's.
    Driver {
        threads: u32,
    },
    Peer,
}

/// One measured run.
struct Round {
    /// With all images due.
    work: Usage,
    /// With none due.
    start: Usage,
}

/// What a contestant sent for all of its images.
struct Traffic {
    count: Count,
    /// The most deletes that went on in the backend at once, where it deletes after it has answered.
    deleting: Option<f64>,
}

/// What a contestant came to.
struct Showing {
    traffic: Traffic,
    rounds: Vec<Round>,
}

pub async fn run(bench: &Bench<'_>) -> Result<()> {
    let args = &bench.args.remote;
    let kind = match bench.args.store {
        Store::S3 => format!("s3:{}", args.s3_server),
        Store::Swift => "swift".to_owned(),
        _ => "cinder".to_owned(),
    };
    let cloud = args.cloud.as_deref().context("this store needs --cloud")?;
    let backend = Backend::open(kind, cloud, bench.home)?;
    let result = compete(bench, &backend).await;
    // Also after a failure: the next run wants it empty.
    backend.empty()?;
    result
}

async fn compete(bench: &Bench<'_>, backend: &Backend<'_>) -> Result<()> {
    let (contestants, counter) = (contestants(bench), Counter::open(Duration::from_millis(bench.args.remote.latency))?);
    let between = (bench.args.remote.latency > 0).then_some(&counter);
    let mut results = Vec::new();
    for contestant in &contestants {
        let counted = counted(bench, backend, contestant, &counter).await?;
        note(&match &counted {
            Ok(traffic) => format!("counting: {} sent {} requests", contestant.name, traffic.count.total()),
            Err(error) => format!("counting: {} FAILED: {error:#}", contestant.name),
        });
        results.push(counted.map(|traffic| Showing { traffic, rounds: Vec::new() }));
    }
    for run in 1..=bench.args.runs {
        // In turn within a run, so that a machine that becomes slower does so for all.
        for (contestant, result) in contestants.iter().zip(&mut results) {
            let Ok(so_far) = result else { continue };
            match one_round(bench, backend, contestant, between).await? {
                Ok(round) => {
                    let rate = round.rate(contestant.images);
                    note(&format!("run {run}: {} {:.3} s, {rate:.1} images/s", contestant.name, round.work.wall));
                    so_far.rounds.push(round);
                }
                Err(error) => {
                    note(&format!("run {run}: {} FAILED: {error:#}", contestant.name));
                    *result = Err(error);
                }
            }
        }
    }
    report::report(bench.args.store, &contestants, results)
}

fn contestants(bench: &Bench<'_>) -> Vec<Contestant> {
    let (args, images) = (bench.args, bench.cloud.counts.due);
    let scrubber = |settings: &str| Contestant {
        name: ["glance-scrubber", settings].join(" ").trim_end().to_owned(),
        program: Program::Scrubber { settings: settings.to_owned() },
        images,
    };
    let driver = |&threads: &u32| Contestant {
        name: format!("glance_store{}", if threads == 1 { String::new() } else { format!(", {threads} threads") }),
        program: Program::Driver { threads },
        images: args.remote.driver_images.unwrap_or(if args.store == Store::S3 { S3_DRIVER_IMAGES } else { images }),
    };
    let mut contestants = vec![scrubber("")];
    contestants.extend(args.with.iter().map(|settings| scrubber(settings)));
    contestants.extend(args.remote.driver_threads.iter().map(driver));
    if args.peer.is_some() {
        let images = args.peer_images.unwrap_or(images);
        contestants.push(Contestant { name: "the peer".to_owned(), program: Program::Peer, images });
    }
    contestants
}

/// Does the work with all requests counted. The inner error is the contestant's.
async fn counted(
    bench: &Bench<'_>,
    backend: &Backend<'_>,
    contestant: &Contestant,
    counter: &Counter,
) -> Result<Result<Traffic>> {
    let watch = watch(bench, backend, "watch")?;
    counter.take();
    let work = attempt(bench, backend, contestant, contestant.images, Some(counter)).await;
    let deleting = watch.map(Watch::end).transpose()?;
    let count = counter.take();
    Ok(work?.map(|_| Traffic { count, deleting }))
}

/// Where the backend deletes after it has answered: see [`Backend::watch`].
fn watch(bench: &Bench<'_>, backend: &Backend<'_>, how: &str) -> Result<Option<Watch>> {
    (bench.args.store == Store::Cinder).then(|| backend.watch(how)).transpose()
}

/// The inner error is the contestant's.
async fn one_round(
    bench: &Bench<'_>,
    backend: &Backend<'_>,
    contestant: &Contestant,
    between: Option<&Counter>,
) -> Result<Result<Round>> {
    let start = match attempt(bench, backend, contestant, 0, between).await? {
        Ok(start) => start,
        Err(error) => return Ok(Err(error)),
    };
    let work = attempt(bench, backend, contestant, contestant.images, between).await?;
    Ok(work.map(|work| Round { work, start }))
}

/// Refills, runs, verifies. `between`: a proxy on the way to the servers.
async fn attempt(
    bench: &Bench<'_>,
    backend: &Backend<'_>,
    contestant: &Contestant,
    due: u64,
    between: Option<&Counter>,
) -> Result<Result<Usage>> {
    let cloud = backend.fill(Counts { due, ..bench.cloud.counts })?;
    fill(&cloud, &bench.place, Detail::All).await?;
    let mut command = contestant.program.command(bench, backend, &cloud)?;
    if let Some(counter) = between {
        command.env("http_proxy", counter.url()).env("no_proxy", "");
    }
    let rest = watch(bench, backend, "settle")?;
    let usage = match measure::run(&command, Stdio::null(), bench.home)? {
        Ok(usage) => Usage { wall: usage.wall + rest.map_or(Ok(0.0), Watch::end)?, ..usage },
        Err(error) => return Ok(Err(error)),
    };
    let data = backend.verify(&cloud)?;
    let after = if contestant.program.records() { After::Scrubbing } else { After::Looking };
    let mut database = bench.place.connect().await?;
    let rows = cloud.verify_rows(&mut database, after).await;
    database.close().await?;
    Ok(data.and(rows).map(|()| usage))
}

impl Program {
    /// Whether it is more than a store's driver.
    fn records(&self) -> bool {
        !matches!(self, Self::Driver { .. })
    }

    /// What scrubs once. Writes what it reads.
    fn command(&self, bench: &Bench<'_>, backend: &Backend<'_>, cloud: &Cloud) -> Result<Command> {
        let settings = match self {
            Self::Scrubber { settings } => settings.split_whitespace().collect::<Vec<_>>().join("\n"),
            Self::Driver { .. } | Self::Peer => String::new(),
        };
        bench.write_config(&format!("{}[scrubber]\n{settings}\n", backend.config()))?;
        match self {
            Self::Scrubber { .. } => Ok(bench.scrubber()),
            Self::Driver { threads } => {
                let due = cloud.images().filter(|image| image.state == State::Due);
                backend.driver(due.map(|image| cloud.location(&image)), *threads, &bench.config_file())
            }
            Self::Peer => bench.peer(),
        }
    }
}

impl Round {
    /// Images in a second, without the program's start.
    fn rate(&self, images: u64) -> f64 {
        images as f64 / (self.work.wall - self.start.wall)
    }
}
