//! The scheduling policies of a job, as values.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// What happens to a fire when `max_concurrent` runs of the job are active already.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ConcurrencyPolicy {
    /// The fire is `skipped`.
    Forbid,
    /// It waits, behind at most `queue_limit` others.
    Queue,
    /// The oldest of them is stopped, and it waits for that.
    Replace,
    /// There is no limit.
    Allow,
}

/// Which of the instants that nobody watched (daemon down, machine asleep) run after all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CatchUpMode {
    /// None of them: all are `missed`.
    None,
    /// One run, for the newest.
    Latest,
    /// Every one within limit and window, oldest first.
    All,
}

/// The catch-up policy of a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct CatchUp {
    /// Which instants run.
    pub mode: CatchUpMode,
    /// At most this many, the newest.
    pub limit: u32,
    /// None older than this.
    pub window: Duration,
}
