//! What `--dry-run`, `--check` and the command line say of failures that are written down.

use super::*;
use crate::support::binary::Scrubber;

/// The line of a dry run for an image.
fn line(site: &Site, image: &str) -> Value {
    let list = json(site.run_with(&shared(site), &["--dry-run", "-f", "json"]).expect_code(0));
    let lines = list["locations"].as_array().unwrap();
    lines.iter().find(|line| line["image_id"] == image).unwrap_or_else(|| panic!("{image} in {list}")).clone()
}

fn claim(site: &Site, until: &str) {
    site.database.execute(&format!(
        "UPDATE scrubber_locations SET owner = 'restore node-3 4711 00ff', claimed_until = '{until}'"
    ));
}

#[test]
fn a_dry_run_knows_what_is_known_and_makes_nothing() {
    for engine in engines_at_hand() {
        let site = site(engine);
        failing(&site, "stuck");
        let before = line(&site, "stuck");
        assert_eq!((&before["verdict"], &before["attempts"]), (&Value::from("delete"), &Value::Null), "{engine:?}");
        let there = match engine {
            Engine::Sqlite => "SELECT count(*) FROM sqlite_master WHERE name LIKE 'scrubber%'",
            _ => {
                "SELECT count(*) FROM information_schema.tables WHERE table_name = 'scrubber_locations'
                  AND table_schema IN (SELECT table_schema FROM information_schema.tables WHERE table_name = 'images'
                                       AND table_schema NOT IN ('information_schema', 'pg_catalog'))"
            }
        };
        if engine != Engine::Mariadb {
            // MariaDB's information_schema shows the databases of the tests beside this one, too.
            assert_eq!(site.database.rows(there), [[Some("0".to_owned())]], "it made a table");
        }
        once(&site);
        let waiting = line(&site, "stuck");
        assert_eq!((&waiting["verdict"], &waiting["reason"]), (&Value::from("keep"), &Value::from("failed")));
        assert_eq!((&waiting["attempts"], &waiting["last_outcome"]), (&Value::from(1), &Value::from("failed")));
        let next = waiting["next_attempt_at"].as_str().unwrap();
        assert!(waiting["detail"].as_str().unwrap().contains(&format!(", again at {next}: ")), "{waiting}");
        wait_is_over(&site);
        let over = line(&site, "stuck");
        assert_eq!((&over["verdict"], &over["attempts"]), (&Value::from("delete"), &Value::from(1)));
        claim(&site, "2999-01-01 00:00:00");
        let claimed = line(&site, "stuck");
        let detail = "claimed by restore on node-3, pid 4711, until 2999-01-01T00:00:00Z unless renewed";
        assert_eq!((&claimed["reason"], &claimed["detail"]), (&Value::from("claimed"), &Value::from(detail)));
        claim(&site, "2026-01-01 00:00:00");
        assert_eq!(line(&site, "stuck")["verdict"], "delete", "it has lapsed");
        assert_eq!(attempts(&site, "stuck"), ["1"]);
    }
}

#[test]
fn retry_now_is_an_action_of_its_own() {
    let site = site(Engine::Sqlite);
    let config = shared(&site);
    let run = |arguments: &[&str]| site.run_with(&config, arguments);
    for other in ["--once", "--check", "--dry-run", "--daemon", "--detach", "--probe"] {
        let refused = run(&["--retry-now", other]).expect_code(2);
        assert!(refused.stderr.contains("cannot be used with"), "{other}: {}", refused.stderr);
    }
    run(&["--retry-now", "--restore", "one"]).expect_code(2);
    run(&["--retry-now", "one", "--pid-file", "/tmp/none"]).expect_code(2);
    let empty = run(&["--retry-now", ""]).expect_code(2);
    assert!(empty.stderr.contains("got an empty image id"), "{}", empty.stderr);
    // Not short for one of two, and short for one.
    run(&["--re", "one"]).expect_code(2);
    assert!(run(&["--ret"]).expect_code(0).stdout.contains("0 locations"));
    // A daemon = True in the file does not make it one.
    let daemon = site.config(&format!("[DEFAULT]\ndaemon = True\n{SHARED}"));
    site.run_with(&daemon, &["--retry-now"]).expect_code(0);
    Scrubber::new().args(&["--retry-now", "--config-file", "/nowhere"]).run().expect_code(5);
}

/// `state` and `detail` of the finding about coordination.
fn finding(site: &Site, config: &std::path::Path, code: i32) -> (String, String) {
    let list = json(site.run_with(config, &["--check", "-f", "json"]).expect_code(code));
    let findings = list["findings"].as_array().unwrap();
    let found = findings.iter().find(|line| line["subject"] == "coordination").unwrap_or_else(|| panic!("{list}"));
    (found["state"].as_str().unwrap().to_owned(), found["detail"].as_str().unwrap().to_owned())
}

fn says(state: &str, detail: &str) -> (String, String) {
    (state.to_owned(), detail.to_owned())
}

#[test]
fn a_check_says_how_the_work_is_shared() {
    for engine in engines_at_hand() {
        let site = site(engine);
        failing(&site, "stuck");
        failing(&site, "held");
        assert_eq!(finding(&site, &site.config(""), 0), says("ok", "none: one scrubber, nothing in the database"));
        let missing = "database: table scrubber_locations is not there yet; the first cycle makes it";
        assert_eq!(finding(&site, &shared(&site), 0), says("ok", missing), "{engine:?}");
        assert_eq!(finding(&site, &shared(&site), 0), says("ok", missing), "a check makes nothing");
        once(&site);
        let there = "database: table scrubber_locations, version 1: 2 locations, 0 claimed, 0 claims lapsed";
        assert_eq!(finding(&site, &shared(&site), 0), says("ok", there), "{engine:?}");
        claim(&site, "2999-01-01 00:00:00");
        site.database
            .execute("UPDATE scrubber_locations SET claimed_until = '2026-01-01 00:00:00' WHERE image_id = 'held'");
        let claimed = "database: table scrubber_locations, version 1: 2 locations, 1 claimed, 1 claims lapsed";
        assert_eq!(finding(&site, &shared(&site), 0), says("ok", claimed), "{engine:?}");
        site.database.execute("UPDATE scrubber_schema SET version = 99");
        let (state, detail) = finding(&site, &shared(&site), 3);
        assert!(state == "fault" && detail.contains("99"), "{engine:?}: {state} {detail}");
    }
}

#[test]
fn a_state_database_that_is_down_is_a_fault() {
    let site = site(Engine::Sqlite);
    let down = site.config(&format!("{SHARED}\nstate_connection = mysql+pymysql://glance:hunter2@127.0.0.1:1/state"));
    let (state, detail) = finding(&site, &down, 3);
    assert!(state == "fault" && detail.contains("127.0.0.1:1") && !detail.contains("hunter2"), "{detail}");
}
