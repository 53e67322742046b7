//! `--check` of a `vmware` store: the server, and each datastore that is configured. Changes nothing.

use super::address::Address;
use super::{VsphereStore, no_datastore};
use crate::observe::text::harmless;
use crate::store::{Answer, Finding, Outcome, State};

impl VsphereStore {
    pub(super) async fn findings(&self) -> Vec<Finding> {
        let session = match &self.session {
            Ok(session) => session,
            Err(answer) => return vec![fault("credentials", answer)],
        };
        let login = match session.login().await {
            Ok(login) => login,
            Err(answer) => return vec![fault("server", &answer)],
        };
        let about = harmless(&login.content.about).into_owned();
        let mut findings = vec![finding("server", State::Ok, format!("{about} at {}", self.server))];
        for (datacenter, datastore) in &self.options.datastores {
            let subject = format!("datastore {} of {}", harmless(datastore), harmless(datacenter));
            findings.push(match self.look_at(datacenter, datastore).await {
                Ok(()) => finding(&subject, State::Ok, "is there and accessible".to_owned()),
                Err(answer) => fault(&subject, &answer),
            });
        }
        findings
    }

    async fn look_at(&self, datacenter: &str, datastore: &str) -> Result<(), Answer> {
        let (server, path) = (self.server.clone(), String::new());
        let address = Address { server, datacenter: datacenter.to_owned(), datastore: datastore.to_owned(), path };
        let found = self.datacenter(&address).await?;
        match self.is_accessible(datastore, &found).await? {
            Some(true) => Ok(()),
            Some(false) => Err(Answer::because(Outcome::Unavailable, "is not accessible")),
            None => Err(no_datastore(datastore)),
        }
    }
}

fn finding(subject: &str, state: State, detail: String) -> Finding {
    Finding { subject: subject.to_owned(), state, detail }
}

fn fault(subject: &str, answer: &Answer) -> Finding {
    finding(subject, State::Fault, answer.detail.clone().unwrap_or_default())
}
