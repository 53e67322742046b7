//! Users who may not make tables, or not write them: found out before anything is claimed.

use glance_scrubber::catalog::CatalogError;

use super::*;
use crate::support::user::User;

const SECRET: &str = "Hunter2Hunter2";
const DOCUMENTATION: &str = include_str!("../../../docs/configuration.md");

/// Claims as a user who may read Glance's tables, and what `rights` says.
async fn claims_of(site: &Site, user: &User<'_>) -> Arc<dyn Claims> {
    let path = site.config("[scrubber]\ncoordination = database");
    let text = std::fs::read_to_string(&path).unwrap().replace(site.database.url(), &user.url());
    std::fs::write(&path, text).unwrap();
    let config = load(&Invocation::from_process(vec![ConfigSource::File(path)], Vec::new())).unwrap();
    catalog::open(&config.database, DEADLINE).await.unwrap().claims().unwrap()
}

/// The statements of the documentation, for administrators who give no right to make tables.
fn documented(engine: Engine) -> &'static str {
    let mark = if engine == Engine::Mariadb { "ENGINE = InnoDB" } else { "TIMESTAMP(3)" };
    DOCUMENTATION.split("```").find(|block| block.starts_with("sql\n") && block.contains(mark)).unwrap()[3..].trim()
}

fn on_servers<F: Future<Output = ()>>(test: impl Fn(Site) -> F) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    for engine in engines_at_hand().into_iter().filter(|engine| *engine != Engine::Sqlite) {
        runtime.block_on(test(Site::new(engine)));
    }
}

#[test]
fn without_the_right_to_make_tables_those_made_by_hand_do() {
    on_servers(|site| async move {
        let user = User::reader(&site.database, SECRET);
        let claims = claims_of(&site, &user).await;
        let error = claims.prepare().await.unwrap_err();
        assert!(matches!(error, CatalogError::NoState(_)) && !error.is_transient(), "{error}");
        assert!(error.to_string().contains("grant CREATE, or make them by hand"), "{error}");
        assert!(!error.to_string().contains(SECRET));
        site.database.execute(documented(site.database.engine));
        for table in ["scrubber_locations", "scrubber_schema"] {
            user.grant(&format!("SELECT, INSERT, UPDATE, DELETE ON {table}"));
        }
        claims.prepare().await.unwrap();
        let wanted = [Wanted { location: LocationId(1), image: image("i") }];
        let owner = scrubber();
        assert_eq!(claims.take(&owner, &wanted, LEASE, false).await.unwrap(), [Taken::Granted(None)]);
        assert_eq!(granted(&claims.take(&owner, &wanted, LEASE, false).await.unwrap()), 1);
        assert_eq!(claims.renew(&owner, &ids(&wanted), LEASE).await.unwrap().len(), 1);
        claims.settle(&[], &settlement(&owner, vec![kept(&wanted[0], Some(failure(1, "no")))])).await.unwrap();
        assert_eq!(claims.retry_now(&[]).await.unwrap(), 1);
    });
}

#[test]
fn tables_that_may_not_be_written_are_found_out_before_a_claim() {
    on_servers(|site| async move {
        let ledger = catalog::open(&config(&site, "").database, DEADLINE).await.unwrap();
        ledger.claims().unwrap().prepare().await.unwrap();
        let user = User::reader(&site.database, SECRET);
        for right in ["INSERT", "UPDATE", "DELETE"] {
            let claims = claims_of(&site, &user).await;
            let error = claims.prepare().await.unwrap_err();
            assert!(matches!(error, CatalogError::StateReadOnly(_)), "without {right}: {error}");
            assert!(error.to_string().contains("UPDATE and DELETE on scrubber_locations"), "{error}");
            user.grant(&format!("{right} ON scrubber_locations"));
        }
        claims_of(&site, &user).await.prepare().await.unwrap();
    });
}
