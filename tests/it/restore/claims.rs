//! A restore beside scrubbers, by claims: it wins, or it is refused, and what it claimed is free again.

use std::sync::Arc;
use std::time::Duration;

use glance_scrubber::catalog::{
    self, Claims, Coordination, ImageId, KeptClaim, LocationId, Restoration, RestoreLedger, Restored, Settlement,
    Taken, Wanted,
};
use glance_scrubber::claim::{Owner, Party};
use glance_scrubber::config::{Config, ConfigSource, Invocation, load};
use serde_json::Value;

use super::*;
use crate::support::servers::engines_at_hand;
use crate::support::snapshot::Snapshot;

const LEASE: Duration = Duration::from_secs(300);
const WITHIN: &str = "[scrubber]\ncoordination = database";

fn config(site: &Site, more: &str) -> Config {
    load(&Invocation::from_process(vec![ConfigSource::File(site.config(more))], Vec::new())).unwrap()
}

async fn open(site: &Site, more: &str) -> (Arc<dyn RestoreLedger>, Coordination) {
    let config = config(site, more);
    let ledger = catalog::open_to_restore(&config.database, Duration::from_secs(20)).await.unwrap();
    let plain: Arc<dyn catalog::Ledger> = Arc::clone(&ledger) as _;
    let claims = catalog::coordinate(&config.scrubber.sharing, &plain, Duration::from_secs(20)).await.unwrap();
    (ledger, claims)
}

/// Runs `test` with the claims of a fresh site, in Glance's database and beside it, on every engine.
fn on_each<F: Future<Output = ()>>(test: impl Fn(Site, &'static str) -> F) {
    for engine in engines_at_hand() {
        for config in [WITHIN, BESIDE] {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(test(site(engine), config));
        }
    }
}

const BESIDE: &str = "[scrubber]\ncoordination = database\nstate_connection = sqlite:///{dir}/state.db";

fn location(site: &Site, image: &str) -> Wanted {
    let rows = site.database.rows(&format!("SELECT id FROM image_locations WHERE image_id = '{image}'"));
    let id = rows[0][0].as_ref().unwrap().parse().unwrap();
    Wanted { location: LocationId(id), image: ImageId(image.to_owned()) }
}

async fn held(claims: &dyn Claims) -> Vec<Owner> {
    let mut owners = Vec::new();
    claims.rows(&mut |row| owners.extend(row.hold.claim.map(|claim| claim.owner))).await.unwrap();
    owners
}

#[test]
fn a_restore_releases_what_it_claimed() {
    on_each(|site, config| async move {
        Deleted::new("image", &site.file("image")).insert(&site.database);
        Deleted::new("gone", &site.uri("gone")).insert(&site.database);
        let (_, coordination) = open(&site, config).await;
        let claims = coordination.claims().unwrap();
        let run = site.run_with(&site.config(config), &["--restore", "gone"]).expect_code(7);
        assert!(run.stderr.contains("is gone"), "{}", run.output());
        assert_eq!(held(claims.as_ref()).await, []);
        site.run_with(&site.config(config), &["--restore", "image"]).expect_code(0);
        assert_eq!(alive(&site.database, "image"), ALL);
        assert_eq!(claims.rows(&mut |_| ()).await.unwrap(), 0, "nothing is left in the table");
    });
}

/// A scrubber that planned its cycle before the restore takes the other image's location for free to go.
#[test]
fn what_shares_the_data_of_a_restored_image_is_kept_from_older_plans() {
    on_each(|site, config| async move {
        let data = site.file("shared");
        Deleted::new("image", &data).insert(&site.database);
        Deleted::new("twin", &data).insert(&site.database);
        Deleted::new("other", &site.file("other")).insert(&site.database);
        let (_, coordination) = open(&site, config).await;
        let claims = coordination.claims().unwrap();
        let scrubber = Owner::new(Party::Scrubber);
        let take = |image| {
            let wanted = location(&site, image);
            let (claims, scrubber) = (Arc::clone(claims), scrubber.clone());
            async move { claims.take(&scrubber, &[wanted], LEASE, false).await.unwrap().remove(0) }
        };
        // Whoever deletes it as the other image's has come first.
        assert_eq!(take("twin").await, Taken::Granted(None));
        let refused = site.run_with(&site.config(config), &["--restore", "image"]).expect_code(7);
        assert!(refused.stderr.contains("is being worked on by"), "{}", refused.output());
        let release = async |image| {
            let kept = vec![KeptClaim { wanted: location(&site, image), failed: None, unanswered: false }];
            claims.settle(&[], &Settlement { owner: scrubber.clone(), lease: LEASE, kept }).await.unwrap();
        };
        release("twin").await;

        site.run_with(&site.config(config), &["--restore", "image"]).expect_code(0);
        let taken = take("twin").await;
        assert!(matches!(&taken, Taken::Waits(failed) if failed.outcome == "shared"), "{taken:?}");
        assert_eq!(take("other").await, Taken::Granted(None), "what shares nothing is free");
        release("other").await;
        let run = site.run_with(&site.config(config), &["--once", "--format", "json"]);
        assert!(site.has("shared") && !site.has("other") && run.stdout.contains("\"shared\""), "{}", run.output());
        assert_eq!(held(claims.as_ref()).await, []);
    });
}

/// What was given up may take effect yet: nobody may take the locations before the claims have lapsed.
#[test]
fn claims_in_another_database_outlast_a_restore_without_an_answer() {
    for engine in engines_at_hand().into_iter().filter(|engine| *engine != Engine::Sqlite) {
        let site = site(engine);
        Deleted::new("image", &site.file("image")).insert(&site.database);
        let config = format!("{BESIDE}\nclaim_lease = 3\nstore_deadline = 1");
        let mut other = site.database.session();
        other.execute("BEGIN");
        other.rows("SELECT id FROM images WHERE id = 'image' FOR UPDATE");
        let run = site.run_with(&site.config(&config), &["--restore", "image"]).expect_code(6);
        assert!(run.stderr.contains("whether anything was restored"), "{}", run.output());
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let (_, coordination) = open(&site, &config).await;
            assert_eq!(held(coordination.claims().unwrap().as_ref()).await.len(), 1);
        });
        other.execute("ROLLBACK");
    }
}

#[test]
fn a_scrubber_that_came_first_has_its_way() {
    on_each(|site, config| async move {
        Deleted::new("image", &site.file("image")).insert(&site.database);
        let (_, coordination) = open(&site, config).await;
        let claims = coordination.claims().unwrap();
        let (owner, wanted) = (Owner::new(Party::Scrubber), location(&site, "image"));
        let taken = claims.take(&owner, std::slice::from_ref(&wanted), LEASE, false).await.unwrap();
        assert_eq!(taken, [Taken::Granted(None)]);
        let before = Snapshot::of(&site.database);
        for dry_run in [&["--dry-run"][..], &[]] {
            let arguments = [dry_run, &["--restore", "image"]].concat();
            let run = site.run_with(&site.config(config), &arguments).expect_code(7);
            let words = format!("is being worked on by {}, until 2", owner.shown());
            assert!(run.stderr.contains(&words), "{words}: {}", run.output());
        }
        Snapshot::of(&site.database).assert_is(&before, "refused");
        assert_eq!(held(claims.as_ref()).await, std::slice::from_ref(&owner), "the scrubber's claim is its own still");

        let unanswered = KeptClaim { wanted, failed: None, unanswered: true };
        let settlement = Settlement { owner, lease: LEASE, kept: vec![unanswered] };
        claims.settle(&[], &settlement).await.unwrap();
        for dry_run in [&["--dry-run"][..], &[]] {
            let arguments = [dry_run, &["--restore", "image"]].concat();
            let run = site.run_with(&site.config(config), &arguments).expect_code(7);
            assert!(run.stderr.contains("was not answered, and may still take effect"), "{}", run.output());
        }
        Snapshot::of(&site.database).assert_is(&before, "refused");
    });
}

/// What a restore hands to its transaction, with claims of `owner`.
async fn restoration(ledger: &dyn RestoreLedger, site: &Site, owner: &Owner) -> Restoration {
    let rows = ledger.whole_image("image").await.unwrap().unwrap();
    let ids = |rows: &[catalog::Child]| rows.iter().filter(|row| row.name != "removed").map(|row| row.id).collect();
    Restoration {
        status: "active",
        locations: vec![location(site, "image").location],
        properties: ids(&rows.properties),
        tags: ids(&rows.tags),
        members: ids(&rows.members),
        settlement: Some(Settlement { owner: owner.clone(), lease: LEASE, kept: Vec::new() }),
        image: rows.image,
    }
}

/// By somebody who took over: the transaction itself must notice, whatever was looked at before it.
#[test]
fn a_claim_that_was_taken_over_takes_everything_back() {
    for engine in engines_at_hand() {
        let site = site(engine);
        Deleted::new("image", &site.file("image")).insert(&site.database);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let (ledger, coordination) = open(&site, WITHIN).await;
            let claims = coordination.claims().unwrap();
            let (mine, theirs) = (Owner::new(Party::Restore), Owner::new(Party::Scrubber));
            claims.take(&theirs, &[location(&site, "image")], LEASE, false).await.unwrap();
            let before = Snapshot::of(&site.database);
            let change = restoration(ledger.as_ref(), &site, &mine).await;
            let done = ledger.restore(&change, Utc::now()).await.unwrap();
            assert_eq!(done, Restored::Changed("the claim on its locations"), "{engine:?}");
            Snapshot::of(&site.database).assert_is(&before, "taken over");
            assert_eq!(held(claims.as_ref()).await, std::slice::from_ref(&theirs));
            let change = restoration(ledger.as_ref(), &site, &theirs).await;
            assert_eq!(ledger.restore(&change, Utc::now()).await.unwrap(), Restored::Done);
            assert_eq!(alive(&site.database, "image"), ALL);
            assert_eq!(held(claims.as_ref()).await, []);
        });
    }
}

/// Whatever changes between the reading and the transaction takes everything back.
#[test]
fn a_row_that_changed_takes_everything_back() {
    for engine in engines_at_hand() {
        let no = if engine == Engine::Postgres { "false" } else { "0" };
        for (change, what) in [
            ("UPDATE image_locations SET status = 'deleted' WHERE image_id = 'image'".to_owned(), "its locations"),
            ("UPDATE images SET status = 'deleted' WHERE id = 'image'".to_owned(), "its row in images"),
            (format!("UPDATE images SET deleted = {no} WHERE id = 'image'"), "its row in images"),
            ("UPDATE images SET deleted_at = '2026-01-01 00:00:00' WHERE id = 'image'".to_owned(), "its row in images"),
            (format!("UPDATE image_properties SET deleted = {no} WHERE name = 'note'"), "its properties"),
            (format!("UPDATE image_tags SET deleted = {no} WHERE value = 'one'"), "its tags"),
            ("DELETE FROM image_members WHERE member = 'project'".to_owned(), "its members"),
        ] {
            let site = site(engine);
            Deleted::new("image", &site.file("image")).insert(&site.database);
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let (ledger, coordination) = open(&site, WITHIN).await;
                let claims = coordination.claims().unwrap();
                let mine = Owner::new(Party::Restore);
                claims.take(&mine, &[location(&site, "image")], LEASE, true).await.unwrap();
                let restoration = restoration(ledger.as_ref(), &site, &mine).await;
                site.database.execute(&change);
                let before = Snapshot::of(&site.database);
                let done = ledger.restore(&restoration, Utc::now()).await.unwrap();
                assert_eq!(done, Restored::Changed(what), "{engine:?} {change}");
                Snapshot::of(&site.database).assert_is(&before, &change);
                assert_eq!(held(claims.as_ref()).await, [mine], "the claim is not lost");
            });
        }
    }
}

/// A restore that died holding its claim: nobody scrubs the image before the claim has rested, and then it is free.
#[test]
fn another_restore_waits_for_a_restore() {
    on_each(|site, config| async move {
        Deleted::new("image", &site.file("image")).insert(&site.database);
        let (_, coordination) = open(&site, config).await;
        let claims = coordination.claims().unwrap();
        let owner = Owner::new(Party::Restore);
        claims.take(&owner, &[location(&site, "image")], LEASE, true).await.unwrap();
        let run = site.run_with(&site.config(config), &["--restore", "image", "-f", "json"]).expect_code(7);
        let result: Value = serde_json::from_str(&run.stdout).unwrap();
        assert!(result["summary"]["refusal"].as_str().unwrap().contains(&owner.shown()), "{}", run.output());
        claims.settle(&[], &Settlement { owner, lease: LEASE, kept: vec![kept(&site)] }).await.unwrap();
        site.run_with(&site.config(config), &["--restore", "image"]).expect_code(0);
    });
}

fn kept(site: &Site) -> KeptClaim {
    KeptClaim { wanted: location(site, "image"), failed: None, unanswered: false }
}
