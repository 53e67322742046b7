//! Who holds a claim: one cycle of a scrubber, or one restore.

use std::fmt;

/// What an owner is about to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Party {
    /// Delete the data.
    Scrubber,
    /// Bring the image back.
    Restore,
}

impl Party {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Scrubber => "scrubber",
            Self::Restore => "restore",
        }
    }
}

/// The holder of claims: never the same twice, not for two cycles of one process either, so that nothing that a cycle
/// left behind can be taken for the next one's. Its text is `scrubber HOST PID RANDOM` or `restore HOST PID RANDOM`.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Owner(String);

/// Characters of a host's name that are kept, so that the text fits its column.
const HOST: usize = 64;

impl Owner {
    /// A new one, for this process.
    pub fn new(party: Party) -> Self {
        let uname = rustix::system::uname();
        let host: String = uname.nodename().to_string_lossy().split_whitespace().collect();
        let host: String = host.chars().take(HOST).collect();
        let random = fastrand::u64(..);
        Self(format!("{} {host} {} {random:016x}", party.as_str(), std::process::id()))
    }

    /// As a row has it.
    pub fn from_row(text: String) -> Self {
        Self(text)
    }

    /// As a row has it.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What it is about to do. Whoever is not known for a scrubber is treated with the care that a restore needs.
    pub fn party(&self) -> Party {
        match self.0.split(' ').next() {
            Some(word) if word == Party::Scrubber.as_str() => Party::Scrubber,
            _ => Party::Restore,
        }
    }

    /// For people: what, on which host, which process.
    pub fn shown(&self) -> String {
        let mut words = self.0.split(' ');
        match (words.next(), words.next(), words.next()) {
            (Some(party), Some(host), Some(pid)) => format!("{party} on {host}, pid {pid}"),
            _ => self.0.clone(),
        }
    }
}

impl fmt::Debug for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_owner_is_never_the_same_twice_and_is_what_it_says() {
        let (one, other) = (Owner::new(Party::Scrubber), Owner::new(Party::Scrubber));
        assert_ne!(one, other);
        assert_eq!((one.party(), Owner::new(Party::Restore).party()), (Party::Scrubber, Party::Restore));
        assert_eq!(Owner::from_row(one.as_str().to_owned()), one);
        assert!(one.as_str().len() <= 255);
        assert_eq!(Owner::from_row("somebody".to_owned()).party(), Party::Restore);
    }

    #[test]
    fn it_is_shown_by_host_and_pid() {
        let owner = Owner::from_row("scrubber node-3 4711 00ff".to_owned());
        assert_eq!(owner.shown(), "scrubber on node-3, pid 4711");
        assert_eq!(Owner::from_row("x".to_owned()).shown(), "x");
    }
}
