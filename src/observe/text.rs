//! Makes foreign text harmless: image names, error texts of backends.
//!
//! Promises: what comes out is one line, holds no terminal command, and reads from left to right. It never fails.
//! Rejected: dropping such characters, because two different names would then look alike.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::io;

/// `text` with every character that could break a line, command a terminal, reorder or hide its neighbours written
/// as an escape (`\n`, `\x1b`, `\u{202e}`). Borrows where there is nothing to do.
///
/// A backslash stays as it is: the result is for reading, not for decoding.
#[must_use]
pub fn harmless(text: &str) -> Cow<'_, str> {
    let Some(first) = text.find(is_harmful) else {
        return Cow::Borrowed(text);
    };
    let (clean, rest) = text.split_at(first);
    let mut out = String::with_capacity(text.len() + 16);
    out.push_str(clean);
    for c in rest.chars() {
        push_escaped(&mut out, c);
    }
    Cow::Owned(out)
}

fn push_escaped(out: &mut String, c: char) {
    // Writing to a String does not fail.
    let _ = match c {
        '\n' => out.write_str("\\n"),
        '\r' => out.write_str("\\r"),
        '\t' => out.write_str("\\t"),
        c if !is_harmful(c) => out.write_char(c),
        c if u32::from(c) < 0x100 => write!(out, "\\x{:02x}", u32::from(c)),
        c => write!(out, "\\u{{{:x}}}", u32::from(c)),
    };
}

/// Control characters (C0, DEL, C1), and of Unicode's format characters those that reorder (UAX #9), separate lines,
/// or cannot be seen.
fn is_harmful(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

/// Compact JSON whose strings hold harmful characters only as `\uXXXX`: the same text to a parser, and safe on a
/// terminal. (serde_json itself escapes nothing above U+001F.)
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct SafeJson;

impl serde_json::ser::Formatter for SafeJson {
    fn write_string_fragment<W: ?Sized + io::Write>(&mut self, writer: &mut W, fragment: &str) -> io::Result<()> {
        let mut rest = fragment;
        while let Some(at) = rest.find(is_harmful) {
            let (clean, tail) = rest.split_at(at);
            writer.write_all(clean.as_bytes())?;
            let mut chars = tail.chars();
            for unit in chars.next().into_iter().collect::<String>().encode_utf16() {
                write!(writer, "\\u{unit:04x}")?;
            }
            rest = chars.as_str();
        }
        writer.write_all(rest.as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use serde::Serialize;

    use super::*;

    #[test]
    fn json_means_the_same_and_is_ascii_where_it_matters() {
        let text = "a\u{9b}2J\x7f\u{202e}\u{e0041}\n\"ü";
        let mut json = Vec::new();
        text.serialize(&mut serde_json::Serializer::with_formatter(&mut json, SafeJson)).unwrap();
        let json = String::from_utf8(json).unwrap();
        assert_eq!(json, r#""a\u009b2J\u007f\u202e\udb40\udc41\n\"ü""#);
        assert_eq!(serde_json::from_str::<String>(&json).unwrap(), text);
    }

    #[test]
    fn plain_text_is_borrowed() {
        for text in ["", "Ubuntu 24.04", "Größe 日本語 🐧", "C:\\new"] {
            assert!(matches!(harmless(text), Cow::Borrowed(same) if same == text));
        }
    }

    #[test]
    fn harmful_characters_are_shown() {
        for (text, shown) in [
            ("a\nb\r\tc", "a\\nb\\r\\tc"),
            ("\x1b[2Jgone", "\\x1b[2Jgone"),
            ("\u{9b}2J", "\\x9b2J"),
            ("nul\0del\x7f", "nul\\x00del\\x7f"),
            ("gpj.\u{202e}exe", "gpj.\\u{202e}exe"),
            ("a\u{2028}b\u{feff}", "a\\u{2028}b\\u{feff}"),
            ("tag\u{e0041}", "tag\\u{e0041}"),
        ] {
            assert_eq!(harmless(text), shown);
        }
    }

    proptest::proptest! {
        #[test]
        fn the_result_is_always_harmless(text in proptest::prelude::any::<String>()) {
            proptest::prop_assert!(!harmless(&text).contains(is_harmful));
        }
    }
}
