//! `swift`: images as objects in OpenStack's object store.
//!
//! Promises: an image goes with all its segments, those first, so that what fails is found again; `absent` only where
//! account and container answered, and where living images' objects were found in them; many images at once, over few
//! connections and with one token for each login. No token goes to a host that a row of the database names. Old versions
//! that a container keeps are left to its owner.
//!
//! The way of an image: [`address`] (the URI) → [`way`] (whose login) → [`accounts`] (which account; [`login`], [`tempauth`])
//! → [`object`] (the look) → [`dlo`] or [`slo`] with [`listing`] and [`bulk`] → [`delete`], and [`proof`] where nothing is
//! there → [`container`], where that was the image's own.
//!
//! Rejected: a page of the container's list instead of a look at each object: ids are spread all over the list, and it
//! does not say what is a manifest. Swift's own delete of a manifest with its segments: see [`slo`].

mod accounts;
mod address;
mod bulk;
mod check;
mod container;
mod delete;
mod dlo;
mod listing;
mod login;
mod object;
mod probe;
mod proof;
mod slo;
mod tempauth;
mod way;

use std::sync::Arc;

use async_trait::async_trait;
use futures::future::join_all;
use tokio::sync::Semaphore;

use self::accounts::{Account, Accounts};
use self::address::{Address, By};
use self::proof::Proofs;
use self::way::Way;
use super::client::{Client, Trust};
use super::{Answer, Finding, Outcome, Pace, Probed, Store, Target};
use crate::config::{Config, StoreId, SwiftConfig};
use crate::location::{Location, Scheme};
use crate::scrub::{Approved, Resolved};

/// Sixteen images in hand at once keep the proxy of a small cluster busy; more only wait for each other. In several calls,
/// so that a large image does not hold up what waits for the others' answers.
const PACE: Pace = Pace { workers: 4, batch: 16 };
/// Images in hand in one call.
const AT_ONCE: usize = 4;

pub(super) struct SwiftStore {
    id: StoreId,
    accounts: Accounts,
    proofs: Proofs,
}

/// A location that its account was opened for.
struct Opened {
    address: Address,
    account: Account,
    /// The locations that the same container proves something about: see [`Target::container`].
    group: String,
    /// See [`Way::name`].
    way: String,
}

impl SwiftStore {
    pub(super) fn open(id: StoreId, options: &SwiftConfig, config: &Config) -> Self {
        let trust =
            Trust { ca_file: options.ca_file.clone(), insecure: options.insecure, ca_option: "swift_store_cacert" };
        let client = Arc::new(Client::new(trust, config.scrubber.store_deadline));
        Self { id, accounts: Accounts::new(client, options.clone()), proofs: Proofs::default() }
    }

    fn place(&self, location: &Location) -> Result<(Address, Way), Answer> {
        let address = Address::parse(location).map_err(|why| Answer::because(Outcome::Malformed, why))?;
        let way = Way::find(&self.accounts.config, &address.by)?;
        Ok((address, way))
    }

    /// What one container is called: in which account it lies, as its login knows that.
    fn group(address: &Address, way: &Way) -> String {
        // A container that is one image's own says nothing of another image's.
        if address.container_is_the_images() {
            return format!("account {}", way.name);
        }
        format!("container {} of {}", crate::observe::text::harmless(&address.container), way.name)
    }

    /// Logs in for a location.
    async fn opened(&self, location: &Location) -> Result<Opened, Answer> {
        let (address, way) = self.place(location)?;
        let account = self.accounts.open(&way).await?;
        self.accounts.was_compared(&way, &account)?;
        let group = Self::group(&address, &way);
        Ok(Opened { address, account, group, way: way.name })
    }

    /// Whether new images of this store would lie in that container.
    fn is_our_container(&self, container: &str) -> bool {
        let config = &self.accounts.config;
        let rest = container.strip_prefix(&config.container);
        rest.is_some_and(|rest| rest.is_empty() || (config.many_containers && rest.starts_with('_')))
    }
}

#[async_trait]
impl Store for SwiftStore {
    fn id(&self) -> &StoreId {
        &self.id
    }

    fn schemes(&self) -> &'static [Scheme] {
        Scheme::of_store_type("swift")
    }

    fn pace(&self) -> Pace {
        PACE
    }

    async fn prepare(&self) {
        self.proofs.forget();
        self.accounts.introduce().await;
    }

    fn locate(&self, location: &Location) -> Result<Target, Answer> {
        let (address, way) = self.place(location)?;
        let identity = Some(self.accounts.identity(&way, &address));
        Ok(Target { container: Self::group(&address, &way), identity })
    }

    /// Of the store's own account and container, as its options have them.
    fn owns(&self, location: &Location) -> bool {
        let Ok((address, way)) = self.place(location) else { return false };
        let config = &self.accounts.config;
        match &address.by {
            By::Storage(_) if way.is_by_url() => config.multi_tenant && address.container_is_the_images(),
            By::Credentials { .. } => way.is_of(&config.accounts) && self.is_our_container(&address.container),
            _ => self.is_our_container(&address.container),
        }
    }

    fn expect(&self, witnesses: &[Location]) {
        let placed = witnesses.iter().filter_map(|living| {
            let (address, way) = self.place(living).ok()?;
            let group = Self::group(&address, &way);
            (!address.container_is_the_images()).then_some((group, way.name, address.container, address.object))
        });
        self.proofs.expect(placed);
    }

    async fn delete(&self, targets: &[Approved]) -> Vec<Answer> {
        let turns = &Semaphore::new(AT_ONCE);
        let one = |approved| async move {
            // Closed never happens: nobody closes it.
            let _turn = turns.acquire().await.ok();
            self.delete_one(approved).await.unwrap_or_else(|answer| answer)
        };
        join_all(targets.iter().map(one)).await
    }

    async fn probe(&self, targets: &[Resolved]) -> Vec<Probed> {
        let turns = &Semaphore::new(AT_ONCE);
        let one = |resolved: &'_ Resolved| {
            let location = resolved.location.clone();
            async move {
                let _turn = turns.acquire().await.ok();
                self.probe_one(&location).await.unwrap_or_else(Probed::from)
            }
        };
        join_all(targets.iter().map(one)).await
    }

    async fn check(&self) -> Vec<Finding> {
        self.findings().await
    }
}
