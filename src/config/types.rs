//! Text to value: the types of oslo.config (`types.py`), with the same values and the same refusals.
//!
//! Promises: never a panic, reasons that hold no piece of the text. Rejected: being more generous than oslo
//! (`y`, ` true `, `5.0`), because a file must mean the same to Glance's API and to us.

use super::text::{parse_int, python_repr, strip};

/// The type of an option.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Any text.
    Text,
    /// One of these words.
    Choice {
        /// The words.
        words: &'static [&'static str],
        /// Compare without case; the value stays as written.
        ignore_case: bool,
    },
    /// `true`, `1`, `on`, `yes` and their opposites, in any case.
    Bool,
    /// A whole number within these bounds, both included. Empty is "not set".
    Int {
        /// Smallest.
        min: i64,
        /// Largest.
        max: i64,
    },
    /// A number from 0.001 to this, with three digits after the point at most. Empty is "not set". oslo has no such type.
    Decimal {
        /// Largest.
        max: u64,
    },
    /// Texts separated by commas.
    List,
    /// `key:value` pairs separated by commas.
    Dict,
    /// May be given several times; all are kept.
    Multi,
    /// IP address or host name.
    Host,
}

/// A converted value.
#[derive(Clone, PartialEq, Eq)]
pub enum Value {
    /// Of [`Kind::Text`], [`Kind::Choice`] and [`Kind::Host`].
    Text(String),
    /// Of [`Kind::Bool`].
    Bool(bool),
    /// Of [`Kind::Int`].
    Int(i64),
    /// Of [`Kind::Decimal`]: so many thousandths.
    Thousandths(u64),
    /// Of [`Kind::List`] and [`Kind::Multi`].
    List(Vec<String>),
    /// Of [`Kind::Dict`], in the order of writing.
    Dict(Vec<(String, String)>),
}

impl Value {
    /// The text that stands for the value where another option refers to it: Python's `str()`.
    pub(super) fn to_python(&self) -> String {
        match self {
            Self::Text(text) => text.clone(),
            Self::Bool(true) => "True".to_owned(),
            Self::Bool(false) => "False".to_owned(),
            Self::Int(number) => number.to_string(),
            Self::Thousandths(number) => {
                let number = format!("{}.{:03}", number / 1000, number % 1000);
                let short = number.trim_end_matches('0');
                // As Python writes a float: 2.0
                if short.ends_with('.') { format!("{short}0") } else { short.to_owned() }
            }
            Self::List(items) => {
                format!("[{}]", items.iter().map(|item| python_repr(item)).collect::<Vec<_>>().join(", "))
            }
            Self::Dict(pairs) => {
                let pairs = pairs.iter().map(|(key, value)| format!("{}: {}", python_repr(key), python_repr(value)));
                format!("{{{}}}", pairs.collect::<Vec<_>>().join(", "))
            }
        }
    }
}

/// Converts the occurrences of an option: several for [`Kind::Multi`], else one. `Ok(None)` is an empty number.
pub(super) fn convert(kind: Kind, mut texts: Vec<String>) -> Result<Option<Value>, String> {
    if kind == Kind::Multi {
        return Ok(Some(Value::List(texts)));
    }
    let Some(text) = texts.pop() else { return Ok(None) };
    match kind {
        Kind::Text | Kind::Multi => Ok(Some(Value::Text(text))),
        Kind::Choice { words, ignore_case } => choice(text, words, ignore_case).map(Some),
        Kind::Bool => boolean(&text).map(|value| Some(Value::Bool(value))),
        Kind::Int { min, max } => Ok(integer(&text, min, max)?.map(Value::Int)),
        Kind::Decimal { max } => Ok(decimal(&text, max)?.map(Value::Thousandths)),
        Kind::List => Ok(Some(Value::List(list(&text)))),
        Kind::Dict => dict(&text).map(|pairs| Some(Value::Dict(pairs))),
        Kind::Host if is_host(&text) => Ok(Some(Value::Text(text))),
        Kind::Host => Err("is neither an IP address nor a host name".to_owned()),
    }
}

fn choice(text: String, words: &[&str], ignore_case: bool) -> Result<Value, String> {
    let same = |word: &&str| if ignore_case { word.to_lowercase() == text.to_lowercase() } else { **word == text };
    if words.iter().any(same) { Ok(Value::Text(text)) } else { Err(format!("is not one of {}", words.join(", "))) }
}

/// Not trimmed: oslo takes `" true "` (in quotes) for an error.
fn boolean(text: &str) -> Result<bool, String> {
    match text.to_lowercase().as_str() {
        "true" | "1" | "on" | "yes" => Ok(true),
        "false" | "0" | "off" | "no" => Ok(false),
        "" => Err("is empty; write true or false".to_owned()),
        _ => Err("is not a boolean (true, 1, on, yes; false, 0, off, no)".to_owned()),
    }
}

fn integer(text: &str, min: i64, max: i64) -> Result<Option<i64>, String> {
    if strip(text).is_empty() {
        return Ok(None);
    }
    match parse_int(text) {
        None => Err("is not a whole number, or too large".to_owned()),
        Some(number) if number < min => Err(format!("should be greater than or equal to {min}")),
        Some(number) if number > max => Err(format!("should be less than or equal to {max}")),
        Some(number) => Ok(Some(number)),
    }
}

/// In thousandths.
fn decimal(text: &str, max: u64) -> Result<Option<u64>, String> {
    let text = strip(text);
    if text.is_empty() {
        return Ok(None);
    }
    let (whole, part) = text.split_once('.').unwrap_or((text, "0"));
    let is_number = |digits: &str| !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    if !is_number(whole) || !is_number(part) || part.len() > 3 {
        return Err("is not a number such as 20 or 0.5, with three digits after the point at most".to_owned());
    }
    let largest = max.saturating_mul(1000);
    match format!("{whole}{part:0<3}").parse::<u64>() {
        Ok(0) => Err("should be greater than or equal to 0.001".to_owned()),
        Ok(number) if number <= largest => Ok(Some(number)),
        _ => Err(format!("should be less than or equal to {max}")),
    }
}

fn list(text: &str) -> Vec<String> {
    let text = strip(text).trim_end_matches(',');
    if text.is_empty() { Vec::new() } else { text.split(',').map(|item| strip(item).to_owned()).collect() }
}

fn dict(text: &str) -> Result<Vec<(String, String)>, String> {
    let text = strip(text);
    let mut pairs: Vec<(String, String)> = Vec::new();
    if text.is_empty() {
        return Ok(pairs);
    }
    // A piece without a colon belongs to the next one, comma included: `b,a:rbd` has the key `b,a`.
    let mut glued = String::new();
    let mut pieces = text.split(',').peekable();
    while let Some(piece) = pieces.next() {
        glued.push_str(piece);
        let Some((key, value)) = glued.split_once(':') else {
            if pieces.peek().is_none() {
                return Err("should be NAME:VALUE pairs separated by \",\", without a comma at the end".to_owned());
            }
            glued.push(',');
            continue;
        };
        let (key, value) = (strip(key).to_owned(), strip(value).to_owned());
        if key.is_empty() {
            return Err("has a pair with an empty name".to_owned());
        }
        if pairs.iter().any(|(known, _)| *known == key) {
            return Err("has the same name twice".to_owned());
        }
        pairs.push((key, value));
        glued.clear();
    }
    Ok(pairs)
}

fn is_host(text: &str) -> bool {
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    text.parse::<std::net::IpAddr>().is_ok() || (text.len() <= 253 && text.split('.').all(label))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(kind: Kind, text: &str) -> Result<Option<Value>, String> {
        convert(kind, vec![text.to_owned()])
    }

    #[test]
    fn booleans_have_eight_words() {
        for text in ["true", "1", "on", "yes", "TRUE", "On", "yEs"] {
            assert!(one(Kind::Bool, text) == Ok(Some(Value::Bool(true))), "{text}");
        }
        for text in ["false", "0", "off", "no", "FALSE", "oFF"] {
            assert!(one(Kind::Bool, text) == Ok(Some(Value::Bool(false))), "{text}");
        }
        for text in ["", "y", "t", "maybe", " true", "2", "none", "true\nx"] {
            assert!(one(Kind::Bool, text).is_err(), "{text}");
        }
    }

    #[test]
    fn an_empty_number_is_none_whatever_the_bounds() {
        let kind = Kind::Int { min: 1, max: 5 };
        for (text, want) in [("", Ok(None)), ("  ", Ok(None)), ("1", Ok(Some(1))), (" 5 ", Ok(Some(5)))] {
            assert!(one(kind, text) == want.map(|number| number.map(Value::Int)), "{text:?}");
        }
        assert!(one(kind, "0").is_err_and(|reason| reason == "should be greater than or equal to 1"));
        assert!(one(kind, "6").is_err_and(|reason| reason == "should be less than or equal to 5"));
        assert!(one(kind, "5.0").is_err());
    }

    #[test]
    fn a_decimal_is_exact_to_a_thousandth_and_never_zero() {
        let kind = Kind::Decimal { max: 20 };
        for (text, thousandths) in [
            ("", None),
            (" ", None),
            ("1", Some(1000)),
            ("0.5", Some(500)),
            (" 20.000 ", Some(20_000)),
            ("0.001", Some(1)),
        ] {
            assert!(one(kind, text) == Ok(thousandths.map(Value::Thousandths)), "{text:?}");
        }
        for text in
            ["0", "0.0", "-1", "+1", ".5", "1.", "1e3", "0.0001", "1,5", "inf", "1_0", "20.001", "99999999999999999999"]
        {
            assert!(one(kind, text).is_err(), "{text:?}");
        }
        let shown = |thousandths| Value::Thousandths(thousandths).to_python();
        assert_eq!([shown(500), shown(2000), shown(12_034)], ["0.5", "2.0", "12.034"]);
    }

    #[test]
    fn lists_lose_commas_at_the_end_only() {
        for (text, want) in [
            ("", &[][..]),
            (",", &[]),
            ("a", &["a"]),
            (" a , b ", &["a", "b"]),
            ("a,b,", &["a", "b"]),
            ("a,b, ", &["a", "b"]),
            ("a,,b", &["a", "", "b"]),
            (",a", &["", "a"]),
            ("a\n,b", &["a", "b"]),
            ("[a,b]", &["[a", "b]"]),
        ] {
            assert_eq!(list(text), want, "{text:?}");
        }
    }

    #[test]
    fn dicts_split_at_the_first_colon_and_glue_what_has_none() {
        for (text, want) in [
            ("", &[][..]),
            ("a:rbd, b:file", &[("a", "rbd"), ("b", "file")]),
            ("b,a:rbd", &[("b,a", "rbd")]),
            ("a:", &[("a", "")]),
            ("a:b:c", &[("a", "b:c")]),
            ("a:rbd,\n  b:file", &[("a", "rbd"), ("b", "file")]),
            ("B:x,b:y", &[("B", "x"), ("b", "y")]),
        ] {
            let want: Vec<_> = want.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
            assert_eq!(dict(text), Ok(want), "{text:?}");
        }
        for text in ["a:x,", "a", ":x", "a:x,a:y", "a:x,b", ","] {
            assert!(dict(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn choices_are_exact_unless_said_otherwise() {
        let exact = Kind::Choice { words: &["publicURL", "adminURL"], ignore_case: false };
        let loose = Kind::Choice { words: &["Days", "Hours"], ignore_case: true };
        assert!(one(exact, "publicURL").is_ok());
        assert!(one(exact, "publicurl").is_err_and(|reason| reason == "is not one of publicURL, adminURL"));
        assert!(one(loose, "days") == Ok(Some(Value::Text("days".to_owned()))));
    }

    #[test]
    fn hosts_are_addresses_or_names() {
        for text in ["127.0.0.1", "::1", "vc.example.org", "a-b"] {
            assert!(one(Kind::Host, text).is_ok(), "{text}");
        }
        for text in ["", "-a", "a b", "a..b", "http://x"] {
            assert!(one(Kind::Host, text).is_err(), "{text}");
        }
    }

    #[test]
    fn values_become_text_as_in_python() {
        let list = Value::List(vec!["a".into(), "b'c".into()]);
        assert_eq!(list.to_python(), "['a', \"b'c\"]");
        assert_eq!(Value::Dict(vec![("a".into(), "rbd".into())]).to_python(), "{'a': 'rbd'}");
        assert_eq!(Value::Bool(true).to_python(), "True");
    }
}
