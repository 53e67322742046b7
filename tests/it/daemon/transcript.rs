//! One life of a daemon, from READY to the end, as systemd and an operator see it.

use rustix::process::Signal;

use super::*;
use crate::support::eventually;

#[test]
fn a_daemon_starts_scrubs_reloads_drains_and_ends() {
    let (site, manager) = (site(), Manager::new());
    add_due(&site, "first");
    let listening = "[scrubber]\nlisten = unix:{dir}/status.sock\naudit_log = {dir}/audit.log\n";
    let running = manager.start(&site, &format!("[DEFAULT]\nwakeup_time = 3600\n{listening}"));

    let ready = manager.hear();
    assert!(ready.starts_with("READY=1\nSTATUS="), "{ready}");
    running.until_stderr("Starting Daemon: wakeup_time=3600");
    eventually("the first cycle, which begins at the start", || is_gone(&site, "first"));
    let status = manager.until("STATUS=Idle");
    assert!(status.contains("1 locations"), "{status}");

    // What a scraper, a probe and a person see.
    let ask = |path: &str| get(&site.directory.path().join("status.sock"), path);
    assert!(ask("/readyz").starts_with("HTTP/1.1 200"), "{}", ask("/readyz"));
    assert!(ask("/healthz").starts_with("HTTP/1.1 200"));
    let counted = |line: &str| {
        line.starts_with("glance_scrubber_locations_total{store=\"file\"")
            && line.contains("\"deleted\"")
            && line.ends_with(" 1")
    };
    eventually("the metrics to count it", || ask("/metrics").lines().any(counted).then_some(()));
    assert!(ask("/status").contains("\"next_wakeup\""), "{}", ask("/status"));
    assert!(ask("/").contains("<h1"), "{}", ask("/"));
    let audit = std::fs::read_to_string(site.directory.path().join("audit.log")).unwrap();
    assert!(audit.contains("\"image_id\":\"first\"") && audit.lines().count() == 1, "{audit}");

    // The next wake-up is an hour away; an operator need not wait for it.
    add_due(&site, "second");
    running.signal(Signal::USR1);
    eventually("a cycle that was asked for", || is_gone(&site, "second"));

    // A bad config changes nothing; the old one stays.
    site.config("[DEFAULT]\nwakeup_time = never");
    running.signal(Signal::HUP);
    let reloading = manager.until("RELOADING=1");
    assert!(reloading.lines().any(|line| line.starts_with("MONOTONIC_USEC=")), "{reloading}");
    manager.until("READY=1");
    running.until_stderr("The configuration was not reloaded, the old one stays:");
    running.until_stderr("wakeup_time: `never`");

    // A good one counts from now on: the images are not due any more, and then they are again.
    add_due(&site, "third");
    site.config(&format!("[DEFAULT]\nscrub_time = 86400\nwakeup_time = 3600\n{listening}"));
    running.signal(Signal::HUP);
    manager.until("RELOADING=1");
    manager.until("READY=1");
    running.signal(Signal::USR1);
    manager.until("STATUS=");
    assert!(site.has("third"), "what is not due by the new config was deleted");
    site.config(&format!("[DEFAULT]\nwakeup_time = 1\n{listening}"));
    running.signal(Signal::HUP);
    running.until_stderr("Configuration reloaded: wakeup_time=1");
    eventually("a cycle of the new rhythm", || is_gone(&site, "third"));

    running.signal(Signal::USR2);
    running.signal(Signal::TERM);
    let stopping = manager.until("STOPPING=1");
    assert!(stopping.contains("STATUS="), "{stopping}");
    let ended = running.wait().expect_code(0);
    assert!(ended.stderr.contains("Stopped"), "{}", ended.stderr);
    assert!(site.has("living"));
}

#[test]
fn the_watchdog_is_fed_while_nothing_happens() {
    let (site, manager) = (site(), Manager::new());
    let command = daemon(&site, "[DEFAULT]\nwakeup_time = 3600").env("WATCHDOG_USEC", "400000");
    let running = command.env("NOTIFY_SOCKET", manager.directory.path().join("notify")).start();
    for _ in 0..3 {
        manager.until("WATCHDOG=1");
    }
    running.signal(Signal::STOP);
    // Whatever was sent before; then silence, by which systemd would end it.
    manager.socket.set_read_timeout(Some(Duration::from_millis(1500))).unwrap();
    while manager.socket.recv(&mut [0; 4096]).is_ok() {}
    running.signal(Signal::CONT);
    manager.socket.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    manager.until("WATCHDOG=1");
    running.signal(Signal::TERM);
    running.wait().expect_code(0);
}
