//! Who is to be woken when: the jobs' next wakes, and how far each has been handed out.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use tokio::sync::mpsc;
use uuid::Uuid;

use super::{HAND_OUT, WINDOW};
use crate::clock;
use crate::dispatch::Input;
use crate::job::JobName;

/// The shared state of storage, code and handle.
pub(super) struct Rota {
    inbox: mpsc::Sender<Input>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    jobs: HashMap<Uuid, Entry>,
    /// Wakes beyond the window, in order.
    later: BTreeSet<(Timestamp, Uuid)>,
    /// Handed out at the last tick, not yet seen by our code.
    unseen: BTreeSet<(u64, Uuid)>,
    /// Up to here wakes are waited for at once.
    window: Option<Timestamp>,
    ticks: u64,
    last_tick: Option<Instant>,
}

struct Entry {
    name: JobName,
    at: Timestamp,
    stage: Stage,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// In `later`.
    Later,
    /// Given to the crate at this tick.
    HandedOut(u64),
    /// Our code waits for the instant.
    Waiting,
}

impl Rota {
    pub(super) fn new(inbox: mpsc::Sender<Input>) -> Self {
        Self {
            inbox,
            state: Mutex::default(),
        }
    }

    /// A panic while the lock was held has left the state whole: every change is a few map calls.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn arm(self: Arc<Self>, job: &JobName, at: Option<Timestamp>) {
        let id = id_of(job);
        let mut state = self.lock();
        state.forget(id);
        let Some(at) = at else { return };
        let at_once = state.window.is_some_and(|window| at < window);
        let waits = if at_once {
            Stage::Waiting
        } else {
            Stage::Later
        };
        state.jobs.insert(
            id,
            Entry {
                name: job.clone(),
                at,
                stage: waits,
            },
        );
        if at_once {
            drop(state);
            tokio::spawn(self.wait(id, at));
        } else {
            state.later.insert((at, id));
        }
    }

    /// One tick: notes the heartbeat and gives out what comes up within the window. What was given
    /// out before the last tick and has not been seen since was lost on the way, and goes again.
    pub(super) fn tick(&self) -> Vec<Uuid> {
        let now = clock::now();
        let window = now.saturating_add(WINDOW).unwrap_or(Timestamp::MAX);
        let mut state = self.lock();
        state.ticks += 1;
        state.last_tick = Some(clock::monotonic());
        state.window = Some(window);
        let mut out = state.lost();
        while let Some(&(at, id)) = state.later.first() {
            if at >= window || out.len() >= HAND_OUT {
                break;
            }
            state.later.pop_first();
            out.push(id);
        }
        let tick = state.ticks;
        for &id in &out {
            state.unseen.insert((tick, id));
            if let Some(entry) = state.jobs.get_mut(&id) {
                entry.stage = Stage::HandedOut(tick);
            }
        }
        drop(state);
        // A full inbox has news enough to make the dispatcher look at the clock.
        let _ = self.inbox.try_send(Input::Tick);
        out
    }

    /// The crate activated a job: waits for its instant, unless somebody does already.
    pub(super) async fn activated(self: Arc<Self>, id: Uuid) {
        let at = {
            let mut state = self.lock();
            let Some(entry) = state.jobs.get_mut(&id) else {
                return;
            };
            let Stage::HandedOut(tick) = entry.stage else {
                return;
            };
            entry.stage = Stage::Waiting;
            let at = entry.at;
            state.unseen.remove(&(tick, id));
            at
        };
        self.wait(id, at).await;
    }

    /// Waits for the instant and posts the wake, unless another wake was asked for meanwhile.
    async fn wait(self: Arc<Self>, id: Uuid, at: Timestamp) {
        clock::reach(at).await;
        let name = {
            let mut state = self.lock();
            let Some(entry) = state.jobs.get(&id) else {
                return;
            };
            if entry.at != at || entry.stage != Stage::Waiting {
                return;
            }
            state.jobs.remove(&id).map(|entry| entry.name)
        };
        if let Some(name) = name {
            // The inbox closes when the daemon is over; nobody is left to wake.
            let _ = self.inbox.send(Input::Wake(name)).await;
        }
    }

    pub(super) fn since_tick(&self) -> Option<Duration> {
        let last = self.lock().last_tick?;
        Some(clock::monotonic().saturating_duration_since(last))
    }
}

impl State {
    fn forget(&mut self, id: Uuid) {
        if let Some(entry) = self.jobs.remove(&id) {
            match entry.stage {
                Stage::Later => {
                    self.later.remove(&(entry.at, id));
                }
                Stage::HandedOut(tick) => {
                    self.unseen.remove(&(tick, id));
                }
                Stage::Waiting => {}
            }
        }
    }

    /// What was handed out two ticks ago or earlier and has not arrived.
    fn lost(&mut self) -> Vec<Uuid> {
        let current = self.ticks.saturating_sub(1);
        let seen_late = self.unseen.split_off(&(current, Uuid::nil()));
        let lost = std::mem::replace(&mut self.unseen, seen_late);
        lost.into_iter().map(|(_, id)| id).collect()
    }
}

/// The id of a job within the crate: a hash of its name, so that it is the same in every life.
pub(super) fn id_of(job: &JobName) -> Uuid {
    use sha2::{Digest, Sha256};
    let digest = Sha256::digest(job.as_str().as_bytes());
    let mut bytes = [0_u8; 16];
    bytes.copy_from_slice(&digest[..16]);
    uuid::Builder::from_custom_bytes(bytes).into_uuid()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rota() -> (Arc<Rota>, mpsc::Receiver<Input>) {
        let (inbox, outbox) = mpsc::channel(64);
        (Arc::new(Rota::new(inbox)), outbox)
    }

    fn soon(millis: u64) -> Timestamp {
        clock::now()
            .saturating_add(Duration::from_millis(millis))
            .unwrap()
    }

    async fn next_wake(outbox: &mut mpsc::Receiver<Input>) -> JobName {
        loop {
            match outbox.recv().await.unwrap() {
                Input::Wake(job) => return job,
                Input::Tick => {}
                other => panic!("{other:?}"),
            }
        }
    }

    #[tokio::test]
    async fn nothing_is_waited_for_before_the_first_tick() {
        let (rota, _outbox) = rota();
        let job = JobName::new("a").unwrap();
        rota.clone().arm(&job, Some(soon(0)));
        assert!(rota.since_tick().is_none());
        assert_eq!(rota.tick(), vec![id_of(&job)]);
        assert!(rota.since_tick().is_some());
    }

    #[tokio::test]
    async fn an_activation_that_got_lost_is_handed_out_again() {
        let (rota, mut outbox) = rota();
        let job = JobName::new("a").unwrap();
        rota.clone().arm(&job, Some(soon(1)));
        assert_eq!(rota.tick(), vec![id_of(&job)]);
        assert_eq!(
            rota.tick(),
            Vec::<Uuid>::new(),
            "it may still be on its way"
        );
        assert_eq!(rota.tick(), vec![id_of(&job)]);
        rota.clone().activated(id_of(&job)).await;
        assert_eq!(next_wake(&mut outbox).await, job);
        assert_eq!(rota.tick(), Vec::<Uuid>::new());
    }

    #[tokio::test]
    async fn a_doubled_activation_wakes_once() {
        let (rota, mut outbox) = rota();
        let job = JobName::new("a").unwrap();
        rota.clone().arm(&job, Some(soon(5)));
        rota.tick();
        let both = tokio::join!(
            rota.clone().activated(id_of(&job)),
            rota.clone().activated(id_of(&job))
        );
        assert_eq!(both, ((), ()));
        assert_eq!(next_wake(&mut outbox).await, job);
        assert!(outbox.try_recv().is_err());
    }

    #[tokio::test]
    async fn the_newest_wish_counts() {
        let (rota, mut outbox) = rota();
        let (a, b) = (JobName::new("a").unwrap(), JobName::new("b").unwrap());
        rota.tick();
        rota.clone().arm(&a, Some(soon(20)));
        rota.clone().arm(&a, Some(soon(10)));
        rota.clone().arm(&b, Some(soon(5)));
        rota.clone().arm(&b, None);
        assert_eq!(next_wake(&mut outbox).await, a);
        rota.clone().arm(&a, Some(soon(30)));
        assert_eq!(
            next_wake(&mut outbox).await,
            a,
            "and no stale wake in between"
        );
        assert!(outbox.try_recv().is_err());
    }

    #[tokio::test]
    async fn beyond_the_window_only_a_tick_hands_out() {
        let (rota, _outbox) = rota();
        let job = JobName::new("a").unwrap();
        rota.tick();
        rota.clone().arm(&job, Some(soon(1500)));
        assert_eq!(rota.tick(), Vec::<Uuid>::new());
        rota.clone().arm(&job, Some(soon(3_600_000)));
        assert_eq!(rota.tick(), Vec::<Uuid>::new());
        assert_eq!(rota.lock().later.len(), 1_usize);
    }
}
