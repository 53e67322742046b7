//! What a location row points to: its `value` decrypted, its scheme known, its credentials kept out of sight.
//!
//! Promises: [`open`] is pure and total. It gives a URI whose scheme has a store and whose shape that store can
//! read, or says why not; it never guesses, because what it returns is going to be deleted. No error, `Debug` or
//! `Display` of this module shows a credential.
//!
//! Fails with [`LocationError`], always for this one value alone; the row stays as it is.
//!
//! Rejected: a switch "values are encrypted" as in Glance, where one plaintext row then stops every other. A mixture
//! is normal: rows older than `metadata_encryption_key` and rows of parallel imports are plaintext. A value with
//! `://` in it cannot be a token (`:` is in no base64 alphabet), so every value tells by itself what it is.

mod cipher;
mod keyring;
mod scheme;
mod sealed;
pub(crate) mod shape;
#[cfg(test)]
mod tests;
mod uri;

pub use cipher::encrypt_as_glance;
pub use keyring::{KeyError, Keyring};
pub use scheme::Scheme;
pub use sealed::{SealError, seal};
pub use uri::SecretUri;

use std::fmt;

use zeroize::Zeroizing;

use keyring::Key;

/// A location that a store can be asked to delete.
#[derive(Debug, Clone)]
pub struct Location {
    /// The scheme of `uri`.
    pub scheme: Scheme,
    /// The URI in the clear.
    pub uri: SecretUri,
    /// How the row held it.
    pub was: Encoding,
}

/// How a row held its URI.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Encoding {
    /// As it is.
    Plain,
    /// Encrypted by Glance (`glance/common/crypt.py`): AES-CBC, not authenticated.
    Cbc,
    /// Sealed by [`seal`]: AES-GCM, bound to the image.
    Gcm,
}

/// Why a value gives no [`Location`]. None of it contains a part of the value but for the name of a scheme.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LocationError {
    /// The value is not a URI, and no key makes one of it.
    #[error("{reason}")]
    Undecryptable {
        /// What is missing.
        reason: Undecryptable,
    },
    /// There is a URI, but the store of its scheme could not read it, or would read it differently.
    #[error("{reason}; correct image_locations.value")]
    Malformed {
        /// What is wrong, without a part of the URI.
        reason: &'static str,
    },
    /// There is a URI of a store that does not exist (any more).
    #[error("no store reads {scheme}:// locations (glance_store dropped sheepdog and gridfs); remove the data by hand")]
    UnknownScheme {
        /// The scheme: lower case, at most 16 characters.
        scheme: String,
    },
}

/// What stands between a token and its URI.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Undecryptable {
    /// There is no key at all.
    NoKey,
    /// Not what Glance writes: no base64, or not a whole number of AES blocks.
    NotAToken,
    /// No key gives an acceptable URI.
    WrongKey {
        /// How many keys were tried.
        tried: usize,
    },
    /// AES-GCM says that no key fits, or that the value was changed or belongs to another image.
    NotAuthentic {
        /// How many keys were tried.
        tried: usize,
    },
}

impl fmt::Display for Undecryptable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoKey => f.write_str("it is encrypted, and metadata_encryption_key is not set as in glance-api.conf"),
            Self::NotAToken => f.write_str(
                "it is neither a URI nor a token as Glance writes them; restore image_locations.value from a backup",
            ),
            Self::WrongKey { tried } => {
                write!(f, "none of {tried} keys fits; set metadata_encryption_key or [scrubber] old_encryption_keys")
            }
            Self::NotAuthentic { tried } => {
                write!(f, "none of {tried} keys fits, or the value was changed or copied from another image")
            }
        }
    }
}

impl Encoding {
    /// `plain`, `cbc` or `gcm`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Cbc => "cbc",
            Self::Gcm => "gcm",
        }
    }
}

/// Reads `image_locations.value` of the image `image_id` (as in the row; only sealed values are bound to it).
///
/// Every key is tried, the current one first; the first that yields an acceptable URI wins.
pub fn open(value: &str, image_id: &str, keys: &Keyring) -> Result<Location, LocationError> {
    if value.contains("://") {
        return accept(Zeroizing::new(value.to_owned()), Encoding::Plain);
    }
    if value.is_empty() {
        return Err(LocationError::Malformed { reason: "it is empty" });
    }
    // `file:/a` reads as a URI to Python, and as base64 too (`:` is skipped); no driver and no Glance writes it.
    if value.split_once(':').is_some_and(|(scheme, _)| Scheme::of(scheme).is_some()) {
        return Err(LocationError::Malformed { reason: "its scheme is not followed by ://" });
    }
    if keys.is_empty() {
        return Err(LocationError::Undecryptable { reason: Undecryptable::NoKey });
    }
    let tried = keys.len();
    if let Some(body) = value.strip_prefix(sealed::PREFIX) {
        let Some(sealed) = sealed::Sealed::parse(body) else {
            return Err(LocationError::Undecryptable { reason: Undecryptable::NotAToken });
        };
        let decrypt = |key: &Key| sealed.decrypt(image_id, key);
        return first_uri(keys, Encoding::Gcm, Undecryptable::NotAuthentic { tried }, decrypt);
    }
    let Some(token) = cipher::Token::parse(value) else {
        return Err(LocationError::Undecryptable { reason: Undecryptable::NotAToken });
    };
    // A wrong key gives noise. Glance writes no control characters into a URI, so noise is told apart from one here
    // more strictly than from plaintext, where only what drivers stumble over is refused.
    let decrypt =
        |key: &Key| token.decrypt(key).filter(|text| text.contains("://") && !text.contains(char::is_control));
    first_uri(keys, Encoding::Cbc, Undecryptable::WrongKey { tried }, decrypt)
}

/// The first acceptable URI. Where a key decrypted, but to a URI that no store reads, that says more than `else_`.
fn first_uri(
    keys: &Keyring,
    was: Encoding,
    else_: Undecryptable,
    decrypt: impl Fn(&Key) -> Option<Zeroizing<String>>,
) -> Result<Location, LocationError> {
    let mut failure = None;
    for text in keys.iter().filter_map(decrypt) {
        match accept(text, was) {
            Ok(location) => return Ok(location),
            Err(error) => failure = failure.or(Some(error)),
        }
    }
    Err(failure.unwrap_or(LocationError::Undecryptable { reason: else_ }))
}

fn accept(text: Zeroizing<String>, was: Encoding) -> Result<Location, LocationError> {
    let scheme = shape::check(&text)?;
    Ok(Location { scheme, uri: SecretUri::from(text), was })
}
