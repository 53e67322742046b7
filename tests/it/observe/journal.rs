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

    /// What came, as `FIELD=value`.
    fn entries(&self) -> Vec<Vec<String>> {
        // A socket keeps the order, so that everything has come when this comes.
        let last = b"LAST=1\n".to_vec();
        UnixDatagram::unbound().unwrap().send_to(&last, self.directory.path().join("socket")).unwrap();
        let before = self.entries.iter().take_while(|entry| *entry != last);
        // An empty one asks whether anybody is there.
        before.filter(|entry| !entry.is_empty()).map(|entry| fields(&entry)).collect()
    }
}

/// The journal's own protocol: `FIELD=value` and a line break, or the name, a line break, the value's length in 64 bits,
/// little end first, and the value.
fn fields(mut entry: &[u8]) -> Vec<String> {
    let mut fields = Vec::new();
    while let Some(end) = entry.iter().position(|byte| *byte == b'\n') {
        let (line, rest) = (std::str::from_utf8(&entry[..end]).unwrap(), &entry[end + 1..]);
        if line.contains('=') {
            fields.push(line.to_owned());
            entry = rest;
            continue;
        }
        let (length, rest) = rest.split_first_chunk::<8>().unwrap();
        let (value, rest) = rest.split_at(usize::try_from(u64::from_le_bytes(*length)).unwrap());
        fields.push(format!("{line}={}", std::str::from_utf8(value).unwrap()));
        entry = rest.strip_prefix(b"\n").unwrap();
    }
    fields
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
