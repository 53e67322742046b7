//! What people and scripts see, kept as files in `golden/`: a change there is a change for them.

use std::path::Path;

use chrono::{TimeZone, Utc};

use crate::support::binary::{Finished, Scrubber};
use crate::support::rows::Image;
use crate::support::servers::Engine;
use crate::support::site::Site;

/// Compares `text` with the file, and renews it under `SCRUBBER_TEST_BLESS`.
#[track_caller]
fn assert_golden(file: &str, text: &str) {
    assert_kept(&format!("tests/it/golden/{file}"), text);
}

/// The same for a file anywhere in the repository.
#[track_caller]
fn assert_kept(file: &str, text: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
    if std::env::var_os("SCRUBBER_TEST_BLESS").is_some() {
        std::fs::write(&path, text).unwrap();
    }
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(text == kept, "{file} was:\n{kept}\nis:\n{text}\nSCRUBBER_TEST_BLESS=1 renews it");
}

/// Output with the site's paths and all times of this run replaced.
fn masked(site: &Site, text: &str) -> String {
    let database = site.database.url().strip_prefix("sqlite:///").unwrap();
    let text = text.replace(&site.directory.path().display().to_string(), "DIR").replace(database, "DATABASE");
    let this_year = Utc::now().format("%Y-").to_string();
    let word = |word: &str| {
        let is_time = word.starts_with(&this_year) && word.contains('T') && word.contains(':');
        if is_time { format!("TIME{}", &word[word.len() - 1..]) } else { word.to_owned() }
    };
    let text: String = text.split_inclusive(['"', ' ', ',', '\n']).map(word).collect();
    // A cycle's name is random: eight digits.
    match text.split_once("\"cycle\":\"") {
        Some((before, after)) => format!("{before}\"cycle\":\"CYCLE{}", &after[8..]),
        None => text,
    }
}

/// A table whose width does not depend on how long a path is on this machine.
fn squeezed(table: &str) -> String {
    let line = |line: &str| match line.starts_with("+-") {
        true => "+---+\n".to_owned(),
        false => line.split(' ').filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ") + "\n",
    };
    table.lines().map(line).collect()
}

/// One of each kind of verdict, with times that do not change.
fn site() -> Site {
    let site = Site::new(Engine::Sqlite);
    Image::active("living", &[&site.file("living")]).insert(&site.database);
    let pending = |id: &str, year: i32, values: &[&str]| {
        let mut image = Image::pending(id, chrono::TimeDelta::zero(), values);
        image.deleted_at = Utc.with_ymd_and_hms(year, 1, 2, 3, 4, 5).single();
        for location in &mut image.locations {
            location.deleted_at = image.deleted_at;
        }
        image
    };
    pending("due", 2020, &[&site.file("due"), "https://user:secret@mirror.example.com/due?token=secret"])
        .insert(&site.database);
    let mut named = pending("named", 2021, &[&site.uri("gone")]);
    (named.name, named.size) = ("été \"1\", 2".to_owned(), 5 << 30);
    named.insert(&site.database);
    pending("ahead", 2999, &[&site.file("ahead")]).insert(&site.database);
    pending("outside", 2022, &["file:///etc/hostname"]).insert(&site.database);
    pending("unknown", 2023, &["sheepdog://127.0.0.1:7000:image"]).insert(&site.database);
    pending("no-store", 2023, &["rbd://fsid/pool/image/snap"]).insert(&site.database);
    let mut restored = pending("restored", 2024, &[&site.file("restored")]);
    (restored.status, restored.deleted) = ("active", false);
    restored.insert(&site.database);
    let mut crashed = pending("crashed", 2020, &[&site.uri("crashed")]);
    crashed.locations[0].status = "deleted";
    crashed.insert(&site.database);
    site
}

#[track_caller]
fn stdout(run: Finished, code: i32) -> String {
    run.expect_code(code).stdout
}

#[test]
fn help() {
    assert_golden("help.txt", &stdout(Scrubber::new().arg("--help").run(), 0));
    assert_golden("help-short.txt", &stdout(Scrubber::new().arg("-h").run(), 0));
}

/// What packages install is what the program prints.
#[test]
fn sample_config_and_man_page() {
    for (option, file) in
        [("--print-sample-config", "etc/glance-scrubber.conf"), ("--print-man-page", "man/glance-scrubber.8")]
    {
        assert_kept(file, &stdout(Scrubber::new().arg(option).run(), 0));
    }
}

#[test]
fn dry_run() {
    let site = site();
    for format in ["table", "json", "csv", "value"] {
        let text = masked(&site, &stdout(site.run(&["--dry-run", "-f", format]), 0));
        let text = if format == "table" { squeezed(&text) } else { text };
        assert_golden(&format!("dry-run.{format}"), &text);
    }
}

/// With thin files, which take nothing: what others take is up to the file system.
#[test]
fn dry_run_with_probe() {
    let site = site();
    std::fs::File::create(site.data().join("due")).unwrap().set_len(1000).unwrap();
    for format in ["table", "json", "csv", "value"] {
        let text = masked(&site, &stdout(site.run(&["--dry-run", "--probe", "-f", format]), 0));
        let text = if format == "table" { squeezed(&text) } else { text };
        assert_golden(&format!("probe.{format}"), &text);
    }
}

/// After a cycle that failed on some, with what is known of them.
#[test]
fn dry_run_after_failures() {
    let site = site();
    let stuck = ["waiting", "over", "held", "long"];
    for id in stuck {
        std::fs::create_dir(site.data().join(id)).unwrap();
        Image::pending(id, chrono::TimeDelta::hours(2), &[&site.uri(id)]).insert(&site.database);
    }
    let config = || site.config("[scrubber]\ncoordination = database\ngive_up_after = 86400");
    stdout(site.run_with(&config(), &["--once"]), 3);
    let set = |what: &str, id: &str| {
        site.database.execute(&format!("UPDATE scrubber_locations SET {what} WHERE image_id = '{id}'"));
    };
    let (past, far) = ("'2020-02-03 04:05:06'", "'2999-02-03 04:05:06'");
    set(&format!("first_failed_at = {past}"), "long");
    set(&format!("next_attempt_at = {past}"), "over");
    set(&format!("next_attempt_at = {past}, claimed_until = {far}, owner = 'restore node-3 4711 00ff'"), "held");
    for format in ["table", "json", "csv", "value"] {
        let text = masked(&site, &stdout(site.run_with(&config(), &["--dry-run", "-f", format]), 0));
        let text = if format == "table" { squeezed(&text) } else { text };
        assert_golden(&format!("dry-run-known.{format}"), &text);
    }
}

#[test]
fn dry_run_of_nothing() {
    let site = Site::new(Engine::Sqlite);
    for format in ["table", "json"] {
        assert_golden(&format!("dry-run-nothing.{format}"), &stdout(site.run(&["--dry-run", "-f", format]), 0));
    }
}

#[test]
fn check() {
    let site = site();
    let sound = stdout(site.run(&["--check"]), 0);
    assert_golden("check.table", &squeezed(&masked(&site, &sound)));
    let faulty = site.config("stores = file, http, sheepdog\nfilesystem_store_datadirs = {dir}/none");
    let faulty = stdout(site.run_with(&faulty, &["--check", "-f", "json"]), 3);
    assert_golden("check.json", &masked(&site, &faulty));
}

#[test]
fn once() {
    for format in ["table", "json", "csv", "value"] {
        let site = site();
        let text = masked(&site, &stdout(site.run(&["--once", "-f", format]), 3));
        assert_golden(&format!("once.{format}"), &text);
    }
}

#[test]
fn config_errors() {
    let site = site();
    let config = site.config(
        "[DEFAULT]\nscrub_time = soon\nmetadata_encryption_key = short\nenabled_backends = a:file,\n\
         debug = maybe\n[scrubber]\nmax_image_per_cycle = 1\nmax_percent_of_images = 101\nrubbish\n[open",
    );
    assert_golden("config-errors.txt", &masked(&site, &site.run_with(&config, &[]).expect_code(5).stderr));
}
