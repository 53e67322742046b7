//! Python's ideas of white space, digits and names, where they differ from Rust's.
//!
//! Promises: total functions, no allocation but for results. Taken from CPython's `str` methods and from the
//! Unicode data of Python 3.11 (Unicode 14).

/// `str.isspace`: Unicode white space and the four separators 0x1c to 0x1f, which Rust leaves out.
pub(super) fn is_space(c: char) -> bool {
    c.is_whitespace() || ('\u{1c}'..='\u{1f}').contains(&c)
}

/// `str.strip`.
pub(super) fn strip(text: &str) -> &str {
    text.trim_matches(is_space)
}

/// `str.rstrip`.
pub(super) fn strip_end(text: &str) -> &str {
    text.trim_end_matches(is_space)
}

/// `str.lstrip`.
pub(super) fn strip_start(text: &str) -> &str {
    text.trim_start_matches(is_space)
}

/// The name that oslo.config files a section under: lower case, except for `DEFAULT` in capitals.
pub(super) fn normalize_section(name: &str) -> String {
    if name == "DEFAULT" { name.to_owned() } else { name.to_lowercase() }
}

/// Python's `int(text)`: sign, any decimal digits of Unicode, single underscores between digits.
///
/// `None` where Python raises, and where the number does not fit in 64 bits.
pub(super) fn parse_int(text: &str) -> Option<i64> {
    let text = strip(text);
    let (negative, digits) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let mut value: i64 = 0;
    let mut after_digit = false;
    for c in digits.chars() {
        if c == '_' && after_digit {
            after_digit = false;
            continue;
        }
        let digit = i64::from(decimal_digit(c)?);
        // Counting downwards for negative numbers, so that the smallest one fits.
        value = value.checked_mul(10)?.checked_add(if negative { -digit } else { digit })?;
        after_digit = true;
    }
    after_digit.then_some(value)
}

/// The value of a decimal digit of any script (Unicode category Nd).
fn decimal_digit(c: char) -> Option<u32> {
    if c.is_ascii() {
        return c.to_digit(10);
    }
    let code = u32::from(c);
    let at = ZEROS.partition_point(|zero| *zero <= code);
    let offset = code - ZEROS.get(at.checked_sub(1)?)?;
    (offset < 10).then_some(offset)
}

/// Code points of the digit zero; the other nine follow each of them.
const ZEROS: [u32; 65] = [
    0x660, 0x6f0, 0x7c0, 0x966, 0x9e6, 0xa66, 0xae6, 0xb66, 0xbe6, 0xc66, 0xce6, 0xd66, 0xde6, 0xe50, 0xed0, 0xf20,
    0x1040, 0x1090, 0x17e0, 0x1810, 0x1946, 0x19d0, 0x1a80, 0x1a90, 0x1b50, 0x1bb0, 0x1c40, 0x1c50, 0xa620, 0xa8d0,
    0xa900, 0xa9d0, 0xa9f0, 0xaa50, 0xabf0, 0xff10, 0x104a0, 0x10d30, 0x11066, 0x110f0, 0x11136, 0x111d0, 0x112f0,
    0x11450, 0x114d0, 0x11650, 0x116c0, 0x11730, 0x118e0, 0x11950, 0x11c50, 0x11d50, 0x11da0, 0x16a60, 0x16ac0,
    0x16b50, 0x1d7ce, 0x1d7d8, 0x1d7e2, 0x1d7ec, 0x1d7f6, 0x1e140, 0x1e2f0, 0x1e950, 0x1fbf0,
];

/// `repr` of a string, as it appears when a list is interpolated into a text.
pub(super) fn python_repr(text: &str) -> String {
    let quote = if text.contains('\'') && !text.contains('"') { '"' } else { '\'' };
    let mut out = String::from(quote);
    for c in text.chars() {
        match c {
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if c == quote => {
                out.push('\\');
                out.push(c);
            }
            c if c.is_control() && u32::from(c) < 0x100 => out.push_str(&format!("\\x{:02x}", u32::from(c))),
            c => out.push(c),
        }
    }
    out.push(quote);
    out
}

/// Looks like the name of an option, so that an error may show it: a password pasted on the wrong line hardly does.
pub(super) fn looks_like_a_name(text: &str) -> bool {
    let rest = text.strip_prefix(|c: char| c.is_ascii_lowercase() || c == '_');
    text.len() <= 40
        && rest.is_some_and(|r| r.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_'))
}

/// Short and plain enough to be shown in an error, given that its option is no secret.
///
/// A value can hold more than its option: a continuation line may have swallowed the next assignment.
pub(super) fn looks_harmless(text: &str) -> bool {
    (1..=24).contains(&text.len()) && text.chars().all(|c| c.is_ascii_alphanumeric() || "_.+-".contains(c))
}

/// `urllib.parse.unquote`: percent-decoding that leaves a bare `%` alone and replaces what is not UTF-8.
pub(super) fn percent_decode(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        match (byte, hex(bytes.get(at + 1)), hex(bytes.get(at + 2))) {
            (b'%', Some(high), Some(low)) => {
                out.push(high << 4 | low);
                at += 3;
            }
            _ => {
                out.push(byte);
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

fn hex(byte: Option<&u8>) -> Option<u8> {
    // A hexadecimal digit is below 16, so the conversion cannot fail.
    char::from(*byte?).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_are_read_as_python_reads_them() {
        for (text, want) in [
            ("5", Some(5)),
            (" +5 ", Some(5)),
            ("-1", Some(-1)),
            ("1_000", Some(1000)),
            ("007", Some(7)),
            ("\u{661}\u{662}", Some(12)),
            ("\u{ff15}", Some(5)),
            ("\u{1d7d8}", Some(0)),
            ("-9223372036854775808", Some(i64::MIN)),
            ("9223372036854775808", None),
            ("0x10", None),
            ("5.0", None),
            ("1__0", None),
            ("_1", None),
            ("1_", None),
            ("+ 5", None),
            ("--5", None),
            ("", None),
            ("-", None),
            ("\u{b2}", None),
        ] {
            assert_eq!(parse_int(text), want, "{text:?}");
        }
    }

    #[test]
    fn a_percent_sign_without_two_digits_stays() {
        assert_eq!(percent_decode("p%40s%2Fs%3a%"), "p@s/s:%");
        assert_eq!(percent_decode("%zz%4"), "%zz%4");
        assert_eq!(percent_decode("a+b"), "a+b");
        assert_eq!(percent_decode("%ff"), "\u{fffd}");
        assert_eq!(percent_decode("%C3%A9"), "\u{e9}");
    }

    #[test]
    fn repr_is_pythons() {
        assert_eq!(python_repr("a"), "'a'");
        assert_eq!(python_repr("it's"), "\"it's\"");
        assert_eq!(python_repr("'\"\\\n"), "'\\'\"\\\\\\n'");
    }
}
