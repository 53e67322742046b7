//! `[scrubber] coordination` and what belongs to it: each fault with its place, and no secret shown.

use std::time::Duration;

use super::super::load::load;
use super::super::sources::{ConfigSource, Invocation};
use super::super::{Config, DatabaseUrl};
use super::*;

const DATABASE: &str = "[database]\nconnection = mysql+pymysql://glance:Hunter2@h/glance\nmax_pool_size = 7\n";

/// Loads a config whose `[scrubber]` begins in line 4; its path in errors is `FILE`.
fn read(scrubber: &str, more: &str) -> Result<Config, String> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("scrubber.conf");
    std::fs::write(&path, format!("{DATABASE}[scrubber]\n{scrubber}\n{more}")).unwrap();
    let sources = vec![ConfigSource::File(path.clone())];
    let invocation = Invocation { sources, search: Some(Vec::new()), ..Invocation::default() };
    load(&invocation).map_err(|errors| errors.to_string().replace(&path.display().to_string(), "FILE"))
}

fn sharing(scrubber: &str) -> Sharing {
    read(scrubber, "").unwrap().scrubber.sharing
}

/// The only error, which shows no secret.
#[track_caller]
fn refused(scrubber: &str, more: &str, words: &[&str]) {
    let errors = read(scrubber, more).unwrap_err();
    assert_eq!(errors.lines().count(), 1, "{errors}");
    assert!(!errors.contains("Hunter2"), "{errors}");
    for word in words {
        assert!(errors.contains(word), "no {word:?} in {errors}");
    }
}

#[test]
fn nothing_said_means_alone_with_a_lock_file() {
    for text in ["", "coordination = none", "coordination = none\nclaim_lease = 1"] {
        let Sharing::Alone { lock_file } = sharing(text) else { panic!("{text}") };
        assert_eq!(lock_file, PathBuf::from("/run/lock/glance-scrubber.lock"));
    }
    let Sharing::Alone { lock_file } = sharing("lock_file = /var/lock/mine") else { panic!() };
    assert_eq!(lock_file, PathBuf::from("/var/lock/mine"));
    for path in ["", "/run/lock/"] {
        refused(&format!("lock_file = {path}"), "", &["FILE:5: [scrubber] lock_file", "must be the path of a file"]);
    }
}

#[test]
fn claims_are_in_glances_database_for_five_minutes() {
    let Sharing::Database { state, lease } = sharing("coordination = database") else { panic!() };
    assert!(state.is_none());
    assert_eq!(lease, Duration::from_secs(300));
    let Sharing::Database { lease, .. } = sharing("coordination = database\nclaim_lease = 61") else { panic!() };
    assert_eq!(lease, Duration::from_secs(61));
}

#[test]
fn a_state_connection_is_a_database_with_the_other_settings_of_glances() {
    let text = "coordination = database\nstate_connection = postgresql://scrubber:Hunter2@other/state";
    let Sharing::Database { state: Some(state), .. } = sharing(text) else { panic!() };
    let DatabaseUrl::Postgres(server) = &state.url else { panic!("{state:?}") };
    assert_eq!((server.host.as_str(), server.database.as_str(), state.max_pool_size), ("other", "state", 7));
    assert!(!format!("{state:?}").contains("Hunter2"));
}

#[test]
fn a_lease_is_longer_than_any_call() {
    let lease = |seconds: u32, deadline: u32| {
        format!("coordination = database\nclaim_lease = {seconds}\nstore_deadline = {deadline}")
    };
    let place = "FILE:6: [scrubber] claim_lease";
    for (seconds, deadline) in [(1, 1), (60, 60), (59, 60)] {
        let longest = format!("{deadline} s (see store_deadline)");
        refused(&lease(seconds, deadline), "", &[place, &longest]);
    }
    assert!(matches!(sharing(&lease(2, 1)), Sharing::Database { .. }));
    // The default, where the deadline is longer.
    refused("coordination = database\nstore_deadline = 300", "", &["[scrubber] claim_lease", "300 s are not longer"]);
    // Ceph is asked twice, each time for at least 40 s.
    let ceph = "[glance_store]\nstores = file,rbd\n";
    refused(&lease(80, 1), ceph, &[place, "80 s (see store_deadline)"]);
    assert!(read(&lease(81, 1), ceph).is_ok());
    refused(&lease(120, 60), ceph, &[place, "120 s (see store_deadline)"]);
    // Over HTTP, once until the answer begins and once within it.
    for kind in ["swift", "s3", "cinder", "vmware"] {
        let store = format!("[glance_store]\nstores = file,{kind}\n");
        refused(&lease(120, 60), &store, &[place, "120 s (see store_deadline)"]);
        assert!(read(&lease(121, 60), &store).is_ok(), "{kind}");
    }
    // A file store may have a deadline of its own.
    refused(&lease(60, 1), "[glance_store]\nstores = file\nfilesystem_store_timeout = 60\n", &[place]);
}

#[test]
fn what_has_no_effect_or_no_sense_is_an_error_with_its_line() {
    refused(
        "state_connection = mysql://u:Hunter2@h/state",
        "",
        &["FILE:5: [scrubber] state_connection", "has no effect without coordination = database"],
    );
    let place = "FILE:6: [scrubber] state_connection";
    refused("coordination = database\nstate_connection =", "", &[place, "is empty"]);
    for url in ["oracle://u:Hunter2@h/state", "Hunter2", "mysql://u:Hunter2@h:port/state", "sqlite://u:Hunter2@h/x"] {
        refused(&format!("coordination = database\nstate_connection = {url}"), "", &[place]);
    }
    refused("coordination = zookeeper", "", &["FILE:5: [scrubber] coordination"]);
}
