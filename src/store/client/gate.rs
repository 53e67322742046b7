//! How fast a server wants to be asked.
//!
//! Open until the server says that it is too much; then requests go through one by one, with a pause between them that
//! doubles with each complaint and shrinks with each answer. What was on its way when the server complained complains as
//! well, and counts once.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// The pause after a first complaint.
const FIRST: Duration = Duration::from_millis(20);
const LONGEST: Duration = Duration::from_secs(5);

/// Complaints within so long are one.
const TOGETHER: Duration = Duration::from_millis(250);

/// Where requests wait for their turn.
#[derive(Debug, Default)]
pub(super) struct Gate(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    pause: Duration,
    /// When the next request may go.
    next: Option<Instant>,
    complained: Option<Instant>,
}

impl Gate {
    /// Waits for its turn. False: that would come after `end`.
    pub(super) async fn pass(&self, end: Instant) -> bool {
        let turn = self.turn(Instant::now(), end);
        match turn {
            Some(at) => tokio::time::sleep_until(at).await,
            None => return false,
        }
        true
    }

    fn turn(&self, now: Instant, end: Instant) -> Option<Instant> {
        let mut state = self.lock();
        let at = state.next.map_or(now, |next| next.max(now));
        if at >= end {
            return None;
        }
        state.next = Some(at + state.pause);
        Some(at)
    }

    /// The server complained, and may have named a time to come back.
    pub(super) fn narrow(&self, wait: Option<Duration>) {
        let now = Instant::now();
        let mut state = self.lock();
        let is_new = state.complained.is_none_or(|at| now - at >= TOGETHER);
        if is_new {
            state.pause = (state.pause * 2).clamp(FIRST, LONGEST);
            state.complained = Some(now);
        }
        let back = wait.and_then(|wait| now.checked_add(wait)).unwrap_or(now);
        state.next = Some(state.next.map_or(back, |next| next.max(back)));
    }

    /// The server did what it was asked for.
    pub(super) fn widen(&self) {
        let mut state = self.lock();
        state.pause = state.pause.mul_f64(0.9);
        if state.pause < Duration::from_millis(2) {
            state.pause = Duration::ZERO;
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How long a hundred requests take that are all there at once.
    async fn hundred(gate: &Gate) -> Duration {
        let begun = Instant::now();
        let end = begun + Duration::from_secs(3600);
        for _ in 0..100 {
            assert!(gate.pass(end).await);
        }
        begun.elapsed()
    }

    #[tokio::test(start_paused = true)]
    async fn complaints_slow_down_and_answers_speed_up() {
        let gate = Gate::default();
        assert_eq!(hundred(&gate).await, Duration::ZERO);
        gate.narrow(None);
        gate.narrow(None);
        let once = hundred(&gate).await;
        assert!(once >= FIRST * 99 && once < FIRST * 110, "what complains together counts once: {once:?}");
        gate.narrow(None);
        assert!(hundred(&gate).await >= FIRST * 2 * 99);
        (0..50).for_each(|_| gate.widen());
        tokio::time::advance(LONGEST).await;
        assert_eq!(hundred(&gate).await, Duration::ZERO);
    }

    #[tokio::test(start_paused = true)]
    async fn a_time_to_come_back_holds_for_everybody() {
        let gate = Gate::default();
        let minute = Duration::from_secs(60);
        let begun = Instant::now();
        gate.narrow(Some(minute));
        assert!(!gate.pass(begun + minute / 2).await);
        assert_eq!(begun.elapsed(), Duration::ZERO, "who cannot wait so long is told at once");
        assert!(gate.pass(begun + minute * 2).await);
        assert_eq!(begun.elapsed(), minute);
    }
}
