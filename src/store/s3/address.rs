//! What an `s3://` URI says (glance_store's `_drivers/s3.py`, `StoreLocation.parse_uri`).
//!
//! `<scheme>://[<access key>:<secret key>@]<host>[/<path>]/<bucket>/<key>`. Drivers before 5.6 wrote the credentials, and
//! did not escape them: a secret may contain `/`, `+`, `%`, `@`, `:`, `?` and `#`. They are skipped and never used. Bucket
//! and key are the last two segments, taken literally: nothing is percent-decoded. The scheme says nothing, since the
//! endpoint is the configured one.

/// Where an object's data lies, and which host its URI names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Address {
    /// The host, with its port and path, as it was configured when the image was written.
    pub host: String,
    pub bucket: String,
    pub key: String,
}

impl Address {
    /// Takes a URI apart.
    ///
    /// # Errors
    /// Why it names no object for certain; without a part of the URI.
    pub(super) fn parse(uri: &str) -> Result<Self, &'static str> {
        let (_, rest) = uri.split_once("://").ok_or("it has no ://")?;
        // What stands before the last @ is credentials, unless too little is left behind it: then it is part of a name.
        let after_credentials = rest.rsplit_once('@').map(|(_, place)| place).and_then(Self::split);
        let (host, bucket, key) =
            after_credentials.or_else(|| Self::split(rest)).ok_or("it does not end in a bucket and a key")?;
        if [bucket, key].iter().any(|name| name.contains(['?', '#'])) || host.contains(['?', '#']) {
            // glance_store stops reading there, and then means another object.
            return Err("it has a ? or # in it");
        }
        if [bucket, key].iter().any(|name| matches!(*name, "." | "..")) {
            return Err("its bucket or key is . or .., which no request can name");
        }
        Ok(Self { host: host.to_owned(), bucket: bucket.to_owned(), key: key.to_owned() })
    }

    fn split(place: &str) -> Option<(&str, &str, &str)> {
        let (rest, key) = place.trim_matches('/').rsplit_once('/')?;
        let (host, bucket) = rest.rsplit_once('/')?;
        let host = host.trim_matches('/');
        (!host.is_empty() && !bucket.is_empty() && !key.is_empty()).then_some((host, bucket, key))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn is(uri: &str, host: &str, bucket: &str, key: &str) {
        let address = Address { host: host.to_owned(), bucket: bucket.to_owned(), key: key.to_owned() };
        assert_eq!(Address::parse(uri), Ok(address), "{uri}");
    }

    #[test]
    fn bucket_and_key_are_the_last_two_segments() {
        is("s3://s3.example.com/glance/5f0c", "s3.example.com", "glance", "5f0c");
        is("s3+https://s3.example.com:8080/a/path/glance/5f0c", "s3.example.com:8080/a/path", "glance", "5f0c");
        is("s3+http://127.0.0.1:1/glance/5f0c/", "127.0.0.1:1", "glance", "5f0c");
        is("s3://h//b/k//", "h", "b", "k");
        is("s3://h/b%2Fc/50%25", "h", "b%2Fc", "50%25");
        is("s3://h/bucket/key@2", "h", "bucket", "key@2");
    }

    #[test]
    fn credentials_are_skipped_whatever_they_consist_of() {
        for secret in ["secret", "sec/ret+key=", "a%2Fb", "p@ss", "a:b:c", "a/b@c/d:e", "x?y", "x#y", "://", "/b/k@/"] {
            is(&format!("s3+https://AKIA:{secret}@s3.example.com/glance/5f0c"), "s3.example.com", "glance", "5f0c");
        }
    }

    #[test]
    fn what_names_no_object_for_certain_is_refused() {
        for uri in [
            "s3://",
            "s3://x",
            "s3://glance/x",
            "s3://AK:SK@glance/x",
            "s3://h//x",
            "s3://h/b/x?versionId=1",
            "s3://h/b/x#y",
        ] {
            assert!(Address::parse(uri).is_err(), "{uri}");
        }
        for uri in ["s3://h/b/..", "s3://h/b/.", "s3://h/../k", "s3://h?a/b/c"] {
            assert!(Address::parse(uri).is_err(), "{uri}");
        }
    }
}
