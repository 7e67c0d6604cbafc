//! Instants that do not run: each joins a span of its kind, so that a long stretch is one row.

use jiff::Timestamp;

use super::View;
use super::job_state::JobState;
use super::out::Out;
use crate::job::{Reason, Run, RunId, Span, Status, Trigger, Write};
use crate::schedule::Schedule;

/// A stretch of instants that nobody claimed: the first, the last, and how many.
#[derive(Debug, Clone, Copy)]
pub(super) struct Stretch {
    pub(super) first: Timestamp,
    pub(super) last: Timestamp,
    pub(super) count: u64,
}

impl Stretch {
    /// One instant.
    pub(super) fn one(at: Timestamp) -> Self {
        Self {
            first: at,
            last: at,
            count: 1,
        }
    }

    /// The instants of a schedule in (`after`, `through`].
    pub(super) fn of(schedule: &Schedule, after: Timestamp, through: Timestamp) -> Option<Self> {
        let first = schedule
            .next_after(after)
            .filter(|&first| first <= through)?;
        let last = schedule.last_through(through)?;
        let count = schedule.count(after, through);
        Some(Self { first, last, count })
    }

    /// Its instants that are not before `at`.
    pub(super) fn from(self, schedule: &Schedule, at: Timestamp) -> Option<Self> {
        if at <= self.first {
            return Some(self);
        }
        Self::of(schedule, just_before(at), self.last)
    }

    /// Its instants before `at`.
    pub(super) fn before(self, schedule: &Schedule, at: Timestamp) -> Option<Self> {
        if at > self.last {
            return Some(self);
        }
        Self::of(schedule, just_before(self.first), just_before(at))
    }

    /// It in runs, in order: those that a calendar excludes, with why, and the rest.
    pub(super) fn runs(self, schedule: &Schedule) -> Vec<(Self, Option<String>)> {
        if schedule.spec().exclude.is_empty() {
            return vec![(self, None)];
        }
        let mut runs = Vec::new();
        let mut next = Some(self.first);
        while let Some(first) = next.filter(|&first| first <= self.last) {
            let (last, calendar) = schedule.excluded_run(first, self.last);
            let count = schedule.count(just_before(first), last);
            runs.push((Self { first, last, count }, calendar.map(excluded)));
            next = schedule.next_after(last);
        }
        runs
    }
}

/// Why an instant does not run whose date is in this calendar.
pub(super) fn excluded(calendar: &str) -> String {
    format!("{}: {calendar}", Reason::EXCLUDED)
}

impl JobState {
    /// A claimed fire that does not run joins the open span of its kind, or begins one.
    pub(super) fn withhold(
        &mut self,
        run: Run,
        status: Status,
        reason: &str,
        now: Timestamp,
        out: &mut Out,
    ) {
        let at = run.scheduled_at;
        let one = Stretch::one(at);
        if self.joins(status, reason, at) {
            out.write(Write::Withdraw(run.id));
            self.extend(one, now, out);
        } else {
            self.begin(run, one, status, reason, now, out);
        }
    }

    /// Unclaimed instants that will not run join the open span of their kind, or begin one; they
    /// are decided with that.
    pub(super) fn account(
        &mut self,
        stretch: Stretch,
        status: Status,
        reason: &str,
        view: View<'_>,
        out: &mut Out,
    ) {
        if self.joins(status, reason, stretch.first) {
            self.extend(stretch, view.now, out);
        } else {
            let mut run = self.fire(stretch.first, Trigger::Schedule, view);
            let sequence = view.now.as_microsecond().unsigned_abs();
            run.id = RunId::of_span(&self.plan.name, stretch.first, sequence);
            self.begin(run, stretch, status, reason, view.now, out);
        }
        self.decide_through(stretch.last);
    }

    /// The instants in (mark, `through`] as a stretch, if there are any.
    pub(super) fn undecided_through(&self, through: Timestamp) -> Option<Stretch> {
        self.schedule()?;
        self.stretch(self.flags.decided_through, through)
    }

    /// The instants in (`after`, `through`] that the job's schedule names, in force or not.
    pub(super) fn stretch(&self, after: Timestamp, through: Timestamp) -> Option<Stretch> {
        Stretch::of(self.plan.schedule()?, after, through)
    }

    /// Unclaimed instants will not run: those of excluded days are skipped, the others end as
    /// `status`.
    pub(super) fn account_runs(
        &mut self,
        stretch: Stretch,
        status: Status,
        reason: &str,
        view: View<'_>,
        out: &mut Out,
    ) {
        let Some(schedule) = self.plan.when.schedule().cloned() else {
            return;
        };
        for (run, excluded) in stretch.runs(&schedule) {
            match excluded {
                Some(why) => self.account(run, Status::Skipped, &why, view, out),
                None => self.account(run, status, reason, view, out),
            }
        }
    }

    /// While paused: claims are taken back or skipped, and instants up to now are skipped.
    pub(super) fn skip_while_paused(&mut self, view: View<'_>, out: &mut Out) {
        self.drop_claims(view.now, Status::Skipped, Reason::PAUSED, out);
        // A start that is held back is due when it is let go.
        self.restart_at = self.restart_at.map(|at| at.max(view.now));
        if let Some(stretch) = self.undecided_through(view.now) {
            self.account(stretch, Status::Skipped, Reason::PAUSED, view, out);
        }
    }

    /// Gives up all claims: those whose instant has come end as `status`, those to come are taken
    /// back and are undecided again.
    pub(super) fn drop_claims(
        &mut self,
        now: Timestamp,
        status: Status,
        reason: &str,
        out: &mut Out,
    ) {
        for claim in std::mem::take(&mut self.claims) {
            let nominal = claim.run.scheduled_at;
            if self.is_to_come(nominal, now) {
                out.write(Write::Withdraw(claim.run.id));
                self.flags.decided_through = self.flags.decided_through.min(just_before(nominal));
                self.dirty = true;
            } else {
                self.withhold(claim.run, status, reason, now, out);
            }
        }
    }

    fn joins(&self, status: Status, reason: &str, first: Timestamp) -> bool {
        self.span.as_ref().is_some_and(|open| {
            open.status == status
                && open.reason.as_ref().is_some_and(|known| known.0 == reason)
                // Of a schedule that has ended, others may lie between it and the next.
                && open.span.is_some_and(|span| {
                    span.last > self.since
                        && self.plan.next_after(span.last) == Some(first)
                })
        })
    }

    fn extend(&mut self, stretch: Stretch, now: Timestamp, out: &mut Out) {
        let Some(run) = &mut self.span else { return };
        if let Some(span) = &mut run.span {
            span.last = stretch.last;
            span.count += stretch.count;
        }
        run.finished_at = Some(now);
        out.run(run, now);
    }

    fn begin(
        &mut self,
        mut run: Run,
        stretch: Stretch,
        status: Status,
        reason: &str,
        now: Timestamp,
        out: &mut Out,
    ) {
        run.status = status;
        run.trigger = Trigger::Schedule;
        run.reason = Some(Reason::new(reason));
        run.finished_at = Some(now);
        run.span = Some(Span {
            last: stretch.last,
            count: stretch.count,
        });
        out.run(&run, now);
        self.span = Some(run);
    }
}

/// The last microsecond before `t`.
pub(super) fn just_before(t: Timestamp) -> Timestamp {
    t.saturating_sub(std::time::Duration::from_micros(1))
        .unwrap_or(Timestamp::MIN)
}
