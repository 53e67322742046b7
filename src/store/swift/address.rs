//! The URIs of `swift`, taken apart (glance_store, `_drivers/swift/store.py`, `StoreLocation`).
//!
//! Promises: pure. What glance_store wrote is read, and more: a password with `:`, `/`, `@` or `%` in it, which it writes
//! and cannot read back. The raw text is cut at the last `@`, the part before it at its last `:`, and only then are the
//! two halves percent-decoded. Container and object are raw, as glance_store takes them. Query and fragment are cut off.

use reqwest::Url;
use secrecy::SecretString;

use crate::config::{SwiftName, project_and_user};
use crate::location::shape::{is_uuid, percent_decode};
use crate::location::{Location, Scheme};

/// An object, and whose account it lies in.
#[derive(Debug, Clone)]
pub(super) struct Address {
    pub by: By,
    pub container: String,
    pub object: String,
}

/// How a URI names the account.
#[derive(Debug, Clone)]
pub(super) enum By {
    /// `swift+config`: an account of the config, by its name.
    Account(String),
    /// Credentials in the URI, and whom to show them.
    Credentials { auth_url: Url, user: String, key: SecretString },
    /// Neither: the URL of the account itself, as the storage is asked (`swift_store_multi_tenant`).
    Storage(Url),
}

impl Address {
    /// # Errors
    /// What is wrong, without a part of the URI.
    pub(super) fn parse(location: &Location) -> Result<Self, &'static str> {
        let rest = location.uri.expose().split_once("://").map(|(_, rest)| rest).ok_or("it has no ://")?;
        let (credentials, place) = split_credentials(rest);
        let place = place.split(['?', '#']).next().unwrap_or_default();
        let mut parts = place.rsplitn(3, '/');
        let (object, container) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
        let host = parts.next().unwrap_or_default().trim_end_matches('/');
        if [object, container, host].iter().any(|part| part.is_empty()) {
            return Err("it does not end in a container and an object");
        }
        if [object, container].iter().any(|part| matches!(*part, "." | "..")) {
            return Err("its container or its object is . or ..");
        }
        let by = match (location.scheme, credentials) {
            (Scheme::SwiftConfig, None) if !host.contains('/') => By::Account(host.to_owned()),
            (Scheme::SwiftConfig, _) => return Err("what follows swift+config:// is not NAME/container/object"),
            (scheme, None) => By::Storage(url(scheme, host)?),
            (scheme, Some((user, key))) => {
                let wrong = "its credentials have a wrong percent-escape";
                let user = percent_decode(user).ok_or(wrong)?;
                let key = SecretString::from(percent_decode(key).ok_or(wrong)?);
                By::Credentials { auth_url: url(scheme, host)?, user, key }
            }
        };
        Ok(Self { by, container: container.to_owned(), object: object.to_owned() })
    }

    /// Whether the container is the image's own: `<container>_<image id>` (`swift_store_multi_tenant`).
    pub(super) fn container_is_the_images(&self) -> bool {
        let named = || self.container.strip_suffix(&self.object).is_some_and(|head| head.ends_with('_'));
        matches!(self.by, By::Storage(_)) && is_uuid(&self.object) && named()
    }
}

/// `USER:KEY` and the rest. An `@` may also be part of a container's or an object's name.
fn split_credentials(rest: &str) -> (Option<(&str, &str)>, &str) {
    let Some((credentials, place)) = rest.rsplit_once('@') else { return (None, rest) };
    let has_a_place = place.split('/').filter(|part| !part.is_empty()).count() >= 3;
    match credentials.rsplit_once(':') {
        Some(pair) if has_a_place => (Some(pair), place),
        _ => (None, rest),
    }
}

fn url(scheme: Scheme, rest: &str) -> Result<Url, &'static str> {
    let protocol = if scheme == Scheme::SwiftHttp { "http" } else { "https" };
    let url: Url = format!("{protocol}://{rest}").parse().map_err(|_| "it names no host that can be asked")?;
    // What would be read as a user here was none above.
    if url.has_host() && url.username().is_empty() && url.password().is_none() {
        Ok(url)
    } else {
        Err("it names no host that can be asked")
    }
}

/// The project of `PROJECT:USER`, and the user.
///
/// # Errors
/// What is wrong with it.
pub(super) fn project_and_name(user: &str) -> Result<(SwiftName, SwiftName), &'static str> {
    project_and_user(user).ok_or("its user is not PROJECT:USER")
}

/// `host:port`, the same for every spelling of a URL; without the path, as `/v2.0` and `/v3` are the same Keystone.
pub(super) fn host_and_port(url: &Url) -> String {
    format!("{}:{}", url.host_str().unwrap_or_default(), url.port_or_known_default().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;
    use crate::location::{self, Keyring};

    const ID: &str = "5f0c8a1e-3d2b-4c6f-9a7d-0b1e2f3a4c5d";

    fn parse(uri: &str) -> Result<Address, &'static str> {
        let keys = Keyring::new(&[]).unwrap();
        Address::parse(&location::open(uri, "x", &keys).unwrap_or_else(|e| panic!("{uri}: {e}")))
    }

    /// `user key auth_url`, `name` or `url`; then container and object.
    fn shown(uri: &str) -> String {
        let address = parse(uri).unwrap_or_else(|why| panic!("{uri}: {why}"));
        let by = match &address.by {
            By::Account(name) => name.clone(),
            By::Storage(url) => url.to_string(),
            By::Credentials { auth_url, user, key } => format!("{user} {} {auth_url}", key.expose_secret()),
        };
        format!("{by} {} {}", address.container, address.object)
    }

    #[test]
    fn every_form_of_glance_store_is_read() {
        for (uri, means) in [
            ("swift+config://ref1/glance/o", "ref1 glance o"),
            ("swift+config://None/glance_5f/o", "None glance_5f o"),
            (
                "swift+http://service%3Aglance:pw@127.0.0.1:25001/v3/glance/o",
                "service:glance pw http://127.0.0.1:25001/v3 glance o",
            ),
            ("swift+https://service%3Aglance:pw@k/v3/glance/o", "service:glance pw https://k/v3 glance o"),
            ("swift://service%3Aglance:pw@k:5000/glance/o", "service:glance pw https://k:5000/ glance o"),
            ("swift+http://service:glance:pw@k/v3/glance/o?a#b", "service:glance pw http://k/v3 glance o"),
            (
                "swift+http://test%3Atester:testing@h/auth/v1.0/glance/o",
                "test:tester testing http://h/auth/v1.0 glance o",
            ),
            ("swift+http://h:8080/v1/AUTH_x/glance_o/o", "http://h:8080/v1/AUTH_x glance_o o"),
            ("swift+https://h/v1/AUTH_x/my%20c/o@2", "https://h/v1/AUTH_x my%20c o@2"),
        ] {
            assert_eq!(shown(uri), means);
        }
    }

    #[test]
    fn any_password_is_read_that_glance_store_writes() {
        for (raw, key) in [
            ("p%40ss%3Aw%25rd", "p@ss:w%rd"),
            ("p%40ss/w%3Ard", "p@ss/w:rd"),
            ("//two/slashes/", "//two/slashes/"),
            ("p@ss", "p@ss"),
            ("%3A", ":"),
            ("a%253Ab", "a%3Ab"),
            ("what%3Fever%23", "what?ever#"),
        ] {
            let uri = format!("swift+https://t%3Au:{raw}@k:5000/v3/glance/o");
            assert_eq!(shown(&uri), format!("t:u {key} https://k:5000/v3 glance o"));
        }
    }

    #[test]
    fn what_names_no_account_or_no_object_is_malformed() {
        for uri in [
            "swift+config://ref1/more/c/o",
            "swift+config://a:b@ref1/c/o",
            "swift://t%3Au:p%zz@k/v3/c/o",
            "swift://t%3Au:p@k/v3/c/..",
            "swift+http://h/v1/./o",
            "swift+http://h:port/v1/AUTH_x/c/o",
        ] {
            assert!(parse(uri).is_err(), "{uri}: {:?}", parse(uri));
        }
        assert!(project_and_name("glance").is_err());
        assert!(project_and_name("a:b:c").is_err());
        assert!(project_and_name(":b").is_err());
    }

    #[test]
    fn a_container_of_an_image_is_known_by_its_name() {
        let of = |uri: &str| parse(uri).unwrap().container_is_the_images();
        assert!(of(&format!("swift+http://h/v1/AUTH_x/glance_{ID}/{ID}")));
        assert!(!of(&format!("swift+http://h/v1/AUTH_x/glance/{ID}")));
        assert!(!of(&format!("swift+http://h/v1/AUTH_x/glance-{ID}/{ID}")));
        assert!(!of("swift+http://h/v1/AUTH_x/glance_1/1"), "no name that nothing else has");
        assert!(!of(&format!("swift+config://ref1/glance_{ID}/{ID}")), "seeds of 32 characters make such names too");
    }

    #[test]
    fn a_debug_shows_no_password() {
        let address = parse("swift://t%3Au:hidden@k/v3/c/o").unwrap();
        assert!(!format!("{address:?}").contains("hidden"));
    }
}
