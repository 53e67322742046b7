//! Record and release are one: what a late finisher brings is not written.

use glance_scrubber::catalog::Batch;

use super::*;
use crate::support::rows::states;

fn batch(wanted: &[Wanted], settlement: Settlement) -> Batch {
    let mut images: Vec<_> = wanted.iter().map(|one| one.image.clone()).collect();
    images.dedup();
    Batch { gone: ids(wanted), images, settlement: Some(settlement) }
}

#[test]
fn what_is_recorded_is_released() {
    on_each(|shared| async move {
        let wanted = shared.pending("image", 3).await;
        let owner = scrubber();
        shared.claims.take(&owner, &wanted, LEASE, false).await.unwrap();
        let failed = failure(1, "busy");
        let settlement = settlement(&owner, vec![kept(&wanted[2], Some(failed.clone()))]);
        let recorded = shared.ledger.record(&batch(&wanted[..2], settlement), Utc::now()).await.unwrap();
        assert_eq!((recorded.locations, recorded.lost.len(), recorded.finished.len()), (2, 0, 0));
        assert_eq!(states(&shared.site.database, "image").1, ["deleted", "deleted", "pending_delete"]);
        let rows = shared.all().await;
        assert_eq!(rows.len(), 1, "{rows:?}");
        assert_eq!((rows[0].location, &rows[0].hold.claim), (wanted[2].location, &None));
        assert_eq!(rows[0].failed, Some(failed));
        shared.claims.take(&owner, &wanted[2..], LEASE, true).await.unwrap();
        let last = batch(&wanted[2..], super::settlement(&owner, vec![]));
        assert_eq!(shared.ledger.record(&last, Utc::now()).await.unwrap().finished, [image("image")]);
        assert_eq!(shared.all().await, []);
    });
}

#[test]
fn a_late_finisher_records_nothing_of_what_it_lost() {
    on_each(|shared| async move {
        let wanted = shared.pending("image", 4).await;
        let (late, other) = (scrubber(), scrubber());
        shared.claims.take(&late, &wanted, Duration::ZERO, false).await.unwrap();
        // One taken over, one taken over and failed; the late one has two left.
        shared.claims.take(&other, &wanted[..2], LEASE, false).await.unwrap();
        let before = shared.site.database.named_rows("SELECT * FROM image_locations WHERE id = 1");
        let failed = failure(7, "of the late one");
        let lost = settlement(&late, vec![kept(&wanted[1], Some(failed.clone())), kept(&wanted[3], Some(failed))]);
        let gone = [wanted[0].clone(), wanted[2].clone()];
        let recorded = shared.ledger.record(&batch(&gone, lost), Utc::now()).await.unwrap();
        assert_eq!((recorded.locations, &recorded.lost), (1, &vec![wanted[0].location]));
        assert_eq!(recorded.overtaken, []);
        assert_eq!(shared.site.database.named_rows("SELECT * FROM image_locations WHERE id = 1"), before);
        let rows = shared.all().await;
        let failures: Vec<_> = rows.iter().map(|row| (row.location, row.failed.is_some())).collect();
        let expected = [(wanted[0].location, false), (wanted[1].location, false), (wanted[3].location, true)];
        assert_eq!(failures, expected, "only what it had still is written");
        for row in &rows[..2] {
            assert_eq!(row.hold.claim.as_ref().unwrap().owner, other);
        }
    });
}

/// Nothing but lost ones, and nothing kept: the way by one statement has to notice.
#[test]
fn a_location_that_another_finished_is_not_ours_to_record() {
    on_each(|shared| async move {
        let wanted = shared.pending("image", 2).await;
        let (late, other) = (scrubber(), scrubber());
        shared.claims.take(&late, &wanted, Duration::ZERO, false).await.unwrap();
        shared.claims.take(&other, &wanted[..1], LEASE, false).await.unwrap();
        let theirs = batch(&wanted[..1], settlement(&other, vec![]));
        assert_eq!(shared.ledger.record(&theirs, Utc::now()).await.unwrap().locations, 1);
        let ours = batch(&wanted, settlement(&late, vec![]));
        let recorded = shared.ledger.record(&ours, Utc::now()).await.unwrap();
        assert_eq!((recorded.locations, recorded.lost), (1, vec![wanted[0].location]));
        assert_eq!(recorded.finished, [image("image")]);
        assert_eq!(shared.all().await, []);
        let again = shared.ledger.record(&ours, Utc::now()).await.unwrap();
        assert_eq!((again.locations, again.lost), (0, ids(&wanted)), "twice is harmless");
    });
}

/// A row that somebody without claims has changed: its data is gone, and its claim goes too.
#[test]
fn what_was_changed_behind_a_claim_is_told_and_released() {
    on_each(|shared| async move {
        let wanted = shared.pending("image", 2).await;
        let owner = scrubber();
        shared.claims.take(&owner, &wanted, LEASE, false).await.unwrap();
        shared.site.database.execute("UPDATE image_locations SET status = 'active' WHERE id = 1");
        let both = batch(&wanted, settlement(&owner, vec![]));
        let recorded = shared.ledger.record(&both, Utc::now()).await.unwrap();
        assert_eq!((recorded.locations, recorded.lost.len()), (1, 0));
        assert_eq!(recorded.overtaken, [(wanted[0].location, "active".to_owned())]);
        assert_eq!(shared.all().await, []);
    });
}

/// A fault at the last statement takes back the first.
#[test]
fn record_and_release_are_one_transaction() {
    on_each(|shared| async move {
        let wanted = shared.pending("image", 2).await;
        let owner = scrubber();
        shared.claims.take(&owner, &wanted, LEASE, false).await.unwrap();
        let claims = shared.all().await;
        let (forbid, allow) = forbidding_finished_images(shared.engine());
        shared.site.database.execute(forbid);
        let all = batch(&wanted[..1], settlement(&owner, vec![kept(&wanted[1], Some(failure(1, "no")))]));
        shared.site.database.execute("UPDATE image_locations SET status = 'deleted', deleted = '1' WHERE id = 2");
        shared.ledger.record(&all, Utc::now()).await.unwrap_err();
        assert_eq!(states(&shared.site.database, "image").1, ["pending_delete", "deleted"]);
        assert_eq!(shared.all().await, claims);
        shared.site.database.execute(allow);
        let recorded = shared.ledger.record(&all, Utc::now()).await.unwrap();
        assert_eq!((recorded.locations, recorded.finished.len()), (1, 1));
    });
}

/// A trigger that lets no image become `deleted`, and its end.
fn forbidding_finished_images(engine: Engine) -> (&'static str, &'static str) {
    match engine {
        Engine::Sqlite => (
            "CREATE TRIGGER forbid BEFORE UPDATE ON images BEGIN SELECT RAISE(ABORT, 'not this one'); END",
            "DROP TRIGGER forbid",
        ),
        Engine::Mariadb => (
            "CREATE TRIGGER forbid BEFORE UPDATE ON images FOR EACH ROW SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'no'",
            "DROP TRIGGER forbid",
        ),
        Engine::Postgres => (
            "CREATE FUNCTION forbid() RETURNS trigger AS $$ BEGIN RAISE 'not this one'; END $$ LANGUAGE plpgsql;
             CREATE TRIGGER forbid BEFORE UPDATE ON images FOR EACH ROW EXECUTE FUNCTION forbid()",
            "DROP TRIGGER forbid ON images",
        ),
    }
}

#[test]
fn five_hundred_failures_are_written_at_once() {
    on_each(|shared| async move {
        let wanted: Vec<_> = (0..500).map(|id| Wanted { location: LocationId(id), image: image("i") }).collect();
        let owner = scrubber();
        shared.claims.take(&owner, &wanted, LEASE, false).await.unwrap();
        let failed = |one: &Wanted| failure(one.location.0 as u32, &format!("error of {}", one.location));
        let all = wanted.iter().map(|one| kept(one, Some(failed(one)))).collect();
        let batch = Batch { settlement: Some(settlement(&owner, all)), ..Batch::default() };
        shared.ledger.record(&batch, Utc::now()).await.unwrap();
        for (row, one) in shared.all().await.iter().zip(&wanted) {
            assert_eq!((&row.failed, &row.hold.claim), (&Some(failed(one)), &None));
        }
    });
}
