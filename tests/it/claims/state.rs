//! Where the claims are: nowhere, with Glance's rows, or in a database of their own.

use std::path::Path;

use glance_scrubber::catalog::{CatalogError, Coordination, coordinate, coordinate_read_only};

use super::*;
use crate::support::database::Database;

/// How many of our own tables there are.
fn tables(database: &Database) -> String {
    let sql = match database.engine {
        Engine::Sqlite => "SELECT count(*) FROM sqlite_master WHERE name LIKE 'scrubber%' AND type = 'table'",
        Engine::Mariadb => {
            "SELECT count(*) FROM information_schema.tables WHERE table_schema = database() AND table_name LIKE 'scrubber%'"
        }
        Engine::Postgres => "SELECT count(*) FROM pg_tables WHERE tablename LIKE 'scrubber%'",
    };
    database.rows(sql)[0][0].clone().unwrap()
}

/// Runs `test` with a site of each engine, where nobody has claimed anything yet.
fn on_each_site<F: Future<Output = ()>>(test: impl Fn(Site) -> F) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    for engine in engines_at_hand() {
        runtime.block_on(test(Site::new(engine)));
    }
}

async fn coordination(config: &Config) -> Result<Coordination, CatalogError> {
    let ledger = catalog::open(&config.database, DEADLINE).await.unwrap();
    coordinate(&config.scrubber.sharing, &ledger, DEADLINE).await
}

async fn read_only(config: &Config) -> Result<Option<Arc<dyn Claims>>, CatalogError> {
    coordinate_read_only(&config.scrubber.sharing, &config.database, DEADLINE).await
}

async fn claim_one(claims: &dyn Claims) {
    let wanted = [Wanted { location: LocationId(1), image: image("i") }];
    assert_eq!(granted(&claims.take(&scrubber(), &wanted, LEASE, false).await.unwrap()), 1);
}

#[test]
fn without_coordination_there_is_no_trace() {
    on_each_site(|site| async move {
        let config = load(&Invocation::from_process(vec![ConfigSource::File(site.config(""))], Vec::new())).unwrap();
        assert!(matches!(coordination(&config).await.unwrap(), Coordination::Alone));
        assert!(read_only(&config).await.unwrap().is_none());
        assert_eq!(tables(&site.database), "0");
    });
}

#[test]
fn claims_are_in_glances_database_where_nothing_else_is_said() {
    on_each_site(|site| async move {
        let config = config(&site, "");
        let coordination = coordination(&config).await.unwrap();
        assert!(matches!(coordination, Coordination::Within(_)));
        assert_eq!(tables(&site.database), "2");
        claim_one(&**coordination.claims().unwrap()).await;
    });
}

#[test]
fn claims_in_another_database_leave_glances_alone() {
    on_each_site(|site| async move {
        let other = Database::fresh(site.database.engine);
        let config = config(&site, &format!("state_connection = {}", other.url()));
        let coordination = coordination(&config).await.unwrap();
        assert!(matches!(coordination, Coordination::Beside(_)));
        claim_one(&**coordination.claims().unwrap()).await;
        assert_eq!((tables(&site.database).as_str(), tables(&other).as_str()), ("0", "2"));
        let mut rows = 0;
        read_only(&config).await.unwrap().unwrap().rows(&mut |_| rows += 1).await.unwrap();
        assert_eq!(rows, 1);
    });
}

#[test]
fn claims_in_a_sqlite_file_that_is_made_on_first_use() {
    on_each_site(|site| async move {
        let file = site.directory.path().join("state.db");
        let config = config(&site, &format!("state_connection = sqlite:///{}", file.display()));
        assert!(read_only(&config).await.unwrap().is_none());
        assert!(!file.exists(), "reading makes no file");
        claim_one(&**coordination(&config).await.unwrap().claims().unwrap()).await;
        assert!(file.exists());
        let claims = read_only(&config).await.unwrap().unwrap();
        assert_eq!(claims.of_images(&[image("i")]).await.unwrap().len(), 1);
        let gone = site.directory.path().join("gone/state.db");
        let config = self::config(&site, &format!("state_connection = sqlite:///{}", gone.display()));
        let error = coordination(&config).await.err().unwrap();
        assert!(!error.is_transient(), "{error}");
        let words = error.to_string();
        assert!(
            words.starts_with("state_connection: ") && words.ends_with("see [scrubber] state_connection"),
            "{words}"
        );
        assert!(words.contains("its directory does not exist"), "{words}");
    });
}

#[test]
fn reading_makes_nothing_and_writes_nothing() {
    on_each_site(|site| async move {
        let config = config(&site, "");
        let reader = read_only(&config).await.unwrap().unwrap();
        assert_eq!(reader.rows(&mut |_| ()).await.unwrap(), 0);
        assert_eq!(reader.of_images(&[image("i")]).await.unwrap(), []);
        assert!(matches!(reader.prepare().await, Err(CatalogError::NoState(_))));
        assert_eq!(tables(&site.database), "0");
        claim_one(&**coordination(&config).await.unwrap().claims().unwrap()).await;
        assert_eq!(reader.rows(&mut |_| ()).await.unwrap(), 1);
        assert_eq!(reader.of_images(&[image("i")]).await.unwrap().len(), 1);
        let wanted = [Wanted { location: LocationId(2), image: image("i") }];
        let error = reader.take(&scrubber(), &wanted, LEASE, false).await.unwrap_err();
        assert!(matches!(error, CatalogError::ReadOnly(_)), "{error}");
        assert!(matches!(reader.prepare().await, Err(CatalogError::StateReadOnly(_))));
    });
}

#[test]
fn an_error_says_which_database_it_is_about() {
    on_each_site(|site| async move {
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let more = format!("state_connection = postgresql://u:Hunter2@127.0.0.1:{port}/state");
        let config = config(&site, &more);
        for error in [coordination(&config).await.err(), read_only(&config).await.err()] {
            let error = error.unwrap();
            assert!(error.is_transient(), "{error}");
            let words = error.to_string();
            assert!(words.starts_with("state_connection: the database cannot be reached: 127.0.0.1"), "{words}");
            assert!(!words.contains("Hunter2"));
        }
    });
}

/// Also once it was connected.
#[test]
fn a_state_database_that_goes_is_told_apart() {
    on_each_site(|site| async move {
        let other = Database::fresh(Engine::Sqlite);
        let config = config(&site, &format!("state_connection = {}", other.url()));
        let coordination = coordination(&config).await.unwrap();
        std::fs::write(Path::new(other.url().strip_prefix("sqlite:///").unwrap()), "no database at all").unwrap();
        let wanted = [Wanted { location: LocationId(1), image: image("i") }];
        let error = coordination.claims().unwrap().take(&scrubber(), &wanted, LEASE, false).await.unwrap_err();
        assert!(error.to_string().starts_with("state_connection: "), "{error}");
    });
}
