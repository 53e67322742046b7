//! A database that goes away under a run.

use super::*;
use crate::support::proxy::Proxy;

/// A run through a proxy that is held at [`LOCKED`].
fn held_behind_a_proxy(site: &Site, config: &str) -> (Proxy, Running, Session) {
    let host = site.database.url().split(['@', '/']).nth(3).unwrap();
    let proxy = Proxy::before(host);
    let url = site.database.url().replace(host, &proxy.address());
    let (running, lock) = held(site, &format!("{config}\n[database]\nconnection = {url}"));
    (proxy, running, lock)
}

#[test]
fn a_connection_that_breaks_in_the_midst_is_survived() {
    for engine in servers() {
        let site = site_with(engine, MANY);
        let (proxy, running, mut lock) = held_behind_a_proxy(&site, "");
        proxy.cut();
        running.until_stderr("Cannot record what was deleted, next try in");
        lock.execute("COMMIT");
        proxy.mend();
        let run = running.wait().expect_code(0);
        let state = State::of(&site);
        assert_eq!((state.files, state.deleted()), (0, MANY), "{engine:?}: {}", run.output());
        assert_eq!(done(&run, "deleted"), MANY as u64, "{engine:?}: all was recorded as what it was");
    }
}

#[test]
fn a_database_that_is_gone_for_good_ends_the_run_and_the_next_one_finishes() {
    for engine in servers() {
        let site = site_with(engine, MANY);
        let impatient = "[scrubber]\ndatabase_deadline = 2\ndatabase_patience = 3";
        let (proxy, running, mut lock) = held_behind_a_proxy(&site, impatient);
        proxy.vanish();
        let run = running.wait().expect_code(6);
        lock.execute("ROLLBACK");
        let unrecorded = State::of(&site).unrecorded(MANY);
        assert!((AHEAD..=MOST_UNRECORDED).contains(&unrecorded), "{engine:?}: {unrecorded} unrecorded");
        assert_eq!(report(&run)["unrecorded"], unrecorded, "{engine:?}: {}", run.output());
        let words = format!("The data of {unrecorded} locations was removed but could not be recorded");
        assert!(run.stderr.contains(&words), "{engine:?}: {}", run.stderr);
        assert!(run.stderr.contains("The cycle ended early: the database cannot be reached"), "{}", run.stderr);
        assert!(!run.output().contains(password_of(&site)), "{engine:?}: {}", run.output());
        assert_finishes(&site, MANY, unrecorded);
    }
}

fn password_of(site: &Site) -> &str {
    site.database.url().split([':', '@']).nth(2).unwrap()
}
