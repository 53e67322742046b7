//! Tokens as Glance writes them and values as we seal them, whole and damaged.
//!
//! Input: a character for the kind (bit 0: sealed) and the number of changes (bits 1 and 2), three bytes a change
//! (position, and what to xor there), then the text to encrypt. IV and nonce are fixed, so that a finding repeats.

#![no_main]

use aes::Aes256;
use aes::cipher::block_padding::NoPadding;
use aes::cipher::{BlockModeEncrypt, KeyInit, KeyIvInit};
use aes_gcm::aead::{Aead, Payload};
use base64::prelude::{BASE64_URL_SAFE, Engine};
use glance_scrubber::location::{Encoding, Keyring, Location, LocationError, Scheme, open};
use libfuzzer_sys::fuzz_target;

const IMAGE: &str = "5f0c8a1e-3d2b-4c6f-9a7d-0b1e2f3a4c5d";
const OLD_KEY: &str = "0123456789abcdef";
const KEY: &str = "0123456789abcdef0123456789abcdef";

fuzz_target!(|input: &[u8]| {
    let Some((&kind, rest)) = input.split_first() else { return };
    let Some((changes, text)) = rest.split_at_checked(usize::from(kind >> 1 & 3) * 3) else { return };
    let Ok(text) = str::from_utf8(text) else { return };

    let sealed = kind & 1 == 1;
    let whole = if sealed { gcm(text) } else { cbc(text) };
    let mut bytes = whole.clone();
    for change in changes.chunks_exact(3) {
        let at = usize::from(u16::from_be_bytes([change[0], change[1]])) % bytes.len();
        bytes[at] ^= change[2];
    }
    let value = format!("{}{}", if sealed { "gcm:" } else { "" }, BASE64_URL_SAFE.encode(&bytes));
    let ring = Keyring::new(&[OLD_KEY.to_owned().into(), KEY.to_owned().into()]).expect("these lengths are right");
    let opened = open(&value, IMAGE, &ring);
    if bytes == whole {
        as_in_the_clear(text, sealed, opened);
    } else if sealed {
        assert!(matches!(opened, Err(LocationError::Undecryptable { .. })), "a changed value is not authentic");
    } else if let Ok(location) = opened {
        let uri = location.uri.expose();
        assert!(uri.split_once("://").and_then(|(name, _)| Scheme::of(name)) == Some(location.scheme));
        assert!(!uri.contains(char::is_control), "noise was taken for a URI");
    }
});

/// Encrypting changes nothing about what is accepted, but that a token with noise in it is none.
fn as_in_the_clear(text: &str, sealed: bool, opened: Result<Location, LocationError>) {
    let noise = !text.contains("://") || (!sealed && text.contains(char::is_control));
    if noise {
        assert!(opened.is_err());
        return;
    }
    let was = if sealed { Encoding::Gcm } else { Encoding::Cbc };
    match (opened, open(text, IMAGE, &Keyring::empty())) {
        (Ok(location), Ok(clear)) => {
            assert!(location.uri == clear.uri && location.scheme == clear.scheme && location.was == was);
        }
        (opened, clear) => assert_eq!(opened.err(), clear.err()),
    }
}

fn cbc(text: &str) -> Vec<u8> {
    let iv = [7; 16];
    let mut blocks = [text.as_bytes(), b"\0"].concat();
    blocks.resize(blocks.len().next_multiple_of(16), 0xaa);
    let length = blocks.len();
    let cipher = cbc::Encryptor::<Aes256>::new_from_slices(KEY.as_bytes(), &iv).expect("32 and 16 bytes");
    cipher.encrypt_padded::<NoPadding>(&mut blocks, length).expect("whole blocks");
    [iv.as_slice(), &blocks].concat()
}

fn gcm(text: &str) -> Vec<u8> {
    let nonce = *b"twelve bytes";
    let cipher = aes_gcm::Aes256Gcm::new_from_slice(KEY.as_bytes()).expect("32 bytes");
    let payload = Payload { msg: text.as_bytes(), aad: IMAGE.as_bytes() };
    [nonce.as_slice(), &cipher.encrypt(&nonce.into(), payload).expect("short")].concat()
}
