//! What a new user gets wrong: each mistake ends at once, with its exit code and one line that says what to do; it
//! deletes nothing and shows no secret.

mod command_line;
mod config;
mod database;
mod grants;

use std::path::{Path, PathBuf};

use chrono::TimeDelta;

use crate::support::binary::Finished;
use crate::support::rows::{Image, states};
use crate::support::servers::Engine;
use crate::support::site::Site;

const SECRET: &str = "Hunter2Hunter2";
const HOUR: TimeDelta = TimeDelta::hours(1);

/// A host with one file to lose.
fn site_on(engine: Engine) -> Site {
    let site = Site::new(engine);
    Image::active("living", &[&site.file("living")]).insert(&site.database);
    Image::pending("due", HOUR * 2, &[&site.file("due")]).insert(&site.database);
    site
}

/// The site's config with another `connection`.
fn pointing_to(site: &Site, url: &str) -> PathBuf {
    let path = site.config("");
    let text = std::fs::read_to_string(&path).unwrap().replace(site.database.url(), url);
    std::fs::write(&path, text).unwrap();
    path
}

/// Asserts that a run said one line with all of `words`, and printed nothing.
#[track_caller]
fn assert_refused(run: &Finished, code: i32, words: &[&str]) {
    assert_lines(run, code, &[words]);
}

/// Asserts that a run said these lines, each with all of its words, and printed nothing.
#[track_caller]
fn assert_lines(run: &Finished, code: i32, lines: &[&[&str]]) {
    assert_eq!(run.code, Some(code), "{}", run.output());
    assert_eq!(run.stdout, "", "{}", run.output());
    assert!(!run.stderr.contains(SECRET), "{}", run.output());
    assert_eq!(run.stderr.lines().count(), lines.len(), "{}", run.output());
    for (line, words) in run.stderr.lines().zip(lines) {
        for word in *words {
            assert!(line.contains(word), "no {word:?} in {line:?}");
        }
    }
}

#[track_caller]
fn assert_untouched(site: &Site) {
    assert!(site.has("due") && site.has("living"), "a file was deleted");
    assert_eq!(states(&site.database, "due"), ("pending_delete".into(), vec!["pending_delete".into()]));
}

fn write(path: &Path, text: &str) -> PathBuf {
    std::fs::write(path, text).unwrap();
    path.to_owned()
}
