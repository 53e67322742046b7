//! `--check` of a `cinder` store: who we are for Keystone, where Cinder is, and what we may see there. Changes nothing.

use super::CinderStore;
use super::api::Api;
use crate::observe::text::harmless;
use crate::store::{Answer, Finding, State};

impl CinderStore {
    pub(super) async fn findings(&self) -> Vec<Finding> {
        let api = match &self.api {
            Ok(api) => api,
            Err(answer) => return vec![fault("credentials", answer)],
        };
        let token = match api.token().await {
            Ok(token) => token,
            Err(answer) => return vec![fault("keystone", &answer)],
        };
        let roles: Vec<_> = token.roles.iter().map(|role| harmless(role)).collect();
        let roles = if roles.is_empty() { "no role".to_owned() } else { format!("roles {}", roles.join(", ")) };
        let keystone = finding("keystone", State::Ok, format!("gave a token for {} with {roles}", self.place));
        vec![keystone, cinder(api, &self.place).await]
    }
}

async fn cinder(api: &Api, place: &str) -> Finding {
    if let Err(answer) = api.may_list().await {
        return fault("cinder", &answer);
    }
    match api.is_admin().await {
        Err(answer) => fault("cinder", &answer),
        Ok(true) => finding("cinder", State::Ok, "volumes of all projects are seen".to_owned()),
        Ok(false) => finding(
            "cinder",
            State::Ok,
            format!(
                "only the volumes of {place} are seen; one that is missing counts as gone where other volumes of Glance's \
                 are there"
            ),
        ),
    }
}

fn finding(subject: &str, state: State, detail: String) -> Finding {
    Finding { subject: subject.to_owned(), state, detail }
}

fn fault(subject: &str, answer: &Answer) -> Finding {
    finding(subject, State::Fault, answer.detail.clone().unwrap_or_default())
}
