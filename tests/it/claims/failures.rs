//! What is remembered of a location that failed.

use super::*;

#[test]
fn a_failure_comes_back_as_it_was_written() {
    on_each(|shared| async move {
        let wanted = shared.pending("image", 1).await;
        let owner = scrubber();
        for error in
            ["", "it's \"quoted\" \\ ; -- % _", "\u{1F600} gr\u{fc}\u{df}e \u{4e16}\u{754c}", "line\nline\ttab"]
        {
            shared.claims.take(&owner, &wanted, LEASE, true).await.unwrap();
            let failed = failure(3, error);
            let one = kept(&wanted[0], Some(failed.clone()));
            shared.claims.settle(&[], &settlement(&owner, vec![one])).await.unwrap();
            assert_eq!(shared.row(&wanted[0]).await.unwrap().failed, Some(failed));
        }
        shared.claims.take(&owner, &wanted, LEASE, true).await.unwrap();
        let mut failed = failure(u32::MAX, &format!("{}\0{}", "\u{1F600}".repeat(990), "x".repeat(9000)));
        (failed.store, failed.next, failed.outcome) = (None, None, "in_use".to_owned());
        let one = kept(&wanted[0], Some(failed.clone()));
        shared.claims.settle(&[], &settlement(&owner, vec![one])).await.unwrap();
        failed.error = Some(format!("{}\u{fffd}{}", "\u{1F600}".repeat(990), "x".repeat(9)));
        assert_eq!(shared.row(&wanted[0]).await.unwrap().failed, Some(failed), "cut at characters, without the NUL");
    });
}

#[test]
fn a_wait_is_honoured_and_overridden() {
    on_each(|shared| async move {
        let wanted = shared.pending("image", 2).await;
        let (owner, other) = (scrubber(), scrubber());
        shared.claims.take(&owner, &wanted, LEASE, false).await.unwrap();
        let now = clock(&*shared.ledger).await;
        let (mut waits, mut due) = (failure(2, "later"), failure(2, "at once"));
        (waits.next, due.next) = (Some(now + HOUR), Some(now));
        let both = vec![kept(&wanted[0], Some(waits.clone())), kept(&wanted[1], Some(due.clone()))];
        shared.claims.settle(&[], &settlement(&owner, both)).await.unwrap();
        let taken = shared.claims.take(&other, &wanted, LEASE, false).await.unwrap();
        assert_eq!(taken, [Taken::Waits(waits.clone()), Taken::Granted(Some(due.clone()))]);
        assert_eq!(shared.row(&wanted[0]).await.unwrap().hold.claim, None, "what waits is not claimed");
        let taken = shared.claims.take(&other, &wanted, LEASE, true).await.unwrap();
        assert_eq!(taken, [Taken::Granted(Some(waits.clone())), Taken::Granted(Some(due.clone()))]);
        // Claimed and not tried: nothing is forgotten.
        let untried = wanted.iter().map(|one| kept(one, None)).collect();
        shared.claims.settle(&[], &settlement(&other, untried)).await.unwrap();
        assert_eq!(shared.row(&wanted[0]).await.unwrap().failed, Some(waits));
        assert_eq!(shared.row(&wanted[1]).await.unwrap().failed, Some(due));
    });
}

#[test]
fn a_row_that_says_nothing_goes() {
    on_each(|shared| async move {
        let wanted = shared.pending("image", 2).await;
        let owner = scrubber();
        shared.claims.take(&owner, &wanted, LEASE, false).await.unwrap();
        let untried = kept(&wanted[0], None);
        let unanswered = KeptClaim { unanswered: true, ..kept(&wanted[1], None) };
        shared.claims.settle(&[], &settlement(&owner, vec![untried, unanswered])).await.unwrap();
        let rows = shared.all().await;
        assert_eq!(rows.len(), 1);
        assert_eq!((rows[0].location, &rows[0].hold.claim), (wanted[1].location, &None));
        let rests = rows[0].hold.rests_until.unwrap();
        assert_eq!(shared.claims.take(&restore(), &wanted[1..], LEASE, true).await.unwrap(), [Taken::Rests(rests)]);
        shared.claims.forget(&ids(&wanted)).await.unwrap();
        assert_eq!(shared.all().await.len(), 1, "what rests is not forgotten");
    });
}

#[test]
fn a_note_leaves_claimed_rows_alone() {
    on_each(|shared| async move {
        let wanted = shared.pending("image", 4).await;
        let (owner, lost) = (scrubber(), scrubber());
        shared.claims.take(&owner, &wanted[..1], LEASE, false).await.unwrap();
        shared.claims.take(&lost, &wanted[1..2], Duration::ZERO, false).await.unwrap();
        let claimed = shared.row(&wanted[0]).await;
        let lapsed = shared.row(&wanted[1]).await.unwrap();
        let note = |text: &str| wanted.iter().map(|one| (one.clone(), failure(0, text))).collect::<Vec<_>>();
        shared.claims.note(&note("first")[..3]).await.unwrap();
        shared.claims.note(&note("second")).await.unwrap();
        assert_eq!(shared.row(&wanted[0]).await, claimed);
        assert_eq!(shared.row(&wanted[1]).await.unwrap().hold, lapsed.hold);
        for one in &wanted[1..] {
            let row = shared.row(one).await.unwrap();
            assert_eq!((row.failed, row.image), (Some(failure(0, "second")), image("image")));
        }
        shared.claims.note(&[]).await.unwrap();
    });
}

#[test]
fn retry_now_forgets_failures_of_one_image_or_all() {
    on_each(|shared| async move {
        for name in ["one", "two"] {
            shared.pending(name, 2).await;
        }
        let wanted = shared.pending("three", 1).await;
        let notes: Vec<_> = wanted.iter().map(|one| (one.clone(), failure(1, "no"))).collect();
        shared.claims.note(&notes).await.unwrap();
        let owner = scrubber();
        shared.claims.take(&owner, &wanted[4..], LEASE, true).await.unwrap();
        assert_eq!(shared.claims.retry_now(&[image("none")]).await.unwrap(), 0);
        assert_eq!(shared.claims.retry_now(&[image("two")]).await.unwrap(), 2);
        let rows = shared.all().await;
        let left: Vec<_> = rows.iter().map(|row| row.image.0.as_str()).collect();
        assert_eq!(left, ["one", "one", "three"], "a row without a claim and a failure goes");
        assert_eq!(shared.claims.retry_now(&[]).await.unwrap(), 3);
        let rows = shared.all().await;
        assert_eq!((rows.len(), &rows[0].failed), (1, &None));
        assert_eq!(rows[0].hold.claim.as_ref().unwrap().owner, owner, "the claim stays");
        assert_eq!(shared.claims.retry_now(&[]).await.unwrap(), 0);
    });
}

#[test]
fn rows_of_finished_locations_are_forgotten_unless_somebody_works_on_them() {
    on_each(|shared| async move {
        let wanted = shared.pending("image", 4).await;
        shared.claims.take(&scrubber(), &wanted[..1], LEASE, false).await.unwrap();
        shared.claims.take(&scrubber(), &wanted[1..2], Duration::ZERO, false).await.unwrap();
        shared.claims.note(&[(wanted[2].clone(), failure(1, "no"))]).await.unwrap();
        shared.claims.forget(&ids(&wanted)).await.unwrap();
        let left: Vec<_> = shared.all().await.iter().map(|row| row.location).collect();
        assert_eq!(left, [wanted[0].location]);
    });
}

/// Databases give the id of a purged row again.
#[test]
fn what_is_known_of_another_images_location_is_not_this_ones() {
    on_each(|shared| async move {
        let old = Wanted { location: LocationId(5), image: image("purged") };
        let new = Wanted { location: LocationId(5), image: image("new") };
        let mut waits = failure(9, "of the purged one");
        waits.next = Some(clock(&*shared.ledger).await + HOUR);
        shared.claims.note(&[(old, waits)]).await.unwrap();
        let taken = shared.claims.take(&scrubber(), std::slice::from_ref(&new), LEASE, false).await.unwrap();
        assert_eq!(taken, [Taken::Granted(None)]);
        assert_eq!(shared.row(&new).await.unwrap().image, new.image);
    });
}
