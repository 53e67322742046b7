//! The contract of the claims, run on every database at hand.

use std::sync::Arc;
use std::time::Duration;

use chrono::{SubsecRound, TimeDelta, Utc};
use glance_scrubber::catalog::{
    self, Batch, Claims, Coordination, FailedAttempt, ImageId, KeptClaim, Ledger, LocationId, Settlement, Taken, Wanted,
};
use glance_scrubber::claim::{Owner, Party};
use glance_scrubber::config::{ConfigSource, Invocation, load};

use crate::support::rows::{Image, states};
use crate::support::servers::engines_at_hand;
use crate::support::site::Site;

const DEADLINE: Duration = Duration::from_secs(20);
const LEASE: Duration = Duration::from_secs(60);

/// Runs `test` on a fresh database of each engine, with the table of claims made.
fn on_each<F: Future<Output = ()>>(test: impl Fn(Arc<Site>, Arc<dyn Ledger>, Arc<dyn Claims>) -> F) {
    for engine in engines_at_hand() {
        let site = Arc::new(Site::new(engine));
        let file = site.config("[scrubber]\ncoordination = database\n");
        let config = load(&Invocation::from_process(vec![ConfigSource::File(file)], Vec::new())).unwrap();
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        runtime.block_on(async {
            let ledger = catalog::open(&config.database, DEADLINE).await.unwrap();
            let claims = catalog::coordinate(&config.scrubber.sharing, &ledger, DEADLINE).await.unwrap();
            let Coordination::Within(claims) = claims else { panic!("not in Glance's database") };
            test(Arc::clone(&site), ledger, claims).await;
        });
    }
}

fn scrubber() -> Owner {
    Owner::new(Party::Scrubber)
}

fn wanted(ids: impl IntoIterator<Item = i64>) -> Vec<Wanted> {
    ids.into_iter().map(|id| Wanted { location: LocationId(id), image: ImageId(format!("image-{id}")) }).collect()
}

fn granted(taken: &[Taken]) -> usize {
    taken.iter().filter(|taken| matches!(taken, Taken::Granted(_))).count()
}

async fn rows(claims: &dyn Claims) -> Vec<catalog::ClaimRow> {
    let mut rows = Vec::new();
    claims.rows(&mut |row| rows.push(row)).await.unwrap();
    rows.sort_by_key(|row| row.location);
    rows
}

fn failure() -> FailedAttempt {
    let now = Utc::now().trunc_subsecs(3);
    FailedAttempt {
        attempts: 3,
        outcome: "in_use".to_owned(),
        error: Some("clones: 'a\" \u{1F980}".to_owned()),
        store: Some("ceph".to_owned()),
        first: now - TimeDelta::hours(1),
        next: Some(now + TimeDelta::hours(1)),
    }
}

#[test]
fn a_location_is_granted_to_one_owner_only() {
    on_each(|_site, _ledger, claims| async move {
        let (one, other) = (scrubber(), scrubber());
        assert_eq!(granted(&claims.take(&one, &wanted(1..=3), LEASE, false).await.unwrap()), 3);
        let taken = claims.take(&other, &wanted(2..=5), LEASE, false).await.unwrap();
        assert!(matches!(&taken[0], Taken::Held(claim) if claim.owner == one), "{taken:?}");
        assert_eq!(granted(&taken), 2);
        assert_eq!(claims.renew(&one, &[LocationId(1), LocationId(4)], LEASE).await.unwrap(), [LocationId(1)]);
    });
}

#[test]
fn what_failed_is_kept_and_waits() {
    on_each(|_site, _ledger, claims| async move {
        let (one, other, failure) = (scrubber(), scrubber(), failure());
        claims.take(&one, &wanted(1..=3), LEASE, false).await.unwrap();
        let kept = |id, failed, unanswered| KeptClaim { wanted: wanted([id]).remove(0), failed, unanswered };
        let kept = vec![kept(2, Some(failure.clone()), false), kept(3, None, true)];
        let settlement = Settlement { owner: one, lease: LEASE, kept };
        claims.settle(&[LocationId(1)], &settlement).await.unwrap();
        let left = rows(&*claims).await;
        assert_eq!(left.len(), 2, "{left:?}");
        assert_eq!((left[0].failed.clone(), &left[0].hold.claim), (Some(failure.clone()), &None));
        assert!(left[1].hold.rests_until.is_some(), "{left:?}");
        let taken = claims.take(&other, &wanted(2..=3), LEASE, false).await.unwrap();
        assert!(matches!(&taken[0], Taken::Waits(failed) if *failed == failure), "{taken:?}");
        assert_eq!(taken[1], Taken::Granted(None));
        let restore = Owner::new(Party::Restore);
        assert_eq!(claims.retry_now(&[]).await.unwrap(), 1);
        let taken = claims.take(&restore, &wanted([2]), LEASE, true).await.unwrap();
        assert_eq!(taken, [Taken::Granted(None)]);
    });
}

#[test]
fn recording_releases_and_a_lost_claim_records_nothing() {
    on_each(|site, ledger, claims| async move {
        for image in ["kept", "lost"] {
            Image::pending(image, TimeDelta::hours(2), &["file:///a"]).insert(&site.database);
        }
        let scan = ledger.scan(catalog::Scope::Pending).await.unwrap().locations;
        let of = |id: LocationId| Wanted { location: id, image: ImageId("x".to_owned()) };
        let all: Vec<_> = scan.iter().map(|id| of(*id)).collect();
        let (one, other) = (scrubber(), scrubber());
        claims.take(&one, &all, Duration::ZERO, false).await.unwrap();
        assert_eq!(granted(&claims.take(&other, &all[1..], LEASE, false).await.unwrap()), 1, "taken over");
        let settlement = Some(Settlement { owner: one, lease: LEASE, kept: Vec::new() });
        let images = vec![ImageId("kept".to_owned()), ImageId("lost".to_owned())];
        let batch = Batch { gone: scan.clone(), images, settlement };
        let recorded = ledger.record(&batch, Utc::now()).await.unwrap();
        assert_eq!((recorded.locations, recorded.lost), (1, vec![scan[1]]));
        let pending = ledger.scan(catalog::Scope::Pending).await.unwrap().locations;
        assert_eq!(pending, [scan[1]], "{:?}", states(&site.database, "lost"));
        assert_eq!(rows(&*claims).await.len(), 1, "the other's claim stays");
    });
}
