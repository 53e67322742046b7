//! Databases that go and come back, really stopped and behind a network that fails.

use rustix::process::Signal;

use super::*;
use crate::faults::{MANY, State, fill, held_with, servers};
use crate::support::database::Database;
use crate::support::eventually;
use crate::support::private_server::PrivateServer;
use crate::support::proxy::Proxy;

const LISTENING: &str = "[scrubber]\nlisten = unix:{dir}/status.sock\n";

/// What a probe hears that asks whether the daemon is ready.
fn readiness(site: &Site) -> String {
    get(&site.directory.path().join("status.sock"), "/readyz")
}

#[track_caller]
fn assert_waits(site: &Site, manager: &Manager) {
    let status = manager.until("STATUS=Waiting for the database since ");
    let readiness = readiness(site);
    assert!(readiness.starts_with("HTTP/1.1 503"), "{status}\n{readiness}");
    assert!(readiness.contains("waiting for the database since "), "{readiness}");
    let health = get(&site.directory.path().join("status.sock"), "/healthz");
    assert!(health.starts_with("HTTP/1.1 200"), "waiting is no reason to be killed: {health}");
}

fn assert_goes_on(site: &Site, manager: &Manager, image: &str) {
    add_due(site, image);
    eventually("the cycle that is asked for by nobody", || {
        manager.forget();
        is_gone(site, image)
    });
    eventually("to be ready", || readiness(site).starts_with("HTTP/1.1 200").then_some(()));
    manager.forget();
}

#[test]
fn a_database_that_is_restarted_is_waited_for() {
    for engine in servers() {
        let Some(mut server) = PrivateServer::new(engine) else { continue };
        server.start();
        let (site, manager) = (Site::with(Database::on(&server)), Manager::new());
        Image::active("living", &[&site.file("living")]).insert(&site.database);
        // Down at the start.
        server.stop();
        let running = manager.start(&site, &format!("[DEFAULT]\nwakeup_time = 1\n{LISTENING}"));
        let ready = manager.until("READY=1");
        assert!(ready.contains("STATUS=Waiting for the database since "), "{ready}");
        assert_waits(&site, &manager);
        server.start();
        assert_goes_on(&site, &manager, "first");

        // Restarted between two cycles, with connections open.
        server.stop();
        assert_waits(&site, &manager);
        server.start();
        assert_goes_on(&site, &manager, "second");
        running.signal(Signal::TERM);
        let ended = running.wait().expect_code(0);
        let said = |words: &str| ended.stderr.matches(words).count();
        assert_eq!(said("Waiting for the database: "), 2, "{engine:?}: once for each time: {}", ended.stderr);
        assert_eq!(said("The database answers again"), 2, "{engine:?}: {}", ended.stderr);
        assert!(site.has("living"));
    }
}

#[test]
fn a_database_that_is_restarted_in_the_midst_of_deletes_loses_none_of_them() {
    for engine in servers() {
        let Some(mut server) = PrivateServer::new(engine) else { continue };
        server.start();
        let (site, manager) = (Site::with(Database::on(&server)), Manager::new());
        fill(&site, MANY);
        let config = format!("[DEFAULT]\nwakeup_time = 3600\n{LISTENING}");
        let (running, lock) = held_with(&site, || {
            let command = daemon(&site, &config).env("WATCHDOG_USEC", "1000000");
            command.env("NOTIFY_SOCKET", manager.directory.path().join("notify")).start()
        });
        server.stop();
        drop(lock);
        running.until_stderr("Cannot record what was deleted, next try in");
        assert_waits(&site, &manager);
        server.start();
        eventually("the cycle to go on where it was", || {
            manager.forget();
            (State::of(&site).deleted() == MANY).then_some(())
        });
        eventually("to be ready", || readiness(&site).starts_with("HTTP/1.1 200").then_some(()));
        running.signal(Signal::TERM);
        let ended = running.wait().expect_code(0);
        assert!(ended.stderr.contains("3000 locations"), "{engine:?}: {}", ended.stderr);
        assert!(!ended.stderr.contains("could not be recorded"), "{engine:?}: {}", ended.stderr);
    }
}

#[test]
fn a_network_that_fails_is_waited_for() {
    for engine in servers() {
        let (site, manager) = (site_on(engine), Manager::new());
        let host = site.database.url().split(['@', '/']).nth(3).unwrap();
        let proxy = Proxy::before(host);
        let url = site.database.url().replace(host, &proxy.address());
        // Broken from the start.
        proxy.cut();
        let config = format!("[DEFAULT]\nwakeup_time = 1\n{LISTENING}[database]\nconnection = {url}");
        let running = manager.start(&site, &config);
        assert_waits(&site, &manager);
        proxy.mend();
        assert_goes_on(&site, &manager, "first");
        proxy.cut();
        assert_waits(&site, &manager);
        proxy.mend();
        assert_goes_on(&site, &manager, "second");
        running.signal(Signal::TERM);
        let ended = running.wait().expect_code(0);
        let password = site.database.url().split([':', '@']).nth(2).unwrap();
        assert!(!ended.output().contains(password), "{}", ended.output());
    }
}

#[test]
fn a_password_that_is_refused_at_the_start_ends_it() {
    for engine in servers() {
        let site = site_on(engine);
        let password = site.database.url().split([':', '@']).nth(2).unwrap();
        let url = site.database.url().replace(password, "Hunter2");
        let manager = Manager::new();
        let ended = manager.start(&site, &format!("[database]\nconnection = {url}")).wait().expect_code(6);
        assert!(ended.stderr.contains("the database refused the login: "), "{engine:?}: {}", ended.stderr);
        assert!(!ended.output().contains("Hunter2"), "{}", ended.output());
        manager.socket.set_nonblocking(true).unwrap();
        assert!(manager.socket.recv(&mut [0; 4096]).is_err(), "it must not say that it is ready");
    }
}

/// An hour away from the next wake-up: the corrected config counts at once.
#[test]
fn a_reload_that_names_the_right_database_is_not_waited_with() {
    let (site, manager) = (site(), Manager::new());
    add_due(&site, "due");
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let url = format!("mysql+pymysql://glance:secret@{nobody}/glance");
    let hourly = "[DEFAULT]\nwakeup_time = 3600\n";
    let running = manager.start(&site, &format!("{hourly}{LISTENING}[database]\nconnection = {url}"));
    for _ in 0..2 {
        // Twice in vain, so that it is seconds to the next try.
        assert_waits(&site, &manager);
    }
    site.config(&format!("{hourly}{LISTENING}"));
    running.signal(Signal::HUP);
    manager.until("RELOADING=1");
    eventually("the cycle after the reload", || is_gone(&site, "due"));
    running.until_stderr("The database answers again");
    running.signal(Signal::TERM);
    running.wait().expect_code(0);
}
