//! A cron expression as sets, and the search through civil time.
//!
//! Civil time is a number here: the seconds that a wall clock would have counted since it showed
//! 1970-01-01 00:00:00. What that means in instants is the zone's affair (`super::fires`).

use super::bits;
use super::calendar::{
    DAY, Date, MonthShape, YEARS, date_of, day_number, is_leap, month_length, weekday,
};
use super::days::Days;
use super::years::Years;

/// The sets of an expression.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern {
    pub times: Times,
    pub days: Days,
    /// Bits 1 to 12.
    pub months: u64,
    pub years: Years,
    /// Which of the 14 calendars (7 first weekdays, leap or not) have a day of this pattern.
    calendars: u16,
}

/// The times of day; none of the sets is empty.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Times {
    /// Bits 0 to 59.
    pub seconds: u64,
    /// Bits 0 to 59.
    pub minutes: u64,
    /// Bits 0 to 23.
    pub hours: u64,
}

impl Times {
    /// The first time of day, in seconds, that is at least `from`.
    pub fn at_or_after(self, from: u32) -> Option<u32> {
        let (h, m, s) = (from / 3600, from / 60 % 60, from % 60);
        if self.hours >> h & 1 == 1 {
            if self.minutes >> m & 1 == 1
                && let Some(second) = bits::at_or_after(self.seconds, s)
            {
                return Some(h * 3600 + m * 60 + second);
            }
            if let Some(minute) = bits::at_or_after(self.minutes, m + 1) {
                return Some(h * 3600 + minute * 60 + self.first_second());
            }
        }
        let hour = bits::at_or_after(self.hours, h + 1)?;
        Some(hour * 3600 + self.first_minute() * 60 + self.first_second())
    }

    /// The last time of day, in seconds, that is at most `to`.
    pub fn at_or_before(self, to: u32) -> Option<u32> {
        let (h, m, s) = (to / 3600, to / 60 % 60, to % 60);
        if self.hours >> h & 1 == 1 {
            if self.minutes >> m & 1 == 1
                && let Some(second) = bits::at_or_before(self.seconds, s)
            {
                return Some(h * 3600 + m * 60 + second);
            }
            if let Some(minute) = m
                .checked_sub(1)
                .and_then(|m| bits::at_or_before(self.minutes, m))
            {
                return Some(h * 3600 + minute * 60 + self.last_second());
            }
        }
        let hour = h
            .checked_sub(1)
            .and_then(|h| bits::at_or_before(self.hours, h))?;
        Some(hour * 3600 + self.last_minute() * 60 + self.last_second())
    }

    /// The first time of the day, in seconds.
    pub fn first(self) -> u32 {
        self.hours.trailing_zeros() * 3600 + self.first_minute() * 60 + self.first_second()
    }

    /// The last time of the day, in seconds.
    pub fn last(self) -> u32 {
        self.hours.ilog2() * 3600 + self.last_minute() * 60 + self.last_second()
    }

    /// How many there are in a day.
    pub fn count(self) -> u64 {
        u64::from(self.hours.count_ones() * self.minutes.count_ones() * self.seconds.count_ones())
    }

    fn first_minute(self) -> u32 {
        self.minutes.trailing_zeros()
    }
    fn last_minute(self) -> u32 {
        self.minutes.ilog2()
    }
    fn first_second(self) -> u32 {
        self.seconds.trailing_zeros()
    }
    fn last_second(self) -> u32 {
        self.seconds.ilog2()
    }
}

/// A civil second split into its day and its second of that day.
pub fn split(civil: i64) -> (i64, u32) {
    let time = u32::try_from(civil.rem_euclid(DAY)).expect("a day has 86,400 seconds");
    (civil.div_euclid(DAY), time)
}

impl Pattern {
    /// Puts the sets together.
    pub fn new(times: Times, days: Days, months: u64, years: Years) -> Self {
        let mut pattern = Self {
            times,
            days,
            months,
            years,
            calendars: 0,
        };
        for leap in [false, true] {
            for first_weekday in 0..7 {
                let mut month_starts = first_weekday;
                let mut any = false;
                for month in 1..=12 {
                    let length = month_length(month, leap);
                    let shape = MonthShape {
                        first_weekday: month_starts,
                        length,
                    };
                    any |= pattern.days_of(month, shape) != 0;
                    month_starts = (month_starts + length) % 7;
                }
                pattern.calendars |= u16::from(any) << calendar_index(first_weekday, leap);
            }
        }
        pattern
    }

    /// Whether there is any day that it names: 30 February is none, nor is 29 February 2027.
    pub fn names_a_day(&self) -> bool {
        match self.years {
            // All 14 calendars come up in any 40 years without a skipped leap day.
            Years::Any => self.calendars != 0,
            Years::Some(_) => self
                .day_at_or_after(day_number(first_of(*YEARS.start())))
                .is_some(),
        }
    }

    /// The first civil second of the pattern that is at least `civil`.
    pub fn at_or_after(&self, civil: i64) -> Option<i64> {
        let (day, time) = split(civil);
        let found = self.day_at_or_after(day)?;
        if found == day
            && let Some(time) = self.times.at_or_after(time)
        {
            return Some(day * DAY + i64::from(time));
        }
        let found = if found == day {
            self.day_at_or_after(day + 1)?
        } else {
            found
        };
        Some(found * DAY + i64::from(self.times.first()))
    }

    /// The last civil second of the pattern that is at most `civil`.
    pub fn at_or_before(&self, civil: i64) -> Option<i64> {
        let (day, time) = split(civil);
        let found = self.day_at_or_before(day)?;
        if found == day
            && let Some(time) = self.times.at_or_before(time)
        {
            return Some(day * DAY + i64::from(time));
        }
        let found = if found == day {
            self.day_at_or_before(day - 1)?
        } else {
            found
        };
        Some(found * DAY + i64::from(self.times.last()))
    }

    /// The days of this month, bits 1 to 31.
    pub fn days_in(&self, year: i64, month: u32) -> u64 {
        if !YEARS.contains(&year) || !self.years.contains(year) {
            return 0;
        }
        let first_weekday = weekday(day_number(Date {
            year,
            month,
            day: 1,
        }));
        self.days_of(
            month,
            MonthShape {
                first_weekday,
                length: month_length(month, is_leap(year)),
            },
        )
    }

    fn days_of(&self, month: u32, shape: MonthShape) -> u64 {
        if self.months >> month & 1 == 1 {
            self.days.of(shape)
        } else {
            0
        }
    }

    fn day_at_or_after(&self, day: i64) -> Option<i64> {
        let day = day.max(day_number(first_of(*YEARS.start())));
        let start = date_of(day);
        let mut year = start.year;
        while let Some(found) = self
            .years
            .at_or_after(year)
            .filter(|year| YEARS.contains(year))
        {
            year = found + 1;
            if !self.year_may_match(found) {
                continue;
            }
            let from = if found == start.year {
                start
            } else {
                first_of(found)
            };
            for month in from.month..=12 {
                let first_day = if month == from.month { from.day } else { 1 };
                if let Some(day) = bits::at_or_after(self.days_in(found, month), first_day) {
                    return Some(day_number(Date {
                        year: found,
                        month,
                        day,
                    }));
                }
            }
        }
        None
    }

    fn day_at_or_before(&self, day: i64) -> Option<i64> {
        let day = day.min(day_number(last_of(*YEARS.end())));
        let start = date_of(day);
        let mut year = start.year;
        while let Some(found) = self
            .years
            .at_or_before(year)
            .filter(|year| YEARS.contains(year))
        {
            year = found - 1;
            if !self.year_may_match(found) {
                continue;
            }
            let to = if found == start.year {
                start
            } else {
                last_of(found)
            };
            for month in (1..=to.month).rev() {
                let last_day = if month == to.month { to.day } else { 31 };
                if let Some(day) = bits::at_or_before(self.days_in(found, month), last_day) {
                    return Some(day_number(Date {
                        year: found,
                        month,
                        day,
                    }));
                }
            }
        }
        None
    }

    fn year_may_match(&self, year: i64) -> bool {
        let first_weekday = weekday(day_number(first_of(year)));
        self.calendars >> calendar_index(first_weekday, is_leap(year)) & 1 == 1
    }
}

fn calendar_index(first_weekday: u32, leap: bool) -> u32 {
    first_weekday + if leap { 7 } else { 0 }
}

fn first_of(year: i64) -> Date {
    Date {
        year,
        month: 1,
        day: 1,
    }
}

fn last_of(year: i64) -> Date {
    Date {
        year,
        month: 12,
        day: 31,
    }
}
