//! S3's answers, which are small XML documents (Amazon S3 API Reference), and the one that we send.
//!
//! Promises: reads any well-formed document of a bounded depth into [`Element`]s, without namespaces, attributes and
//! comments; entities that a document defines itself are not followed. Rejected: serde, which wants to know the order of
//! `Version` and `DeleteMarker` elements, and fails on what a server adds.

use quick_xml::Reader;
use quick_xml::escape::resolve_predefined_entity;
use quick_xml::events::Event;

/// Deeper than any answer of S3.
const DEEPEST: usize = 16;

/// An answer that cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Garbled;

/// An element with what stands in it.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Element {
    pub name: String,
    text: String,
    children: Vec<Element>,
}

impl Element {
    /// The document's only element.
    pub(super) fn parse(document: &[u8]) -> Result<Self, Garbled> {
        let text = std::str::from_utf8(document).map_err(|_| Garbled)?;
        let mut reader = Reader::from_str(text);
        reader.config_mut().expand_empty_elements = true;
        // The outermost stands for the document.
        let mut open = vec![Self::default()];
        loop {
            let depth = open.len();
            let inner = open.last_mut().ok_or(Garbled)?;
            match reader.read_event().map_err(|_| Garbled)? {
                Event::Start(start) if depth <= DEEPEST => {
                    open.push(Self { name: start.local_name().into_inner().to_owned(), ..Self::default() });
                }
                Event::Start(_) | Event::Empty(_) => return Err(Garbled),
                Event::End(_) => {
                    let done = open.pop().ok_or(Garbled)?;
                    open.last_mut().ok_or(Garbled)?.children.push(done);
                }
                Event::Text(text) => inner.text.push_str(&text.xml10_content()),
                Event::CData(text) => inner.text.push_str(&text.xml10_content()),
                Event::GeneralRef(reference) => match reference.resolve_char_ref().map_err(|_| Garbled)? {
                    Some(character) => inner.text.push(character),
                    None => inner.text.push_str(resolve_predefined_entity(&reference.into_inner()).ok_or(Garbled)?),
                },
                Event::Eof => break,
                Event::Decl(_) | Event::PI(_) | Event::Comment(_) | Event::DocType(_) => {}
            }
        }
        let [document] = &mut open[..] else { return Err(Garbled) };
        if document.children.len() == 1 { document.children.pop().ok_or(Garbled) } else { Err(Garbled) }
    }

    /// The elements of this name that stand directly in it.
    pub(super) fn all(&self, name: &'static str) -> impl Iterator<Item = &Self> {
        self.children.iter().filter(move |child| child.name == name)
    }

    /// All elements that stand directly in it.
    pub(super) fn children(&self) -> &[Self] {
        &self.children
    }

    /// The text of the first element of this name; `None` also where it is empty.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        let first = self.children.iter().find(|child| child.name == name);
        first.map(|child| child.text.as_str()).filter(|text| !text.is_empty())
    }

    pub(super) fn says_true(&self, name: &str) -> bool {
        self.text(name).is_some_and(|text| text.trim() == "true")
    }
}

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
        escape(key, &mut body);
        body.push_str("</Key>");
        if let Some(version) = version {
            body.push_str("<VersionId>");
            escape(version, &mut body);
            body.push_str("</VersionId>");
        }
        body.push_str("</Object>");
    }
    body.push_str("</Delete>");
    body
}

fn escape(text: &str, to: &mut String) {
    for c in text.chars() {
        match c {
            '&' => to.push_str("&amp;"),
            '<' => to.push_str("&lt;"),
            '>' => to.push_str("&gt;"),
            '"' => to.push_str("&quot;"),
            '\'' => to.push_str("&apos;"),
            _ => to.push(c),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_read_whatever_its_namespace_and_order() {
        let answer = br#"<?xml version="1.0"?>
            <x:DeleteResult xmlns:x="http://s3.amazonaws.com/doc/2006-03-01/"><!-- a --><Deleted><Key>a&amp;b&#x41;</Key>
            <DeleteMarker>true</DeleteMarker></Deleted><Error><Key><![CDATA[c<d]]></Key><Code>AccessDenied</Code>
            <Message/></Error><Deleted><Key>e</Key></Deleted></x:DeleteResult>"#;
        let result = Element::parse(answer).unwrap();
        assert_eq!(result.name, "DeleteResult");
        let keys: Vec<_> = result.all("Deleted").map(|deleted| deleted.text("Key").unwrap()).collect();
        assert_eq!(keys, ["a&bA", "e"]);
        assert!(result.all("Deleted").next().unwrap().says_true("DeleteMarker"));
        let error = result.all("Error").next().unwrap();
        assert_eq!(
            (error.text("Key"), error.text("Code"), error.text("Message")),
            (Some("c<d"), Some("AccessDenied"), None)
        );
        assert_eq!(result.children().len(), 3);
    }

    #[test]
    fn what_is_cut_or_no_xml_is_garbled() {
        let bomb = format!("{}{}", "<a>".repeat(40), "</a>".repeat(40));
        for answer in ["", "no XML", "<a>", "<a><b></a>", "<a/><b/>", "<a>&x;</a>", "{\"a\":1}", &bomb] {
            assert_eq!(Element::parse(answer.as_bytes()), Err(Garbled), "{answer}");
        }
        assert_eq!(Element::parse(b"<a>\xff</a>"), Err(Garbled));
    }

    #[test]
    fn a_request_is_read_back_as_it_was_meant() {
        let objects = [("a<b>&\"'c", None), ("\u{e9} d", Some("v&1"))];
        let request = Element::parse(delete_request(objects.into_iter()).as_bytes()).unwrap();
        let read: Vec<_> =
            request.all("Object").map(|object| (object.text("Key").unwrap(), object.text("VersionId"))).collect();
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
