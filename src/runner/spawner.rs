//! The threads that start processes.
//!
//! `posix_spawn` holds its caller until the exec, so it happens on threads of its own and never on
//! a runtime. Two of them keep a small machine busy. A launch can hang (a program on a dead network
//! mount), so when all threads are busy and none gets on, a guard adds another.

use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

/// How many threads start processes when all is well.
const THREADS: usize = 2;
/// How many may hang before launches do wait.
const MOST_THREADS: usize = 64;
/// No start takes this long unless it hangs.
const HANGS_AFTER: Duration = Duration::from_millis(200);
/// How many launches may wait.
pub(super) const CAPACITY: usize = 65_536;

/// What waits to be started.
#[derive(Debug)]
pub(super) struct Queue<T> {
    state: Mutex<State<T>>,
    /// Something was put in, or the queue was closed: for the threads.
    filled: Condvar,
    /// All threads are busy and something waits, or the queue was closed: for the guard.
    crowded: Condvar,
    /// Nothing waits, and nothing is being started.
    quiet: Condvar,
}

#[derive(Debug)]
struct State<T> {
    waiting: VecDeque<T>,
    threads: usize,
    busy: usize,
    /// How many launches were done with.
    done: u64,
    closed: bool,
    /// The guard is looking already, and need not be woken.
    guarded: bool,
}

impl<T> State<T> {
    /// Nothing waits, and no thread has anything.
    fn quiet(&self) -> bool {
        self.waiting.is_empty() && self.busy == 0
    }

    /// Something waits, and no thread is free to take it.
    fn crowded(&self) -> bool {
        !self.waiting.is_empty() && self.busy >= self.threads
    }
}

/// Why a launch was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refused {
    /// [`CAPACITY`] launches wait already.
    Full,
    /// The queue is closed.
    Closed,
}

impl<T: Send + 'static> Queue<T> {
    /// Starts the threads, each of which calls `start` with one item at a time.
    pub(super) fn new(start: impl Fn(T) + Send + Sync + 'static) -> io::Result<Arc<Self>> {
        let queue = Arc::new(Self {
            state: Mutex::new(State {
                waiting: VecDeque::new(),
                threads: 0,
                busy: 0,
                done: 0,
                closed: false,
                guarded: false,
            }),
            filled: Condvar::new(),
            crowded: Condvar::new(),
            quiet: Condvar::new(),
        });
        let start: Arc<dyn Fn(T) + Send + Sync> = Arc::new(start);
        for _ in 0..THREADS {
            queue.add_thread(&start)?;
        }
        let guarded = Arc::clone(&queue);
        thread::Builder::new()
            .name("spawn-guard".into())
            .spawn(move || guarded.guard(&start))?;
        Ok(queue)
    }

    /// Puts an item in; does not wait.
    pub(super) fn push(&self, item: T) -> Result<(), Refused> {
        let mut state = self.lock();
        if state.closed {
            return Err(Refused::Closed);
        }
        if state.waiting.len() >= CAPACITY {
            return Err(Refused::Full);
        }
        state.waiting.push_back(item);
        self.filled.notify_one();
        self.alert_guard(&state);
        Ok(())
    }

    /// Lets the threads end when nothing waits any more.
    pub(super) fn close(&self) {
        self.lock().closed = true;
        self.filled.notify_all();
        self.crowded.notify_all();
    }

    /// Waits until nothing is being started, but no longer than this.
    pub(super) fn wait_until_quiet(&self, most: Duration) {
        let state = self.lock();
        // Whichever it was: a panic elsewhere is no reason to wait.
        let _ = self
            .quiet
            .wait_timeout_while(state, most, |state| !state.quiet());
    }

    fn add_thread(self: &Arc<Self>, start: &Arc<dyn Fn(T) + Send + Sync>) -> io::Result<()> {
        let (queue, start) = (Arc::clone(self), Arc::clone(start));
        thread::Builder::new()
            .name("spawn".into())
            .spawn(move || queue.work(&*start))?;
        self.lock().threads += 1;
        Ok(())
    }

    fn work(&self, start: &(dyn Fn(T) + Send + Sync)) {
        let mut state = self.lock();
        loop {
            if let Some(item) = state.waiting.pop_front() {
                state.busy += 1;
                self.alert_guard(&state);
                drop(state);
                start(item);
                state = self.lock();
                state.busy -= 1;
                state.done += 1;
                if state.quiet() {
                    self.quiet.notify_all();
                }
            } else if state.closed {
                return;
            } else {
                state = wait(&self.filled, state);
            }
        }
    }

    /// To be called after every change that can make the queue crowded: an item more, or a free
    /// thread less.
    fn alert_guard(&self, state: &State<T>) {
        if state.crowded() && !state.guarded {
            self.crowded.notify_one();
        }
    }

    fn guard(self: &Arc<Self>, start: &Arc<dyn Fn(T) + Send + Sync>) {
        let mut state = self.lock();
        loop {
            state.guarded = state.crowded();
            if !state.guarded {
                if state.closed {
                    return;
                }
                state = wait(&self.crowded, state);
                continue;
            }
            let before = state.done;
            let waited = self
                .crowded
                .wait_timeout_while(state, HANGS_AFTER, |state| state.done == before);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
            if state.done == before && state.threads < MOST_THREADS {
                drop(state);
                if let Err(why) = self.add_thread(start) {
                    tracing::error!(%why, "starts hang, and no further thread can be had");
                }
                state = self.lock();
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, State<T>> {
        // Every change is a single step, so a panic elsewhere leaves it whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn wait<'a, T>(changed: &Condvar, state: MutexGuard<'a, T>) -> MutexGuard<'a, T> {
    changed.wait(state).unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[test]
    fn launches_that_hang_do_not_hold_up_the_others() {
        let (release, held) = mpsc::channel::<()>();
        let (done, seen) = mpsc::channel();
        let (held, done) = (Mutex::new(held), Mutex::new(done));
        let queue = Queue::new(move |item: u32| {
            if item < 5 {
                // Hangs until the test lets go; the receiver is shared, so one after the other.
                let _ = held.lock().unwrap().recv();
            }
            done.lock().unwrap().send(item).unwrap();
        })
        .unwrap();
        for item in 0..8 {
            queue.push(item).unwrap();
        }
        let mut first: Vec<u32> = (0..3).map(|_| seen.recv().unwrap()).collect();
        first.sort_unstable();
        assert_eq!(first, [5, 6, 7]);
        drop(release);
        let mut rest: Vec<u32> = (0..5).map(|_| seen.recv().unwrap()).collect();
        rest.sort_unstable();
        assert_eq!(rest, [0, 1, 2, 3, 4]);
        queue.close();
        assert_eq!(queue.push(9), Err(Refused::Closed));
    }
}
