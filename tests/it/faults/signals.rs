//! Signals in the midst of a run.

use rustix::process::Signal;

use super::*;

#[test]
fn sigterm_and_sigint_record_what_is_deleted_and_stop() {
    for (engine, (signal, code)) in servers().zip([(Signal::TERM, 143), (Signal::INT, 130)]) {
        let site = site_with(engine, MANY);
        let (running, mut lock) = held(&site, "");
        running.signal(signal);
        running.until_stderr("Stopping: what is in hand is finished and recorded");
        lock.execute("COMMIT");
        let run = running.wait().expect_code(code);
        let state = State::of(&site);
        assert_eq!(state.unrecorded(MANY), 0, "{engine:?}: {}", run.stderr);
        assert!(state.files > 0, "{engine:?}: it was not interrupted, so this test shows nothing");
        assert_eq!(done(&run, "deleted"), state.deleted() as u64);
        assert_eq!(report(&run)["interrupted"], true);
        assert_finishes(&site, MANY, 0);
    }
}

#[test]
fn a_second_signal_stops_at_once_and_the_next_run_finishes() {
    for engine in servers().take(1) {
        let site = site_with(engine, MANY);
        let (running, mut lock) = held(&site, "");
        running.signal(Signal::INT);
        running.until_stderr("Stopping: ");
        running.signal(Signal::TERM);
        running.wait().expect_code(143);
        lock.execute("ROLLBACK");
        let state = State::of(&site);
        let unrecorded = state.unrecorded(MANY);
        assert!((AHEAD..=MOST_UNRECORDED).contains(&unrecorded), "{unrecorded} unrecorded");
        assert_finishes(&site, MANY, unrecorded);
    }
}

/// For certain in the middle, where files are gone that no row tells of.
#[test]
fn sigkill_with_unrecorded_deletes_is_made_good_by_the_next_run() {
    for engine in servers() {
        let site = site_with(engine, MANY);
        let (running, mut lock) = held(&site, "");
        running.signal(Signal::KILL);
        assert_eq!(running.wait().signal, Some(9));
        lock.execute("ROLLBACK");
        let unrecorded = State::of(&site).unrecorded(MANY);
        assert!((AHEAD..=MOST_UNRECORDED).contains(&unrecorded), "{engine:?}: {unrecorded} unrecorded");
        assert_finishes(&site, MANY, unrecorded);
    }
}
