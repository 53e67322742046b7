//! The terminal on stderr, shared by the log lines and the progress bar.
//!
//! Promises: what is written inside [`Terminal::suspend`] stands on lines of its own, whatever is being drawn; a
//! terminal that goes away (a lost SSH connection) is not noticed by the scrub. It never fails.
//! Rejected: indicatif's own stderr target, because its `suspend` panics when the terminal refuses a write, and that
//! would take a scrub down in the middle of a log line.

use std::fmt;
use std::io;

use console::Term;
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, TermLike};

/// A handle on the terminal; cheap to clone, all clones are one terminal.
#[derive(Clone)]
pub struct Terminal {
    bars: MultiProgress,
}

impl fmt::Debug for Terminal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Terminal").field("drawn", &self.is_drawn()).finish()
    }
}

impl Terminal {
    /// The terminal on stderr; where stderr is none, or is `TERM=dumb`, nothing is ever drawn.
    #[must_use]
    pub fn stderr() -> Self {
        let term = Term::buffered_stderr();
        let dumb = std::env::var_os("TERM").is_some_and(|name| name == "dumb");
        match term.is_term() && !dumb {
            // 10 frames a second: enough to look alive over a slow line.
            true => Self::on(ProgressDrawTarget::term_like_with_hz(Box::new(Patient(term)), 10)),
            false => Self::hidden(),
        }
    }

    /// Nothing is ever drawn: for a pipe, a daemon, a run with `--format json` on the same terminal.
    #[must_use]
    pub fn hidden() -> Self {
        Self::on(ProgressDrawTarget::hidden())
    }

    pub(super) fn on(target: ProgressDrawTarget) -> Self {
        Self { bars: MultiProgress::with_draw_target(target) }
    }

    /// Whether a bar would be seen.
    #[must_use]
    pub fn is_drawn(&self) -> bool {
        !self.bars.is_hidden()
    }

    /// Takes what is drawn away, runs `write`, draws it again. `write` must be short: drawing waits for it.
    pub fn suspend<R>(&self, write: impl FnOnce() -> R) -> R {
        self.bars.suspend(write)
    }

    pub(super) fn add(&self, bar: ProgressBar) -> ProgressBar {
        self.bars.add(bar)
    }
}

/// A terminal that reports every write as done (see the module's header).
#[derive(Debug)]
struct Patient<T>(T);

impl<T: TermLike> TermLike for Patient<T> {
    fn width(&self) -> u16 {
        self.0.width()
    }
    fn height(&self) -> u16 {
        self.0.height()
    }
    fn move_cursor_up(&self, n: usize) -> io::Result<()> {
        self.0.move_cursor_up(n).or(Ok(()))
    }
    fn move_cursor_down(&self, n: usize) -> io::Result<()> {
        self.0.move_cursor_down(n).or(Ok(()))
    }
    fn move_cursor_right(&self, n: usize) -> io::Result<()> {
        self.0.move_cursor_right(n).or(Ok(()))
    }
    fn move_cursor_left(&self, n: usize) -> io::Result<()> {
        self.0.move_cursor_left(n).or(Ok(()))
    }
    fn write_line(&self, s: &str) -> io::Result<()> {
        self.0.write_line(s).or(Ok(()))
    }
    fn write_str(&self, s: &str) -> io::Result<()> {
        self.0.write_str(s).or(Ok(()))
    }
    fn clear_line(&self) -> io::Result<()> {
        self.0.clear_line().or(Ok(()))
    }
    fn flush(&self) -> io::Result<()> {
        self.0.flush().or(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A terminal whose other end is gone.
    #[derive(Debug)]
    struct Gone;

    fn gone() -> io::Result<()> {
        Err(io::Error::other("gone"))
    }

    impl TermLike for Gone {
        fn width(&self) -> u16 {
            80
        }
        fn move_cursor_up(&self, _: usize) -> io::Result<()> {
            gone()
        }
        fn move_cursor_down(&self, _: usize) -> io::Result<()> {
            gone()
        }
        fn move_cursor_right(&self, _: usize) -> io::Result<()> {
            gone()
        }
        fn move_cursor_left(&self, _: usize) -> io::Result<()> {
            gone()
        }
        fn write_line(&self, _: &str) -> io::Result<()> {
            gone()
        }
        fn write_str(&self, _: &str) -> io::Result<()> {
            gone()
        }
        fn clear_line(&self) -> io::Result<()> {
            gone()
        }
        fn flush(&self) -> io::Result<()> {
            gone()
        }
    }

    #[test]
    fn a_terminal_that_went_away_is_not_noticed() {
        let terminal = Terminal::on(ProgressDrawTarget::term_like(Box::new(Patient(Gone))));
        let bar = terminal.add(ProgressBar::new(2));
        bar.inc(1);
        bar.tick();
        assert_eq!(terminal.suspend(|| "logged"), "logged");
    }
}
