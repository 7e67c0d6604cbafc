//! The thread that owns the writing end: takes all that waits, commits it as one, says so.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::{mpsc, oneshot};

use super::health::{Edge, HealthCell};
use super::lately::Lately;
use super::sqlite::{Committed, PruneStep, Remark, WriteSide};
use super::{Acked, Batch, StoreError, Urgency};
use crate::clock;

/// How long a group waits for company when nobody waits for it.
const LINGER: Duration = Duration::from_millis(25);

/// The bounds of a group: beyond them the next one begins.
const GROUP_CHANGES: usize = 20_000;
const GROUP_OUTPUT: usize = 32 << 20;

/// The first and the longest wait before a failed commit is tried again.
const FIRST_WAIT: Duration = Duration::from_millis(100);
const LONGEST_WAIT: Duration = Duration::from_secs(3);

/// How long after the start the first sweep of retention comes: a daemon that is restarted often is
/// swept all the same, and one that starts has other things to do first.
const FIRST_SWEEP: Duration = Duration::from_secs(20);

/// The time between sweeps.
const SWEEP_EVERY: Duration = Duration::from_mins(5);

/// Under load a sweep gets a step this often; without load it goes on as it can.
const STEP_EVERY: Duration = Duration::from_millis(500);

/// How often it is looked whether the file is where it was, while there is nothing to write.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// What the thread is told.
#[derive(Debug)]
pub(super) enum Message {
    /// Make this durable.
    Batch(Batch),
    /// Remove what exceeds retention, all of it.
    Prune(oneshot::Sender<Result<usize, StoreError>>),
    /// Write what came before, and end.
    Close(oneshot::Sender<()>),
}

/// Whether retention has work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sweep {
    Under,
    Rests { until: Instant },
}

/// The state of the thread.
pub(super) struct Writer {
    store: WriteSide,
    inbox: mpsc::Receiver<Message>,
    health: Arc<HealthCell>,
    lately: Arc<Lately>,
    sweep: Sweep,
    last_step: Instant,
}

impl Writer {
    pub(super) fn new(
        store: WriteSide,
        inbox: mpsc::Receiver<Message>,
        health: Arc<HealthCell>,
        lately: Arc<Lately>,
    ) -> Self {
        let now = clock::monotonic();
        Self {
            store,
            inbox,
            health,
            lately,
            sweep: Sweep::Rests {
                until: now + FIRST_SWEEP,
            },
            last_step: now,
        }
    }

    /// The thread's whole life. A runtime of its own lets it wait for a message or a time.
    pub(super) fn run(mut self) {
        match tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build()
        {
            Ok(runtime) => runtime.block_on(self.serve()),
            // The inbox closes with us, and everyone who hands in something hears of it.
            Err(error) => tracing::error!(%error, "the ledger's thread cannot start"),
        }
    }

    async fn serve(&mut self) {
        let mut held = None;
        loop {
            let message = match held.take() {
                Some(message) => Some(message),
                None => self.next().await,
            };
            match message {
                Some(Message::Batch(first)) => {
                    let (group, next) = self.gather(first).await;
                    self.commit(group).await;
                    self.step_under_load();
                    held = next;
                }
                Some(Message::Prune(answer)) => {
                    // Whoever asked may have gone; the work is done all the same.
                    let _ = answer.send(self.prune_all());
                }
                Some(Message::Close(answer)) => {
                    self.inbox.close();
                    while let Some(message) = self.inbox.recv().await {
                        if let Message::Batch(batch) = message {
                            self.commit(vec![batch]).await;
                        }
                    }
                    let _ = answer.send(());
                    return;
                }
                None => return,
            }
        }
    }

    /// The next message; meanwhile retention goes on, step by step.
    async fn next(&mut self) -> Option<Message> {
        loop {
            match self.sweep {
                Sweep::Rests { until } => {
                    let left = until.saturating_duration_since(clock::monotonic());
                    tokio::select! {
                        biased;
                        message = self.inbox.recv() => return message,
                        () = clock::elapse(left.min(LOOK_EVERY)) => self.look_at_its_place(),
                    }
                    if left <= LOOK_EVERY {
                        self.sweep = Sweep::Under;
                    }
                }
                Sweep::Under => match self.inbox.try_recv() {
                    Ok(message) => return Some(message),
                    Err(mpsc::error::TryRecvError::Disconnected) => return None,
                    Err(mpsc::error::TryRecvError::Empty) => self.prune_step(),
                },
            }
        }
    }

    /// All that waits behind `first`, and the message that is no batch, if one came.
    async fn gather(&mut self, first: Batch) -> (Vec<Batch>, Option<Message>) {
        let until = clock::monotonic() + LINGER;
        let mut changes = first.len();
        let mut output = first.output_bytes();
        let mut hurry = first.urgency == Urgency::Now;
        let mut group = vec![first];
        while changes < GROUP_CHANGES && output < GROUP_OUTPUT {
            let left = until.saturating_duration_since(clock::monotonic());
            let message = match self.inbox.try_recv() {
                Ok(message) => Some(message),
                Err(_) if hurry || left.is_zero() => break,
                Err(_) => tokio::select! {
                    biased;
                    message = self.inbox.recv() => message,
                    () = clock::elapse(left) => break,
                },
            };
            match message {
                Some(Message::Batch(batch)) => {
                    changes += batch.len();
                    output += batch.output_bytes();
                    hurry |= batch.urgency == Urgency::Now;
                    group.push(batch);
                }
                other => return (group, other),
            }
        }
        (group, None)
    }

    /// Makes a group durable, however long that takes: a failed commit may have happened, and is
    /// done again until one surely has.
    async fn commit(&mut self, group: Vec<Batch>) {
        let changes = group.iter().map(Batch::len).sum();
        let mut known: Option<Committed> = None;
        let mut wait = FIRST_WAIT;
        let committed = loop {
            self.health.committing();
            match self.store.commit(&group, known.as_ref()) {
                Ok(committed) => break committed,
                Err(failure) => {
                    known = known.or(failure.unless_lost);
                    if self.health.failed(failure.detail.clone()) == Edge::Crossed {
                        tracing::error!(
                            error = failure.detail,
                            "the ledger cannot be written; trying again until it can"
                        );
                    }
                    clock::elapse(wait).await;
                    wait = (wait * 2).min(LONGEST_WAIT);
                }
            }
        };
        self.lately.changed(&group);
        if self.health.committed(changes) == Edge::Crossed {
            tracing::info!("the ledger can be written again; nothing was lost");
        }
        self.look_at_its_place();
        for remark in &committed.remarks {
            remark.log();
            if matches!(remark, Remark::Refused { .. }) {
                self.health.refused();
            }
        }
        let has_output = group.iter().any(|batch| !batch.outputs.is_empty());
        for (batch, claims) in group.into_iter().zip(committed.claims) {
            let Some(done) = batch.done else { continue };
            if catch_unwind(AssertUnwindSafe(|| done(Acked { claims }))).is_err() {
                tracing::error!("what was to follow a commit panicked; the commit stands");
            }
        }
        if has_output && self.store.has_too_much_output() {
            self.sweep = Sweep::Under;
        }
    }

    /// A file that was removed takes commits as ever.
    fn look_at_its_place(&self) {
        let lost = self.store.lost();
        match (self.health.looked_for(lost.clone()), lost) {
            (Edge::Crossed, Some(why)) => tracing::error!("{why}"),
            (Edge::Crossed, None) => tracing::info!("the ledger is at its place again"),
            (Edge::None, _) => {}
        }
    }

    fn step_under_load(&mut self) {
        let since = clock::monotonic().saturating_duration_since(self.last_step);
        if self.sweep == Sweep::Under && since >= STEP_EVERY {
            self.prune_step();
        }
    }

    fn prune_step(&mut self) {
        self.last_step = clock::monotonic();
        let rest = Sweep::Rests {
            until: self.last_step + SWEEP_EVERY,
        };
        match self.prune() {
            Ok(PruneStep::More(_)) => {}
            Ok(PruneStep::SweepDone) => self.sweep = rest,
            Err(error) => {
                tracing::warn!(%error, "history past retention was not removed; the next sweep tries again");
                self.sweep = rest;
            }
        }
    }

    fn prune(&mut self) -> Result<PruneStep, StoreError> {
        let step = self.store.prune(clock::now());
        if !matches!(step, Ok(PruneStep::SweepDone)) {
            self.lately.pruned();
        }
        step
    }

    /// A sweep may be under way: two ends of one mean that every job has been looked at.
    fn prune_all(&mut self) -> Result<usize, StoreError> {
        let (mut removed, mut ends) = (0, 0);
        while ends < 2 {
            match self.prune()? {
                PruneStep::More(some) => removed += some,
                PruneStep::SweepDone => ends += 1,
            }
        }
        Ok(removed)
    }
}
