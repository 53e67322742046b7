//! stderr that systemd connected to the journal.

use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::Command;
use std::sync::mpsc::{Receiver, channel};

use crate::support::binary::Scrubber;
use crate::support::rows::Image;
use crate::support::servers::Engine;
use crate::support::site::Site;

/// journald's part: a socket of datagrams, where the program finds it in a mount namespace of its own.
struct Journal {
    directory: tempfile::TempDir,
    entries: Receiver<Vec<u8>>,
}

impl Journal {
    fn new() -> Journal {
        let directory = tempfile::tempdir().unwrap();
        let socket = UnixDatagram::bind(directory.path().join("socket")).unwrap();
        let (sender, entries) = channel();
        std::thread::spawn(move || {
            let mut buffer = vec![0; 1 << 18];
            while let Ok(length) = socket.recv(&mut buffer) {
                if sender.send(buffer[..length].to_vec()).is_err() {
                    return;
                }
            }
        });
        Journal { directory, entries }
    }

    /// The program with this journal, with `stream` as `JOURNAL_STREAM` and with a file for stderr.
    fn scrubber(&self, stderr: &Path, stream: &str) -> Scrubber {
        let (journal, stderr) = (self.directory.path().display(), stderr.display());
        // A tmpfs over /run hides what the host has there.
        Scrubber::within(&format!(
            "exec 2>{stderr}; exec unshare --map-root-user --mount /bin/sh -c 'mount -t tmpfs none /run && \
             mkdir -p /run/systemd/journal && mount --bind {journal} /run/systemd/journal && exec \"$0\" \"$@\"' \"$0\" \"$@\""
        ))
        .env("JOURNAL_STREAM", stream)
    }

    /// What came, field by field. journald's protocol gives a value with a line break its length in front; ours have none.
    fn entries(&self) -> Vec<Vec<String>> {
        let text = |entry: Vec<u8>| String::from_utf8(entry).unwrap().lines().map(str::to_owned).collect();
        // An empty one asks whether anybody is there.
        self.entries.try_iter().filter(|entry| !entry.is_empty()).map(text).collect()
    }
}

fn namespaces_at_hand() -> bool {
    let found = Command::new("unshare").args(["--map-root-user", "--mount", "true"]).status();
    let found = found.is_ok_and(|status| status.success());
    assert!(found || std::env::var_os("SCRUBBER_TEST_ALL").is_none(), "unshare cannot make a mount namespace");
    found
}

fn stream_of(file: &Path) -> String {
    use std::os::unix::fs::MetadataExt as _;
    let metadata = file.metadata().unwrap();
    format!("{}:{}", metadata.dev(), metadata.ino())
}

#[test]
fn lines_for_stderr_go_to_the_journal_with_their_fields() {
    if !namespaces_at_hand() {
        return;
    }
    let site = Site::new(Engine::Sqlite);
    Image::active("living", &[&site.file("living")]).insert(&site.database);
    Image::pending("outside", chrono::TimeDelta::hours(2), &["file:///etc/hostname"]).insert(&site.database);
    let (journal, stderr) = (Journal::new(), site.directory.path().join("stderr"));
    std::fs::write(&stderr, "").unwrap();
    let config = site.config("");
    journal.scrubber(&stderr, &stream_of(&stderr)).config_file(&config).run().expect_code(3);
    assert_eq!(std::fs::read_to_string(&stderr).unwrap(), "", "nothing twice");
    let entries = journal.entries();
    let failed = entries.iter().find(|entry| entry.iter().any(|field| field.starts_with("MESSAGE=Unable to scrub")));
    let failed = failed.unwrap_or_else(|| panic!("{entries:#?}"));
    for field in
        ["IMAGE_ID=outside", "LOCATION_ID=2", "STORE=file", "OUTCOME=forbidden", "PRIORITY=3", "SYSLOG_FACILITY=1"]
    {
        assert!(failed.iter().any(|one| one == field), "{field} in {failed:#?}");
    }
    assert!(failed.iter().any(|one| one == "SYSLOG_IDENTIFIER=glance-scrubber"), "{failed:#?}");

    // The variable is inherited; a stderr that is another is written to.
    journal.scrubber(&stderr, "8:1").config_file(&config).run().expect_code(3);
    assert!(std::fs::read_to_string(&stderr).unwrap().contains("Unable to scrub image outside"));
    assert!(journal.entries().is_empty());
}
