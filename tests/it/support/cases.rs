//! Cases: what a run made of the only due location of its database. Each is a line of the table that `tests/all` prints (the
//! file that `SCRUBBER_TEST_CASES` names).

use std::io::Write;

use serde_json::Value;

use super::binary::Finished;
use super::database::Database;
use super::rows::states;

/// The rows of an image that was not finished, and of one that was.
pub const PENDING: &str = "image pending_delete, location pending_delete";
pub const DONE: &str = "image deleted, location deleted";

/// What became of it.
#[derive(Debug)]
pub struct Seen {
    /// The word for it, as the JSON says it.
    pub outcome: String,
    pub detail: String,
    /// Of its data, in the words of whoever looked.
    pub left: String,
    /// Of the image's row and the location's.
    pub rows: String,
    pub run: Finished,
}

impl Seen {
    /// An image and its location are recorded together or not at all.
    #[track_caller]
    pub fn of(run: Finished, database: &Database, image: &str, left: String) -> Seen {
        let (outcome, detail) = verdict(&run);
        let (image, locations) = states(database, image);
        let rows = format!("image {image}, location {}", locations.join(" "));
        let seen = Seen { outcome, detail, left, rows, run };
        assert_eq!(locations == ["deleted"], image == "deleted", "{seen:#?}");
        seen
    }

    pub fn is_recorded(&self) -> bool {
        self.rows == DONE
    }

    /// Writes the case's line. `masks`: texts that differ from run to run, and what stands for them.
    pub fn note(&self, name: &str, masks: &[(&str, &str)]) {
        let mut detail = self.detail.clone();
        for (text, mask) in masks {
            detail = detail.replace(text, mask);
        }
        let columns = [name, &self.outcome, &detail, &self.left, &self.rows];
        let shown: Vec<_> = columns.into_iter().enumerate().filter(|(at, text)| *at != 3 || !text.is_empty()).collect();
        add_line(&shown.into_iter().map(|(_, text)| text).collect::<Vec<_>>().join(" | "));
    }

    /// The outcome and what is left of the data.
    #[track_caller]
    pub fn is(&self, outcome: &str, left: &str) -> &Seen {
        assert_eq!((self.outcome.as_str(), self.left.as_str()), (outcome, left), "{self:#?}");
        self.ends_as(outcome)
    }

    /// The outcome, with the rows and the exit code that go with it.
    #[track_caller]
    pub fn ends_as(&self, outcome: &str) -> &Seen {
        assert_eq!(self.outcome, outcome, "{self:#?}");
        let finished = ["deleted", "absent", "trashed"].contains(&outcome);
        assert_eq!(self.rows, if finished { DONE } else { PENDING }, "{self:#?}");
        let needs_attention = !finished && !["in_use", "deleting", "shared"].contains(&outcome);
        assert_eq!(self.run.code, Some(if needs_attention { 3 } else { 0 }), "{}", self.run.output());
        self
    }

    #[track_caller]
    pub fn says(&self, words: &[&str]) -> &Seen {
        for word in words {
            assert!(self.detail.contains(word), "{word:?} in {:?}\n{}", self.detail, self.run.output());
        }
        self
    }

    /// In the log, where what is finished has its remarks.
    #[track_caller]
    pub fn remarks(&self, words: &str) -> &Seen {
        assert!(self.run.stderr.contains(words), "{words:?}\n{}", self.run.output());
        self
    }
}

/// Adds a line to the table.
pub fn add_line(line: &str) {
    let Some(file) = std::env::var_os("SCRUBBER_TEST_CASES") else { return };
    let mut file = std::fs::OpenOptions::new().append(true).create(true).open(file).unwrap();
    file.write_all(format!("{line}\n").as_bytes()).unwrap(); // in one write: others write too
}

/// What a run with `-f json` printed.
#[track_caller]
pub fn report(run: &Finished) -> Value {
    serde_json::from_str(&run.stdout).unwrap_or_else(|e| panic!("{e}: {}", run.output()))
}

/// The word and the detail for the only due location.
#[track_caller]
pub fn verdict(run: &Finished) -> (String, String) {
    let report = report(run);
    let lines = |list: &str, word: &str| -> Vec<(String, String)> {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        report[list].as_array().unwrap().iter().map(|line| (text(&line[word]), text(&line["detail"]))).collect()
    };
    let all = [lines("done", "outcome"), lines("kept", "reason")].concat();
    let [one] = &all[..] else { panic!("not one verdict: {}", run.output()) };
    one.clone()
}

/// None of these secrets may be in anything that a run printed.
#[track_caller]
pub fn assert_shows_none(secrets: impl IntoIterator<Item = String>, run: &Finished) {
    for secret in secrets {
        assert!(secret.len() > 5, "{secret:?} is no secret to look for");
        assert!(!run.output().contains(&secret), "a secret shows:\n{}", run.output());
    }
}
