//! What a `cinder://` URI says (glance_store's `_drivers/cinder/store.py`, `StoreLocation.parse_uri`).
//!
//! Two forms: `cinder://<volume id>`, which single-store Glance writes, and `cinder://<store id>/<volume id>`. The id of
//! the volume is what stands behind the last `/`. The driver ignores what stands before it; here it is kept, since it may
//! contradict the row.

use crate::location::shape::is_uuid;

/// Which volume it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Address {
    /// The store that the URI names.
    pub store: Option<String>,
    /// A UUID in lower case.
    pub volume: String,
}

impl Address {
    /// Takes a URI apart; `None` where glance_store could not either.
    pub(super) fn parse(uri: &str) -> Option<Self> {
        let rest = uri.strip_prefix("cinder://")?;
        let (store, volume) = rest.rsplit_once('/').map_or((None, rest), |(store, volume)| (Some(store), volume));
        let store = store.filter(|store| !store.is_empty()).map(str::to_owned);
        is_uuid(volume).then(|| Self { store, volume: volume.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "5f0c8a1e-3d2b-4c6f-9a7d-0b1e2f3a4c5d";

    #[test]
    fn both_forms_name_a_volume() {
        for (uri, store) in [
            (format!("cinder://{ID}"), None),
            (format!("cinder:///{ID}"), None),
            (format!("cinder://ceph/{ID}"), Some("ceph")),
            (format!("cinder://a/b/{ID}"), Some("a/b")),
        ] {
            let address = Address::parse(&uri).unwrap();
            assert_eq!((address.store.as_deref(), address.volume.as_str()), (store, ID), "{uri}");
        }
    }

    #[test]
    fn what_is_no_volume_id_never_gets_into_a_request() {
        for volume in ["", "..", &ID.to_uppercase(), &ID[1..], "5f0c8a1e-3d2b-4c6f-9a7d-0b1e2f3a4c5?"] {
            for uri in
                [format!("cinder://{volume}"), format!("cinder://ceph/{volume}"), format!("cinder://{ID}/{volume}")]
            {
                assert_eq!(Address::parse(&uri), None, "{uri}");
            }
        }
        assert_eq!(Address::parse(&format!("rbd://{ID}")), None);
    }
}
