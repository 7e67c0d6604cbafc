//! Fixed spans of elapsed time.

use std::time::Duration;

use jiff::Timestamp;

use super::{MIN_PERIOD, ScheduleError, floor_micros};

/// The longest period, 100 years, in microseconds.
const MAX_MICROS: i64 = 36_500 * 86_400_000_000;

/// Instants a period apart, one of them at the anchor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Interval {
    /// In microseconds, at least those of [`MIN_PERIOD`].
    period: i64,
    /// In microseconds since the epoch.
    anchor: i64,
}

impl Interval {
    /// Aligned to `start`, else to the Unix epoch.
    pub fn new(period: Duration, start: Option<Timestamp>) -> Result<Self, ScheduleError> {
        if period < MIN_PERIOD {
            return Err(ScheduleError::TooShort);
        }
        let micros = i64::try_from(period.as_micros())
            .ok()
            .filter(|&micros| micros <= MAX_MICROS);
        match micros {
            Some(micros) if period.subsec_nanos().is_multiple_of(1000) => Ok(Self {
                period: micros,
                anchor: start.map_or(0, floor_micros),
            }),
            _ => Err(ScheduleError::BadPeriod),
        }
    }

    /// The first instant strictly later than `t`.
    pub fn next_after(self, t: Timestamp) -> Option<Timestamp> {
        self.instant(self.index(t) + 1)
    }

    /// The newest instant at or before `t`.
    pub fn last_through(self, t: Timestamp) -> Option<Timestamp> {
        self.instant(self.index(t))
    }

    /// How many lie in (`after`, `through`].
    pub fn count(self, after: Timestamp, through: Timestamp) -> u64 {
        u64::try_from(self.index(through) - self.index(after)).unwrap_or(0)
    }

    /// "every 15 seconds": the largest unit that leaves no rest.
    pub fn text(self) -> String {
        const UNITS: [(i64, &str); 5] = [
            (86_400_000_000, "day"),
            (3_600_000_000, "hour"),
            (60_000_000, "minute"),
            (1_000_000, "second"),
            (1_000, "millisecond"),
        ];
        let whole = UNITS.iter().find(|(length, _)| self.period % length == 0);
        let (length, unit) = whole.copied().unwrap_or((1, "microsecond"));
        match self.period / length {
            1 => format!("every {unit}"),
            n => format!("every {n} {unit}s"),
        }
    }

    /// The number, from the anchor, of the newest instant at or before `t`.
    fn index(self, t: Timestamp) -> i64 {
        // Timestamps span less than 2^60 microseconds, so the difference fits.
        (floor_micros(t) - self.anchor).div_euclid(self.period)
    }

    fn instant(self, index: i64) -> Option<Timestamp> {
        let micros = index.checked_mul(self.period)?.checked_add(self.anchor)?;
        Timestamp::from_microsecond(micros).ok()
    }
}
