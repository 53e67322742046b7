//! A location URI that cannot be shown by accident.
//!
//! Promises: `Debug` and `Display` show [`SecretUri::redacted`], memory is wiped on drop, and the URI itself comes out
//! of [`SecretUri::expose`] alone, which is easy to search for.
//!
//! Swift and S3 drivers wrote credentials into URIs without escaping all of them, so where they end cannot be known
//! in general: an S3 secret may contain `/`, a Swift password `@`. The rule errs towards showing less: what stands
//! before the last `@` is gone, and where even that is doubtful, so is all but the scheme.

use std::fmt;

use zeroize::Zeroizing;

use super::scheme::{self, Scheme};

const HIDDEN: &str = "***";

/// A location's URI in the clear, credentials included.
#[derive(Clone, PartialEq, Eq)]
pub struct SecretUri(Zeroizing<String>);

impl SecretUri {
    /// Takes the URI over; any text will do.
    pub fn new(uri: String) -> Self {
        Self(Zeroizing::new(uri))
    }

    /// The URI, to hand it to its backend. Not for logs or messages.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Scheme, host and path: enough to find the data, nothing to get at it with. On one line.
    pub fn redacted(&self) -> String {
        let Some((name, rest)) = self.0.split_once("://") else { return HIDDEN.to_owned() };
        match Scheme::of(name) {
            Some(scheme) => one_line(&format!("{scheme}://{}", redact(scheme, rest))),
            None => scheme::presentable(name).map_or_else(|| HIDDEN.to_owned(), |name| format!("{name}://{HIDDEN}")),
        }
    }
}

impl From<Zeroizing<String>> for SecretUri {
    fn from(uri: Zeroizing<String>) -> Self {
        Self(uri)
    }
}

impl fmt::Debug for SecretUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SecretUri({})", self.redacted())
    }
}

impl fmt::Display for SecretUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.redacted())
    }
}

/// What may be shown of the text after `://`.
fn redact(scheme: Scheme, rest: &str) -> String {
    let (path, query) = rest.split_at(rest.find(['?', '#']).unwrap_or(rest.len()));
    // A datadir may have an `@` in its name, and an absolute path has no room for credentials.
    if matches!(scheme, Scheme::File | Scheme::Filesystem) && path.starts_with('/') {
        return format!("{path}{}", redact_query(scheme, query));
    }
    // Either a query with an `@`, or a secret with `?` or `#`: which side of it is secret cannot be told.
    if query.contains('@') {
        return HIDDEN.to_owned();
    }
    let (credentials, place) = path.rsplit_once('@').map_or(("", path), |(_, place)| ("***@", place));
    // `s3://key:secret/bucket/key`, its host lost: that is no port.
    if !is_authority(place.split('/').next().unwrap_or_default()) {
        return HIDDEN.to_owned();
    }
    format!("{credentials}{place}{}", redact_query(scheme, query))
}

/// `?…` and `#…` without the values; of vSphere's query the two parameters that say where the data is.
fn redact_query(scheme: Scheme, query: &str) -> String {
    let Some(mark) = query.chars().next() else { return String::new() };
    let parameters = query.strip_prefix('?').filter(|rest| scheme == Scheme::Vsphere && !rest.contains('#'));
    let Some(parameters) = parameters else { return format!("{mark}{HIDDEN}") };
    let shown = |pair: &str| pair.starts_with("dcPath=") || pair.starts_with("dsName=");
    let pairs: Vec<_> = parameters.split('&').map(|pair| if shown(pair) { pair } else { HIDDEN }).collect();
    format!("?{}", pairs.join("&"))
}

/// Whether `text` is `host`, `host:port`, `[address]` or `[address]:port`.
fn is_authority(text: &str) -> bool {
    let after_host = match text.strip_prefix('[') {
        Some(address) => address.split_once(']').map(|(_, after)| after),
        None => Some(text.find(':').map_or("", |at| &text[at..])),
    };
    let is_port = |port: &str| port.len() <= 5 && port.bytes().all(|b| b.is_ascii_digit());
    after_host.is_some_and(|after| after.is_empty() || after.strip_prefix(':').is_some_and(is_port))
}

/// A URI comes from a database row; it must not be able to forge a line of a log.
fn one_line(text: &str) -> String {
    text.chars().fold(String::with_capacity(text.len()), |mut line, c| {
        if c.is_control() {
            line.extend(c.escape_default());
        } else {
            line.push(c);
        }
        line
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn redacted(uri: &str) -> String {
        SecretUri::new(uri.to_owned()).redacted()
    }

    #[test]
    fn shows_where_the_data_is() {
        for uri in [
            "file:///var/lib/glance/images/5f0c",
            "filesystem:///srv/te@m/5f0c",
            "rbd://b5c4/images/5f0c/snap",
            "rbd://5f0c",
            "swift+config://ref1/glance/5f0c",
            "swift+https://storage.example.com:8080/v1/AUTH_x/glance_5f0c/5f0c",
            "s3+https://s3.example.com/bucket/5f0c",
            "cinder://ceph/5f0c8a1e-3d2b-4c6f-9a7d-0b1e2f3a4c5d",
            "https://[2001:db8::1]:8443/path",
            "vsphere://[2001:db8::1]/folder/openstack_glance/5f0c?dcPath=dc1&dsName=my+ds",
        ] {
            assert_eq!(redacted(uri), uri);
        }
    }

    #[test]
    fn hides_credentials_up_to_the_last_at_sign() {
        for (uri, shown) in [
            (
                "swift+https://service%3Aglance:p%40ss%2Fw@k.example:5000/v3/glance/5f0c",
                "swift+https://***@k.example:5000/v3/glance/5f0c",
            ),
            ("swift://a:b:p@ss/w@rd@k.example/v3/glance/5f0c", "swift://***@k.example/v3/glance/5f0c"),
            ("s3+https://AKIA:sec/ret+key=@s3.example/bucket/5f0c", "s3+https://***@s3.example/bucket/5f0c"),
            ("http://user:pass@host:80/a", "http://***@host:80/a"),
            ("rbd://user:pass@fsid/pool/image/snap", "rbd://***@fsid/pool/image/snap"),
            ("file://user:pass@host/a", "file://***@host/a"),
        ] {
            assert_eq!(redacted(uri), shown);
        }
    }

    #[test]
    fn hides_queries() {
        for (uri, shown) in [
            ("https://host/a?sig=secret", "https://host/a?***"),
            ("swift://host/v1/c/o#secret", "swift://host/v1/c/o#***"),
            ("file:///a?secret", "file:///a?***"),
            ("vsphere://h/folder/a?dsName=ds&token=secret&dcPath=dc", "vsphere://h/folder/a?dsName=ds&***&dcPath=dc"),
            ("vsphere://h/folder/a?dsName=ds#secret", "vsphere://h/folder/a?***"),
        ] {
            assert_eq!(redacted(uri), shown);
        }
    }

    #[test]
    fn shows_nothing_where_in_doubt() {
        for (uri, shown) in [
            ("s3://AKIA:se?cr#et@s3.example/bucket/5f0c", "s3://***"),
            ("https://host/a?mail=a@secret", "https://***"),
            ("s3://AKIA:secret/bucket/5f0c", "s3://***"),
            ("swift://[half:secret/c/o", "swift://***"),
            ("SheepDog://secret", "sheepdog://***"),
            ("not a scheme://secret", "***"),
            ("secret", "***"),
        ] {
            assert_eq!(redacted(uri), shown);
        }
    }

    #[test]
    fn debug_and_display_redact_on_one_line() {
        let uri = SecretUri::new("http://user:pass@host/a\nERROR \u{9b}31m".to_owned());
        assert_eq!(format!("{uri}"), r"http://***@host/a\nERROR \u{9b}31m");
        assert_eq!(format!("{uri:?}"), r"SecretUri(http://***@host/a\nERROR \u{9b}31m)");
        assert_eq!(uri.expose(), "http://user:pass@host/a\nERROR \u{9b}31m");
    }
}
