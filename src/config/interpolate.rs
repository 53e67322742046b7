//! `$name`, `${name}`, `$group.name` in values: Python's `string.Template` as oslo.config sets it up.
//!
//! Promises: pure, never a panic, reads each byte once; what a name stands for is the caller's business. Rejected:
//! leaving an unknown `$word` as it is. oslo refuses it, and a password cut short by accident would be a riddle.

/// A piece of a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Piece<'a> {
    /// As it stands.
    Text(&'a str),
    /// The name of an option, with or without its group.
    Reference(&'a str),
}

/// Takes a value apart; `\$` must have become `$$` before ([`unescape`]).
pub(super) fn pieces(text: &str) -> Vec<Piece<'_>> {
    let mut pieces = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        let (before, from) = rest.split_at(at);
        if !before.is_empty() {
            pieces.push(Piece::Text(before));
        }
        // `from` begins with the dollar sign, one byte long.
        let after = from.get(1..).unwrap_or_default();
        let (piece, length) = dollar(from, after);
        pieces.push(piece);
        rest = from.get(length..).unwrap_or_default();
    }
    if !rest.is_empty() {
        pieces.push(Piece::Text(rest));
    }
    pieces
}

/// What begins at a dollar sign, and its length in bytes.
fn dollar<'a>(from: &'a str, after: &'a str) -> (Piece<'a>, usize) {
    let literal = Piece::Text(from.get(..1).unwrap_or_default());
    if after.starts_with('$') {
        return (literal, 2);
    }
    let name = identifier(after);
    if !name.is_empty() {
        return (Piece::Reference(name), 1 + name.len());
    }
    if let Some(inner) = after.strip_prefix('{') {
        let name = identifier(inner);
        if !name.is_empty() && inner.get(name.len()..).is_some_and(|rest| rest.starts_with('}')) {
            return (Piece::Reference(name), name.len() + 3);
        }
    }
    (literal, 1)
}

/// `[_a-z][._a-z0-9]*` without case, at the beginning of the text.
fn identifier(text: &str) -> &str {
    let mut chars = text.char_indices();
    match chars.next() {
        Some((_, first)) if is_letter(first) => {}
        _ => return "",
    }
    let end = chars.find(|(_, c)| !(is_letter(*c) || c.is_ascii_digit() || *c == '.')).map_or(text.len(), |(at, _)| at);
    text.get(..end).unwrap_or_default()
}

/// The four non-ASCII letters are those that Python's `re` folds onto `i`, `s` and `k`.
fn is_letter(c: char) -> bool {
    c.is_ascii_alphabetic() || matches!(c, '_' | '\u{130}' | '\u{131}' | '\u{17f}' | '\u{212a}')
}

/// `\$` is another way to write `$$`.
pub(super) fn unescape(text: &str) -> String {
    text.replace("\\$", "$$")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn show(text: &str) -> String {
        pieces(&unescape(text))
            .into_iter()
            .map(|piece| match piece {
                Piece::Text(text) => text.to_owned(),
                Piece::Reference(name) => format!("<{name}>"),
            })
            .collect()
    }

    #[test]
    fn every_form_of_a_reference() {
        for (text, want) in [
            ("", ""),
            ("plain", "plain"),
            ("$a", "<a>"),
            ("x${a}y", "x<a>y"),
            ("$a.b/c", "<a.b>/c"),
            ("${a.b}c", "<a.b>c"),
            ("$A_1-x", "<A_1>-x"),
            ("$a.", "<a.>"),
            ("$$a", "$a"),
            ("\\$a", "$a"),
            ("$$$a", "$<a>"),
            ("pa$", "pa$"),
            ("pa$1", "pa$1"),
            ("$ a", "$ a"),
            ("$.a", "$.a"),
            ("${a", "${a"),
            ("${}", "${}"),
            ("${a b}", "${a b}"),
            ("${1}", "${1}"),
            ("$a$b", "<a><b>"),
            ("$\u{e4}", "$\u{e4}"),
            ("$a\u{e4}", "<a>\u{e4}"),
            ("$\u{17f}", "<\u{17f}>"),
        ] {
            assert_eq!(show(text), want, "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn never_panics_and_loses_nothing(text in "[$\\\\{}a-c._1 \u{e4}]{0,30}") {
            let text = unescape(&text);
            let kept: usize = pieces(&text).iter().map(|piece| match piece {
                Piece::Text(text) => text.len(),
                Piece::Reference(name) => name.len(),
            }).sum();
            prop_assert!(kept <= text.len());
        }
    }
}
