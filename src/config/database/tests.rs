//! URLs. The parts that SQLAlchemy finds were taken from SQLAlchemy 2.1.

use std::collections::BTreeMap;

use secrecy::ExposeSecret;

use super::super::error::Report;
use super::super::ini;
use super::super::raw::{ParsedFile, RawValues};
use super::*;

fn parse(text: &str) -> (Result<DatabaseUrl, String>, Vec<String>) {
    let mut notes = Vec::new();
    (parse_url(text, "", &mut notes), notes)
}

fn server(text: &str) -> ServerUrl {
    match parse(text).0 {
        Ok(DatabaseUrl::Mysql(server) | DatabaseUrl::Postgres(server)) => server,
        other => panic!("{text}: {other:?}"),
    }
}

fn error(text: &str) -> String {
    parse(text).0.expect_err(text)
}

/// `user|password|host|port|database`, with `-` for what is not there.
fn parts(text: &str) -> String {
    let url = server(text);
    let dash = |text: Option<&str>| text.unwrap_or("-").to_owned();
    let password = url.password.as_ref().map(|password| password.expose_secret());
    let port = url.port.map(|port| port.to_string());
    [dash(url.user.as_deref()), dash(password), url.host.clone(), dash(port.as_deref()), url.database.clone()].join("|")
}

#[test]
fn the_parts_of_a_url() {
    for (text, want) in [
        ("mysql+pymysql://u:p@h/glance", "u|p|h|-|glance"),
        ("mysql+pymysql://u:p@h:3306/glance?charset=utf8", "u|p|h|3306|glance"),
        ("mysql://u:p@h/glance", "u|p|h|-|glance"),
        ("mysql+mysqldb://u:p@h/glance", "u|p|h|-|glance"),
        ("mariadb+mysqlconnector://u:p@h/glance", "u|p|h|-|glance"),
        ("mysql+pymysql://u:p%40s%2Fs%3Aw@h/glance", "u|p@s/s:w|h|-|glance"),
        ("mysql+pymysql://u:a+b%@h/glance", "u|a+b%|h|-|glance"),
        ("mysql+pymysql://u:p:q/r?s#t@h/glance", "u|p:q/r?s#t|h|-|glance"),
        ("mysql+pymysql://u%40x:p@h/gl%20ance", "u@x|p|h|-|gl ance"),
        ("mysql+pymysql://u@x@h/glance", "u@x|-|h|-|glance"),
        ("mysql+pymysql://u@h/glance", "u|-|h|-|glance"),
        ("mysql+pymysql://u:@h/glance", "u||h|-|glance"),
        ("mysql+pymysql://h/glance", "-|-|h|-|glance"),
        ("mysql+pymysql:///glance", "-|-|localhost|-|glance"),
        ("mysql+pymysql://u:p@/glance", "u|p|localhost|-|glance"),
        ("mysql+pymysql://u:p@[fd00::1]:3307/glance", "u|p|fd00::1|3307|glance"),
        ("mysql+pymysql://u:p@[::1]/glance", "u|p|::1|-|glance"),
        ("mysql+pymysql://u:p@h%2e/glance", "u|p|h%2e|-|glance"),
        ("mysql+pymysql://u:p@h/d1/d2?x=y", "u|p|h|-|d1/d2"),
        ("mysql+pymysql://u:p@h/glance?user=v&port=1", "v|p|h|1|glance"),
        ("mysql+pymysql://h?database=glance&user=a+b&password=%40", "a b|@|h|-|glance"),
        ("postgresql+psycopg2://u:p@h/glance", "u|p|h|-|glance"),
        ("postgresql://u:p@h:5433/glance", "u|p|h|5433|glance"),
        ("postgresql+psycopg://u:p@/glance?host=db:5434", "u|p|db|5434|glance"),
        ("postgresql://u@h", "u|-|h|-|u"),
        ("postgresql://u@h/x?dbname=glance&host=k", "u|-|k|-|glance"),
    ] {
        assert_eq!(parts(text), want, "{text}");
    }
}

#[test]
fn an_unescaped_at_belongs_to_the_password_with_a_warning() {
    for (text, want) in [
        ("mysql+pymysql://u:p@ss@db/glance", "u|p@ss|db|-|glance"),
        ("mysql+pymysql://u:p@s@s@db:1/glance?x=a@b", "u|p@s@s|db|1|glance"),
        ("mysql+pymysql://u:p@ss@[::1]/glance", "u|p@ss|::1|-|glance"),
    ] {
        assert_eq!(parts(text), want, "{text}");
        assert_eq!(parse(text).1.len(), 1, "{text}");
    }
    assert!(parse("mysql+pymysql://u:p@db/glance?x=a@b").1.is_empty());
}

#[test]
fn urls_that_are_refused() {
    for (text, want) in [
        ("glance", "is not a URL of the form"),
        ("u:p@h/glance", "is not a URL of the form"),
        ("my sql://h/glance", "is not a URL of the form"),
        ("oracle://u:p@h/glance", "known are mysql, mariadb, postgresql and sqlite"),
        ("mysql+foo://u:p@h/glance", "the driver in the URL is not known for mysql; known are pymysql, mysqldb"),
        ("postgresql+mysql://u:p@h/glance", "known are psycopg2"),
        ("mysql+pymysql://u:p@h:/glance", "not a number from 1 to 65535"),
        ("mysql+pymysql://u:p@h:x/glance", "not a number from 1 to 65535"),
        ("mysql+pymysql://u:p@h:65536/glance", "not a number from 1 to 65535"),
        ("mysql+pymysql://u:p@[::1]x/glance", "between ] and the port"),
        ("mysql+pymysql://u:p@h", "names no database"),
        ("mysql+pymysql://u:p@s/s@h/glance", "unescaped @"),
        ("postgresql://u:@s?@h/glance", "unescaped @"),
        ("postgresql://u:@s/?@h/glance", "unescaped @"),
        ("postgresql://u:@s/d?x@h", "unescaped @"),
        ("postgresql://u:@s/d?x=y@h/glance", "unescaped @"),
        ("postgresql://u/x:p@h/glance", "unescaped @"),
        ("mysql+pymysql://u:p@h1,h2/glance", "names several hosts"),
        ("mysql+pymysql://u:p@h/g?ssl_check_hostname=maybe&ssl_ca=/c", "ssl_check_hostname in the URL is neither"),
        ("mysql+pymysql://u:p@h/g?ssl_mode=SOMETIMES", "ssl_mode is none of"),
        ("mysql+pymysql://u:p@h/g?connect_timeout=soon", "connect_timeout in the URL"),
        ("postgresql://u:p@h1,h2:5432/glance", "names several hosts"),
        ("postgresql://u:p@/g?host=h1:5432&host=h2:5432", "names several hosts"),
        ("postgresql://u:p@h/g?sslmode=yes", "sslmode is none of"),
        ("postgresql://h", "names no database"),
        ("sqlite://", "in-memory"),
        ("sqlite:///", "in-memory"),
        ("sqlite:///:memory:", "in-memory"),
        ("sqlite:////x?mode=memory", "in-memory"),
        ("sqlite://host/x", "has no user, host or port"),
        ("sqlite:///file:x?uri=true", "file: address"),
        ("sqlite:////x?timeout=soon", "timeout in the URL"),
    ] {
        assert!(error(text).contains(want), "{text}: {}", error(text));
    }
}

#[test]
fn sqlite_paths() {
    for (text, path, seconds) in [
        ("sqlite:////var/lib/glance/glance.sqlite", "/var/lib/glance/glance.sqlite", 5.0),
        ("sqlite:///glance.sqlite", "glance.sqlite", 5.0),
        ("sqlite+pysqlite:////a%20b?timeout=0.5", "/a b", 0.5),
        ("sqlite:////a?timeout=-1", "/a", 0.0),
    ] {
        let Ok(DatabaseUrl::Sqlite { path: got, busy_timeout }) = parse(text).0 else { panic!("{text}") };
        assert_eq!((got, busy_timeout.as_secs_f64()), (PathBuf::from(path), seconds), "{text}");
    }
}

#[test]
fn tls_is_as_strict_as_with_the_driver_named() {
    for (text, want) in [
        ("mysql+pymysql://h/g", TlsMode::Disable),
        ("mysql+pymysql://h/g?ssl_ca=/ca", TlsMode::VerifyFull),
        ("mysql+pymysql://h/g?ssl_ca=/ca&ssl_check_hostname=false", TlsMode::VerifyCa),
        ("mysql+pymysql://h/g?ssl_capath=/cas", TlsMode::VerifyFull),
        ("mysql+pymysql://h/g?ssl_cert=/c&ssl_key=/k", TlsMode::Require),
        ("mysql+pymysql://h/g?ssl_cipher=x", TlsMode::Require),
        ("mysql+pymysql://h/g?ssl_verify_cert=true", TlsMode::VerifyCa),
        ("mysql+pymysql://h/g?ssl_ca=/ca&ssl_verify_cert=false", TlsMode::Require),
        ("mysql+pymysql://h/g?ssl_verify_identity=true", TlsMode::VerifyFull),
        ("mysql+pymysql://h/g?ssl_ca=/ca&ssl_disabled=true", TlsMode::Disable),
        ("mysql://h/g?ssl_ca=/ca", TlsMode::VerifyCa),
        ("mysql://h/g?ssl_ca=/ca&ssl_check_hostname=true", TlsMode::VerifyFull),
        ("mysql+mysqldb://h/g?ssl_mode=required", TlsMode::Require),
        ("mysql+mysqldb://h/g?ssl_mode=VERIFY_IDENTITY", TlsMode::VerifyFull),
        ("postgresql://u@h/g", TlsMode::Prefer),
        ("postgresql://u@h/g?sslmode=disable", TlsMode::Disable),
        ("postgresql://u@h/g?sslmode=allow", TlsMode::Prefer),
        ("postgresql://u@h/g?sslmode=require", TlsMode::Require),
        ("postgresql://u@h/g?sslmode=require&sslrootcert=/ca", TlsMode::VerifyCa),
        ("postgresql://u@h/g?sslmode=verify-full&sslrootcert=/ca", TlsMode::VerifyFull),
        ("postgresql://u@h/g?sslrootcert=system", TlsMode::VerifyFull),
    ] {
        assert_eq!(server(text).tls.mode, want, "{text}");
    }
    let tls = server("mysql+pymysql://h/g?ssl_ca=/a&ssl_cert=/c&ssl_key=/k").tls;
    assert_eq!([tls.ca, tls.cert, tls.key].map(Option::unwrap), ["/a", "/c", "/k"].map(PathBuf::from));
    let tls = server("postgresql://u@h/g?sslrootcert=/a&sslcert=/c&sslkey=/k").tls;
    assert_eq!([tls.ca, tls.cert, tls.key].map(Option::unwrap), ["/a", "/c", "/k"].map(PathBuf::from));
    assert!(server("postgresql://u@h/g?sslrootcert=system").tls.ca.is_none());
}

#[test]
fn sockets() {
    for (text, host, socket) in [
        ("mysql+pymysql://u@/g?unix_socket=/run/mysqld.sock", "", Some("/run/mysqld.sock")),
        ("mysql+pymysql://u@h/g?unix_socket=/run/mysqld.sock", "", Some("/run/mysqld.sock")),
        ("mysql://u@localhost/g?unix_socket=/s", "", Some("/s")),
        ("mysql://u@h/g?unix_socket=/s", "h", None),
        ("postgresql://u@/g?host=/var/run/pg", "", Some("/var/run/pg")),
        ("postgresql://u@/g", "", Some("/var/run/postgresql")),
        ("postgresql://u@h/g", "h", None),
    ] {
        let url = server(text);
        assert_eq!((url.host.as_str(), url.socket), (host, socket.map(PathBuf::from)), "{text}");
    }
}

#[test]
fn an_option_file_fills_what_the_url_leaves_open() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("tripleo.cnf");
    std::fs::write(&path, "[client]\nuser=c\n[tripleo]\nssl=1\nssl-ca=/ca\npassword=pw\nport=3307\nhost=db\n").unwrap();
    let url = |scheme: &str, rest: &str| server(&format!("{scheme}://{rest}read_default_file={}", path.display()));
    let tripleo = url("mysql+pymysql", "u@h/g?read_default_group=tripleo&");
    assert_eq!((tripleo.host.as_str(), tripleo.port, tripleo.user.as_deref()), ("h", Some(3307), Some("u")));
    assert_eq!(tripleo.password.unwrap().expose_secret(), "pw");
    assert_eq!(tripleo.tls.mode, TlsMode::VerifyFull);
    assert_eq!(tripleo.tls.ca, Some(PathBuf::from("/ca")));
    // pymysql reads the one group, libmysqlclient the [client] group as well; without a name it is [client].
    assert_eq!(url("mysql+pymysql", "/g?read_default_group=tripleo&").user, None);
    assert_eq!(url("mysql+mysqldb", "/g?read_default_group=tripleo&").user.as_deref(), Some("c"));
    assert_eq!(url("mysql+pymysql", "/g?").user.as_deref(), Some("c"));
    assert_eq!(url("mysql+pymysql", "/g?").host, "localhost");
    let (_, notes) = parse("mysql+pymysql://h/g?read_default_file=/nowhere/my.cnf");
    assert_eq!(notes.len(), 1);
}

#[test]
fn connection_parameters_are_added() {
    let mut notes = Vec::new();
    let url = parse_url("mysql+pymysql://h/g?connect_timeout=1", "ssl_ca=/ca&connect_timeout=9", &mut notes);
    let Ok(DatabaseUrl::Mysql(url)) = url else { panic!() };
    assert_eq!(url.connect_timeout, Some(Duration::from_secs(9)));
    assert_eq!(url.tls.mode, TlsMode::VerifyFull);
}

fn load_text(text: &str) -> (Option<DatabaseConfig>, Report) {
    let assignments = ini::parse_ini(text.as_bytes()).unwrap();
    let raw = RawValues::new(vec![ParsedFile { path: "f".into(), assignments }], BTreeMap::new(), Vec::new());
    let mut reader =
        Reader { raw, report: Report::default(), stores: Vec::new(), beside: Vec::new(), service_section: None };
    (load(&mut reader, true), reader.report)
}

#[test]
fn numbers_with_a_second_meaning() {
    let text = "[database]\nconnection=sqlite:////x\nmax_pool_size=0\nmax_retries=-1\nconnection_recycle_time=-1\n\
                mysql_sql_mode=\nmysql_wsrep_sync_wait=\n";
    let config = load_text(text).0.unwrap();
    assert_eq!((config.max_pool_size, config.max_retries, config.recycle), (5, None, NEVER));
    assert_eq!((config.mysql_sql_mode.as_str(), config.mysql_wsrep_sync_wait), ("", None));
    let config =
        load_text("[database]\nconnection=sqlite:////x\nmax_pool_size=9\nmysql_wsrep_sync_wait=7\n").0.unwrap();
    assert_eq!((config.max_pool_size, config.max_retries, config.recycle.as_secs()), (9, Some(10), 3600));
    assert_eq!((config.mysql_sql_mode.as_str(), config.mysql_wsrep_sync_wait), ("TRADITIONAL", Some(7)));
    assert!(config.sqlite_synchronous && config.retry_interval.as_secs() == 10);
}

#[test]
fn a_database_must_be_named() {
    for text in ["", "[database]\n", "[database]\nconnection =\n"] {
        let (config, report) = load_text(text);
        assert!(config.is_none());
        assert!(report.finish().unwrap_err().to_string().contains("[database] connection: not set"), "{text:?}");
    }
}

#[test]
fn debug_shows_no_password() {
    for text in ["mysql+pymysql://u:hunter2@h/g", "postgresql://u:hunter2@h/g?password=hunter2"] {
        assert!(!format!("{:?}", parse(text)).contains("hunter2"));
    }
}
