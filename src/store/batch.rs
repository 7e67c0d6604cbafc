//! What is handed to the ledger, and what comes back.

use std::fmt;

use jiff::Timestamp;

use crate::job::{ClaimOutcome, RunId, Write};

/// Changes that become durable together, in this order.
pub struct Batch {
    /// The changes. A run's row comes no later than its attempts and outputs.
    pub writes: Vec<Write>,
    /// Captured output, each replacing what was kept of the same attempt.
    pub outputs: Vec<StoredOutput>,
    /// How long they may wait for company.
    pub urgency: Urgency,
    /// Called once, after the changes are durable.
    pub done: Option<Done>,
}

/// Called on the ledger's own thread, so it must be quick and must not wait for the ledger.
pub type Done = Box<dyn FnOnce(Acked) + Send>;

/// How long a batch may wait for company.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Urgency {
    /// Not at all: somebody waits for it.
    Now,
    /// Some milliseconds, so that many share one commit.
    Soon,
}

/// The answer to a batch that is durable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Acked {
    /// What became of each claim and each start of the batch, in its order.
    pub claims: Vec<(RunId, ClaimOutcome)>,
}

/// The captured output of one attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredOutput {
    /// Whose.
    pub run: RunId,
    /// Of which attempt, from 1.
    pub attempt: u32,
    /// What was kept, both streams in order of arrival.
    pub bytes: Vec<u8>,
    /// Which part of the bytes is which stream, in the runner's own form.
    pub segments: Vec<u8>,
    /// How much the attempt wrote in all.
    pub total_bytes: u64,
}

/// The captured output of one attempt as it lies in the ledger: all but its bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptOutput {
    /// Whose.
    pub run: RunId,
    /// Of which attempt, from 1.
    pub attempt: u32,
    /// Its place in the order of arrival.
    pub seq: i64,
    /// How many bytes were kept.
    pub length: usize,
    /// Which part of the bytes is which stream, in the runner's own form.
    pub segments: Vec<u8>,
    /// How much the attempt wrote in all.
    pub total_bytes: u64,
    /// When the attempt began and ended, if its row says so.
    pub times: [Option<Timestamp>; 2],
}

/// The ledger is closed; the batch comes back.
#[derive(Debug, thiserror::Error)]
#[error("the ledger is closed")]
pub struct Closed(pub Batch);

/// The ledger did not take the batch just now; it comes back.
#[derive(Debug, thiserror::Error)]
pub enum NotTaken {
    /// Too much waits already.
    #[error("the ledger has as much to write as it can hold")]
    Full(Batch),
    /// It is closed.
    #[error("the ledger is closed")]
    Closed(Batch),
}

impl Batch {
    /// Changes that somebody waits for.
    pub fn now(writes: Vec<Write>) -> Self {
        Self::of(writes, Urgency::Now)
    }

    /// Changes that may wait a moment for company.
    pub fn soon(writes: Vec<Write>) -> Self {
        Self::of(writes, Urgency::Soon)
    }

    /// The same with a call once it is durable.
    #[must_use]
    pub fn then(mut self, done: impl FnOnce(Acked) + Send + 'static) -> Self {
        self.done = Some(Box::new(done));
        self
    }

    fn of(writes: Vec<Write>, urgency: Urgency) -> Self {
        Self {
            writes,
            outputs: Vec::new(),
            urgency,
            done: None,
        }
    }

    /// How many changes it holds.
    pub(super) fn len(&self) -> usize {
        self.writes.len() + self.outputs.len()
    }

    /// How many bytes of output it holds.
    pub(super) fn output_bytes(&self) -> usize {
        self.outputs.iter().map(|o| o.bytes.len()).sum()
    }
}

impl fmt::Debug for Batch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Batch")
            .field("writes", &self.writes)
            .field("outputs", &self.outputs.len())
            .field("urgency", &self.urgency)
            .finish_non_exhaustive()
    }
}
