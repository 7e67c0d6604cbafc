//! What the API shows: a copy of the state that costs the scheduler next to nothing.

use std::sync::Arc;

use jiff::Timestamp;
use serde::Serialize;

use super::Dispatcher;
use super::active::Phase;
use super::job_state::JobState;
use super::job_views::JobViews;
use crate::job::{JobFlags, JobName, Plan};

/// Where a job stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// It fires.
    Active,
    /// It is paused, by itself or with everything.
    Paused,
    /// `enabled = false`.
    Disabled,
    /// It names no instant any more, and nothing of it is left to run.
    Finished,
}

/// All jobs and pools at one moment.
#[derive(Debug, Clone)]
pub struct Snapshot {
    /// When.
    pub at: Timestamp,
    /// Jobs in the config, by name.
    pub jobs: JobViews,
    /// Pools, by name.
    pub pools: Vec<PoolView>,
    /// Whether everything is paused.
    pub paused: bool,
    /// Whether the daemon is shutting down.
    pub draining: bool,
}

/// One job at one moment.
#[derive(Debug, Clone)]
pub struct JobView {
    /// Its plan.
    pub plan: Arc<Plan>,
    /// Where it stands.
    pub state: State,
    /// What is remembered of it: the pause and its end among others.
    pub flags: JobFlags,
    /// The next instant that will fire, or at which a supervised job is started again; none when
    /// paused, disabled or finished, and for what no clock makes run.
    pub next_fire: Option<Timestamp>,
    /// Runs that the runner has.
    pub running: usize,
    /// Runs that wait: for a slot, for others of the job, for their next attempt, or in line to be
    /// caught up.
    pub queued: usize,
}

/// One pool at one moment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PoolView {
    /// Its name.
    pub name: String,
    /// How many attempts may run at once.
    pub slots: u32,
    /// How many do.
    pub used: u32,
    /// How many runs wait for a slot.
    pub queued: usize,
}

impl Snapshot {
    /// Nothing yet.
    pub fn empty(at: Timestamp) -> Self {
        Self {
            at,
            jobs: JobViews::default(),
            pools: Vec::new(),
            paused: false,
            draining: false,
        }
    }

    /// The job of this name.
    pub fn job(&self, name: &str) -> Option<&JobView> {
        self.jobs.get(name)
    }
}

impl Dispatcher {
    /// The state as it is now. Takes as long as what changed since the last one.
    pub fn snapshot(&mut self, now: Timestamp) -> Snapshot {
        let jobs = self.job_views();
        let pools = self.active.pools.iter();
        Snapshot {
            at: now,
            jobs,
            pools: pools
                .map(|(name, pool)| {
                    let (slots, used, queued) = pool.figures();
                    let name = name.clone();
                    PoolView {
                        name,
                        slots,
                        used,
                        queued,
                    }
                })
                .collect(),
            paused: self.paused,
            draining: self.is_draining(),
        }
    }

    /// One job as it is now, if it is in the config.
    pub fn view_of(&self, job: &JobName) -> Option<JobView> {
        self.jobs
            .get(job)
            .filter(|state| !state.removed)
            .map(|state| self.job_view(state))
    }

    pub(super) fn job_view(&self, state: &JobState) -> JobView {
        let ids = state.running.iter();
        let running = ids
            .filter(|&&id| {
                self.active
                    .get(id)
                    .is_some_and(|live| matches!(live.phase, Phase::Running { .. }))
            })
            .count();
        let put_off = usize::try_from(state.put_off).unwrap_or(usize::MAX);
        let waiting = state.running.len() - running + state.behind.len() + state.in_line.len();
        let queued = waiting.saturating_add(put_off);
        let paused = state.is_paused(self.paused);
        let by_clock = state.plan.when.schedule().is_some();
        let next = state.next_fire().or(state.restart_at);
        let shown = if !state.plan.enabled {
            State::Disabled
        } else if by_clock && next.is_none() && running + queued == 0 {
            State::Finished
        } else if paused {
            State::Paused
        } else {
            State::Active
        };
        JobView {
            plan: state.plan.clone(),
            state: shown,
            flags: state.flags.clone(),
            next_fire: next.filter(|_| shown == State::Active),
            running,
            queued,
        }
    }
}
