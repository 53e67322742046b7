//! Against Python's own configparser, where there is a Python.

use std::io::Write;
use std::process::{Command, Stdio};

use super::*;

/// Every value of every section, or `error`; what Python prints in the same form.
fn ours(text: &str) -> String {
    let Ok(file) = PythonIni::parse(text) else { return "error\n".to_owned() };
    let mut out = String::new();
    for section in file.sections() {
        let own = file.sections.iter().find(|(name, _)| name == section).map(|(_, values)| values);
        let mut keys: Vec<_> = own.into_iter().chain([&file.defaults]).flat_map(HashMap::keys).collect();
        keys.sort();
        keys.dedup();
        for key in keys {
            let value = file.get(section, key).map_or("!".to_owned(), |value| hex(&value.unwrap_or_default()));
            out += &format!("{} {} {value}\n", hex(section), hex(key));
        }
        out += &format!("{} end\n", hex(section));
    }
    out
}

fn hex(text: &str) -> String {
    text.bytes().map(|byte| format!("{byte:02x}")).collect()
}

const PYTHON: &str = r#"
import configparser, sys
for text in sys.stdin.buffer.read().decode().split('\0')[:-1]:
    parser = configparser.ConfigParser()
    x = lambda s: s.encode().hex()
    try:
        import io
        parser.read_file(io.StringIO(text, newline=None))
    except configparser.Error:
        print('error'); print('.'); continue
    for section in parser.sections():
        for key in sorted(parser.options(section), key=lambda k: k.encode()):
            try: value = x(parser.get(section, key))
            except configparser.Error: value = '!'
            print(x(section), x(key), value)
        print(x(section), 'end')
    print('.')
"#;

/// What Python says of each text; `None` without a Python.
fn pythons(texts: &[String]) -> Option<Vec<String>> {
    let mut child = Command::new("python3")
        .args(["-c", PYTHON])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .inspect_err(|_| assert!(std::env::var_os("SCRUBBER_TEST_ALL").is_none(), "python3 must be there"))
        .ok()?;
    let mut input = child.stdin.take().unwrap();
    let all: String = texts.iter().map(|text| format!("{text}\0")).collect();
    let writer = std::thread::spawn(move || input.write_all(all.as_bytes()).unwrap());
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    Some(text.split_inclusive(".\n").map(|answer| answer.trim_end_matches(".\n").to_owned()).collect())
}

#[track_caller]
fn compare(texts: &[String]) {
    let Some(pythons) = pythons(texts) else { return };
    assert_eq!(pythons.len(), texts.len());
    for (text, python) in texts.iter().zip(pythons) {
        assert_eq!(ours(text), python, "{text:?}");
    }
}

#[test]
fn files_are_read_as_python_reads_them() {
    let texts = [
        "[ref1]\nuser = service:glance\nkey = p%%w\nauth_address = http://h:5000/v3\n",
        "[DEFAULT]\nhost = h\n[a]\nURL: http://%(HOST)s/\n[b]\nurl=%(nothing)s\n",
        "# comment\n; comment\n[a]\nkey = a ; no comment\n# in between\n  more\n\n  and more\nnext = x\n",
        "[a]\nkey\n",
        "[a]\n= x\n",
        "[a]\nk=1\nK=2\n",
        "[a]\nk=1\n[a]\nj=2\n",
        "[DEFAULT]\nk=1\n[DEFAULT]\nj=2\n[a]\nk=3\n",
        "[DEFAULT]\nk=1\n[DEFAULT]\nk=2\n[a]\n",
        "k=1\n",
        "  [a]\n  k = 1\n   l = 2\n  m = 3\n",
        "[a] trailing ] x\nk=1\n",
        "[]\nk=1\n",
        "[a]\nk = 100%\nl = %(k)s\nm = %(l\nn = %()s\no = %(k)d\n",
        "[a]\nk = %(l)s\nl = %(k)s\n",
        "[a]\nk = %%(l)s%%%%\nl = x\n",
        "[a]\nk = a=b:c\nl : a=b\nm a = 1\n",
        "[a]\r\nk = 1\r\n  2\r\n\r\n",
        "[a]\nk =\n\n\n  x\n\nl = y\n\n",
        "\u{feff}[a]\nk=1\n",
        "[a]\n\u{a0}k\u{a0}=\u{3000}1\u{3000}\n\u{a0}\u{a0}2\n",
        "[a]\nk = x\n  # comment that is indented\n  y\n  [b]\nz = 1\n",
        "",
    ];
    compare(&texts.map(str::to_owned));
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(8))]

    /// Pieces that mean something, in any order; many a run of Python, which is slow to start.
    #[test]
    fn whatever_is_written_is_read_as_python_reads_it(
        texts in proptest::collection::vec(proptest::collection::vec(0_usize..PIECES.len(), 0..24), 100)
    ) {
        let text = |pieces: &Vec<usize>| format!("[s]\n{}", pieces.iter().map(|at| PIECES[*at]).collect::<String>());
        compare(&texts.iter().map(text).collect::<Vec<_>>());
    }
}

const PIECES: [&str; 22] = [
    "\n",
    "\n",
    "\n ",
    "\n  ",
    "[a]",
    "[",
    "]",
    "[DEFAULT]",
    "k",
    "L",
    "=",
    ":",
    "%",
    "%%",
    "%(k)s",
    "%(l)s",
    "\"",
    "'",
    "#",
    ";",
    " ",
    "x",
];
