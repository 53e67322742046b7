//! How long a cycle waits for a database that went away under it.

use std::time::{Duration, Instant};

use backon::{BackoffBuilder, ExponentialBackoff, ExponentialBuilder};

use crate::catalog::CatalogError;

/// Repeats a call to the database while trying again may help and less than `patience` (`[scrubber]
/// database_patience`) has passed: a restart or a failover of the server is survived, and a database that is gone for
/// good ends the cycle. Deleting stands still meanwhile, because the lanes' channel is bounded.
///
/// Rejected: counting tries. A try takes from microseconds to a whole deadline, so that twelve of them are anything
/// from one minute to a quarter of an hour.
pub(super) async fn retry<T, F: Future<Output = Result<T, CatalogError>>>(
    patience: Duration,
    what: &str,
    mut call: impl FnMut() -> F,
) -> Result<T, CatalogError> {
    let begun = Instant::now();
    let mut waits = Waits::new(patience);
    loop {
        let error = match call().await {
            Err(error) if error.is_transient() => error,
            other => return other,
        };
        let Some(wait) = waits.after(begun.elapsed()) else { return Err(error) };
        tracing::warn!("Cannot {what}, next try in {wait:.1?}: {error}");
        tokio::time::sleep(wait).await;
    }
}

/// The waits between tries, each longer than the one before.
struct Waits {
    patience: Duration,
    each: ExponentialBackoff,
}

impl Waits {
    fn new(patience: Duration) -> Self {
        let each = ExponentialBuilder::default()
            .with_min_delay(Duration::from_millis(200))
            .with_max_delay(Duration::from_secs(5))
            .without_max_times()
            .with_jitter();
        Self { patience, each: each.build() }
    }

    /// How long to wait when `elapsed` has passed since the first try; none when patience would be over by then.
    fn after(&mut self, elapsed: Duration) -> Option<Duration> {
        self.each.next().filter(|wait| elapsed + *wait < self.patience)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    #[test]
    fn patience_is_a_time_however_long_a_try_takes() {
        for each in [Duration::ZERO, Duration::from_secs(10), Duration::from_secs(59)] {
            let (mut waits, mut elapsed, mut tries) = (Waits::new(MINUTE), each, 1);
            while let Some(wait) = waits.after(elapsed) {
                (elapsed, tries) = (elapsed + wait + each, tries + 1);
            }
            assert!(tries > 1 && elapsed < MINUTE + each, "{tries} tries of {each:?} took {elapsed:?}");
            assert!(elapsed > MINUTE - Duration::from_secs(11), "{tries} tries of {each:?} ended after {elapsed:?}");
        }
    }

    #[test]
    fn what_no_waiting_helps_is_not_tried_again() {
        let mut tries = 0;
        let refused = || {
            tries += 1;
            async { Err::<(), _>(CatalogError::LoginRefused("no".to_owned())) }
        };
        assert!(futures::executor::block_on(retry(MINUTE, "look", refused)).is_err());
        assert_eq!(tries, 1);
    }
}
