//! Who gets a location, and for how long.

use super::*;

#[test]
fn two_owners_never_get_the_same_location() {
    on_each(|shared| async move {
        let wanted = shared.pending("image", 3).await;
        let (one, other) = (scrubber(), scrubber());
        let taken = shared.claims.take(&one, &wanted[..2], LEASE, false).await.unwrap();
        assert_eq!(taken, [Taken::Granted(None), Taken::Granted(None)]);
        let another = shared.another().await.claims().unwrap();
        let taken = another.take(&other, &wanted, LEASE, false).await.unwrap();
        let holder = |taken: &Taken| match taken {
            Taken::Held(claim) => Some(claim.owner.clone()),
            _ => None,
        };
        let holders: Vec<_> = taken.iter().map(holder).collect();
        assert_eq!(holders, [Some(one.clone()), Some(one.clone()), None]);
        assert_eq!(taken[2], Taken::Granted(None));
        let again = shared.claims.take(&one, &wanted, LEASE, false).await.unwrap();
        assert_eq!(granted(&again), 2, "its own are granted again, and no others");
    });
}

#[test]
fn answers_come_in_the_order_of_the_questions() {
    on_each(|shared| async move {
        let mut wanted = shared.pending("image", 4).await;
        shared.claims.take(&scrubber(), &wanted[1..2], LEASE, false).await.unwrap();
        wanted.reverse();
        let taken = shared.claims.take(&scrubber(), &wanted, LEASE, false).await.unwrap();
        let held: Vec<_> = taken.iter().map(|one| matches!(one, Taken::Held(_))).collect();
        assert_eq!(held, [false, false, true, false]);
        let none = shared.claims.take(&scrubber(), &[], LEASE, false).await.unwrap();
        assert_eq!(none, []);
    });
}

/// By the clock of the database: a claim lasts from its now for a lease.
#[test]
fn a_claim_lasts_for_a_lease_by_the_clock_of_the_database() {
    on_each(|shared| async move {
        let wanted = shared.pending("image", 1).await;
        let lease = TimeDelta::from_std(LEASE).unwrap();
        let before = clock(&*shared.ledger).await;
        shared.claims.take(&scrubber(), &wanted, LEASE, false).await.unwrap();
        let after = clock(&*shared.ledger).await;
        let until = shared.row(&wanted[0]).await.unwrap().hold.claim.unwrap().until;
        assert!((before + lease..=after + lease).contains(&until), "{until} is not {before} + {lease}");
    });
}

#[test]
fn a_lapsed_claim_is_taken_by_a_scrubber_at_once_and_by_a_restore_later() {
    on_each(|shared| async move {
        let wanted = shared.pending("image", 1).await;
        let (lost, other, back) = (scrubber(), scrubber(), restore());
        shared.claims.take(&lost, &wanted, Duration::ZERO, false).await.unwrap();
        let held = shared.claims.take(&back, &wanted, LEASE, true).await.unwrap();
        assert!(matches!(&held[0], Taken::Held(claim) if claim.owner == lost), "{held:?}");
        let until = shared.row(&wanted[0]).await.unwrap().hold.claim.unwrap().until;
        let taken = shared.claims.take(&other, &wanted, LEASE, false).await.unwrap();
        assert_eq!(taken, [Taken::Granted(None)]);
        // What the lost one had in hand may still take effect, also when the other is done.
        let rests = until + TimeDelta::from_std(LEASE).unwrap();
        shared.claims.settle(&[], &settlement(&other, vec![kept(&wanted[0], None)])).await.unwrap();
        let row = shared.row(&wanted[0]).await.unwrap();
        assert_eq!((row.hold.claim, row.hold.rests_until), (None, Some(rests)));
        let refused = shared.claims.take(&back, &wanted, LEASE, true).await.unwrap();
        assert_eq!(refused, [Taken::Rests(rests)]);
        // When its lapse is two leases ago (here: of no length), a restore may.
        let wanted = shared.pending("later", 1).await.split_off(1);
        shared.claims.take(&lost, &wanted, Duration::ZERO, false).await.unwrap();
        let taken = shared.claims.take(&back, &wanted, Duration::ZERO, true).await.unwrap();
        assert_eq!(taken, [Taken::Granted(None)]);
    });
}

#[test]
fn a_lost_claim_is_not_renewed() {
    on_each(|shared| async move {
        let wanted = shared.pending("image", 3).await;
        let (one, other) = (scrubber(), scrubber());
        shared.claims.take(&one, &wanted, Duration::ZERO, false).await.unwrap();
        let before = shared.row(&wanted[2]).await.unwrap().hold.claim.unwrap().until;
        shared.claims.take(&other, &wanted[..1], LEASE, false).await.unwrap();
        let theirs = shared.row(&wanted[0]).await;
        let mut kept = shared.claims.renew(&one, &ids(&wanted), LEASE * 2).await.unwrap();
        kept.sort();
        assert_eq!(kept, ids(&wanted[1..]), "a lapsed claim that nobody took over is renewed");
        assert_eq!(shared.row(&wanted[0]).await, theirs, "the other's claim is untouched");
        let after = shared.row(&wanted[2]).await.unwrap().hold.claim.unwrap().until;
        assert!(after >= before + TimeDelta::from_std(LEASE * 2).unwrap(), "{before} {after}");
        assert_eq!(shared.claims.renew(&one, &ids(&wanted[1..]), LEASE).await.unwrap().len(), 2);
        assert_eq!(shared.claims.renew(&one, &[], LEASE).await.unwrap(), []);
    });
}

/// Where ids of images compare without case, they do so for claims; owners never do.
#[test]
fn ids_of_another_case_are_found_where_glance_finds_them() {
    on_each(|shared| async move {
        let wanted = [Wanted { location: LocationId(7), image: image("abcDEF") }];
        let owner = Owner::from_row("scrubber Host 1 aBc".to_owned());
        shared.claims.take(&owner, &wanted, LEASE, false).await.unwrap();
        let found = shared.claims.of_images(&[image("ABCdef")]).await.unwrap();
        assert_eq!(found.len(), usize::from(shared.engine() == Engine::Mariadb));
        assert_eq!(shared.row(&wanted[0]).await.unwrap().image, image("abcDEF"), "as it was spelled");
        let other = Owner::from_row("scrubber host 1 abc".to_owned());
        assert_eq!(shared.claims.renew(&other, &ids(&wanted), LEASE).await.unwrap(), []);
        shared.claims.settle(&ids(&wanted), &settlement(&other, vec![])).await.unwrap();
        assert!(shared.row(&wanted[0]).await.is_some());
    });
}

#[test]
fn a_thousand_are_claimed_renewed_and_released() {
    on_each(|shared| async move {
        let wanted: Vec<_> = (0..1234).map(|id| Wanted { location: LocationId(id), image: image("i") }).collect();
        let owner = scrubber();
        shared.claims.take(&scrubber(), &wanted[700..701], LEASE, false).await.unwrap();
        assert_eq!(granted(&shared.claims.take(&owner, &wanted, LEASE, false).await.unwrap()), 1233);
        assert_eq!(shared.claims.renew(&owner, &ids(&wanted), LEASE).await.unwrap().len(), 1233);
        shared.claims.settle(&ids(&wanted), &settlement(&owner, vec![])).await.unwrap();
        assert_eq!(shared.all().await.len(), 1);
    });
}

/// A host's clock may be wrong, and no two hosts' are the same. PostgreSQL lets us set one of its own: an hour ahead.
#[test]
fn the_clock_of_the_host_does_not_count() {
    for engine in engines_at_hand().into_iter().filter(|engine| *engine == Engine::Postgres) {
        on(engine, |shared| async move {
            shared.site.database.execute(
                "CREATE FUNCTION public.clock_timestamp() RETURNS timestamptz LANGUAGE sql AS
                 $$ SELECT pg_catalog.clock_timestamp() + interval '1 hour' $$",
            );
            let name = shared.site.database.url().rsplit('/').next().unwrap();
            shared.site.database.execute(&format!("ALTER DATABASE {name} SET search_path = public, pg_catalog"));
            let ledger = shared.another().await;
            let claims = Arc::clone(&ledger).claims().unwrap();
            let wanted = shared.pending("image", 1).await;
            let host = Utc::now();
            let hour_ahead = |at: DateTime<Utc>| at - host > HOUR - TimeDelta::minutes(5);
            assert!(hour_ahead(clock(&*ledger).await));
            claims.take(&scrubber(), &wanted, LEASE, false).await.unwrap();
            let until = shared.row(&wanted[0]).await.unwrap().hold.claim.unwrap().until;
            assert!(hour_ahead(until - TimeDelta::from_std(LEASE).unwrap()), "{until}");
            // What the others call now is long ago for this one.
            let before = shared.claims.take(&scrubber(), &wanted, LEASE, false).await.unwrap();
            assert_eq!(granted(&before), 0, "an hour and a lease are not over on the plain clock");
            let owner = scrubber();
            shared.site.database.execute(
                "UPDATE scrubber_locations SET claimed_until = now() AT TIME ZONE 'UTC' + interval '30 minutes'",
            );
            assert_eq!(granted(&claims.take(&owner, &wanted, LEASE, false).await.unwrap()), 1);
            claims.renew(&owner, &ids(&wanted), LEASE).await.unwrap();
            let until = shared.row(&wanted[0]).await.unwrap().hold.claim.unwrap().until;
            assert!(hour_ahead(until - TimeDelta::from_std(LEASE).unwrap()), "{until}");
        });
    }
}
