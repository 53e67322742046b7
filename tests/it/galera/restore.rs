//! A restore at node 2 while a scrubber works at node 1: an image ends wholly restored, or wholly scrubbed.

use super::*;
use crate::restore::{Deleted, alive};
use crate::support::binary::{Running, Scrubber};
use crate::support::rows::states;

const ROUNDS: usize = 8;

fn start(config: &std::path::Path, arguments: &[&str]) -> Running {
    Scrubber::new().config_file(config).args(arguments).start()
}

#[test]
fn a_restore_and_a_scrub_do_not_both_have_an_image() {
    let Some(cluster) = Galera::shared() else { return };
    let pair = Pair::new(&cluster);
    let site = &pair.site;
    Image::active("living", &[&site.file("living")]).insert(&site.database);
    let [at_one, at_two] = pair.configs(BY_CLAIMS);
    let mut restored = 0;
    for round in 0..ROUNDS {
        let id = format!("image-{round}");
        let files = [format!("{id}-a"), format!("{id}-b")];
        let [a, b] = files.each_ref().map(|name| site.file(name));
        let mut image = Deleted::new(&id, &a);
        image.locations.push((b, TimeDelta::milliseconds(40)));
        image.insert(&site.database);
        pair.second.catch_up();
        // Whoever is started first has some milliseconds before the other.
        let (scrub, restore) = if round % 2 == 0 {
            let scrub = start(&at_one, &["--once"]);
            (scrub, start(&at_two, &["--restore", &id]))
        } else {
            let restore = start(&at_two, &["--restore", &id]);
            (start(&at_one, &["--once"]), restore)
        };
        let (scrub, restore) = (scrub.wait(), restore.wait());
        assert!(matches!(scrub.code, Some(0 | 3)), "round {round}: {}", scrub.output());
        pair.site.database.catch_up();
        let there = files.each_ref().map(|name| site.has(name));
        let state = states(&site.database, &id);
        let told = format!("round {round}: {state:?}, {there:?}\n{}\n{}", scrub.output(), restore.output());
        match restore.code {
            Some(0) => {
                restored += 1;
                assert_eq!(state, ("active".to_owned(), vec!["active".to_owned(); 2]), "{told}");
                assert_eq!(there, [true, true], "{told}");
                assert_eq!(alive(&site.database, &id).len(), 8, "{told}");
            }
            Some(7) => {
                start(&at_one, &["--once"]).wait().expect_code(0);
                assert_eq!(
                    states(&site.database, &id),
                    ("deleted".to_owned(), vec!["deleted".to_owned(); 2]),
                    "{told}"
                );
                assert_eq!(files.each_ref().map(|name| site.has(name)), [false, false], "{told}");
            }
            _ => panic!("{told}"),
        }
        assert!(site.has("living"));
    }
    println!("{restored} of {ROUNDS} restored, the others scrubbed");
    assert_eq!(pair.site.database.rows("SELECT count(*) FROM scrubber_locations"), [[Some("0".to_owned())]]);
}
