//! The wall clock moved by itself, or the machine slept.

use jiff::{SignedDuration, Timestamp};

use super::active::Active;
use super::job_state::JobState;
use super::out::Out;
use super::{Dispatcher, HORIZON, UNWATCHED_AFTER};
use crate::job::{EventKind, JobName, Reason, Span, Status, Write};

/// Going back by up to this, from the furthest time seen, repeats nothing; more is a correction, and
/// counting starts again.
const CORRECTION: SignedDuration = SignedDuration::from_hours(3);

impl Dispatcher {
    /// Notes that `now` is being watched. Says before which instant nothing was watched, when the
    /// clock has jumped forward (a step, a suspend, or a daemon that stood still).
    pub(super) fn watch(&mut self, now: Timestamp, out: &mut Out) -> Option<Timestamp> {
        let before = std::mem::replace(&mut self.watched, now);
        let step = now.duration_since(before);
        let unwatched = SignedDuration::try_from(UNWATCHED_AFTER).unwrap_or(SignedDuration::MAX);
        if step > unwatched || step < -unwatched {
            out.emit(
                now,
                EventKind::ClockStepped {
                    by_s: step.as_secs_f64(),
                },
            );
        }
        if step < -unwatched || step > unwatched {
            for (name, state) in &mut self.jobs {
                state.shift_elapsed(step, now, &mut self.active, out);
                out.touch(name);
            }
        }
        if now.duration_since(self.furthest) < -CORRECTION {
            self.furthest = now;
            for (name, state) in &mut self.jobs {
                state.count_again(now, out);
                out.touch(name);
            }
        }
        self.furthest = self.furthest.max(now);
        (step > unwatched).then(|| now.saturating_sub(UNWATCHED_AFTER).unwrap_or(now))
    }
}

/// From when on a schedule counts that begins at `now`, for a job that was decided through
/// `decided`: what was decided before the clock went back a little is not decided anew.
pub(super) fn counts_from(now: Timestamp, decided: Timestamp) -> Timestamp {
    if is_far_ahead(decided, now) {
        now
    } else {
        now.max(decided)
    }
}

/// Whether a mark lies so far ahead of `now` that the clock must have been corrected since.
pub(super) fn is_far_ahead(mark: Timestamp, now: Timestamp) -> bool {
    let claimed = now.saturating_add(HORIZON).unwrap_or(Timestamp::MAX);
    mark.duration_since(claimed) > CORRECTION
}

/// What takes back the instants to come that a clock which was ahead has had given up; of all the job's
/// spans, those of earlier lives too.
pub(super) fn cut_spans(job: &JobName, now: Timestamp) -> Write {
    let job = job.clone();
    Write::CutSpans { job, after: now }
}

impl JobState {
    /// The clock moved by `step`, or the machine slept. What a run may take is elapsed time, and so are
    /// delays: none becomes longer by a clock that went back. A delay that a clock that went forward
    /// passes over is over.
    fn shift_elapsed(
        &mut self,
        step: SignedDuration,
        now: Timestamp,
        active: &mut Active,
        out: &mut Out,
    ) {
        let shifted = |at: Timestamp| at.saturating_add(step).unwrap_or(at);
        let back = step.is_negative();
        if back {
            self.restart_at = self.restart_at.map(shifted);
        }
        for &id in &self.running {
            let Some(live) = active.get_mut(id) else {
                continue;
            };
            live.began = live.began.map(shifted);
            if let Some(at) = live.retry_at().filter(|_| back) {
                live.run.retry_at = Some(shifted(at));
                out.run(&live.run, now);
            }
        }
    }

    /// The clock was corrected: the job counts from the new now. Instants to come that have had
    /// their fire are found by their claims and do not run twice; those that the wrong clock made
    /// the job give up are to come again.
    pub(super) fn count_again(&mut self, now: Timestamp, out: &mut Out) {
        self.drop_claims(now, Status::Missed, Reason::UNWATCHED, out);
        self.cut_span(now, out);
        out.write(cut_spans(&self.plan.name, now));
        self.cut_backlog(now);
        if self.flags.decided_through <= now {
            return;
        }
        self.flags.decided_through = now;
        self.since = now;
        self.flags.audit_from = self.flags.audit_from.min(now);
        self.dirty = true;
        let job = self.plan.name.clone();
        let spec = self.schedule().map(|it| it.spec().clone());
        out.write(Write::Schedule { job, at: now, spec });
    }

    /// Instants later than `now` that were put off are to come again.
    fn cut_backlog(&mut self, now: Timestamp) {
        let newest = self.flags.backlog.last();
        if newest.is_none_or(|&(_, through)| through <= now) {
            return;
        }
        let backlog = std::mem::take(&mut self.flags.backlog);
        let cut = backlog.into_iter().filter_map(|(after, through)| {
            let left = self.stretch(after, through.min(now))?;
            Some((after, left.last))
        });
        self.flags.backlog = cut.collect();
        self.put_off = self.count_put_off();
        self.dirty = true;
    }

    /// Takes the instants later than `now` out of the newest span, which is news, and closes it.
    fn cut_span(&mut self, now: Timestamp, out: &mut Out) {
        let Some(mut run) = self.span.take() else {
            return;
        };
        let Some(span) = run.span.filter(|span| span.last > now) else {
            return;
        };
        let Some(schedule) = self.plan.schedule() else {
            return;
        };
        let last = schedule.last_through(now);
        run.span = last.filter(|&last| last >= run.scheduled_at).map(|last| {
            let count = span.count.saturating_sub(schedule.count(last, span.last));
            Span { last, count }
        });
        if run.span.is_some() {
            out.run(&run, now);
        } else {
            // Nothing is left of it: a row that is `scheduled` is one that can be withdrawn.
            run.status = Status::Scheduled;
            out.write(Write::Run(run.clone()));
            out.write(Write::Withdraw(run.id));
        }
    }
}
