//! Whether an order is sent again, and when. Pure but for the clock.
//!
//! What has not arrived may always be sent again. What may have had its effect is sent again only where it means the same
//! twice; a server that says by 429, 498 (Swift) or 503 with `Retry-After` that it did not even begin may be asked again
//! in any case. After a few tries the answer is the answer: the cycle comes back to the location by itself.

use std::time::Duration;

use reqwest::StatusCode;
use tokio::time::Instant;

use super::Trouble;

/// Tries of one order.
const TRIES: u32 = 4;

/// Tries where the server itself named a time to come back.
const INVITED: u32 = 8;

const SHORTEST: Duration = Duration::from_millis(250);
const LONGEST: Duration = Duration::from_secs(4);

/// What came of one try.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Event {
    /// An answer, with its `Retry-After`.
    Status { status: StatusCode, wait: Option<Duration> },
    /// None, and nothing arrived there.
    NotSent,
    /// None, for a moment's reason.
    Broke,
    /// None, and the next try would have none either.
    Final,
}

impl Event {
    pub(super) fn of(trouble: &Trouble) -> Self {
        match trouble {
            trouble if trouble.is_before_sending() => Self::NotSent,
            trouble if trouble.is_brief() => Self::Broke,
            _ => Self::Final,
        }
    }

    /// Whether the server asked for fewer requests.
    pub(super) fn is_throttle(&self) -> bool {
        match self {
            Self::Status { status, wait } => match status.as_u16() {
                429 | 498 => true,
                503 => wait.is_some(),
                _ => false,
            },
            _ => false,
        }
    }
}

/// What is left of an order's deadline and tries.
#[derive(Debug)]
pub(super) struct Patience {
    end: Instant,
    repeatable: bool,
    tries: u32,
}

impl Patience {
    pub(super) fn new(deadline: Duration, repeatable: bool) -> Self {
        Self { end: Instant::now() + deadline, repeatable, tries: 0 }
    }

    /// When the order is over.
    pub(super) fn end(&self) -> Instant {
        self.end
    }

    /// How long to wait before the next try; `None` where there is none.
    pub(super) fn after(&mut self, event: &Event) -> Option<Duration> {
        self.tries += 1;
        let (may, tries, wait) = match event {
            Event::Status { wait: Some(wait), .. } if event.is_throttle() => (true, INVITED, *wait),
            Event::Status { .. } if event.is_throttle() => (true, TRIES, self.pause()),
            Event::Status { status, wait } => {
                let brief = matches!(status.as_u16(), 408 | 500 | 502 | 503 | 504);
                (brief && self.repeatable, TRIES, wait.unwrap_or_else(|| self.pause()))
            }
            Event::NotSent => (true, TRIES, self.pause()),
            // A connection that idled and was closed by the other side is the usual reason.
            Event::Broke if self.tries == 1 => (self.repeatable, TRIES, Duration::ZERO),
            Event::Broke => (self.repeatable, TRIES, self.pause()),
            Event::Final => (false, 0, Duration::ZERO),
        };
        let fits = Instant::now().checked_add(wait).is_some_and(|at| at < self.end);
        (may && self.tries < tries && fits).then_some(wait)
    }

    /// Doubles from try to try, and is spread, so that what failed together does not come back together.
    fn pause(&self) -> Duration {
        let middle = SHORTEST.saturating_mul(2_u32.saturating_pow(self.tries - 1)).min(LONGEST);
        middle.mul_f64(0.75 + fastrand::f64() / 2.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    fn status(code: u16, wait: Option<u64>) -> Event {
        Event::Status { status: StatusCode::from_u16(code).unwrap(), wait: wait.map(Duration::from_secs) }
    }

    /// How often an order is sent in all.
    fn sent(event: &Event, repeatable: bool) -> u32 {
        let mut patience = Patience::new(MINUTE, repeatable);
        1 + std::iter::from_fn(|| patience.after(event)).count() as u32
    }

    #[tokio::test(start_paused = true)]
    async fn what_may_come_twice_is_sent_again() {
        for event in [408, 500, 502, 503, 504].map(|code| status(code, None)).into_iter().chain([Event::Broke]) {
            assert_eq!(sent(&event, true), TRIES, "{event:?}");
            assert_eq!(sent(&event, false), 1, "{event:?}");
        }
        for event in [429, 498].map(|code| status(code, None)).into_iter().chain([Event::NotSent]) {
            assert_eq!(sent(&event, false), TRIES, "{event:?} did not even begin");
        }
        for event in [200, 204, 400, 401, 403, 404, 409, 501].map(|code| status(code, None)) {
            assert_eq!(sent(&event, true), 1, "{event:?}");
        }
        assert_eq!(sent(&Event::Final, true), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn a_time_that_the_server_names_is_kept_where_it_fits() {
        let mut patience = Patience::new(MINUTE, false);
        assert_eq!(patience.after(&status(503, Some(7))), Some(Duration::from_secs(7)));
        assert_eq!(patience.after(&status(429, Some(59))), Some(Duration::from_secs(59)));
        assert_eq!(patience.after(&status(503, Some(60))), None, "longer than the deadline");
        assert_eq!(patience.after(&status(503, Some(u64::MAX))), None, "no overflow");
        tokio::time::advance(Duration::from_secs(55)).await;
        assert_eq!(patience.after(&status(503, Some(7))), None, "longer than what is left");
        assert_eq!(sent(&status(503, Some(1)), false), INVITED);
    }

    #[tokio::test(start_paused = true)]
    async fn pauses_grow_and_a_closed_connection_is_tried_again_at_once() {
        let mut patience = Patience::new(MINUTE, true);
        assert_eq!(patience.after(&Event::Broke), Some(Duration::ZERO));
        let pauses: Vec<_> = std::iter::from_fn(|| patience.after(&Event::Broke)).collect();
        assert!(pauses.len() == 2 && pauses[0] >= SHORTEST && pauses[1] > pauses[0], "{pauses:?}");
    }
}
