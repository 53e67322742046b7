//! When a store's container (directory, pool, bucket) counts as one that does not answer.
//!
//! Promises: a container that is down costs a few deadlines, not one for each location, and holds up no other container
//! of its store; one call with any answer but `unavailable` begins the count anew. [`Silence`] counts within one look at
//! the stores; what a cycle makes of it, and what outlives the cycle, is the breaker's.

use std::collections::HashMap;

use crate::store::Outcome;

/// Calls in a row without one answer before a container is left alone: with a store's default deadline, three minutes.
pub(super) const CALLS: u32 = 3;

/// What one call to a container brought.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Heard {
    /// It was not made.
    Nothing,
    /// Nothing but `unavailable`.
    Silence,
    /// Anything else.
    Answer,
}

impl Heard {
    /// From the outcomes of a call's locations; `None` is a store that has nothing to say against deleting.
    pub(super) fn of(outcomes: impl IntoIterator<Item = Option<Outcome>>) -> Self {
        let mut outcomes = outcomes.into_iter().peekable();
        if outcomes.peek().is_none() {
            return Self::Nothing;
        }
        let is_silent = outcomes.all(|outcome| outcome == Some(Outcome::Unavailable));
        if is_silent { Self::Silence } else { Self::Answer }
    }
}

/// How often in a row each container has answered nothing but `unavailable`.
#[derive(Debug, Default)]
pub(super) struct Silence(HashMap<String, u32>);

impl Silence {
    /// Takes note of what one call to a container brought.
    pub(super) fn note(&mut self, container: &str, outcomes: impl IntoIterator<Item = Option<Outcome>>) {
        match Heard::of(outcomes) {
            Heard::Silence => *self.0.entry(container.to_owned()).or_default() += 1,
            Heard::Answer => {
                self.0.remove(container);
            }
            Heard::Nothing => {}
        }
    }

    /// Whether the container is left alone from now on.
    pub(super) fn is_final(&self, container: &str) -> bool {
        self.0.get(container).is_some_and(|calls| *calls >= CALLS)
    }

    /// Why locations in such a container were not tried; `then` says for how long.
    pub(super) fn detail(then: &str) -> String {
        format!("what they lie in gave no answer {CALLS} times in a row; {then}")
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
            calls.iter().for_each(|outcomes| silence.note("a", outcomes.iter().copied()));
            assert!(!silence.is_final("b"), "another container is not concerned");
            silence.is_final("a")
        };
        assert!(after(&[&[down], &[down, down], &[down]]));
        assert!(!after(&[&[down], &[down]]));
        assert!(!after(&[&[down], &[down], &[up], &[down]]), "an answer begins the count anew");
        assert!(!after(&[&[down], &[down], &[down, up]]), "one answer in a call is an answer");
        let at_it = Some(Outcome::Deleting);
        assert!(!after(&[&[down], &[down], &[at_it], &[down]]), "a store that works on is no silent one");
        assert!(!after(&[&[down], &[down], &[None]]), "nothing to say against deleting is an answer");
        assert!(!after(&[&[down], &[down], &[]]), "a call that was not made is no silence");
        assert!(after(&[&[down], &[down], &[], &[down]]), "and no answer");
    }
}
