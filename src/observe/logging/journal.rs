//! journald, spoken to in its own protocol.
//!
//! Promises: fields come under their own names (`journalctl IMAGE_ID=…`), and priorities are those of Python's levels.
//! Where systemd has connected stderr to the journal, lines for stderr go there in the same way instead: as text they
//! would arrive without fields and priorities.

use std::io;
use std::os::fd::AsFd;

use tracing_journald::{Layer, Priority, PriorityMappings};

use super::IDENTIFIER;
use super::syslog::Facility;

/// The journal, if there is one. tracing-journald would file INFO under notice.
pub(super) fn layer(facility: Facility) -> io::Result<Layer> {
    let priorities =
        PriorityMappings { info: Priority::Informational, debug: Priority::Debug, ..PriorityMappings::new() };
    Ok(tracing_journald::layer()?
        .with_field_prefix(None)
        .with_syslog_identifier(IDENTIFIER.to_owned())
        .with_custom_fields([("SYSLOG_FACILITY", facility.number().to_string())])
        .with_priority_mappings(priorities))
}

/// Whether stderr ends in the journal.
pub(super) fn has_stderr() -> bool {
    std::env::var("JOURNAL_STREAM").is_ok_and(|named| is_stream(&named, io::stderr()))
}

/// Compares as systemd.exec(5) says: `JOURNAL_STREAM` holds device and inode of what systemd connected, as decimal
/// numbers with a colon between them. The variable alone says nothing: it is inherited by children whose stderr is another.
fn is_stream(named: &str, stream: impl AsFd) -> bool {
    rustix::fs::fstat(stream).is_ok_and(|stat| format!("{}:{}", stat.st_dev, stat.st_ino) == named)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt as _;

    use super::*;

    #[test]
    fn a_stream_is_known_by_device_and_inode() {
        let (one, other) = (tempfile::tempfile().unwrap(), tempfile::tempfile().unwrap());
        let metadata = one.metadata().unwrap();
        let named = format!("{}:{}", metadata.dev(), metadata.ino());
        assert!(is_stream(&named, &one));
        assert!(!is_stream(&named, &other));
        for named in ["", ":", "0:0", "8:1:2", &format!("{named} ")] {
            assert!(!is_stream(named, &one), "{named}");
        }
    }
}
