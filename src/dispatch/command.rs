//! What people and programs ask for.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::active::Phase;
use super::job_state::JobState;
use super::out::Out;
use super::waiting::Admission;
use super::{Answer, Command, CommandId, Dispatcher, Refusal, params, view};
use crate::job::{EventKind, JobName, Reason, Run, RunId, Status, StopCause, Trigger, Write};

impl Dispatcher {
    /// Carries a command out, or says why not. A manual run is answered once its row is durable.
    pub(super) fn command(
        &mut self,
        id: CommandId,
        by: &str,
        command: Command,
        now: Timestamp,
        out: &mut Out,
    ) {
        let answer = match command {
            Command::Trigger { job, params, key } => {
                match self.trigger((id, by), &job, params, key.as_deref(), now, out) {
                    Ok(()) => return,
                    Err(refusal) => Err(refusal),
                }
            }
            Command::Pause { job, until, reason } => self.pause(&job, until, reason, by, now, out),
            Command::Resume { job } => self.resume(&job, by, now, out),
            Command::Cancel { run } => self.cancel(run, by, now, out),
            Command::PauseAll => {
                self.pause_everything(true, by, now, out);
                Ok(())
            }
            Command::ResumeAll => {
                self.pause_everything(false, by, now, out);
                Ok(())
            }
        };
        out.reply(id, answer.map(|()| Answer::Done));
    }

    fn trigger(
        &mut self,
        (id, by): (CommandId, &str),
        job: &JobName,
        params: BTreeMap<String, String>,
        key: Option<&str>,
        now: Timestamp,
        out: &mut Out,
    ) -> Result<(), Refusal> {
        if self.is_draining() {
            return Err(Refusal::Draining);
        }
        let state = known(self.jobs.get_mut(job), job)?;
        let params = params::check(&state.plan, params)?;
        let keyed = key.map(|key| RunId::of_key(job, key));
        if let Some(known) = keyed.and_then(|run| self.active.get(run)) {
            if known.run.params != params {
                return Err(Refusal::KeyReused(known.run.id));
            }
            let known = known.run.id;
            self.active.answer_when_durable(id, known, out);
            return Ok(());
        }
        let admission = state.admission();
        if let Admission::Refuse(reason) = admission {
            return Err(refusal(state, reason));
        }
        self.sequence += 1;
        let run_id = keyed.unwrap_or_else(|| RunId::of_manual(job, now, self.sequence));
        let mut run = new_run(run_id, job, Trigger::Manual, now, now, &self.node);
        run.status = Status::Queued;
        run.queued_at = Some(now);
        run.params = params;
        run.requested_by = Some(by.to_owned());
        self.active.claim(run.clone(), out);
        self.active
            .add(run, &state.plan, Phase::Inserting { reply: Some(id) });
        let view = view!(self, now, Timestamp::MIN);
        if let Some(state) = self.jobs.get_mut(job) {
            state.let_in(run_id, admission, view, &mut self.active, out);
        }
        out.touch(job);
        Ok(())
    }

    fn pause(
        &mut self,
        job: &JobName,
        until: Option<Timestamp>,
        reason: Option<String>,
        by: &str,
        now: Timestamp,
        out: &mut Out,
    ) -> Result<(), Refusal> {
        if let Some(passed) = until.filter(|&until| until <= now) {
            return Err(Refusal::UntilPassed(passed));
        }
        let view = view!(self, now, Timestamp::MIN);
        let state = known(self.jobs.get_mut(job), job)?;
        // What is due at this very moment still goes; the pause begins after it.
        state.advance(view, &mut self.active, out);
        let since = state.flags.paused_at.filter(|_| state.flags.paused);
        state.flags.paused = true;
        state.flags.paused_at = since.or(Some(now));
        state.flags.paused_until = until;
        state.flags.pause_reason = reason;
        state.flags.paused_by = Some(by.to_owned());
        state.dirty = true;
        state.skip_while_paused(view, out);
        out.touch(job);
        let kind = EventKind::JobPaused {
            job: job.clone(),
            paused: true,
            by: by.to_owned(),
        };
        out.emit(now, kind);
        Ok(())
    }

    fn resume(
        &mut self,
        job: &JobName,
        by: &str,
        now: Timestamp,
        out: &mut Out,
    ) -> Result<(), Refusal> {
        let view = view!(self, now, Timestamp::MIN);
        let state = known(self.jobs.get_mut(job), job)?;
        if state.flags.paused {
            state.skip_while_paused(view, out);
            state.set_resumed();
            let kind = EventKind::JobPaused {
                job: job.clone(),
                paused: false,
                by: by.to_owned(),
            };
            out.emit(now, kind);
        }
        state.advance(view, &mut self.active, out);
        out.touch(job);
        Ok(())
    }

    /// Pauses or resumes everything. Instants up to now are decided first by the rule that held.
    fn pause_everything(&mut self, paused: bool, by: &str, now: Timestamp, out: &mut Out) {
        if self.paused == paused {
            return;
        }
        self.advance_all(now, Timestamp::MIN, out);
        self.paused = paused;
        out.write(Write::SchedulerPaused(paused));
        out.emit(
            now,
            EventKind::SchedulerPaused {
                paused,
                by: by.to_owned(),
            },
        );
        self.advance_all(now, Timestamp::MIN, out);
    }

    fn cancel(
        &mut self,
        id: RunId,
        by: &str,
        now: Timestamp,
        out: &mut Out,
    ) -> Result<(), Refusal> {
        let Some(live) = self.active.get(id) else {
            let claimed = |state: &JobState| state.claims.iter().any(|claim| claim.run.id == id);
            let scheduled = self.jobs.values().any(claimed);
            return Err(if scheduled {
                Refusal::OnlyScheduled(id)
            } else {
                Refusal::NotActive(id)
            });
        };
        if matches!(live.phase, Phase::Running { .. }) {
            self.active.stop(id, StopCause::Requested, out);
            return Ok(());
        }
        let reason = format!("{} by {by}", Reason::REQUESTED);
        self.cancel_waiting(id, &reason, now, out);
        Ok(())
    }

    /// Ends a run that has not started, and answers whoever still waits to hear of it.
    pub(super) fn cancel_waiting(
        &mut self,
        id: RunId,
        reason: &str,
        now: Timestamp,
        out: &mut Out,
    ) {
        let Some(job) = self.active.get(id).map(|live| live.run.job.clone()) else {
            return;
        };
        let view = view!(self, now, Timestamp::MIN);
        if let Some(state) = self.jobs.get_mut(&job) {
            let status = Status::Cancelled;
            state.end_waiting(id, status, reason, now, &mut self.active, out);
            state.take_turns(view, &mut self.active, out);
            out.touch(&job);
        }
    }
}

impl JobState {
    /// The pause is over; its facts are forgotten.
    pub(super) fn set_resumed(&mut self) {
        self.flags.paused = false;
        self.flags.paused_at = None;
        self.flags.paused_until = None;
        self.flags.pause_reason = None;
        self.flags.paused_by = None;
        self.dirty = true;
    }
}

/// Why a manual run is not let in.
fn refusal(state: &JobState, reason: &str) -> Refusal {
    let job = state.plan.name.clone();
    let active = state.running.len() + state.behind.len();
    if reason == Reason::QUEUE_LIMIT {
        return Refusal::QueueFull { job, active };
    }
    Refusal::MaxConcurrent {
        job,
        active,
        max: state.plan.max_concurrent,
    }
}

fn known<'a>(state: Option<&'a mut JobState>, job: &JobName) -> Result<&'a mut JobState, Refusal> {
    state
        .filter(|state| !state.removed)
        .ok_or_else(|| Refusal::UnknownJob(job.clone()))
}

/// A run that has not begun.
pub(super) fn new_run(
    id: RunId,
    job: &JobName,
    trigger: Trigger,
    scheduled_at: Timestamp,
    due_at: Timestamp,
    node: &str,
) -> Run {
    Run {
        id,
        job: job.clone(),
        status: Status::Scheduled,
        trigger,
        scheduled_at,
        due_at,
        queued_at: None,
        retry_at: None,
        started_at: None,
        finished_at: None,
        attempts: 0,
        exit_code: None,
        signal: None,
        http_status: None,
        reason: None,
        params: BTreeMap::new(),
        node: node.to_owned(),
        requested_by: None,
        span: None,
    }
}
