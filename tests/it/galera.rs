//! Scrubbers on a Galera cluster, each at a node of its own: where a row's lock is not seen by the other node, and a
//! transaction that lost is told so at its COMMIT.

mod claims;
mod nodes;
mod scrub;
mod strict;

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use chrono::{TimeDelta, Utc};
use glance_scrubber::catalog::{
    self, Batch, CatalogError, Claims, Coordination, ImageId, Ledger, LocationId, Settlement, Taken, Wanted,
};
use glance_scrubber::claim::{Owner, Party};
use glance_scrubber::config::{Config, ConfigSource, Invocation, load};

use crate::support::database::Database;
use crate::support::eventually;
use crate::support::galera::Galera;
use crate::support::rows::Image;
use crate::support::site::Site;

const DEADLINE: Duration = Duration::from_secs(20);
const LEASE: Duration = Duration::from_secs(60);

/// What a host needs to use claims.
const BY_CLAIMS: &str = "[scrubber]\ncoordination = database\n";

/// A scrubber's hosts at both nodes: one data directory, one database, two ways to it.
struct Pair {
    /// At node 1, with the data.
    site: Site,
    /// As node 2 has it.
    second: Database,
}

impl Pair {
    fn new(cluster: &Galera) -> Pair {
        let [first, second] = cluster.databases();
        Pair { site: Site::with(first), second }
    }

    /// The config files of the two hosts.
    fn configs(&self, more: &str) -> [PathBuf; 2] {
        let first = self.site.config(more);
        let text = std::fs::read_to_string(&first).unwrap();
        let second = self.site.directory.path().join("at-node-2.conf");
        std::fs::write(&second, text.replace(self.site.database.url(), self.second.url())).unwrap();
        [first, second]
    }

    /// The library's view from each node.
    async fn sides(&self) -> [Side; 2] {
        let [first, second] = self.configs(BY_CLAIMS).map(config);
        let (first, second) = tokio::join!(Side::new(&first), Side::new(&second));
        [first, second]
    }
}

/// One node, as a cycle sees it.
#[derive(Clone)]
struct Side {
    ledger: Arc<dyn Ledger>,
    claims: Arc<dyn Claims>,
}

impl Side {
    async fn new(config: &Config) -> Side {
        let ledger = catalog::open(&config.database, DEADLINE).await.unwrap();
        let Coordination::Within(claims) =
            catalog::coordinate(&config.scrubber.sharing, &ledger, DEADLINE).await.unwrap()
        else {
            panic!("not in Glance's database")
        };
        Side { ledger, claims }
    }

    async fn take(&self, owner: &Owner, wanted: &[Wanted]) -> Vec<Taken> {
        self.claims.take(owner, wanted, LEASE, false).await.unwrap()
    }

    /// The status of a location, as this node has it now, without waiting for the other one.
    async fn status(&self, id: LocationId) -> String {
        self.ledger.locations(&[id]).await.unwrap().remove(0).unwrap().status
    }
}

fn config(file: PathBuf) -> Config {
    load(&Invocation::from_process(vec![ConfigSource::File(file)], Vec::new())).unwrap()
}

/// Runs `test` on the shared cluster, where there is one.
fn on_a_cluster<F: Future<Output = ()>>(test: impl FnOnce(Arc<Pair>) -> F) {
    let Some(cluster) = Galera::shared() else { return };
    let pair = Arc::new(Pair::new(&cluster));
    runtime().block_on(test(pair));
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}

fn scrubber() -> Owner {
    Owner::new(Party::Scrubber)
}

fn wanted(ids: impl IntoIterator<Item = i64>) -> Vec<Wanted> {
    ids.into_iter().map(|id| Wanted { location: LocationId(id), image: ImageId(format!("image-{id}")) }).collect()
}

fn is_granted(taken: &Taken) -> bool {
    matches!(taken, Taken::Granted(_))
}
