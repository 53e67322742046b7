//! The server: what it answers, what it refuses, and who may have its address.

use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::Arc;
use std::time::Duration;

use glance_scrubber::config::Listen;
use glance_scrubber::observe::server::{ServeError, serve};

use super::{connect, exchange, get, server, status};

#[test]
fn every_path_answers_and_nothing_else_does() {
    let status = status(&["a"]);
    status.database_answers();
    let server = server(&status);
    for (path, code, kind) in [
        ("/", 200, "text/html; charset=utf-8"),
        ("/style.css", 200, "text/css; charset=utf-8"),
        ("/metrics", 200, "text/plain; version=0.0.4; charset=utf-8"),
        ("/status", 200, "application/json"),
        ("/healthz", 200, "text/plain; charset=utf-8"),
        ("/readyz", 200, "text/plain; charset=utf-8"),
        ("/favicon.ico", 404, ""),
        ("/../etc/passwd", 404, ""),
    ] {
        let answer = get(&server, path);
        assert_eq!((answer.code(), answer.header("content-type").unwrap_or_default()), (code, kind), "{path}");
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"), "{path}");
        assert_eq!(answer.header("cache-control"), Some("no-store"), "{path}");
        let policy = answer.header("content-security-policy").unwrap();
        assert!(policy.starts_with("default-src 'none'; style-src 'self'"), "{path}: {policy}");
        assert_eq!(answer.header("connection"), Some("close"), "{path}");
        let head = exchange(connect(&server), &format!("HEAD {path} HTTP/1.1\r\nHost: x\r\n\r\n"));
        assert_eq!((head.code(), head.body.as_str()), (code, ""), "{path}");
    }
    for method in ["POST", "PUT", "DELETE", "OPTIONS", "TRACE"] {
        let answer =
            exchange(connect(&server), &format!("{method} / HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n"));
        assert_eq!((answer.code(), answer.header("allow")), (405, Some("GET,HEAD")), "{method}");
    }
}

#[test]
fn too_much_and_too_strange_is_refused() {
    let server = server(&status(&[]));
    let long = format!("GET /{} HTTP/1.1\r\nHost: x\r\n\r\n", "a".repeat(20_000));
    let many = format!("GET / HTTP/1.1\r\nHost: x\r\n{}\r\n", "X: y\r\n".repeat(1000));
    for request in [long.as_str(), &many, "nonsense\r\n\r\n", "\0\0\0\0\r\n\r\n"] {
        let code = exchange(connect(&server), request).code();
        assert!((400..500).contains(&code), "{code} for {}", &request[..8]);
    }
    assert_eq!(get(&server, "/healthz").code(), 200, "and it lives");
}

/// As many clients as may be connected say nothing; whoever comes then waits for their time-out, and is served.
#[test]
fn clients_that_say_nothing_do_not_keep_others_out() {
    let server = server(&status(&[]));
    let silent: Vec<_> = (0..40).map(|_| connect(&server)).collect();
    assert_eq!(get(&server, "/healthz").code(), 200);
    drop(silent);
}

#[test]
fn health_is_life_and_readiness_is_the_database() {
    let status = status(&[]);
    let server = server(&status);
    assert_eq!(get(&server, "/healthz").code(), 200);
    let answer = get(&server, "/readyz");
    assert_eq!((answer.code(), answer.body.as_str()), (503, "the database has not answered yet\n"));
    status.waiting_for_database("2026-01-02T03:04:05Z".parse().unwrap(), "connection refused");
    let answer = get(&server, "/readyz");
    assert!(answer.code() == 503 && answer.body.contains("connection refused"), "{}", answer.body);
    assert_eq!(get(&server, "/healthz").code(), 200, "to wait is to live");
    status.database_answers();
    assert_eq!(get(&server, "/readyz").code(), 200);
    status.life_bound(Duration::ZERO);
    let answer = crate::support::eventually("silence", || Some(get(&server, "/healthz")).filter(|a| a.code() == 503));
    assert!(answer.body.starts_with("no sign of life for "), "{}", answer.body);
}

#[test]
fn an_address_in_use_is_an_error_at_the_start() {
    let status = status(&[]);
    let first = server(&status);
    let second = serve(first.listen(), Arc::clone(&status)).unwrap_err();
    assert!(matches!(second, ServeError::InUse(_)), "{second}");
    assert_eq!(second.to_string(), format!("{} is in use by another process; see [scrubber] listen", first.listen()));
    let listen = first.listen().clone();
    drop(first);
    serve(&listen, status).unwrap();
}

#[test]
fn a_socket_is_for_its_group_and_goes_with_the_server() {
    let (directory, status) = (tempfile::tempdir().unwrap(), status(&[]));
    let path = directory.path().join("status.sock");
    let listen = Listen::Unix(path.clone());
    let first = serve(&listen, Arc::clone(&status)).unwrap();
    assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o660);
    let answer = exchange(UnixStream::connect(&path).unwrap(), "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_eq!(answer.code(), 200);
    assert!(matches!(serve(&listen, Arc::clone(&status)).unwrap_err(), ServeError::InUse(_)));
    assert!(path.exists(), "the living one's socket stays");
    drop(first);
    assert!(!path.exists());

    // A process that was killed leaves its socket.
    drop(UnixListener::bind(&path).unwrap());
    assert!(path.symlink_metadata().unwrap().file_type().is_socket());
    drop(serve(&listen, Arc::clone(&status)).unwrap());

    std::fs::write(&path, "precious").unwrap();
    assert!(matches!(serve(&listen, Arc::clone(&status)).unwrap_err(), ServeError::NotASocket(_)));
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "precious");
    let nowhere = Listen::Unix(directory.path().join("none/status.sock"));
    let error = serve(&nowhere, status).unwrap_err().to_string();
    assert!(error.contains("cannot listen on unix:") && error.contains("No such file"), "{error}");
}
