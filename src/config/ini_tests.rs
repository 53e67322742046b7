//! Every rule of the format a case. The expected values were taken from oslo.config 10.7.

use proptest::prelude::*;

use super::*;

/// `section|key|value` of each assignment, or `line:reason` of each error.
fn show(bytes: &[u8]) -> Vec<String> {
    match parse_ini(bytes) {
        Ok(found) => found.into_iter().map(|a| format!("{}|{}|{}", a.section, a.key, a.value)).collect(),
        Err(errors) => errors.into_iter().map(|error| format!("{}:{}", error.line, error.reason)).collect(),
    }
}

#[track_caller]
fn values(cases: &[(&str, &[&str])]) {
    for (text, want) in cases {
        assert_eq!(show(text.as_bytes()), *want, "{text:?}");
    }
}

#[test]
fn lines_and_blanks() {
    values(&[
        ("", &[]),
        ("[s]\na=1\nb=2", &["s|a|1", "s|b|2"]),
        ("[s]\r\na=1\r\nb=2\r\n", &["s|a|1", "s|b|2"]),
        ("[s]\ra=1\rb=2\r", &["s|a|1", "s|b|2"]),
        ("[s]\na=1   \t\nb=2\u{a0}\u{1c}", &["s|a|1", "s|b|2"]),
        ("[s]\na=1\u{85}x\n", &["s|a|1\u{85}x"]),
        ("\n\n[s]\n\na=1\n\n", &["s|a|1"]),
    ]);
}

#[test]
fn continuation_lines() {
    values(&[
        ("[s]\na=1\n  2\n\t3  \n", &["s|a|1\n2\n3"]),
        ("[s]\na=\n b:rbd,\n c:file\n", &["s|a|\nb:rbd,\nc:file"]),
        ("[s]\na=1\n # no comment\n [x]\n b=2\n", &["s|a|1\n# no comment\n[x]\nb=2"]),
        ("[s]\na=1\n  \nb=2\n", &["s|a|1", "s|b|2"]),
        // A form feed is white space, but continues nothing.
        ("[s]\na=1\n\u{c}b=2\n", &["s|a|1", "s|b|2"]),
    ]);
    let error = |line| vec![format!("{line}:{CONTINUATION}")];
    for (text, line) in [
        (" a\n[s]\n", 1),
        ("[s]\n a=1\n", 2),
        ("[s]\na=1\n\n 2\n", 4),
        ("[s]\na=1\n# x\n 2\n", 4),
        ("[s]\na=1\n[t]\n\t2\n", 4),
    ] {
        assert_eq!(show(text.as_bytes()), error(line), "{text:?}");
    }
}

#[test]
fn sections() {
    values(&[
        ("[ s ]\na=1\n[s]\na=2\n", &[" s |a|1", "s|a|2"]),
        ("[s]x]\na=1\n", &["s]x|a|1"]),
        ("[[s]]\na=1\n", &["[s]|a|1"]),
        // White space for Python, though not for Unicode.
        ("[s]\u{1c}\na=1\n\u{1f}\n", &["s|a|1"]),
        ("[DEFAULT]  \na=1\n[default]\na=2\n", &["DEFAULT|a|1", "default|a|2"]),
    ]);
    for (text, want) in [
        ("[s\n", format!("1:{NO_BRACKET}")),
        ("[s] # x\n", format!("1:{NO_BRACKET}")),
        ("[\n", format!("1:{NO_BRACKET}")),
        ("[]\n", format!("1:{NO_NAME}")),
        ("# x\n\na=1\n", format!("3:{NO_SECTION}")),
    ] {
        assert_eq!(show(text.as_bytes()), [want], "{text:?}");
    }
}

#[test]
fn comments_stand_in_the_first_column() {
    values(&[
        ("# a\n[s]\n;b=1\n#c=1\na=1\n", &["s|a|1"]),
        ("[s]\na = b # c ; d\n", &["s|a|b # c ; d"]),
        ("[s]\na=#1\n", &["s|a|#1"]),
    ]);
}

#[test]
fn keys_and_separators() {
    values(&[
        ("[s]\na = 1\n", &["s|a|1"]),
        ("[s]\na: 1\n", &["s|a|1"]),
        ("[s]\na:b=1\n", &["s|a|b=1"]),
        ("[s]\na=b:1\n", &["s|a|b:1"]),
        ("[s]\na==1\n", &["s|a|=1"]),
        ("[s]\na b = 1\nA=2\n", &["s|a b|1", "s|A|2"]),
        ("[s]\na=\n", &["s|a|"]),
    ]);
    for (text, reason) in [("[s]\nabc\n", NO_SEPARATOR), ("[s]\n=1\n", NO_KEY), ("[s]\n: 1\n", NO_KEY)] {
        assert_eq!(show(text.as_bytes()), [format!("2:{reason}")], "{text:?}");
    }
}

#[test]
fn quotes() {
    for (written, want) in [
        ("\"a\"", "a"),
        ("'a'", "a"),
        ("\" a \"", " a "),
        ("\"", ""),
        ("'", ""),
        ("\"\"", ""),
        ("\"a\" \"b\"", "a\" \"b"),
        ("\"a", "\"a"),
        ("\"a'", "\"a'"),
        ("a\"b\"", "a\"b\""),
        ("\"\"a\"\"", "\"a\""),
        ("\"a\\\"b\"", "a\\\"b"),
        ("\"a\n b\"", "\"a\nb\""),
        ("\"a\"\n b", "a\nb"),
    ] {
        assert_eq!(show(format!("[s]\nk = {written}\n").as_bytes()), [format!("s|k|{want}")], "{written:?}");
    }
}

#[test]
fn bytes_that_are_no_text() {
    assert_eq!(show(b"[s]\na=1\nb=\xff\nc=\xc3\n"), [format!("3:{NOT_UTF8}"), format!("4:{NOT_UTF8}")]);
    assert_eq!(show("\u{feff}[s]\na=1\n".as_bytes()), [format!("1:{BOM}")]);
    assert_eq!(show("\u{feff}# x\n".as_bytes()), [format!("1:{BOM}")]);
    // Further down it is text like any other.
    assert_eq!(show("[s]\n\u{feff}a=1\n".as_bytes()), ["s|\u{feff}a|1"]);
    assert_eq!(show(b"[s]\na=\0\n"), ["s|a|\0"]);
}

#[test]
fn every_error_is_told_once_and_good_lines_survive() {
    let text = "a=1\n[s\nx=1\n y\n[t]\nnothing\n more\n= 2\nb=3\n\n z\n";
    let want = [(1, NO_SECTION), (2, NO_BRACKET), (6, NO_SEPARATOR), (8, NO_KEY), (11, CONTINUATION)];
    let (assignments, errors) = parse(text.as_bytes());
    assert_eq!(errors.iter().map(|error| (error.line, error.reason)).collect::<Vec<_>>(), want);
    // What stands under the broken section line belongs nowhere.
    assert_eq!(assignments.iter().map(|a| (a.section.as_str(), a.line)).collect::<Vec<_>>(), [("t", 9)]);
}

proptest! {
    #[test]
    fn any_bytes_are_survived(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        check(&bytes);
    }

    #[test]
    fn any_lines_are_survived(text in "(\\[s?\\]?\n|a ?[=:]|[ \t]x|[\"'#;\r\n\u{feff}\u{85}])*") {
        check(text.as_bytes());
    }

    #[test]
    fn no_message_shows_a_line(secret in "[a-z]{12}") {
        let text = format!("{secret}\n[{secret}\n {secret}\n={secret}\n[s]\n  {secret}\n{secret}={secret}");
        let (assignments, errors) = parse(text.as_bytes());
        let shown = format!("{errors:?}");
        prop_assert!(!shown.contains(&secret));
        // A key may be shown, a value not.
        let shown = format!("{assignments:?}");
        prop_assert_eq!(shown.matches(&secret).count(), 1);
    }
}

fn check(bytes: &[u8]) {
    let (assignments, errors) = parse(bytes);
    let lines = bytes.iter().filter(|byte| matches!(byte, b'\n' | b'\r')).count() + 1;
    assert!(assignments.iter().map(|a| a.line).chain(errors.iter().map(|e| e.line)).all(|line| line <= lines));
}
