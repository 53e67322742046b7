//! Who we are for Keystone.

use reqwest::Url;
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};

use crate::store::{Answer, Outcome};

/// Credentials, and the Keystone that knows them.
pub(in crate::store) struct Credentials {
    /// As configured, with or without a version.
    pub(in crate::store) auth_url: Url,
    pub(in crate::store) who: Who,
}

/// A user in a project.
#[derive(Clone)]
pub(in crate::store) enum Who {
    Password { user: Named, user_domain: Named, password: SecretString, project: Named, project_domain: Named },
    Application { id: String, secret: SecretString },
}

/// By its id or by its name.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(in crate::store) enum Named {
    Id(String),
    Name(String),
}

impl Named {
    fn json(&self) -> Value {
        match self {
            Self::Id(id) => json!({ "id": id }),
            Self::Name(name) => json!({ "name": name }),
        }
    }

    /// Something that has a name only within a domain.
    fn within(&self, domain: &Self) -> Value {
        match self {
            Self::Id(id) => json!({ "id": id }),
            Self::Name(name) => json!({ "name": name, "domain": domain.json() }),
        }
    }
}

impl Credentials {
    /// `…/v3/auth/tokens`. Like swiftclient, `v3` is added where the URL ends in no version, and stands for an older one.
    ///
    /// # Errors
    /// `failed`: the URL can have no path.
    pub(super) fn tokens_url(&self) -> Result<Url, Answer> {
        let mut url = self.auth_url.clone();
        url.set_query(None);
        url.set_fragment(None);
        let last = url.path_segments().and_then(|mut parts| parts.rfind(|part| !part.is_empty()));
        let version = last.filter(|part| is_version(part)).map(str::to_owned);
        let not_a_base =
            |()| Answer::because(Outcome::Failed, "the URL of Keystone must begin with http:// or https://");
        let mut parts = url.path_segments_mut().map_err(not_a_base)?;
        parts.pop_if_empty();
        if version.is_some() {
            parts.pop();
        }
        parts.extend(["v3", "auth", "tokens"]);
        drop(parts);
        Ok(url)
    }

    /// The body that asks for a token.
    pub(super) fn body(&self) -> String {
        let auth = match &self.who {
            Who::Password { user, user_domain, password, project, project_domain } => {
                let mut user = user.within(user_domain);
                user["password"] = password.expose_secret().into();
                json!({
                    "identity": { "methods": ["password"], "password": { "user": user } },
                    "scope": { "project": project.within(project_domain) },
                })
            }
            Who::Application { id, secret } => json!({ "identity": {
                "methods": ["application_credential"],
                "application_credential": { "id": id, "secret": secret.expose_secret() },
            } }),
        };
        json!({ "auth": auth }).to_string()
    }
}

/// `v2.0`, `v3`.
fn is_version(part: &str) -> bool {
    part.strip_prefix('v').is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn application(url: &str) -> Credentials {
        let secret = SecretString::from("hidden");
        Credentials { auth_url: url.parse().unwrap(), who: Who::Application { id: "id".to_owned(), secret } }
    }

    #[test]
    fn the_version_is_three_whatever_is_written() {
        for (written, meant) in [
            ("http://k:5000", "http://k:5000/v3/auth/tokens"),
            ("http://k:5000/", "http://k:5000/v3/auth/tokens"),
            ("https://k/identity", "https://k/identity/v3/auth/tokens"),
            ("https://k/identity/v3", "https://k/identity/v3/auth/tokens"),
            ("https://k/identity/v3/?a#b", "https://k/identity/v3/auth/tokens"),
            ("https://k/v2.0/", "https://k/v3/auth/tokens"),
            ("https://k/version", "https://k/version/v3/auth/tokens"),
        ] {
            assert_eq!(application(written).tokens_url().unwrap().as_str(), meant, "{written}");
        }
        assert!(application("mailto:k").tokens_url().is_err());
    }

    #[test]
    fn names_go_with_their_domain_and_ids_without() {
        let who = Who::Password {
            user: Named::Name("glance".to_owned()),
            user_domain: Named::Id("default".to_owned()),
            password: SecretString::from("p\"w"),
            project: Named::Id("b5c4".to_owned()),
            project_domain: Named::Name("Default".to_owned()),
        };
        let body = Credentials { auth_url: "http://k".parse().unwrap(), who }.body();
        let body: Value = serde_json::from_str(&body).unwrap();
        let user = &body["auth"]["identity"]["password"]["user"];
        assert_eq!(user, &json!({ "name": "glance", "domain": { "id": "default" }, "password": "p\"w" }));
        assert_eq!(body["auth"]["scope"]["project"], json!({ "id": "b5c4" }));
        let body: Value = serde_json::from_str(&application("http://k").body()).unwrap();
        assert!(body["auth"]["scope"].is_null(), "an application credential has its project");
    }
}
