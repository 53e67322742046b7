//! How far a delete is that takes its time: for the bar, which would stand still over a large image, and as a sign of
//! life, where one call takes longer than a watchdog waits.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// What deletes tell that are under way, all lanes together.
#[derive(Debug, Clone, Default)]
pub struct UnderWay(Arc<Told>);

#[derive(Debug, Default)]
struct Told {
    bytes: AtomicU64,
    beats: AtomicU64,
}

impl UnderWay {
    /// Their bytes that are gone, and not yet counted as done.
    pub fn bytes(&self) -> u64 {
        self.0.bytes.load(Ordering::Relaxed)
    }

    /// How often any of them told anything, since the start.
    pub fn beats(&self) -> u64 {
        self.0.beats.load(Ordering::Relaxed)
    }
}

/// One delete's share of [`UnderWay`], given back when it ends.
#[derive(Debug, Clone, Default)]
pub struct Pulse(Arc<Beat>);

#[derive(Debug, Default)]
struct Beat {
    bytes: u64,
    told: AtomicU64,
    under_way: UnderWay,
}

impl Pulse {
    /// For a delete of so many bytes.
    pub fn of(bytes: u64, under_way: &UnderWay) -> Self {
        Self(Arc::new(Beat { bytes, told: AtomicU64::new(0), under_way: under_way.clone() }))
    }

    /// `done` of `total` parts are gone. From any thread; a smaller number than before changes nothing.
    pub fn tell(&self, done: u64, total: u64) {
        let share = u128::from(self.0.bytes) * u128::from(done.min(total)) / u128::from(total.max(1));
        let share = u64::try_from(share).unwrap_or(self.0.bytes);
        let before = self.0.told.fetch_max(share, Ordering::SeqCst);
        let Told { bytes, beats } = &*self.0.under_way.0;
        bytes.fetch_add(share.saturating_sub(before), Ordering::SeqCst);
        beats.fetch_add(1, Ordering::Relaxed);
    }
}

impl Drop for Beat {
    fn drop(&mut self) {
        self.under_way.0.bytes.fetch_sub(*self.told.get_mut(), Ordering::SeqCst);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_delete_adds_its_share_and_takes_it_back() {
        let under_way = UnderWay::default();
        let seen = || under_way.bytes();
        let pulse = Pulse::of(1000, &under_way);
        pulse.tell(1, 4);
        assert_eq!(seen(), 250);
        pulse.tell(1, 10);
        assert_eq!(seen(), 250, "never back");
        let other = Pulse::of(u64::MAX / 2, &under_way);
        other.tell(7, 0);
        other.tell(9, 3);
        assert_eq!(seen(), 250 + u64::MAX / 2);
        drop((pulse, other));
        assert_eq!(seen(), 0);
        assert_eq!(under_way.beats(), 4, "each is a sign of life, news or not");
    }
}
