//! `RRULE`: how an event recurs. What is not understood is refused.

use std::cmp::Ordering;
use std::collections::BTreeSet;

use jiff::civil::{Date, Weekday};

use super::event::day_of;

/// How an event recurs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Repeat {
    pub period: Period,
    /// Every so many periods.
    pub interval: u32,
    pub end: End,
    pub months: Vec<i8>,
    /// Negative: from the end of the month.
    pub month_days: Vec<i8>,
    pub weekdays: Vec<NthWeekday>,
    /// Which of the days of a period; negative: from its end.
    pub positions: Vec<i16>,
    pub week_start: Weekday,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Period {
    Day,
    Week,
    Month,
    Year,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    Never,
    /// With the first.
    Count(u32),
    /// Included.
    Until(Date),
}

/// A weekday, or one of those of a month or year.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct NthWeekday {
    /// Negative: from the end; none: each.
    pub nth: Option<i8>,
    pub weekday: Weekday,
}

impl Ord for NthWeekday {
    fn cmp(&self, other: &Self) -> Ordering {
        let key = |day: &Self| (day.nth, day.weekday.to_monday_zero_offset());
        key(self).cmp(&key(other))
    }
}

impl PartialOrd for NthWeekday {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// The parts that are understood, for a sentence.
pub(super) const PARTS: &str =
    "FREQ, INTERVAL, COUNT, UNTIL, BYMONTH, BYMONTHDAY, BYDAY, BYSETPOS and WKST";

/// Reads the value of an `RRULE`. The error is a sentence.
pub(super) fn read(text: &str) -> Result<Repeat, String> {
    let mut repeat = Repeat {
        period: Period::Day,
        interval: 1,
        end: End::Never,
        months: Vec::new(),
        month_days: Vec::new(),
        weekdays: Vec::new(),
        positions: Vec::new(),
        week_start: Weekday::Monday,
    };
    let mut seen: Vec<String> = Vec::new();
    for part in text.split(';') {
        let Some((name, value)) = part.split_once('=') else {
            return Err(format!(
                "{} is no part of an RRULE, NAME=VALUE",
                quoted(part)
            ));
        };
        let name = name.to_ascii_uppercase();
        if seen.contains(&name) {
            return Err(format!("{} stands twice in this RRULE", quoted(&name)));
        }
        take(&mut repeat, &name, &value.to_ascii_uppercase())?;
        seen.push(name);
    }
    let has = |name: &str| seen.iter().any(|seen| seen == name);
    if !has("FREQ") {
        return Err("this RRULE has no FREQ".to_owned());
    }
    if has("COUNT") && has("UNTIL") {
        return Err("this RRULE has both COUNT and UNTIL; one of them ends it".to_owned());
    }
    together(&repeat)?;
    Ok(repeat)
}

fn take(repeat: &mut Repeat, name: &str, value: &str) -> Result<(), String> {
    let wrong = |what: &str| format!("{name} of this RRULE is {what}, not {}", quoted(value));
    match name {
        "FREQ" => {
            repeat.period = match value {
                "DAILY" => Period::Day,
                "WEEKLY" => Period::Week,
                "MONTHLY" => Period::Month,
                "YEARLY" => Period::Year,
                _ => return Err(wrong("YEARLY, MONTHLY, WEEKLY or DAILY for whole days")),
            }
        }
        "INTERVAL" | "COUNT" => {
            let number = digits(value).filter(|&number| number > 0);
            let number = number.ok_or_else(|| wrong("a number from 1 up"))?;
            match name {
                "INTERVAL" => repeat.interval = number,
                _ => repeat.end = End::Count(number),
            }
        }
        "UNTIL" => {
            let until = until(value).ok_or_else(|| wrong("a date such as 20271231"))?;
            repeat.end = End::Until(until);
        }
        "BYMONTH" => {
            let months = list(value, |month| {
                number(month, 1, 12).filter(|&month| month > 0)
            });
            repeat.months = months.ok_or_else(|| wrong("a list of numbers from 1 to 12"))?;
        }
        "BYMONTHDAY" => {
            let days = list(value, |day| number(day, 1, 31));
            let what = "a list of numbers from 1 to 31, or -1 to -31";
            repeat.month_days = days.ok_or_else(|| wrong(what))?;
        }
        "BYDAY" => {
            let what = "a list of weekdays such as MO, 2TU or -1FR";
            repeat.weekdays = list(value, nth_weekday).ok_or_else(|| wrong(what))?;
        }
        "BYSETPOS" => {
            let positions = list(value, |position| number(position, 1, 366));
            let what = "a list of numbers from 1 to 366, or -1 to -366";
            repeat.positions = positions.ok_or_else(|| wrong(what))?;
        }
        "WKST" => {
            let day = weekday(value).ok_or_else(|| wrong("a weekday such as MO"))?;
            repeat.week_start = day;
        }
        _ => return Err(format!("{} of this RRULE is not understood", quoted(name))),
    }
    Ok(())
}

/// Refuses parts that mean nothing beside each other.
fn together(repeat: &Repeat) -> Result<(), String> {
    let numbered = repeat.weekdays.iter().any(|day| day.nth.is_some());
    let short = matches!(repeat.period, Period::Day | Period::Week);
    if numbered && short {
        let sentence = "numbers in BYDAY, as in 2TU, have a meaning with MONTHLY and YEARLY only";
        return Err(sentence.to_owned());
    }
    if repeat.period == Period::Week && !repeat.month_days.is_empty() {
        return Err("BYMONTHDAY has no meaning with FREQ=WEEKLY".to_owned());
    }
    let chosen =
        repeat.months.is_empty() && repeat.month_days.is_empty() && repeat.weekdays.is_empty();
    if chosen && !repeat.positions.is_empty() {
        return Err(
            "BYSETPOS chooses among the days of another BY part, and there is none".to_owned(),
        );
    }
    Ok(())
}

/// A day; or one with a time that stands for the whole of it. The end of a day or its beginning in
/// UTC is what programs write that think in days; other times of UTC may lie in another day.
fn until(value: &str) -> Option<Date> {
    let Some((day, time)) = value.split_once('T') else {
        return day_of(value);
    };
    let local = time.len() == 6 && digits(time).is_some();
    day_of(day).filter(|_| local || matches!(time, "235959Z" | "000000Z"))
}

/// The values of a list, each once: what is in it is followed again and again.
fn list<T: Ord>(value: &str, read: impl Fn(&str) -> Option<T>) -> Option<Vec<T>> {
    let values: Option<BTreeSet<T>> = value.split(',').map(read).collect();
    Some(values?.into_iter().collect())
}

/// Digits alone, without a sign.
fn digits(text: &str) -> Option<u32> {
    let plain = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|_| plain)
}

/// A number whose size, without its sign, lies within bounds.
fn number<N: TryFrom<i64>>(text: &str, low: u32, high: u32) -> Option<N> {
    let (sign, size) = match text.strip_prefix('-') {
        Some(size) => (-1, size),
        None => (1, text.strip_prefix('+').unwrap_or(text)),
    };
    let size = digits(size).filter(|size| (low..=high).contains(size))?;
    N::try_from(sign * i64::from(size)).ok()
}

fn nth_weekday(text: &str) -> Option<NthWeekday> {
    let (nth, day) = text.split_at_checked(text.len().checked_sub(2)?)?;
    let nth = match nth {
        "" => None,
        nth => Some(number(nth, 1, 53)?),
    };
    let weekday = weekday(day)?;
    Some(NthWeekday { nth, weekday })
}

fn weekday(text: &str) -> Option<Weekday> {
    Some(match text {
        "MO" => Weekday::Monday,
        "TU" => Weekday::Tuesday,
        "WE" => Weekday::Wednesday,
        "TH" => Weekday::Thursday,
        "FR" => Weekday::Friday,
        "SA" => Weekday::Saturday,
        "SU" => Weekday::Sunday,
        _ => return None,
    })
}

fn quoted(text: &str) -> String {
    super::super::words::quoted(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_understood_is_refused() {
        for (text, said) in [
            ("", "\"\" is no part of an RRULE, NAME=VALUE"),
            ("FREQ=DAILY;", "\"\" is no part of an RRULE, NAME=VALUE"),
            ("INTERVAL=2", "this RRULE has no FREQ"),
            (
                "FREQ=DAILY;freq=DAILY",
                "\"FREQ\" stands twice in this RRULE",
            ),
            (
                "FREQ=HOURLY",
                "FREQ of this RRULE is YEARLY, MONTHLY, WEEKLY or DAILY for whole days, not \"HOURLY\"",
            ),
            (
                "FREQ=DAILY;INTERVAL=0",
                "INTERVAL of this RRULE is a number from 1 up, not \"0\"",
            ),
            (
                "FREQ=DAILY;INTERVAL=+1",
                "INTERVAL of this RRULE is a number from 1 up, not \"+1\"",
            ),
            (
                "FREQ=DAILY;COUNT=99999999999",
                "COUNT of this RRULE is a number from 1 up, not \"99999999999\"",
            ),
            (
                "FREQ=DAILY;COUNT=1;UNTIL=20270101",
                "this RRULE has both COUNT and UNTIL; one of them ends it",
            ),
            (
                "FREQ=DAILY;UNTIL=20271301",
                "UNTIL of this RRULE is a date such as 20271231, not \"20271301\"",
            ),
            (
                "FREQ=DAILY;UNTIL=20270101T230000Z",
                "UNTIL of this RRULE is a date such as 20271231, not \"20270101T230000Z\"",
            ),
            (
                "FREQ=YEARLY;BYMONTH=-1",
                "BYMONTH of this RRULE is a list of numbers from 1 to 12, not \"-1\"",
            ),
            (
                "FREQ=YEARLY;BYMONTHDAY=32",
                "BYMONTHDAY of this RRULE is a list of numbers from 1 to 31, or -1 to -31, not \"32\"",
            ),
            (
                "FREQ=YEARLY;BYDAY=54MO",
                "BYDAY of this RRULE is a list of weekdays such as MO, 2TU or -1FR, not \"54MO\"",
            ),
            (
                "FREQ=YEARLY;BYDAY=é",
                "BYDAY of this RRULE is a list of weekdays such as MO, 2TU or -1FR, not \"é\"",
            ),
            (
                "FREQ=WEEKLY;BYDAY=1MO",
                "numbers in BYDAY, as in 2TU, have a meaning with MONTHLY and YEARLY only",
            ),
            (
                "FREQ=WEEKLY;BYMONTHDAY=1",
                "BYMONTHDAY has no meaning with FREQ=WEEKLY",
            ),
            (
                "FREQ=MONTHLY;BYSETPOS=1",
                "BYSETPOS chooses among the days of another BY part, and there is none",
            ),
            (
                "FREQ=YEARLY;BYWEEKNO=3",
                "\"BYWEEKNO\" of this RRULE is not understood",
            ),
            (
                "FREQ=YEARLY;RSCALE=HEBREW",
                "\"RSCALE\" of this RRULE is not understood",
            ),
            (
                "FREQ=WEEKLY;WKST=1",
                "WKST of this RRULE is a weekday such as MO, not \"1\"",
            ),
        ] {
            assert_eq!(read(text).unwrap_err(), said, "{text}");
        }
    }

    #[test]
    fn an_end_in_several_forms() {
        let end = |until: &str| read(&format!("FREQ=DAILY;UNTIL={until}")).unwrap().end;
        let day = End::Until(jiff::civil::date(2027, 12, 31));
        for until in [
            "20271231",
            "20271231T000000",
            "20271231T101112",
            "20271231T235959Z",
            "20271231t000000z",
        ] {
            assert_eq!(end(until), day, "{until}");
        }
        assert_eq!(read("freq=daily;count=3").unwrap().end, End::Count(3));
    }
}
