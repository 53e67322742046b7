//! Many scrubbers at once.

use std::collections::HashMap;

use super::*;

const SCRUBBERS: usize = 8;
const LOCATIONS: i64 = 400;

/// Each on connections of its own, with portions that overlap; some rows have failed before, some claims have lapsed.
#[test]
fn many_at_once_get_each_location_exactly_once() {
    on_each(|shared| async move {
        let all: Vec<_> = (0..LOCATIONS).map(|id| Wanted { location: LocationId(id), image: image("i") }).collect();
        let mut due = failure(1, "before");
        due.next = None;
        let notes: Vec<_> = all.iter().step_by(3).map(|one| (one.clone(), due.clone())).collect();
        shared.claims.note(&notes).await.unwrap();
        let lapsed: Vec<_> = all.iter().skip(1).step_by(7).cloned().collect();
        shared.claims.take(&scrubber(), &lapsed, Duration::ZERO, false).await.unwrap();
        let mut tasks = tokio::task::JoinSet::new();
        for number in 0..SCRUBBERS {
            let claims = shared.another().await.claims().unwrap();
            let all = all.clone();
            tasks.spawn(async move {
                let owner = scrubber();
                let mut mine = Vec::new();
                // From different ends, in portions of different sizes.
                let mut order: Vec<_> = all.chunks(40 + number).collect();
                if number % 2 == 1 {
                    order.reverse();
                }
                for portion in order {
                    let taken = claims.take(&owner, portion, LEASE, false).await.unwrap();
                    let granted = portion.iter().zip(taken).filter(|(_, taken)| matches!(taken, Taken::Granted(_)));
                    mine.extend(granted.map(|(one, _)| one.location));
                }
                (owner, mine)
            });
        }
        let mut owners = HashMap::new();
        while let Some(done) = tasks.join_next().await {
            let (owner, mine) = done.unwrap();
            for location in mine {
                let before = owners.insert(location, owner.clone());
                assert_eq!(before, None, "{location} was granted twice on {:?}", shared.engine());
            }
        }
        assert_eq!(owners.len(), all.len());
        for row in shared.all().await {
            assert_eq!(Some(row.hold.claim.unwrap().owner).as_ref(), owners.get(&row.location));
        }
    });
}

/// Claim, record, release, all at once and over each other: nobody's record is lost, and no error is seen.
#[test]
fn many_at_once_finish_a_backlog_together() {
    on_each(|shared| async move {
        for number in 0..20 {
            shared.pending(&format!("image{number}"), 5).await;
        }
        let all = shared.pending("last", 5).await;
        let mut tasks = tokio::task::JoinSet::new();
        for number in 0..SCRUBBERS {
            let ledger = shared.another().await;
            let mut all = all.clone();
            all.rotate_left(number * 7);
            tasks.spawn(async move {
                let (owner, claims) = (scrubber(), Arc::clone(&ledger).claims().unwrap());
                let mut recorded = 0;
                for portion in all.chunks(9) {
                    let taken = claims.take(&owner, portion, LEASE, false).await.unwrap();
                    let mine = portion.iter().zip(taken).filter(|(_, taken)| matches!(taken, Taken::Granted(_)));
                    let mine: Vec<_> = mine.map(|(one, _)| one.clone()).collect();
                    // Fresh rows: what another recorded and released since the plan was made is granted again.
                    let rows = ledger.locations(&ids(&mine)).await.unwrap().into_iter().map(Result::unwrap);
                    let pending: Vec<_> = rows.filter(|row| row.status == "pending_delete").map(|row| row.id).collect();
                    let (gone, stay): (Vec<_>, Vec<_>) =
                        mine.into_iter().partition(|one| pending.contains(&one.location));
                    let images = gone.iter().map(|one| one.image.clone()).collect();
                    let stay = stay.iter().map(|one| kept(one, None)).collect();
                    let settlement = Some(settlement(&owner, stay));
                    let batch = catalog::Batch { gone: ids(&gone), images, settlement };
                    let done = ledger.record(&batch, Utc::now()).await.unwrap();
                    assert_eq!((done.overtaken.len(), done.lost.len()), (0, 0));
                    recorded += done.locations;
                }
                recorded
            });
        }
        let mut recorded = 0;
        while let Some(done) = tasks.join_next().await {
            recorded += done.unwrap();
        }
        assert_eq!(recorded, all.len() as u64, "on {:?}", shared.engine());
        assert_eq!(shared.all().await, []);
        // Where two recorded the last two locations of an image at the same moment, PostgreSQL shows neither of them the
        // other's: the next cycle finishes the image.
        let left = shared.ledger.scan(Scope::Pending).await.unwrap();
        assert_eq!(left.locations, []);
        let batch = catalog::Batch { images: left.finishable, ..catalog::Batch::default() };
        shared.ledger.record(&batch, Utc::now()).await.unwrap();
        let left = shared.site.database.rows("SELECT count(*) FROM images WHERE status <> 'deleted'");
        assert_eq!(left, [[Some("0".to_owned())]], "on {:?}", shared.engine());
    });
}

/// Notes and `--retry-now` change rows that are being claimed at the same moment.
#[test]
fn a_note_that_comes_with_a_claim_takes_none_away() {
    on_each(|shared| async move {
        let all: Vec<_> = (0..60).map(|id| Wanted { location: LocationId(id), image: image("i") }).collect();
        let mut due = failure(0, "noted");
        due.next = None;
        let notes: Vec<_> = all.iter().map(|one| (one.clone(), due.clone())).collect();
        let stop = Arc::new(std::sync::atomic::AtomicBool::new(false));
        let mut noting = tokio::task::JoinSet::new();
        for _ in 0..2 {
            let (claims, notes, stop) = (shared.another().await.claims().unwrap(), notes.clone(), Arc::clone(&stop));
            noting.spawn(async move {
                while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                    claims.note(&notes).await.unwrap();
                    claims.retry_now(&[]).await.unwrap();
                }
            });
        }
        for _ in 0..20 {
            let owner = scrubber();
            let taken = shared.claims.take(&owner, &all, LEASE, false).await.unwrap();
            assert_eq!(granted(&taken), all.len(), "on {:?}", shared.engine());
            for _ in 0..3 {
                let kept = shared.claims.renew(&owner, &ids(&all), LEASE).await.unwrap();
                assert_eq!(kept.len(), all.len(), "on {:?}", shared.engine());
            }
            shared.claims.settle(&ids(&all), &settlement(&owner, vec![])).await.unwrap();
        }
        stop.store(true, std::sync::atomic::Ordering::Relaxed);
        while let Some(done) = noting.join_next().await {
            done.unwrap();
        }
    });
}
