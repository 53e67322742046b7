//! `vmware`: images as files in vSphere datastores, named by `vsphere://` URIs.
//!
//! Promises: only a file that is named after its image, below `vmware_store_image_dir`, at the configured server, is touched:
//! vSphere's own call takes whole directories; a file counts as deleted when the task has ended well, and as `absent` only
//! where its datastore was seen to be accessible in a datacenter that was found. Works with several stores, where
//! glance_store's driver does not (its type is `vmware`, its scheme `vsphere`). Fails by answering, per file.
//!
//! The way of a file: [`address`] (the URI) → [`session`] → [`soap`] (the calls) → a task, looked at until it
//! has ended; [`answers`] says what a fault means.

mod address;
mod answers;
mod check;
mod session;
mod soap;

use std::time::Duration;

use async_trait::async_trait;
use futures::future::join_all;
use reqwest::Url;
use tokio::time::Instant;

use self::address::{Address, server_of};
use self::session::Session;
use self::soap::{Fault, Reference, Task};
use super::client::{Client, Trust};
use super::xml::Element;
use super::{Answer, Finding, Outcome, Pace, Probed, Store, Target};
use crate::catalog::ImageId;
use crate::claim::Tenure;
use crate::config::{Config, StoreId, VsphereConfig};
use crate::location::{Location, Scheme};
use crate::observe::text::harmless;
use crate::scrub::{Approved, Resolved};

/// Tasks at once; vCenter runs some hundred, and a datastore's host does the work.
const WORKERS: usize = 16;

/// The pause before the second look at a task; the next ones are longer, up to `vmware_task_poll_interval`.
const FIRST_PAUSE: Duration = Duration::from_millis(50);

pub(super) struct VsphereStore {
    id: StoreId,
    session: Result<Session, Answer>,
    /// As URIs have it.
    server: String,
    options: VsphereConfig,
}

impl VsphereStore {
    pub(super) fn open(id: StoreId, options: &VsphereConfig, config: &Config) -> Self {
        let server = options.host.as_deref().map(server_of).unwrap_or_default();
        let session = session(&id, &server, options, config.scrubber.store_deadline);
        Self { id, session, server, options: options.clone() }
    }

    fn session(&self) -> Result<&Session, Answer> {
        self.session.as_ref().map_err(Clone::clone)
    }

    fn address(&self, location: &Location) -> Result<Address, Answer> {
        let address = Address::parse(location.uri.expose())
            .map_err(|stray| Answer::because(Outcome::Malformed, stray.to_string()))?;
        let theirs = server_of(&address.server);
        if !self.server.is_empty() && theirs != self.server {
            return Err(forbidden(format!(
                "its URI names the server {}, and that of store {} is {} (vmware_server_host)",
                harmless(&theirs),
                self.id,
                self.server
            )));
        }
        if !address.is_below(&self.options.image_dir) {
            return Err(forbidden(format!(
                "{} is not in /{} (vmware_store_image_dir)",
                harmless(&address.datastore_path()),
                harmless(&self.options.image_dir)
            )));
        }
        Ok(address)
    }

    /// Where the file is, if it is the image's.
    fn file_of(&self, location: &Location, image: &ImageId) -> Result<Address, Answer> {
        let address = self.address(location)?;
        if !address.file_name().eq_ignore_ascii_case(&image.0) {
            let path = address.datastore_path();
            return Err(forbidden(format!(
                "{} is not named after its image; Glance names files so, and vSphere would delete a whole directory; \
                 delete it by hand if it is to go",
                harmless(&path)
            )));
        }
        Ok(address)
    }

    async fn try_delete(&self, approved: &Approved) -> Result<Answer, Answer> {
        let address = self.file_of(approved.location(), approved.image())?;
        let session = self.session()?;
        let datacenter = self.datacenter(&address).await?;
        let path = address.datastore_path();
        let under = std::slice::from_ref(approved.tenure());
        let order = |content: &soap::Content| soap::delete_file(&content.file_manager, &path, &datacenter);
        let begun = self.call(order, under).await?;
        let ended = match begun {
            Ok(answer) => {
                let task = soap::reference(&answer).ok_or_else(|| self.unclear("begin to delete a file"))?;
                wait(session, &task, self.options.poll_interval).await?
            }
            Err(fault) => Task::Failed(fault),
        };
        match ended {
            Task::Done => Ok(Answer::plain(Outcome::Deleted)),
            Task::Failed(fault) if answers::is_missing(&fault) => self.absent(&address, &datacenter).await,
            Task::Failed(fault) => Err(answers::of_fault(&fault, &format!("delete {}", harmless(&path)))),
            Task::Running => Err(Answer::because(
                Outcome::Unavailable,
                format!(
                    "vSphere has been deleting {} for more than {} s; see its tasks",
                    harmless(&path),
                    session.deadline().as_secs()
                ),
            )),
        }
    }

    async fn call(
        &self,
        envelope: impl Fn(&soap::Content) -> String,
        under: &[Tenure],
    ) -> Result<Result<Element, Fault>, Answer> {
        self.session()?.call(envelope, under).await
    }

    async fn datacenter(&self, address: &Address) -> Result<Reference, Answer> {
        let path = address.inventory_path();
        let found = self.call(|content| soap::find_by_inventory_path(&content.search_index, &path), &[]).await?;
        let found = found.map_err(|fault| answers::of_fault(&fault, "find the datacenter"))?;
        let found = soap::reference(&found).filter(|found| found.kind == "Datacenter");
        found.ok_or_else(|| {
            failed(format!("there is no datacenter {} (dcPath), or the user may not see it", harmless(&path)))
        })
    }

    /// The file is not there: is its datastore?
    async fn absent(&self, address: &Address, datacenter: &Reference) -> Result<Answer, Answer> {
        match self.is_accessible(&address.datastore, datacenter).await? {
            Some(true) => Ok(Answer::plain(Outcome::Absent)),
            Some(false) => Err(Answer::because(
                Outcome::Unavailable,
                format!("datastore {} is not accessible", harmless(&address.datastore)),
            )),
            None => Err(no_datastore(&address.datastore)),
        }
    }

    /// Whether a datastore of a datacenter can be reached; `None`: there is none of that name.
    async fn is_accessible(&self, name: &str, datacenter: &Reference) -> Result<Option<bool>, Answer> {
        let list = self.call(|content| soap::datastores(&content.property_collector, datacenter), &[]).await?;
        let list = list.map_err(|fault| answers::of_fault(&fault, "list the datastores"))?;
        let found = soap::datastore_list(&list).into_iter().find(|datastore| datastore.name == name);
        Ok(found.map(|datastore| datastore.accessible))
    }

    async fn try_probe(&self, resolved: &Resolved) -> Result<Probed, Answer> {
        let address = self.file_of(&resolved.location, &resolved.image)?;
        let session = self.session()?;
        let datacenter = self.datacenter(&address).await?;
        let url = address.file_url(session.url()).ok_or_else(|| self.unclear("show a file"))?;
        let reply = session.head(url).await?;
        match reply.status.as_u16() {
            200 => {
                let length = reply.header("content-length").and_then(|length| length.parse().ok());
                Ok(Probed { stored: length, length, ..Probed::default() })
            }
            404 => Ok(self.absent(&address, &datacenter).await?.into()),
            // Whoever may not read files here may still delete them.
            _ => Ok(Probed::default()),
        }
    }

    fn unclear(&self, what: &str) -> Answer {
        failed(format!("{} did not {what} as a vSphere server does", self.server))
    }
}

/// Looks at a task until it has ended, or for as long as a call may take.
async fn wait(session: &Session, task: &Reference, longest_pause: Duration) -> Result<Task, Answer> {
    let end = Instant::now() + session.deadline();
    let mut pause = FIRST_PAUSE;
    loop {
        let info = session.call(|content| soap::task_info(&content.property_collector, task), &[]).await?;
        let fault = |fault: Fault| answers::of_fault(&fault, "tell what became of its task");
        let state = soap::task(&info.map_err(fault)?);
        let state = state.ok_or_else(|| {
            Answer::because(Outcome::Unavailable, "vSphere does not tell what became of its task; the next try will")
        })?;
        match state.map_err(fault)? {
            Task::Running if Instant::now() + pause < end => tokio::time::sleep(pause).await,
            ended => return Ok(ended),
        }
        pause = (pause * 2).min(longest_pause).max(FIRST_PAUSE);
    }
}

fn forbidden(detail: String) -> Answer {
    Answer::because(Outcome::Forbidden, detail)
}

fn failed(detail: String) -> Answer {
    Answer::because(Outcome::Failed, detail)
}

fn no_datastore(name: &str) -> Answer {
    failed(format!("there is no datastore {} in that datacenter, or the user may not see it", harmless(name)))
}

fn session(id: &StoreId, server: &str, options: &VsphereConfig, deadline: Duration) -> Result<Session, Answer> {
    let Some((user, password)) = options.user.as_ref().filter(|_| !server.is_empty()) else {
        return Err(forbidden(format!(
            "store {id} lacks vmware_server_host, vmware_server_username or vmware_server_password"
        )));
    };
    let url: Option<Url> = format!("https://{server}/sdk").parse().ok();
    // A host that brings a path or a user of its own is none.
    let url = url.filter(|url| url.path() == "/sdk" && url.username().is_empty() && url.query().is_none());
    let url = url.ok_or_else(|| failed("vmware_server_host must be a name or an address".to_owned()))?;
    let trust = Trust { ca_file: options.ca_file.clone(), insecure: options.insecure, ca_option: "vmware_ca_file" };
    Ok(Session::new(Client::new(trust, deadline), url, user.clone(), password.clone()))
}

#[async_trait]
impl Store for VsphereStore {
    fn id(&self) -> &StoreId {
        &self.id
    }

    fn schemes(&self) -> &'static [Scheme] {
        &[Scheme::Vsphere]
    }

    fn pace(&self) -> Pace {
        Pace { workers: WORKERS, batch: 1 }
    }

    fn locate(&self, location: &Location) -> Result<Target, Answer> {
        let address = self.address(location)?;
        let container = format!("datastore {} of {}", address.datastore, address.inventory_path());
        // A datastore may be seen by its name in several datacenters. Taken for several, its files would be shared without
        // being seen to be, so that the datacenter is left out: two of the same name are taken for one.
        let identity = format!("vsphere:{}/{}", self.server, address.datastore_path());
        Ok(Target { container, identity: Some(identity) })
    }

    fn owns(&self, location: &Location) -> bool {
        !self.server.is_empty() && self.address(location).is_ok()
    }

    async fn delete(&self, targets: &[Approved]) -> Vec<Answer> {
        let each = |approved| async move { self.try_delete(approved).await.unwrap_or_else(|answer| answer) };
        join_all(targets.iter().map(each)).await
    }

    async fn probe(&self, targets: &[Resolved]) -> Vec<Probed> {
        let each = |resolved| async move { self.try_probe(resolved).await.unwrap_or_else(Probed::from) };
        join_all(targets.iter().map(each)).await
    }

    async fn check(&self) -> Vec<Finding> {
        self.findings().await
    }
}
