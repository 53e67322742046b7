//! The due rule, row by row.

use super::*;
use crate::catalog::StoredValue;

const NOW: &str = "2026-06-15T12:00:00.5Z";

fn at(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

fn image(status: &str, deleted: bool, deleted_at: Option<&str>) -> ImageRow {
    ImageRow {
        id: ImageId("image".to_owned()),
        name: None,
        owner: None,
        size: Some(10),
        status: status.to_owned(),
        deleted,
        deleted_at: deleted_at.map(|text| at(text).naive_utc()),
    }
}

fn row(image: Option<ImageRow>, deleted_at: Option<&str>) -> LocationRow {
    LocationRow {
        id: LocationId(1),
        image_id: ImageId("image".to_owned()),
        value: StoredValue::new("file:///a".to_owned()),
        meta_data: None,
        status: "pending_delete".to_owned(),
        deleted_at: deleted_at.map(|text| at(text).naive_utc()),
        image,
    }
}

/// What becomes of a row an hour's grace before [`NOW`].
fn reason(row: &LocationRow) -> Option<Reason> {
    due(row, horizon(at(NOW), Duration::from_secs(3600))).err().map(|keep| keep.reason)
}

#[test]
fn a_pending_image_is_due_by_its_own_time() {
    let cases = [
        ("2026-06-15T11:00:00Z", None),
        ("2026-06-15T11:00:00.999999Z", None),
        ("2026-06-15T11:00:01Z", Some(Reason::NotDue)),
        ("2026-06-15T12:00:30Z", Some(Reason::NotDue)),
        ("2026-06-15T12:02:00Z", Some(Reason::ClockSkew)),
        ("0001-01-01T00:00:00Z", None),
    ];
    for (deleted_at, expected) in cases {
        // The location's own time has no say while its image is pending.
        for own in [None, Some("2026-06-15T11:59:59Z"), Some("2020-01-01T00:00:00Z")] {
            let row = row(Some(image("pending_delete", true, Some(deleted_at))), own);
            assert_eq!(reason(&row), expected, "{deleted_at}");
        }
    }
}

#[test]
fn a_location_of_another_image_is_due_by_the_locations_time() {
    for (status, deleted) in [("active", false), ("deactivated", false), ("deleted", true)] {
        let image_deleted_at = deleted.then_some("2026-06-15T11:59:00Z");
        let old = row(Some(image(status, deleted, image_deleted_at)), Some("2026-06-15T10:00:00Z"));
        assert_eq!(reason(&old), None, "{status}");
        let recent = row(Some(image(status, deleted, image_deleted_at)), Some("2026-06-15T11:30:00Z"));
        assert_eq!(reason(&recent), Some(Reason::NotDue), "{status}");
        let never = row(Some(image(status, deleted, image_deleted_at)), None);
        assert_eq!(reason(&never), Some(Reason::NotDeletedYet), "{status}");
    }
}

#[test]
fn what_the_python_restore_left_is_never_due() {
    for status in ["active", "deactivated", "queued"] {
        let row = row(Some(image(status, false, Some("2020-01-01T00:00:00Z"))), Some("2020-01-01T00:00:00Z"));
        assert_eq!(reason(&row), Some(Reason::Restored), "{status}");
    }
}

#[test]
fn a_deletion_that_the_api_has_not_finished_waits() {
    let unmarked =
        row(Some(image("pending_delete", false, Some("2020-01-01T00:00:00Z"))), Some("2020-01-01T00:00:00Z"));
    assert_eq!(reason(&unmarked), Some(Reason::NotDeletedYet));
    let timeless = row(Some(image("pending_delete", true, None)), Some("2020-01-01T00:00:00Z"));
    assert_eq!(reason(&timeless), Some(Reason::NotDeletedYet));
}

#[test]
fn rows_that_changed_or_lost_their_image_are_kept() {
    let mut changed = row(Some(image("pending_delete", true, Some("2020-01-01T00:00:00Z"))), None);
    for status in ["active", "deleted", "PENDING_DELETE", ""] {
        changed.status = status.to_owned();
        assert_eq!(reason(&changed), Some(Reason::Changed), "{status}");
    }
    assert_eq!(reason(&row(None, Some("2020-01-01T00:00:00Z"))), Some(Reason::Orphaned));
}

#[test]
fn a_grace_period_beyond_the_calendar_makes_nothing_due() {
    for grace in [Duration::MAX, Duration::from_secs(1 << 60), Duration::from_secs(100_000_000_000)] {
        let horizon = horizon(at(NOW), grace);
        assert!(horizon.due < at("0001-01-02T00:00:00Z"), "{grace:?}: {}", horizon.due);
    }
}

#[test]
fn only_what_an_operator_can_mend_is_a_failure() {
    let not = [
        Reason::NotDue,
        Reason::ClockSkew,
        Reason::NotDeletedYet,
        Reason::Restored,
        Reason::Changed,
        Reason::Limit,
        Reason::Paused,
        Reason::Interrupted,
        Reason::Outcome(Outcome::InUse),
        Reason::Outcome(Outcome::Deleting),
        Reason::Outcome(Outcome::Shared),
    ];
    assert!(not.iter().all(|reason| !reason.is_failure()));
    assert!(Reason::Orphaned.is_failure() && Reason::Outcome(Outcome::Unavailable).is_failure());
}

/// Whoever asks, and also where the store of a row was changed to one that is paused.
#[test]
fn what_lies_in_a_paused_store_is_kept_and_can_be_resolved_all_the_same() {
    use crate::config::{ConfigSource, Invocation, load};
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("a.conf");
    let text = "[glance_store]\nfilesystem_store_datadir = /\n[scrubber]\npause = true\n";
    std::fs::write(&file, text).unwrap();
    let connection = ("OS_DATABASE__CONNECTION".to_owned(), "sqlite:////glance.sqlite".to_owned());
    let sources = vec![ConfigSource::File(file)];
    let invocation =
        Invocation { sources, env: [connection].into(), search: Some(Vec::new()), ..Invocation::default() };
    let stores = crate::store::open(&load(&invocation).unwrap());
    let horizon = horizon(at(NOW), Duration::from_secs(3600));
    let policy = Policy { horizon, keys: &Keyring::empty(), stores: &stores };
    let old = row(Some(image("pending_delete", true, Some("2020-01-01T00:00:00Z"))), None);
    assert_eq!(resolve(&old, &policy).unwrap().store, 0, "a restore asks its store");
    let (old, young) = (Ok(old), Ok(row(Some(image("pending_delete", true, Some(NOW))), None)));
    let decided = |row| match decide(row, &policy) {
        Decision::Keep(keep, store) => (keep.reason, store),
        Decision::Delete(_) => panic!("it would go"),
    };
    assert_eq!((decided(&old), paused(&old, &policy)), ((Reason::Paused, Some(0)), Some(0)));
    assert_eq!((decided(&young), paused(&young, &policy)), ((Reason::NotDue, None), None));
}
