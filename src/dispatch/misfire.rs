//! Instants that nobody watched: `catch_up` alone decides which of them run after all.

use jiff::Timestamp;

use super::View;
use super::active::{Active, Phase};
use super::job_state::JobState;
use super::out::Out;
use super::spans::{Stretch, just_before};
use crate::job::{CatchUpMode, Reason, Run, RunId, Status, Trigger};

impl JobState {
    /// Finds the instants due before `view.unwatched_before`, runs the newest that the policy
    /// allows and accounts for the rest as missed.
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
        let chosen = self.chosen(&claimed, unclaimed, view.now);
        let first_chosen = chosen.first().copied().unwrap_or(Timestamp::MAX);
        for run in claimed {
            if run.scheduled_at < first_chosen {
                let at_shutdown = run.reason.as_ref().is_some_and(|r| r.0 == Reason::SHUTDOWN);
                let reason = if at_shutdown {
                    Reason::SHUTDOWN
                } else {
                    Reason::UNWATCHED
                };
                self.withhold(run, Status::Missed, reason, view.now, out);
            }
        }
        if let Some(all) = unclaimed {
            let missed = self.undecided_through(all.last.min(just_before(first_chosen)));
            if let Some(missed) = missed {
                self.account(missed, Status::Missed, Reason::UNWATCHED, view, out);
            }
        }
        for nominal in chosen {
            self.catch_up(nominal, view, active, out);
            self.decide_through(nominal);
        }
    }

    /// Starts the next catch-up run: one at a time, oldest first, not while the job is paused.
    pub(super) fn catch_up_turn(&mut self, view: View<'_>, active: &mut Active, out: &mut Out) {
        let held = self.removed || view.draining || self.is_paused(view.everything_paused);
        if self.catching_up.is_some() || held {
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
        }
    }

    /// A run of this job is over, or never was: it takes no place any more.
    pub(super) fn forget(&mut self, id: RunId) {
        self.running.remove(&id);
        self.in_line.retain(|&waiting| waiting != id);
        self.catching_up = self.catching_up.filter(|&current| current != id);
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

    /// The newest instants that the policy runs, oldest first.
    fn chosen(
        &self,
        claimed: &[Run],
        unclaimed: Option<Stretch>,
        now: Timestamp,
    ) -> Vec<Timestamp> {
        let policy = self.plan.catch_up;
        let most = match policy.mode {
            CatchUpMode::None => 0,
            CatchUpMode::Latest => 1,
            CatchUpMode::All => policy.limit as usize,
        };
        let oldest = now.saturating_sub(policy.window).unwrap_or(Timestamp::MIN);
        let Some(schedule) = self.plan.schedule() else {
            return Vec::new();
        };
        let back = std::iter::successors(unclaimed.map(|stretch| stretch.last), |&t| {
            let first = unclaimed.map_or(Timestamp::MAX, |stretch| stretch.first);
            schedule
                .last_through(just_before(t))
                .filter(|&earlier| earlier >= first)
        });
        let mut chosen: Vec<Timestamp> = back
            .chain(claimed.iter().rev().map(|run| run.scheduled_at))
            .take(most)
            .take_while(|&nominal| nominal >= oldest)
            .collect();
        chosen.reverse();
        chosen
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
        self.in_line.push_back(run.id);
        active.claim(run.clone(), out);
        active.add(run, &self.plan, Phase::Inserting { reply: None });
    }
}
