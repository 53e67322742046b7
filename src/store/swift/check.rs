//! `--check` of a `swift` store: whether each login works, where it leads, and what is there. Changes nothing.

use super::accounts::{Account, Accounts};
use super::way::Way;
use super::{SwiftStore, bulk, container};
use crate::observe::text::harmless;
use crate::store::{Answer, Finding, State};

impl SwiftStore {
    pub(super) async fn findings(&self) -> Vec<Finding> {
        let config = &self.accounts.config;
        let mut findings = Vec::new();
        for account in &config.accounts {
            let subject = format!("account {}", harmless(&account.name));
            let seen = async {
                let way = Way::of(account.clone(), None)?;
                let account = self.accounts.open(&way).await?;
                self.container_state(&account).await
            };
            findings.push(seen.await.unwrap_or_else(fault).about(subject));
        }
        if let Some(service) = &config.service {
            let subject = format!("swift_service_auth {}", harmless(&service.name));
            findings.push(service_state(&self.accounts).await.unwrap_or_else(fault).about(subject));
        } else if config.multi_tenant {
            let why = "swift_store_multi_tenant needs [scrubber] swift_service_auth: a login with the reseller role";
            findings.push(Seen(State::Fault, why.to_owned()).about("swift_service_auth".to_owned()));
        }
        if findings.is_empty() {
            let why = "there is no account; only locations that carry credentials can be deleted".to_owned();
            findings.push(Seen(State::Warning, why).about("accounts".to_owned()));
        }
        findings
    }

    async fn container_state(&self, account: &Account) -> Result<Seen, Answer> {
        let config = &self.accounts.config;
        let features = bulk::features(account).await?;
        let bulk = if features.bulk.is_some() { "bulk delete" } else { "no bulk delete" };
        let slo = if features.slo { "static large objects" } else { "no static large objects" };
        let (name, container) = (&account.name, harmless(&config.container));
        if config.many_containers || config.multi_tenant {
            return Ok(Seen(State::Ok, format!("{name} answers; {bulk}, {slo}")));
        }
        Ok(match container::look(account, &config.container).await? {
            Some(seen) if seen.keeps_versions => Seen(
                State::Warning,
                format!("container {container} of {name} keeps versions of what is deleted; {bulk}, {slo}"),
            ),
            Some(_) => Seen(State::Ok, format!("container {container} of {name} answers; {bulk}, {slo}")),
            None => {
                Seen(State::Warning, format!("there is no container {container} in {name} (swift_store_container)"))
            }
        })
    }
}

async fn service_state(accounts: &Accounts) -> Result<Seen, Answer> {
    let account = accounts.service().await?;
    let roles = account.roles().await?;
    let bulk = bulk::features(&account).await?.bulk.map_or("no bulk delete", |_| "bulk delete");
    let name = &account.name;
    let shown: Vec<_> = roles.iter().map(|role| harmless(role)).collect();
    let shown = shown.join(", ");
    if roles.iter().any(|role| role.to_lowercase().contains("reseller")) {
        return Ok(Seen(State::Ok, format!("{name} answers; {bulk}; its roles are {shown}")));
    }
    Ok(Seen(
        State::Warning,
        format!(
            "{name} answers; none of its roles ({shown}) looks like Swift's reseller_admin_role, which deletes in other accounts"
        ),
    ))
}

struct Seen(State, String);

impl Seen {
    fn about(self, subject: String) -> Finding {
        Finding { subject, state: self.0, detail: self.1 }
    }
}

fn fault(answer: Answer) -> Seen {
    Seen(State::Fault, answer.to_string())
}
