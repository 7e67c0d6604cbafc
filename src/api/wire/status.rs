//! The daemon as a whole.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::health::Store;
use super::time::Time;
use crate::daemon;
use crate::dispatch::{PoolView, State};
use crate::job::JobName;
use crate::telemetry;

/// How the daemon is.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "DaemonStatus")]
pub struct Status {
    /// Of the program.
    pub version: String,
    /// `ready`, `paused`, `draining`, or `degraded`: `/readyz` says what is wrong.
    pub state: String,
    /// When it started.
    pub started_at: Time,
    /// For how long it has been running.
    pub uptime_s: f64,
    /// The daemons that work together.
    pub nodes: Vec<Node>,
    /// How late fires started lately; none before the first.
    pub lateness_s: Option<Lateness>,
    /// By name.
    pub pools: Vec<Pool>,
    /// Runs that run now, of the jobs that the caller sees.
    pub running: usize,
    /// Runs that wait, of the jobs that the caller sees.
    pub queued: usize,
    /// The jobs that the caller sees.
    pub jobs: JobCounts,
    /// How the last reload went; none before the first.
    pub last_reload: Option<LastReload>,
    /// Whether the ledger can be written.
    pub store: Store,
}

/// One daemon.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct Node {
    /// Its name.
    pub name: String,
    /// `leader` or `worker`.
    pub role: String,
    /// The fingerprint of its jobs.
    pub config_hash: String,
    /// When it was last heard of.
    pub last_seen: Time,
}

/// How late fires started, in seconds.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct Lateness {
    pub(crate) p50: f64,
    pub(crate) p99: f64,
    pub(crate) max: f64,
    /// The figures are of so many starts.
    pub(crate) starts: usize,
    /// When the first of them was due.
    pub(crate) since: Time,
}

impl From<telemetry::Lateness> for Lateness {
    fn from(found: telemetry::Lateness) -> Self {
        Self {
            p50: found.p50_s,
            p99: found.p99_s,
            max: found.max_s,
            starts: found.starts,
            since: found.since.into(),
        }
    }
}

/// One pool.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct Pool {
    pub(crate) name: String,
    pub(crate) slots: u32,
    pub(crate) used: u32,
    pub(crate) queued: usize,
}

impl From<&PoolView> for Pool {
    fn from(pool: &PoolView) -> Self {
        Self {
            name: pool.name.clone(),
            slots: pool.slots,
            used: pool.used,
            queued: pool.queued,
        }
    }
}

/// How many jobs are in which state.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct JobCounts {
    pub(crate) active: usize,
    pub(crate) paused: usize,
    pub(crate) disabled: usize,
    pub(crate) finished: usize,
}

impl FromIterator<State> for JobCounts {
    fn from_iter<I: IntoIterator<Item = State>>(states: I) -> Self {
        let mut counts = Self::default();
        for state in states {
            let count = match state {
                State::Active => &mut counts.active,
                State::Paused => &mut counts.paused,
                State::Disabled => &mut counts.disabled,
                State::Finished => &mut counts.finished,
            };
            *count += 1;
        }
        counts
    }
}

/// How a reload went.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct LastReload {
    pub(crate) at: Time,
    /// Who asked for it; none for callers that see some jobs only.
    pub(crate) by: Option<String>,
    /// Whether the files were taken.
    pub(crate) ok: bool,
    /// How many errors they had.
    pub(crate) errors: usize,
}

impl From<daemon::LastReload> for LastReload {
    fn from(last: daemon::LastReload) -> Self {
        Self {
            at: last.at.into(),
            by: Some(last.by),
            ok: last.ok,
            errors: last.errors,
        }
    }
}

/// A fire to come.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct Fire {
    /// Of which job.
    pub job: JobName,
    /// The nominal instant.
    pub scheduled_at: Time,
    /// The same and the job's jitter: when it starts.
    pub due_at: Time,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jobs_are_counted_by_state() {
        let counts: JobCounts = [State::Active, State::Paused, State::Active]
            .into_iter()
            .collect();
        let expected = JobCounts {
            active: 2,
            paused: 1,
            ..JobCounts::default()
        };
        assert_eq!(counts, expected);
    }
}
