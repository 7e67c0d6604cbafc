//! Runs of a job that wait: for others of it to end, for a slot, for their next attempt. Who is let
//! in, whose turn it is, and who has waited too long.

use jiff::Timestamp;

use super::View;
use super::active::{Active, Live, Phase};
use super::job_state::JobState;
use super::out::Out;
use crate::job::{ConcurrencyPolicy, Reason, RunId, Status, StopCause};

/// The most runs of one job at once where its policy names no limit: memory is bounded, whatever is
/// asked for.
const MAX_ACTIVE: usize = 10_000;

/// What becomes of one more run of a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Admission {
    /// It may start, once its pool has a slot.
    Start,
    /// It waits for others of its job to end.
    Wait,
    /// It does not run, and why.
    Refuse(&'static str),
}

impl JobState {
    /// What becomes of one more run, by the concurrency policy.
    pub(super) fn admission(&self) -> Admission {
        let policy = self.plan.concurrency_policy;
        match policy {
            ConcurrencyPolicy::Allow if self.running.len() < MAX_ACTIVE => Admission::Start,
            ConcurrencyPolicy::Allow => Admission::Refuse(Reason::QUEUE_LIMIT),
            // Who waits already goes first.
            _ if self.has_room() && self.behind.is_empty() => Admission::Start,
            ConcurrencyPolicy::Forbid => Admission::Refuse(Reason::MAX_CONCURRENT),
            ConcurrencyPolicy::Replace => Admission::Wait,
            ConcurrencyPolicy::Queue if self.behind.len() < self.plan.queue_limit as usize => {
                Admission::Wait
            }
            ConcurrencyPolicy::Queue => Admission::Refuse(Reason::QUEUE_LIMIT),
        }
    }

    /// Whether `max_concurrent` lets one more run.
    pub(super) fn has_room(&self) -> bool {
        self.plan.concurrency_policy == ConcurrencyPolicy::Allow
            || self.running.len() < self.plan.max_concurrent as usize
    }

    /// Notes a run that was let in, or waits to be. The one that it replaces is stopped.
    pub(super) fn let_in(
        &mut self,
        id: RunId,
        admission: Admission,
        now: Timestamp,
        active: &mut Active,
        out: &mut Out,
    ) {
        if admission == Admission::Start {
            self.running.insert(id);
            return;
        }
        self.behind.push_back(id);
        if self.plan.concurrency_policy == ConcurrencyPolicy::Replace {
            self.make_way(now, active, out);
        }
    }

    /// So many runs are stopped, the oldest first, that all that wait have a place. Where all are
    /// being stopped already, the oldest of those that wait gives way to the newest.
    fn make_way(&mut self, now: Timestamp, active: &mut Active, out: &mut Out) {
        let max = self.plan.max_concurrent as usize;
        loop {
            let is_staying = |id: &RunId| {
                let phase = active.get(*id).map(|live| live.phase);
                !matches!(phase, Some(Phase::Running { stopping: Some(_) }))
            };
            let staying: Vec<RunId> = self.running.iter().copied().filter(is_staying).collect();
            if staying.len() + self.behind.len() <= max {
                return;
            }
            let age = |id: &RunId| active.get(*id).map(|live| (live.run.scheduled_at, *id));
            let oldest = staying.into_iter().min_by_key(age);
            let Some(id) = oldest.or(self.behind.front().copied()) else {
                return;
            };
            let phase = active.get(id).map(|live| live.phase);
            if let Some(Phase::Running { .. }) = phase {
                active.stop(id, StopCause::Replaced, out);
            } else {
                self.end_waiting(id, Status::Cancelled, Reason::REPLACED, now, active, out);
            }
        }
    }

    /// A place may be free: the next of those that wait for one has it.
    pub(super) fn take_turns(&mut self, view: View<'_>, active: &mut Active, out: &mut Out) {
        if !view.draining {
            self.let_behind_in(view, active, out);
        }
        self.catch_up_turn(view, active, out);
    }

    fn let_behind_in(&mut self, view: View<'_>, active: &mut Active, out: &mut Out) {
        while self.has_room() {
            let Some(&id) = self.behind.front() else {
                return;
            };
            let phase = active.get(id).map(|live| live.phase);
            if phase != Some(Phase::Behind) {
                // Its row is on its way; its turn comes when that is durable.
                return;
            }
            self.behind.pop_front();
            self.running.insert(id);
            active.start_or_wait(id, view.now, view.draining, out);
        }
    }

    /// What time has done to runs that are let in: too late to start, the next attempt due, out of
    /// time altogether.
    pub(super) fn mind_time(&mut self, view: View<'_>, active: &mut Active, out: &mut Out) {
        let mut looks: Vec<RunId> = Vec::new();
        for &id in self.running.iter().chain(&self.behind) {
            let look = active.get(id).and_then(Live::next_look);
            if look.is_some_and(|look| look <= view.now) {
                looks.push(id);
            }
        }
        for id in &looks {
            self.mind(*id, view, active, out);
        }
        if !looks.is_empty() {
            self.take_turns(view, active, out);
        }
    }

    fn mind(&mut self, id: RunId, view: View<'_>, active: &mut Active, out: &mut Out) {
        let Some(live) = active.get(id) else { return };
        let now = view.now;
        if live.is_too_late(now) {
            self.miss_waiting(id, now, active, out);
        } else if live.total_end().is_some_and(|end| end <= now) {
            if let Phase::Running { .. } = live.phase {
                active.stop(id, StopCause::TotalTimeout, out);
            } else {
                let reason = Reason::TOTAL_TIMEOUT;
                self.end_waiting(id, Status::TimedOut, reason, now, active, out);
            }
        } else if live.retry_at().is_some_and(|at| at <= now) {
            active.start_or_wait(id, now, view.draining, out);
        }
    }

    /// A fire that waits for its start has waited too long.
    pub(super) fn miss_waiting(
        &mut self,
        id: RunId,
        now: Timestamp,
        active: &mut Active,
        out: &mut Out,
    ) {
        let reason = Reason::STARTING_DEADLINE;
        self.end_waiting(id, Status::Missed, reason, now, active, out);
    }

    /// Ends a run that no process runs for, and answers whoever still waits to hear of it.
    pub(super) fn end_waiting(
        &mut self,
        id: RunId,
        status: Status,
        reason: &str,
        now: Timestamp,
        active: &mut Active,
        out: &mut Out,
    ) {
        self.forget(id);
        let Some(mut live) = active.remove(id) else {
            return;
        };
        if let Phase::Inserting { reply } = live.phase {
            active.answer_triggered(id, reply, out);
        }
        live.run.status = status;
        live.run.reason = Some(Reason::new(reason));
        live.run.finished_at = Some(now);
        live.run.retry_at = None;
        out.run(&live.run, now);
    }

    /// A run of this job is over, or never was: it takes no place any more.
    pub(super) fn forget(&mut self, id: RunId) {
        self.running.remove(&id);
        self.behind.retain(|&waiting| waiting != id);
        self.in_line.retain(|&waiting| waiting != id);
        self.catching_up = self.catching_up.filter(|&current| current != id);
    }
}
