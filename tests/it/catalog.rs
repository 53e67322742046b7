//! The catalog's contract: one set of functions, run on every database at hand.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use glance_scrubber::catalog::{
    self, Batch, Catalog, CatalogError, Horizon, ImageId, Ledger, LocationId, LocationRow, Scope,
};
use glance_scrubber::config::{Config, ConfigSource, Invocation, load};

use crate::support::eventually;
use crate::support::rows::{Image, states};
use crate::support::servers::{Engine, engines_at_hand};
use crate::support::site::Site;

const DEADLINE: Duration = Duration::from_secs(20);
const HOUR: TimeDelta = TimeDelta::hours(1);

fn config(site: &Site) -> Config {
    load(&Invocation::from_process(vec![ConfigSource::File(site.config(""))], Vec::new())).unwrap()
}

fn horizon(grace: TimeDelta) -> Horizon {
    Horizon { due: Utc::now() - grace, skew: Utc::now() + TimeDelta::seconds(60) }
}

/// Runs `test` on a fresh database of each engine, with a writable catalog.
fn on_each<F: Future<Output = ()>>(test: impl Fn(Site, Arc<dyn Ledger>) -> F) {
    for engine in engines_at_hand() {
        let site = Site::new(engine);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let ledger = catalog::open(&config(&site).database, DEADLINE).await.unwrap();
            test(site, ledger).await;
        });
    }
}

async fn rows(catalog: &dyn Ledger, scope: Scope) -> Vec<LocationRow> {
    let ids = catalog.scan(scope).await.unwrap().locations;
    catalog.locations(&ids).await.unwrap().into_iter().map(Result::unwrap).collect()
}

async fn due_images(catalog: &dyn Ledger, grace: TimeDelta) -> Vec<String> {
    let rows = rows(catalog, Scope::Due(horizon(grace))).await;
    rows.into_iter().map(|row| row.image.unwrap().id.0).collect()
}

#[test]
fn due_locations_come_oldest_first_and_others_do_not() {
    on_each(|site, ledger| async move {
        Image::pending("recent", HOUR / 2, &["file:///a"]).insert(&site.database);
        Image::pending("old", HOUR * 2, &["file:///b", "file:///c"]).insert(&site.database);
        Image::pending("older", HOUR * 3, &["file:///d"]).insert(&site.database);
        Image::active("living", &["file:///e"]).insert(&site.database);
        assert_eq!(due_images(&*ledger, HOUR).await, ["older", "old", "old"]);
        assert_eq!(due_images(&*ledger, HOUR * 9).await, [""; 0]);
        let pending = rows(&*ledger, Scope::Pending).await;
        assert_eq!(pending.len(), 4, "an audit sees what is not due yet, too");
    });
}

#[test]
fn every_visibility_is_seen() {
    on_each(|site, ledger| async move {
        for visibility in ["private", "public", "shared", "community"] {
            let mut image = Image::pending(visibility, HOUR * 2, &["file:///a"]);
            image.visibility = visibility;
            image.insert(&site.database);
        }
        assert_eq!(due_images(&*ledger, HOUR).await.len(), 4);
    });
}

#[test]
fn the_second_of_the_deadline_is_due_with_and_without_a_fraction() {
    on_each(|site, ledger| async move {
        let at = |text: &str| text.parse::<DateTime<Utc>>().unwrap();
        for (id, when) in [
            ("whole", "2026-03-04T05:06:07Z"),
            ("fraction", "2026-03-04T05:06:07.9Z"),
            ("later", "2026-03-04T05:06:08Z"),
        ] {
            let mut image = Image::pending(id, HOUR, &["file:///a"]);
            image.deleted_at = Some(at(when));
            image.insert(&site.database);
        }
        if site.database.engine == Engine::Sqlite {
            // What SQLAlchemy also reads: no fraction at all.
            site.database
                .execute("UPDATE images SET deleted_at = substr(deleted_at, 1, 19) WHERE id IN ('whole', 'later')");
        }
        let horizon = Horizon { due: at("2026-03-04T05:06:07Z"), skew: Utc::now() };
        let found = rows(&*ledger, Scope::Due(horizon)).await;
        let mut ids: Vec<_> = found.into_iter().map(|row| row.image.unwrap().id.0).collect();
        ids.sort();
        assert_eq!(ids, ["fraction", "whole"]);
    });
}

/// The age of each, in hours; what is due, restored or in the future is not waiting, and neither is what lives.
#[test]
fn what_is_not_due_is_counted_by_age() {
    on_each(|site, ledger| async move {
        for (id, hours) in [("a", 0), ("b", 1), ("c", 2), ("d", 4), ("e", 6), ("f", 30), ("ahead", -5)] {
            Image::pending(id, HOUR * hours, &["file:///a"]).insert(&site.database);
        }
        Image::pending("two", HOUR * 4, &["file:///b", "file:///c"]).insert(&site.database);
        let mut removed = Image::active("removed", &["file:///d"]);
        removed.locations[0].status = "pending_delete";
        removed.locations[0].deleted_at = Some(Utc::now() - HOUR * 4);
        removed.insert(&site.database);
        let mut restored = Image::pending("restored", HOUR * 4, &["file:///e"]);
        (restored.status, restored.deleted) = ("active", false);
        restored.insert(&site.database);
        let mut crashed = Image::pending("crashed", HOUR * 4, &["file:///f"]);
        crashed.locations[0].status = "deleted";
        crashed.insert(&site.database);
        let limits = [3, 5].map(|hours| Utc::now() - HOUR * hours);
        let waiting = ledger.waiting(horizon(HOUR * 24), &limits).await.unwrap();
        assert_eq!(waiting, [3, 4, 1], "on {:?}", site.database.engine);
        assert_eq!(ledger.waiting(horizon(HOUR * 3), &limits).await.unwrap(), [3, 0, 0]);
        assert_eq!(ledger.waiting(horizon(TimeDelta::zero()), &limits).await.unwrap(), [0, 0, 0]);
    });
}

#[test]
fn a_deletion_time_in_the_future_is_brought_to_be_reported() {
    on_each(|site, ledger| async move {
        Image::pending("ahead", -HOUR, &["file:///a"]).insert(&site.database);
        assert_eq!(due_images(&*ledger, HOUR).await, ["ahead"]);
    });
}

#[test]
fn an_image_without_a_pending_location_is_finishable() {
    on_each(|site, ledger| async move {
        let mut crashed = Image::pending("crashed", HOUR * 2, &["file:///a"]);
        crashed.locations[0].status = "deleted";
        crashed.insert(&site.database);
        Image::pending("purged", HOUR * 2, &[]).insert(&site.database);
        let scan = ledger.scan(Scope::Due(horizon(HOUR))).await.unwrap();
        assert_eq!(scan.locations, []);
        assert_eq!(scan.finishable, [ImageId("crashed".into()), ImageId("purged".into())]);
        let batch = Batch { gone: vec![], images: scan.finishable, ..Batch::default() };
        assert_eq!(ledger.record(&batch, Utc::now()).await.unwrap().finished.len(), 2);
        assert_eq!(states(&site.database, "crashed").0, "deleted");
        assert_eq!(states(&site.database, "purged").0, "deleted");
    });
}

#[test]
fn a_pending_location_of_an_image_that_is_not_pending_is_due_by_its_own_time() {
    on_each(|site, ledger| async move {
        let mut image = Image::active("living", &["file:///kept", "file:///removed", "file:///just-removed"]);
        let removed = |location: &mut crate::support::rows::Location, ago: TimeDelta| {
            (location.status, location.deleted_at) = ("pending_delete", Some(Utc::now() - ago));
        };
        removed(&mut image.locations[1], HOUR * 2);
        removed(&mut image.locations[2], HOUR / 2);
        image.insert(&site.database);
        let found = rows(&*ledger, Scope::Due(horizon(HOUR))).await;
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].value.expose(), "file:///removed");
    });
}

#[test]
fn recording_touches_what_glances_scrubber_touches_and_nothing_else() {
    on_each(|site, ledger| async move {
        Image::pending("gone", HOUR * 2, &["file:///a", "file:///b"]).insert(&site.database);
        Image::pending("half", HOUR * 2, &["file:///c", "file:///d"]).insert(&site.database);
        let found = rows(&*ledger, Scope::Due(horizon(HOUR))).await;
        let before = site.database.named_rows("SELECT * FROM images ORDER BY id");
        let gone: Vec<_> = found.iter().filter(|row| row.value.expose() != "file:///d").map(|row| row.id).collect();
        let batch = Batch { gone, images: vec![ImageId("gone".into()), ImageId("half".into())], ..Batch::default() };
        let recorded = ledger.record(&batch, Utc::now()).await.unwrap();
        assert_eq!(recorded.locations, 3);
        assert_eq!(recorded.finished, [ImageId("gone".into())]);
        assert_eq!(states(&site.database, "gone"), ("deleted".into(), vec!["deleted".into(), "deleted".into()]));
        assert_eq!(states(&site.database, "half").1, ["deleted", "pending_delete"]);
        let after = site.database.named_rows("SELECT * FROM images ORDER BY id");
        assert_eq!(before[1], after[1], "the image that is not finished is untouched");
        let changed: Vec<_> =
            before[0].iter().zip(&after[0]).filter(|(old, new)| old != new).map(|(old, _)| &old.0).collect();
        assert_eq!(changed, ["status", "updated_at"], "deleted and deleted_at of a finished image stay");
        let same = "SELECT count(*) FROM image_locations WHERE status = 'deleted' AND updated_at = deleted_at";
        assert_eq!(site.database.rows(same), [[Some("3".to_owned())]]);
    });
}

#[test]
fn recording_twice_is_harmless_and_does_not_overwrite_another() {
    on_each(|site, ledger| async move {
        Image::pending("image", HOUR * 2, &["file:///a"]).insert(&site.database);
        let found = rows(&*ledger, Scope::Due(horizon(HOUR))).await;
        let batch = Batch { gone: vec![found[0].id], images: vec![ImageId("image".into())], ..Batch::default() };
        ledger.record(&batch, Utc::now()).await.unwrap();
        let first = site.database.named_rows("SELECT * FROM image_locations");
        let again = ledger.record(&batch, Utc::now() + HOUR).await.unwrap();
        assert_eq!(again.locations, 0);
        assert_eq!(again.finished, []);
        assert_eq!(again.overtaken, [(found[0].id, "deleted".to_owned())]);
        assert_eq!(site.database.named_rows("SELECT * FROM image_locations"), first);
    });
}

#[test]
fn an_image_with_a_living_location_is_not_finished() {
    on_each(|site, ledger| async move {
        let mut image = Image::pending("odd", HOUR * 2, &["file:///a"]);
        image.locations[0].status = "active";
        image.insert(&site.database);
        let batch = Batch { gone: vec![], images: vec![ImageId("odd".into())], ..Batch::default() };
        assert_eq!(ledger.record(&batch, Utc::now()).await.unwrap().finished, []);
        assert_eq!(states(&site.database, "odd").0, "pending_delete");
    });
}

#[test]
fn the_living_are_all_that_is_neither_deleted_nor_due() {
    on_each(|site, ledger| async move {
        Image::active("active", &["file:///active"]).insert(&site.database);
        Image::pending("due", HOUR * 2, &["file:///due"]).insert(&site.database);
        Image::pending("recent", HOUR / 2, &["file:///recent"]).insert(&site.database);
        let mut restored = Image::pending("restored", HOUR * 2, &["file:///restored"]);
        (restored.status, restored.deleted) = ("active", false);
        restored.insert(&site.database);
        let mut removed = Image::active("one-removed", &["file:///removed"]);
        (removed.locations[0].status, removed.locations[0].deleted_at) =
            ("pending_delete", Some(Utc::now() - HOUR * 2));
        removed.insert(&site.database);
        let mut done = Image::pending("done", HOUR * 2, &["file:///done"]);
        (done.status, done.locations[0].status) = ("deleted", "deleted");
        done.insert(&site.database);
        let mut values = Vec::new();
        let mut visit = |row: catalog::LivingRow| values.push(row.value.unwrap().expose().to_owned());
        let count = ledger.living(horizon(HOUR), &mut visit).await.unwrap();
        values.sort();
        assert_eq!(values, ["file:///active", "file:///recent", "file:///restored"]);
        assert_eq!(count, 3);
        assert_eq!(ledger.census().await.unwrap().living, 3);
    });
}

#[test]
fn ids_of_another_case_find_their_image_where_the_database_says_so() {
    on_each(|site, ledger| async move {
        if site.database.engine != Engine::Mariadb {
            return; // PostgreSQL and SQLite refuse or do not join such a row.
        }
        Image::pending("ABCDEF", HOUR * 2, &["file:///a"]).insert(&site.database);
        site.database.execute("SET foreign_key_checks = 0; UPDATE image_locations SET image_id = 'abcdef'");
        let found = rows(&*ledger, Scope::Due(horizon(HOUR))).await;
        assert_eq!(found[0].image.as_ref().unwrap().id.0, "ABCDEF");
        let batch = Batch { gone: vec![found[0].id], images: vec![ImageId("ABCDEF".into())], ..Batch::default() };
        assert_eq!(ledger.record(&batch, Utc::now()).await.unwrap().finished.len(), 1);
    });
}

#[test]
fn a_row_that_cannot_be_read_fails_alone() {
    on_each(|site, ledger| async move {
        if site.database.engine != Engine::Sqlite {
            return; // The servers check what goes into a column; SQLite takes anything.
        }
        for id in ["a", "blob", "time", "c"] {
            Image::pending(id, HOUR * 2, &["file:///a"]).insert(&site.database);
        }
        site.database.execute("UPDATE image_locations SET value = x'ff00fe' WHERE image_id = 'blob'");
        site.database.execute("UPDATE image_locations SET deleted_at = 'yesterday' WHERE image_id = 'time'");
        let ids = ledger.scan(Scope::Due(horizon(HOUR))).await.unwrap().locations;
        let rows = ledger.locations(&ids).await.unwrap();
        assert_eq!(rows.len(), 4);
        let broken: Vec<_> = rows.iter().filter_map(|row| row.as_ref().err()).map(ToString::to_string).collect();
        assert_eq!(broken.len(), 2, "{broken:?}");
        assert!(broken[0].contains("column value of location 2"), "{broken:?}");
    });
}

#[test]
fn a_read_only_catalog_reads() {
    for engine in engines_at_hand() {
        let site = Site::new(engine);
        Image::pending("image", HOUR * 2, &["file:///a"]).insert(&site.database);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let catalog: Arc<dyn Catalog> = catalog::open_read_only(&config(&site).database, DEADLINE).await.unwrap();
            assert_eq!(catalog.scan(Scope::Pending).await.unwrap().locations, [LocationId(1)], "{engine:?}");
        });
        assert_eq!(states(&site.database, "image").0, "pending_delete");
    }
}

#[test]
fn pages_keep_the_order_that_was_asked_for() {
    on_each(|site, ledger| async move {
        for number in 0..20 {
            Image::pending(&format!("i{number}"), HOUR * (30 - number), &["file:///a"]).insert(&site.database);
        }
        let mut ids = ledger.scan(Scope::Pending).await.unwrap().locations;
        ids.reverse();
        let rows = ledger.locations(&ids).await.unwrap();
        let got: Vec<_> = rows.into_iter().map(|row| row.unwrap().id).collect();
        assert_eq!(got, ids);
    });
}

#[test]
fn a_database_that_is_not_glances_says_so() {
    for engine in engines_at_hand() {
        let site = Site::new(engine);
        let cascade = if engine == Engine::Postgres { " CASCADE" } else { "" };
        if engine == Engine::Mariadb {
            site.database.execute("SET foreign_key_checks = 0; DROP TABLE images");
        } else {
            site.database.execute(&format!("DROP TABLE images{cascade}"));
        }
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let error = runtime.block_on(async {
            let catalog = catalog::open_read_only(&config(&site).database, DEADLINE).await.unwrap();
            catalog.scan(Scope::Pending).await.unwrap_err()
        });
        assert!(matches!(error, CatalogError::NoSchema(_)), "{engine:?}: {error}");
        assert!(error.to_string().contains("db_sync"), "{error}");
    }
}

/// Another transaction holds the image and then wants the location that ours holds already: the database rolls ours
/// back (it is the lighter one for MariaDB, and the first to notice for PostgreSQL), and the ledger repeats it.
#[test]
fn a_deadlock_is_survived() {
    for engine in engines_at_hand().into_iter().filter(|engine| *engine != Engine::Sqlite) {
        let site = Site::new(engine);
        Image::pending("image", HOUR * 2, &["file:///a"]).insert(&site.database);
        for number in 0..50 {
            Image::active(&format!("weight{number}"), &[]).insert(&site.database);
        }
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let ledger = runtime.block_on(catalog::open(&config(&site).database, DEADLINE)).unwrap();
        let mut other = site.database.session();
        other.execute("BEGIN");
        other.execute("UPDATE images SET min_ram = 1");
        let batch = Batch { gone: vec![LocationId(1)], images: vec![ImageId("image".into())], ..Batch::default() };
        let ours = runtime.spawn(async move { ledger.record(&batch, Utc::now()).await });
        eventually("our transaction to wait for the image", || site.database.someone_waits().then_some(()));
        other.execute("UPDATE image_locations SET updated_at = NULL WHERE id = 1");
        other.execute("COMMIT");
        let recorded = runtime.block_on(ours).unwrap().unwrap();
        assert_eq!(recorded.finished, [ImageId("image".into())], "{engine:?}");
        assert_eq!(states(&site.database, "image"), ("deleted".into(), vec!["deleted".into()]));
    }
}
