//! Which days of a month a cron expression names.

use super::bits;
use super::calendar::MonthShape;

/// The two day fields together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Days {
    pub of_month: DaysOfMonth,
    pub of_week: DaysOfWeek,
    pub combine: Combine,
}

/// How the two day fields make one set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Combine {
    /// Both must match: one of them begins with `*` or is `?`, or `+` stands before day-of-week.
    Both,
    /// Either is enough: both are restricted.
    Either,
}

/// The day-of-month field.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DaysOfMonth {
    /// Plain days, bits 1 to 31.
    pub plain: u64,
    /// `L`: the last day.
    pub last: bool,
    /// `nW`: the weekday (Monday to Friday) nearest to each of these days, bits 1 to 31.
    pub nearest: u64,
    /// `LW`: the last weekday.
    pub last_weekday: bool,
}

/// The day-of-week field; 0 is Sunday.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DaysOfWeek {
    /// Every such weekday, bits 0 to 6.
    pub plain: u64,
    /// Per weekday its n-th ones in the month, bits 1 to 5.
    pub nth: [u64; 7],
    /// The last one of each of these weekdays, bits 0 to 6.
    pub last: u64,
}

const SUNDAY: u32 = 0;
const SATURDAY: u32 = 6;

impl Days {
    /// The days of a month of this shape, bits 1 to 31.
    pub fn of(&self, month: MonthShape) -> u64 {
        let (a, b) = (self.of_month.of(month), self.of_week.of(month));
        match self.combine {
            Combine::Both => a & b,
            Combine::Either => a | b,
        }
    }
}

impl DaysOfMonth {
    /// All days.
    pub fn every() -> Self {
        Self {
            plain: bits::range(1, 31),
            ..Self::default()
        }
    }

    fn of(&self, month: MonthShape) -> u64 {
        let mut days = self.plain & bits::range(1, month.length);
        if self.last {
            days |= 1 << month.length;
        }
        if self.last_weekday {
            days |= 1 << nearest_weekday(month.length, month);
        }
        if self.nearest != 0 {
            // A day that the month does not have has no nearest weekday either.
            for day in bits::members(self.nearest).filter(|&day| day <= month.length) {
                days |= 1 << nearest_weekday(day, month);
            }
        }
        days
    }
}

/// The weekday nearest to `day` that lies in the same month.
fn nearest_weekday(day: u32, month: MonthShape) -> u32 {
    match (month.first_weekday + day - 1) % 7 {
        SATURDAY if day == 1 => 3,
        SATURDAY => day - 1,
        SUNDAY if day == month.length => day - 2,
        SUNDAY => day + 1,
        _ => day,
    }
}

impl DaysOfWeek {
    /// All days.
    pub fn every() -> Self {
        Self {
            plain: bits::range(0, 6),
            ..Self::default()
        }
    }

    fn of(&self, month: MonthShape) -> u64 {
        let mut days = 0;
        for weekday in 0..7 {
            let first = 1 + (weekday + 7 - month.first_weekday) % 7;
            if self.plain >> weekday & 1 == 1 {
                days |= bits::span(first, month.length, 7);
            }
            if self.last >> weekday & 1 == 1 {
                days |= 1 << (first + (month.length - first) / 7 * 7);
            }
            let nth = self.nth[weekday as usize];
            if nth != 0 {
                for n in bits::members(nth) {
                    let day = first + (n - 1) * 7;
                    days |= u64::from(day <= month.length) << day.min(63);
                }
            }
        }
        days
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_weekday_stays_in_its_month() {
        // Each first weekday with the weekday nearest to the 1st, and to the 30th of 30 days.
        let table = [
            (0, 2, 30),
            (1, 1, 30),
            (2, 1, 30),
            (3, 1, 30),
            (4, 1, 30),
            (5, 1, 29),
            (6, 3, 28),
        ];
        for (first_weekday, first, thirtieth) in table {
            let month = MonthShape {
                first_weekday,
                length: 30,
            };
            assert_eq!(nearest_weekday(1, month), first, "{first_weekday}");
            assert_eq!(nearest_weekday(30, month), thirtieth, "{first_weekday}");
        }
    }

    #[test]
    fn a_fifth_weekday_is_not_in_every_month() {
        let fifth_sunday = DaysOfWeek {
            nth: [1 << 5, 0, 0, 0, 0, 0, 0],
            ..DaysOfWeek::default()
        };
        let of = |first_weekday, length| {
            fifth_sunday.of(MonthShape {
                first_weekday,
                length,
            })
        };
        assert_eq!(of(0, 28), 0);
        assert_eq!(of(0, 29), 1 << 29);
        assert_eq!(of(6, 31), 1 << 30);
        assert_eq!(of(1, 31), 0);
    }
}
