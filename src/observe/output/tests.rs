//! The same rows in each format, byte for byte.

use std::io::{self, Write};

use chrono::{NaiveDate, NaiveDateTime};
use serde_json::{Value, json};

use super::*;

const LISTING: Listing<5> =
    Listing { kind: "dry_run", rows: "images", columns: ["image_id", "name", "size", "attempts", "deleted_at"] };

fn time() -> NaiveDateTime {
    NaiveDate::from_ymd_opt(2026, 3, 7).unwrap().and_hms_micro_opt(8, 5, 6, 123_456).unwrap()
}

fn rows() -> Vec<[Cell<'static>; 5]> {
    vec![
        [Cell::Text("71c675ab"), Cell::Text("Ubuntu 24.04"), Cell::Bytes(1536 << 20), Cell::Int(0), Cell::Time(time())],
        [Cell::Text("a5b6c7d8"), Cell::Text("日本語, \"x\""), Cell::Bytes(17), Cell::Int(12), Cell::None],
        [Cell::Text("e9f0a1b2"), Cell::Text("=1+1\n\x1b[2J\u{202e}"), Cell::None, Cell::Int(-1), Cell::None],
    ]
}

fn list(format: Format, rows: &[[Cell<'_>; 5]]) -> String {
    let mut out = Vec::new();
    let mut list = ListWriter::new(format, LISTING, &mut out).unwrap();
    for row in rows {
        list.row(row).unwrap();
    }
    list.finish(&json!({"images": rows.len()}), &format!("{} images", rows.len())).unwrap();
    String::from_utf8(out).unwrap()
}

#[test]
fn table() {
    let want = r#"
+----------+-----------------------+---------+----------+----------------------+
| Image ID | Name                  | Size    | Attempts | Deleted At           |
+----------+-----------------------+---------+----------+----------------------+
| 71c675ab | Ubuntu 24.04          | 1.5 GiB |        0 | 2026-03-07T08:05:06Z |
| a5b6c7d8 | 日本語, "x"           |    17 B |       12 | None                 |
| e9f0a1b2 | =1+1\n\x1b[2J\u{202e} | None    |       -1 | None                 |
+----------+-----------------------+---------+----------+----------------------+
3 images
"#;
    assert_eq!(list(Format::Table, &rows()), want.trim_start());
    assert_eq!(list(Format::Table, &[]), "0 images\n");
}

#[test]
fn json() {
    let want = r#"{"version": 1, "kind": "dry_run", "images": [
  {"image_id":"71c675ab","name":"Ubuntu 24.04","size":1610612736,"attempts":0,"deleted_at":"2026-03-07T08:05:06Z"},
  {"image_id":"a5b6c7d8","name":"日本語, \"x\"","size":17,"attempts":12,"deleted_at":null},
  {"image_id":"e9f0a1b2","name":"=1+1\n\u001b[2J\u202e","size":null,"attempts":-1,"deleted_at":null}
], "summary": {"images":3}}
"#;
    let text = list(Format::Json, &rows());
    assert_eq!(text, want);
    let value: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(value["images"][2]["name"], "=1+1\n\x1b[2J\u{202e}");
    let empty = "{\"version\": 1, \"kind\": \"dry_run\", \"images\": [], \"summary\": {\"images\":0}}\n";
    assert_eq!(list(Format::Json, &[]), empty);
}

#[test]
fn csv() {
    let want = "image_id,name,size,attempts,deleted_at\n\
                71c675ab,Ubuntu 24.04,1610612736,0,2026-03-07T08:05:06Z\n\
                a5b6c7d8,\"日本語, \"\"x\"\"\",17,12,\n\
                e9f0a1b2,\"=1+1\n\x1b[2J\u{202e}\",,-1,\n";
    assert_eq!(list(Format::Csv, &rows()), want);
    assert_eq!(list(Format::Csv, &[]), "image_id,name,size,attempts,deleted_at\n");
}

#[test]
fn value() {
    let want = r#"
71c675ab Ubuntu 24.04 1610612736 0 2026-03-07T08:05:06Z
a5b6c7d8 日本語, "x" 17 12 None
e9f0a1b2 =1+1\n\x1b[2J\u{202e} None -1 None
"#;
    assert_eq!(list(Format::Value, &rows()), want.trim_start());
    assert_eq!(list(Format::Value, &[]), "");
}

#[test]
fn properties() {
    let pairs = [("store", Cell::Text("ceph\n1")), ("size", Cell::Bytes(1536)), ("next_attempt_at", Cell::None)];
    let write = |format| {
        let mut out = Vec::new();
        write_properties(format, "check", &pairs, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    };
    let table = r"
+-----------------+---------+
| Field           | Value   |
+-----------------+---------+
| store           | ceph\n1 |
| size            | 1.5 KiB |
| next_attempt_at | None    |
+-----------------+---------+
";
    assert_eq!(write(Format::Table), table.trim_start());
    let json = r#"{"version":1,"kind":"check","store":"ceph\n1","size":1536,"next_attempt_at":null}"#;
    assert_eq!(write(Format::Json), format!("{json}\n"));
    assert_eq!(write(Format::Csv), "field,value\nstore,\"ceph\n1\"\nsize,1536\nnext_attempt_at,\n");
    assert_eq!(write(Format::Value), "ceph\\n1\n1536\nNone\n");
}

#[test]
fn a_long_table_is_written_in_frames() {
    let row = rows().remove(0);
    let mut out = Vec::new();
    let mut list = ListWriter::new(Format::Table, LISTING, &mut out).unwrap();
    (0..2001).for_each(|_| list.row(&row).unwrap());
    list.finish(&(), "").unwrap();
    let text = String::from_utf8(out).unwrap();
    assert_eq!(text.lines().filter(|line| line.starts_with("| Image ID")).count(), 3);
    assert_eq!(text.lines().filter(|line| line.starts_with("| 71c675ab")).count(), 2001);
}

/// Takes `left` bytes, then fails.
struct Pipe {
    left: usize,
    fault: io::ErrorKind,
}

impl Write for Pipe {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if bytes.len() > self.left {
            return Err(self.fault.into());
        }
        self.left -= bytes.len();
        Ok(bytes.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn fail(format: Format, left: usize, fault: io::ErrorKind) -> OutputError {
    let run = || {
        let mut list = ListWriter::new(format, LISTING, Pipe { left, fault })?;
        (0..5000).try_for_each(|_| rows().iter().try_for_each(|row| list.row(row)))?;
        list.finish(&json!({"images": 1}), "footer")
    };
    run().unwrap_err()
}

#[test]
fn a_closed_pipe_is_told_from_a_fault() {
    for format in [Format::Table, Format::Json, Format::Csv, Format::Value] {
        for left in [0, 1000, 40_000] {
            assert!(matches!(fail(format, left, io::ErrorKind::BrokenPipe), OutputError::Closed), "{format:?} {left}");
            assert!(matches!(fail(format, left, io::ErrorKind::StorageFull), OutputError::Io(_)), "{format:?} {left}");
        }
        let closed =
            write_properties(format, "k", &[("a", Cell::Int(1))], Pipe { left: 0, fault: io::ErrorKind::BrokenPipe });
        assert!(matches!(closed, Err(OutputError::Closed)), "{format:?}");
    }
}
