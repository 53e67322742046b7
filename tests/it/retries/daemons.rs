//! Daemons that share what failed.

use rustix::process::Signal;

use super::*;
use crate::support::binary::{Running, Scrubber};
use crate::support::eventually;

fn daemon(site: &Site, more: &str) -> Running {
    let config = site.config(&format!("[DEFAULT]\nwakeup_time = 1\n{SHARED}\n{more}"));
    Scrubber::new().config_file(&config).arg("--daemon").start()
}

fn ends(running: Running) {
    running.signal(Signal::TERM);
    running.wait().expect_code(0);
}

#[test]
fn a_daemon_honours_what_another_run_wrote_and_sigusr1_clears_it() {
    for engine in engines_at_hand() {
        let site = site(engine);
        failing(&site, "stuck");
        once(&site);
        // Far off, so that a slow machine does not reach it.
        site.database.execute("UPDATE scrubber_locations SET attempts = 5");
        site.database.execute(
            "UPDATE scrubber_locations SET next_attempt_at = first_failed_at WHERE next_attempt_at < first_failed_at",
        );
        let far = (chrono::Utc::now() + TimeDelta::hours(5)).format("%Y-%m-%d %H:%M:%S");
        site.database.execute(&format!("UPDATE scrubber_locations SET next_attempt_at = '{far}'"));
        Image::pending("beside", HOURS, &[&site.file("beside")]).insert(&site.database);
        let running = daemon(&site, "");
        eventually("the daemon's first cycle", || (states(&site.database, "beside").0 == "deleted").then_some(()));
        assert_eq!(attempts(&site, "stuck"), ["5"], "{engine:?}: it was tried before its time");
        running.signal(Signal::USR1);
        eventually("the try that was asked for", || (attempts(&site, "stuck") == ["1"]).then_some(()));
        ends(running);
    }
}

#[test]
fn retry_now_reaches_a_daemon_that_remembers() {
    let site = site(Engine::Sqlite);
    failing(&site, "stuck");
    let running = daemon(&site, "");
    eventually("the first try", || (running.stderr_so_far().contains("Unable to scrub image stuck")).then_some(()));
    eventually("its record", || (!attempts(&site, "stuck").is_empty()).then_some(()));
    std::fs::remove_dir(site.data().join("stuck")).unwrap();
    site.file("stuck");
    let config = site.config(SHARED);
    let far = (chrono::Utc::now() + TimeDelta::hours(5)).format("%Y-%m-%d %H:%M:%S");
    site.database.execute(&format!("UPDATE scrubber_locations SET next_attempt_at = '{far}'"));
    site.run_with(&config, &["--retry-now", "stuck"]).expect_code(0);
    eventually("the next cycle", || (states(&site.database, "stuck").0 == "deleted").then_some(()));
    ends(running);
}

#[test]
fn a_reload_lets_try_what_a_config_can_mend() {
    let site = site(Engine::Sqlite);
    failing(&site, "stuck");
    Image::pending("away", HOURS, &[&site.uri("away")]).insert(&site.database);
    once(&site);
    let far = (chrono::Utc::now() + TimeDelta::minutes(9)).format("%Y-%m-%d %H:%M:%S");
    // As if its directory had given no answer.
    site.database
        .execute("UPDATE scrubber_locations SET attempts = 5, last_outcome = 'failed' WHERE image_id = 'stuck'");
    failing(&site, "silent");
    once(&site);
    site.database.execute(&format!("UPDATE scrubber_locations SET next_attempt_at = '{far}', attempts = 5"));
    site.database.execute("UPDATE scrubber_locations SET last_outcome = 'unavailable' WHERE image_id = 'silent'");
    let running = daemon(&site, "");
    running.until_stderr("Starting Daemon");
    running.signal(Signal::HUP);
    eventually("the try after the reload", || (attempts(&site, "silent") == ["1"]).then_some(()));
    assert_eq!(attempts(&site, "stuck"), ["5"], "no config mends a directory");
    ends(running);
}
