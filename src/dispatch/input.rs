//! The one door in.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;

use crate::job::{AttemptEnd, ClaimOutcome, Figures, JobName, Plan, Pool, RunId};

/// Everything that can happen to the scheduler.
#[derive(Debug, Clone)]
pub enum Input {
    /// The engine's heartbeat.
    Tick,
    /// A hint that this job may have something to do now. Late, lost or doubled wakes change
    /// lateness, never what runs.
    Wake(JobName),
    /// Rows asked for by [`crate::job::Write::Claim`] are durable, or were decided before.
    Claimed(Vec<(RunId, ClaimOutcome)>),
    /// The runner started an attempt.
    Started {
        /// Which run.
        run: RunId,
        /// Which attempt of it.
        attempt: u32,
        /// Its process, if it has one.
        pid: Option<u32>,
        /// When.
        at: Timestamp,
    },
    /// An attempt is over, or could not be started.
    Ended {
        /// Which run.
        run: RunId,
        /// Which attempt of it.
        attempt: u32,
        /// How.
        end: AttemptEnd,
        /// What it took.
        figures: Figures,
        /// When.
        at: Timestamp,
    },
    /// Somebody wants something.
    Command {
        /// Returned with the answer.
        id: CommandId,
        /// Who asks, for the account.
        by: String,
        /// What.
        command: Command,
    },
    /// The config changed: the jobs and pools as they are to be from now on.
    Reload {
        /// All jobs.
        plans: BTreeMap<JobName, Arc<Plan>>,
        /// All pools.
        pools: BTreeMap<String, Pool>,
    },
    /// Shut down: start nothing more, report [`super::Effect::Drained`] once nothing runs.
    Drain,
    /// The next life takes over at once, with what runs: start nothing more, report
    /// [`super::Effect::Drained`] once nothing waits for the ledger.
    HandOver,
    /// The grace is over: stop what still runs.
    StopAll,
}

/// Ties an answer to its command.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CommandId(pub u64);

/// What people and programs may ask for. None can define what a job does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// Run a job now.
    Trigger {
        /// Which.
        job: JobName,
        /// Its parameters.
        params: BTreeMap<String, String>,
        /// What makes repeats safe: the same key means the same run.
        key: Option<String>,
    },
    /// Pause a job: its instants are skipped until it is resumed.
    Pause {
        /// Which.
        job: JobName,
        /// Resume by itself at this time.
        until: Option<Timestamp>,
        /// Why, for people.
        reason: Option<String>,
    },
    /// Resume a job.
    Resume {
        /// Which.
        job: JobName,
    },
    /// Stop a run that is queued or running.
    Cancel {
        /// Which.
        run: RunId,
    },
    /// Pause everything.
    PauseAll,
    /// Resume everything (jobs that were paused by themselves stay so).
    ResumeAll,
}

/// A command was carried out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// The manual run that was made; its row is durable.
    Triggered(RunId),
    /// Done.
    Done,
}

/// A command was refused; nothing changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// No job of this name is in the config.
    #[error("there is no job {0}; see the list of jobs")]
    UnknownJob(JobName),
    /// No run of this id is queued or running here.
    #[error("run {0} is neither queued nor running")]
    NotActive(RunId),
    /// A claimed fire is steered through its job.
    #[error("run {0} is only scheduled; pause its job instead")]
    OnlyScheduled(RunId),
    /// `max_concurrent` runs are active already.
    #[error(
        "{active} of at most {max} runs of job {job} are active, and its concurrency_policy is \
         forbid; wait for one to end or cancel it"
    )]
    MaxConcurrent {
        /// Which.
        job: JobName,
        /// How many are active.
        active: usize,
        /// How many may be.
        max: u32,
    },
    /// As many runs wait already as may.
    #[error(
        "{active} runs of job {job} wait or run already, as many as may (queue_limit); wait for one \
         to end or cancel it"
    )]
    QueueFull {
        /// Which.
        job: JobName,
        /// How many are active.
        active: usize,
    },
    /// A parameter is unknown, missing or does not match.
    #[error("{0}")]
    BadParams(String),
    /// The ledger has decided this very run before (a request repeated within a microsecond).
    #[error("run {0} is in the ledger already; ask again")]
    Decided(RunId),
    /// The key made a run before, with other parameters.
    #[error(
        "this key made run {0} before, with other parameters; use another key for another request"
    )]
    KeyReused(RunId),
    /// A time to resume at that has passed.
    #[error("the time to resume, {0}, is not in the future")]
    UntilPassed(Timestamp),
    /// The daemon is shutting down.
    #[error("the daemon is shutting down; ask again when it is back")]
    Draining,
}
