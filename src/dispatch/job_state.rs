//! What is known of one job while the daemon lives.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use super::active::Active;
use super::command::new_run;
use super::out::Out;
use super::spans::{excluded, just_before};
use super::{LEAD, View, params};
use crate::job::{EventKind, JobFlags, Plan, Run, RunId, Trigger, Write};
use crate::schedule::Schedule;

/// A paused job looks for instants to account for this often: its span shows within a second of
/// its first instant, and a 100 ms job does not write ten times a second.
const PAUSED_STRIDE: Duration = Duration::from_millis(800);

/// The most claims of a job that wait for the ledger: more than ten jobs of every 100 ms make in a
/// stall of three seconds.
const MAX_UNANSWERED: usize = 256;

/// One job: its plan, its mark, its claims and its runs.
#[derive(Debug)]
pub(super) struct JobState {
    pub(super) plan: Arc<Plan>,
    /// What the ledger remembers of it; `flags.decided_through` is the mark.
    pub(super) flags: JobFlags,
    /// When its schedule began to count, as far as this life knows.
    pub(super) since: Timestamp,
    /// Claimed fires in order of their instants, not due yet.
    pub(super) claims: VecDeque<Claim>,
    /// Runs that count under `max_concurrent`.
    pub(super) running: BTreeSet<RunId>,
    /// Catch-up runs whose turn has not come, oldest first.
    pub(super) in_line: VecDeque<RunId>,
    /// The catch-up run whose turn it is.
    pub(super) catching_up: Option<RunId>,
    /// How many instants are still to be caught up and have no row (`flags.backlog`).
    pub(super) put_off: u64,
    /// Runs that wait for others of the job to end, in their order.
    pub(super) behind: VecDeque<RunId>,
    /// When a supervised job is started again.
    pub(super) restart_at: Option<Timestamp>,
    /// How often it was, since it last ran for long.
    pub(super) restarts: u32,
    /// The newest row of events that came to nothing, while others may join it.
    pub(super) skipped_events: Option<Run>,
    /// The newest span, while instants may still join it.
    pub(super) span: Option<Run>,
    /// The wake that was asked for last.
    pub(super) armed: Option<Timestamp>,
    /// It left the config; it stays here until its runs are over.
    pub(super) removed: bool,
    /// `flags` has changed in this step.
    pub(super) dirty: bool,
    /// The last snapshot may show it as it was.
    pub(super) is_outdated: bool,
    /// The instant that follows a mark, as the schedule of `plan` said when it was asked last: a
    /// fire asks for it several times.
    followed_by: Option<(Timestamp, Option<Timestamp>)>,
}

/// The instant before this one.
pub(super) fn last_before(schedule: &Schedule, instant: Timestamp) -> Timestamp {
    let last = schedule.last_through(just_before(instant));
    last.unwrap_or(Timestamp::MIN)
}

/// A fire that is claimed ahead.
#[derive(Debug)]
pub(super) struct Claim {
    pub(super) run: Run,
    /// Whether its row is known to be durable.
    pub(super) durable: bool,
}

impl JobState {
    pub(super) fn new(plan: Arc<Plan>, flags: JobFlags) -> Self {
        let mut state = Self {
            plan,
            since: flags.audit_from,
            flags,
            claims: VecDeque::new(),
            running: BTreeSet::new(),
            in_line: VecDeque::new(),
            catching_up: None,
            put_off: 0,
            behind: VecDeque::new(),
            restart_at: None,
            restarts: 0,
            skipped_events: None,
            span: None,
            armed: None,
            removed: false,
            dirty: false,
            is_outdated: false,
            followed_by: None,
        };
        state.put_off = state.count_put_off();
        state
    }

    /// How many instants are still to be caught up and have no row.
    pub(super) fn count_put_off(&self) -> u64 {
        let Some(schedule) = self.plan.schedule() else {
            return 0;
        };
        let stretches = self.flags.backlog.iter();
        stretches
            .map(|&(after, through)| schedule.count(after, through))
            .sum()
    }

    /// What names its instants; a disabled or removed job names none.
    pub(super) fn schedule(&self) -> Option<Arc<Schedule>> {
        let in_force = self.plan.enabled && !self.removed;
        self.plan.when.schedule().filter(|_| in_force).cloned()
    }

    /// The first instant that is neither decided nor claimed.
    pub(super) fn next_undecided(&mut self) -> Option<Timestamp> {
        if !self.plan.enabled || self.removed {
            return None;
        }
        let mark = self.flags.decided_through;
        if let Some((asked, next)) = self.followed_by
            && asked == mark
        {
            return next;
        }
        let next = self.plan.next_after(mark);
        self.followed_by = Some((mark, next));
        next
    }

    /// The config has another plan for it from now on. Answers the plan before.
    pub(super) fn take_plan(&mut self, plan: Arc<Plan>) -> Arc<Plan> {
        self.followed_by = None;
        std::mem::replace(&mut self.plan, plan)
    }

    /// Why an instant does not run whose date is in a calendar that the job excludes.
    pub(super) fn excluded(&self, nominal: Timestamp) -> Option<String> {
        self.plan.schedule()?.excluded_by(nominal).map(excluded)
    }

    /// The next instant that will fire, claimed or not.
    pub(super) fn next_fire(&self) -> Option<Timestamp> {
        match self.claims.front() {
            Some(claim) => Some(claim.run.scheduled_at),
            None => self
                .schedule()?
                .next_firing_after(self.flags.decided_through),
        }
    }

    /// Whether a claimed instant is still to come. One of a schedule that has ended is not, even if
    /// the clock went back behind it.
    pub(super) fn is_to_come(&self, nominal: Timestamp, now: Timestamp) -> bool {
        nominal > now.max(self.since)
    }

    /// How far it is decided when its claims of instants to come are taken back.
    pub(super) fn decided_without_claims(&self, now: Timestamp) -> Timestamp {
        let mut claims = self.claims.iter().map(|claim| claim.run.scheduled_at);
        match claims.find(|&nominal| self.is_to_come(nominal, now)) {
            Some(first) => self
                .plan
                .schedule()
                .map_or(self.since, |it| last_before(it, first).max(self.since)),
            None => self.flags.decided_through,
        }
    }

    pub(super) fn is_paused(&self, everything: bool) -> bool {
        everything || self.flags.paused
    }

    /// It left the config and has nothing left to do.
    pub(super) fn is_over(&self) -> bool {
        self.removed
            && self.running.is_empty()
            && self.behind.is_empty()
            && self.in_line.is_empty()
            && self.claims.is_empty()
    }

    /// Moves the mark forward: every instant up to `to` is decided.
    pub(super) fn decide_through(&mut self, to: Timestamp) {
        self.dirty |= to > self.flags.decided_through;
        self.flags.decided_through = self.flags.decided_through.max(to);
    }

    /// A schedule that names nothing any more when it is first seen is most likely a mistake.
    pub(super) fn warn_if_over(&mut self, now: Timestamp, out: &mut Out) {
        if self.schedule().is_some() && self.next_undecided().is_none() {
            let job = self.plan.name.clone();
            let message =
                "its schedule names no instant later than now, so it is finished without \
                           having run; correct its time or remove it"
                    .to_owned();
            out.emit(now, EventKind::Warning { job, message });
        }
    }

    /// The ledger remembers what has changed, once the step is over.
    pub(super) fn write_flags(&mut self, out: &mut Out) {
        if std::mem::take(&mut self.dirty) {
            out.write(Write::Job(self.flags.clone()));
        }
    }

    /// The run of the fire at `nominal`, as it is claimed.
    pub(super) fn fire(&self, nominal: Timestamp, trigger: Trigger, view: View<'_>) -> Run {
        let id = RunId::of_fire(&self.plan.name, nominal);
        let due = self.plan.due_at(nominal);
        let mut run = new_run(id, &self.plan.name, trigger, nominal, due, view.node);
        run.params = params::defaults(&self.plan);
        run
    }

    /// Whether the ledger has so many claims to answer that no more are made until it does.
    pub(super) fn claims_pile_up(&self) -> bool {
        let unanswered = self.claims.iter().filter(|claim| !claim.durable);
        unanswered.count() >= MAX_UNANSWERED
    }

    /// When this job next needs a look: a claimed fire is due, the next one is to be claimed, a
    /// waiting run reaches its deadline, a pause ends.
    pub(super) fn next_wake(
        &mut self,
        now: Timestamp,
        everything_paused: bool,
        draining: bool,
        active: &Active,
    ) -> Option<Timestamp> {
        if draining {
            return None;
        }
        let paused = self.is_paused(everything_paused);
        let due = self
            .claims
            .front()
            .filter(|claim| claim.durable)
            .map(|claim| claim.run.due_at);
        let undecided = self
            .next_undecided()
            .filter(|_| paused || !self.claims_pile_up());
        let claim_at = |nominal| {
            let due = self.plan.due_at(nominal);
            due.saturating_sub(LEAD).unwrap_or(due)
        };
        let claim = undecided.map(|nominal| {
            if paused {
                return self.look_at_skipped(nominal, now);
            }
            if self.excluded(nominal).is_none() {
                return claim_at(nominal);
            }
            let behind = self.plan.next_firing_after(nominal).map(claim_at);
            let look = self.look_at_skipped(nominal, now);
            behind.map_or(look, |behind| behind.min(look))
        });
        let resume = self.flags.paused_until.filter(|_| self.flags.paused);
        let restart = self.restart_at.filter(|_| !paused);
        let looks = [due, claim, resume, restart, self.first_look(active)];
        looks.into_iter().flatten().min()
    }

    /// When instants that are skipped, of which this is the next, want a look.
    fn look_at_skipped(&self, nominal: Timestamp, now: Timestamp) -> Timestamp {
        let at = nominal.max(now.saturating_add(PAUSED_STRIDE).unwrap_or(nominal));
        // A look that is asked for already is not put off: runs that end meanwhile would put it off
        // for ever.
        let asked = self.armed.filter(|&armed| armed >= nominal);
        asked.map_or(at, |asked| asked.min(at))
    }

    /// When the first of the runs that are let in wants a look.
    fn first_look(&self, active: &Active) -> Option<Timestamp> {
        let ids = self.running.iter().chain(&self.behind);
        ids.filter_map(|&id| active.get(id)?.next_look()).min()
    }
}
