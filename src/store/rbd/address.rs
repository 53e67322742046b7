//! What an `rbd://` URI says (glance_store's `_drivers/rbd.py`, `StoreLocation.parse_uri`).
//!
//! Two forms: `rbd://<fsid>/<pool>/<image>/<snapshot>`, each part percent-encoded, and `rbd://<image>`, which is taken
//! literally and lies in the configured pool: drivers wrote it where they could not find out the cluster's id.

use crate::location::shape::percent_decode;

/// Where an image's data lies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Address {
    /// The cluster's id in lower case, where the URI names it.
    pub fsid: Option<String>,
    pub pool: String,
    pub image: String,
    /// Glance's snapshot, from which clones are made.
    pub snapshot: Option<String>,
}

impl Address {
    /// Takes a URI apart; `None` where glance_store could not either.
    pub(super) fn parse(uri: &str, configured_pool: &str) -> Option<Self> {
        let rest = uri.strip_prefix("rbd://")?;
        let parts: Vec<&str> = rest.split('/').collect();
        if parts.iter().any(|part| part.is_empty() || part.contains('\0')) {
            return None;
        }
        match parts[..] {
            [image] => {
                Some(Self { fsid: None, pool: configured_pool.to_owned(), image: image.to_owned(), snapshot: None })
            }
            [fsid, pool, image, snapshot] => Some(Self {
                fsid: Some(percent_decode(fsid)?.to_ascii_lowercase()),
                pool: percent_decode(pool)?,
                image: percent_decode(image)?,
                snapshot: Some(percent_decode(snapshot)?),
            }),
            _ => None,
        }
    }
}

impl std::fmt::Display for Address {
    /// As Ceph's tools write it.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.pool, self.image)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_are_read_as_the_driver_reads_them() {
        let short = Address::parse("rbd://50%25c", "images").unwrap();
        assert_eq!((short.fsid, short.pool.as_str(), short.image.as_str()), (None, "images", "50%25c"));
        assert_eq!(short.snapshot, None);
        let long = Address::parse("rbd://B5C4/im%2Fages/5f%C3%A9/snap?x", "other").unwrap();
        assert_eq!((long.fsid.as_deref(), long.pool.as_str()), (Some("b5c4"), "im/ages"));
        assert_eq!((long.image.as_str(), long.snapshot.as_deref()), ("5f\u{e9}", Some("snap?x")));
    }

    #[test]
    fn what_the_driver_refuses_is_refused() {
        for uri in
            ["rbd://", "rbd://a/b", "rbd://a/b/c", "rbd://a//c/d", "rbd://a/b/c/d/e", "RBD://a", "rbd://a/%00/c/d"]
        {
            assert_eq!(Address::parse(uri, "images"), None, "{uri}");
        }
    }
}
