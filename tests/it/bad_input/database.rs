//! Databases that are not there, closed, or not Glance's.

use std::net::TcpListener;

use super::*;
use crate::support::servers::engines_at_hand;

fn servers() -> impl Iterator<Item = Engine> {
    engines_at_hand().into_iter().filter(|engine| *engine != Engine::Sqlite)
}

/// `url` with another login, host or database, where given.
fn changed(url: &str, login: Option<&str>, host: Option<&str>, database: Option<&str>) -> String {
    let (dialect, rest) = url.split_once("://").unwrap();
    let (its_login, rest) = rest.split_once('@').unwrap();
    let (its_host, its_database) = rest.split_once('/').unwrap();
    let (login, host) = (login.unwrap_or(its_login), host.unwrap_or(its_host));
    format!("{dialect}://{login}@{host}/{}", database.unwrap_or(its_database))
}

fn user_of(url: &str) -> &str {
    url.split_once("://").unwrap().1.split_once(':').unwrap().0
}

/// Everything that touches a database says the same of it.
#[track_caller]
fn assert_each_refused(site: &Site, url: &str, words: &[&str]) {
    let config = pointing_to(site, url);
    assert_refused(&site.run_with(&config, &["--once"]), 6, words);
    assert_refused(&site.run_with(&config, &["--dry-run"]), 6, words);
    let check = site.run_with(&config, &["--check", "-f", "value"]);
    assert_eq!((check.code, check.stderr.as_str()), (Some(6), ""), "{}", check.output());
    assert!(words.iter().all(|word| check.stdout.contains(word)), "{}", check.output());
    assert!(!check.stdout.contains(SECRET), "{}", check.output());
}

#[test]
fn a_sqlite_file_that_is_none() {
    let site = site_on(Engine::Sqlite);
    let at = |name: &str| site.directory.path().join(name);
    let url = |name: &str| format!("sqlite:///{}", at(name).display());
    std::fs::write(at("empty"), "").unwrap();
    std::fs::write(at("text"), "a text that is long enough to be taken for the header of a database\n".repeat(9))
        .unwrap();
    assert_each_refused(&site, &url("missing"), &["/missing does not exist", "[database] connection"]);
    assert!(!at("missing").exists(), "nothing is created");
    assert_each_refused(&site, &url("no/such/directory"), &["/no/such/directory does not exist"]);
    assert_each_refused(&site, &url("images"), &["/images is a directory"]);
    assert_each_refused(&site, &url("text"), &["is not a Glance database", "file is not a database"]);
    assert_each_refused(&site, &url("empty"), &["is not a Glance database", "no such table", "db_sync"]);
    // Waiting makes no file, so that the default of ten tries, ten seconds apart, does not apply.
    let text = std::fs::read_to_string(pointing_to(&site, &url("missing"))).unwrap().replace("max_retries = 0\n", "");
    let patient = write(&at("patient.conf"), &text);
    assert_refused(&site.run_with(&patient, &[]), 6, &["/missing does not exist"]);
    assert_untouched(&site);
}

#[test]
fn a_server_that_is_not_there() {
    let site = site_on(Engine::Sqlite);
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    for dialect in ["mysql+pymysql", "postgresql+psycopg2"] {
        let url = format!("{dialect}://glance:{SECRET}@127.0.0.1:{port}/glance");
        assert_each_refused(&site, &url, &["cannot be reached", &format!("127.0.0.1:{port}"), "refused"]);
        let url = format!("{dialect}://glance:{SECRET}@no-such-host.invalid/glance");
        assert_each_refused(&site, &url, &["cannot be reached: no-such-host.invalid"]);
    }
    let url = format!("mysql+pymysql://glance:{SECRET}@/glance?unix_socket=/nowhere/mysqld.sock");
    assert_each_refused(&site, &url, &["cannot be reached: /nowhere/mysqld.sock", "No such file"]);
    assert_untouched(&site);
}

/// It accepts and says nothing: a load balancer without a server behind it.
#[test]
fn a_server_that_says_nothing() {
    let site = site_on(Engine::Sqlite);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let place = listener.local_addr().unwrap();
    for dialect in ["mysql+pymysql", "postgresql+psycopg2"] {
        let url = format!("{dialect}://glance:{SECRET}@{place}/glance?connect_timeout=1");
        let words = ["cannot be reached", &place.to_string(), "no greeting within 1 s"];
        assert_refused(&site.run_with(&pointing_to(&site, &url), &[]), 6, &words);
    }
    assert_untouched(&site);
}

#[test]
fn a_login_that_is_refused() {
    for engine in servers() {
        let site = site_on(engine);
        let url = site.database.url();
        let (user, stranger) = (format!("{}:{SECRET}", user_of(url)), format!("stranger:{SECRET}"));
        let wrong = ["refused the login", user_of(url), "[database] connection"];
        assert_each_refused(&site, &changed(url, Some(&user), None, None), &wrong);
        assert_each_refused(&site, &changed(url, Some(&stranger), None, None), &["refused the login", "stranger"]);
        let missing = ["refused the login", "no_such_database", "[database] connection"];
        assert_each_refused(&site, &changed(url, None, None, Some("no_such_database")), &missing);
        assert_untouched(&site);
    }
}

#[test]
fn a_database_without_glances_tables() {
    for engine in servers() {
        let site = site_on(engine);
        let other = if engine == Engine::Mariadb { "mysql" } else { "postgres" };
        let url = changed(site.database.url(), None, None, Some(other));
        assert_each_refused(&site, &url, &["is not a Glance database", "images", "db_sync"]);
        assert_untouched(&site);
    }
}

/// The port of one server behind the URL of the other.
#[test]
fn the_other_servers_port() {
    let servers: Vec<_> = servers().map(site_on).collect();
    let [mariadb, postgres] = &servers[..] else { return };
    let host = |site: &Site| site.database.url().split(['@', '/']).nth(3).unwrap().to_owned();
    for (site, host) in [(mariadb, host(postgres)), (postgres, host(mariadb))] {
        let login = format!("glance:{SECRET}");
        let url = changed(site.database.url(), Some(&login), Some(&host), Some("glance?connect_timeout=1"));
        assert_refused(&site.run_with(&pointing_to(site, &url), &[]), 6, &[&host]);
        assert_untouched(site);
    }
}
