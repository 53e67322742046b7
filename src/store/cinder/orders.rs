//! The volumes that Cinder is deleting for us, and since when.
//!
//! Promises: bounded; pure but for the lock. What is in it was seen in Cinder, and Cinder was told to delete it, by us or
//! by somebody else: if it is not there any more, it was deleted. Entries go when the end was seen, and the oldest when there
//! are too many; without its entry a volume is looked at like one that nobody knows of.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// Many times what a lane has in hand; some 100 bytes each.
const MOST: usize = 10_000;

#[derive(Debug, Default)]
pub(super) struct Orders(Mutex<HashMap<String, Instant>>);

impl Orders {
    /// It is being deleted, at the latest since now.
    pub(super) fn begin(&self, volume: &str, now: Instant) {
        let mut known = self.lock();
        if known.len() >= MOST
            && !known.contains_key(volume)
            && let Some(oldest) = known.iter().min_by_key(|(_, since)| **since).map(|(id, _)| id.clone())
        {
            known.remove(&oldest);
        }
        known.entry(volume.to_owned()).or_insert(now);
    }

    /// For how long it has been at it.
    pub(super) fn age(&self, volume: &str, now: Instant) -> Option<Duration> {
        self.lock().get(volume).map(|since| now.duration_since(*since))
    }

    pub(super) fn end(&self, volume: &str) {
        self.lock().remove(volume);
    }

    pub(super) fn len(&self) -> usize {
        self.lock().len()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<String, Instant>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_time_counts_until_the_end_was_seen() {
        let (orders, start) = (Orders::default(), Instant::now());
        let later = start + Duration::from_secs(9);
        assert_eq!(orders.age("a", start), None);
        orders.begin("a", start);
        orders.begin("a", later);
        assert_eq!(orders.age("a", later), Some(Duration::from_secs(9)));
        orders.end("a");
        assert_eq!(orders.age("a", later), None);
    }

    #[test]
    fn no_more_are_kept_than_there_is_room_for() {
        let (orders, start) = (Orders::default(), Instant::now());
        for number in 0..=MOST {
            orders.begin(&number.to_string(), start + Duration::from_secs(number as u64));
        }
        assert_eq!(orders.len(), MOST);
        assert_eq!(orders.age("0", start), None, "the oldest went");
        orders.begin("1", start);
        assert_eq!(orders.len(), MOST, "what is known takes no more room");
    }
}
