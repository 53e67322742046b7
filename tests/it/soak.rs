//! A storm: scrubbers that are killed and stopped again and again, restores, and a writer that creates and deletes, all on
//! one database; on MariaDB and on PostgreSQL at the same time.
//!
//! What must hold is looked at all along (`check`). Then the storm ends, and one quiet run must finish everything.
//! `SCRUBBER_SOAK_SECONDS` says how long the storm lasts, `SCRUBBER_TEST_SEED` what it is like; `tests/soak` sets both.
//! Some images share their data: the restore of one may meet the deletion of another.
//! What it did is counted, and the counts are added to the file that `SCRUBBER_TEST_CASES` names.

mod check;
mod counts;
mod model;
mod restorer;
mod storm;
mod writer;

use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use fastrand::Rng;

use crate::support::binary::Scrubber;
use crate::support::database::Session;
use crate::support::servers::Engine;
use crate::support::site::Site;
use counts::Counts;
use model::Model;

/// How long without another word.
const SECONDS: u64 = 60;

/// `claim_lease`, in seconds.
const LEASE: u64 = 3;

/// Everything that the actors of one storm share.
struct Soak {
    site: Site,
    config: PathBuf,
    model: Mutex<Model>,
    counts: Counts,
    /// The storm is over, or one of the actors has failed.
    over: AtomicBool,
    seed: u64,
}

impl Soak {
    fn new(engine: Engine, seed: u64) -> Soak {
        let site = Site::new(engine);
        for store in STORES {
            std::fs::create_dir(directory_of(&site, store)).unwrap();
        }
        let config = site.config(&format!(
            "[DEFAULT]\nscrub_time = 1\nwakeup_time = 1\nenabled_backends = one:file, two:file\n\
             [one]\nfilesystem_store_datadir = {dir}/one\n[two]\nfilesystem_store_datadir = {dir}/two\n\
             [scrubber]\ncoordination = database\nstore_deadline = 1\nclaim_lease = {LEASE}\n",
            dir = site.directory.path().display(),
        ));
        let (model, counts, over) = (Mutex::default(), Counts::default(), AtomicBool::new(false));
        Soak { site, config, model, counts, over, seed }
    }

    fn engine(&self) -> Engine {
        self.site.database.engine
    }

    fn scrubber(&self) -> Scrubber {
        Scrubber::new().config_file(&self.config)
    }

    /// Whether the first scrubber has made its tables.
    fn claims_are_made(&self, session: &mut Session) -> bool {
        let made = match self.engine() {
            Engine::Postgres => "SELECT 1 FROM pg_tables WHERE tablename = 'scrubber_schema'",
            _ => "SHOW TABLES LIKE 'scrubber_schema'",
        };
        !session.rows(made).is_empty()
    }

    /// The random numbers of one actor: the same for the same seed, whatever the others do.
    fn random(&self, actor: u64) -> Rng {
        Rng::with_seed(self.seed.wrapping_mul(31).wrapping_add(actor))
    }

    fn is_over(&self) -> bool {
        self.over.load(Ordering::SeqCst)
    }

    /// Lets time pass: not to wait for something, but because the storm is made of moments. Ends early with the storm.
    fn pass(&self, time: Duration) {
        let until = Instant::now() + time;
        while !self.is_over() && Instant::now() < until {
            std::thread::park_timeout(until.saturating_duration_since(Instant::now()).min(Duration::from_millis(100)));
        }
    }
}

/// The stores, which are named like their directories.
const STORES: [&str; 2] = ["one", "two"];

fn directory_of(site: &Site, store: &str) -> PathBuf {
    site.directory.path().join(store)
}

/// Ends the storm when an actor panics, so that the others do not go on for a minute.
struct EndsWithMe<'a>(&'a Soak);

impl Drop for EndsWithMe<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.over.store(true, Ordering::SeqCst);
        }
    }
}

fn run(engine: Engine, length: Duration, seed: u64) {
    let soak = Soak::new(engine, seed);
    let begun = Instant::now();
    std::thread::scope(|scope| {
        let actor = |act: fn(&Soak)| {
            let soak = &soak;
            scope.spawn(move || {
                let _end = EndsWithMe(soak);
                act(soak);
            })
        };
        let actors: [fn(&Soak); 5] = [
            writer::write,
            restorer::restore,
            |soak| storm::scrub(soak, 1),
            |soak| storm::scrub(soak, 2),
            check::look_on,
        ];
        let actors: Vec<_> = actors.into_iter().map(actor).collect();
        soak.pass(length);
        soak.over.store(true, Ordering::SeqCst);
        for actor in actors {
            if let Err(panic) = actor.join() {
                std::panic::resume_unwind(panic);
            }
        }
    });
    let stormed = begun.elapsed();
    check::all_is_quiet(&soak);
    let line = format!(
        "soak on {engine:?}, {} s and {} s to finish, seed {seed} | {}",
        stormed.as_secs(),
        (begun.elapsed() - stormed).as_secs(),
        soak.counts
    );
    println!("{line}");
    counts::add_line(&line);
}

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok().map(|text| text.parse().unwrap_or_else(|e| panic!("{variable}: {e}")))
}

/// On both servers at once.
#[test]
fn nothing_is_lost_and_nothing_stays_in_a_storm() {
    let length = Duration::from_secs(number("SCRUBBER_SOAK_SECONDS").unwrap_or(SECONDS));
    let seed = number("SCRUBBER_TEST_SEED").unwrap_or_else(|| fastrand::u64(..));
    println!("SCRUBBER_TEST_SEED={seed}");
    std::thread::scope(|scope| {
        for engine in [Engine::Mariadb, Engine::Postgres] {
            if engine.admin_url().is_some() {
                scope.spawn(move || run(engine, length, seed));
            }
        }
    });
}
