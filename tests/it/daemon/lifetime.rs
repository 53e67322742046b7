//! Starts that fail, locks, the background, signals in the midst of work, databases that go and come.

use rustix::process::{Pid, Signal, kill_process, test_kill_process};

use super::*;
use crate::support::eventually;

fn pid_in(path: &std::path::Path) -> Option<Pid> {
    Pid::from_raw(std::fs::read_to_string(path).ok()?.trim().parse().ok()?)
}

#[test]
fn a_second_daemon_with_the_same_pid_file_is_told_so() {
    let site = site();
    let path = site.directory.path().join("scrubber.pid");
    let first = daemon(&site, "").arg("--pid-file").arg(&path).start();
    first.until_stderr("Starting Daemon");
    let pid = eventually("the pid", || pid_in(&path));
    let second = daemon(&site, "").arg("--pid-file").arg(&path).run().expect_code(75);
    assert!(second.stderr.contains(&format!("(pid {})", pid.as_raw_nonzero())), "{}", second.stderr);
    first.signal(Signal::TERM);
    first.wait().expect_code(0);
    let third = daemon(&site, "").arg("--pid-file").arg(&path).start();
    third.until_stderr("Starting Daemon");
    third.signal(Signal::KILL);
    third.wait();
    // What a killed one left behind hinders nobody.
    let fourth = daemon(&site, "").arg("--pid-file").arg(&path).start();
    fourth.until_stderr("Starting Daemon");
    fourth.signal(Signal::TERM);
    fourth.wait().expect_code(0);
}

#[test]
fn in_the_background_the_terminal_hears_how_the_start_went() {
    let site = site();
    add_due(&site, "due");
    let path = site.directory.path().join("scrubber.pid");
    let detach = |config: &str| {
        let config = site.config(&format!("[DEFAULT]\nlog_file = {{dir}}/log\n{config}"));
        Scrubber::new().config_file(&config).arg("--detach").arg("--pid-file").arg(&path)
    };
    let faulty = detach("[database]\nconnection = sqlite:////nowhere/at/all.db").run().expect_code(6);
    assert!(faulty.stderr.contains("there is no database"), "{}", faulty.stderr);

    detach("").run().expect_code(0);
    let pid = eventually("the pid", || pid_in(&path));
    assert!(test_kill_process(pid).is_ok(), "it lives on");
    eventually("its first cycle", || is_gone(&site, "due"));
    detach("").run().expect_code(75);
    kill_process(pid, Signal::TERM).unwrap();
    eventually("its end", || test_kill_process(pid).is_err().then_some(()));
    let log = std::fs::read_to_string(site.directory.path().join("log")).unwrap();
    assert!(log.contains("Starting Daemon") && log.contains("Stopped"), "{log}");
}

#[test]
fn a_config_error_ends_the_start_and_nothing_is_waited_for() {
    let site = site();
    let ended = daemon(&site, "[scrubber]\nwindow = 60\nwakeup_cron = every night").run().expect_code(5);
    assert!(ended.stderr.contains("[scrubber] wakeup_cron: is no cron expression"), "{}", ended.stderr);
    let ended = daemon(&site, "[scrubber]\nwindow = 60").run().expect_code(5);
    assert!(ended.stderr.contains("[scrubber] window: has no effect without wakeup_cron"), "{}", ended.stderr);
    let ended = Scrubber::new().config_file(&site.config("")).arg("--pid-file").arg("/x").run().expect_code(2);
    assert!(ended.stderr.contains("--pid-file is for a daemon"), "{}", ended.stderr);
}

#[test]
fn an_address_that_is_taken_ends_the_start_and_the_terminal_hears_it() {
    let site = site();
    add_due(&site, "due");
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let words = format!("{address} is in use by another process; see [scrubber] listen");
    let config = format!("[DEFAULT]\nlog_file = {{dir}}/log\nuse_stderr = True\n[scrubber]\nlisten = {address}");
    let ended = daemon(&site, &config).run().expect_code(5);
    assert!(ended.stderr.contains(&words), "{}", ended.stderr);
    let path = site.directory.path().join("scrubber.pid");
    let detach = || Scrubber::new().config_file(&site.config(&config)).arg("--detach").arg("--pid-file").arg(&path);
    for _ in 0..2 {
        // Twice, as the first one must have let go of the pid file by then.
        let ended = detach().run().expect_code(5);
        assert_eq!(ended.stderr, format!("ERROR: {words}\n"));
    }
    assert!(site.has("due"), "nothing was begun");
    drop(taken);
    detach().run().expect_code(0);
    let pid = eventually("the pid", || pid_in(&path));
    kill_process(pid, Signal::TERM).unwrap();
    eventually("its end", || test_kill_process(pid).is_err().then_some(()));
}

/// In a night's window it will work; it can be asked now already.
#[test]
fn a_database_that_answered_at_the_start_makes_it_ready() {
    let (site, manager) = (site(), Manager::new());
    let config = "[scrubber]\nwakeup_cron = 0 0 30 2 *\nwindow = 60\nlisten = unix:{dir}/status.sock";
    let running = manager.start(&site, config);
    manager.until("READY=1");
    let readiness = get(&site.directory.path().join("status.sock"), "/readyz");
    assert!(readiness.starts_with("HTTP/1.1 200"), "{readiness}");
    running.signal(Signal::TERM);
    running.wait().expect_code(0);
}

#[test]
fn a_signal_while_it_waits_ends_it_at_once() {
    let site = site();
    for (signal, seconds) in [(Signal::TERM, 5), (Signal::INT, 5)] {
        let running = daemon(&site, "[scrubber]\nstart_jitter = 60000").start();
        running.until_stderr("Starting Daemon");
        let asked = Instant::now();
        running.signal(signal);
        running.wait().expect_code(0);
        assert!(asked.elapsed().as_secs() < seconds);
    }
}
