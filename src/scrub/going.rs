//! Locations whose store has taken the order and is at it (`deleting`), and when each is looked at again.
//!
//! Promises: pure; times are brought by the caller. The first look comes after half a second, each later one after half
//! as long again as the one before, and never after more than ten seconds: a small volume is seen to be gone soon, and one
//! that takes an hour costs its store a question every ten seconds. What comes back at about the same time comes back
//! together, so that a store which takes many in a call takes them so. How long is too long is the store's to say.
//!
//! Rejected: a task for each location, which would ask on after a stop; and holding a worker, which would make a backend
//! that answers at once as slow as one that does not.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::Instant;

use super::observer::InHand;

const FIRST: Duration = Duration::from_millis(500);
const LONGEST: Duration = Duration::from_secs(10);

/// What is due within this time of what is due now comes along.
const TOGETHER: Duration = Duration::from_millis(100);

/// Those of one lane, by when they are looked at again.
#[derive(Debug, Default)]
pub(super) struct Going(BTreeMap<Instant, Vec<Entry>>);

/// One of them.
#[derive(Debug)]
pub(super) struct Entry {
    pub in_hand: InHand,
    /// The store's words.
    pub detail: Option<String>,
}

impl Going {
    /// Its store has answered `deleting` just now.
    pub(super) fn add(&mut self, in_hand: InHand, detail: Option<String>, now: Instant) {
        let wait = wait(in_hand.waited);
        let in_hand = InHand { waited: Some(wait), ..in_hand };
        self.0.entry(now + wait).or_default().push(Entry { in_hand, detail });
    }

    /// When the next one is to be looked at.
    pub(super) fn next(&self) -> Option<Instant> {
        self.0.keys().next().copied()
    }

    /// Those that are to be looked at now.
    pub(super) fn take_due(&mut self, now: Instant) -> Vec<Entry> {
        if self.next().is_none_or(|next| next > now) {
            return Vec::new();
        }
        let later = self.0.split_off(&(now + TOGETHER));
        std::mem::replace(&mut self.0, later).into_values().flatten().collect()
    }

    /// They were not looked at after all.
    pub(super) fn put_back(&mut self, entries: Vec<Entry>, now: Instant) {
        self.0.entry(now).or_default().extend(entries);
    }

    /// All of them: nobody looks again.
    pub(super) fn take_all(&mut self) -> Vec<Entry> {
        std::mem::take(&mut self.0).into_values().flatten().collect()
    }

    pub(super) fn len(&self) -> usize {
        self.0.values().map(Vec::len).sum()
    }
}

/// How long until the next look, after the wait before the last one.
fn wait(waited: Option<Duration>) -> Duration {
    waited.map_or(FIRST, |waited| (waited + waited / 2).min(LONGEST))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::LocationId;

    fn after(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    fn ids(entries: &[Entry]) -> Vec<i64> {
        entries.iter().map(|entry| entry.in_hand.which.location.0).collect()
    }

    #[test]
    fn waits_grow_by_half_up_to_ten_seconds() {
        let waits = std::iter::successors(Some(wait(None)), |waited| Some(wait(Some(*waited))));
        let waits: Vec<_> = waits.take(10).map(|wait| wait.as_millis()).collect();
        assert_eq!(waits, [500, 750, 1125, 1687, 2531, 3796, 5695, 8542, 10_000, 10_000]);
    }

    #[test]
    fn what_comes_back_at_about_the_same_time_comes_back_together() {
        let (mut going, now) = (Going::default(), Instant::now());
        for (id, millis) in [(1, 0), (2, 0), (3, 60), (4, 300)] {
            going.add(InHand::unread(LocationId(id)), None, now + after(millis));
        }
        assert_eq!((going.len(), going.next()), (4, Some(now + after(500))));
        assert!(going.take_due(now + after(499)).is_empty());
        assert_eq!(ids(&going.take_due(now + after(500))), [1, 2, 3]);
        assert_eq!(going.next(), Some(now + after(800)));
        let back = going.take_due(now + after(900));
        assert_eq!((ids(&back), going.len()), (vec![4], 0));
        going.put_back(back, now);
        assert_eq!(ids(&going.take_all()), [4]);
        assert_eq!(going.next(), None);
    }

    #[test]
    fn each_look_waits_longer_than_the_one_before() {
        let (mut going, now) = (Going::default(), Instant::now());
        going.add(InHand::unread(LocationId(1)), None, now);
        let mut seen = Vec::new();
        for _ in 0..4 {
            let next = going.next().unwrap();
            seen.push((next - now).as_millis());
            let Entry { in_hand, detail } = going.take_due(next).pop().unwrap();
            assert!(in_hand.waited.is_some());
            going.add(in_hand, detail, next);
        }
        assert_eq!(seen, [500, 1250, 2375, 4062]);
    }
}
