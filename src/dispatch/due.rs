//! A job brought up to now: due fires are decided, coming ones claimed.

use std::collections::BTreeSet;

use jiff::Timestamp;

use super::active::{Active, Phase, hand_to_runner};
use super::job_state::{Claim, JobState};
use super::out::Out;
use super::spans::{Stretch, just_before};
use super::waiting::Admission;
use super::{Answer, Dispatcher, HORIZON, LEAD, Refusal, View, view};
use crate::job::{AttemptEnd, ClaimOutcome, EventKind, Figures, Reason, RunId, Status, Trigger};

impl JobState {
    /// Decides everything that is due at `view.now`, then claims what comes next.
    pub(super) fn advance(&mut self, view: View<'_>, active: &mut Active, out: &mut Out) {
        if view.draining {
            return;
        }
        self.mind_time(view, active, out);
        self.resume_if_over(view, out);
        if self.is_paused(view.everything_paused) {
            self.skip_while_paused(view, out);
            return;
        }
        self.miss_unwatched(view, active, out);
        self.start_due(view, active, out);
        self.restart_if_due(view, active, out);
        self.take_turns(view, active, out);
        self.claim_coming(view, active, out);
    }

    /// A pause with an end is over when its end has come.
    pub(super) fn resume_if_over(&mut self, view: View<'_>, out: &mut Out) {
        let over = self.flags.paused && self.flags.paused_until.is_some_and(|t| t <= view.now);
        if over {
            // Instants up to the end of the pause are skipped, those after it are not.
            let end = self.flags.paused_until.unwrap_or(view.now);
            self.skip_while_paused(View { now: end, ..view }, out);
            self.set_resumed();
            let kind = EventKind::JobPaused {
                job: self.plan.name.clone(),
                paused: false,
                by: "schedule".to_owned(),
            };
            out.emit(view.now, kind);
        }
    }

    /// Starts claimed fires whose time has come, or says why not, in the order of their instants.
    fn start_due(&mut self, view: View<'_>, active: &mut Active, out: &mut Out) {
        while let Some(claim) = self.claims.front() {
            if !claim.durable || claim.run.due_at > view.now {
                return;
            }
            let run = self
                .claims
                .pop_front()
                .expect("it was there just above")
                .run;
            let late = view.now.duration_since(run.due_at);
            let deadline = self.plan.starting_deadline;
            if deadline.is_some_and(|deadline| late.unsigned_abs() > deadline) {
                let reason = Reason::STARTING_DEADLINE;
                self.withhold(run, Status::Missed, reason, view.now, out);
                continue;
            }
            let (id, admission) = (run.id, self.admission());
            match admission {
                Admission::Refuse(reason) => {
                    self.withhold(run, Status::Skipped, reason, view.now, out);
                    continue;
                }
                Admission::Start => {
                    active.add(run, &self.plan, Phase::Waiting);
                    active.start_or_wait(id, view.now, view.draining, out);
                }
                Admission::Wait => {
                    active.add(run, &self.plan, Phase::Behind);
                    active.wait_behind(id, view.now, out);
                }
            }
            self.let_in(id, admission, view, active, out);
        }
    }

    /// Claims what falls due within [`HORIZON`], once the first of it is within [`LEAD`] (so that
    /// a job of every second is claimed two instants at a time).
    fn claim_coming(&mut self, view: View<'_>, active: &mut Active, out: &mut Out) {
        let Some(schedule) = self.schedule() else {
            return;
        };
        let due = |nominal| schedule.due_at(nominal);
        let lead = view.now.saturating_add(LEAD).unwrap_or(Timestamp::MAX);
        // Who has no claims at all has just begun, or fires seldom. At a start of the daemon all jobs
        // have just begun, and are not ready before the ledger has what they claim.
        let horizon = if self.claims.is_empty() {
            lead
        } else {
            view.now.saturating_add(HORIZON).unwrap_or(Timestamp::MAX)
        };
        if self
            .next_undecided()
            .is_some_and(|nominal| due(nominal) <= lead)
        {
            self.claim_while(|nominal| due(nominal) <= horizon, view, active, out);
        }
    }

    /// Claims what the schedule has named up to now, however late it is due: the schedule ends.
    pub(super) fn claim_named(&mut self, view: View<'_>, active: &mut Active, out: &mut Out) {
        self.claim_while(|nominal| nominal <= view.now, view, active, out);
        // The ledger has not answered for so long that no more were claimed; nor will they be.
        if let Some(rest) = self.undecided_through(view.now) {
            self.account_runs(rest, Status::Missed, Reason::UNWATCHED, view, out);
        }
    }

    /// Claims the instants that are wanted. Those on the way that a calendar excludes are known to be
    /// skipped: they are not claimed, but skipped when they have come, or ahead of a claim behind
    /// them.
    fn claim_while(
        &mut self,
        wanted: impl Fn(Timestamp) -> bool,
        view: View<'_>,
        active: &mut Active,
        out: &mut Out,
    ) {
        while let Some(nominal) = self.next_undecided().filter(|&nominal| wanted(nominal)) {
            if self.claims_pile_up() {
                return;
            }
            if let Some(why) = self.excluded(nominal) {
                let behind = self.plan.next_firing_after(nominal);
                let through = behind.filter(|&behind| wanted(behind));
                let through = through.map_or(view.now, just_before);
                match self.undecided_through(through) {
                    Some(run) => self.skip_excluded(run, &why, view, out),
                    None => return,
                }
                continue;
            }
            let mut run = self.fire(nominal, Trigger::Schedule, view);
            run.status = Status::Scheduled;
            active.claim(run.clone(), out);
            self.claims.push_back(Claim {
                run,
                durable: false,
            });
            self.decide_through(nominal);
        }
    }

    /// Skips the instants of a stretch up to the first that is not excluded for this reason.
    fn skip_excluded(&mut self, stretch: Stretch, why: &str, view: View<'_>, out: &mut Out) {
        let Some(schedule) = self.plan.when.schedule().cloned() else {
            return;
        };
        if let Some((run, _)) = stretch.runs(&schedule).into_iter().next() {
            self.account(run, Status::Skipped, why, view, out);
        }
    }

    /// A claim came back from the ledger.
    fn claimed(&mut self, id: RunId, outcome: ClaimOutcome) {
        match outcome {
            ClaimOutcome::Claimed => {
                if let Some(claim) = self.claims.iter_mut().find(|claim| claim.run.id == id) {
                    claim.durable = true;
                }
            }
            // The clock went back, and this instant has had its fire.
            ClaimOutcome::Decided => self.claims.retain(|claim| claim.run.id != id),
        }
    }
}

impl Dispatcher {
    /// Claims are durable: manual and catch-up runs may go, scheduled ones when they are due.
    pub(super) fn claimed(
        &mut self,
        outcomes: Vec<(RunId, ClaimOutcome)>,
        now: Timestamp,
        out: &mut Out,
    ) {
        let mut jobs = BTreeSet::new();
        for (id, outcome) in outcomes {
            let Some(job) = self.active.came_back(id) else {
                continue;
            };
            if self.active.get(id).is_some() {
                self.inserted(id, outcome, now, out);
            } else if let Some(state) = self.jobs.get_mut(&job) {
                state.claimed(id, outcome);
                jobs.insert(job);
            }
        }
        let view = view!(self, now, Timestamp::MIN);
        for job in jobs {
            if let Some(state) = self.jobs.get_mut(&job) {
                if !state.is_paused(view.everything_paused) {
                    state.start_due(view, &mut self.active, out);
                }
                out.touch(&job);
            }
        }
    }

    /// The row of a manual or catch-up run is durable, or was there before.
    fn inserted(&mut self, id: RunId, outcome: ClaimOutcome, now: Timestamp, out: &mut Out) {
        let Some(live) = self.active.get_mut(id) else {
            return;
        };
        let Phase::Inserting { reply } = live.phase else {
            if live.announced {
                self.announced(id, outcome, now, out);
            }
            return;
        };
        let (job, trigger) = (live.run.job.clone(), live.run.trigger);
        live.phase = Phase::InLine;
        out.touch(&job);
        let Some(state) = self.jobs.get_mut(&job) else {
            return;
        };
        if outcome == ClaimOutcome::Decided {
            state.forget(id);
            self.active.remove(id);
            if trigger == Trigger::Startup {
                state.restart_refused(now);
            }
            let decided = Err(Refusal::Decided(id));
            self.active.answer(id, reply, &decided, out);
        } else if trigger != Trigger::CatchUp {
            if state.behind.contains(&id) {
                self.active.wait_behind(id, now, out);
            } else {
                self.active
                    .start_or_wait(id, now, self.ending.is_some(), out);
            }
            let triggered = Ok(Answer::Triggered(id));
            self.active.answer(id, reply, &triggered, out);
        }
        state.take_turns(view!(self, now, Timestamp::MIN), &mut self.active, out);
    }

    /// The row of a run says durably that it runs: its process may start, if it is still wanted.
    fn announced(&mut self, id: RunId, outcome: ClaimOutcome, now: Timestamp, out: &mut Out) {
        let Some(live) = self.active.get_mut(id) else {
            return;
        };
        let stopping = match live.phase {
            Phase::Running { stopping } => stopping,
            _ => None,
        };
        if outcome == ClaimOutcome::Decided {
            // The ledger knows an end of it: it must not run, and the ledger has said so.
            self.give_up(id, now, out);
        } else if let Some(cause) = stopping {
            let end = AttemptEnd::Stopped {
                cause,
                code: None,
                signal: None,
            };
            let attempt = live.run.attempts;
            self.ended(id, attempt, (end, Figures::default()), now, now, out);
        } else if self.ending.is_some() {
            self.put_back(id, now, out);
        } else {
            hand_to_runner(live, out);
        }
    }

    /// A run that the ledger does not let start: its place and its slot are free.
    fn give_up(&mut self, id: RunId, now: Timestamp, out: &mut Out) {
        let Some(live) = self.active.remove(id) else {
            return;
        };
        let view = view!(self, now, Timestamp::MIN);
        if let Some(state) = self.jobs.get_mut(&live.run.job) {
            state.forget(id);
            state.take_turns(view, &mut self.active, out);
            out.touch(&live.run.job);
        }
        if !self.is_draining() {
            self.fill(&live.plan.pool, now, out);
        }
    }

    /// The daemon drains before the process has started: the next life starts it.
    fn put_back(&mut self, id: RunId, now: Timestamp, out: &mut Out) {
        let Some(mut live) = self.active.remove(id) else {
            return;
        };
        live.run.status = Status::Queued;
        live.run.attempts -= 1;
        out.run(&live.run, now);
        if let Some(state) = self.jobs.get_mut(&live.run.job) {
            state.forget(id);
            out.touch(&live.run.job);
        }
    }
}
