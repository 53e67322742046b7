//! SIGHUP, and what it changes when.

use glance_scrubber::location::encrypt_as_glance;
use rustix::process::Signal;

use super::*;
use crate::faults::{MANY, State, held_with, servers, site_with};
use crate::support::eventually;

#[test]
fn a_running_cycle_goes_on_with_the_old_config_and_the_next_one_has_the_new() {
    for engine in servers() {
        let site = site_with(engine, MANY);
        let hourly = "[DEFAULT]\nwakeup_time = 3600\n";
        let (running, mut lock) = held_with(&site, || daemon(&site, hourly).start());
        // By this, nothing of what is in hand would be due.
        site.config(&format!("{hourly}scrub_time = 86400"));
        running.signal(Signal::HUP);
        running.until_stderr("Configuration reloaded");
        add_due(&site, "late");
        lock.execute("COMMIT");
        running.until_stderr("finished: 3000 locations");
        let recorded = State::of(&site).deleted();
        assert_eq!(recorded, MANY, "{engine:?}");
        running.signal(Signal::USR1);
        eventually("the second cycle", || {
            running.signal(Signal::USR2);
            running.stderr_so_far().contains("2 cycles, ").then_some(())
        });
        assert!(site.has("late"), "{engine:?}: the cycle after the reload has the old config");
        running.signal(Signal::TERM);
        running.wait().expect_code(0);
    }
}

#[test]
fn a_pause_begins_and_ends_with_a_reload() {
    let (site, manager) = (site(), Manager::new());
    let config = |more: &str| format!("[DEFAULT]\nwakeup_time = 1\n[scrubber]\n{more}\n");
    add_due(&site, "held");
    let running = manager.start(&site, &config("pause = true"));
    for _ in 0..3 {
        manager.until("STATUS=Idle");
    }
    assert!(site.has("held"));
    site.config(&config("max_deletes_per_second = 100\nworkers = 2"));
    running.signal(Signal::HUP);
    eventually("the cycle after the reload", || is_gone(&site, "held"));
    site.config(&config("pause = yes"));
    manager.forget();
    running.signal(Signal::HUP);
    eventually("the reload", || (running.stderr_so_far().matches("Configuration reloaded").count() == 2).then_some(()));
    manager.forget();
    manager.until("STATUS=Idle");
    add_due(&site, "later");
    for _ in 0..3 {
        manager.until("STATUS=Idle");
    }
    assert!(site.has("later"));
    running.signal(Signal::TERM);
    running.wait().expect_code(0);
}

/// Without anybody asking for it: they are looked at in each cycle.
#[test]
fn a_key_that_is_corrected_makes_its_rows_go_in_the_next_cycle() {
    let (site, manager) = (site(), Manager::new());
    let key = "0123456789abcdef";
    for id in ["one", "two"] {
        let token = encrypt_as_glance(&site.file(id), &key.into()).unwrap();
        Image::pending(id, TimeDelta::hours(2), &[&token]).insert(&site.database);
    }
    let config = |key: &str| format!("[DEFAULT]\nwakeup_time = 1\nmetadata_encryption_key = {key}");
    let running = manager.start(&site, &config("fedcba9876543210"));
    running.until_stderr("Reason: undecryptable");
    for _ in 0..3 {
        manager.until("STATUS=Idle");
    }
    assert!(site.has("one") && site.has("two"));
    site.config(&config(key));
    running.signal(Signal::HUP);
    eventually("the cycle after the reload", || is_gone(&site, "one").and(is_gone(&site, "two")));
    running.signal(Signal::TERM);
    let ended = running.wait().expect_code(0);
    assert_eq!(ended.stderr.matches("Reason: undecryptable").count(), 2, "once for each: {}", ended.stderr);
}
