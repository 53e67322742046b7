//! The tables themselves: made on first use, once, and left alone where they are newer.

use glance_scrubber::catalog::CatalogError;

use super::*;

#[test]
fn many_at_once_make_the_tables() {
    for engine in engines_at_hand() {
        let site = Site::new(engine);
        let config = config(&site, "");
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        runtime.block_on(async {
            let mut tasks = tokio::task::JoinSet::new();
            let mut opened = Vec::new();
            for _ in 0..8 {
                opened.push(catalog::open(&config.database, DEADLINE).await.unwrap().claims().unwrap());
            }
            for claims in opened {
                tasks.spawn(async move { claims.prepare().await });
            }
            while let Some(done) = tasks.join_next().await {
                done.unwrap().unwrap_or_else(|error| panic!("{engine:?}: {error}"));
            }
        });
        assert_eq!(site.database.rows("SELECT version FROM scrubber_schema"), [[Some("1".to_owned())]]);
    }
}

#[test]
fn tables_of_a_newer_version_are_left_alone() {
    on_each(|shared| async move {
        shared.site.database.execute("UPDATE scrubber_schema SET version = 2");
        let sharing = &shared.config.scrubber.sharing;
        for error in [
            shared.claims.prepare().await.err(),
            catalog::coordinate(sharing, &shared.ledger, DEADLINE).await.err(),
            shared.claims.rows(&mut |_| ()).await.err(),
        ] {
            let error = error.unwrap();
            assert!(matches!(error, CatalogError::NewerState { found: 2, known: 1 }), "{error}");
            assert!(error.to_string().contains("install the same version") && !error.is_transient(), "{error}");
        }
    });
}

/// Killed between the statements that make the tables.
#[test]
fn tables_that_are_half_made_are_completed() {
    on_each(|shared| async move {
        for undo in ["DELETE FROM scrubber_schema", "DROP TABLE scrubber_schema", "DROP TABLE scrubber_locations"] {
            shared.site.database.execute(undo);
            shared.claims.prepare().await.unwrap();
            assert_eq!(shared.site.database.rows("SELECT version FROM scrubber_schema"), [[Some("1".to_owned())]]);
            shared.claims.take(&scrubber(), &[], LEASE, false).await.unwrap();
        }
    });
}
