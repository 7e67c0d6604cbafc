//! Whether the ledger takes writes, as anyone may ask at any moment.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use serde::Serialize;

use crate::clock;

/// A commit that takes longer than this counts as a ledger that cannot be written.
const STALLED: Duration = Duration::from_secs(5);

/// Whether the ledger takes writes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Health {
    /// Whether the last commit went through and the present one is not stuck.
    pub writable: bool,
    /// Since when it is as it is.
    pub since: Timestamp,
    /// What the last failure was, if there was one; kept after recovery.
    pub last_error: Option<String>,
    /// How many changes wait to become durable.
    pub pending: usize,
    /// How many changes the database refused for good, because they contradict it; each is logged.
    pub refused: u64,
}

/// The live form of [`Health`], shared by the writer and whoever asks.
#[derive(Debug)]
pub(super) struct HealthCell(Mutex<State>);

#[derive(Debug)]
struct State {
    health: Health,
    /// When the commit that is under way began.
    committing_since: Option<Instant>,
    /// Since when, and why, what is written is not what its path leads to.
    lost: Option<(Timestamp, String)>,
}

/// Whether a report changed anything, so that the log tells edges and not levels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Edge {
    Crossed,
    None,
}

impl HealthCell {
    pub(super) fn new() -> Self {
        Self(Mutex::new(State {
            health: Health {
                writable: true,
                since: clock::now(),
                last_error: None,
                pending: 0,
                refused: 0,
            },
            committing_since: None,
            lost: None,
        }))
    }

    pub(super) fn read(&self) -> Health {
        let state = self.lock();
        let mut health = state.health.clone();
        let stalled = state
            .committing_since
            .map(|began| clock::monotonic().saturating_duration_since(began))
            .filter(|&span| health.writable && span > STALLED);
        if let Some(span) = stalled {
            health.writable = false;
            health.since = clock::now().checked_sub(span).unwrap_or(health.since);
            health.last_error = Some(format!(
                "a commit has been waiting for the disk for {} s",
                span.as_secs()
            ));
        }
        if let Some((since, why)) = state.lost.clone() {
            health.writable = false;
            health.since = since;
            health.last_error = Some(why);
        }
        health
    }

    /// It was looked whether the ledger is where it was, which a commit does not tell: why not, if so.
    pub(super) fn looked_for(&self, lost: Option<String>) -> Edge {
        let mut state = self.lock();
        let before = state.lost.take();
        let since = before.as_ref().map_or_else(clock::now, |(since, _)| *since);
        state.lost = lost.map(|why| (since, why));
        if before.is_some() == state.lost.is_some() {
            Edge::None
        } else {
            Edge::Crossed
        }
    }

    pub(super) fn queued(&self, changes: usize) {
        self.lock().health.pending += changes;
    }

    pub(super) fn unqueued(&self, changes: usize) {
        let mut state = self.lock();
        state.health.pending = state.health.pending.saturating_sub(changes);
    }

    pub(super) fn committing(&self) {
        self.lock().committing_since = Some(clock::monotonic());
    }

    pub(super) fn refused(&self) {
        self.lock().health.refused += 1;
    }

    pub(super) fn committed(&self, changes: usize) -> Edge {
        let mut state = self.lock();
        state.committing_since = None;
        state.health.pending = state.health.pending.saturating_sub(changes);
        state.turn(true)
    }

    pub(super) fn failed(&self, error: String) -> Edge {
        let mut state = self.lock();
        state.committing_since = None;
        state.health.last_error = Some(error);
        state.turn(false)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Every update is a plain assignment: a panic elsewhere leaves nothing half done.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn turn(&mut self, writable: bool) -> Edge {
        if self.health.writable == writable {
            return Edge::None;
        }
        self.health.writable = writable;
        self.health.since = clock::now();
        Edge::Crossed
    }
}
