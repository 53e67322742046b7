//! What Glance writes when `metadata_encryption_key` is set: `urlsafe_encrypt` of `glance/common/crypt.py`.
//!
//! A token is base64 (URL-safe alphabet, padded) over the 16 bytes of the IV and the AES-CBC blocks of: the URI as
//! UTF-8, one 0x00, and random bytes other than 0x00 up to a whole block.
//!
//! Promises: every token that Glance can read gives the text that Glance gets, but for one kind: without any 0x00
//! Python drops the last byte and goes on, here it is no text. Nothing authenticates a token, so what comes out is
//! noise until the caller has seen that it is a URI.

use aes::cipher::block_padding::NoPadding;
use aes::cipher::{BlockCipherDecrypt, BlockCipherEncrypt, BlockModeDecrypt, BlockModeEncrypt, KeyInit, KeyIvInit};
use aes::{Aes128, Aes192, Aes256};
use aes_gcm::aead::Generate;
use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::general_purpose::{GeneralPurpose, NO_PAD, URL_SAFE};
use secrecy::SecretString;
use zeroize::Zeroizing;

use super::keyring::{Key, KeyError};
use super::sealed::SealError;

const BLOCK: usize = 16;

/// Python's decoder does not look at the bits that the last character has too many.
const LENIENT: GeneralPurpose = GeneralPurpose::new(&STANDARD, NO_PAD.with_decode_allow_trailing_bits(true));

/// A token taken apart: an IV and at least one block.
pub(super) struct Token {
    iv: [u8; BLOCK],
    blocks: Vec<u8>,
}

impl Token {
    /// `None` where no key could decrypt `text`: no base64, or not a whole number of blocks.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let bytes = decode_base64(text)?;
        let (iv, blocks) = bytes.split_first_chunk()?;
        let whole = !blocks.is_empty() && blocks.len().is_multiple_of(BLOCK);
        whole.then(|| Self { iv: *iv, blocks: blocks.to_vec() })
    }

    /// The text before the last 0x00; `None` where there is no 0x00, or the text is not UTF-8 (the usual outcome with
    /// a wrong key).
    pub(super) fn decrypt(&self, key: &Key) -> Option<Zeroizing<String>> {
        let mut padded = Zeroizing::new(self.blocks.clone());
        match key.bytes().len() {
            16 => decrypt_blocks::<Aes128>(key, &self.iv, &mut padded),
            24 => decrypt_blocks::<Aes192>(key, &self.iv, &mut padded),
            32 => decrypt_blocks::<Aes256>(key, &self.iv, &mut padded),
            _ => None,
        }?;
        let end = padded.iter().rposition(|&byte| byte == 0)?;
        let text = std::str::from_utf8(padded.get(..end)?).ok()?;
        Some(Zeroizing::new(text.to_owned()))
    }
}

fn decrypt_blocks<C: BlockCipherDecrypt + KeyInit>(key: &Key, iv: &[u8; BLOCK], blocks: &mut [u8]) -> Option<()> {
    let cipher = cbc::Decryptor::<C>::new_from_slices(key.bytes(), iv).ok()?;
    cipher.decrypt_padded::<NoPadding>(blocks).ok().map(|_| ())
}

/// Python's `base64.urlsafe_b64decode`, which takes both alphabets and skips all other characters.
///
/// After `binascii.a2b_base64`, not strict: an `=` counts in the third and fourth place of a group of four, the group
/// that it completes is the last one, and a group that is left open is an error.
fn decode_base64(text: &str) -> Option<Vec<u8>> {
    let mut characters = Vec::with_capacity(text.len());
    let mut pads = 0;
    let mut closed = false;
    for byte in text.bytes() {
        match byte {
            b'=' => {
                let place = characters.len() % 4;
                pads += usize::from(place >= 2);
                if place >= 2 && place + pads >= 4 {
                    closed = true;
                    break;
                }
                continue;
            }
            b'-' => characters.push(b'+'),
            b'_' => characters.push(b'/'),
            b'+' | b'/' | b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' => characters.push(byte),
            _ => continue,
        }
        pads = 0;
    }
    let whole = closed || characters.len().is_multiple_of(4);
    whole.then(|| LENIENT.decode(characters).ok()).flatten()
}

/// Encrypts `uri` as Glance does, with a random IV: what tests and benchmarks put into a database.
pub fn encrypt_as_glance(uri: &str, key: &SecretString) -> Result<String, SealError> {
    let key = Key::new(key).map_err(|bytes| KeyError { position: 0, bytes })?;
    let iv = random()?;
    let noise: [u8; BLOCK] = random()?;
    let mut padding = vec![0];
    padding.extend(noise.iter().map(|&byte| byte.max(1)).take(BLOCK - 1 - uri.len() % BLOCK));
    encrypt_cbc(uri, &key, &iv, &padding)
}

/// `padding` begins with the 0x00 and fills up the last block.
pub(super) fn encrypt_cbc(uri: &str, key: &Key, iv: &[u8; BLOCK], padding: &[u8]) -> Result<String, SealError> {
    let mut blocks = Zeroizing::new([uri.as_bytes(), padding].concat());
    match key.bytes().len() {
        16 => encrypt_blocks::<Aes128>(key, iv, &mut blocks),
        24 => encrypt_blocks::<Aes192>(key, iv, &mut blocks),
        _ => encrypt_blocks::<Aes256>(key, iv, &mut blocks),
    }
    .ok_or(SealError::Length)?;
    Ok(URL_SAFE.encode([iv.as_slice(), &blocks].concat()))
}

fn encrypt_blocks<C: BlockCipherEncrypt + KeyInit>(key: &Key, iv: &[u8; BLOCK], blocks: &mut [u8]) -> Option<()> {
    let length = blocks.len();
    let cipher = cbc::Encryptor::<C>::new_from_slices(key.bytes(), iv).ok()?;
    cipher.encrypt_padded::<NoPadding>(blocks, length).ok().map(|_| ())
}

pub(super) fn random<const N: usize>() -> Result<[u8; N], SealError> {
    Generate::try_generate().map_err(|_| SealError::Random)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn key(text: &str) -> Key {
        Key::new(&text.to_owned().into()).unwrap()
    }

    /// Made with `base64.urlsafe_b64decode` of Python 3.11.
    #[test]
    fn base64_is_read_as_python_reads_it() {
        for (text, bytes) in [
            ("AAEC", Some(vec![0, 1, 2])),
            ("-_-_", Some(vec![0xfb, 0xff, 0xbf])),
            ("+/+/", Some(vec![0xfb, 0xff, 0xbf])),
            (" A\nA:E\u{e9}C\r\n", Some(vec![0, 1, 2])),
            ("AAE=", Some(vec![0, 1])),
            ("AAF=", Some(vec![0, 1])),
            ("AA==", Some(vec![0])),
            ("A=A=EC", Some(vec![0, 1, 2])),
            ("AA=EC", Some(vec![0, 1, 2])),
            ("AA=EC=", Some(vec![0, 1, 2])),
            ("AA==EC", Some(vec![0])),
            ("====", Some(vec![])),
            ("", Some(vec![])),
            ("AAE", None),
            ("AA", None),
            ("AA=", None),
            ("AA=ECAA=", None),
            ("A", None),
            ("AAECA===", None),
        ] {
            assert_eq!(decode_base64(text), bytes, "{text:?}");
        }
    }

    #[test]
    fn an_iv_and_whole_blocks_make_a_token() {
        for (length, is_token) in
            [(0, false), (15, false), (16, false), (31, false), (32, true), (33, false), (48, true)]
        {
            assert_eq!(Token::parse(&URL_SAFE.encode(vec![7; length])).is_some(), is_token, "{length} bytes");
        }
    }

    #[test]
    fn the_text_ends_at_the_last_zero() {
        let key = key("0123456789abcdef");
        let decrypt = |text: &str, padding: &[u8]| {
            let token = encrypt_cbc(text, &key, &[3; BLOCK], padding).unwrap();
            Token::parse(&token).unwrap().decrypt(&key).map(|text| text.to_string())
        };
        assert_eq!(decrypt("a\0b", b"\0cdefghijklmn").as_deref(), Some("a\0b"));
        assert_eq!(decrypt("0123456789abcdef", b""), None, "Python would give all but the f");
    }

    proptest! {
        #[test]
        fn what_is_encrypted_as_glance_comes_back(uri in ".{0,80}", key_text in "[ -~]{16}|[ -~]{24}|[ -~]{32}") {
            let token = encrypt_as_glance(&uri, &key_text.clone().into()).unwrap();
            let text = Token::parse(&token).unwrap().decrypt(&key(&key_text)).unwrap();
            prop_assert_eq!(&*text, &uri);
        }
    }
}
