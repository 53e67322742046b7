use proptest::prelude::*;
use secrecy::SecretString;

use super::*;

const IMAGE: &str = "5f0c8a1e-3d2b-4c6f-9a7d-0b1e2f3a4c5d";
const KEY: &str = "0123456789abcdef";

struct Vector {
    key: &'static str,
    text: &'static str,
    iv: &'static str,
    padding: &'static str,
    token: &'static str,
}

/// Made by running `glance.common.crypt` itself; the 7th with the block size of 64 that old scrubber queues had.
const VECTORS: [Vector; 8] = [
    Vector {
        key: "0123456789abcdef",
        text: "file:///var/lib/glance/images/5f0c8a1e-3d2b-4c6f-9a7d-0b1e2f3a4c5d",
        iv: "366dae4f13c86d35f9b8979bffcdc9fd",
        padding: "0058d29f58e4aeb908bcef9beeb2",
        token: "Nm2uTxPIbTX5uJeb_83J_RIfMncehiOM00OJAILmPFSmek-o5nxY6VLvOUe34tY_9o4046yli2QVY-Y440ZQtekGDiE8fFx0Iizj8mbyBUlnDUhWafSWiDqa_yqRRyKO",
    },
    Vector {
        key: "0123456789abcdef01234567",
        text: "rbd://b5c4d0a0-52f8-4a55-9a8f-0d2f1c5f1a11/images/5f0c8a1e-3d2b-4c6f-9a7d-0b1e2f3a4c5d/snap",
        iv: "70d9e5cf7107ddfc0a8aa6248842b22c",
        padding: "00aae985ba",
        token: "cNnlz3EH3fwKiqYkiEKyLLasBePOEqDWPL37IOTx2fqmkP-2NFXEPCuXGMs9iVebzMChFhITHe5U6DPUR4kSO9MSmCzIIt78jTFIqP-01E3f9mDwuiZVmCT7ypc-zXmxkb9jrJWF30B2gwYNQPx-BA==",
    },
    Vector {
        key: "0123456789abcdef0123456789abcdef",
        text: "swift+https://service%3Aglance:p%40ss%2Fw%3Ard@keystone.example.com:5000/v3/glance/5f0c8a1e-3d2b-4c6f-9a7d-0b1e2f3a4c5d",
        iv: "fdf157d2c501fcdc2ae587d0637e2200",
        padding: "00e02a214202b5c6ef",
        token: "_fFX0sUB_Nwq5YfQY34iAPjKYk-Q90DgucDYgz5jKG7ugooQ4rYxgIKW51WOQk2j09O5X4KxFf2HZgbetKdwBn014La52D3nbBmocEkyKfcAEV-MSpw-1bNduyy7CTcMpmZpcBcVnKDCvQeTCqFGwkWcexYqy76HKGSRkSBf5g2nwr2xCsAZJ-x4QodQqD2M",
    },
    Vector {
        key: "clé-é-16-octs!",
        text: "file:///srv/imágenes/映像",
        iv: "eba046dfcc7db0e4975877eabf06337f",
        padding: "00a123a7",
        token: "66BG38x9sOSXWHfqvwYzfyJGzpjjtClgHK9HaB9u2vqs1igNXn42P74Sak_jO8K-",
    },
    Vector {
        key: "0123456789abcdef",
        text: "",
        iv: "821a4551886371088ea13d1a8327c19a",
        padding: "00987e2d35fcad7f0fc002b9589538ea",
        token: "ghpFUYhjcQiOoT0agyfBmm44_NuPWtOOe9A6SZr_uOY=",
    },
    Vector {
        key: "0123456789abcdef",
        text: "0123456789abcdef",
        iv: "b3f40d21a4a922c5f3a06730b0c48912",
        padding: "00bdc2a4d62784e72a2b3f2d8843c93d",
        token: "s_QNIaSpIsXzoGcwsMSJEpFyNnQ5tSfm1m48rk0I__LhZjHl0rkzHYnxFRRZ02Gr",
    },
    Vector {
        key: "0123456789abcdef",
        text: "s3+https://AKIA:sec/ret+key=@s3.example.com/bucket/5f0c8a1e-3d2b-4c6f-9a7d-0b1e2f3a4c5d",
        iv: "5c8cee544d71dcc5a62fd6fe9e1dc67e",
        padding: "001cc3fd71a50766c9a60aa09e50210cb50956f8bda5d53d7be5bb25234f89942a56e619329a342f34",
        token: "XIzuVE1x3MWmL9b-nh3GfhovQ4aU0JuLhHb3dEJqeDV4aIBzHozaPSpYx4gp6NfDeFZ9pAxFDMM1wVG8H44TDAz3brgLeZqnyDQ5T5ozKg7yqj1dXtsGeq35XCY04nS95Eq4VSYKzYSbCVFqOuRKxlbBTIJUumsFhbdgLRGFAtMEhOhdoy3aG6X4OJZbpFeX",
    },
    Vector {
        key: "0123456789abcdef",
        text: "cinder://ceph/5f0c8a1e-3d2b-4c6f-9a7d-0b1e2f3a4c5d",
        iv: "f873337e64f6bd0ce62803513a3a97ee",
        padding: "00c3e4fab6d1fa7b9f26cd1b9106",
        token: "-HMzfmT2vQzmKANROjqX7iVKHuhfzm5R3vFZ5SBMjRNzU8HR8DoFCDwEdiMPM3t0kFqbTW0GRQmYhtTlhGbUA6yOTM2seRfvj5CxlJK9fcU=",
    },
];

fn secret(text: &str) -> SecretString {
    text.to_owned().into()
}

fn keyring(keys: &[&str]) -> Keyring {
    Keyring::new(&keys.iter().map(|key| secret(key)).collect::<Vec<_>>()).unwrap()
}

fn hex<const N: usize>(text: &str) -> [u8; N] {
    unhex(text).try_into().unwrap()
}

fn unhex(text: &str) -> Vec<u8> {
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
}

fn error(value: &str, keys: &Keyring) -> LocationError {
    open(value, IMAGE, keys).unwrap_err()
}

#[test]
fn tokens_of_glance_are_read_and_written() {
    for Vector { key, text, iv, padding, token } in VECTORS {
        let key = Key::new(&secret(key)).unwrap();
        let decrypted = cipher::Token::parse(token).unwrap().decrypt(&key).unwrap();
        assert_eq!(*decrypted, text);
        assert_eq!(cipher::encrypt_cbc(text, &key, &hex(iv), &unhex(padding)).unwrap(), token);
    }
}

#[test]
fn a_vector_that_is_a_uri_opens() {
    for Vector { key, text, token, .. } in VECTORS {
        match open(token, IMAGE, &keyring(&[key])) {
            Ok(location) => {
                assert_eq!(location.uri.expose(), text);
                assert_eq!(location.was, Encoding::Cbc);
            }
            Err(error) => {
                assert!(!text.contains("://"), "{error}");
                assert_eq!(error, LocationError::Undecryptable { reason: Undecryptable::WrongKey { tried: 1 } });
            }
        }
    }
}

#[test]
fn plaintext_needs_no_key_and_is_never_a_token() {
    for keys in [Keyring::empty(), keyring(&[KEY])] {
        let location = open("rbd://fsid/images/5f0c/snap", IMAGE, &keys).unwrap();
        assert_eq!((location.scheme, location.was), (Scheme::Rbd, Encoding::Plain));
        // Python would skip `:` and find a token in it.
        let disguised = VECTORS[0].token.replacen("Nm2u", "N:/", 1) + "://";
        assert!(matches!(error(&disguised, &keys), LocationError::Malformed { .. }));
        assert!(matches!(error("file:/a", &keys), LocationError::Malformed { .. }));
        assert!(matches!(error("", &keys), LocationError::Malformed { .. }));
    }
}

#[test]
fn every_key_is_tried() {
    let other = "fedcba9876543210fedcba9876543210";
    let uri = "file:///a";
    let sealed = seal(&SecretUri::new(uri.to_owned()), IMAGE, &secret(KEY)).unwrap();
    for (value, was) in [(encrypt_as_glance(uri, &secret(KEY)).unwrap(), Encoding::Cbc), (sealed, Encoding::Gcm)] {
        for keys in [keyring(&[KEY, other]), keyring(&[other, KEY])] {
            let location = open(&value, IMAGE, &keys).unwrap();
            assert_eq!((location.uri.expose(), location.was), (uri, was));
        }
    }
}

#[test]
fn a_sealed_value_opens_for_its_image_only() {
    let value = seal(&SecretUri::new("file:///a".to_owned()), IMAGE, &secret(KEY)).unwrap();
    let elsewhere = open(&value, "another", &keyring(&[KEY])).unwrap_err();
    assert_eq!(elsewhere, LocationError::Undecryptable { reason: Undecryptable::NotAuthentic { tried: 1 } });
}

#[test]
fn messages_say_which_option_to_set() {
    let token = VECTORS[0].token;
    let sealed = seal(&SecretUri::new("file:///a".to_owned()), IMAGE, &secret(KEY)).unwrap();
    let wrong = keyring(&["fedcba9876543210", "fedcba9876543210fedcba98"]);
    for (value, keys, why) in [
        (token, &Keyring::empty(), "metadata_encryption_key is not set"),
        (&sealed, &Keyring::empty(), "metadata_encryption_key is not set"),
        (token, &wrong, "none of 2 keys fits; set metadata_encryption_key or [scrubber] old_encryption_keys"),
        (&sealed, &wrong, "none of 2 keys fits, or the value was changed"),
    ] {
        let message = error(value, keys).to_string();
        assert!(message.contains(why), "{message}");
    }
    for value in ["no token", &token[..40], "gcm:", "gcm:AAAA", "gcm:a b"] {
        let reason = Undecryptable::NotAToken;
        assert_eq!(error(value, &wrong), LocationError::Undecryptable { reason }, "{value}");
    }
}

#[test]
fn a_decrypted_uri_is_held_to_the_same_rules() {
    let keys = keyring(&[KEY]);
    let opened = |text: &str| open(&encrypt_as_glance(text, &secret(KEY)).unwrap(), IMAGE, &keys);
    assert_eq!(opened("sheepdog://a").unwrap_err(), LocationError::UnknownScheme { scheme: "sheepdog".to_owned() });
    assert!(matches!(opened("cinder://a").unwrap_err(), LocationError::Malformed { .. }));
    let noise = LocationError::Undecryptable { reason: Undecryptable::WrongKey { tried: 1 } };
    assert_eq!(opened("file:///a\u{1}b").unwrap_err(), noise, "noise has control characters, URIs of Glance have not");
    let sealed = |text: &str| open(&seal(&SecretUri::new(text.to_owned()), IMAGE, &secret(KEY)).unwrap(), IMAGE, &keys);
    assert!(matches!(sealed("no uri").unwrap_err(), LocationError::Malformed { .. }));
    assert!(matches!(sealed("gridfs://a").unwrap_err(), LocationError::UnknownScheme { .. }));
}

/// URI forms with `{u}` and `{s}` where user and secret go.
const FORMS: [&str; 14] = [
    "swift://{u}:{s}@keystone.example:5000/v3/glance/5f0c",
    "swift+http://{u}:{s}@keystone.example/v3/glance/5f0c",
    "swift+https://{u}:{s}@[2001:db8::1]:5000/v3/glance/5f0c?{s}",
    "swift+config://{u}:{s}@ref1/glance/5f0c",
    "s3://{u}:{s}@s3.example/bucket/5f0c",
    "s3+http://{u}:{s}@s3.example:8080/path/bucket/5f0c",
    "s3+https://{u}:{s}@s3.example/bucket/5f0c#{s}",
    "http://{u}:{s}@host/5f0c",
    "https://{u}:{s}@host:8443/5f0c?signature={s}",
    "https://host/5f0c?signature={s}&user={u}",
    "vsphere://{u}:{s}@vc/folder/a/5f0c?dcPath=dc1&dsName=ds1&ticket={s}",
    "rbd://{u}:{s}@fsid/pool/image/snap",
    "cinder://{u}:{s}@store/volume",
    "sheepdog://{u}:{s}@host",
];

fn fill(form: &str, user: &str, secret: &str) -> String {
    form.replace("{u}", user).replace("{s}", secret)
}

/// All that this module would ever show of `value`: in the clear, damaged, and encrypted in each way.
fn shown(value: &str) -> String {
    let uri = SecretUri::new(value.to_owned());
    let keys = keyring(&[KEY]);
    let token = encrypt_as_glance(value, &secret(KEY)).unwrap();
    let sealed = seal(&uri, IMAGE, &secret(KEY)).unwrap();
    let damaged = [&value.replacen("://", ":/", 1), &format!("x{value}"), &token[..token.len() - 4]];
    let opened = [value, &token, &sealed].into_iter().chain(damaged).map(|row| match open(row, IMAGE, &keys) {
        Ok(location) => format!("{location:?} {location:#?}"),
        Err(error) => format!("{error} {error:?}"),
    });
    opened.chain([uri.redacted(), format!("{uri} {uri:?} {uri:#?}")]).collect::<Vec<_>>().join("\n")
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn no_secret_is_shown(
        form in proptest::sample::select(&FORMS[..]),
        user in "[a-z%:@/?#&= ]{0,8}",
        hidden in r"[A-Za-z0-9+/=@?#:&%.\[\] \\\n\t-]{4,24}|\PC{4,12}",
    ) {
        // What stands there with any other secret is none.
        prop_assume!(!form.contains(&hidden) && !shown(&fill(form, &user, "00")).contains(&hidden));
        let shown = shown(&fill(form, &user, &hidden));
        prop_assert!(!shown.contains(&hidden), "{:?} in {}", hidden, shown);
    }

    #[test]
    fn opening_is_total(value in r"\PC{0,60}|(gcm:)?[A-Za-z0-9_=-]{0,120}", image_id in "\\PC{0,8}") {
        for keys in [Keyring::empty(), keyring(&[KEY])] {
            let _ = open(&value, &image_id, &keys);
        }
    }
}
