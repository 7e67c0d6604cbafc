//! One life right after the other, as in an upgrade: what runs goes on.
//!
//! The ending life starts nothing more, waits until the ledger has answered it, and leaves its claims
//! where they are. The next one reads the ledger as after any restart, except that attempts which
//! were handed to it run, that instants in between are late and not unwatched, and that start-up
//! jobs do not begin anew.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::active::{Live, Phase};
use super::job_state::JobState;
use super::out::Out;
use super::{Dispatcher, Ending, UNWATCHED_AFTER, view};
use crate::job::{Action, Attempt, JobFlags, JobName, Plan, Run, RunId, StopCause, Trigger};

/// What a life hands to the next, beside the ledger.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct HandedOver {
    /// Up to when it watched.
    pub watched: Timestamp,
    /// The runs whose attempts go on.
    pub underway: Vec<Underway>,
    /// Its jobs that begin with the daemon.
    pub restarts: BTreeMap<JobName, Restarts>,
}

/// A run whose attempt goes on.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Underway {
    /// As it stands, should the ledger not have taken it.
    pub run: Run,
    /// The attempt, once it has started.
    pub attempt: Option<Attempt>,
    /// Why it is being stopped, if it is.
    pub stopping: Option<StopCause>,
    /// The pool in which it has a slot.
    pub pool: String,
    /// What it does, in case the config does not have its job any more.
    pub action: Action,
}

/// How far the supervision of a job has come.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Restarts {
    /// When it is started again, if it waits for that.
    pub at: Option<Timestamp>,
    /// How often it was, since it last ran for long.
    pub count: u32,
}

impl Dispatcher {
    /// The next life takes over.
    pub(super) fn hand_over(&mut self) {
        // Who shuts down already has no next life.
        self.ending.get_or_insert(Ending::HandOver);
    }

    /// What the next life takes over, once nothing waits for the ledger.
    pub fn handed_over(&self) -> HandedOver {
        HandedOver {
            watched: self.watched,
            underway: self.active.iter().filter_map(underway).collect(),
            restarts: self.restarts(),
        }
    }

    fn restarts(&self) -> BTreeMap<JobName, Restarts> {
        let begun = |state: &&JobState| {
            state.plan.enabled && !state.removed && state.plan.when.restart().is_some()
        };
        let restarts = |state: &JobState| Restarts {
            at: state.restart_at,
            count: state.restarts,
        };
        let begun = self.jobs.values().filter(begun);
        begun
            .map(|state| (state.plan.name.clone(), restarts(state)))
            .collect()
    }

    /// A run goes on as before, in the slot that it has, whatever the config says of its job now.
    pub(super) fn take_up_running(&mut self, underway: Underway, now: Timestamp, out: &mut Out) {
        let Underway {
            run,
            attempt,
            stopping,
            pool,
            action,
        } = underway;
        let state = self.jobs.entry(run.job.clone()).or_insert_with(|| {
            let flags = self.dormant.remove(&run.job);
            let flags = flags.unwrap_or_else(|| JobFlags::first_seen(run.job.clone(), now));
            let mut gone = JobState::new(Arc::new(Plan::gone(run.job.clone(), action)), flags);
            gone.removed = true;
            gone
        });
        state.running.insert(run.id);
        if run.trigger == Trigger::CatchUp {
            state.catching_up = Some(run.id);
        }
        let plan = if state.plan.pool == pool {
            state.plan.clone()
        } else {
            Arc::new(Plan {
                pool,
                ..Plan::clone(&state.plan)
            })
        };
        out.touch(&run.job);
        self.active.take_up(run, &plan, attempt, stopping);
    }

    /// The jobs that begin with the daemon began in the life before; those that are new to the config
    /// begin now.
    pub(super) fn go_on_from_startup(
        &mut self,
        restarts: &BTreeMap<JobName, Restarts>,
        now: Timestamp,
        out: &mut Out,
    ) {
        let view = view!(self, now, Timestamp::MIN);
        for (name, state) in &mut self.jobs {
            if let Some(restarts) = restarts.get(name) {
                state.restart_at = restarts.at.filter(|_| state.is_supervised());
                state.restarts = restarts.count;
            } else if state.is_supervised() && !state.removed && state.running.is_empty() {
                state.run_from_startup(now, view, &mut self.active, out);
            } else {
                continue;
            }
            out.touch(name);
        }
    }
}

impl HandedOver {
    /// Before which instant nothing was watched: one life followed the other so late that what was due
    /// meanwhile is not merely late.
    pub(super) fn unwatched_before(&self, now: Timestamp) -> Option<Timestamp> {
        let patience = self.watched.checked_add(UNWATCHED_AFTER).ok()?;
        (patience < now).then_some(now)
    }

    /// Whether this run goes on.
    pub(super) fn has(&self, run: RunId) -> bool {
        self.underway.iter().any(|underway| underway.run.id == run)
    }
}

fn underway(live: &Live) -> Option<Underway> {
    let Phase::Running { stopping } = live.phase else {
        return None;
    };
    Some(Underway {
        run: live.run.clone(),
        attempt: live.attempt.clone(),
        stopping,
        pool: live.plan.pool.clone(),
        action: live.plan.action.clone(),
    })
}
