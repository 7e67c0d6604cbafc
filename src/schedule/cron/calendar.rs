//! The proleptic Gregorian calendar in plain numbers: days since 1970-01-01, weekdays from Sunday.

/// Seconds of a civil day; civil time knows no leap seconds.
pub const DAY: i64 = 86_400;

/// The first and the last year that are looked at.
pub const YEARS: std::ops::RangeInclusive<i64> = 1..=9999;

/// A calendar day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Date {
    pub year: i64,
    /// 1 to 12.
    pub month: u32,
    /// 1 to 31.
    pub day: u32,
}

/// A number that the arithmetic keeps within 0 to 400.
fn small(number: i64) -> u32 {
    u32::try_from(number).expect("calendar arithmetic keeps parts of a date small and positive")
}

/// Days from 1970-01-01 to this date. Years are counted from March here, so that the leap day is
/// the last of its year and a month's start is a straight line through month lengths.
pub fn day_number(date: Date) -> i64 {
    let march_year = date.year - i64::from(date.month < 3);
    let march_month = i64::from((date.month + 9) % 12);
    let in_year = (153 * march_month + 2) / 5 + i64::from(date.day) - 1;
    let leap_days =
        march_year.div_euclid(4) - march_year.div_euclid(100) + march_year.div_euclid(400);
    march_year * 365 + leap_days + in_year - 719_468
}

/// The date that many days after 1970-01-01.
pub fn date_of(number: i64) -> Date {
    let days = number + 719_468;
    let (era, in_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    // The leap days that lie before this one within its era of 400 years, taken out.
    let year_of_era = (in_era - in_era / 1_460 + in_era / 36_524 - in_era / 146_096) / 365;
    let in_year = in_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let march_month = (5 * in_year + 2) / 153;
    let day = small(in_year - (153 * march_month + 2) / 5 + 1);
    let month = small((march_month + 2) % 12 + 1);
    Date {
        year: era * 400 + year_of_era + i64::from(month < 3),
        month,
        day,
    }
}

/// 0 is Sunday.
pub fn weekday(number: i64) -> u32 {
    small((number + 4).rem_euclid(7))
}

pub fn is_leap(year: i64) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

pub fn month_length(month: u32, leap: bool) -> u32 {
    match month {
        2 => 28 + u32::from(leap),
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// The shape of a month, which is all that decides which of its days a rule names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MonthShape {
    /// The weekday of its first day, 0 is Sunday.
    pub first_weekday: u32,
    /// 28 to 31.
    pub length: u32,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// jiff's calendar, written independently, is the judge over every day of 400 years and the ends.
    #[test]
    fn agrees_with_jiff_on_every_day() {
        let epoch = jiff::civil::date(1970, 1, 1);
        let mut date = jiff::civil::date(1890, 1, 1);
        while date.year() < 2300 {
            let number = i64::from(date.since(epoch).unwrap().get_days());
            let ours = date_of(number);
            let (month, day) = (u32::try_from(date.month()), u32::try_from(date.day()));
            assert_eq!(
                (ours.year, Ok(ours.month), Ok(ours.day)),
                (date.year().into(), month, day)
            );
            assert_eq!(day_number(ours), number);
            assert_eq!(
                i64::from(weekday(number)),
                i64::from(date.weekday().to_sunday_zero_offset())
            );
            assert_eq!(is_leap(ours.year), date.in_leap_year());
            let length = u32::try_from(date.days_in_month()).unwrap();
            assert_eq!(month_length(ours.month, is_leap(ours.year)), length);
            date = date.tomorrow().unwrap();
        }
        for (year, month, day) in [(1, 1, 1), (9999, 12, 31), (4, 2, 29), (2000, 2, 29)] {
            let date = Date { year, month, day };
            assert_eq!(date_of(day_number(date)), date);
        }
    }
}
