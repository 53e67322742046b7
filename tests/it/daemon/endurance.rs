//! Hundreds of cycles, full disks: what must not pile up.

use std::os::unix::fs::symlink;

use rustix::process::Signal;

use super::*;
use crate::support::eventually;

/// Cycles so far, and resident kilobytes and open files.
fn look(site: &Site, running: &Running) -> (u64, u64, usize) {
    let answer = get(&site.directory.path().join("status.sock"), "/status");
    let (_, json) = answer.split_once("\r\n\r\n").unwrap();
    let status: serde_json::Value = serde_json::from_str(json).unwrap_or_else(|e| panic!("{e}: {answer}"));
    let proc = format!("/proc/{}", running.pid());
    let kept = std::fs::read_to_string(format!("{proc}/status")).unwrap();
    let resident = kept.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    let resident = resident.trim().trim_end_matches(" kB").parse().unwrap();
    (status["cycles"].as_u64().unwrap(), resident, std::fs::read_dir(format!("{proc}/fd")).unwrap().count())
}

/// One image in each cycle, and one that never goes.
#[test]
fn hundreds_of_cycles_without_a_pause_leave_nothing_behind() {
    const WARM: usize = 150;
    const ALL: usize = 600;
    let site = site();
    let never = Image::pending("never", TimeDelta::hours(3), &["swift://nobody/reads/this"]);
    let due = (0..ALL).map(|number| {
        let id = format!("due{number}");
        Image::pending(&id, TimeDelta::hours(2), &[&site.file(&id)]).sql(Engine::Sqlite)
    });
    let all = due.collect::<String>() + &never.sql(Engine::Sqlite);
    site.database.execute(&format!("BEGIN;{all}COMMIT"));
    let listening = "listen = unix:{dir}/status.sock\naudit_log = {dir}/audit.log\n";
    let config = format!("[DEFAULT]\nwakeup_time = 0\n[scrubber]\nmax_images_per_cycle = 1\n{listening}");
    let running = daemon(&site, &config).start();
    running.until_stderr("Starting Daemon");
    let left = || std::fs::read_dir(site.data()).unwrap().count() - 1;
    let at = |cycles: usize| eventually("so many cycles", || (left() <= ALL - cycles).then(|| look(&site, &running)));
    let before = at(WARM);
    let after = at(ALL);
    assert!(after.0 >= before.0 + 300, "{} cycles, then {}", before.0, after.0);
    // A journal, a directory or the last look's connection may be open at this moment; a leak would be hundreds.
    assert!(after.2 < before.2 + 10, "{} open files, then {}", before.2, after.2);
    let grown = after.1.saturating_sub(before.1);
    assert!(grown < 4096, "{} cycles took {grown} kB", after.0 - before.0);
    running.signal(Signal::TERM);
    let ended = running.wait().expect_code(0);
    assert_eq!(ended.stderr.matches("Unable to scrub image never").count(), 1, "told once");
}

/// A refusal is not work that could go on at once.
#[test]
fn a_cycle_that_is_refused_is_followed_by_a_pause() {
    let site = Site::new(Engine::Sqlite);
    add_due(&site, "due");
    // Nothing lives: the wrong database, perhaps.
    let config = "[DEFAULT]\nwakeup_time = 0\n[scrubber]\nlisten = unix:{dir}/status.sock\n";
    let running = daemon(&site, config).start();
    running.until_stderr("Nothing is deleted in this cycle: ");
    let (begun, first) = (Instant::now(), look(&site, &running).0);
    let third = eventually("two more", || Some(look(&site, &running).0).filter(|cycles| *cycles >= first + 2));
    let rate = (third - first) as f64 / begun.elapsed().as_secs_f64();
    assert!(rate < 2.5, "{rate} cycles a second");
    assert!(site.has("due"));
    running.signal(Signal::TERM);
    running.wait().expect_code(0);
}

#[test]
fn a_full_disk_under_the_audit_log_stops_nothing_and_is_told_once() {
    let site = site();
    symlink("/dev/full", site.directory.path().join("audit.log")).unwrap();
    let images: Vec<_> = (0..50).map(|number| format!("due{number}")).collect();
    images.iter().for_each(|id| add_due(&site, id));
    let running = daemon(&site, "[DEFAULT]\nwakeup_time = 1\n[scrubber]\naudit_log = {dir}/audit.log").start();
    let all_gone = || images.iter().all(|id| is_gone(&site, id).is_some()).then_some(());
    eventually("all images to go", all_gone);
    add_due(&site, "later");
    eventually("the next cycle", || is_gone(&site, "later"));
    running.signal(Signal::USR2);
    running.until_stderr("51 lines of the audit log were lost");
    running.signal(Signal::TERM);
    let ended = running.wait().expect_code(0);
    let told = ended.stderr.matches("cannot be written, lines are lost: No space left on device").count();
    assert_eq!(told, 1, "{}", ended.stderr);
}
