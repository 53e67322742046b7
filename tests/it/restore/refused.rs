//! What is not brought back, and why. Nothing changes then: every row and file is compared.

use super::*;
use crate::support::servers::engines_at_hand;
use crate::support::snapshot::Snapshot;

/// A restore and its dry run, both refused for this reason, with nothing changed.
#[track_caller]
fn assert_refused(site: &Site, config: &str, id: &str, words: &str) {
    let before = Snapshot::of(&site.database);
    for dry_run in [&["--dry-run"][..], &[]] {
        let run = site.run_with(&site.config(config), &[dry_run, &["--restore", id]].concat()).expect_code(7);
        assert!(run.stderr.contains(words), "{words:?} in: {}", run.output());
        assert!(run.stderr.lines().any(|line| line.starts_with("ERROR: ")), "{}", run.output());
        Snapshot::of(&site.database).assert_is(&before, words);
    }
}

#[test]
fn bad_ids() {
    for engine in engines_at_hand() {
        let site = site(engine);
        Deleted::new("image", &site.file("image")).insert(&site.database);
        let long = "x".repeat(37);
        for (id, words) in [
            ("none", "ERROR: No image found with ID none\n"),
            ("living", "ERROR: cannot restore the image from active to active (wanted from_state=pending_delete)\n"),
            ("image'; DROP TABLE images; --", "No image found with ID image'; DROP"),
            ("\"image\"", "No image found with ID \"image\""),
            ("image%", "No image found"),
            ("a\nERROR: forged", "No image found with ID a\\nERROR: forged\n"),
            ("\u{1b}[31m", "No image found with ID \\x1b[31m"),
            ("\u{202e}egami", "No image found with ID \\u{202e}egami"),
            ("IMAGE", "No image found with ID IMAGE"),
            ("image ", "No image found with ID image "),
            (&long, "was not found: an id has 36 characters at most"),
            ("\u{1f4a9}", "No image found"),
        ] {
            assert_refused(&site, "", id, words);
        }
        if engine == Engine::Mariadb {
            assert_refused(&site, "", "IMAGE", "; there is image: give it as it is spelled");
            assert_refused(&site, "", "image ", "; there is image: give it as it is spelled");
        }
        for empty in [&["--restore", ""][..], &["--restore="], &["--restore", " "]] {
            site.run(empty).expect_code(2);
        }
        assert!(alive(&site.database, "image").is_empty() && site.has("image"));
    }
}

#[test]
fn images_in_other_states() {
    for engine in engines_at_hand() {
        let site = site(engine);
        let (yes, no) = if engine == Engine::Postgres { ("true", "false") } else { ("1", "0") };
        for id in ["deleted", "unfinished", "timeless", "python", "partly", "empty"] {
            let mut image = Deleted::new(id, &site.file(id));
            image.locations.push((site.file(&format!("{id}2")), TimeDelta::milliseconds(30)));
            image.size = id.len() as u64;
            image.insert(&site.database);
        }
        let scrubbed = Utc::now().format("%Y-%m-%d %H:%M:%S%.6f");
        site.database.execute(&format!(
            "UPDATE images SET status = 'deleted' WHERE id = 'deleted';
             UPDATE images SET deleted = {no}, deleted_at = NULL WHERE id = 'unfinished';
             UPDATE images SET deleted = {yes}, deleted_at = NULL WHERE id = 'timeless';
             UPDATE images SET deleted = {no}, status = 'active' WHERE id = 'python';
             UPDATE image_locations SET status = 'deleted', deleted_at = '{scrubbed}' WHERE value LIKE '%/partly2';
             DELETE FROM image_locations WHERE image_id = 'empty'"
        ));
        for (id, words) in [
            (
                "deleted",
                "cannot restore the image from deleted to active (wanted from_state=pending_delete); its data is gone",
            ),
            ("unfinished", "pending_delete but not marked deleted"),
            ("timeless", "has no deletion time"),
            ("python", "--repair-restored brings back the rest"),
            ("partly", "image partly is scrubbed in part: the data of location"),
            ("empty", "no location that was deleted with it"),
        ] {
            assert_refused(&site, "", id, words);
        }
    }
}

/// What the stores have to say.
#[test]
fn data_that_is_not_there() {
    let site = site(Engine::Sqlite);
    for id in ["gone", "short", "elsewhere", "unknown"] {
        let uri = match id {
            "elsewhere" => "file:///etc/hostname".to_owned(),
            "unknown" => "rbd://fsid/pool/unknown/snap".to_owned(),
            _ => site.file(id),
        };
        Deleted::new(id, &uri).insert(&site.database);
    }
    std::fs::remove_file(site.data().join("gone")).unwrap();
    std::fs::write(site.data().join("short"), "cut").unwrap();
    assert_refused(&site, "", "gone", "in store file is gone");
    assert_refused(&site, "", "short", "in store file has 3 bytes, and the image 5");
    assert_refused(&site, "", "elsewhere", "cannot be told (forbidden: ");
    assert_refused(&site, "", "unknown", "cannot be told (no_store: ");
    // A directory that is not mounted looks as if all of its files had gone.
    std::fs::rename(site.data(), site.directory.path().join("unmounted")).unwrap();
    assert_refused(&site, "", "gone", "cannot be told (unavailable: ");
    std::fs::create_dir(site.data()).unwrap();
    assert_refused(&site, "", "gone", "cannot be told (unavailable: ");
}

/// One copy of two that has gone: the image would be active, and every other download of it would fail.
#[test]
fn all_of_the_data_must_be_there() {
    for engine in engines_at_hand() {
        let site = site(engine);
        let mut image = Deleted::new("image", &site.file("image"));
        image.locations.push((site.uri("gone2"), TimeDelta::milliseconds(30)));
        image.insert(&site.database);
        assert_refused(&site, "", "image", "is gone");
    }
}

#[test]
fn an_undecryptable_location_and_a_broken_row() {
    let site = site(Engine::Sqlite);
    Deleted::new("image", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=").insert(&site.database);
    assert_refused(&site, "", "image", "cannot be told (undecryptable: ");
    site.database.execute("UPDATE image_locations SET deleted_at = 'soon' WHERE image_id = 'image'");
    assert_refused(&site, "", "image", "cannot be read");
}

/// By Glance's words, where Glance refuses the same.
#[test]
fn a_restore_goes_with_no_other_action() {
    let site = site(Engine::Sqlite);
    Deleted::new("image", &site.file("image")).insert(&site.database);
    let before = Snapshot::of(&site.database);
    let glances = "ERROR: The restore and daemon options should not be set together. Please use either of them in one \
                   request.";
    let daemon = site.config("[DEFAULT]\ndaemon = True");
    let run = site.run_with(&daemon, &["--restore", "image"]).expect_code(2);
    assert!(run.stderr.contains(glances), "{}", run.output());
    let in_file = site.config("[DEFAULT]\nrestore = image");
    let run = site.run_with(&in_file, &["--daemon"]).expect_code(2);
    assert!(run.stderr.contains(glances), "{}", run.output());
    for (file, arguments) in [
        ("restore = image", &["--once"][..]),
        ("restore = image", &["--repair-restored"]),
        ("restore =", &[]),
        ("restore =", &["--dry-run"]),
        ("", &["--restore", "image", "--once"]),
        ("", &["--restore", "image", "--check"]),
        ("", &["--restore", "image", "-D"]),
        ("", &["--restore", "image", "--detach"]),
        ("", &["--restore", "image", "--pid-file", "/tmp/pid"]),
        ("", &["--restore", "image", "--repair-restored"]),
        ("", &["--dry-run", "--probe", "--restore", "image"]),
        ("", &["--dry-run", "--probe", "--repair-restored"]),
        ("", &["--repair-restored", "--once"]),
        ("", &["--repair-restored", "--check"]),
        ("", &["--repair-restored", "-D"]),
        ("", &["--repair-restored", "--detach"]),
        ("", &["--restore", "image", "--dry-run", "--once"]),
    ] {
        let run = site.run_with(&site.config(&format!("[DEFAULT]\n{file}")), arguments);
        assert_eq!(run.code, Some(2), "{file} {arguments:?}: {}", run.output());
        Snapshot::of(&site.database).assert_is(&before, "refused");
    }
    // A file alone asks for it, too; and a dry run only looks.
    site.run_with(&in_file, &["--check"]).expect_code(0);
    site.run_with(&site.config("[DEFAULT]\nrestore = image"), &["--dry-run"]).expect_code(0);
    Snapshot::of(&site.database).assert_is(&before, "looked at");
    site.run_with(&site.config("[DEFAULT]\nrestore = image"), &[]).expect_code(0);
    assert_eq!(alive(&site.database, "image"), ALL);
}

#[test]
fn a_database_that_is_not_there() {
    let site = site(Engine::Sqlite);
    std::fs::remove_file(site.database.url().strip_prefix("sqlite:///").unwrap()).unwrap();
    for arguments in [&["--restore", "image"][..], &["--repair-restored"], &["--dry-run", "--restore", "image"]] {
        site.run(arguments).expect_code(6);
    }
}

/// Without claims: a scrubber in its cycle on this host has the lock that a restore wants for itself.
#[test]
fn a_host_that_is_scrubbing() {
    let site = site(Engine::Sqlite);
    Deleted::new("image", &site.file("image")).insert(&site.database);
    let config = site.config("");
    std::fs::write(site.lock_file(), "").unwrap();
    let cycle = std::fs::File::open(site.lock_file()).unwrap();
    cycle.lock_shared().unwrap();
    let before = Snapshot::of(&site.database);
    for arguments in [&["--restore", "image"][..], &["--repair-restored"]] {
        let run = site.run_with(&config, arguments).expect_code(7);
        assert!(run.stderr.contains("a scrubber is in its cycle on this host"), "{}", run.output());
    }
    // Looking is free.
    site.run_with(&config, &["--dry-run", "--restore", "image"]).expect_code(0);
    Snapshot::of(&site.database).assert_is(&before, "locked");
    drop(cycle);
    let run = site.run_with(&config, &["--restore", "image"]).expect_code(0);
    assert!(run.stderr.contains("does not see scrubbers on other hosts"), "{}", run.output());
    assert_eq!(alive(&site.database, "image"), ALL);
    let unusable = site.config("");
    let text =
        std::fs::read_to_string(&unusable).unwrap().replace(&site.lock_file().display().to_string(), "/nowhere/lock");
    std::fs::write(&unusable, text).unwrap();
    let run = site.run_with(&unusable, &["--restore", "image"]).expect_code(5);
    assert!(run.stderr.contains("lock file /nowhere/lock cannot be used"), "{}", run.output());
}
