//! The bar that a person sees while `--once` works.

use std::sync::OnceLock;

use crate::observe::progress::Progress;
use crate::observe::terminal::Terminal;
use crate::scrub::{Observer, SettledLocation, Tally, UnderWay};

/// Draws nothing until the plan is known.
pub(super) struct Bar<'a> {
    terminal: &'a Terminal,
    progress: OnceLock<Progress>,
    under_way: UnderWay,
}

impl<'a> Bar<'a> {
    pub(super) fn new(terminal: &'a Terminal) -> Self {
        Self { terminal, progress: OnceLock::new(), under_way: UnderWay::default() }
    }
}

impl Observer for Bar<'_> {
    fn planned(&self, plan: Tally) {
        if plan.locations > 0 {
            let under_way = self.under_way.clone();
            let start = || Progress::start(self.terminal, plan.locations, plan.bytes, move || under_way.bytes());
            self.progress.get_or_init(start);
        }
    }

    fn settled(&self, one: &SettledLocation<'_>) {
        if let Some(progress) = self.progress.get() {
            progress.advance(1, one.bytes);
        }
    }

    fn under_way(&self) -> UnderWay {
        self.under_way.clone()
    }
}
