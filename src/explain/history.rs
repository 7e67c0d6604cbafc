//! The schedules that a job had, and what they named.

use jiff::{SignedDuration, Timestamp};

use crate::job::JobName;
use crate::schedule::{Schedule, ScheduleError};
use crate::store::Stretch;

/// The ledger counts in this.
const TICK: SignedDuration = SignedDuration::from_micros(1);

/// The schedules of a job over time: stretches in order, none overlapping. One is read only when it
/// is asked for: there may be thousands.
#[derive(Debug, Clone)]
pub struct History {
    job: JobName,
    stretches: Vec<Stretch>,
}

/// The schedule of a stretch.
pub(super) struct Then<'a> {
    pub(super) stretch: &'a Stretch,
    /// A later version may not read an old one any more.
    pub(super) schedule: Result<Schedule, ScheduleError>,
}

impl History {
    /// As the ledger keeps it, oldest first.
    pub fn new(job: JobName, stretches: Vec<Stretch>) -> Self {
        Self { job, stretches }
    }

    /// Whether no clock has ever made the job run.
    pub fn is_empty(&self) -> bool {
        self.stretches.is_empty()
    }

    /// The instant that an answer about the time `at` is about: itself if a schedule named it, else
    /// the nearest before it.
    pub fn subject(&self, at: Timestamp) -> Option<Timestamp> {
        if self.names(at) {
            Some(at)
        } else {
            self.before(at)
        }
    }

    /// The schedule that an instant at `t` would be of.
    pub(super) fn in_force(&self, t: Timestamp) -> Option<Then<'_>> {
        let at = self.first_ending_from(t);
        let stretch = self.stretches.get(at).filter(|it| it.from < t)?;
        Some(self.then(stretch))
    }

    /// The last schedule, in force or not.
    pub(super) fn last(&self) -> Option<Then<'_>> {
        self.stretches.last().map(|stretch| self.then(stretch))
    }

    /// The time around `t` in which no schedule was in force: its end and its beginning, as far as
    /// there are any.
    pub(super) fn gap(&self, t: Timestamp) -> (Option<Timestamp>, Option<Timestamp>) {
        let at = self.first_ending_from(t);
        let before = at.checked_sub(1).and_then(|at| self.stretches.get(at));
        let after = self.stretches.get(at).map(|it| it.from);
        (before.and_then(|it| it.to), after)
    }

    /// Whether a schedule named `t`.
    pub(super) fn names(&self, t: Timestamp) -> bool {
        let schedule = self.in_force(t).and_then(|then| then.schedule.ok());
        schedule.is_some_and(|it| it.next_after(just_before(t)) == Some(t))
    }

    /// The newest instant before `t`.
    pub(super) fn before(&self, t: Timestamp) -> Option<Timestamp> {
        let begun = self.stretches.partition_point(|it| it.from < t);
        self.stretches[..begun].iter().rev().find_map(|stretch| {
            let through = stretch
                .to
                .map_or(just_before(t), |to| to.min(just_before(t)));
            let last = self.then(stretch).schedule.ok()?.last_through(through)?;
            (last > stretch.from).then_some(last)
        })
    }

    /// The first instant after `t`.
    pub(super) fn after(&self, t: Timestamp) -> Option<Timestamp> {
        let over = self
            .stretches
            .partition_point(|it| it.to.is_some_and(|to| to <= t));
        self.stretches[over..].iter().find_map(|stretch| {
            let schedule = self.then(stretch).schedule.ok()?;
            let next = schedule.next_after(t.max(stretch.from))?;
            stretch.to.is_none_or(|to| next <= to).then_some(next)
        })
    }

    fn then<'a>(&self, stretch: &'a Stretch) -> Then<'a> {
        Then {
            stretch,
            schedule: Schedule::new(stretch.spec.clone(), self.job.as_str()),
        }
    }

    /// The place of the first stretch that does not end before `t`.
    fn first_ending_from(&self, t: Timestamp) -> usize {
        self.stretches
            .partition_point(|it| it.to.is_some_and(|to| to < t))
    }
}

/// The last time that is not `t` yet.
pub(super) fn just_before(t: Timestamp) -> Timestamp {
    t.saturating_sub(TICK).unwrap_or(Timestamp::MIN)
}
