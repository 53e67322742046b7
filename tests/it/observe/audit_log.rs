//! One line for each location, whatever happens to the file.

use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::sync::Arc;

use chrono::TimeDelta;
use glance_scrubber::observe::audit_log::AuditLog;
use glance_scrubber::scrub::Several;
use glance_scrubber::store::{Answer, Outcome};
use serde_json::Value;

use super::{cycle, status};
use crate::lanes::{Fake, fill};
use crate::support::rows::{Image, states};
use crate::support::servers::Engine;
use crate::support::site::Site;

fn lines(path: &std::path::Path) -> Vec<Value> {
    let text = std::fs::read_to_string(path).unwrap();
    assert!(text.is_empty() || text.ends_with('\n'));
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// `a0` is deleted, `a1` is in use, `a2` is in use at first and fails then.
#[test]
fn each_end_and_each_new_reason_is_a_line() {
    let site = Site::new(Engine::Sqlite);
    fill(&site, &[("a", 3)]);
    let path = site.directory.path().join("audit.log");
    let log = AuditLog::open(&path).unwrap();
    let store = |third: Outcome| {
        Fake::new("a", move |uri| match uri {
            "rbd://a0" => Answer::plain(Outcome::Deleted),
            "rbd://a1" => Answer::because(Outcome::InUse, "detail"),
            _ => Answer::plain(third),
        })
    };
    let first = cycle(&site, vec![store(Outcome::InUse)], &log);
    let mut seen = lines(&path);
    seen.sort_by_key(|line| line["image_id"].to_string());
    let row = |line: &Value| format!("{} {} {} {}", line["image_id"], line["outcome"], line["finished"], line["bytes"]);
    let rows: Vec<_> = seen.iter().map(row).collect();
    assert_eq!(rows, [r#""a0" "deleted" true 1000"#, r#""a1" "in_use" false 1000"#, r#""a2" "in_use" false 1000"#]);
    for line in &seen {
        assert_eq!((&line["store"], &line["cycle"]), (&"a".into(), &first.cycle.to_string().into()));
        assert!(line["location_id"].is_i64() && line["time"].as_str().unwrap().ends_with('Z'), "{line}");
        assert!(!line.to_string().contains("rbd://"), "{line}");
    }
    assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777 & !0o640, 0);

    let moved = site.directory.path().join("audit.log.1");
    std::fs::rename(&path, &moved).unwrap();
    log.reopen().unwrap();
    cycle(&site, vec![store(Outcome::Failed)], &log);
    let rows: Vec<_> = lines(&path).iter().map(row).collect();
    assert_eq!(rows, [r#""a2" "failed" false 1000"#], "the same reason is told once");
    assert_eq!(lines(&moved).len(), 3);
    cycle(&site, vec![store(Outcome::InUse)], &log);
    assert_eq!(lines(&path).len(), 2);
}

#[test]
fn a_full_disk_loses_lines_and_nothing_else() {
    let site = Site::new(Engine::Sqlite);
    fill(&site, &[("a", 3)]);
    let path = site.directory.path().join("audit.log");
    symlink("/dev/full", &path).unwrap();
    let log = Arc::new(AuditLog::open(&path).unwrap());
    let status = status(&["a"]);
    status.audit_log(Arc::clone(&log));
    let report = cycle(&site, vec![Fake::saying("a", Outcome::Deleted)], &Several(&[&*status, &*log]));
    assert_eq!(report.finished().locations, 3);
    assert_eq!(states(&site.database, "a0").0, "deleted");
    assert_eq!(status.to_json()["audit_log_lost"], 3);
    assert!(status.metrics().unwrap().contains("\nglance_scrubber_audit_log_lost_lines_total 3\n"));
    assert!(status.dump().contains("3 lines of the audit log were lost"), "{}", status.dump());

    // Room again.
    let image = Image::pending("b0", TimeDelta::hours(2), &["rbd://b0"]);
    image.with_meta_data(Some(r#"{"store": "b"}"#)).insert(&site.database);
    std::fs::remove_file(&path).unwrap();
    log.reopen().unwrap();
    cycle(&site, vec![Fake::saying("b", Outcome::Deleted)], &*log);
    assert_eq!((lines(&path).len(), log.lost()), (1, 3));
}
