//! A ledger in memory that keeps the contract of `job::Write`, and audits itself.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound::{Excluded, Included};
use std::sync::Arc;

use jiff::Timestamp;
use punctual::dispatch::Memory;
use punctual::job::{
    Attempt, ClaimOutcome, JobFlags, JobName, Reason, Run, RunId, Span, Status, Trigger, Write,
};
use punctual::schedule::{Schedule, ScheduleSpec};

/// From when on a job had which schedule.
type Stretches = BTreeMap<Timestamp, Option<(ScheduleSpec, Arc<Schedule>)>>;

/// What is durable.
#[derive(Debug, Clone, Default)]
pub struct Ledger {
    pub runs: BTreeMap<RunId, Run>,
    /// The unique index over single fires.
    fires: BTreeMap<(JobName, Timestamp), RunId>,
    pub attempts: BTreeMap<(RunId, u32), Attempt>,
    pub flags: BTreeMap<JobName, JobFlags>,
    /// From when on each job had which schedule.
    history: BTreeMap<JobName, Stretches>,
    pub scheduler_paused: bool,
}

impl Ledger {
    /// Makes changes durable together, and answers the claims among them.
    ///
    /// A run that is over stays as it ended; only what a shutdown took may still be caught up, and a
    /// span may go when the clock was wrong.
    pub fn commit(&mut self, writes: &[Write]) -> Vec<(RunId, ClaimOutcome)> {
        let over: Vec<Run> = writes
            .iter()
            .filter_map(|write| match write {
                Write::Claim(run) | Write::Run(run) | Write::Start(run) => self.runs.get(&run.id),
                Write::Withdraw(id) => self.runs.get(id),
                _ => None,
            })
            .filter(|run| run.status.is_final() && !at_shutdown(run))
            .cloned()
            .collect();
        let outcomes = writes
            .iter()
            .filter_map(|write| self.apply(write))
            .collect();
        for before in over {
            let after = self.runs.get(&before.id);
            assert!(
                after.is_some_and(|after| after.status == before.status)
                    || after.is_none() && before.span.is_some(),
                "a run that was over changes\nfrom {before:?}\nto {after:?}"
            );
        }
        outcomes
    }

    fn apply(&mut self, write: &Write) -> Option<(RunId, ClaimOutcome)> {
        match write {
            Write::Claim(run) => return Some((run.id, self.claim(run))),
            Write::Run(run) => self.put(run.clone()),
            Write::Start(run) => {
                self.put(run.clone());
                return Some((run.id, ClaimOutcome::Claimed));
            }
            Write::Withdraw(id) => self.withdraw(*id),
            Write::Attempt(attempt) => {
                assert!(
                    self.runs.contains_key(&attempt.run),
                    "an attempt without its run: {attempt:?}"
                );
                self.attempts
                    .insert((attempt.run, attempt.number), attempt.clone());
            }
            Write::Job(flags) => {
                self.flags.insert(flags.job.clone(), flags.clone());
            }
            Write::Schedule { job, at, spec } => {
                let stretch = spec.clone().map(|spec| {
                    let schedule = Schedule::new(spec.clone(), job.as_str()).unwrap();
                    (spec, Arc::new(schedule))
                });
                let stretches = self.history.entry(job.clone()).or_default();
                stretches.split_off(at);
                stretches.insert(*at, stretch);
            }
            Write::CutSpans { job, after } => self.cut_spans(job, *after),
            Write::SchedulerPaused(paused) => self.scheduler_paused = *paused,
        }
        None
    }

    /// Instants later than `after` are in no span any more.
    fn cut_spans(&mut self, job: &JobName, after: Timestamp) {
        let reaching = self.account(job).filter_map(|run| {
            let span = run.span.filter(|span| span.last > after)?;
            Some((run.id, run.scheduled_at, span))
        });
        for (id, first, span) in reaching.collect::<Vec<_>>() {
            let left = self.instants(job, just_before(first), after.min(span.last));
            match (self.runs.get_mut(&id), left.last()) {
                (Some(run), Some(&last)) => {
                    let count = left.len() as u64;
                    run.span = Some(Span { last, count });
                }
                _ => {
                    self.runs.remove(&id);
                }
            }
        }
    }

    fn claim(&mut self, run: &Run) -> ClaimOutcome {
        let known = self.runs.get(&run.id);
        let gives_way = known.is_none_or(|known| {
            let again = known.status == run.status && known.trigger == run.trigger;
            let after_shutdown = run.trigger == Trigger::CatchUp && at_shutdown(known);
            known.status == Status::Scheduled || again || after_shutdown
        });
        let in_a_span = of_schedule(run)
            && self.account(&run.job).any(|row| {
                row.span.is_some_and(|span| {
                    row.scheduled_at <= run.scheduled_at && run.scheduled_at <= span.last
                })
            });
        if !gives_way || in_a_span {
            return ClaimOutcome::Decided;
        }
        self.put(run.clone());
        ClaimOutcome::Claimed
    }

    fn put(&mut self, run: Run) {
        if let Some(known) = self.runs.get(&run.id).filter(|known| of_schedule(known)) {
            self.fires.remove(&(known.job.clone(), known.scheduled_at));
        }
        if of_schedule(&run) && run.span.is_none() {
            let before = self
                .fires
                .insert((run.job.clone(), run.scheduled_at), run.id);
            assert!(
                before.is_none_or(|id| id == run.id),
                "two rows for one instant: {run:?}"
            );
        }
        self.runs.insert(run.id, run);
    }

    fn withdraw(&mut self, id: RunId) {
        let gives_way = |run: &Run| run.status == Status::Scheduled || at_shutdown(run);
        if self.runs.get(&id).is_some_and(gives_way)
            && let Some(run) = self.runs.remove(&id)
        {
            self.fires.remove(&(run.job, run.scheduled_at));
        }
    }

    /// What the next life is told.
    pub fn memory(&self, marked: &BTreeSet<(RunId, u32)>, same_boot: bool) -> Memory {
        let live = self
            .runs
            .values()
            .filter(|run| !run.status.is_final() || at_shutdown(run));
        let attempts = self.attempts.values();
        let schedules = self.history.iter().filter_map(|(job, stretches)| {
            let (since, newest) = stretches.last_key_value()?;
            Some((job.clone(), (*since, newest.as_ref()?.0.clone())))
        });
        Memory {
            flags: self.flags.clone(),
            schedules: schedules.collect(),
            live: live.cloned().collect(),
            attempts: attempts
                .filter(|attempt| attempt.status == Status::Running)
                .cloned()
                .collect(),
            marked: marked.clone(),
            same_boot,
            scheduler_paused: self.scheduler_paused,
            handed_over: None,
        }
    }

    /// The rows that account for a job's instants.
    fn account(&self, job: &JobName) -> impl Iterator<Item = &Run> {
        self.runs
            .values()
            .filter(move |run| run.job == *job && of_schedule(run))
    }

    /// The instants that a job's schedules named in (`after`, `through`].
    pub fn instants(
        &self,
        job: &JobName,
        after: Timestamp,
        through: Timestamp,
    ) -> BTreeSet<Timestamp> {
        let mut instants = BTreeSet::new();
        let Some(stretches) = self.history.get(job) else {
            return instants;
        };
        let mut ends = stretches.keys().skip(1).copied();
        for (from, stretch) in stretches {
            let to = ends.next().unwrap_or(Timestamp::MAX).min(through);
            let Some((_, schedule)) = stretch else {
                continue;
            };
            let mut t = after.max(*from);
            while let Some(next) = schedule.next_after(t).filter(|&next| next <= to) {
                instants.insert(next);
                t = next;
            }
        }
        instants
    }

    /// Everything that is wrong with the accounts of all jobs.
    pub fn audit(&self) -> Vec<String> {
        self.flags
            .values()
            .flat_map(|it| self.audit_job(it))
            .collect()
    }

    /// What is wrong with one job's account: an instant up to its mark without a row, or with two,
    /// a row for what is no instant, a wrong count.
    fn audit_job(&self, flags: &JobFlags) -> Vec<String> {
        let job = &flags.job;
        let mut problems = Vec::new();
        let rows = self.account(job);
        let mut rows: Vec<&Run> = rows
            .filter(|run| run.scheduled_at > flags.audit_from)
            .collect();
        rows.sort_by_key(|run| run.scheduled_at);
        let through = rows
            .iter()
            .map(|run| run.span.map_or(run.scheduled_at, |span| span.last))
            .fold(flags.decided_through, Timestamp::max);
        let mut unseen = self.instants(job, flags.audit_from, through);
        for row in rows {
            let last = row.span.map_or(row.scheduled_at, |span| span.last);
            let covered: Vec<_> = unseen.range(row.scheduled_at..=last).copied().collect();
            let count = row.span.map_or(1, |span| span.count);
            if covered.len() as u64 != count
                || covered.first() != Some(&row.scheduled_at)
                || covered.last() != Some(&last)
            {
                problems.push(format!("{job}: doubled, stray or badly counted: {row:?}"));
            }
            for t in covered {
                unseen.remove(&t);
            }
        }
        for (after, through) in &flags.backlog {
            let put_off: Vec<_> = unseen
                .range((Excluded(*after), Included(*through)))
                .copied()
                .collect();
            if put_off.last() != Some(through) {
                problems.push(format!(
                    "{job}: {through} is put off and no instant, or has a row"
                ));
            }
            for t in put_off {
                unseen.remove(&t);
            }
        }
        let lost = unseen.range(..=flags.decided_through);
        problems.extend(lost.map(|t| format!("{job}: {t} is decided and has no row")));
        problems
    }
}

fn just_before(t: Timestamp) -> Timestamp {
    t.saturating_sub(std::time::Duration::from_micros(1))
        .unwrap()
}

/// Whether a row accounts for instants.
fn of_schedule(run: &Run) -> bool {
    matches!(run.trigger, Trigger::Schedule | Trigger::CatchUp)
}

/// A claim that a shutdown took the chance to run from.
fn at_shutdown(run: &Run) -> bool {
    run.status == Status::Missed
        && run.span.is_none()
        && run.reason == Some(Reason::new(Reason::SHUTDOWN))
}
