//! Two scrubbers on one database, as after a cron job that overlaps itself.

use super::*;

const COUNT: usize = 1000;

#[test]
fn two_scrubbers_at_once_are_both_content() {
    for engine in engines_at_hand() {
        let site = site_with(engine, COUNT);
        let both = [start(&site, ""), start(&site, "")].map(Running::wait);
        for run in &both {
            assert_eq!(run.code, Some(0), "{engine:?}: {}", run.output());
            assert!(!run.stderr.contains("ERROR"), "{engine:?}: {}", run.stderr);
            let report = report(run);
            assert_eq!((&report["overtaken"], &report["unrecorded"]), (&0.into(), &0.into()), "{report}");
        }
        let state = State::of(&site);
        assert_eq!((state.files, state.deleted()), (0, COUNT), "{engine:?}");
        // A location is counted once, by the run that recorded it, whichever of them unlinked the file.
        let counted = both.iter().map(|run| done(run, "deleted") + done(run, "absent"));
        assert_eq!(counted.sum::<u64>(), COUNT as u64, "{engine:?}");
    }
}

/// For certain overlapping: the first is held while it has deleted what it cannot record, the second records it.
#[test]
fn a_scrubber_that_was_overtaken_by_another_is_content() {
    for engine in servers().filter(|engine| *engine == Engine::Postgres) {
        let site = site_with(engine, MANY);
        let (first, mut lock) = held(&site, "");
        let second = start(&site, "");
        let two =
            "SELECT count(*) > 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()";
        eventually("both to wait", || (site.database.rows(two) == [[Some("1".to_owned())]]).then_some(()));
        lock.execute("COMMIT");
        for run in [first.wait(), second.wait()] {
            assert_eq!(run.code, Some(0), "{}", run.output());
            assert!(!run.stderr.contains("ERROR"), "{}", run.stderr);
        }
        let state = State::of(&site);
        assert_eq!((state.files, state.deleted()), (0, MANY));
    }
}

/// By claims, each location is deleted by one of the two alone: nobody finds anything `absent`.
#[test]
fn two_scrubbers_that_coordinate_share_the_work() {
    for engine in engines_at_hand() {
        let site = site_with(engine, COUNT);
        let config = "[scrubber]\ncoordination = database\n";
        let both = [start(&site, config), start(&site, config)].map(Running::wait);
        for run in &both {
            assert_eq!(run.code, Some(0), "{engine:?}: {}", run.output());
            assert!(!run.stderr.contains("ERROR"), "{engine:?}: {}", run.stderr);
            let report = report(run);
            assert_eq!(
                (&report["overtaken"], &report["lost"], done(run, "absent")),
                (&0.into(), &0.into(), 0),
                "{report}"
            );
        }
        let state = State::of(&site);
        assert_eq!((state.files, state.deleted()), (0, COUNT), "{engine:?}");
        assert_eq!(both.iter().map(|run| done(run, "deleted")).sum::<u64>(), COUNT as u64, "{engine:?}");
        let claims = site.database.rows("SELECT location_id, owner FROM scrubber_locations");
        assert!(claims.is_empty(), "{engine:?}: {claims:?}");
    }
}
