//! When cycles begin.

use rustix::process::Signal;

use super::*;
use crate::support::eventually;

#[test]
fn a_daemon_that_was_stopped_for_longer_than_a_period_goes_on() {
    let (site, manager) = (site(), Manager::new());
    let running = manager.start(&site, "[DEFAULT]\nwakeup_time = 1");
    for _ in 0..2 {
        manager.until("STATUS=");
    }
    running.signal(Signal::STOP);
    manager.socket.set_read_timeout(Some(Duration::from_millis(2500))).unwrap();
    while manager.socket.recv(&mut [0; 4096]).is_ok() {}
    add_due(&site, "late");
    running.signal(Signal::CONT);
    eventually("the cycle after the pause", || is_gone(&site, "late"));
    add_due(&site, "later");
    eventually("the one after that", || is_gone(&site, "later"));
    running.signal(Signal::TERM);
    running.wait().expect_code(0);
}

#[test]
fn without_a_period_cycles_follow_each_other_and_an_idle_daemon_rests() {
    let (site, manager) = (site(), Manager::new());
    let running = manager.start(&site, "[DEFAULT]\nwakeup_time = 0");
    manager.until("READY=1");
    let begun = Instant::now();
    for _ in 0..3 {
        manager.until("STATUS=");
    }
    assert!(begun.elapsed() > Duration::from_secs(1), "three idle cycles within {:?}", begun.elapsed());
    add_due(&site, "one");
    eventually("the next cycle", || is_gone(&site, "one"));
    running.signal(Signal::TERM);
    running.wait().expect_code(0);
}

#[test]
fn a_window_that_is_closed_is_waited_for() {
    let (site, manager) = (site(), Manager::new());
    add_due(&site, "due");
    // The 30th of February.
    let running = manager.start(&site, "[scrubber]\nwakeup_cron = 0 0 30 2 *\nwindow = 60");
    manager.until("READY=1");
    running.until_stderr("Starting Daemon: wakeup_cron=0 0 30 2 * window=60");
    running.signal(Signal::USR2);
    running.until_stderr("0 cycles, 0 overruns");
    assert!(site.has("due"));
    // Asked for by hand, it works all the same.
    running.signal(Signal::USR1);
    eventually("the cycle that was asked for", || is_gone(&site, "due"));
    running.signal(Signal::TERM);
    running.wait().expect_code(0);
}

#[test]
fn a_cron_expression_wakes_it() {
    let (site, manager) = (site(), Manager::new());
    let running = manager.start(&site, "[scrubber]\nwakeup_cron = * * * * * *");
    manager.until("READY=1");
    add_due(&site, "due");
    eventually("the next second", || is_gone(&site, "due"));
    running.signal(Signal::TERM);
    running.wait().expect_code(0);
}
