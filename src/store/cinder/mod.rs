//! `cinder`: images as volumes.
//!
//! Promises: a volume counts as deleted when it is not there any more, and not when Cinder has taken the order (`deleting`
//! until then, without holding a worker); only a volume that Glance made for just this image is touched; what Cinder or the
//! volume's state forbids is said in words; a missing volume is `absent` only where it would have been seen ([`proof`]).
//! Fails by answering, per volume. Without credentials of its own a store can delete nothing: glance_store uses those of the
//! request, and a scrubber has none.
//!
//! The way of a volume: [`address`] (the URI) → a look → [`volume`] (whose is it, may it go) → `DELETE` → [`orders`], and
//! looks until it is gone. [`api`] has the requests.
//!
//! Rejected: `DELETE` without a look, as glance_store does it: with an administrator's rights it takes any volume of the
//! cloud that a location names; `force` and `cascade`, which take what others hold; waiting within the call, which holds a
//! worker for minutes.

mod address;
mod api;
mod check;
mod deleting;
mod orders;
mod proof;
mod volume;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures::future::join_all;
use reqwest::Url;
use tokio::time::Instant;

use self::address::Address;
use self::api::{Api, Seen, Taken};
use self::deleting::Deleting;
use self::orders::Orders;
use self::proof::Proof;
use self::volume::{Owner, Standing, Volume};
use super::client::{Client, Trust};
use super::keystone::{Credentials, Interface, Named, Session, Wanted, Who};
use super::{Answer, Finding, Outcome, Pace, Probed, Store, Target};
use crate::config::{CinderConfig, CinderUser, Config, StoreConfig, StoreId, StoreKind};
use crate::location::{Location, Scheme};
use crate::observe::text::harmless;
use crate::scrub::{Approved, Resolved};

/// Requests at once: enough to hide the way to Cinder and back.
const WORKERS: usize = 32;

pub(super) struct CinderStore {
    id: StoreId,
    /// `None`: why it cannot be asked.
    api: Result<Arc<Api>, Answer>,
    /// Where the volumes are, for people. No credential.
    place: String,
    /// `cinder_state_transition_timeout`.
    timeout: Duration,
    /// The other stores of this type, and whether they lead to the same volumes.
    others: Vec<(StoreId, bool)>,
    orders: Orders,
    deleting: Deleting,
    proof: Proof,
}

impl CinderStore {
    pub(super) fn open(id: StoreId, options: &CinderConfig, config: &Config) -> Self {
        let other = |store: &StoreConfig| match &store.kind {
            StoreKind::Cinder(other) if store.id != id => Some((store.id.clone(), other.is_same_place(options))),
            _ => None,
        };
        let session = session(&id, options, config.scrubber.store_deadline);
        Self {
            others: config.stores.stores.iter().filter_map(other).collect(),
            api: session.map(|session| Arc::new(Api::new(session, options))),
            place: place(options),
            timeout: options.timeout,
            orders: Orders::default(),
            deleting: Deleting::default(),
            proof: Proof::default(),
            id,
        }
    }

    fn address(&self, location: &Location) -> Result<Address, Answer> {
        let address = Address::parse(location.uri.expose()).ok_or_else(|| {
            Answer::because(Outcome::Malformed, "it does not end in a volume id (a UUID in lower case)")
        })?;
        // An id that is not configured is that of a store that was renamed: glance_store does not look at it.
        let named = self.others.iter().find(|(other, _)| address.store.as_deref() == Some(other.as_str()));
        match named {
            Some((other, false)) => Err(Answer::because(
                Outcome::NoStore,
                format!(
                    "its URI names store {other}, and its row store {}, which is another Cinder, project or user",
                    self.id
                ),
            )),
            _ => Ok(address),
        }
    }

    fn api(&self) -> Result<&Api, Answer> {
        self.api.as_deref().map_err(Clone::clone)
    }

    async fn delete_one(&self, approved: &Approved) -> Answer {
        let deleted = match self.address(approved.location()) {
            Ok(address) if self.orders.age(&address.volume, Instant::now()).is_some() => {
                self.look_again(&address.volume).await
            }
            Ok(address) => self.try_delete(&address.volume, approved).await,
            Err(answer) => Err(answer),
        };
        deleted.unwrap_or_else(|answer| answer)
    }

    async fn try_delete(&self, id: &str, approved: &Approved) -> Result<Answer, Answer> {
        let api = self.api()?;
        let volume = match self.look(id).await? {
            Seen::There(volume) => volume,
            Seen::Nothing => return self.absent(id).await,
        };
        match self.standing(&volume, &approved.image().0)? {
            Standing::Deleting => return Ok(self.wait(id, Duration::ZERO)),
            standing => refuse(id, standing)?,
        }
        match api.delete(id, approved).await {
            Ok(Taken::Yes) => {
                self.orders.begin(id, Instant::now());
                Ok(Answer::because(Outcome::Deleting, "cinder has taken the order"))
            }
            // It was there a moment ago.
            Ok(Taken::Nothing) => Ok(Answer::plain(Outcome::Deleted)),
            Ok(Taken::No(words)) => self.why_not(id, &approved.image().0, &words).await,
            Err(answer) => Err(answer),
        }
    }

    /// Cinder has taken the order, or somebody else's: what became of it.
    async fn look_again(&self, id: &str) -> Result<Answer, Answer> {
        let api = self.api()?;
        let age = self.orders.age(id, Instant::now()).unwrap_or_default();
        if self.orders.len() > deleting::FEW && age < self.timeout && self.deleting.lists(api, id).await? {
            return Ok(self.wait(id, age));
        }
        let volume = match api.volume(id).await? {
            Seen::There(volume) => volume,
            Seen::Nothing => {
                self.orders.end(id);
                return Ok(Answer::plain(Outcome::Deleted));
            }
        };
        let standing = volume.standing();
        if standing == Standing::Deleting {
            return Ok(self.wait(id, age));
        }
        self.orders.end(id);
        refuse(id, standing)?;
        let backend = "look into the log of cinder-volume";
        Err(match volume.status.as_str() {
            "available" => in_use(format!(
                "the backend says that volume {id} is busy, and cinder made it available again; {backend}"
            )),
            status => failed(format!("deleting volume {id} ended in the status {}; {backend}", harmless(status))),
        })
    }

    /// Being deleted for so long.
    fn wait(&self, id: &str, age: Duration) -> Answer {
        self.orders.begin(id, Instant::now());
        if age < self.timeout {
            return Answer::because(Outcome::Deleting, "cinder is deleting the volume");
        }
        let limit = self.timeout.as_secs();
        Answer::because(
            Outcome::Unavailable,
            format!(
                "volume {id} has been deleting for more than {limit} s (cinder_state_transition_timeout); look whether \
                 its cinder-volume runs, and into its log"
            ),
        )
    }

    /// Looks, and remembers that Glance's volumes are here.
    async fn look(&self, id: &str) -> Result<Seen, Answer> {
        let seen = self.api()?.volume(id).await?;
        if let Seen::There(volume) = &seen
            && volume.is_glances()
        {
            self.proof.saw();
        }
        Ok(seen)
    }

    async fn absent(&self, id: &str) -> Result<Answer, Answer> {
        let verdict = self.proof.of_absence(self.api()?).await?;
        Ok(proof::answer(verdict, id, &self.place))
    }

    /// What its state means, if it is Glance's for this image.
    fn standing(&self, volume: &Volume, image: &str) -> Result<Standing, Answer> {
        let id = &volume.id;
        let why = match volume.owner(image) {
            Owner::Image => return Ok(volume.standing()),
            Owner::OtherImage(other) => format!("volume {id} is that of image {}, not of this one", harmless(&other)),
            Owner::NotGlance => {
                format!("neither the name nor the metadata (glance_image_id) of volume {id} says that Glance made it")
            }
        };
        Err(Answer::because(Outcome::Forbidden, format!("{why}; delete it by hand if it is to go")))
    }

    /// Cinder takes no order for it, and says the same of everything that can be the matter.
    async fn why_not(&self, id: &str, image: &str, words: &str) -> Result<Answer, Answer> {
        let volume = match self.look(id).await? {
            Seen::There(volume) => volume,
            // It was there a moment ago.
            Seen::Nothing => return Ok(Answer::plain(Outcome::Deleted)),
        };
        match self.standing(&volume, image)? {
            // Somebody else's order, or the same one, whose answer was lost.
            Standing::Deleting => return Ok(self.wait(id, Duration::ZERO)),
            standing => refuse(id, standing)?,
        }
        match self.api()?.snapshots(id).await {
            Ok(0) | Err(_) => Err(in_use(format!("cinder does not delete volume {id} as it is: {words}"))),
            Ok(count) => Err(has_snapshots(id, count)),
        }
    }

    async fn probe_one(&self, resolved: &Resolved) -> Probed {
        self.try_probe(resolved).await.unwrap_or_else(Probed::from)
    }

    async fn try_probe(&self, resolved: &Resolved) -> Result<Probed, Answer> {
        let Address { volume: id, .. } = self.address(&resolved.location)?;
        let volume = match self.look(&id).await? {
            Seen::There(volume) => volume,
            Seen::Nothing => return Ok(self.absent(&id).await?.into()),
        };
        let expected = match self.standing(&volume, &resolved.image.0)? {
            Standing::Deleting => Some(Answer::because(Outcome::Deleting, "cinder is deleting the volume")),
            standing => match refuse(&id, standing) {
                Err(answer) => Some(answer),
                Ok(()) => match self.api()?.snapshots(&id).await? {
                    0 => None,
                    count => Some(has_snapshots(&id, count)),
                },
            },
        };
        Ok(Probed { answer: expected, stored: Some(volume.bytes()), ..Probed::default() })
    }
}

/// The answer for what Cinder would not take an order for.
fn refuse(id: &str, standing: Standing) -> Result<(), Answer> {
    match standing {
        Standing::Free | Standing::Deleting => Ok(()),
        Standing::Held(why) => Err(in_use(format!("cinder does not delete volume {id} now: {why}"))),
        Standing::GaveUp => Err(failed(format!(
            "the backend could not delete volume {id} (error_deleting); see the log of cinder-volume, mend it, then \
             cinder reset-state --state available {id}, for cinder takes no further order before"
        ))),
    }
}

fn has_snapshots(id: &str, count: usize) -> Answer {
    in_use(format!("volume {id} has {count} snapshots; cinder deletes it when they are gone"))
}

fn in_use(detail: String) -> Answer {
    Answer::because(Outcome::InUse, detail)
}

fn failed(detail: String) -> Answer {
    Answer::because(Outcome::Failed, detail)
}

/// Where the volumes are: the project, or who we are, and the region.
fn place(options: &CinderConfig) -> String {
    let who = match &options.user {
        Some(CinderUser::Password { project, .. }) => format!("project {}", harmless(project)),
        Some(CinderUser::Application { id, .. }) => format!("application credential {}", harmless(id)),
        None => return "nobody".to_owned(),
    };
    let region = options.region.as_ref().map(|region| format!(" in region {}", harmless(region)));
    format!("{who}{}", region.unwrap_or_default())
}

/// A session for the store alone: glance_store shares one among all, with the user of whichever came first.
fn session(id: &StoreId, options: &CinderConfig, deadline: Duration) -> Result<Session, Answer> {
    let forbidden = |detail: String| Answer::because(Outcome::Forbidden, detail);
    let (Some(auth_url), Some(user)) = (&options.auth_url, &options.user) else {
        return Err(forbidden(format!(
            "store {id} has no credentials of its own; set cinder_store_auth_address with cinder_store_user_name, \
             cinder_store_password and cinder_store_project_name, or with cinder_store_application_credential_id and \
             cinder_store_application_credential_secret"
        )));
    };
    let auth_url = auth_url.parse().ok().filter(Url::has_host);
    let auth_url =
        auth_url.ok_or_else(|| failed("cinder_store_auth_address must be the URL of Keystone".to_owned()))?;
    let named = |name: &String| Named::Name(name.clone());
    let who = match user {
        CinderUser::Application { id, secret } => Who::Application { id: id.clone(), secret: secret.clone() },
        CinderUser::Password { user, user_domain, password, project, project_domain } => Who::Password {
            user: named(user),
            user_domain: named(user_domain),
            password: password.clone(),
            project: named(project),
            project_domain: named(project_domain),
        },
    };
    let catalog = options.catalog.as_ref();
    let endpoint = match &options.endpoint_template {
        None => None,
        Some(template) => Some(api::stand_in(template).ok_or_else(api::bad_template)?),
    };
    let wanted = Wanted {
        service: catalog.map_or("volumev3", |info| &info.service).to_owned(),
        interface: catalog.and_then(|info| Interface::of(&info.interface)).unwrap_or(Interface::Public),
        region: options.region.clone(),
        endpoint,
    };
    let trust = Trust {
        ca_file: options.ca_file.clone(),
        insecure: options.insecure,
        ca_option: "cinder_ca_certificates_file",
    };
    let client = Arc::new(Client::new(trust, deadline));
    Ok(Session::new(client, Credentials { auth_url, who }, wanted))
}

#[async_trait]
impl Store for CinderStore {
    fn id(&self) -> &StoreId {
        &self.id
    }

    fn schemes(&self) -> &'static [Scheme] {
        &[Scheme::Cinder]
    }

    fn pace(&self) -> Pace {
        Pace { workers: WORKERS, batch: 1 }
    }

    fn locate(&self, location: &Location) -> Result<Target, Answer> {
        let Address { volume, .. } = self.address(location)?;
        // Ids of volumes are UUIDs: the same in two stores is the same volume.
        Ok(Target { container: self.place.clone(), identity: Some(format!("cinder:{volume}")) })
    }

    /// By the id in the URI. A URI without one is of single-store times; with several stores of this type, Glance tells
    /// them apart by the volume's type, which would have to be asked for.
    fn owns(&self, location: &Location) -> bool {
        Address::parse(location.uri.expose()).is_some_and(|address| match &address.store {
            Some(store) => store == self.id.as_str(),
            None => self.others.is_empty(),
        })
    }

    fn expect(&self, witnesses: &[Location]) {
        let volumes = witnesses.iter().filter_map(|living| Address::parse(living.uri.expose()));
        self.proof.expect(volumes.map(|address| address.volume).collect());
    }

    async fn delete(&self, targets: &[Approved]) -> Vec<Answer> {
        join_all(targets.iter().map(|approved| self.delete_one(approved))).await
    }

    async fn probe(&self, targets: &[Resolved]) -> Vec<Probed> {
        join_all(targets.iter().map(|resolved| self.probe_one(resolved))).await
    }

    async fn check(&self) -> Vec<Finding> {
        self.findings().await
    }
}
