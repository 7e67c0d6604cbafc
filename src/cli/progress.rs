//! How far a long computation is, for a person who waits at a terminal.

use std::io::{self, IsTerminal, Write};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
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

/// Does some work of which nobody knows how long it is. A person at a terminal sees from its first second
/// on that it goes on.
pub(super) fn shown_while<T>(what: &str, work: impl FnOnce() -> T) -> T {
    if !io::stderr().is_terminal() {
        return work();
    }
    let (working, over) = channel::<()>();
    thread::scope(|scope| {
        let teller = thread::Builder::new().name("progress".to_owned());
        // Without another thread the work goes on unseen.
        let _ = teller.spawn_scoped(scope, move || tell_seconds(what, &over));
        let result = work();
        drop(working);
        result
    })
}

/// Counts seconds until the other end of the channel is gone.
fn tell_seconds(what: &str, over: &Receiver<()>) {
    let mut shown = false;
    for second in 1_u32.. {
        if over.recv_timeout(PATIENCE) != Err(RecvTimeoutError::Timeout) {
            break;
        }
        // A terminal that is gone is no reason to stop.
        let _ = write!(io::stderr(), "\r{what} … {second} s");
        shown = true;
    }
    if shown {
        let _ = io::stderr().write_all(b"\r\x1b[K");
    }
}
