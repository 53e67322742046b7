//! As much of XML as the answers of S3 and of SOAP need: a tree of elements by their local names.
//!
//! Promises: total, on any bytes, to a bounded depth; no entity but XML's own five is resolved, and nothing is loaded.
//! Rejected: serde, which wants to know the order of mixed elements, and fails on what a server adds.

use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};

/// Deeper than any answer to what is asked here.
const DEEPEST: usize = 64;

/// An element without its namespace.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct Element {
    pub name: String,
    /// `xsi:type` or `type`, without a prefix.
    pub kind: Option<String>,
    pub text: String,
    pub children: Vec<Element>,
}

impl Element {
    /// The root of a document; `None` where it is none.
    pub(super) fn parse(document: &[u8]) -> Option<Self> {
        let mut reader = Reader::from_str(std::str::from_utf8(document).ok()?);
        let mut open = vec![Self::default()];
        loop {
            match reader.read_event().ok()? {
                Event::Start(start) if open.len() < DEEPEST => open.push(Self::of(&start)),
                Event::Start(_) => return None,
                Event::Empty(start) => open.last_mut()?.children.push(Self::of(&start)),
                Event::End(_) => {
                    let done = open.pop()?;
                    open.last_mut()?.children.push(done);
                }
                Event::Text(text) => open.last_mut()?.text.push_str(&text.xml10_content()),
                Event::CData(text) => open.last_mut()?.text.push_str(&text.xml10_content()),
                Event::GeneralRef(name) => {
                    let reference = format!("&{};", &*name);
                    let resolved = quick_xml::escape::unescape(&reference).ok()?;
                    open.last_mut()?.text.push_str(&resolved);
                }
                Event::Eof => break,
                Event::Comment(_) | Event::Decl(_) | Event::PI(_) | Event::DocType(_) => {}
            }
        }
        let mut document = open.pop().filter(|_| open.is_empty())?;
        document.children.pop().filter(|_| document.children.is_empty())
    }

    fn of(start: &BytesStart<'_>) -> Self {
        let attributes = start.attributes().filter_map(Result::ok);
        let kind = attributes.filter(|attribute| attribute.key.local_name().as_ref() == "type").last();
        let kind = kind.map(|attribute| attribute.value.rsplit(':').next().unwrap_or_default().to_owned());
        Self { name: start.local_name().as_ref().to_owned(), kind, ..Self::default() }
    }

    pub(super) fn child(&self, name: &str) -> Option<&Self> {
        self.children.iter().find(|child| child.name == name)
    }

    /// Down a path of names, the first of each.
    pub(super) fn at(&self, path: &[&str]) -> Option<&Self> {
        path.iter().try_fold(self, |element, name| element.child(name))
    }

    pub(super) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Self> {
        self.children.iter().filter(move |child| child.name == name)
    }

    /// Its text, without space around it.
    pub(super) fn words(&self) -> &str {
        self.text.trim()
    }

    /// The text of the first element of this name; `None` also where it is empty.
    pub(super) fn text_of(&self, name: &str) -> Option<&str> {
        self.child(name).map(|child| child.text.as_str()).filter(|text| !text.is_empty())
    }

    pub(super) fn says_true(&self, name: &str) -> bool {
        self.text_of(name).is_some_and(|text| text.trim() == "true")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn prefixes_do_not_matter() {
        let root = Element::parse(
            br#"<?xml version="1.0"?><s:Envelope xmlns:s="x"><s:Body>
                <a xmlns:i="y" i:type="vim25:Thing"> one &amp; &lt;two&gt; <![CDATA[<3>]]></a><a/></s:Body></s:Envelope>"#,
        )
        .unwrap();
        let body = root.child("Body").unwrap();
        let first = body.child("a").unwrap();
        assert_eq!((first.words(), first.kind.as_deref()), ("one & <two> <3>", Some("Thing")));
        assert_eq!((root.name.as_str(), body.all("a").count()), ("Envelope", 2));
        assert_eq!(root.at(&["Body", "a"]), Some(first));
        assert_eq!(root.at(&["Body", "b"]), None);
    }

    #[test]
    fn texts_are_found_by_the_names_of_their_elements() {
        let answer = br#"<x:R xmlns:x="u"><!-- a --><D><Key>a&amp;b&#x41;</Key><M>true</M></D><D><Key/></D></x:R>"#;
        let root = Element::parse(answer).unwrap();
        let all: Vec<_> = root.all("D").map(|one| (one.text_of("Key"), one.says_true("M"))).collect();
        assert_eq!(all, [(Some("a&bA"), true), (None, false)]);
    }

    #[test]
    fn what_is_no_document_is_none() {
        let deep = "<a>".repeat(100);
        for text in ["", "text", "<a>", "</a>", "<a></b>", "<a/><b/>", "<html><br></html>", "<a>&secret;</a>", &deep] {
            assert_eq!(Element::parse(text.as_bytes()), None, "{text}");
        }
        assert_eq!(Element::parse(b"<a>\xff</a>"), None);
    }

    proptest! {
        #[test]
        fn any_bytes_are_survived(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = Element::parse(&bytes);
        }
    }
}
