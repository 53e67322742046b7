//! Values as options see them. The expected values were taken from oslo.config 10.7.

use std::collections::BTreeMap;

use super::super::{ini, raw::ParsedFile};
use super::*;

fn reader(text: &str) -> Reader {
    let assignments = ini::parse_ini(text.as_bytes()).unwrap();
    let raw = RawValues::new(vec![ParsedFile { path: "f".into(), assignments }], BTreeMap::new(), Vec::new());
    Reader {
        raw,
        report: Report::default(),
        stores: vec![("Ceph1".to_owned(), "rbd".to_owned())],
        beside: Vec::new(),
        service_section: None,
    }
}

/// The value as Python would print it, or the error.
fn value(text: &str, group: &str, name: &str) -> String {
    let mut reader = reader(text);
    match reader.setting(group, name) {
        Some(setting) => setting.value.map_or_else(|| "None".to_owned(), |value| value.to_python()),
        None => reader.report.finish().unwrap_err().to_string(),
    }
}

#[test]
fn references_are_replaced_by_values() {
    for (lines, want) in [
        ("log_file = $scrub_time\nscrub_time = 0_5", "5"),
        ("log_file = ${scrub_time}x", "0x"),
        ("log_file = a$log_dir", "a"),
        ("log_file = $daemon", "False"),
        ("log_file = $enabled_backends\nenabled_backends = a:rbd , b:file", "{'a': 'rbd', 'b': 'file'}"),
        ("log_file = $glance_store.stores", "['file', 'http']"),
        ("log_file = $glance_store.default_backend/$log_dir\nlog_dir = d\n[Glance_Store]\ndefault_backend = b", "b/d"),
        ("log_file = $database.retry_interval", "10"),
        ("log_file = $Ceph1.rbd_store_pool\n[ceph1]\nrbd_store_pool = p", "p"),
        ("log_file = $logdir\nlog_dir = x", "x"),
        ("log_file = $log_dir\nlog_dir = $debug\ndebug = on", "True"),
        ("log_file = pa$$log_dir", "pa$log_dir"),
        ("log_file = pa\\$log_dir", "pa$log_dir"),
        ("log_file = pa$", "pa$"),
        ("log_file = pa$1", "pa$1"),
        ("log_file = $$$$", "$$"),
    ] {
        assert_eq!(value(&format!("[DEFAULT]\n{lines}\n"), "DEFAULT", "log_file"), want, "{lines}");
    }
}

#[test]
fn references_that_lead_nowhere_are_errors() {
    let unknown = "is not an option that can be referred to; write $$ for a plain $";
    let boolean = "`maybe` is not a boolean (true, 1, on, yes; false, 0, off, no)";
    for (lines, want) in [
        ("log_file = $ecret", format!("`$ecret` {unknown}")),
        ("log_file = $DEFAULT.log_dir", format!("a word after $ {unknown}")),
        ("log_file = $glance_store", format!("`$glance_store` {unknown}")),
        ("log_file = $log_dir.", format!("a word after $ {unknown}")),
        // Unlike in a section line, a group has its exact case here.
        ("log_file = $ceph1.rbd_store_pool", format!("`$ceph1.rbd_store_pool` {unknown}")),
        ("log_file = $log_file", "`$log_file` leads back to itself".to_owned()),
        (
            "log_file = $log_dir\nlog_dir = $log_file",
            "`$log_dir` stands for an option with a fault: `$log_file` leads back to itself".to_owned(),
        ),
        ("log_file = $debug\ndebug = maybe", format!("`$debug` stands for an option with a fault: {boolean}")),
    ] {
        let text = format!("[DEFAULT]\n{lines}\n");
        assert_eq!(value(&text, "DEFAULT", "log_file"), format!("f:2: [DEFAULT] log_file: {want}"), "{lines}");
    }
}

#[test]
fn a_name_means_the_own_group_before_default() {
    let text = "[DEFAULT]\nlog_dir = d\n[Ceph1]\nrbd_store_user = $rbd_store_pool-$log_dir\nrbd_store_pool = p\n";
    assert_eq!(value(text, "Ceph1", "rbd_store_user"), "p-d");
    let text = "[glance_store]\ndefault_backend = $stores\n[DEFAULT]\nlog_dir = x\n";
    assert_eq!(value(text, "glance_store", "default_backend"), "['file', 'http']");
}

#[test]
fn a_dollar_in_a_password_is_told_without_the_password() {
    let error = value("[database]\nconnection = mysql://u:p$ecret@h/db\n", "database", "connection");
    assert_eq!(
        error,
        "f:2: [database] connection: a word after $ is not an option that can be referred to; write $$ for a plain $"
    );
}

#[test]
fn references_that_multiply_end() {
    let names = ["log_file", "log_dir", "log_date_format", "syslog_log_facility", "restore", "node_staging_uri"];
    let mut text = "[DEFAULT]\n".to_owned();
    for pair in names.windows(2) {
        text.push_str(&format!("{} = {}\n", pair[0], format!("${}-", pair[1]).repeat(5)));
    }
    assert!(value(&text, "DEFAULT", "log_file").ends_with("the value has too many references"));
    text.push_str(&format!("node_staging_uri = {}\n", "x".repeat(600_000)));
    assert!(value(&text, "DEFAULT", "restore").ends_with("the value grows too long by its references"));
}

#[test]
fn an_older_name_is_followed_and_mentioned() {
    let mut reader = reader("[DEFAULT]\nsql_connection = x\nlogfile = y\n");
    assert_eq!(reader.text("database", "connection").as_deref(), Some("x"));
    assert_eq!(reader.text("DEFAULT", "log_file").as_deref(), Some("y"));
    assert_eq!(
        reader.report.finish().unwrap(),
        [
            "f:2: [DEFAULT] sql_connection is an old name; write [database] connection",
            "f:3: [DEFAULT] logfile is an old name; write [DEFAULT] log_file",
        ]
    );
}

#[test]
fn a_value_that_swallowed_another_line_is_not_shown() {
    let error = value("[DEFAULT]\ndebug = true\n connection = mysql://u:pw@h/d\n", "DEFAULT", "debug");
    assert_eq!(error, "f:2: [DEFAULT] debug: the value is not a boolean (true, 1, on, yes; false, 0, off, no)");
}
