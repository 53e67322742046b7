//! How fast the scrubber is: against the least that any scrubber must do on this machine, and against another one.
//!
//! `cargo run --release --example bench -- [--images N] [--database URL --schema FILE] [--peer COMMAND]`
//!
//! Promises: every contestant meets the same rows and files, is a process of its own measured in the same way, and is
//! verified afterwards, file by file and state by state; who fails is shown as FAILED, without a number. The database
//! is filled and emptied again and again, so one that holds images is refused. Needs GNU time (Debian: `time`), and a
//! server that nobody else uses, because its statements are counted. The temporary directory decides what an unlink
//! costs: name one on the file system in question with `--dir`.
//!
//! `cargo run --release --example bench -- --store rbd --ceph-conf FILE --pool NAME --user NAME [--peer COMMAND]`
//!
//! The same on a Ceph cluster, whose pool is filled and emptied too; see `rbd/mod.rs`.
//!
//! `cargo run --release --example bench -- --store s3|swift|cinder --cloud FILE [--peer COMMAND]`
//!
//! The same on servers of these, against glance_store's driver; see `remote/mod.rs`.

mod cloud;
mod contest;
mod database;
mod files;
mod fill;
mod floor;
mod measure;
mod rbd;
mod remote;
mod sharing;
mod table;
mod watch;

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use clap::{Parser, ValueEnum};

use cloud::{Cloud, Counts};
use database::Place;

#[derive(Parser)]
struct Args {
    /// Images in the state that the mode is about (default: 10000; with --store swift 2000, with rbd and cinder 200)
    #[arg(long, value_name = "N")]
    images: Option<u64>,
    /// Of these, so many are due, the others have to wait (scrub and dry-run; default: all)
    #[arg(long, value_name = "N")]
    due: Option<u64>,
    /// SQLAlchemy URL of an empty database, or of a SQLite file that does not exist yet (default: a temporary one)
    #[arg(long, value_name = "URL")]
    database: Option<String>,
    /// Load Glance's tables from this dump (mariadb-dump, pg_dump) if the database has none
    #[arg(long, value_name = "FILE")]
    schema: Option<PathBuf>,
    /// Where the temporary data directory is made
    #[arg(long, value_name = "DIR", default_value_os_t = std::env::temp_dir())]
    dir: PathBuf,
    /// How often everything is measured; medians are shown
    #[arg(long, value_name = "N", default_value_t = 3)]
    runs: usize,
    /// Another scrubber to compare with: a shell command, run with --config-file FILE behind it
    #[arg(long, value_name = "COMMAND")]
    peer: Option<String>,
    /// Images for the peer, where it is slow (default: with --store rbd 20; else as many as for the others)
    #[arg(long, value_name = "N")]
    peer_images: Option<u64>,
    /// Measure with these settings of [scrubber] too, as in "rbd_workers=32 rbd_removals=8"; may be given several times (not
    /// with --store file)
    #[arg(long, value_name = "SETTINGS")]
    with: Vec<String>,
    /// With `database`, this scrubber takes part once more, sharing its work by claims (scrub with --store file)
    #[arg(long, value_enum, default_value_t = Coordination::None)]
    coordination: Coordination,
    /// What is measured
    #[arg(long, value_enum, default_value_t = Mode::Scrub)]
    mode: Mode,
    /// Where the images' data is
    #[arg(long, value_enum, default_value_t = Store::File)]
    store: Store,
    /// The glance-scrubber to measure (default: the one built beside this program)
    #[arg(long, value_name = "PATH")]
    binary: Option<PathBuf>,
    /// Be the floor: do the least, with the data directory that --dir names
    #[arg(long, hide = true)]
    be_the_floor: bool,
    #[command(flatten)]
    rbd: rbd::Args,
    #[command(flatten)]
    remote: remote::Args,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Coordination {
    /// As if this were the only scrubber
    None,
    /// By claims in the database
    Database,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Store {
    /// A directory
    File,
    /// A pool of a Ceph cluster; in mode scrub only, as all that follow
    Rbd,
    /// A bucket
    S3,
    /// A container
    Swift,
    /// Volumes
    Cinder,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Mode {
    /// N due images with a file each: the floor, this scrubber, the peer
    Scrub,
    /// N due images: the listing of all of them, and its memory
    DryRun,
    /// N deleted images and nothing pending: what a wake-up costs beyond its one query
    Idle,
    /// N pending images, none of which is due
    Pending,
    /// N due images in a store that takes 50 ms for each: two scrubbers that share them, against one
    Sharing,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let args = Args::parse();
    if args.be_the_floor {
        let url = args.database.as_deref().context("the floor needs --database")?;
        return floor::run(&files::cloud(counts(&args)?, &args.dir), &args.dir, url).await;
    }
    ensure!(args.runs > 0, "--runs must be at least 1");
    ensure!(args.store == Store::File || args.mode == Mode::Scrub, "only --store file has other modes than scrub");
    let home = tempfile::Builder::new().prefix("scrubber-bench-").tempdir_in(&args.dir)?;
    let data = home.path().join("images");
    std::fs::create_dir(&data)?;
    let place = Place::new(args.database.as_deref(), args.schema.as_deref(), home.path())?;
    place.prepare().await?;
    let binary = binary(args.binary.as_deref())?;
    let cloud = files::cloud(counts(&args)?, &data);
    let bench = Bench { cloud, data, place, binary, home: home.path(), args: &args };
    let result = match (args.store, args.mode) {
        (Store::Rbd, _) => rbd::run(&bench).await,
        (Store::S3 | Store::Swift | Store::Cinder, _) => remote::run(&bench).await,
        (Store::File, Mode::Scrub) => contest::run(&bench).await,
        (Store::File, Mode::Sharing) => sharing::run(&bench).await,
        (Store::File, Mode::DryRun | Mode::Idle | Mode::Pending) => watch::run(&bench).await,
    };
    // Also after a failure: the next run wants it empty.
    bench.place.empty().await?;
    result
}

/// All that a mode needs.
struct Bench<'a> {
    cloud: Cloud,
    data: PathBuf,
    place: Place,
    binary: PathBuf,
    home: &'a Path,
    args: &'a Args,
}

fn counts(args: &Args) -> Result<Counts> {
    let images = args.images.unwrap_or(match args.store {
        Store::File | Store::S3 => 10_000,
        Store::Swift => 2_000,
        Store::Rbd | Store::Cinder => 200,
    });
    let due = args.due.unwrap_or(images);
    ensure!(images > 0 && due <= images, "--images must be at least 1, and --due not more than it");
    let none = Counts { due: 0, waiting: 0, gone: 0, living: (images / 10).max(1) };
    Ok(match args.mode {
        Mode::Scrub | Mode::DryRun | Mode::Sharing => Counts { due, waiting: images - due, ..none },
        Mode::Idle => Counts { gone: images, ..none },
        Mode::Pending => Counts { waiting: images, ..none },
    })
}

/// The scrubber beside this program, made new if cargo runs us: an old one would be measured without anybody noticing.
fn binary(asked: Option<&Path>) -> Result<PathBuf> {
    if let Some(asked) = asked {
        return Ok(asked.to_owned());
    }
    if let Some(cargo) = std::env::var_os("CARGO") {
        let mut build = Command::new(cargo);
        build.args(["build", "--quiet", "--bin", "glance-scrubber"]).current_dir(env!("CARGO_MANIFEST_DIR"));
        build.args((!cfg!(debug_assertions)).then_some("--release"));
        ensure!(build.status()?.success(), "glance-scrubber cannot be built");
    }
    let here = std::env::current_exe()?;
    let beside = here.parent().and_then(Path::parent).context("no directory above this program")?;
    let binary = beside.join("glance-scrubber");
    ensure!(binary.exists(), "{} does not exist; build it, or name it with --binary", binary.display());
    Ok(binary)
}
