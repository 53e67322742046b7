//! Claims that both nodes decide on at the same moment.

use super::*;

/// Few locations for many takers, so that nearly every portion overlaps another one.
const LOCATIONS: i64 = 40;
const PORTION: i64 = 8;
const TAKERS: usize = 4;

/// Both sides at once.
async fn at_once<A, B>(a: impl Future<Output = A>, b: impl Future<Output = B>) -> (A, B) {
    tokio::join!(a, b)
}

#[test]
fn both_nodes_make_the_tables_at_once() {
    on_a_cluster(|pair| async move {
        for _ in 0..5 {
            pair.sides().await;
            pair.second.catch_up();
            for database in [&pair.site.database, &pair.second] {
                let count = |sql: &str| database.rows(sql)[0][0].clone().unwrap();
                assert_eq!(count("SELECT count(*) FROM scrubber_schema"), "1");
                assert_eq!(count("SELECT count(*) FROM scrubber_locations"), "0");
            }
            pair.site.database.execute("DROP TABLE scrubber_schema; DROP TABLE scrubber_locations");
            pair.second.catch_up();
        }
    });
}

/// What a taker holds by its own knowledge is held by no other at that moment.
#[test]
fn a_location_is_never_granted_twice() {
    on_a_cluster(|pair| async move {
        let held: Arc<Mutex<HashMap<LocationId, Owner>>> = Arc::default();
        let mut takers = tokio::task::JoinSet::new();
        for side in pair.sides().await.into_iter().cycle().take(2 * TAKERS) {
            let held = Arc::clone(&held);
            takers.spawn(async move {
                for _ in 0..25 {
                    take_and_release(&side, &held).await;
                }
            });
        }
        while let Some(taker) = takers.join_next().await {
            taker.unwrap();
        }
        assert!(held.lock().unwrap().is_empty());
        let left = pair.site.database.rows("SELECT * FROM scrubber_locations");
        assert!(left.is_empty(), "{left:?}");
    });
}

async fn take_and_release(side: &Side, held: &Mutex<HashMap<LocationId, Owner>>) {
    let owner = scrubber();
    let first = fastrand::i64(1..=LOCATIONS - PORTION);
    let portion = wanted(first..first + PORTION);
    let taken = side.take(&owner, &portion).await;
    let mine: Vec<_> =
        portion.iter().zip(&taken).filter(|(_, taken)| is_granted(taken)).map(|(wanted, _)| wanted.location).collect();
    for id in &mine {
        let other = held.lock().unwrap().insert(*id, owner.clone());
        assert_eq!(other, None, "location {id} is {owner:?}'s too");
    }
    let renewed = side.claims.renew(&owner, &mine, LEASE).await.unwrap();
    assert_eq!(renewed, mine, "a claim that has not lapsed was lost");
    for id in &mine {
        held.lock().unwrap().remove(id);
    }
    let settlement = Settlement { owner, lease: LEASE, kept: Vec::new() };
    side.claims.settle(&mine, &settlement).await.unwrap();
}

/// Two takers at each node, of a claim that lapsed.
#[test]
fn a_lapsed_claim_is_taken_over_once() {
    on_a_cluster(|pair| async move {
        let [one, two] = pair.sides().await;
        for id in 1..=25 {
            let wanted = wanted([id]);
            one.claims.take(&scrubber(), &wanted, Duration::ZERO, false).await.unwrap();
            let takers = [&one, &two, &one, &two].map(|side| {
                let wanted = &wanted;
                async move { is_granted(&side.take(&scrubber(), wanted).await[0]) }
            });
            let granted = futures::future::join_all(takers).await;
            assert_eq!(granted.iter().filter(|granted| **granted).count(), 1, "round {id}: {granted:?}");
        }
    });
}

/// A claim that lapsed, renewed at one node while the other takes it over: one of the two has it.
#[test]
fn a_renewal_and_a_take_over_do_not_both_succeed() {
    on_a_cluster(|pair| async move {
        let [one, two] = pair.sides().await;
        let mut renewals = 0;
        for id in 1..=40 {
            let (late, next) = (scrubber(), scrubber());
            one.claims.take(&late, &wanted([id]), Duration::ZERO, false).await.unwrap();
            let of_id = [LocationId(id)];
            let wanted = wanted([id]);
            let (renewed, taken) = at_once(one.claims.renew(&late, &of_id, LEASE), two.take(&next, &wanted)).await;
            let renewed = renewed.unwrap() == of_id;
            assert_ne!(renewed, is_granted(&taken[0]), "round {id}: both have it, or nobody");
            renewals += usize::from(renewed);
        }
        println!("{renewals} of 40 claims were renewed, the others taken over");
    });
}

/// A late finisher at node 1, and whoever took over its claim at node 2: what the second still finds pending was not
/// recorded by the first. It looks without waiting for node 1, as a scrubber without wsrep_sync_wait does.
#[test]
fn a_late_finisher_does_not_record_over_a_take_over() {
    on_a_cluster(|pair| async move {
        let [one, two] = pair.sides().await;
        let mut recorded_late = 0;
        for round in 0..40 {
            let (image, location) = pending(&pair, &one, round).await;
            let wanted = [Wanted { location, image: image.clone() }];
            let (late, next) = (scrubber(), scrubber());
            one.claims.take(&late, &wanted, Duration::ZERO, false).await.unwrap();
            let settlement = Some(Settlement { owner: late, lease: LEASE, kept: Vec::new() });
            let batch = Batch { gone: vec![location], images: vec![image], settlement };
            let looked = async {
                let granted = is_granted(&two.take(&next, &wanted).await[0]);
                (granted, two.status(location).await)
            };
            let (recorded, (granted, found)) = at_once(one.ledger.record(&batch, Utc::now()), looked).await;
            let recorded = recorded.unwrap();
            assert_eq!(recorded.locations + recorded.lost.len() as u64, 1, "round {round}: {recorded:?}");
            assert!(granted, "round {round}: the claim had lapsed, or was released");
            let still_pending = found == "pending_delete";
            assert_eq!(still_pending, recorded.lost == [location], "round {round}: {recorded:?}, and node 2 {found}");
            recorded_late += recorded.locations;
        }
        println!("{recorded_late} of 40 late finishers came first");
    });
}

/// An image with one pending location that node 1 knows.
pub(super) async fn pending(pair: &Pair, side: &Side, round: usize) -> (ImageId, LocationId) {
    let name = format!("image-{round}");
    Image::pending(&name, TimeDelta::hours(2), &["file:///a"]).insert(&pair.site.database);
    let newest = pair.site.database.rows("SELECT max(id) FROM image_locations")[0][0].clone().unwrap();
    let location = LocationId(newest.parse().unwrap());
    assert_eq!(side.status(location).await, "pending_delete");
    (ImageId(name), location)
}
