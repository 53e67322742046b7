//! Whether a URI has the shape that the store of its scheme can read.
//!
//! Promises: what Glance writes and glance_store's driver reads passes; what would name no data, or data that
//! depends on who reads it (a relative path, a URI that Python reads differently), does not. Cheap and pure. Stores
//! take the URI apart in full, and are free to refuse more.
//!
//! Stricter than glance_store on purpose: an empty object, a relative path, and a wrong percent-escape (which Python
//! replaces, so that it names something else) pass there and are refused here. More generous: S3 and Swift
//! credentials with `@`, `/`, `?`, `#` or `://` in them, which drivers wrote and could not read back.

use super::LocationError;
use super::scheme::{self, Scheme};

type Shape = Result<(), &'static str>;

/// The scheme of `uri`, which is not the row's value but the clear text.
pub(super) fn check(uri: &str) -> Result<Scheme, LocationError> {
    let malformed = |reason| LocationError::Malformed { reason };
    // urlparse removes TAB, CR and LF wherever they stand, so glance_store deletes something else than what is written.
    if uri.contains(['\t', '\r', '\n', '\0']) {
        return Err(malformed("it has a TAB, CR, LF or NUL in it"));
    }
    let (name, rest) = uri.split_once("://").ok_or(malformed("it has no ://"))?;
    let Some(scheme) = Scheme::of(name) else {
        return Err(match scheme::presentable(name) {
            None => malformed("it does not begin with a scheme"),
            Some(name) if Scheme::of(&name).is_some() => malformed("its scheme is not in lower case"),
            Some(scheme) => LocationError::UnknownScheme { scheme },
        });
    };
    match scheme.store_type() {
        "file" => file(rest),
        "http" => http(rest),
        "swift" => swift(rest),
        "rbd" => rbd(rest),
        "s3" => s3(rest),
        "cinder" => cinder(rest),
        _ => vsphere(rest),
    }
    .map(|()| scheme)
    .map_err(malformed)
}

fn file(rest: &str) -> Shape {
    // A relative path would be looked up in the directory that the scrubber happens to run in.
    require(rest.starts_with('/'), "file:// is not followed by an absolute path")
}

fn http(rest: &str) -> Shape {
    let authority = before(rest, &['/', '?', '#']);
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    // As the driver does: more than one colon is an IPv6 address in brackets.
    let delimiter = if host.matches(':').count() > 1 { "]:" } else { ":" };
    let (host, port) = host.split_once(delimiter).unwrap_or((host, ""));
    require(!host.is_empty(), "it names no host")?;
    require(port.bytes().all(|b| b.is_ascii_digit()), "its port is not a number")
}

fn swift(rest: &str) -> Shape {
    // swift://user:key@http://… is what old documentation showed, and what the driver refuses. Before the last `@`
    // it is a key that begins with two slashes.
    bucket_and_key(rest, "it does not end in a container and an object")
}

fn s3(rest: &str) -> Shape {
    bucket_and_key(rest.trim_end_matches('/'), "it does not end in a bucket and a key")
}

/// `[credentials@]host[/more]/bucket/key`, whatever the credentials consist of.
fn bucket_and_key(rest: &str, otherwise: &'static str) -> Shape {
    let fits = |place: &str| {
        let mut segments = before(place, &['?', '#']).trim_start_matches('/').rsplit('/');
        let named = |segment: Option<&str>| segment.is_some_and(|name| !name.is_empty());
        named(segments.next()) && named(segments.next()) && segments.next().is_some()
    };
    let place = rest.rsplit_once('@').map_or(rest, |(_, place)| place);
    require(!place.contains("://"), "it has a second ://")?;
    // An `@` may also be part of the names; the store decides where to cut.
    require(fits(place) || fits(rest), otherwise)
}

fn rbd(rest: &str) -> Shape {
    let parts: Vec<_> = rest.split('/').collect();
    require(matches!(parts.len(), 1 | 4), "an RBD URI has 1 or 4 parts")?;
    require(parts.iter().all(|part| !part.is_empty()), "an RBD URI has no empty part")?;
    // A single part is taken literally: drivers wrote it unquoted.
    let quoted = parts.len() == 4;
    require(!quoted || parts.iter().all(|part| percent_decode(part).is_some()), "it has a wrong percent-escape")
}

fn cinder(rest: &str) -> Shape {
    let volume = rest.rsplit('/').next().unwrap_or(rest);
    require(is_uuid(volume), "it does not end in a volume id (a UUID in lower case)")
}

fn vsphere(rest: &str) -> Shape {
    let rest = before(rest, &['#']);
    let (place, query) = rest.split_once('?').unwrap_or((rest, ""));
    let (host, path) = place.split_once('/').unwrap_or((place, ""));
    require(!host.is_empty() && !path.is_empty(), "it names no host or no path")?;
    let given =
        |name: &str| query.split('&').any(|pair| pair.split_once('=').is_some_and(|(k, v)| k == name && !v.is_empty()));
    require(given("dsName") && given("dcPath"), "it lacks dsName or dcPath")
}

/// Whether this is a UUID in lower case, as Glance and Cinder make their ids.
pub(crate) fn is_uuid(text: &str) -> bool {
    let fits = |(at, byte): (usize, u8)| match at {
        8 | 13 | 18 | 23 => byte == b'-',
        _ => matches!(byte, b'0'..=b'9' | b'a'..=b'f'),
    };
    text.len() == 36 && text.bytes().enumerate().all(fits)
}

/// `text` with its percent-escapes resolved; `None` where one is wrong, or names a NUL or no UTF-8.
pub(crate) fn percent_decode(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, tail)) = rest.split_first() {
        rest = tail;
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let (escape, tail) = rest.split_first_chunk::<2>()?;
        let digit = |b: u8| char::from(b).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
        bytes.push(digit(escape[0])? * 16 + digit(escape[1])?);
        rest = tail;
    }
    String::from_utf8(bytes).ok().filter(|text| !text.contains('\0'))
}

fn before<'a>(text: &'a str, marks: &[char]) -> &'a str {
    text.split_once(marks).map_or(text, |(head, _)| head)
}

fn require(holds: bool, otherwise: &'static str) -> Shape {
    if holds { Ok(()) } else { Err(otherwise) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reason(uri: &str) -> &'static str {
        match check(uri) {
            Err(LocationError::Malformed { reason }) => reason,
            other => panic!("{uri}: {other:?}"),
        }
    }

    /// Each is read by glance_store 5.x, or was written by one of its drivers.
    #[test]
    fn what_glance_store_reads_passes() {
        for uri in [
            "file:///var/lib/glance/images/5f0c",
            "filesystem:////a",
            "file:///a/b%20c;d?x#y",
            "rbd://5f0c",
            "rbd://100%",
            "rbd://b5c4/im%2Fages/5f%C3%A9/snap?x",
            "http://host",
            "http://user:pass@host:8080/a?b",
            "https://[2001:db8::1]:443/a",
            "https://[2001:db8::1]/a",
            "http://host:/a",
            "swift://host/c/o",
            "swift+http://t:u:key@host:5000/v3/c/o?x#y",
            "swift+https://t%3Au:p@s/s@host/v3/c/o",
            "swift+https://t%3Au://slashes@host/v3/c/o",
            "swift+https://host/v1/AUTH_a/c_o/o",
            "swift+https://host/v1/c/o@2",
            "swift+config://ref1/c/o",
            "swift+config://None/c/o",
            "s3://AKIA:sec/ret+key=@s3.example.com/bucket/5f0c",
            "s3+http://AKIA:s?e#c@r:et@s3.example.com:8080/bucket/5f0c",
            "s3+https://s3.example.com/path/bucket/5f0c/",
            "cinder://5f0c8a1e-3d2b-4c6f-9a7d-0b1e2f3a4c5d",
            "cinder://ceph/5f0c8a1e-3d2b-4c6f-9a7d-0b1e2f3a4c5d",
            "vsphere://vc.example/folder/openstack_glance/5f0c?dcPath=dc1&dsName=my+ds",
            "vsphere://[::1]/folder/a?dsName=ds&dcPath=dc",
        ] {
            assert!(check(uri).is_ok(), "{uri}: {:?}", check(uri));
        }
    }

    #[test]
    fn what_a_store_would_stumble_over_does_not() {
        for (uri, why) in [
            ("file://", "absolute path"),
            ("file://a/b", "absolute path"),
            ("file://?x", "absolute path"),
            ("rbd://", "empty part"),
            ("rbd://a/b", "1 or 4 parts"),
            ("rbd://a/b/c", "1 or 4 parts"),
            ("rbd://a/b/c/d/e", "1 or 4 parts"),
            ("rbd://a//c/d", "empty part"),
            ("rbd://a/b/c/", "empty part"),
            ("rbd://a/b%2/c/d", "percent-escape"),
            ("rbd://a/b/c%zz/d", "percent-escape"),
            ("rbd://a/b/c/%ff", "percent-escape"),
            ("rbd://a/b/c/%00", "percent-escape"),
            ("http://", "no host"),
            ("http:///a", "no host"),
            ("http://user:pass@/a", "no host"),
            ("http://:80/a", "no host"),
            ("http://host:port/a", "port"),
            ("https://[::1]:port/a", "port"),
            ("swift://user:key@http://authurl.com/v1/c/o", "second ://"),
            ("swift://host/o", "container and an object"),
            ("swift://host/c/", "container and an object"),
            ("swift://host//o", "container and an object"),
            ("swift+config:///c/o", "container and an object"),
            ("s3://bucket/key", "bucket and a key"),
            ("s3://host/?a/b", "bucket and a key"),
            ("cinder://", "volume id"),
            ("cinder://5F0C8A1E-3D2B-4C6F-9A7D-0B1E2F3A4C5D", "volume id"),
            ("cinder://5f0c8a1e-3d2b-4c6f-9a7d-0b1e2f3a4c5d/", "volume id"),
            ("cinder://5f0c8a1e3d2b-4c6f-9a7d-0b1e2f3a4c5d-", "volume id"),
            ("vsphere://h/folder/a", "dsName or dcPath"),
            ("vsphere://h/folder/a?dcPath=dc&dsName=", "dsName or dcPath"),
            ("vsphere://h/folder/a?dcPath=dc#&dsName=ds", "dsName or dcPath"),
            ("vsphere://h/?dcPath=dc&dsName=ds", "no path"),
            ("vsphere:///folder?dcPath=dc&dsName=ds", "no host"),
        ] {
            assert!(reason(uri).contains(why), "{uri}: {}", reason(uri));
        }
    }

    #[test]
    fn what_python_reads_differently_does_not() {
        for uri in ["file:///a\tb", "file:///a\n", "fi\rle:///a", "rbd://a\0b"] {
            assert!(reason(uri).contains("TAB"), "{uri:?}");
        }
        assert!(reason("FILE:///a").contains("lower case"));
        assert!(reason(" file:///a").contains("begin with a scheme"));
        assert!(reason("a:b://c").contains("begin with a scheme"));
        assert!(reason("://").contains("begin with a scheme"));
    }

    #[test]
    fn removed_drivers_are_named() {
        for (uri, scheme) in
            [("sheepdog://a:7000:b", "sheepdog"), ("GridFS://5f0c", "gridfs"), ("swift+ftp://a", "swift+ftp")]
        {
            assert_eq!(check(uri), Err(LocationError::UnknownScheme { scheme: scheme.to_owned() }));
        }
    }

    #[test]
    fn percent_escapes_are_resolved_once() {
        assert_eq!(percent_decode("a%2Fb%252f%c3%a9").as_deref(), Some("a/b%2f\u{e9}"));
        assert_eq!(percent_decode("%"), None);
        assert_eq!(percent_decode("%+1"), None);
    }
}
