//! Any value of a row, for any image, with any of a few keys.
//!
//! Input: a character whose low three bits choose the keys, the image id, a line feed, the value.

#![no_main]

use glance_scrubber::location::{Encoding, Keyring, Scheme, SecretUri, open, seal};
use libfuzzer_sys::fuzz_target;
use secrecy::SecretString;

const KEYS: [&str; 3] = ["0123456789abcdef", "0123456789abcdef01234567", "0123456789abcdef0123456789abcdef"];

fuzz_target!(|input: &[u8]| {
    let Some((&choice, rest)) = input.split_first() else { return };
    let Some(end) = rest.iter().position(|&byte| byte == b'\n') else { return };
    let (Ok(image_id), Ok(value)) = (str::from_utf8(&rest[..end]), str::from_utf8(&rest[end + 1..])) else { return };

    let chosen = |(at, key): (usize, &&str)| (choice >> at & 1 == 1).then(|| SecretString::from(key.to_string()));
    let keys: Vec<_> = KEYS.iter().enumerate().filter_map(chosen).collect();
    let ring = Keyring::new(&keys).expect("these lengths are right");

    redaction_settles(value);
    let opened = open(value, image_id, &ring);
    if value.contains("://") {
        assert_eq!(opened.as_ref().err(), open(value, image_id, &Keyring::empty()).as_ref().err(), "no key matters");
    }
    let Ok(location) = opened else { return };
    let uri = location.uri.expose();
    redaction_settles(uri);
    assert_eq!(location.was == Encoding::Plain, uri == value);
    assert_eq!(uri.split_once("://").and_then(|(name, _)| Scheme::of(name)), Some(location.scheme));
    assert!(!uri.contains(['\t', '\r', '\n', '\0']));

    let Some(key) = keys.first() else { return };
    let sealed = seal(&location.uri, image_id, key).expect("the key's length is right");
    let again = open(&sealed, image_id, &ring).expect("what was sealed opens");
    assert_eq!((again.uri.expose(), again.was), (uri, Encoding::Gcm));
    assert!(open(&sealed, "another image", &ring).is_err() || image_id == "another image");
});

/// What is shown is one line, and hides as much when it is hidden again.
fn redaction_settles(text: &str) {
    let shown = SecretUri::new(text.to_owned()).redacted();
    assert!(!shown.contains(char::is_control));
    assert_eq!(SecretUri::new(shown.clone()).redacted(), shown);
}
