//! With real files: the probe foretells what a cycle then does, and changes nothing.

use std::collections::BTreeMap;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

use chrono::TimeDelta;
use serde_json::{Value, json};

use crate::support::binary::{Finished, Scrubber};
use crate::support::rows::Image;
use crate::support::servers::{Engine, engines_at_hand};
use crate::support::site::Site;
use crate::support::snapshot::Snapshot;

const HOUR: TimeDelta = TimeDelta::hours(1);

fn document(run: &Finished) -> Value {
    assert_eq!((run.code, run.stderr.as_str()), (Some(0), ""), "{}", run.output());
    serde_json::from_str(&run.stdout).unwrap()
}

fn probe(site: &Site, config: &Path) -> Value {
    document(&site.run_with(config, &["--dry-run", "--probe", "-f", "json"]))
}

/// `verdict reason` of each image.
fn verdicts(document: &Value) -> BTreeMap<&str, String> {
    let verdict = |line: &Value| [&line["verdict"], &line["reason"]].map(|word| word.as_str().unwrap_or("-")).join(" ");
    let lines = document["locations"].as_array().unwrap().iter();
    lines.map(|line| (line["image_id"].as_str().unwrap(), verdict(line))).collect()
}

/// Every file of a site with what a change would show in.
fn files(site: &Site) -> Vec<(String, u64, i64, i64)> {
    let mut files: Vec<_> = std::fs::read_dir(site.data())
        .unwrap()
        .map(|entry| {
            let entry = entry.unwrap();
            let file = entry.metadata().unwrap();
            (entry.file_name().into_string().unwrap(), file.len(), file.mtime_nsec(), file.ctime_nsec())
        })
        .collect();
    files.sort();
    files
}

/// Bytes that a file takes, which depends on the file system.
fn allocated(path: &Path) -> u64 {
    std::fs::symlink_metadata(path).unwrap().blocks() * 512
}

fn insert(site: &Site, id: &str, value: &str) {
    Image::pending(id, HOUR * 2, &[value]).insert(&site.database);
}

#[test]
fn a_probe_foretells_the_cycle_and_changes_nothing() {
    for engine in engines_at_hand() {
        let site = Site::new(engine);
        Image::active("living", &[&site.file("living"), &site.file("shared")]).insert(&site.database);
        insert(&site, "there", &site.file("there"));
        insert(&site, "absent", &site.uri("absent"));
        // What goes is the link, wherever it leads, or nowhere.
        std::os::unix::fs::symlink("nowhere", site.data().join("link")).unwrap();
        insert(&site, "link", &site.uri("link"));
        std::fs::create_dir(site.data().join("directory")).unwrap();
        insert(&site, "directory", &site.uri("directory"));
        std::os::unix::fs::symlink("/etc", site.data().join("elsewhere")).unwrap();
        insert(&site, "elsewhere", &site.uri("elsewhere/hostname"));
        insert(&site, "web", "http://127.0.0.1:9/nobody-listens");
        insert(&site, "outside", "file:///etc/hostname");
        insert(&site, "shared", &site.uri("shared"));
        Image::pending("recent", HOUR / 2, &[&site.file("recent")]).insert(&site.database);

        let before = (Snapshot::of(&site.database), files(&site));
        let probed = probe(&site, &site.config(""));
        assert_eq!((Snapshot::of(&site.database), files(&site)), before, "a probe changed something");
        let foretold = verdicts(&probed);
        let expected = [
            ("there", "delete -"),
            ("absent", "delete absent"),
            ("link", "delete -"),
            ("directory", "keep failed"),
            ("elsewhere", "keep forbidden"),
            ("web", "delete nothing_to_delete"),
            ("outside", "keep forbidden"),
            ("shared", "keep shared"),
            ("recent", "keep not_due"),
        ];
        assert_eq!(foretold, expected.map(|(image, verdict)| (image, verdict.to_owned())).into());

        let cycle = site.run(&["--once", "-f", "json"]);
        assert_eq!(cycle.code, Some(3), "{}", cycle.output());
        let cycle: Value = serde_json::from_str(&cycle.stdout).unwrap();
        let count = |list: &str, word: &str, is: &str| {
            let lines = cycle[list].as_array().unwrap().iter().filter(|line| line[word] == is);
            lines.map(|line| line["locations"].as_u64().unwrap()).sum::<u64>()
        };
        let done = ["deleted", "absent", "nothing_to_delete"].map(|outcome| count("done", "outcome", outcome));
        let kept = ["failed", "forbidden", "shared"].map(|reason| count("kept", "reason", reason));
        assert_eq!((done, kept), ([2, 1, 1], [1, 2, 1]), "{cycle}");
    }
}

/// What removing a file brings back is what it takes, however long it says it is.
#[test]
fn the_bytes_that_a_file_takes_are_told_and_summed() {
    let site = Site::new(Engine::Sqlite);
    Image::active("living", &[&site.file("living")]).insert(&site.database);
    let (thin, full) = (site.data().join("thin"), site.data().join("full"));
    std::fs::File::create(&thin).unwrap().set_len(1 << 40).unwrap();
    std::fs::write(&full, vec![7; 1 << 20]).unwrap();
    insert(&site, "thin", &site.uri("thin"));
    insert(&site, "full", &site.uri("full"));
    insert(&site, "absent", &site.uri("absent"));
    let probed = probe(&site, &site.config(""));
    let stored: BTreeMap<_, _> = probed["locations"]
        .as_array()
        .unwrap()
        .iter()
        .map(|line| (line["image_id"].as_str().unwrap(), line["stored"].clone()))
        .collect();
    let (thin, full) = (allocated(&thin), allocated(&full));
    assert!(thin < 1 << 20 && full > 0, "{thin} and {full} bytes: this file system has no thin files");
    assert_eq!(stored, [("thin", json!(thin)), ("full", json!(full)), ("absent", json!(null))].into());
    let sums = json!([
        {"store": "file", "verdict": "delete", "reason": null, "locations": 2, "bytes": 2000, "stored": thin + full},
        {"store": "file", "verdict": "delete", "reason": "absent", "locations": 1, "bytes": 1000, "stored": null},
    ]);
    assert_eq!(probed["summary"]["by_store"], sums);
}

#[test]
fn a_directory_that_cannot_be_trusted_is_told_before_a_cycle_meets_it() {
    let site = Site::new(Engine::Sqlite);
    Image::active("living", &[&site.file("living")]).insert(&site.database);
    insert(&site, "due", &site.file("due"));
    let away = site.directory.path().join("away");
    let rows = Snapshot::of(&site.database);
    let tells = |more: &str, words: &str| {
        let document = probe(&site, &site.config(more));
        let line = &document["locations"][0];
        assert_eq!((&line["verdict"], &line["reason"]), (&json!("keep"), &json!("unavailable")), "{line}");
        assert!(line["detail"].as_str().unwrap().contains(words), "{line}");
    };
    std::fs::rename(site.data(), &away).unwrap();
    tells("", "does not exist; is it mounted?");
    assert!(!site.data().exists(), "directories are never created");
    std::fs::create_dir(site.data()).unwrap();
    tells("", "is the right one mounted?");
    std::fs::remove_dir(site.data()).unwrap();
    std::fs::rename(&away, site.data()).unwrap();
    tells("[scrubber]\nfile_marker = .glance-images", "has no .glance-images");
    assert_eq!(verdicts(&probe(&site, &site.config("")))["due"], "delete -");
    Snapshot::of(&site.database).assert_is(&rows, "after probes");
}

#[test]
fn a_directory_that_may_not_be_written_is_forbidden() {
    let site = Site::new(Engine::Sqlite);
    Image::active("living", &[&site.file("living")]).insert(&site.database);
    insert(&site, "due", &site.file("due"));
    std::fs::create_dir(site.data().join("below")).unwrap();
    insert(&site, "below", &site.file("below/due"));
    let chmod = |path: &Path, mode| std::fs::set_permissions(path, PermissionsExt::from_mode(mode)).unwrap();
    let database = Path::new(site.database.url().strip_prefix("sqlite:///").unwrap());
    let config = site.config("");
    chmod(site.directory.path(), 0o755);
    chmod(database.parent().unwrap(), 0o755);
    // By the directory that the file is in: the one above it does not matter for removing.
    for (data, below, due, due_below) in [
        (0o755, 0o755, "keep forbidden", "keep forbidden"),
        (0o777, 0o755, "delete -", "keep forbidden"),
        (0o755, 0o777, "keep forbidden", "delete -"),
        (0o777, 0o777, "delete -", "delete -"),
    ] {
        chmod(&site.data(), data);
        chmod(&site.data().join("below"), below);
        let arguments = ["--dry-run", "--probe", "-f", "json"];
        let run = arguments.iter().fold(Scrubber::unprivileged().config_file(&config), |run, word| run.arg(word)).run();
        let document = document(&run);
        let expected = [("due", due.to_owned()), ("below", due_below.to_owned())].into();
        assert_eq!(verdicts(&document), expected, "{data:o} {below:o}");
        if data == 0o755 {
            assert!(run.stdout.contains("must run as the user that Glance runs as"), "{}", run.stdout);
        }
    }
    assert!(site.has("due") && site.has("below/due"));
}

#[test]
fn a_probe_foretells_a_refusal_too() {
    let site = Site::new(Engine::Sqlite);
    insert(&site, "due", &site.uri("absent"));
    let run = site.run(&["--dry-run", "--probe", "-f", "csv"]);
    assert_eq!(run.code, Some(4), "{}", run.output());
    assert!(
        run.stdout.lines().next().unwrap().ends_with(",reason,detail,attempts,last_outcome,next_attempt_at,stored"),
        "{}",
        run.stdout
    );
    assert!(run.stdout.lines().nth(1).unwrap().ends_with(",delete,absent,,,,,"), "{}", run.stdout);
}
