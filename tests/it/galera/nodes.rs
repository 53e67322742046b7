//! A node that refuses work, in a cluster of the test's own. Each of its errors is one that passes, and none is the end of
//! a cycle. A read that waits for the cluster in vain ends as a lock wait timeout.

use super::*;

#[test]
fn a_node_that_refuses_work_is_a_database_that_is_away() {
    let Some(cluster) = Galera::private() else { return };
    let pair = Pair::new(&cluster);
    let runtime = runtime();
    let [one, two] = runtime.block_on(pair.sides());
    let (image, location) = runtime.block_on(claims::pending(&pair, &one, 0));
    drop(one);

    let mut session = pair.second.session();
    session.execute("SET GLOBAL wsrep_reject_queries = ALL");
    expect_away("rejecting queries", &runtime.block_on(two.ledger.census()).unwrap_err());
    session.execute("SET GLOBAL wsrep_reject_queries = NONE");
    assert_eq!(runtime.block_on(two.ledger.census()).unwrap().living, 0);

    pair.second.catch_up();
    let owner = scrubber();
    let wanted = [Wanted { location, image: image.clone() }];
    assert!(is_granted(&runtime.block_on(two.take(&owner, &wanted))[0]));
    let settlement = Some(Settlement { owner, lease: LEASE, kept: Vec::new() });
    let batch = Batch { gone: vec![location], images: vec![image], settlement };
    let record = || runtime.block_on(two.ledger.record(&batch, Utc::now()));
    cluster.order("kill 1");
    // It does not know yet that node 1 is lost, and with it the majority: this is under way while it finds out.
    expect_away("in the middle of it", &record().unwrap_err());
    expect_away("without the majority, a transaction", &record().unwrap_err());
    expect_away("without the majority, a query", &runtime.block_on(two.ledger.census()).unwrap_err());
    expect_away("without the majority, a table", &runtime.block_on(two.claims.prepare()).unwrap_err());

    // What an administrator does who knows that node 1 is lost.
    session.execute("SET GLOBAL wsrep_provider_options = 'pc.bootstrap=1'");
    let ready = || {
        let rows = pair.second.rows("SHOW STATUS LIKE 'wsrep_ready'");
        (rows[0][1].as_deref() == Some("ON")).then_some(())
    };
    eventually("node 2 to go on alone", ready);
    let recorded = record().unwrap();
    assert_eq!((recorded.locations, recorded.lost.len()), (1, 0), "{recorded:?}");
    assert_eq!(runtime.block_on(two.status(location)), "deleted");
}

#[track_caller]
fn expect_away(when: &str, error: &CatalogError) {
    println!("{when}: {error}");
    assert!(error.is_transient(), "{when}: {error:?}");
}
