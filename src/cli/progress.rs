//! How far a long computation is, for a person who waits at a terminal.

use std::io::{self, IsTerminal, Write};
use std::time::{Duration, Instant};

use crate::clock;

/// Nothing is shown before this, nor more often than every tenth of it.
const PATIENCE: Duration = Duration::from_secs(1);

/// Parts that are done, of all there are. Shown on standard error from the first second on, and
/// wiped out at the end.
#[derive(Debug)]
pub(super) struct Progress {
    what: &'static str,
    all: usize,
    done: usize,
    /// When it is shown next; none: nobody is there to read it.
    next: Option<Instant>,
    shown: bool,
}

impl Progress {
    /// Nothing is done yet of this many parts.
    pub(super) fn new(what: &'static str, all: usize) -> Self {
        let terminal = io::stderr().is_terminal();
        Self {
            what,
            all,
            done: 0,
            next: terminal.then(|| clock::monotonic() + PATIENCE),
            shown: false,
        }
    }

    /// So many more parts are done.
    pub(super) fn add(&mut self, parts: usize) {
        self.done += parts;
        let Some(next) = self.next else { return };
        let now = clock::monotonic();
        if now >= next {
            let line = format!("\r{} … {} of {}", self.what, self.done, self.all);
            // A terminal that is gone is no reason to stop.
            let _ = io::stderr().write_all(line.as_bytes());
            self.next = Some(now + PATIENCE / 10);
            self.shown = true;
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if self.shown {
            let _ = io::stderr().write_all(b"\r\x1b[K");
        }
    }
}
