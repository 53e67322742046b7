use chrono::NaiveDate;
use proptest::prelude::*;

use super::*;
use crate::catalog::StoredValue;

const ID: &str = "6d1b3a2c-0000-4000-8000-000000000001";

/// Microseconds after an instant, as rows have them.
fn at(micros: i64) -> NaiveDateTime {
    let day = NaiveDate::from_ymd_opt(2026, 3, 4).unwrap().and_hms_opt(5, 6, 7).unwrap();
    day + TimeDelta::microseconds(micros)
}

const SECOND: i64 = 1_000_000;

/// When the image of these tests was deleted.
const T3: i64 = 500 * SECOND + 30_000;

fn image(status: &str, deleted: bool, deleted_at: Option<i64>) -> ImageRow {
    ImageRow {
        id: ImageId(ID.to_owned()),
        name: Some("name".to_owned()),
        owner: None,
        size: Some(1000),
        status: status.to_owned(),
        deleted,
        deleted_at: deleted_at.map(at),
    }
}

fn location(id: i64, status: &str, deleted_at: Option<i64>) -> LocationRow {
    LocationRow {
        id: LocationId(id),
        image_id: ImageId(ID.to_owned()),
        value: StoredValue::new(format!("file:///images/{id}")),
        meta_data: Some("{}".to_owned()),
        status: status.to_owned(),
        deleted_at: deleted_at.map(at),
        image: None,
    }
}

fn child(id: i64, name: &str, deleted_at: Option<i64>) -> Child {
    let (deleted, deleted_at) = (deleted_at.is_some(), deleted_at.map(at));
    Child { id, name: name.to_owned(), value: Some("value".to_owned()), deleted, deleted_at }
}

/// Deleted by Glance: a location, then a property, then the rest.
fn deleted() -> ImageRows {
    ImageRows {
        image: image("pending_delete", true, Some(T3)),
        locations: vec![Ok(location(1, "pending_delete", Some(T3 - 20_000)))],
        properties: vec![child(1, "os_distro", Some(T3 - 10_000))],
        tags: vec![child(1, "one", Some(T3))],
        members: vec![child(1, "project", Some(T3))],
    }
}

fn planned(rows: ImageRows) -> Result<RestorePlan, Refusal> {
    plan(ID, Some(rows), Fate::Deleted)
}

fn ids(rows: &[Child]) -> Vec<i64> {
    rows.iter().map(|row| row.id).collect()
}

fn location_ids(rows: &[LocationRow]) -> Vec<i64> {
    rows.iter().map(|row| row.id.0).collect()
}

#[test]
fn all_that_was_deleted_with_it_comes_back() {
    let plan = planned(deleted()).unwrap();
    assert_eq!((plan.status, location_ids(&plan.locations)), ("active", vec![1]));
    assert_eq!((ids(&plan.properties), ids(&plan.tags), ids(&plan.members)), (vec![1], vec![1], vec![1]));
    assert!(plan.staying.is_empty() && !plan.key_is_destroyed);
}

#[test]
fn what_was_removed_before_does_not() {
    let mut rows = deleted();
    rows.locations.push(Ok(location(2, "pending_delete", Some(T3 - 60 * SECOND))));
    rows.locations.push(Ok(location(3, "deleted", Some(T3 - 90 * SECOND))));
    rows.properties.push(child(2, "old", Some(T3 - 20_001)));
    rows.tags.push(child(2, "old", Some(T3 - 1)));
    rows.tags.push(child(3, "later", Some(T3 + 1)));
    rows.members.push(child(2, "old", Some(T3 - SECOND)));
    let plan = planned(rows).unwrap();
    assert_eq!((location_ids(&plan.locations), location_ids(&plan.staying)), (vec![1], vec![2]));
    assert_eq!((ids(&plan.properties), ids(&plan.tags), ids(&plan.members)), (vec![1], vec![1], vec![1]));
    assert_eq!(plan.pending().count(), 2, "both are claimed");
}

/// Between the locations and the rest the API may wait for Barbican.
#[test]
fn a_slow_deletion_is_one_deletion() {
    let mut rows = deleted();
    rows.locations = [(1, 40_000), (2, 41_500), (3, 43_000)]
        .map(|(id, millis)| Ok(location(id, "pending_delete", Some(T3 - 1000 * millis))))
        .into();
    rows.properties = vec![child(1, "a", Some(T3 - 30 * SECOND)), child(2, "b", Some(T3 - 45 * SECOND))];
    let plan = planned(rows).unwrap();
    assert_eq!((location_ids(&plan.locations), ids(&plan.properties)), (vec![1, 2, 3], vec![1]));
}

/// MySQL cuts times to seconds, or rounds them.
#[test]
fn whole_seconds_are_enough() {
    for (first, second) in [(0, 0), (0, 1), (1, 1)] {
        let mut rows = deleted();
        let third = 500 * SECOND;
        let (first, second) = (third - (first + second) * SECOND, third - second * SECOND);
        rows.image.deleted_at = Some(at(third));
        rows.locations = vec![Ok(location(1, "pending_delete", Some(first)))];
        rows.properties = vec![child(1, "a", Some(second)), child(2, "before", Some(first - SECOND))];
        rows.tags = vec![child(1, "one", Some(third)), child(2, "before", Some(third - SECOND))];
        rows.members.clear();
        let plan = planned(rows).unwrap();
        assert_eq!(
            (location_ids(&plan.locations), ids(&plan.properties), ids(&plan.tags)),
            (vec![1], vec![1], vec![1])
        );
    }
}

#[test]
fn an_image_that_is_scrubbed_in_part_is_refused() {
    let gone = |rows| match planned(rows) {
        Err(Refusal::HalfScrubbed { gone, left, .. }) => (gone, left),
        other => panic!("{other:?}"),
    };
    for scrubbed_at in [Some(T3), Some(T3 + 3600 * SECOND), None] {
        let mut rows = deleted();
        rows.image.deleted_at = rows.image.deleted_at.map(|at| at.with_nanosecond(0).unwrap());
        rows.locations.push(Ok(location(2, "deleted", scrubbed_at)));
        rows.locations[0].as_mut().unwrap().deleted_at = rows.image.deleted_at;
        assert_eq!(gone(rows), (vec![LocationId(2)], vec![LocationId(1)]), "{scrubbed_at:?}");
    }
}

/// Places of an import into several stores, which the deletion of the image marks with the image's own time.
#[test]
fn what_never_held_data_was_not_scrubbed() {
    let mut rows = deleted();
    rows.locations.push(Ok(location(2, "deleted", Some(T3))));
    assert!(planned(rows).is_ok(), "by the microsecond it is the same statement's");
    let mut rows = deleted();
    let second = at(T3).with_nanosecond(0).unwrap();
    rows.image.deleted_at = Some(second);
    let mut place = location(2, "deleted", None);
    place.deleted_at = Some(second);
    place.meta_data = Some(r#"{"store": "a", "os_glance_parallel_import": "pending"}"#.to_owned());
    rows.locations = vec![Ok(location(1, "pending_delete", Some(T3 - SECOND))), Ok(place)];
    assert!(planned(rows).is_ok());
}

#[test]
fn other_states_are_refused_with_glances_words() {
    let words = |image| {
        let rows = ImageRows { image, ..deleted() };
        planned(rows).unwrap_err().to_string()
    };
    let cannot =
        |status: &str| format!("cannot restore the image from {status} to active (wanted from_state=pending_delete)");
    assert_eq!(words(image("active", false, None)), cannot("active"));
    assert_eq!(words(image("deactivated", false, None)), cannot("deactivated"));
    assert_eq!(words(image("queued", false, None)), cannot("queued"));
    assert_eq!(words(image("deleted", true, Some(T3))), cannot("deleted") + "; its data is gone");
    assert!(words(image("active", false, Some(T3))).starts_with(&(cannot("active") + "; another program")));
    assert!(words(image("active", false, Some(T3))).contains("--repair-restored"));
    assert!(words(image("pending_delete", false, None)).contains("not marked deleted"));
    assert!(words(image("pending_delete", true, None)).contains("no deletion time"));
}

#[test]
fn an_image_without_anything_to_come_back_to_is_refused() {
    let with = |locations: Vec<LocationRow>| {
        let rows = ImageRows { locations: locations.into_iter().map(Ok).collect(), ..deleted() };
        matches!(planned(rows), Err(Refusal::NoLocation(_)))
    };
    assert!(with(Vec::new()));
    assert!(with(vec![location(1, "deleted", Some(T3 - SECOND))]));
    assert!(with(vec![location(1, "pending_delete", Some(T3 - 3600 * SECOND))]), "removed an hour before");
    assert!(with(vec![location(1, "pending_delete", Some(T3 + 1))]));
    assert!(with(vec![location(1, "pending_delete", None)]));
}

#[test]
fn an_id_must_be_spelled_as_it_is() {
    let words = |id: &str, rows| plan(id, rows, Fate::Deleted).unwrap_err().to_string();
    assert_eq!(words("none", None), "No image found with ID none");
    let upper = ID.to_uppercase();
    assert_eq!(
        words(&upper, Some(deleted())),
        format!("No image found with ID {upper}; there is {ID}: give it as it is spelled")
    );
    assert!(possible(ID).is_ok() && possible("it's \"quoted\"").is_ok());
    assert!(matches!(possible(&format!("{ID}x")), Err(Refusal::LongId(_))));
    for id in ["", "a\0b", "a\nERROR: forged", "\u{1b}[31m"] {
        let refusal = possible(id).unwrap_err();
        assert!(matches!(refusal, Refusal::NoImage { .. }) && !refusal.to_string().contains(['\n', '\u{1b}', '\0']));
    }
}

#[test]
fn what_an_import_left_would_lock_the_image() {
    let mut rows = deleted();
    rows.properties = ["os_glance_import_task", "os_glance_stage_host", "os_glance_failed_import"]
        .iter()
        .zip(1..)
        .map(|(name, id)| child(id, name, Some(T3)))
        .collect();
    assert_eq!(ids(&planned(rows).unwrap().properties), [3]);
}

#[test]
fn a_key_that_was_destroyed_is_known() {
    let mut rows = deleted();
    let mut key = child(2, "cinder_encryption_key_id", Some(T3 - 1));
    let mut policy = child(3, "cinder_encryption_key_deletion_policy", Some(T3 - 1));
    (key.value, policy.value) = (Some("id".to_owned()), Some("on_image_deletion".to_owned()));
    rows.properties.push(key);
    assert!(!planned(ImageRows { properties: rows.properties.clone(), ..deleted() }).unwrap().key_is_destroyed);
    rows.properties.push(policy);
    assert!(planned(rows).unwrap().key_is_destroyed);
}

#[test]
fn what_python_restored_is_completed_and_what_was_added_since_stays_alone() {
    let mut rows = deleted();
    (rows.image.status, rows.image.deleted) = ("active".to_owned(), false);
    rows.tags = vec![child(1, "one", Some(T3)), child(2, "two", Some(T3)), child(3, "two", None)];
    rows.members = vec![child(1, "project", Some(T3)), child(2, "project", None)];
    rows.properties.push(child(2, "new", None));
    let plan = plan(ID, Some(rows), Fate::HalfRestored).unwrap();
    assert_eq!((ids(&plan.properties), ids(&plan.tags), ids(&plan.members)), (vec![1], vec![1], vec![]));
    let deactivated = ImageRows { image: image("deactivated", false, Some(T3)), ..deleted() };
    assert_eq!(super::plan(ID, Some(deactivated), Fate::HalfRestored).unwrap().status, "deactivated");
    assert!(super::plan(ID, Some(deleted()), Fate::HalfRestored).is_err(), "not restored at all");
}

/// A row of a living image, or one that was removed from it so many microseconds before its deletion began.
type Past = Option<i64>;

fn past() -> impl Strategy<Value = Past> {
    prop_oneof![2 => Just(None), 1 => (4 * SECOND..100_000 * SECOND).prop_map(Some)]
}

proptest! {
    /// Whatever Glance deletes, a restore of it brings back, and nothing else.
    #[test]
    fn a_restore_undoes_a_deletion(
        locations in prop::collection::vec((past(), any::<bool>(), 0..2 * SECOND), 1..6),
        properties in prop::collection::vec((past(), 0..SECOND), 0..6),
        tags in prop::collection::vec(past(), 0..6),
        members in prop::collection::vec(past(), 0..6),
        key_server in 0..60 * SECOND,
        start in 0..SECOND,
        whole_seconds in any::<bool>(),
    ) {
        prop_assume!(locations.iter().any(|(past, ..)| past.is_none()));
        let cut = |micros: i64| if whole_seconds { micros.div_euclid(SECOND) * SECOND } else { micros };
        let begin = 1_000_000 * SECOND + start;
        let mut clock = begin;
        let mut living = Vec::new();
        let mut rows = Vec::new();
        for (id, (past, scrubbed, takes)) in (1..).zip(&locations) {
            rows.push(Ok(match past {
                // Scrubbed since, or pending still.
                Some(before) if *scrubbed => location(id, "deleted", Some(cut(begin - before))),
                Some(before) => location(id, "pending_delete", Some(cut(begin - before))),
                None => {
                    living.push(id);
                    clock += takes;
                    location(id, "pending_delete", Some(cut(clock)))
                }
            }));
        }
        clock += key_server + 1;
        let mut living_properties = Vec::new();
        let mut property_rows = Vec::new();
        for (id, (past, takes)) in (1..).zip(&properties) {
            property_rows.push(match past {
                Some(before) => child(id, &format!("p{id}"), Some(cut(begin - before))),
                None => {
                    living_properties.push(id);
                    clock += takes;
                    child(id, &format!("p{id}"), Some(cut(clock)))
                }
            });
        }
        let third = cut(clock + 1);
        let children = |pasts: &[Past]| -> (Vec<Child>, Vec<i64>) {
            let rows = (1..).zip(pasts).map(|(id, past)| {
                child(id, "name", Some(past.map_or(third, |before| cut(begin - before))))
            });
            let living = (1..).zip(pasts).filter(|(_, past)| past.is_none()).map(|(id, _)| id);
            (rows.collect(), living.collect())
        };
        let ((tags, living_tags), (members, living_members)) = (children(&tags), children(&members));
        let plan = planned(ImageRows {
            image: image("pending_delete", true, Some(third)),
            locations: rows,
            properties: property_rows,
            tags,
            members,
        }).unwrap();
        prop_assert_eq!(location_ids(&plan.locations), living);
        prop_assert_eq!(ids(&plan.properties), living_properties);
        prop_assert_eq!(ids(&plan.tags), living_tags);
        prop_assert_eq!(ids(&plan.members), living_members);
    }
}
