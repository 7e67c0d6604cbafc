//! What the life before left unfinished, run by run: lost, or to go on.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::Dispatcher;
use super::active::Phase;
use super::out::Out;
use crate::job::{Attempt, JobName, Reason, Run, RunId, Status, Trigger, Write};

impl Dispatcher {
    /// A queued run goes on waiting; one that has nothing to wait for any more is cancelled.
    /// Unless the life before was handed over, it began start-up jobs of its own, which are not this
    /// one's.
    pub(super) fn take_up_queued(
        &mut self,
        mut run: Run,
        handed_over: bool,
        now: Timestamp,
        out: &mut Out,
    ) {
        let reason = match self.jobs.get(&run.job) {
            None => Some(Reason::JOB_REMOVED),
            // This life has one of its own.
            Some(_) if run.trigger == Trigger::Startup && !handed_over => Some(Reason::RESTARTED),
            Some(_) => None,
        };
        if let Some(reason) = reason {
            run.status = Status::Cancelled;
            run.reason = Some(Reason::new(reason));
            run.finished_at = Some(now);
            run.retry_at = None;
            out.run(&run, now);
            return;
        }
        let Some(state) = self.jobs.get_mut(&run.job) else {
            return;
        };
        out.touch(&run.job);
        let (id, has_begun) = (run.id, run.attempts > 0);
        if run.trigger == Trigger::CatchUp && !has_begun {
            state.line_up_run(id, run.scheduled_at, &self.active);
            self.active.add(run, &state.plan, Phase::InLine);
            return;
        }
        if run.trigger == Trigger::CatchUp {
            state.catching_up = Some(id);
        }
        // Policy and limit may be others than those that let it in.
        if !has_begun && !state.has_room() {
            state.behind.push_back(id);
            self.active.add(run, &state.plan, Phase::Behind);
            return;
        }
        state.running.insert(id);
        if let Some(at) = run.retry_at {
            // A clock that was ahead must not make it wait longer than any delay is.
            let longest = now.saturating_add(state.plan.retry.max_delay).unwrap_or(at);
            run.retry_at = Some(at.min(longest));
            self.active.add(run, &state.plan, Phase::Delayed);
        } else {
            self.active.add(run, &state.plan, Phase::Waiting);
            self.active.wait(id);
        }
    }
}

/// The daemon died under these.
pub(super) fn lose_attempts(attempts: Vec<Attempt>, now: Timestamp, out: &mut Out) {
    for mut attempt in attempts {
        attempt.status = Status::Lost;
        attempt.finished_at = Some(now);
        attempt.reason = Some(Reason::new(Reason::DAEMON_DIED));
        out.write(Write::Attempt(attempt));
    }
}

/// What the life before left, sorted by what becomes of it.
pub(super) struct Left {
    /// Claimed fires by job, oldest first.
    pub(super) claims: BTreeMap<JobName, Vec<Run>>,
    /// Runs that wait, oldest first.
    pub(super) queued: Vec<Run>,
}

impl Left {
    /// Sorts them; those that are lost are written so.
    pub(super) fn sort(
        mut live: Vec<Run>,
        marked: &BTreeSet<(RunId, u32)>,
        same_boot: bool,
        now: Timestamp,
        out: &mut Out,
    ) -> Self {
        live.sort_by_key(|run| (run.scheduled_at, run.id));
        let mut left = Self {
            claims: BTreeMap::new(),
            queued: Vec::new(),
        };
        for mut run in live {
            let lost = match run.status {
                Status::Running => Some(Reason::DAEMON_DIED),
                // A mark of an attempt that is over, of a run that waits for the next, says nothing.
                Status::Scheduled | Status::Queued
                    if marked.contains(&(run.id, run.attempts + 1)) =>
                {
                    Some(Reason::DAEMON_DIED)
                }
                // Its mark may have gone with the power.
                Status::Scheduled if !same_boot && run.due_at <= now => Some(Reason::REBOOT),
                _ => None,
            };
            if let Some(reason) = lost {
                run.status = Status::Lost;
                run.reason = Some(Reason::new(reason));
                run.finished_at = Some(now);
                out.run(&run, now);
            } else if run.status == Status::Queued {
                left.queued.push(run);
            } else {
                left.claims.entry(run.job.clone()).or_default().push(run);
            }
        }
        left
    }
}
