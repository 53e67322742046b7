//! Restores and real scrubbers at the same time, by the real program, with claims in Glance's database.

use std::time::Duration;

use glance_scrubber::catalog::{self, ImageId, LocationId, Wanted};
use glance_scrubber::claim::{Owner, Party};
use glance_scrubber::config::{ConfigSource, Invocation, load};

use super::*;
use crate::support::binary::Scrubber;
use crate::support::rows::states;
use crate::support::servers::engines_at_hand;

const ROUNDS: usize = 30;
const WITHIN: &str = "[scrubber]\ncoordination = database";

/// Several images a round, so that the restore meets the scrubber now before, now after and now in the middle.
const IMAGES: usize = 12;

fn race(engine: Engine) {
    if !engines_at_hand().contains(&engine) {
        return;
    }
    let site = site(engine);
    let config = site.config(WITHIN);
    let (mut restored, mut scrubbed) = (0, 0);
    for round in 0..ROUNDS {
        let ids: Vec<String> = (0..IMAGES).map(|number| format!("image-{round}-{number}")).collect();
        for id in &ids {
            let mut image = Deleted::new(id, &site.file(id));
            // Two copies, so that being half of either is possible.
            let copy = format!("copy-{id}");
            let data = std::fs::read(site.data().join(id)).unwrap();
            image.locations.push((site.file(&copy), TimeDelta::milliseconds(30)));
            std::fs::write(site.data().join(&copy), data).unwrap();
            image.insert(&site.database);
        }
        let wanted = &ids[round % IMAGES];
        let start = |arguments: &[&str]| Scrubber::new().config_file(&config).args(arguments).start();
        let (scrub, restore) = match round % 2 {
            0 => (start(&["--once"]), start(&["--restore", wanted])),
            _ => {
                let restore = start(&["--restore", wanted]);
                (start(&["--once"]), restore)
            }
        };
        let (scrub, restore) = (scrub.wait(), restore.wait());
        assert!(matches!(scrub.code, Some(0)), "{}", scrub.output());
        let files = [wanted.clone(), format!("copy-{wanted}")].map(|name| site.has(&name));
        let (image, locations) = states(&site.database, wanted);
        match restore.code {
            Some(0) => {
                restored += 1;
                assert_eq!((image.as_str(), files), ("active", [true, true]), "round {round}: {}", scrub.output());
                assert_eq!(alive(&site.database, wanted).len(), ALL.len() + 1, "round {round}");
            }
            Some(7) => {
                // The scrubber had it in hand, or has finished it: in any case it is for the scrubber alone.
                site.run_with(&config, &["--once"]).expect_code(0);
                scrubbed += 1;
                let (image, locations) = states(&site.database, wanted);
                let files = [wanted.clone(), format!("copy-{wanted}")].map(|name| site.has(&name));
                assert_eq!((image.as_str(), files), ("deleted", [false, false]), "round {round}: {}", restore.output());
                assert_eq!(locations, ["deleted", "deleted"]);
                assert_eq!(alive(&site.database, wanted), [""; 0]);
            }
            code => panic!("round {round}: {code:?} {image} {locations:?}: {}", restore.output()),
        }
    }
    assert_eq!(restored + scrubbed, ROUNDS);
    assert_eq!(site.database.rows("SELECT * FROM scrubber_locations").len(), 0, "claims are left");
    eprintln!("{engine:?}: {restored} restored, {scrubbed} scrubbed");
}

#[test]
fn a_restore_races_a_scrub_on_mariadb() {
    race(Engine::Mariadb);
}

#[test]
fn a_restore_races_a_scrub_on_postgres() {
    race(Engine::Postgres);
}

/// A restore that has its claim, however long it takes: the scrubber leaves the image alone.
#[test]
fn a_restore_that_came_first_is_left_alone() {
    for engine in engines_at_hand() {
        let site = site(engine);
        Deleted::new("image", &site.file("image")).insert(&site.database);
        Deleted::new("other", &site.file("other")).insert(&site.database);
        let config =
            load(&Invocation::from_process(vec![ConfigSource::File(site.config(WITHIN))], Vec::new())).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let deadline = Duration::from_secs(20);
            let ledger = catalog::open(&config.database, deadline).await.unwrap();
            let claims = catalog::coordinate(&config.scrubber.sharing, &ledger, deadline).await.unwrap();
            let rows = site.database.rows("SELECT id FROM image_locations WHERE image_id = 'image'");
            let location = LocationId(rows[0][0].as_ref().unwrap().parse().unwrap());
            let wanted = Wanted { location, image: ImageId("image".to_owned()) };
            let lease = Duration::from_secs(300);
            claims.claims().unwrap().take(&Owner::new(Party::Restore), &[wanted], lease, true).await.unwrap();
        });
        site.run_with(&site.config(WITHIN), &["--once"]).expect_code(0);
        assert_eq!(states(&site.database, "image"), ("pending_delete".to_owned(), vec!["pending_delete".to_owned()]));
        assert_eq!(states(&site.database, "other").0, "deleted", "{engine:?}");
        assert!(site.has("image") && !site.has("other"));
    }
}
