//! When a store that does not answer is left alone.
//!
//! Promises: a store that is down costs a few deadlines, not one for each location; one call with any answer but
//! `unavailable` begins the count anew.

use crate::store::Outcome;

/// Calls in a row without one answer before a store is left alone: with a store's default deadline, three minutes.
const CALLS: u32 = 3;

/// How often in a row a store has answered nothing but `unavailable`.
#[derive(Debug, Default)]
pub(super) struct Silence {
    calls: u32,
}

impl Silence {
    /// Takes note of what one call brought.
    pub(super) fn note(&mut self, outcomes: impl IntoIterator<Item = Option<Outcome>>) {
        let mut outcomes = outcomes.into_iter().peekable();
        let silent = outcomes.peek().is_some() && outcomes.all(|outcome| outcome == Some(Outcome::Unavailable));
        self.calls = if silent { self.calls + 1 } else { 0 };
    }

    /// Whether the store is left alone from now on.
    pub(super) fn is_final(&self) -> bool {
        self.calls >= CALLS
    }

    /// Why locations of such a store were not tried; `then` says for how long.
    pub(super) fn detail(then: &str) -> String {
        format!("the store gave no answer {CALLS} times in a row; {then}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_calls_in_a_row_without_any_answer_count() {
        let (down, up) = (Some(Outcome::Unavailable), Some(Outcome::Absent));
        let after = |calls: &[&[Option<Outcome>]]| {
            let mut silence = Silence::default();
            calls.iter().for_each(|outcomes| silence.note(outcomes.iter().copied()));
            silence.is_final()
        };
        assert!(after(&[&[down], &[down, down], &[down]]));
        assert!(!after(&[&[down], &[down]]));
        assert!(!after(&[&[down], &[down], &[up], &[down]]), "an answer begins the count anew");
        assert!(!after(&[&[down], &[down], &[down, up]]), "one answer in a call is an answer");
        assert!(!after(&[&[down], &[down], &[None]]), "nothing to say against deleting is an answer");
        assert!(!after(&[&[down], &[down], &[]]), "a call that was not made is no silence");
    }
}
