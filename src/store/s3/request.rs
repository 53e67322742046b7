//! What we send to S3 as XML (Amazon S3 API Reference, "DeleteObjects"). What it answers is read by
//! [`Element`](super::super::xml::Element).

use quick_xml::escape::escape;

/// Whether XML 1.0 can carry a text at all ("Characters", production 2), and unchanged: a CR arrives as LF.
pub(super) fn can_carry(text: &str) -> bool {
    !text.chars().any(|c| matches!(c, '\0'..='\u{1f}' | '\u{fffe}' | '\u{ffff}'))
}

/// The body of DeleteObjects: keys, each with a version or without. All must be such as [`can_carry`].
pub(super) fn delete_request<'a>(objects: impl Iterator<Item = (&'a str, Option<&'a str>)>) -> String {
    let mut body = String::from(r#"<?xml version="1.0" encoding="UTF-8"?>"#);
    body.push_str(r#"<Delete xmlns="http://s3.amazonaws.com/doc/2006-03-01/">"#);
    for (key, version) in objects {
        body.push_str("<Object><Key>");
        body.push_str(&escape(key));
        body.push_str("</Key>");
        if let Some(version) = version {
            body.push_str("<VersionId>");
            body.push_str(&escape(version));
            body.push_str("</VersionId>");
        }
        body.push_str("</Object>");
    }
    body.push_str("</Delete>");
    body
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::xml::Element;

    #[test]
    fn a_request_is_read_back_as_it_was_meant() {
        let objects = [("a<b>&\"'c", None), ("\u{e9} d", Some("v&1"))];
        let request = Element::parse(delete_request(objects.into_iter()).as_bytes()).unwrap();
        let read: Vec<_> =
            request.all("Object").map(|object| (object.text_of("Key").unwrap(), object.text_of("VersionId"))).collect();
        assert_eq!(read, objects);
    }

    #[test]
    fn what_xml_cannot_carry_is_known() {
        for text in ["a\u{1}", "a\tb", "a\r", "\u{ffff}"] {
            assert!(!can_carry(text), "{text:?}");
        }
        assert!(can_carry("5f0c8a1e \u{e9}<&>"));
    }
}
