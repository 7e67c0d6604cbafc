//! Instants that nobody watched: `catch_up` alone decides which of them run after all.
//!
//! Those that do are put off ([`crate::job::JobFlags::backlog`]): a stretch of instants costs
//! nothing until the turn of each has come, so that the end of a long downtime is decided at once.

use jiff::Timestamp;

use super::View;
use super::active::{Active, Phase};
use super::job_state::JobState;
use super::out::Out;
use super::spans::{Stretch, just_before};
use crate::job::{CatchUpMode, Reason, Run, RunId, Status, Trigger};
use crate::schedule::Schedule;

impl JobState {
    /// Finds the instants due before `view.unwatched_before`, puts the newest that the policy
    /// allows off until their turn, and accounts for the rest as missed.
    pub(super) fn miss_unwatched(&mut self, view: View<'_>, active: &mut Active, out: &mut Out) {
        if view.unwatched_before == Timestamp::MIN {
            return;
        }
        let mut claimed = Vec::new();
        while self
            .claims
            .front()
            .is_some_and(|claim| claim.run.due_at < view.unwatched_before)
        {
            claimed.extend(self.claims.pop_front().map(|claim| claim.run));
        }
        let unclaimed = self.unwatched_stretch(view.unwatched_before);
        if claimed.is_empty() && unclaimed.is_none() {
            return;
        }
        let runs = self.runs_of(unclaimed);
        let first_chosen = self.first_chosen(&claimed, &runs, view.now);
        for run in claimed {
            if run.scheduled_at >= first_chosen {
                self.catch_up(run.scheduled_at, view, active, out);
            } else {
                self.miss_claimed(run, view, out);
            }
        }
        for (run, excluded) in runs {
            match excluded {
                Some(why) => self.account(run, Status::Skipped, &why, view, out),
                None => self.divide(run, first_chosen, view, out),
            }
        }
        self.give_up_oldest(view, out);
    }

    fn miss_claimed(&mut self, run: Run, view: View<'_>, out: &mut Out) {
        let at_shutdown = run.reason.as_ref().is_some_and(|r| r.0 == Reason::SHUTDOWN);
        let reason = if at_shutdown {
            Reason::SHUTDOWN
        } else {
            Reason::UNWATCHED
        };
        self.withhold(run, Status::Missed, reason, view.now, out);
    }

    /// Starts the next catch-up run: one at a time, oldest first, not while the job is paused.
    pub(super) fn catch_up_turn(&mut self, view: View<'_>, active: &mut Active, out: &mut Out) {
        let held = self.removed || view.draining || self.is_paused(view.everything_paused);
        if held {
            return;
        }
        self.line_up(view, active, out);
        if self.catching_up.is_some() {
            return;
        }
        let Some(&id) = self.in_line.front() else {
            return;
        };
        if active
            .get(id)
            .is_some_and(|live| live.phase == Phase::InLine)
        {
            self.in_line.pop_front();
            self.catching_up = Some(id);
            self.running.insert(id);
            active.start_or_wait(id, view.now, view.draining, out);
            self.line_up(view, active, out);
        }
    }

    /// The undecided instants due before `limit`.
    fn unwatched_stretch(&self, limit: Timestamp) -> Option<Stretch> {
        let schedule = self.schedule()?;
        let mut last = schedule.last_through(limit)?;
        // With jitter the newest instant may be due later; no more than that one, because a fire
        // is due before the next instant.
        if schedule.due_at(last) >= limit {
            last = schedule.last_through(just_before(last))?;
        }
        self.undecided_through(last)
    }

    fn runs_of(&self, stretch: Option<Stretch>) -> Vec<(Stretch, Option<String>)> {
        let both = self.plan.schedule().zip(stretch);
        both.map_or_else(Vec::new, |(schedule, stretch)| stretch.runs(schedule))
    }

    /// Instants that nobody watched: the older ones are missed, the newer ones put off.
    fn divide(&mut self, run: Stretch, first_chosen: Timestamp, view: View<'_>, out: &mut Out) {
        let Some(schedule) = self.plan.when.schedule().cloned() else {
            return;
        };
        if let Some(missed) = run.before(&schedule, first_chosen) {
            self.account(missed, Status::Missed, Reason::UNWATCHED, view, out);
        }
        if let Some(chosen) = run.from(&schedule, first_chosen) {
            self.put_off(chosen);
            self.decide_through(chosen.last);
        }
    }

    /// How many of the newest instants run, and the oldest time that one may have.
    fn allowed(&self, now: Timestamp) -> (u64, Timestamp) {
        let policy = self.plan.catch_up;
        let most = match policy.mode {
            CatchUpMode::None => 0,
            CatchUpMode::Latest => 1,
            CatchUpMode::All => u64::from(policy.limit),
        };
        let oldest = now.saturating_sub(policy.window);
        (most, oldest.unwrap_or(Timestamp::MIN))
    }

    /// The oldest of the newest instants that the policy runs; later than all: it runs none.
    fn first_chosen(
        &self,
        claimed: &[Run],
        runs: &[(Stretch, Option<String>)],
        now: Timestamp,
    ) -> Timestamp {
        let (mut most, oldest) = self.allowed(now);
        let mut chosen = Timestamp::MAX;
        let Some(schedule) = self.plan.schedule() else {
            return chosen;
        };
        let run = runs.iter().rev().filter(|(_, excluded)| excluded.is_none());
        for (run, _) in run {
            let Some(young) = run.from(schedule, oldest).filter(|_| most > 0) else {
                return chosen;
            };
            if young.count > most {
                return nth_from_last(schedule, young, most);
            }
            most -= young.count;
            chosen = young.first;
        }
        let most = usize::try_from(most).unwrap_or(usize::MAX);
        let claimed = claimed.iter().rev().map(|run| run.scheduled_at);
        let claimed = claimed.take(most).take_while(|&nominal| nominal >= oldest);
        claimed.last().unwrap_or(chosen)
    }

    /// These instants run when their turn comes. They are later than all that was put off before.
    fn put_off(&mut self, stretch: Stretch) {
        self.put_off += stretch.count;
        self.dirty = true;
        let after = just_before(stretch.first);
        let next = |schedule: &Schedule, t| schedule.next_after(t) == Some(stretch.first);
        let schedule = self.plan.schedule();
        match self.flags.backlog.last_mut() {
            Some((_, through)) if schedule.is_some_and(|it| next(it, *through)) => {
                *through = stretch.last;
            }
            _ => self.flags.backlog.push((after, stretch.last)),
        }
    }

    /// Where more is put off than limit and window allow, the oldest of it is missed for good.
    fn give_up_oldest(&mut self, view: View<'_>, out: &mut Out) {
        let (most, oldest) = self.allowed(view.now);
        let Some(schedule) = self.plan.when.schedule().cloned() else {
            return;
        };
        while let Some(&(after, through)) = self.flags.backlog.first() {
            let Some(stretch) = Stretch::of(&schedule, after, through) else {
                self.flags.backlog.remove(0);
                continue;
            };
            let too_many = self.put_off.saturating_sub(most).min(stretch.count);
            let too_old = stretch.before(&schedule, oldest).map_or(0, |it| it.count);
            let count = too_many.max(too_old);
            if count == 0 {
                return;
            }
            let first = stretch.first;
            let last = nth(&schedule, stretch, count);
            if count == stretch.count {
                self.flags.backlog.remove(0);
            } else if let Some(left) = self.flags.backlog.first_mut() {
                left.0 = last;
            }
            self.put_off = self.put_off.saturating_sub(count);
            self.dirty = true;
            let given_up = Stretch { first, last, count };
            self.account(given_up, Status::Missed, Reason::UNWATCHED, view, out);
        }
    }

    /// What was put off will not run any more.
    pub(super) fn give_up_all(
        &mut self,
        status: Status,
        reason: &str,
        view: View<'_>,
        out: &mut Out,
    ) {
        let backlog = std::mem::take(&mut self.flags.backlog);
        self.dirty |= !backlog.is_empty();
        self.put_off = 0;
        for (after, through) in backlog {
            if let Some(stretch) = self.stretch(after, through) {
                self.account_runs(stretch, status, reason, view, out);
            }
        }
    }

    /// The oldest instant that was put off.
    fn next_put_off(&self) -> Option<Timestamp> {
        let &(after, _) = self.flags.backlog.first()?;
        self.plan.next_after(after)
    }

    /// Takes it out.
    fn take_put_off(&mut self) -> Option<Timestamp> {
        let next = self.next_put_off()?;
        let first = self.flags.backlog.first_mut()?;
        first.0 = next;
        if first.1 <= next {
            self.flags.backlog.remove(0);
        }
        self.put_off = self.put_off.saturating_sub(1);
        self.dirty = true;
        Some(next)
    }

    /// The oldest instant that was put off gets its run, ahead of its turn, so that the run's row
    /// is durable when the turn comes.
    fn line_up(&mut self, view: View<'_>, active: &mut Active, out: &mut Out) {
        while let Some(next) = self.next_put_off() {
            let first = self.in_line.front().and_then(|&id| active.get(id));
            if first.is_some_and(|first| first.run.scheduled_at < next) {
                return;
            }
            self.take_put_off();
            self.catch_up(next, view, active, out);
        }
    }

    /// One missed instant gets its run, which waits in line.
    fn catch_up(&mut self, nominal: Timestamp, view: View<'_>, active: &mut Active, out: &mut Out) {
        let mut run = self.fire(nominal, Trigger::CatchUp, view);
        if active.get(run.id).is_some() {
            // The clock went back and forth, and its fire of the first time is still under way.
            return;
        }
        run.status = Status::Queued;
        run.queued_at = Some(view.now);
        self.line_up_run(run.id, nominal, active);
        active.claim(run.clone(), out);
        active.add(run, &self.plan, Phase::Inserting { reply: None });
    }

    /// A run to be caught up takes its place in line, by its instant.
    pub(super) fn line_up_run(&mut self, id: RunId, nominal: Timestamp, active: &Active) {
        let later = |&other: &RunId| {
            active
                .get(other)
                .is_some_and(|other| other.run.scheduled_at > nominal)
        };
        let place = self.in_line.iter().position(later);
        self.in_line.insert(place.unwrap_or(self.in_line.len()), id);
    }
}

/// The `n`-th instant of a stretch; `n` is at least 1 and not above its count.
fn nth(schedule: &Schedule, stretch: Stretch, n: u64) -> Timestamp {
    if n == stretch.count {
        return stretch.last;
    }
    let mut at = stretch.first;
    for _ in 1..n {
        match schedule.next_after(at) {
            Some(later) if later <= stretch.last => at = later,
            _ => break,
        }
    }
    at
}

/// The instant that has `n` - 1 later ones in a stretch; `n` is at least 1 and not above its count.
fn nth_from_last(schedule: &Schedule, stretch: Stretch, n: u64) -> Timestamp {
    let mut at = stretch.last;
    for _ in 1..n {
        match schedule.last_through(just_before(at)) {
            Some(earlier) if earlier >= stretch.first => at = earlier,
            _ => break,
        }
    }
    at
}
