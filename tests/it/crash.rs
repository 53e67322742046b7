//! The program killed at each of its named places, and anywhere: with each database, and with each way of sharing work.
//!
//! After a kill the files and the rows are held against what is allowed at that place (`scene`), then the program is run
//! again until nothing is left to do, and everything that was due must be gone, and nothing else.

mod anywhere;
mod places;
mod restores;
mod scene;

use std::path::PathBuf;
use std::sync::Mutex;

use crate::support::database::Database;
use crate::support::servers::Engine;
use crate::support::site::Site;

/// Cases of one test at the same time.
const WIDTH: usize = 4;

/// How the scrubber under test shares its work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sharing {
    /// `coordination = none`.
    Alone,
    /// `coordination = database`.
    Within,
    /// The same, with `state_connection`.
    Beside,
}

impl Sharing {
    pub const ALL: [Sharing; 3] = [Sharing::Alone, Sharing::Within, Sharing::Beside];
}

/// A site, and where its claims are.
pub struct Shared {
    pub site: Site,
    pub sharing: Sharing,
    /// The database that `state_connection` names.
    state: Option<Database>,
}

impl Shared {
    pub fn new(engine: Engine, sharing: Sharing) -> Shared {
        let state = (sharing == Sharing::Beside).then(|| Database::fresh(engine));
        Shared { site: Site::new(engine), sharing, state }
    }

    /// The site's config, with the stores `file` and `http`. Leases are short, so that a dead run's lapse soon.
    pub fn config(&self) -> PathBuf {
        let by_claims = "coordination = database\nstore_deadline = 2\nclaim_lease = 4\n";
        let sharing = match self.sharing {
            // A file of its own: nobody waits for the scrubber of another test.
            Sharing::Alone => "lock_file = {dir}/lock".to_owned(),
            Sharing::Within => by_claims.to_owned(),
            Sharing::Beside => {
                format!("{by_claims}state_connection = {}", self.state.as_ref().map_or("", Database::url))
            }
        };
        self.site.config(&format!("stores = file,http\n[scrubber]\n{sharing}\n"))
    }

    /// The database with the table of claims, if there is one: who was killed early has not made it.
    fn claims(&self) -> Option<&Database> {
        let database = match self.sharing {
            Sharing::Alone => return None,
            Sharing::Within => &self.site.database,
            Sharing::Beside => self.state.as_ref()?,
        };
        let is_there = match database.engine {
            Engine::Sqlite => "SELECT 1 FROM sqlite_master WHERE name = 'scrubber_locations'",
            Engine::Mariadb => "SHOW TABLES LIKE 'scrubber_locations'",
            Engine::Postgres => "SELECT 1 FROM pg_tables WHERE tablename = 'scrubber_locations'",
        };
        (!database.rows(is_there).is_empty()).then_some(database)
    }

    /// Locations that somebody has claimed, lapsed or not.
    pub fn claimed(&self) -> usize {
        let claimed = |claims: &Database| claims.rows("SELECT 1 FROM scrubber_locations WHERE owner IS NOT NULL").len();
        self.claims().map_or(0, claimed)
    }

    /// Lets everything be tried at once. A machine as loaded as a tests' may let a short lease run out before its turn.
    pub fn retry_now(&self) {
        if let Some(claims) = self.claims() {
            claims.execute("UPDATE scrubber_locations SET next_attempt_at = NULL");
        }
    }
}

/// Whether `engine` is at hand; said and left out where it is not, a failure where all must be.
fn is_at_hand(engine: Engine) -> bool {
    engine == Engine::Sqlite || engine.admin_url().is_some()
}

/// Does all of `cases`, some at the same time: most of a case is waiting for leases to lapse.
fn beside_each_other<T: Send>(cases: impl IntoIterator<Item = T>, act: impl Fn(T) + Sync) {
    let cases = Mutex::new(cases.into_iter().collect::<Vec<_>>());
    let next = || cases.lock().unwrap().pop();
    std::thread::scope(|scope| {
        for _ in 0..WIDTH {
            scope.spawn(|| {
                while let Some(case) = next() {
                    act(case);
                }
            });
        }
    });
}
