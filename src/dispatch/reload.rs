//! The config changed while everything runs.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;

use super::active::{Active, Phase};
use super::clock_step::counts_from;
use super::job_state::JobState;
use super::out::Out;
use super::recover::same_instants;
use super::{Dispatcher, View, view};
use crate::job::{EventKind, JobName, Plan, Pool, Reason, RunId, Status, Write};

impl Dispatcher {
    /// Takes the new jobs and pools. Running runs, paused flags and history stay, by job name; a
    /// job whose schedule changed counts from now; a removed job's queue is cancelled.
    pub(super) fn reload(
        &mut self,
        plans: BTreeMap<JobName, Arc<Plan>>,
        pools: BTreeMap<String, Pool>,
        now: Timestamp,
        out: &mut Out,
    ) {
        if self.is_draining() {
            // The next life reads the config anyway; until then nothing is decided any more, so
            // no schedule can end here with all its instants accounted for.
            return;
        }
        // Instants up to now belong to the schedules that held until now.
        self.advance_all(now, Timestamp::MIN, out);
        let wanted = self.active.iter().map(|live| live.plan.pool.clone());
        let wanted = wanted.collect();
        self.active.pools.configure(pools, &wanted);
        out.emit(now, EventKind::Reloaded);
        let gone: Vec<JobName> = self
            .jobs
            .iter()
            .filter(|(name, state)| !state.removed && !plans.contains_key(*name))
            .map(|(name, _)| name.clone())
            .collect();
        for name in gone {
            self.remove(&name, now, out);
        }
        for (name, plan) in plans {
            if self.jobs.contains_key(&name) {
                self.change(&name, plan, now, out);
            } else {
                self.begin_job(plan, now, out);
                self.supervise_new(&name, now, out);
            }
        }
        self.note_downstream();
        for pool in self.active.pools.names() {
            self.fill(&pool, now, out);
        }
        self.advance_all(now, Timestamp::MIN, out);
    }

    /// A job that is supervised begins when the config first says so, not at the next start.
    fn supervise_new(&mut self, name: &JobName, now: Timestamp, out: &mut Out) {
        let view = view!(self, now, Timestamp::MIN);
        if let Some(state) = self.jobs.get_mut(name)
            && state.is_supervised()
        {
            state.run_from_startup(now, view, &mut self.active, out);
        }
    }

    fn change(&mut self, name: &JobName, plan: Arc<Plan>, now: Timestamp, out: &mut Out) {
        let view = view!(self, now, Timestamp::MIN);
        let Some(state) = self.jobs.get_mut(name) else {
            return;
        };
        let (before, spec) = (state.plan.spec_in_force(), plan.spec_in_force());
        let names_same_instants = !state.removed && same_instants(before.as_ref(), spec.as_ref());
        if names_same_instants {
            let at = match (&before, &spec) {
                // What is claimed may be excluded now, and what was excluded may run.
                (Some(before), Some(spec)) if before.exclude != spec.exclude => {
                    state.take_back_coming(now, out)
                }
                _ => now,
            };
            if before != spec {
                let job = name.clone();
                out.write(Write::Schedule { job, at, spec });
            }
            let before = state.take_plan(plan);
            state.take_new_occasion(&before, view, &mut self.active, out);
            return;
        }
        state.claim_named(view, &mut self.active, out);
        state.give_up_all(Status::Missed, Reason::UNWATCHED, view, out);
        let from = state.take_back_coming(now, out);
        state.span = None;
        state.removed = false;
        state.since = from;
        out.write(Write::Schedule {
            job: name.clone(),
            at: from,
            spec,
        });
        let before = state.take_plan(plan);
        state.warn_if_over(now, out);
        state.take_new_occasion(&before, view, &mut self.active, out);
    }

    fn remove(&mut self, name: &JobName, now: Timestamp, out: &mut Out) {
        let view: View<'_> = view!(self, now, Timestamp::MIN);
        let Some(state) = self.jobs.get_mut(name) else {
            return;
        };
        state.claim_named(view, &mut self.active, out);
        let until = counts_from(now, state.decided_without_claims(now));
        state.give_up_all(Status::Skipped, Reason::JOB_REMOVED, view, out);
        state.drop_claims(view.now, Status::Skipped, Reason::JOB_REMOVED, out);
        state.removed = true;
        state.restart_at = None;
        state.flags.seen.clear();
        state.dirty = true;
        state.flags.decided_through = until;
        out.write(Write::Schedule {
            job: name.clone(),
            at: until,
            spec: None,
        });
        let waiting: Vec<RunId> = state
            .running
            .iter()
            .chain(&state.behind)
            .chain(&state.in_line)
            .copied()
            .filter(|&id| {
                self.active
                    .get(id)
                    .is_some_and(|live| !matches!(live.phase, Phase::Running { .. }))
            })
            .collect();
        for id in waiting {
            self.cancel_waiting(id, Reason::JOB_REMOVED, now, out);
        }
        out.touch(name);
    }
}

impl JobState {
    /// What else makes the job run may have changed with its plan.
    fn take_new_occasion(
        &mut self,
        before: &Plan,
        view: View<'_>,
        active: &mut Active,
        out: &mut Out,
    ) {
        self.skipped_events = None;
        if before.catch_up != self.plan.catch_up {
            self.give_up_oldest(view, out);
        }
        let upstreams = self.plan.when.upstreams();
        let known = self.flags.seen.len();
        self.flags
            .seen
            .retain(|job, _| upstreams.iter().any(|upstream| upstream.job == *job));
        self.dirty |= self.flags.seen.len() != known;
        let was = before.when.restart().filter(|_| before.enabled);
        if !self.is_supervised() {
            self.restart_at = None;
        } else if was != self.plan.when.restart()
            && self.running.is_empty()
            && self.behind.is_empty()
        {
            self.run_from_startup(view.now, view, active, out);
        }
    }

    /// Instants to come are to be decided anew. Answers from when on.
    pub(super) fn take_back_coming(&mut self, now: Timestamp, out: &mut Out) -> Timestamp {
        let from = counts_from(now, self.decided_without_claims(now));
        self.withdraw_coming(now, out);
        self.flags.decided_through = from;
        self.dirty = true;
        from
    }

    /// Claims whose instant is still to come are taken back; those whose instant has come (due a
    /// little later, by jitter) stay: they were named by the old schedule.
    fn withdraw_coming(&mut self, now: Timestamp, out: &mut Out) {
        for claim in std::mem::take(&mut self.claims) {
            if self.is_to_come(claim.run.scheduled_at, now) {
                out.write(Write::Withdraw(claim.run.id));
            } else {
                self.claims.push_back(claim);
            }
        }
    }
}
