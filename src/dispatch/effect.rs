//! What the step function wants done.

use std::sync::Arc;

use jiff::Timestamp;

use super::{Answer, CommandId, Refusal};
use crate::job::{Event, JobName, Plan, Run, RunId, StopCause, Write};

/// One thing to do, in the order given.
#[derive(Debug, Clone)]
pub enum Effect {
    /// Commit these changes together. Claims among them come back as [`super::Input::Claimed`];
    /// a commit that fails is repeated until it succeeds.
    Write {
        /// The changes, in order.
        writes: Vec<Write>,
        /// Whether something waits for them.
        urgency: Urgency,
    },
    /// Start an attempt; it comes back as `Started` and `Ended`, or as `Ended` alone.
    Start(Box<Start>),
    /// Stop an attempt that was started; it comes back as `Ended`.
    Stop {
        /// Which run.
        run: RunId,
        /// Which attempt of it.
        attempt: u32,
        /// Why.
        cause: StopCause,
    },
    /// Wake this job at this time (instead of any time named before), or not at all.
    Arm {
        /// Which.
        job: JobName,
        /// When.
        at: Option<Timestamp>,
    },
    /// Answer a command.
    Reply {
        /// Which.
        command: CommandId,
        /// What came of it.
        answer: Result<Answer, Refusal>,
    },
    /// Tell whoever listens.
    Emit(Event),
    /// Nothing runs any more, and nothing will be started.
    Drained,
}

/// An attempt to start.
#[derive(Debug, Clone)]
pub struct Start {
    /// The run, as its row stands.
    pub run: Run,
    /// Which attempt, from 1.
    pub attempt: u32,
    /// What to do.
    pub plan: Arc<Plan>,
}

/// Whether a commit may wait a little for company.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Urgency {
    /// Within some tens of milliseconds.
    Soon,
    /// At once: a start or an answer waits for it.
    Now,
}
