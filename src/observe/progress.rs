//! The progress bar of one pass on a terminal.
//!
//! Promises: it is gone when the pass is over, also when that ends early; on anything but a terminal it does nothing.
//! It never fails. Rejected: a bar a store, because a cloud has more stores than a terminal has lines.

use std::fmt::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressState, ProgressStyle};

use super::human;
use super::terminal::Terminal;

/// Five frames a second. indicatif then draws at these ticks only, however often an image is done.
const TICK: Duration = Duration::from_millis(200);

/// Asked at each frame.
pub trait UnderWay: Fn() -> u64 + Clone + Send + Sync + 'static {}

impl<F: Fn() -> u64 + Clone + Send + Sync + 'static> UnderWay for F {}

/// What is done of a known number of locations; dropping it takes the bar away.
#[derive(Debug)]
pub struct Progress {
    bar: ProgressBar,
    bytes: Arc<AtomicU64>,
}

impl Progress {
    /// Draws a bar for `locations` locations of `bytes` bytes together, sizes as in Glance's database. `under_way` says
    /// how many bytes of locations that are not done yet are gone.
    #[must_use]
    pub fn start(terminal: &Terminal, locations: u64, bytes: u64, under_way: impl UnderWay) -> Self {
        let progress = Self::untimed(terminal, locations, bytes, under_way);
        if terminal.is_drawn() {
            // Redrawn without news too: a store that hangs shows as a clock that goes on.
            progress.bar.enable_steady_tick(TICK);
        }
        progress
    }

    fn untimed(terminal: &Terminal, locations: u64, bytes: u64, under_way: impl UnderWay) -> Self {
        let done = Arc::new(AtomicU64::new(0));
        let bar = match terminal.is_drawn() {
            true => terminal.add(ProgressBar::new(locations)),
            false => ProgressBar::hidden(),
        };
        if let Some(style) = style(Arc::clone(&done), under_way, bytes) {
            bar.set_style(style);
        }
        Self { bar, bytes: done }
    }

    /// `locations` more are done, of `bytes` together.
    pub fn advance(&self, locations: u64, bytes: u64) {
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
        self.bar.inc(locations);
    }

    /// Takes the bar away; what was done is told by the summary.
    pub fn finish(self) {
        drop(self);
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

/// `None` only if the template were wrong, which a test rules out.
fn style(done: Arc<AtomicU64>, under_way: impl UnderWay, total: u64) -> Option<ProgressStyle> {
    const TEMPLATE: &str = "Scrubbing [{bar:24}] {pos}/{len} locations, {bytes_done}, {rate}, {left}";
    let style = ProgressStyle::with_template(TEMPLATE).ok()?;
    let style = style
        .progress_chars("=> ")
        .with_key("bytes_done", move |_: &ProgressState, w: &mut dyn Write| {
            let done = done.load(Ordering::Relaxed).saturating_add(under_way());
            let _ = write!(w, "{} of {}", human::bytes(done), human::bytes(total));
        })
        .with_key("rate", |state: &ProgressState, w: &mut dyn Write| {
            let _ = write!(w, "{:.1} locations/s", state.per_sec());
        })
        .with_key("left", |state: &ProgressState, w: &mut dyn Write| {
            let _ = match (state.pos(), state.eta().as_secs()) {
                // No image is done yet, so there is nothing to reckon from.
                (0, _) => w.write_str("time left unknown"),
                (_, seconds) => write!(w, "{} left", human::duration(Duration::from_secs(seconds.max(1)))),
            };
        });
    Some(style)
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::Mutex;

    use indicatif::{ProgressDrawTarget, TermLike};

    use super::*;

    /// What a terminal was told, in order.
    #[derive(Debug, Clone, Default)]
    struct Paper(Arc<Mutex<Vec<String>>>);

    impl Paper {
        fn note(&self, what: &str) -> io::Result<()> {
            self.0.lock().unwrap().push(what.to_owned());
            Ok(())
        }
        fn text(&self) -> String {
            self.0.lock().unwrap().join("")
        }
    }

    impl TermLike for Paper {
        fn width(&self) -> u16 {
            120
        }
        fn move_cursor_up(&self, _: usize) -> io::Result<()> {
            Ok(())
        }
        fn move_cursor_down(&self, _: usize) -> io::Result<()> {
            Ok(())
        }
        fn move_cursor_right(&self, _: usize) -> io::Result<()> {
            Ok(())
        }
        fn move_cursor_left(&self, _: usize) -> io::Result<()> {
            Ok(())
        }
        fn write_line(&self, s: &str) -> io::Result<()> {
            self.note(s)
        }
        fn write_str(&self, s: &str) -> io::Result<()> {
            self.note(s)
        }
        fn clear_line(&self) -> io::Result<()> {
            self.note("<clear>")
        }
        fn flush(&self) -> io::Result<()> {
            Ok(())
        }
    }

    fn paper() -> (Paper, Terminal) {
        let paper = Paper::default();
        let target = ProgressDrawTarget::term_like(Box::new(paper.clone()));
        (paper, Terminal::on(target))
    }

    #[test]
    fn the_bar_shows_locations_and_bytes() {
        let (paper, terminal) = paper();
        let progress = Progress::untimed(&terminal, 12, 3 << 30, || 512 << 20);
        progress.advance(3, 1 << 30);
        let drawn = paper.text();
        assert!(drawn.contains("[======>                 ] 3/12 locations, 1.5 GiB of 3.0 GiB, "), "{drawn}");
        assert!(drawn.contains(" locations/s, "), "{drawn}");
        progress.finish();
    }

    #[test]
    fn a_log_line_stands_alone_and_the_bar_comes_back() {
        let (paper, terminal) = paper();
        let progress = Progress::untimed(&terminal, 2, 0, || 0);
        progress.advance(1, 0);
        terminal.suspend(|| paper.note("LOG\n").unwrap());
        let noted = paper.0.lock().unwrap().clone();
        let at = noted.iter().position(|s| s == "LOG\n").unwrap();
        assert_eq!(noted[at - 1], "<clear>", "{noted:?}");
        assert!(noted[at + 1..].join("").contains("1/2 locations"), "{noted:?}");
        drop(progress);
        assert_eq!(paper.0.lock().unwrap().last().unwrap(), "<clear>");
    }

    #[test]
    fn nothing_is_drawn_without_a_terminal() {
        let terminal = Terminal::hidden();
        let progress = Progress::start(&terminal, 2, 0, || 0);
        progress.advance(2, 0);
        assert!(progress.bar.is_hidden());
        assert!(style(Arc::default(), || 0, 0).is_some());
    }
}
