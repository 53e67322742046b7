//! Our own format for a value that is encrypted, authenticated, and bound to its image.
//!
//! `gcm:` and base64 (URL-safe alphabet, written without padding, read with and without) over the 12 bytes of the
//! nonce, the AES-GCM ciphertext and its 16 bytes of tag. The key is the text of `metadata_encryption_key`, its length
//! chooses AES-128, 192 or 256. The image id is associated data: a value copied to another image does not open.
//!
//! `gcm:` can begin neither a URI nor a token of Glance, where `:` is in no alphabet.

use aes::{Aes128, Aes192, Aes256};
use aes_gcm::aead::consts::U12;
use aes_gcm::{AeadInOut, AesGcm, KeyInit};
use base64::Engine;
use base64::alphabet;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, NO_PAD};
use secrecy::SecretString;
use zeroize::Zeroizing;

use super::cipher::random;
use super::keyring::{Key, KeyError};
use super::uri::SecretUri;

pub(super) const PREFIX: &str = "gcm:";

const NONCE: usize = 12;

const BASE64: GeneralPurpose =
    GeneralPurpose::new(&alphabet::URL_SAFE, NO_PAD.with_decode_padding_mode(DecodePaddingMode::Indifferent));

/// Why nothing could be encrypted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// The key has a length that AES does not take.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The system gives no random bytes.
    #[error("the system gives no random bytes for a nonce")]
    Random,
    /// AES-GCM ends at 64 GiB; AES-CBC takes whole blocks.
    #[error("the text has a length that the cipher does not take")]
    Length,
}

/// A value taken apart.
pub(super) struct Sealed {
    nonce: [u8; NONCE],
    ciphertext: Vec<u8>,
}

impl Sealed {
    /// Takes what follows the prefix; `None` where it is no base64 or too short for a nonce.
    pub(super) fn parse(body: &str) -> Option<Self> {
        let bytes = BASE64.decode(body).ok()?;
        let (nonce, ciphertext) = bytes.split_first_chunk()?;
        Some(Self { nonce: *nonce, ciphertext: ciphertext.to_vec() })
    }

    /// `None` where the key is not the one, the image is not the one, or a bit has changed.
    pub(super) fn decrypt(&self, image_id: &str, key: &Key) -> Option<Zeroizing<String>> {
        let mut text = Zeroizing::new(self.ciphertext.clone());
        match key.bytes().len() {
            16 => self.decrypt_as::<AesGcm<Aes128, U12>>(image_id, key, &mut text),
            24 => self.decrypt_as::<AesGcm<Aes192, U12>>(image_id, key, &mut text),
            32 => self.decrypt_as::<AesGcm<Aes256, U12>>(image_id, key, &mut text),
            _ => None,
        }?;
        std::str::from_utf8(&text).ok().map(|text| Zeroizing::new(text.to_owned()))
    }

    fn decrypt_as<C: AeadInOut<NonceSize = U12> + KeyInit>(
        &self,
        image_id: &str,
        key: &Key,
        text: &mut Vec<u8>,
    ) -> Option<()> {
        let cipher = C::new_from_slice(key.bytes()).ok()?;
        cipher.decrypt_in_place(&self.nonce.into(), image_id.as_bytes(), text).ok()
    }
}

/// Encrypts `uri` for the image `image_id`, as [`open`](super::open) reads it.
pub fn seal(uri: &SecretUri, image_id: &str, key: &SecretString) -> Result<String, SealError> {
    let key = Key::new(key).map_err(|bytes| KeyError { position: 0, bytes })?;
    seal_with(uri, image_id, &key, random()?)
}

fn seal_with(uri: &SecretUri, image_id: &str, key: &Key, nonce: [u8; NONCE]) -> Result<String, SealError> {
    let encrypt = match key.bytes().len() {
        16 => encrypt_as::<AesGcm<Aes128, U12>>,
        24 => encrypt_as::<AesGcm<Aes192, U12>>,
        _ => encrypt_as::<AesGcm<Aes256, U12>>,
    };
    // With room for the tag, so that no copy of the text is left behind by a buffer that grew.
    let mut text = Zeroizing::new(Vec::with_capacity(uri.expose().len() + 16));
    text.extend_from_slice(uri.expose().as_bytes());
    encrypt(key, nonce, image_id, &mut text).ok_or(SealError::Length)?;
    Ok(format!("{PREFIX}{}", BASE64.encode([nonce.as_slice(), &text].concat())))
}

fn encrypt_as<C: AeadInOut<NonceSize = U12> + KeyInit>(
    key: &Key,
    nonce: [u8; NONCE],
    image_id: &str,
    text: &mut Vec<u8>,
) -> Option<()> {
    let cipher = C::new_from_slice(key.bytes()).ok()?;
    cipher.encrypt_in_place(&nonce.into(), image_id.as_bytes(), text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEYS: [&str; 3] = ["0123456789abcdef", "0123456789abcdef01234567", "0123456789abcdef0123456789abcdef"];
    const IMAGE: &str = "5f0c8a1e-3d2b-4c6f-9a7d-0b1e2f3a4c5d";

    fn key(text: &str) -> Key {
        Key::new(&text.to_owned().into()).unwrap()
    }

    fn decrypt(value: &str, image_id: &str, key_text: &str) -> Option<String> {
        let sealed = Sealed::parse(value.strip_prefix(PREFIX).unwrap())?;
        sealed.decrypt(image_id, &key(key_text)).map(|text| text.to_string())
    }

    /// Made with `AESGCM` of Python's cryptography, so that another implementation agrees on the format.
    #[test]
    fn vectors() {
        for (key_text, value) in KEYS.into_iter().zip([
            "gcm:dHdlbHZlIGJ5dGVzDIAZcpEoMkYndBKq2Bir7VgvVLQ7oH0kfqyOHEGrndkp9qT3VZuLvC55Aw",
            "gcm:dHdlbHZlIGJ5dGVzgukP-lkpSEDgpboEhX5A84KxFLuldiNqH850FU11rfcohQMd7uRcZN89Pw",
            "gcm:dHdlbHZlIGJ5dGVzM9tmS_CXmFKd69ejcMDUTqBp_FJwPlSUpytiGTSNzJKbhVe429ryMhGxDw",
        ]) {
            let uri = SecretUri::new("rbd://fsid/images/5f0c/snap".to_owned());
            assert_eq!(seal_with(&uri, IMAGE, &key(key_text), *b"twelve bytes").unwrap(), value);
            assert_eq!(decrypt(value, IMAGE, key_text).as_deref(), Some(uri.expose()));
        }
    }

    #[test]
    fn opens_with_its_key_and_image_only() {
        let uri = SecretUri::new("file:///a".to_owned());
        for key_text in KEYS {
            let value = seal(&uri, IMAGE, &key_text.to_owned().into()).unwrap();
            for other in KEYS {
                assert_eq!(decrypt(&value, IMAGE, other).is_some(), other == key_text);
            }
            assert_eq!(decrypt(&value, "5f0c8a1e-3d2b-4c6f-9a7d-0b1e2f3a4c5e", key_text), None);
            assert_ne!(seal(&uri, IMAGE, &key_text.to_owned().into()).unwrap(), value, "a nonce is used once");
        }
    }

    #[test]
    fn padding_is_optional_and_every_bit_counts() {
        let uri = SecretUri::new("file:///ab".to_owned());
        let value = seal(&uri, IMAGE, &KEYS[0].to_owned().into()).unwrap();
        let bytes = BASE64.decode(&value[PREFIX.len()..]).unwrap();
        assert_eq!(bytes.len() % 3, 2, "else there is no padding to try");
        assert!(!value.ends_with('='));
        assert_eq!(decrypt(&format!("{value}="), IMAGE, KEYS[0]).as_deref(), Some(uri.expose()));
        for bit in 0..bytes.len() * 8 {
            let mut changed = bytes.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(decrypt(&format!("{PREFIX}{}", BASE64.encode(changed)), IMAGE, KEYS[0]), None, "bit {bit}");
        }
    }

    #[test]
    fn a_short_key_is_refused() {
        let refused = seal(&SecretUri::new("file:///a".to_owned()), IMAGE, &"short".to_owned().into());
        assert_eq!(refused, Err(SealError::Key(KeyError { position: 0, bytes: 5 })));
    }
}
