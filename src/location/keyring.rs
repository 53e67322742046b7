//! The keys that values may be encrypted with.
//!
//! Promises: a key in a [`Keyring`] has a length that AES takes, so decrypting needs no key errors of its own; keys are
//! wiped on drop and never shown.

use std::fmt;

use secrecy::{ExposeSecret, SecretString};

/// The keys to try, the current one first.
#[derive(Clone)]
pub struct Keyring(Vec<Key>);

/// A key of 16, 24 or 32 bytes: the option's text as UTF-8, without any derivation, as `glance/common/crypt.py` does.
#[derive(Clone)]
pub(super) struct Key(SecretString);

/// A key that AES cannot use.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{} is {bytes} bytes long as UTF-8; AES takes 16, 24 or 32: use the value in glance-api.conf", option(*.position))]
pub struct KeyError {
    /// Which of the keys: 0 is `metadata_encryption_key`, n the nth of `[scrubber] old_encryption_keys`.
    pub position: usize,
    /// Its length.
    pub bytes: usize,
}

fn option(position: usize) -> String {
    match position {
        0 => "metadata_encryption_key".to_owned(),
        n => format!("key {n} of [scrubber] old_encryption_keys"),
    }
}

impl Keyring {
    /// `metadata_encryption_key` first, then older keys, in the order to try them.
    pub fn new(keys: &[SecretString]) -> Result<Self, KeyError> {
        let key = |(position, key)| Key::new(key).map_err(|bytes| KeyError { position, bytes });
        keys.iter().enumerate().map(key).collect::<Result<_, _>>().map(Self)
    }

    /// No key: every location is expected in the clear.
    pub fn empty() -> Self {
        Self(Vec::new())
    }

    /// Whether there is no key.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Key> {
        self.0.iter()
    }
}

impl fmt::Debug for Keyring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Keyring({} keys)", self.0.len())
    }
}

impl Key {
    /// Fails with the key's length in bytes.
    pub(super) fn new(text: &SecretString) -> Result<Self, usize> {
        match text.expose_secret().len() {
            16 | 24 | 32 => Ok(Self(text.clone())),
            bytes => Err(bytes),
        }
    }

    pub(super) fn bytes(&self) -> &[u8] {
        self.0.expose_secret().as_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret(text: &str) -> SecretString {
        text.to_owned().into()
    }

    #[test]
    fn length_is_counted_in_bytes() {
        assert!(Keyring::new(&[secret("clé-é-16-octs!")]).is_ok(), "14 characters, 16 bytes");
        let wrong = Keyring::new(&[secret(&"k".repeat(16)), secret("0123456789abcdé")]);
        assert!(wrong.is_ok(), "15 characters, 16 bytes");
        let wrong = Keyring::new(&[secret(&"k".repeat(32)), secret("0123456789abcdeé")]);
        assert_eq!(wrong.err(), Some(KeyError { position: 1, bytes: 17 }));
    }

    #[test]
    fn the_error_names_the_option_and_not_the_key() {
        let error = |position| KeyError { position, bytes: 5 }.to_string();
        let rest = "is 5 bytes long as UTF-8; AES takes 16, 24 or 32: use the value in glance-api.conf";
        assert_eq!(error(0), format!("metadata_encryption_key {rest}"));
        assert_eq!(error(2), format!("key 2 of [scrubber] old_encryption_keys {rest}"));
    }

    #[test]
    fn debug_counts_the_keys() {
        let keys = Keyring::new(&[secret("0123456789abcdef")]).unwrap();
        assert_eq!(format!("{keys:?}"), "Keyring(1 keys)");
        assert!(!keys.is_empty());
        assert!(Keyring::empty().is_empty());
    }
}
