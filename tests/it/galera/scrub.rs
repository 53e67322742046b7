//! The real program at each node, at the same time.

use rustix::process::Signal;
use serde_json::Value;

use super::*;
use crate::support::binary::{Finished, Running, Scrubber};

/// Several times what one scrubber claims at a time, 500 locations of a file store.
const COUNT: usize = 2500;

fn start(config: &std::path::Path) -> Running {
    Scrubber::new().config_file(config).args(&["--once", "--format", "json"]).start()
}

/// So many due images, each with a file.
fn fill(pair: &Pair, count: usize) {
    let site = &pair.site;
    let due = (0..count).map(|number| {
        let name = format!("due{number:04}");
        let ago = TimeDelta::hours(3) - TimeDelta::seconds(number as i64);
        Image::pending(&name, ago, &[&site.file(&name)]).sql(site.database.engine)
    });
    let living = Image::active("living", &[&site.file("living")]).sql(site.database.engine);
    site.database.execute(&format!("BEGIN;{living}{}COMMIT", due.collect::<String>()));
    pair.second.catch_up();
}

/// Locations that a run finished, as `deleted` and as anything else.
fn done(run: &Finished) -> (u64, u64) {
    let report: Value = serde_json::from_str(&run.stdout).unwrap_or_else(|e| panic!("{e}: {}", run.output()));
    let lines = report["done"].as_array().unwrap().iter();
    lines.fold((0, 0), |(deleted, other), line| {
        let count = line["locations"].as_u64().unwrap();
        if line["outcome"] == "deleted" { (deleted + count, other) } else { (deleted, other + count) }
    })
}

/// Everything is deleted and recorded, but what lives; and nobody holds a claim.
#[track_caller]
fn assert_finished(database: &Database, pair: &Pair) {
    let of = |sql: &str| database.rows(sql).into_iter().flatten().flatten().collect::<Vec<_>>().join(" ");
    assert_eq!(of("SELECT DISTINCT status FROM images WHERE id <> 'living'"), "deleted");
    assert_eq!(of("SELECT DISTINCT status FROM image_locations WHERE image_id <> 'living'"), "deleted");
    assert_eq!(of("SELECT count(*) FROM scrubber_locations"), "0");
    let left: Vec<_> = std::fs::read_dir(pair.site.data()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, ["living"]);
}

/// The first is held after its first claim until the second has begun, so that both have a share for certain.
#[test]
fn two_scrubbers_finish_a_backlog_together() {
    let Some(cluster) = Galera::shared() else { return };
    let pair = Pair::new(&cluster);
    fill(&pair, COUNT);
    let [one, two] = pair.configs(BY_CLAIMS);
    let one = start(&one);
    until(&pair, "the first to claim", "SELECT count(*) FROM scrubber_locations");
    one.signal(Signal::STOP);
    let two = start(&two);
    let recorded = "SELECT count(*) FROM image_locations WHERE status = 'deleted'";
    let by_one = pair.site.database.rows(recorded).remove(0).remove(0).unwrap();
    until(&pair, "the second to record", &recorded.replace("count(*)", &format!("count(*) > {by_one}")));
    one.signal(Signal::CONT);
    let runs = [one, two].map(Running::wait);
    let shares = runs.each_ref().map(done);
    println!("deleted by each: {shares:?}");
    for run in &runs {
        assert_eq!(run.code, Some(0), "{}", run.output());
        assert!(!run.stderr.contains("ERROR") && !run.stderr.contains("WARN"), "{}", run.stderr);
    }
    let (deleted, other): (Vec<_>, Vec<_>) = shares.into_iter().unzip();
    assert_eq!((deleted.iter().sum::<u64>(), other), (COUNT as u64, vec![0, 0]), "each once");
    assert!(deleted.iter().all(|share| *share > 0));
    pair.site.database.catch_up();
    assert_finished(&pair.site.database, &pair);
}

/// Asks node 1 until it counts something. There may be no table yet.
fn until(pair: &Pair, what: &str, count: &str) {
    let there = "SELECT count(*) FROM information_schema.tables WHERE table_schema = database() AND \
                 table_name = 'scrubber_locations'";
    let zero = [[Some("0".to_owned())]];
    eventually(what, || {
        (pair.site.database.rows(there) != zero && pair.site.database.rows(count) != zero).then_some(())
    });
}

/// Node 2 is killed while a scrubber works through node 1, which has the majority; and a scrubber at node 2 with it.
#[test]
fn a_node_that_is_killed_stops_no_scrubber_at_the_other_one() {
    let Some(cluster) = Galera::private() else { return };
    let pair = Pair::new(&cluster);
    fill(&pair, COUNT);
    let [one, two] = pair.configs(&format!("{BY_CLAIMS}store_deadline = 5\nclaim_lease = 20\n"));
    let (one, two) = (start(&one), start(&two));
    until(&pair, "something to be recorded", "SELECT count(*) FROM image_locations WHERE status = 'deleted'");
    cluster.order("kill 2");
    two.signal(Signal::KILL);
    two.wait();
    // What the lost one had claimed lapses while this one is at work, or is for the next.
    let run = one.wait();
    println!("{}", run.stdout);
    assert!(!run.stderr.contains("ERROR"), "{}", run.stderr);
    assert_eq!(run.code, Some(0), "{}", run.output());
    assert_finished(&pair.site.database, &pair);
}

/// Behind a balancer a claim may be made at one node, and the rows be read at another one that has not caught up: an
/// image restored before the claim would be deleted. So a node's answer waits for all that was committed before the
/// question. Here node 2 is held back until the question is asked.
#[test]
fn a_look_at_one_node_sees_what_was_committed_at_the_other() {
    let Some(cluster) = Galera::private() else { return };
    let pair = Pair::new(&cluster);
    let runtime = runtime();
    let [one, two] = runtime.block_on(pair.sides());
    let (_, location) = runtime.block_on(claims::pending(&pair, &one, 0));
    pair.second.catch_up();
    assert_eq!(runtime.block_on(two.status(location)), "pending_delete");
    let mut session = pair.second.session();
    session.execute("FLUSH TABLES WITH READ LOCK"); // it applies nothing from now on
    pair.site.database.execute("UPDATE image_locations SET status = 'active', deleted = 0, deleted_at = NULL");
    let asked = "SELECT count(*) FROM information_schema.processlist WHERE db = database() AND command <> 'Sleep' \
                 AND info LIKE 'SELECT%FROM image_locations%' AND id <> connection_id()";
    let found = std::thread::scope(|scope| {
        let look = scope.spawn(|| runtime.block_on(two.status(location)));
        let is_asked = || pair.second.rows(asked) != [[Some("0".to_owned())]];
        eventually("the question", || (look.is_finished() || is_asked()).then_some(()));
        session.execute("UNLOCK TABLES");
        look.join().unwrap()
    });
    assert_eq!(found, "active", "node 2 answered with what it had");
}
