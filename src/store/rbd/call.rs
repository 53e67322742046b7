//! Blocking calls of librados and librbd, in threads of their own.
//!
//! Promises: whoever awaits a call hears of it within the deadline, counted from its last sign of life: a removal that
//! makes progress is not cut off, however long it takes. A call that was given up on is told to do nothing more; it is
//! left behind in its thread, with the connection that it uses, since shutting that down beside it would end the
//! process. Fails by [`Silent`].

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// Calls that are running in this process, also those given up on.
static RUNNING: AtomicUsize = AtomicUsize::new(0);

/// Whether some call into librados still runs.
pub(super) fn any_running() -> bool {
    RUNNING.load(Ordering::SeqCst) > 0
}

/// No sign of life for this long.
#[derive(Debug)]
pub(super) struct Silent(pub Duration);

/// What a call and whoever waits for it have in common.
pub(super) struct Watch {
    begun: Instant,
    /// Milliseconds from `begun` to the last sign of life.
    alive_at: AtomicU64,
    given_up: AtomicBool,
}

impl Watch {
    fn new() -> Self {
        Self { begun: Instant::now(), alive_at: AtomicU64::new(0), given_up: AtomicBool::new(false) }
    }

    /// A sign of life. False: nobody waits any more, so do nothing more.
    pub(super) fn goes_on(&self) -> bool {
        let passed = u64::try_from(self.begun.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.alive_at.fetch_max(passed, Ordering::SeqCst);
        !self.given_up.load(Ordering::SeqCst)
    }

    fn silent_for(&self) -> Duration {
        self.begun.elapsed().saturating_sub(Duration::from_millis(self.alive_at.load(Ordering::SeqCst)))
    }
}

/// Runs `work` in a thread that may block, and waits for it as long as it shows signs of life.
pub(super) async fn run<T: Send + 'static>(
    deadline: Duration,
    work: impl FnOnce(&Watch) -> T + Send + 'static,
) -> Result<T, Silent> {
    let watch = Arc::new(Watch::new());
    let theirs = Arc::clone(&watch);
    let mut call = tokio::task::spawn_blocking(move || {
        let _counted = Counted::new();
        work(&theirs)
    });
    loop {
        let left = deadline.saturating_sub(watch.silent_for());
        tokio::select! {
            // Joining fails only if the work panicked, which the crate's lints forbid, or the runtime ends.
            done = &mut call => return done.map_err(|_| Silent(watch.silent_for())),
            () = tokio::time::sleep(left) => {
                if watch.silent_for() >= deadline {
                    watch.given_up.store(true, Ordering::SeqCst);
                    return Err(Silent(deadline));
                }
            }
        }
    }
}

struct Counted;

impl Counted {
    fn new() -> Self {
        RUNNING.fetch_add(1, Ordering::SeqCst);
        Self
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        RUNNING.fetch_sub(1, Ordering::SeqCst);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;

    const SHORT: Duration = Duration::from_millis(50);

    #[tokio::test]
    async fn a_call_that_shows_no_life_is_given_up_on_and_told_so() {
        let (tell, told) = mpsc::channel();
        let (go, wait) = mpsc::channel::<()>();
        let silent = run(SHORT, move |watch| {
            let _ = wait.recv();
            tell.send(watch.goes_on()).unwrap();
        });
        assert!(silent.await.is_err());
        assert!(any_running(), "it is left behind, and counted");
        go.send(()).unwrap();
        assert!(!told.recv().unwrap(), "it hears that nobody waits any more");
    }

    #[tokio::test]
    async fn a_call_that_shows_life_may_take_longer_than_the_deadline() {
        let done = run(SHORT, |watch| {
            let begun = Instant::now();
            while begun.elapsed() < SHORT * 4 {
                assert!(watch.goes_on());
                std::thread::yield_now();
            }
            7
        });
        assert_eq!(done.await.ok(), Some(7));
    }
}
