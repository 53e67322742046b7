//! Databases that may be read but not written. Data that is deleted but cannot be recorded would be deleted for nobody,
//! so it must be found out before.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::*;
use crate::support::binary::Scrubber;
use crate::support::servers::engines_at_hand;
use crate::support::user::User;

#[test]
fn a_user_who_may_not_update_is_found_out_before_anything_is_deleted() {
    for engine in engines_at_hand().into_iter().filter(|engine| *engine != Engine::Sqlite) {
        for (writable, missing) in [(&[][..], "image_locations"), (&["image_locations"], "images")] {
            let site = site_on(engine);
            let user = User::reader(&site.database, SECRET);
            for table in writable {
                user.grant(&format!("UPDATE ON {table}"));
            }
            let config = pointing_to(&site, &user.url());
            let listed = site.run_with(&config, &["--dry-run", "-f", "value"]);
            assert_eq!((listed.code, listed.stderr.as_str()), (Some(0), ""), "{}", listed.output());
            assert!(listed.stdout.starts_with("due "), "{}", listed.output());
            let words = ["cannot be written", missing, "grant UPDATE on images and image_locations"];
            assert_refused(&site.run_with(&config, &["--once"]), 6, &words);
            assert_untouched(&site);
        }
    }
}

/// A replica, or a server before its failover is over.
#[test]
fn a_read_only_server_is_found_out_before_anything_is_deleted() {
    for engine in engines_at_hand().into_iter().filter(|engine| *engine == Engine::Postgres) {
        let site = site_on(engine);
        let name = site.database.url().rsplit('/').next().unwrap();
        site.database.execute(&format!("ALTER DATABASE {name} SET default_transaction_read_only = on"));
        assert_refused(&site.run(&["--once"]), 6, &["cannot be written", "read-only"]);
        assert_untouched(&site);
    }
}

#[test]
fn a_read_only_sqlite_file_is_found_out_before_anything_is_deleted() {
    let site = site_on(Engine::Sqlite);
    let config = site.config("");
    let file = Path::new(site.database.url().strip_prefix("sqlite:///").unwrap());
    let chmod = |path: &Path, mode| std::fs::set_permissions(path, PermissionsExt::from_mode(mode)).unwrap();
    let directory = file.parent().unwrap();
    chmod(site.directory.path(), 0o755);
    chmod(&site.data(), 0o777);
    std::fs::write(site.lock_file(), "").unwrap();
    chmod(&site.lock_file(), 0o666);
    let run = |argument| Scrubber::unprivileged().config_file(&config).arg(argument).run();
    // The second cannot make a journal beside the file.
    for (of_directory, of_file) in [(0o777, 0o444), (0o555, 0o666)] {
        chmod(directory, of_directory);
        chmod(file, of_file);
        let listed = run("--dry-run");
        assert_eq!((listed.code, listed.stderr.as_str()), (Some(0), ""), "{}", listed.output());
        assert_refused(&run("--once"), 6, &["cannot be written", "not read-only"]);
        assert_untouched(&site);
    }
    chmod(directory, 0o777);
    assert_eq!(run("--once").code, Some(0), "with the rights it works");
    assert!(!site.has("due"));
}
