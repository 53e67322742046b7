//! What Percona's clusters forbid under pxc_strict_mode, and MariaDB's do not all: nothing of it is in a statement of ours.

use super::*;

#[test]
fn our_tables_are_ones_that_replicate() {
    on_a_cluster(|pair| async move {
        pair.sides().await;
        let of = |sql: &str| pair.site.database.rows(sql).into_iter().flatten().flatten().collect::<Vec<_>>();
        let engines = of("SELECT DISTINCT engine FROM information_schema.tables WHERE table_schema = database()");
        assert_eq!(engines, ["InnoDB"]);
        let without_key = of("SELECT t.table_name FROM information_schema.tables t WHERE t.table_schema = database() \
                              AND NOT EXISTS (SELECT 1 FROM information_schema.table_constraints c WHERE \
                              c.table_schema = t.table_schema AND c.table_name = t.table_name AND \
                              c.constraint_type = 'PRIMARY KEY')");
        assert!(without_key.is_empty(), "{without_key:?}");
    });
}

/// Words of Percona's manual on pxc_strict_mode, and of Galera's on what is not replicated or does not scale to it.
/// `FOR UPDATE` is none of them, and neither is `CREATE TABLE IF NOT EXISTS`.
const FORBIDDEN: [&str; 15] = [
    "LOCK TABLE",
    "UNLOCK TABLE",
    "LOCK IN SHARE MODE",
    "WITH READ LOCK",
    "GET_LOCK",
    "RELEASE_LOCK",
    "IS_FREE_LOCK",
    "MYISAM",
    "ENGINE=ARIA",
    "ALTER TABLE",
    "DISCARD TABLESPACE",
    "IMPORT TABLESPACE",
    "SERIALIZABLE",
    "BINLOG_FORMAT",
    "XA ",
];

/// What claims, records and makes tables is asked here, and what it said to the server is read in the server's own log.
#[test]
fn no_statement_is_one_that_a_strict_cluster_forbids() {
    let Some(cluster) = Galera::shared() else { return };
    let pair = Pair::new(&cluster);
    let name = pair.site.database.url().rsplit('/').next().unwrap().to_owned();
    runtime().block_on(async {
        let one = Side::new(&config(pair.site.config(BY_CLAIMS))).await;
        let (image, location) = claims::pending(&pair, &one, 0).await;
        let wanted = [Wanted { location, image: image.clone() }];
        let owner = scrubber();
        one.take(&owner, &wanted).await;
        one.claims.renew(&owner, &[location], LEASE).await.unwrap();
        let settlement = Some(Settlement { owner, lease: LEASE, kept: Vec::new() });
        one.ledger.record(&Batch { gone: vec![location], images: vec![image], settlement }, Utc::now()).await.unwrap();
        one.claims.retry_now(&[]).await.unwrap();
        one.claims.forget(&[location]).await.unwrap();
    });
    for arguments in [&["--once"][..], &["--dry-run"], &["--check"]] {
        pair.site.run_with(&pair.site.config(BY_CLAIMS), arguments);
    }
    let log = cluster.statements("1");
    let statements = statements_on(&log, &name);
    println!("{} statements", statements.len());
    for expected in ["CREATE TABLE IF NOT EXISTS scrubber_locations", "INSERT INTO scrubber_locations", "UPDATE images"]
    {
        assert!(statements.iter().any(|statement| statement.contains(expected)), "{expected} is not in the log");
    }
    for statement in statements {
        let upper = statement.to_uppercase();
        let found = FORBIDDEN.iter().find(|words| upper.contains(**words));
        assert_eq!(found, None, "{statement}");
        assert!(!(upper.contains("CREATE TABLE") && upper.contains(" SELECT ")), "{statement}");
    }
}

/// The statements of the scrubber's connections to database `name`: those that prepare statements, as the tests' own do not.
/// The log's lines are `TIME<tab>ID COMMAND<tab>TEXT`, and two tabs where the time is the line's before.
fn statements_on<'l>(log: &'l str, name: &str) -> Vec<&'l str> {
    let mut of_database: HashMap<&str, (bool, Vec<&str>)> = HashMap::new();
    for line in log.lines() {
        let Some((head, text)) = line.split_once('\t').and_then(|(_, rest)| rest.trim_start().split_once('\t')) else {
            continue;
        };
        let Some((id, command)) = head.split_once(' ') else { continue };
        match (command, of_database.get_mut(id)) {
            ("Connect", _) if text.contains(&format!(" on {name} ")) => {
                of_database.insert(id, (false, Vec::new()));
            }
            ("Execute" | "Query", Some((prepares, statements))) => {
                *prepares |= command == "Execute";
                statements.push(text);
            }
            _ => {}
        }
    }
    of_database.into_values().filter(|(prepares, _)| *prepares).flat_map(|(_, statements)| statements).collect()
}
