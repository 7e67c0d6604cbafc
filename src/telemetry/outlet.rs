//! Between whoever logs and whoever reads the log: a bounded queue and a thread of its own, so that
//! a terminal that was stopped, a full pipe or a slow journal delays nothing but the log.

use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, poll};
use tracing_subscriber::fmt::MakeWriter;

use crate::clock;

/// What may wait, in bytes. Further lines are lost, and counted.
const ROOM: usize = 4 << 20;

/// How many may wait; each costs some bytes beside its text.
const MOST_LINES: usize = 16_384;

/// Losses are told at most this often.
const LOSS_STRIDE: Duration = Duration::from_secs(1);

/// Where lines end up. May block.
pub(super) trait Sink: Send + 'static {
    /// Takes one line, or one entry, whole.
    fn take(&mut self, line: &[u8]) -> io::Result<()>;
}

/// Takes lines without ever waiting. Cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Outlet(Arc<Queue>);

#[derive(Debug, Default)]
struct Queue {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    lines: VecDeque<Vec<u8>>,
    bytes: usize,
    /// The thread holds a line that is not yet out.
    writing: bool,
    /// Lines that were lost since that was told.
    lost: u64,
}

impl Outlet {
    /// Starts the thread that fills `sink`. `tell` is called there, with how many lines were lost,
    /// once lines pass again.
    pub(super) fn start(sink: impl Sink, tell: fn(u64)) -> io::Result<Self> {
        let this = Self(Arc::default());
        let queue = this.0.clone();
        let thread = std::thread::Builder::new().name("log".to_owned());
        thread.spawn(move || queue.fill(sink, tell))?;
        Ok(this)
    }

    /// Hands over a line.
    pub(super) fn put(&self, line: Vec<u8>) {
        let mut state = self.0.lock();
        let room = state.bytes + line.len() <= ROOM && state.lines.len() < MOST_LINES;
        if room {
            state.bytes += line.len();
            state.lines.push_back(line);
            self.0.changed.notify_all();
        } else {
            state.lost += 1;
        }
    }

    /// Waits until everything is out, for `patience` at most.
    pub(super) fn flush(&self, patience: Duration) {
        let busy = |state: &mut State| state.writing || !state.lines.is_empty();
        let state = self.0.lock();
        // Whoever does not read by then does not get the rest.
        let _ = self.0.changed.wait_timeout_while(state, patience, busy);
    }
}

impl Queue {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The thread's whole life, which ends with the process.
    fn fill(&self, mut sink: impl Sink, tell: fn(u64)) {
        let mut told: Option<Instant> = None;
        loop {
            let line = self.next();
            let out = sink.take(&line).is_ok();
            let mut state = self.lock();
            state.writing = false;
            state.lost += u64::from(!out);
            let now = clock::monotonic();
            let due = told.is_none_or(|at| now.duration_since(at) >= LOSS_STRIDE);
            let lost = if out && due {
                std::mem::take(&mut state.lost)
            } else {
                0
            };
            drop(state);
            if lost > 0 {
                told = Some(now);
                tell(lost);
            }
            self.changed.notify_all();
        }
    }

    fn next(&self) -> Vec<u8> {
        let mut state = self.lock();
        loop {
            if let Some(line) = state.lines.pop_front() {
                state.bytes -= line.len();
                state.writing = true;
                return line;
            }
            state = self
                .changed
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }
}

/// One line on its way; tracing writes each whole.
impl io::Write for Outlet {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.put(line.to_vec());
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Outlet {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}

/// Standard error.
#[derive(Debug)]
pub(super) struct Stderr;

impl Sink for Stderr {
    fn take(&mut self, mut line: &[u8]) -> io::Result<()> {
        let stderr = rustix::stdio::stderr();
        while !line.is_empty() {
            match rustix::io::write(stderr, line) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(written) => line = &line[written..],
                Err(rustix::io::Errno::INTR) => {}
                // Somebody who shares it made it non-blocking.
                Err(rustix::io::Errno::AGAIN) => {
                    let mut wait = [PollFd::new(&stderr, PollFlags::OUT)];
                    match poll(&mut wait, None) {
                        Ok(_) | Err(rustix::io::Errno::INTR) => {}
                        Err(error) => return Err(error.into()),
                    }
                }
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

    const PATIENCE: Duration = Duration::from_mins(1);

    /// A reader that takes a line when the test does.
    struct Slow(SyncSender<Vec<u8>>);

    impl Sink for Slow {
        fn take(&mut self, line: &[u8]) -> io::Result<()> {
            let gone = |_| io::ErrorKind::BrokenPipe.into();
            self.0.send(line.to_vec()).map_err(gone)
        }
    }

    fn slow(tell: fn(u64)) -> (Outlet, Receiver<Vec<u8>>) {
        let (lines, reader) = sync_channel(0);
        (Outlet::start(Slow(lines), tell).unwrap(), reader)
    }

    #[test]
    fn lines_come_out_whole_and_in_order() {
        let (outlet, reader) = slow(|_| ());
        for n in 0..1_000 {
            outlet.put(format!("line {n}\n").into_bytes());
        }
        for n in 0..1_000 {
            let line = reader.recv_timeout(PATIENCE).unwrap();
            assert_eq!(line, format!("line {n}\n").as_bytes());
        }
        outlet.flush(PATIENCE);
    }

    #[test]
    fn a_reader_that_stalls_costs_lines_and_no_time_and_hears_how_many() {
        static TOLD: std::sync::Mutex<u64> = std::sync::Mutex::new(0);
        let (outlet, reader) = slow(|lost| *TOLD.lock().unwrap() += lost);
        let many = MOST_LINES + 1_000;
        let line = vec![b'x'; 100];
        for _ in 0..many {
            outlet.put(line.clone());
        }
        // Nobody has read so far, and here we are.
        outlet.flush(Duration::from_millis(1));
        let mut read = 0;
        while reader.recv_timeout(Duration::from_millis(500)).is_ok() {
            read += 1;
        }
        outlet.flush(PATIENCE);
        assert!((MOST_LINES..many).contains(&read), "{read}");
        assert_eq!(*TOLD.lock().unwrap(), u64::try_from(many - read).unwrap());
    }

    #[test]
    fn large_lines_are_bounded_in_all() {
        let (outlet, reader) = slow(|_| ());
        for _ in 0..100 {
            outlet.put(vec![b'x'; 1 << 20]);
        }
        assert!(outlet.0.lock().bytes <= ROOM);
        assert!(outlet.0.lock().lost >= 95);
        drop(reader);
    }
}
