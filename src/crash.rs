//! Named places where a test kills the program.
//!
//! Promises: in a build with debug assertions, and with `GLANCE_SCRUBBER_CRASH=NAME` or `NAME:NTH` in the environment,
//! the process ends by SIGKILL when it comes to that place (for the NTH time; 1 is the first): nothing unwinds, nothing
//! is flushed, as when the kernel or a power cut does it. With `NAME:NTH:stop` it is stopped there instead, by SIGSTOP, until
//! somebody has it go on. In every other build [`point`] is an empty function and the
//! variable is never read. A test goes through [`Point::ALL`] and sees the program die at each, so that none can be
//! left behind by a change of the code around it.
//!
//! Rejected: the crate `fail`, which does much more (panics, delays, callbacks behind a registry and a cargo feature)
//! and cannot end the process without unwinding.

/// Declares the places with their names in one list, so that none can be missing in `ALL`.
macro_rules! points {
    ($($(#[$doc:meta])* $point:ident = $name:literal,)+) => {
        /// A place where the program may be killed.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Point {
            $($(#[$doc])* $point,)+
        }

        impl Point {
            /// All of them.
            pub const ALL: &[Point] = &[$(Point::$point,)+];

            /// As the environment has it.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Point::$point => $name,)+
                }
            }
        }
    };
}

points! {
    /// One of the tables of claims has just been made.
    BetweenTables = "between_tables",
    /// A portion is claimed; its rows were not read again.
    AfterClaim = "after_claim",
    /// A portion's rows were read again; nothing of it is on its way to a store.
    AfterLook = "after_look",
    /// A call to a store is about to begin.
    BeforeCall = "before_call",
    /// A store has answered a call; nobody knows yet.
    AfterDelete = "after_delete",
    /// In the transaction that records: the locations are marked, their images are not.
    AfterLocationRecord = "after_location_record",
    /// Claims are released, and that is not committed: in the same transaction, or after it where they are in another
    /// database.
    InRelease = "in_release",
    /// In the transaction that records: all is marked, nothing is committed.
    AfterImageRecord = "after_image_record",
    /// The transaction that records is committed.
    AfterCommit = "after_commit",
    /// A restore has claimed its image's locations.
    RestoreAfterClaim = "restore_after_claim",
    /// It has seen that the data is there.
    RestoreAfterProbe = "restore_after_probe",
    /// All is written that brings the image back; nothing is committed.
    RestoreInTransaction = "restore_in_transaction",
    /// The image is back; in another database its claims may not be released.
    RestoreAfterCommit = "restore_after_commit",
}

/// The variable that names a place, and how often it is passed before: `after_delete:3`.
pub const VARIABLE: &str = "GLANCE_SCRUBBER_CRASH";

/// Ends the process here if that was asked for.
#[cfg(debug_assertions)]
pub fn point(here: Point) {
    asked::at(here);
}

/// Nothing: release builds have no such places.
#[cfg(not(debug_assertions))]
#[inline(always)]
pub const fn point(_here: Point) {}

#[cfg(debug_assertions)]
mod asked {
    use std::sync::LazyLock;
    use std::sync::atomic::{AtomicU64, Ordering};

    use rustix::process::{Signal, getpid, kill_process};

    use super::{Point, VARIABLE};

    /// The name, which visit it is, and what happens then.
    static ASKED: LazyLock<Option<(String, u64, Signal)>> = LazyLock::new(|| parse(&std::env::var(VARIABLE).ok()?));

    pub(super) fn at(here: Point) {
        static VISITS: AtomicU64 = AtomicU64::new(0);
        let Some((_, visit, signal)) = ASKED.as_ref().filter(|(name, ..)| name == here.name()) else { return };
        if VISITS.fetch_add(1, Ordering::SeqCst) + 1 == *visit {
            let _ = kill_process(getpid(), *signal);
        }
    }

    pub(super) fn parse(asked: &str) -> Option<(String, u64, Signal)> {
        let mut words = asked.split(':');
        let name = words.next()?.to_owned();
        let visit = words.next().map_or(Ok(1), str::parse).ok()?;
        match words.next() {
            None => Some((name, visit, Signal::KILL)),
            Some("stop") => Some((name, visit, Signal::STOP)),
            Some(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_place_has_a_name_of_its_own() {
        let mut names: Vec<_> = Point::ALL.iter().map(|point| point.name()).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), Point::ALL.len());
        assert!(names.iter().all(|name| name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_')));
    }

    #[cfg(debug_assertions)]
    #[test]
    fn a_place_is_asked_for_by_name_and_number() {
        use rustix::process::Signal;
        let at = |visit, signal| Some(("after_look".to_owned(), visit, signal));
        assert_eq!(asked::parse("after_look"), at(1, Signal::KILL));
        assert_eq!(asked::parse("after_look:12"), at(12, Signal::KILL));
        assert_eq!(asked::parse("after_look:2:stop"), at(2, Signal::STOP));
        assert_eq!(asked::parse("after_look:soon"), None);
        assert_eq!(asked::parse("after_look:1:jump"), None);
    }
}
