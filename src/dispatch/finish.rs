//! News from the runner.

use jiff::Timestamp;

use super::active::{Live, Phase};
use super::out::Out;
use super::{Dispatcher, view};
use crate::job::{Attempt, AttemptEnd, Figures, Reason, RunId, Status, StopCause, Strain, Write};
use crate::words::size;

impl Dispatcher {
    /// An attempt runs.
    pub(super) fn started(
        &mut self,
        id: RunId,
        number: u32,
        pid: Option<u32>,
        at: Timestamp,
        out: &mut Out,
    ) {
        let Some(live) = self.active.get_mut(id) else {
            return;
        };
        live.run.status = Status::Running;
        let first_start = live.run.started_at.is_none();
        live.began = live.began.or(Some(at));
        live.run.started_at = live.run.started_at.or(Some(at));
        let attempt = Attempt {
            pid,
            ..unended(id, number, at)
        };
        out.run(&live.run, at);
        out.write(Write::Attempt(attempt.clone()));
        live.attempt = Some(attempt);
        let job = live.run.job.clone();
        if let Some(state) = self.jobs.get_mut(&job)
            && first_start
        {
            state.forget_ends_before(at);
            // Its `total_timeout` counts from here.
            out.touch(&job);
        }
    }

    /// An attempt is over, and its slot goes to the next. The run is over with it, or waits for
    /// another attempt.
    pub(super) fn ended(
        &mut self,
        id: RunId,
        number: u32,
        (end, figures): (AttemptEnd, Figures),
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
        let mut attempt = live.attempt.take().unwrap_or(unended(id, number, at));
        // Whoever was told to stop is not tried again, even if it ended by itself just before.
        let told = match live.phase {
            Phase::Running { stopping } => stopping,
            _ => None,
        };
        let out_of_time = told == Some(StopCause::TotalTimeout);
        let is_stopped = (told.is_some() && !out_of_time)
            || matches!(end, AttemptEnd::Stopped { .. } | AttemptEnd::Dropped { .. });
        let verdict = Verdict::of(end);
        attempt.status = verdict.status;
        attempt.finished_at = Some(at);
        attempt.exit_code = verdict.code;
        attempt.signal = verdict.signal;
        attempt.http_status = verdict.http_status;
        attempt.reason = verdict.reason.map(Reason::new);
        attempt.figures = figures;
        live.began = live.began.or(Some(attempt.started_at));
        live.run.exit_code = attempt.exit_code;
        live.run.signal = attempt.signal;
        live.run.http_status = attempt.http_status;
        // Nor is a run whose job has left the config.
        let removed = self.jobs.get(&live.run.job).is_none_or(|it| it.removed);
        let next = if is_stopped || removed {
            Next::Over(attempt.reason.clone())
        } else {
            next_attempt(&live, &attempt, at, out_of_time)
        };
        let (job, pool) = (live.run.job.clone(), live.plan.pool.clone());
        match next {
            Next::Attempt(retry_at) => {
                live.run.status = Status::Queued;
                live.run.queued_at = Some(at);
                live.run.retry_at = Some(retry_at);
                out.run(&live.run, at);
                self.active.delay(live);
            }
            Next::Over(reason) => {
                live.run.status = attempt.status;
                live.run.finished_at = Some(at);
                live.run.reason = reason;
                out.run(&live.run, at);
                if let Some(state) = self.jobs.get_mut(&job) {
                    state.forget(id);
                }
            }
        }
        out.write(Write::Attempt(attempt));

        let view = view!(self, now, Timestamp::MIN);
        if let Some(state) = self.jobs.get_mut(&job) {
            state.take_turns(view, &mut self.active, out);
            out.touch(&job);
        }
        if !self.is_draining() {
            self.fill(&pool, now, out);
        }
    }
}

/// What follows an attempt.
enum Next {
    /// The run waits until then, and is tried again.
    Attempt(Timestamp),
    /// The run has ended as its attempt has, with this reason.
    Over(Option<Reason>),
}

/// What follows an attempt that ended by itself or by its `timeout`. Nobody waits for an attempt
/// that could not begin before the run's `total_timeout` is over, and none follows one that was
/// being stopped for it (`out_of_time`).
fn next_attempt(live: &Live, attempt: &Attempt, at: Timestamp, out_of_time: bool) -> Next {
    let retry = &live.plan.retry;
    let number = live.run.attempts;
    if !retry.follows(number, attempt.status, attempt.exit_code) {
        return Next::Over(attempt.reason.clone());
    }
    let delay = retry.delay(live.run.id, number);
    let retry_at = at.saturating_add(delay).unwrap_or(Timestamp::MAX);
    if out_of_time || live.total_end().is_some_and(|end| retry_at >= end) {
        return Next::Over(Some(Reason::new(Reason::TOTAL_TIMEOUT)));
    }
    Next::Attempt(retry_at)
}

/// An attempt of which nothing is known but that it was to be.
fn unended(run: RunId, number: u32, at: Timestamp) -> Attempt {
    Attempt {
        run,
        number,
        status: Status::Running,
        started_at: at,
        finished_at: None,
        pid: None,
        exit_code: None,
        signal: None,
        http_status: None,
        reason: None,
        figures: Figures::default(),
    }
}

/// What an attempt's end means for the ledger.
struct Verdict {
    status: Status,
    code: Option<i32>,
    signal: Option<i32>,
    http_status: Option<u16>,
    reason: Option<String>,
}

impl Verdict {
    fn of(end: AttemptEnd) -> Self {
        match end {
            AttemptEnd::Exited { code, ok } => Self {
                code: Some(code),
                ..Self::plain(success(ok))
            },
            AttemptEnd::Signalled {
                signal,
                core_dumped,
            } => Self {
                signal: Some(signal),
                reason: core_dumped.then(|| Reason::CORE_DUMPED.to_owned()),
                ..Self::plain(Status::Failed)
            },
            AttemptEnd::Strained {
                strain,
                code,
                signal,
            } => Self {
                code,
                signal,
                reason: Some(told(strain)),
                ..Self::plain(Status::Failed)
            },
            AttemptEnd::TimedOut { code, signal } => Self {
                code,
                signal,
                ..Self::plain(Status::TimedOut)
            },
            AttemptEnd::Stopped {
                cause,
                code,
                signal,
            } => Self {
                code,
                signal,
                ..Self::stopped(cause)
            },
            AttemptEnd::Answered { status, failure } => Self {
                http_status: status,
                reason: failure.clone(),
                ..Self::plain(success(failure.is_none()))
            },
            AttemptEnd::TooSlow { status, why } => Self {
                http_status: status,
                reason: Some(why),
                ..Self::plain(Status::TimedOut)
            },
            AttemptEnd::Dropped { cause, status } => {
                let stopped = Self::stopped(cause);
                Self {
                    http_status: status,
                    reason: stopped.reason.map(|why| why + Reason::MAY_HAVE_ACTED),
                    ..stopped
                }
            }
            AttemptEnd::NotStarted(why) => Self {
                reason: Some(why),
                ..Self::plain(Status::Failed)
            },
        }
    }

    fn plain(status: Status) -> Self {
        Self {
            status,
            code: None,
            signal: None,
            http_status: None,
            reason: None,
        }
    }

    fn stopped(cause: StopCause) -> Self {
        let (status, reason) = match cause {
            StopCause::Requested => (Status::Cancelled, Reason::REQUESTED),
            StopCause::Shutdown => (Status::Cancelled, Reason::SHUTDOWN),
            StopCause::Replaced => (Status::Cancelled, Reason::REPLACED),
            StopCause::TotalTimeout => (Status::TimedOut, Reason::TOTAL_TIMEOUT),
        };
        Self {
            reason: Some(reason.to_owned()),
            ..Self::plain(status)
        }
    }
}

fn told(strain: Strain) -> String {
    match strain {
        Strain::MemoryLimit(bytes) => format!("{}: {}", Reason::MEMORY_LIMIT, size(bytes)),
        Strain::OutOfMemory => Reason::OUT_OF_MEMORY.to_owned(),
        Strain::PidsLimit(pids) => format!("{}: {pids}", Reason::PIDS_LIMIT),
    }
}

fn success(ok: bool) -> Status {
    if ok {
        Status::Succeeded
    } else {
        Status::Failed
    }
}
