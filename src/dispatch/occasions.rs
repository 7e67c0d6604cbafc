//! Runs that no clock makes: the daemon starts, a supervised job ends, other jobs end.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

use super::active::{Active, Phase};
use super::command::new_run;
use super::job_state::JobState;
use super::out::{End, Out};
use super::waiting::Admission;
use super::{Dispatcher, Ending, View, params, view};
use crate::job::{JobName, Reason, Restart, Run, RunId, Span, Status, Trigger};

impl Dispatcher {
    /// Which jobs wait for the ends of which.
    pub(super) fn note_downstream(&mut self) {
        let mut downstream: BTreeMap<JobName, Vec<JobName>> = BTreeMap::new();
        for (name, state) in &self.jobs {
            for upstream in state.plan.when.upstreams() {
                let waits = downstream.entry(upstream.job.clone()).or_default();
                waits.push(name.clone());
            }
        }
        self.downstream = downstream;
    }

    /// What follows from the runs that ended in this step.
    pub(super) fn follow_ends(&mut self, now: Timestamp, out: &mut Out) {
        loop {
            let ends = out.take_ends();
            if ends.is_empty() {
                return;
            }
            for end in &ends {
                self.tell_downstream(end, now, out);
                self.supervise(end, out);
            }
        }
    }

    fn tell_downstream(&mut self, end: &End, now: Timestamp, out: &mut Out) {
        let view = view!(self, now, Timestamp::MIN);
        for name in self.downstream.get(&end.job).into_iter().flatten() {
            if let Some(state) = self.jobs.get_mut(name) {
                state.upstream_ended(end, view, &mut self.active, out);
                out.touch(name);
            }
        }
    }

    fn supervise(&mut self, end: &End, out: &mut Out) {
        if self.ending == Some(Ending::Shutdown) {
            return;
        }
        if let Some(state) = self.jobs.get_mut(&end.job) {
            state.plan_restart(end);
            out.touch(&end.job);
        }
    }

    /// The daemon has started: jobs that run from there on begin.
    pub(super) fn start_up(&mut self, now: Timestamp, out: &mut Out) {
        let view = view!(self, now, Timestamp::MIN);
        for (name, state) in &mut self.jobs {
            if state.plan.enabled && state.plan.when.restart().is_some() {
                state.resume_if_over(view, out);
                state.run_from_startup(now, view, &mut self.active, out);
                out.touch(name);
            }
        }
    }
}

impl JobState {
    /// An end of a job that this one may wait for. With the last of them it runs.
    fn upstream_ended(&mut self, end: &End, view: View<'_>, active: &mut Active, out: &mut Out) {
        let upstreams = self.plan.when.upstreams();
        let waited_for = upstreams
            .iter()
            .any(|upstream| upstream.job == end.job && upstream.status == end.status);
        if !waited_for || self.removed || !self.plan.enabled {
            return;
        }
        let all_seen = upstreams
            .iter()
            .all(|other| other.job == end.job || self.flags.seen.contains_key(&other.job));
        self.dirty = true;
        if !all_seen {
            self.flags.seen.insert(end.job.clone(), (end.run, end.at));
            return;
        }
        self.flags.seen.clear();
        let id = RunId::of_after(&self.plan.name, end.at, end.run);
        self.admit(id, Trigger::After, end.at, view, active, out);
    }

    /// The job starts: ends of other jobs from before that do not count any more.
    pub(super) fn forget_ends_before(&mut self, start: Timestamp) {
        let before = self.flags.seen.len();
        self.flags.seen.retain(|_, (_, at)| *at > start);
        self.dirty |= self.flags.seen.len() != before;
    }

    /// One run of a job that runs from the start of the daemon on.
    pub(super) fn run_from_startup(
        &mut self,
        at: Timestamp,
        view: View<'_>,
        active: &mut Active,
        out: &mut Out,
    ) {
        self.restart_at = None;
        let id = RunId::of_startup(&self.plan.name, at);
        self.admit(id, Trigger::Startup, at, view, active, out);
    }

    /// A run of this job ended: when it is started again, if it is.
    ///
    /// The delays are those of `retry`. They start over after a run that lasted longer than the
    /// longest of them.
    fn plan_restart(&mut self, end: &End) {
        let wanted = match self.plan.when.restart() {
            Some(Restart::Always) => true,
            Some(Restart::OnFailure) => {
                !matches!(end.status, Status::Succeeded | Status::Cancelled)
            }
            Some(Restart::Never) | None => false,
        };
        let in_force = self.plan.enabled && !self.removed;
        let runs = !self.running.is_empty() || !self.behind.is_empty();
        if !wanted || !in_force || runs || self.restart_at.is_some() {
            return;
        }
        let longest = SignedDuration::try_from(self.plan.retry.max_delay);
        let lasted = end.started_at.map(|started| end.at.duration_since(started));
        if lasted
            .zip(longest.ok())
            .is_some_and(|(it, longest)| it > longest)
        {
            self.restarts = 0;
        }
        self.restarts = self.restarts.saturating_add(1);
        let delay = self.plan.retry.delay(end.run, self.restarts);
        self.restart_at = end.at.checked_add(delay).ok();
    }

    /// The ledger does not take its run: it is tried again after a delay.
    pub(super) fn restart_refused(&mut self, now: Timestamp) {
        if self.is_supervised() {
            self.restart_at = now.checked_add(self.plan.retry.initial_delay).ok();
        }
    }

    /// Whether it is started again when it ends.
    pub(super) fn is_supervised(&self) -> bool {
        let restart = self.plan.when.restart();
        self.plan.enabled && restart.is_some_and(|restart| restart != Restart::Never)
    }

    /// A supervised job is started again when its delay is over, unless it runs.
    pub(super) fn restart_if_due(&mut self, view: View<'_>, active: &mut Active, out: &mut Out) {
        let Some(at) = self.restart_at.filter(|&at| at <= view.now) else {
            return;
        };
        if self.running.is_empty() && self.behind.is_empty() {
            self.run_from_startup(at, view, active, out);
        } else {
            // Somebody started it by hand; when that ends, it is seen to again.
            self.restart_at = None;
        }
    }

    /// A run that an event makes: let in, made to wait, or skipped.
    fn admit(
        &mut self,
        id: RunId,
        trigger: Trigger,
        at: Timestamp,
        view: View<'_>,
        active: &mut Active,
        out: &mut Out,
    ) {
        let mut run = new_run(id, &self.plan.name, trigger, at, at, view.node);
        run.params = params::defaults(&self.plan);
        let admission = if self.is_paused(view.everything_paused) {
            Admission::Refuse(Reason::PAUSED)
        } else {
            self.admission()
        };
        if let Admission::Refuse(reason) = admission {
            if reason == Reason::PAUSED && self.is_supervised() {
                // It begins when it is resumed.
                self.restart_at = Some(at);
            }
            self.skip_event(run, reason, view.now, out);
            return;
        }
        self.skipped_events = None;
        run.status = Status::Queued;
        run.queued_at = Some(view.now);
        active.claim(run.clone(), out);
        active.add(run, &self.plan, Phase::Inserting { reply: None });
        self.let_in(id, admission, view, active, out);
    }

    /// Events that come to nothing one after another for one reason are one row.
    fn skip_event(&mut self, mut run: Run, reason: &str, now: Timestamp, out: &mut Out) {
        let last = run.scheduled_at;
        if let Some(open) = &mut self.skipped_events
            && open.reason.as_ref().is_some_and(|known| known.0 == reason)
            && let Some(span) = &mut open.span
        {
            span.last = span.last.max(last);
            span.count += 1;
            open.finished_at = Some(now);
            out.run(open, now);
            return;
        }
        run.status = Status::Skipped;
        run.reason = Some(Reason::new(reason));
        run.finished_at = Some(now);
        run.span = Some(Span { last, count: 1 });
        out.run(&run, now);
        self.skipped_events = Some(run);
    }
}
