//! The first decision of a life: what became of the fires and runs of the life before.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use super::clock_step::{counts_from, cut_spans, is_far_ahead};
use super::command::new_run;
use super::job_state::{Claim, JobState, last_before};
use super::leftover::{Left, lose_attempts};
use super::out::Out;
use super::spans::Stretch;
use super::{Dispatcher, Effect, HandedOver, View, view};
use crate::job::{
    Attempt, EventKind, JobFlags, JobName, Plan, Pool, Reason, Run, RunId, Span, Status, Trigger,
    Write,
};
use crate::schedule::{Schedule, ScheduleSpec};

/// What the ledger and the start marks say of the life before.
#[derive(Debug, Clone, Default)]
pub struct Memory {
    /// Marks and paused flags, by job; jobs that left the config among them.
    pub flags: BTreeMap<JobName, JobFlags>,
    /// The schedule that each job had when the daemon was last seen, and later than when it
    /// counted.
    pub schedules: BTreeMap<JobName, (Timestamp, ScheduleSpec)>,
    /// Runs that are `scheduled`, `queued` or `running`, and fires that a shutdown took the chance
    /// to run from (`missed`, [`Reason::SHUTDOWN`], not joined to a span yet).
    pub live: Vec<Run>,
    /// Attempts that are `running` by the ledger.
    pub attempts: Vec<Attempt>,
    /// Attempts with a start mark: they may have run.
    pub marked: BTreeSet<(RunId, u32)>,
    /// Whether the machine has not been restarted since; else start marks prove nothing.
    pub same_boot: bool,
    /// Whether everything was paused.
    pub scheduler_paused: bool,
    /// What the life before handed over, if it did not simply end.
    pub handed_over: Option<HandedOver>,
}

impl Dispatcher {
    /// Builds the state from the ledger at `now`, decides what the life before left undecided, and
    /// begins to watch.
    pub fn recover(
        node: String,
        plans: BTreeMap<JobName, Arc<Plan>>,
        pools: BTreeMap<String, Pool>,
        memory: Memory,
        now: Timestamp,
    ) -> (Self, Vec<Effect>) {
        let handed_over = memory.handed_over;
        let mut this = Self::empty(node, pools, now);
        let mut out = Out::default();
        this.paused = memory.scheduler_paused;
        this.dormant = memory.flags;
        let goes_on = |run: RunId| {
            handed_over
                .as_ref()
                .is_some_and(|handed: &HandedOver| handed.has(run))
        };
        let mut died = memory.attempts;
        died.retain(|attempt| !goes_on(attempt.run));
        lose_attempts(died, now, &mut out);
        let mut live = memory.live;
        live.retain(|run| !goes_on(run.id));
        let mut left = Left::sort(live, &memory.marked, memory.same_boot, now, &mut out);
        for (name, plan) in plans {
            let known = memory.schedules.get(&name);
            let claims = left.claims.remove(&name).unwrap_or_default();
            this.take_up(plan, known, claims, handed_over.is_some(), now, &mut out);
        }
        this.forget_ends_of_the_gone(&mut out);
        for (name, (_, spec)) in &memory.schedules {
            if !this.jobs.contains_key(name) {
                let claims = left.claims.remove(name).unwrap_or_default();
                let until = this.close_stretch(name, Some(spec), claims, now, &mut out);
                out.write(Write::Schedule {
                    job: name.clone(),
                    at: until,
                    spec: None,
                });
            }
        }
        // Their schedule had ended already, by a reload, when the daemon went.
        for (name, claims) in left.claims {
            this.close_stretch(&name, None, claims, now, &mut out);
        }
        let underway = handed_over.iter().flat_map(|handed| &handed.underway);
        for underway in underway.cloned() {
            this.take_up_running(underway, now, &mut out);
        }
        // Who has started before keeps its place; then who has waited the longest.
        left.queued.sort_by_key(|run| run.attempts == 0);
        for run in left.queued {
            this.take_up_queued(run, handed_over.is_some(), now, &mut out);
        }
        this.note_downstream();
        match &handed_over {
            None => this.start_up(now, &mut out),
            Some(handed) => this.go_on_from_startup(&handed.restarts, now, &mut out),
        }
        for pool in this.active.pools.names() {
            this.fill(&pool, now, &mut out);
        }
        let unwatched = handed_over.and_then(|handed| handed.unwatched_before(now));
        this.advance_all(now, unwatched.unwrap_or(Timestamp::MIN), &mut out);
        let effects = this.finish_step(now, out);
        (this, effects)
    }

    /// A job that left the config while the daemon was down does not count, if it comes back, what
    /// others did before.
    fn forget_ends_of_the_gone(&mut self, out: &mut Out) {
        for flags in self.dormant.values_mut().filter(|it| !it.seen.is_empty()) {
            flags.seen.clear();
            out.write(Write::Job(flags.clone()));
        }
    }

    /// A job of the config goes on where its mark is, or begins now. If its life was handed over, it
    /// is brought up to now later, when it has its runs again.
    fn take_up(
        &mut self,
        plan: Arc<Plan>,
        known: Option<&(Timestamp, ScheduleSpec)>,
        claims: Vec<Run>,
        handed_over: bool,
        now: Timestamp,
        out: &mut Out,
    ) {
        let name = plan.name.clone();
        let spec = plan.spec_in_force();
        let (since, known) = known.map(|(since, spec)| (*since, spec)).unzip();
        let goes_on = spec.is_some() && same_instants(known, spec.as_ref());
        if !goes_on {
            self.close_stretch(&name, known, claims, now, out);
            self.begin_job(plan, now, out);
            return;
        }
        let flags = self
            .dormant
            .remove(&name)
            .unwrap_or_else(|| JobFlags::first_seen(name.clone(), now));
        let mut state = JobState::new(plan, flags);
        state.since = state.since.max(since.unwrap_or(Timestamp::MIN));
        let days_differ = known.map(|known| &known.exclude) != spec.as_ref().map(|it| &it.exclude);
        if known != spec.as_ref() {
            // Another zone database, or other calendars: a new stretch of history, the same instants.
            out.write(Write::Schedule {
                job: name.clone(),
                at: now,
                spec,
            });
        }
        for mut run in claims {
            state.decide_through(run.scheduled_at);
            let durable = run.status == Status::Scheduled || run.due_at <= now;
            if !durable {
                // Back before its instant: the shutdown has taken nothing from it.
                run.status = Status::Scheduled;
                run.reason = None;
                run.finished_at = None;
                out.run(&run, now);
                self.active.claim(run.clone(), out);
            }
            state.claims.push_back(Claim { run, durable });
        }
        if is_far_ahead(state.flags.decided_through, now) {
            let job = name.clone();
            let message = format!(
                "the ledger has decided its instants up to {}, so the clock must have been wrong \
                 before; it counts again from now, and what was given up of the time to come is to \
                 come again",
                state.flags.decided_through
            );
            out.emit(now, EventKind::Warning { job, message });
            state.count_again(now, out);
        }
        if days_differ {
            state.take_back_coming(now, out);
        }
        if !handed_over {
            // The instant of now itself was not watched either.
            let after_now = now.saturating_add(Duration::from_micros(1)).unwrap_or(now);
            let unwatched = view!(self, now, after_now);
            state.advance(unwatched, &mut self.active, out);
        }
        state.dirty = true;
        out.touch(&name);
        self.jobs.insert(name, state);
    }

    /// A job counts from now (or from where it is decided, if the clock went back a little): it is
    /// new, or its schedule is.
    pub(super) fn begin_job(&mut self, plan: Arc<Plan>, now: Timestamp, out: &mut Out) {
        let name = plan.name.clone();
        let mut flags = self
            .dormant
            .remove(&name)
            .unwrap_or_else(|| JobFlags::first_seen(name.clone(), now));
        let from = counts_from(now, flags.decided_through);
        if is_far_ahead(flags.decided_through, now) {
            out.write(cut_spans(&name, now));
        }
        flags.decided_through = from;
        let upstreams = plan.when.upstreams();
        flags
            .seen
            .retain(|job, _| upstreams.iter().any(|upstream| upstream.job == *job));
        let spec = plan.spec_in_force();
        out.write(Write::Schedule {
            job: name.clone(),
            at: from,
            spec,
        });
        let mut state = JobState::new(plan, flags);
        state.since = from;
        state.dirty = true;
        state.warn_if_over(now, out);
        out.touch(&name);
        self.jobs.insert(name, state);
    }

    /// The daemon was down when this schedule ended: its instants up to now are accounted for,
    /// and nothing of it is caught up. Answers up to when it is decided.
    fn close_stretch(
        &mut self,
        name: &JobName,
        spec: Option<&ScheduleSpec>,
        claims: Vec<Run>,
        now: Timestamp,
        out: &mut Out,
    ) -> Timestamp {
        let old = spec.map(|spec| Schedule::new(spec.clone(), name.as_str()));
        let mut first_withdrawn = None;
        for mut run in claims {
            // Those of a schedule that has ended were not to come even then.
            if run.scheduled_at > now && old.is_some() {
                first_withdrawn = first_withdrawn.or(Some(run.scheduled_at));
                out.write(Write::Withdraw(run.id));
                continue;
            }
            run.status = Status::Missed;
            run.reason = run.reason.or(Some(Reason::new(Reason::UNWATCHED)));
            run.finished_at = Some(now);
            run.span = Some(Span {
                last: run.scheduled_at,
                count: 1,
            });
            out.run(&run, now);
        }
        let (Some(old), Some(flags)) = (old, self.dormant.get_mut(name)) else {
            return now;
        };
        let since = if flags.paused || self.paused {
            Status::Skipped
        } else {
            Status::Missed
        };
        match old {
            Ok(old) => {
                let view = view!(self, now, now);
                if let Some(first) = first_withdrawn {
                    flags.decided_through = last_before(&old, first);
                }
                let mut stretches: Vec<_> = std::mem::take(&mut flags.backlog)
                    .into_iter()
                    .map(|stretch| (stretch, Status::Missed))
                    .collect();
                stretches.push(((flags.decided_through, now), since));
                for ((after, through), status) in stretches {
                    let stretch = Stretch::of(&old, after, through);
                    for run in
                        stretch.map_or_else(Vec::new, |it| closed(&old, name, it, status, view))
                    {
                        out.run(&run, now);
                    }
                }
            }
            // A later version may not read an old schedule any more; the audit will say so.
            Err(error) => {
                let message = format!(
                    "its schedule in the ledger's history cannot be read ({error}); its instants \
                     since the daemon was last up stay without a row"
                );
                out.emit(
                    now,
                    EventKind::Warning {
                        job: name.clone(),
                        message,
                    },
                );
            }
        }
        if is_far_ahead(flags.decided_through, now) {
            out.write(cut_spans(name, now));
        }
        flags.decided_through = counts_from(now, flags.decided_through);
        out.write(Write::Job(flags.clone()));
        flags.decided_through
    }
}

/// The rows of what an ended schedule named: skipped, or missed but for excluded days.
fn closed(
    old: &Schedule,
    job: &JobName,
    stretch: Stretch,
    status: Status,
    view: View<'_>,
) -> Vec<Run> {
    let sequence = view.now.as_microsecond().unsigned_abs();
    let runs = if status == Status::Skipped {
        vec![(stretch, Some(Reason::PAUSED.to_owned()))]
    } else {
        stretch.runs(old)
    };
    let row = |(Stretch { first, last, count }, skipped): (Stretch, Option<String>)| {
        let id = RunId::of_span(job, first, sequence);
        let due = old.due_at(first);
        let mut run = new_run(id, job, Trigger::Schedule, first, due, view.node);
        run.status = if skipped.is_some() {
            Status::Skipped
        } else {
            Status::Missed
        };
        run.reason = Some(Reason(
            skipped.unwrap_or_else(|| Reason::UNWATCHED.to_owned()),
        ));
        run.finished_at = Some(view.now);
        run.span = Some(Span { last, count });
        run
    };
    runs.into_iter().map(row).collect()
}

/// Whether both name the same instants, if any: calendars and the version of the zone database are
/// left aside.
pub(super) fn same_instants(a: Option<&ScheduleSpec>, b: Option<&ScheduleSpec>) -> bool {
    match (a, b) {
        (None, None) => true,
        (Some(a), Some(b)) => a.names_the_same(b),
        _ => false,
    }
}
