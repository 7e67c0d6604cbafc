//! WHEN: what names instants. Pure: `now` never appears, only "after this instant".

mod agenda;
mod calendar;
mod cron;
mod duration;
mod exclusion;
mod instant;
mod interval;
mod spec;
mod steady;
#[cfg(test)]
mod tests;
mod zone;

use std::sync::Arc;
use std::time::Duration;

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

pub use agenda::Agenda;
pub use calendar::{Calendar, DaysError};
use cron::Cron;
pub use cron::CronError;
pub use duration::{DurationError, format_duration, parse_duration};
pub use exclusion::FIRING_HORIZON;
pub use instant::parse_instant;
use interval::Interval;
pub use spec::{Rule, ScheduleSpec};
use zone::Zone;
pub use zone::ZoneError;

/// The shortest period of an interval.
pub const MIN_PERIOD: Duration = Duration::from_millis(100);

/// How many expressions one schedule may list.
pub const MAX_EXPRESSIONS: usize = 64;

/// The step from one instant to the next that can be told apart.
const TICK: SignedDuration = SignedDuration::from_micros(1);

/// A schedule, ready to be asked. Cloning it shares it.
///
/// Its instants are whole microseconds, those of cron expressions whole seconds.
#[derive(Debug, Clone)]
pub struct Schedule(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    spec: ScheduleSpec,
    job: String,
    zone: Zone,
    rule: Compiled,
}

/// A rule, checked and ready.
#[derive(Debug)]
enum Compiled {
    Cron(Vec<Cron>),
    Every(Interval),
    At(Timestamp),
}

/// Why a schedule was refused. Each is a whole sentence for people.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ScheduleError {
    /// A cron expression that is not one.
    #[error(transparent)]
    Cron(#[from] CronError),
    /// An empty list of expressions.
    #[error("the list of cron expressions is empty: give at least one")]
    NoExpression,
    /// More expressions than are read.
    #[error("there are {0} cron expressions; one schedule takes at most {MAX_EXPRESSIONS}")]
    TooManyExpressions(usize),
    /// A time zone that is not one.
    #[error(transparent)]
    Zone(#[from] ZoneError),
    /// An interval below the shortest.
    #[error(
        "the interval is too short: the shortest is {}",
        format_duration(MIN_PERIOD)
    )]
    TooShort,
    /// An interval beyond what makes sense, or finer than a microsecond.
    #[error("the interval must be whole microseconds and at most 36500d (100 years)")]
    BadPeriod,
    /// A window that ends before or as it begins.
    #[error("end ({end}) is not after start ({start}), so the schedule would name no instant")]
    EmptyWindow {
        /// The first instant that counts.
        start: Timestamp,
        /// The first instant that no longer counts.
        end: Timestamp,
    },
    /// A one-shot outside of its own window.
    #[error("at ({at}) lies outside of start and end, so the schedule would name no instant")]
    AtOutsideWindow {
        /// The instant.
        at: Timestamp,
    },
}

impl Schedule {
    /// Reads a schedule; `job` seeds `H` and the jitter.
    ///
    /// Never takes longer than a few milliseconds, whatever is in the spec.
    pub fn new(spec: ScheduleSpec, job: &str) -> Result<Self, ScheduleError> {
        let zone = Zone::find(&spec.timezone)?;
        if let (Some(start), Some(end)) = (spec.start, spec.end)
            && start >= end
        {
            return Err(ScheduleError::EmptyWindow { start, end });
        }
        let rule = match &spec.rule {
            Rule::Cron(list) if list.is_empty() => return Err(ScheduleError::NoExpression),
            Rule::Cron(list) if list.len() > MAX_EXPRESSIONS => {
                return Err(ScheduleError::TooManyExpressions(list.len()));
            }
            Rule::Cron(list) => Compiled::Cron(
                list.iter()
                    .map(|text| Cron::parse(text, job))
                    .collect::<Result<_, _>>()?,
            ),
            Rule::Every(period) => Compiled::Every(Interval::new(*period, spec.start)?),
            Rule::At(at) => {
                let at = floor_to_micros(*at);
                if spec.start.is_some_and(|start| at < floor_to_micros(start))
                    || spec.end.is_some_and(|end| at >= end)
                {
                    return Err(ScheduleError::AtOutsideWindow { at });
                }
                Compiled::At(at)
            }
        };
        Ok(Self(Arc::new(Inner {
            spec,
            job: job.to_owned(),
            zone,
            rule,
        })))
    }

    /// The data it was made from.
    pub fn spec(&self) -> &ScheduleSpec {
        &self.0.spec
    }

    /// `cron`, `every` or `at`.
    pub fn kind(&self) -> &'static str {
        match self.0.rule {
            Compiled::Cron(_) => "cron",
            Compiled::Every(_) => "every",
            Compiled::At(_) => "at",
        }
    }

    /// What was written: the cron expressions, joined with `; `, the interval (`1h30m`) or the
    /// instant (RFC 3339).
    pub fn expression(&self) -> String {
        match &self.0.spec.rule {
            Rule::Cron(list) => list.join("; "),
            Rule::Every(period) => format_duration(*period),
            Rule::At(at) => at.to_string(),
        }
    }

    /// The same in words, such as "at 02:30 every day, except on days of holidays".
    pub fn text(&self) -> String {
        let mut text = match &self.0.rule {
            Compiled::Cron(list) => list.iter().map(Cron::text).collect::<Vec<_>>().join("; "),
            Compiled::Every(interval) => interval.text(),
            Compiled::At(at) => {
                let offset = self.zone().to_offset(*at);
                format!("once, at {}", at.display_with_offset(offset))
            }
        };
        let names: Vec<_> = self.0.spec.exclude.iter().map(|it| it.name()).collect();
        if !names.is_empty() {
            text.push_str(", except on days of ");
            text.push_str(&names.join(", "));
        }
        text
    }

    /// The zone that cron expressions are read in, and calendars of every kind of schedule.
    pub fn zone(&self) -> &TimeZone {
        self.0.zone.tz()
    }

    /// The name of that zone, as the zone database writes it.
    pub fn timezone(&self) -> &str {
        self.0.zone.name()
    }

    /// The first instant strictly later than `t`.
    pub fn next_after(&self, t: Timestamp) -> Option<Timestamp> {
        let after = match self.start().and_then(|start| start.checked_sub(TICK).ok()) {
            Some(before_start) => t.max(before_start),
            None => t,
        };
        self.unbounded_next_after(after)
            .filter(|&next| self.0.spec.end.is_none_or(|end| next < end))
    }

    /// The newest instant at or before `t`.
    pub fn last_through(&self, t: Timestamp) -> Option<Timestamp> {
        let through = self.through(t)?;
        self.unbounded_last_through(through)
            .filter(|&last| self.start().is_none_or(|start| last >= start))
    }

    /// How many instants lie in (`after`, `through`]. Costs little however many they are.
    pub fn count(&self, after: Timestamp, through: Timestamp) -> u64 {
        let before_start = self.start().and_then(|start| start.checked_sub(TICK).ok());
        let after = before_start.map_or(after, |before_start| after.max(before_start));
        let Some(through) = self.through(through).filter(|&through| after < through) else {
            return 0;
        };
        match &self.0.rule {
            Compiled::Cron(list) => {
                let (from, to) = (floor_second(after) + 1, floor_second(through));
                cron::count(list, &self.0.zone, from, to)
            }
            Compiled::Every(interval) => interval.count(after, through),
            Compiled::At(at) => u64::from(after < *at && *at <= through),
        }
    }

    /// When the fire of this nominal instant is due: the instant and the job's own share of
    /// `jitter`, never as late as the next instant.
    ///
    /// The share is a fraction that the job's name decides; where the next instant is nearer than
    /// `jitter`, it is that fraction of the time up to it.
    pub fn due_at(&self, nominal: Timestamp) -> Timestamp {
        let jitter = u64::try_from(self.0.spec.jitter.as_micros()).unwrap_or(u64::MAX);
        if jitter == 0 {
            return nominal;
        }
        let room = self
            .next_after(nominal)
            .and_then(|next| u64::try_from(next.duration_since(nominal).as_micros()).ok())
            .map_or(jitter, |gap| gap.min(jitter));
        let share = i64::try_from(steady::share(&self.0.job, room)).unwrap_or(i64::MAX);
        nominal
            .checked_add(SignedDuration::from_micros(share))
            .unwrap_or(nominal)
    }

    fn start(&self) -> Option<Timestamp> {
        self.0.spec.start.map(floor_to_micros)
    }

    /// `t`, or the last moment before the end of the window.
    fn through(&self, t: Timestamp) -> Option<Timestamp> {
        match self.0.spec.end {
            Some(end) => Some(t.min(end.checked_sub(TICK).ok()?)),
            None => Some(t),
        }
    }

    fn unbounded_next_after(&self, t: Timestamp) -> Option<Timestamp> {
        match &self.0.rule {
            Compiled::Cron(list) => {
                let from = floor_second(t) + 1;
                let next = list
                    .iter()
                    .filter_map(|cron| cron.at_or_after(&self.0.zone, from))
                    .min();
                Timestamp::from_second(next?).ok()
            }
            Compiled::Every(interval) => interval.next_after(t),
            Compiled::At(at) => Some(*at).filter(|&at| at > t),
        }
    }

    fn unbounded_last_through(&self, t: Timestamp) -> Option<Timestamp> {
        match &self.0.rule {
            Compiled::Cron(list) => {
                let through = floor_second(t);
                let newest = list
                    .iter()
                    .filter_map(|cron| cron.at_or_before(&self.0.zone, through))
                    .max();
                Timestamp::from_second(newest?).ok()
            }
            Compiled::Every(interval) => interval.last_through(t),
            Compiled::At(at) => Some(*at).filter(|&at| at <= t),
        }
    }
}

/// The zone of an IANA name, or `UTC`, as schedules know it.
pub fn time_zone(name: &str) -> Result<TimeZone, ZoneError> {
    Zone::find(name).map(|zone| zone.tz().clone())
}

/// The whole microseconds of an instant, which is what a ledger keeps.
fn floor_to_micros(t: Timestamp) -> Timestamp {
    Timestamp::from_microsecond(floor_micros(t)).unwrap_or(t)
}

/// Microseconds since the epoch, rounded down. jiff rounds towards the epoch.
fn floor_micros(t: Timestamp) -> i64 {
    let micros = t.as_microsecond();
    micros - i64::from(t.subsec_nanosecond() % 1000 < 0)
}

/// Seconds since the epoch, rounded down.
fn floor_second(t: Timestamp) -> i64 {
    t.as_second() - i64::from(t.subsec_nanosecond() < 0)
}
