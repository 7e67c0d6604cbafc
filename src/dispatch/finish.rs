//! News from the runner.

use jiff::Timestamp;

use super::active::Phase;
use super::out::Out;
use super::{Dispatcher, view};
use crate::job::{Attempt, AttemptEnd, EventKind, Reason, RunId, Status, StopCause, Write};

impl Dispatcher {
    /// An attempt's process runs.
    pub(super) fn started(
        &mut self,
        id: RunId,
        number: u32,
        pid: u32,
        at: Timestamp,
        out: &mut Out,
    ) {
        let Some(live) = self.active.get_mut(id) else {
            return;
        };
        live.run.status = Status::Running;
        live.run.started_at = live.run.started_at.or(Some(at));
        let attempt = Attempt {
            run: id,
            number,
            status: Status::Running,
            started_at: at,
            finished_at: None,
            pid: Some(pid),
            exit_code: None,
            signal: None,
            reason: None,
        };
        out.run(&live.run, at);
        out.write(Write::Attempt(attempt.clone()));
        live.attempt = Some(attempt);
    }

    /// An attempt is over: the run with it, and its slot goes to the next.
    pub(super) fn ended(
        &mut self,
        id: RunId,
        number: u32,
        end: AttemptEnd,
        at: Timestamp,
        now: Timestamp,
        out: &mut Out,
    ) {
        let running = |phase| matches!(phase, Phase::Running { .. });
        if !self.active.get(id).is_some_and(|live| running(live.phase)) {
            return;
        }
        let Some(mut live) = self.active.remove(id) else {
            return;
        };
        let mut attempt = live.attempt.take().unwrap_or(Attempt {
            run: id,
            number,
            status: Status::Running,
            started_at: at,
            finished_at: None,
            pid: None,
            exit_code: None,
            signal: None,
            reason: None,
        });
        let verdict = Verdict::of(end);
        attempt.status = verdict.status;
        attempt.finished_at = Some(at);
        attempt.exit_code = verdict.code;
        attempt.signal = verdict.signal;
        attempt.reason = verdict.reason.map(Reason::new);
        let run = &mut live.run;
        run.status = attempt.status;
        run.finished_at = Some(at);
        run.exit_code = attempt.exit_code;
        run.signal = attempt.signal;
        run.reason.clone_from(&attempt.reason);
        out.write(Write::Run(run.clone()));
        out.write(Write::Attempt(attempt));
        out.emit(at, EventKind::Run(Box::new(run.clone())));

        let view = view!(self, now, Timestamp::MIN);
        if let Some(state) = self.jobs.get_mut(&live.run.job) {
            state.forget(id);
            state.catch_up_turn(view, &mut self.active, out);
            out.touch(&live.run.job);
        }
        if !self.draining {
            self.fill(&live.plan.pool, now, out);
        }
    }
}

/// What an attempt's end means for the ledger.
struct Verdict {
    status: Status,
    code: Option<i32>,
    signal: Option<i32>,
    reason: Option<String>,
}

impl Verdict {
    fn of(end: AttemptEnd) -> Self {
        match end {
            AttemptEnd::Exited { code, ok } => {
                let status = if ok {
                    Status::Succeeded
                } else {
                    Status::Failed
                };
                Self {
                    status,
                    code: Some(code),
                    signal: None,
                    reason: None,
                }
            }
            AttemptEnd::Signalled {
                signal,
                core_dumped,
            } => Self {
                status: Status::Failed,
                code: None,
                signal: Some(signal),
                reason: core_dumped.then(|| "core_dumped".to_owned()),
            },
            AttemptEnd::TimedOut { code, signal } => Self {
                status: Status::TimedOut,
                code,
                signal,
                reason: None,
            },
            AttemptEnd::Stopped {
                cause,
                code,
                signal,
            } => {
                let reason = match cause {
                    StopCause::Requested => Reason::REQUESTED,
                    StopCause::Shutdown => Reason::SHUTDOWN,
                    StopCause::Replaced => Reason::REPLACED,
                    StopCause::TotalTimeout => Reason::TOTAL_TIMEOUT,
                };
                Self {
                    status: Status::Cancelled,
                    code,
                    signal,
                    reason: Some(reason.to_owned()),
                }
            }
            AttemptEnd::NotStarted(why) => Self {
                status: Status::Failed,
                code: None,
                signal: None,
                reason: Some(why),
            },
        }
    }
}
