//! An expression in words. Written from the sets, not from the text, so that it says what fires.

use super::bits;
use super::days::{Combine, Days, DaysOfMonth, DaysOfWeek};
use super::pattern::{Pattern, Times};
use super::years::{YearSpan, Years};

/// So many times of day are listed one by one.
const MAX_TIMES: u64 = 6;

const WEEKDAYS: [&str; 7] = [
    "Sunday",
    "Monday",
    "Tuesday",
    "Wednesday",
    "Thursday",
    "Friday",
    "Saturday",
];
const MONTHS: [&str; 13] = [
    "",
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
const ORDINALS: [&str; 6] = ["", "first", "second", "third", "fourth", "fifth"];

/// For example "at 02:30 on Monday to Friday in June".
pub fn describe(pattern: &Pattern) -> String {
    let at_times = pattern.times.count() <= MAX_TIMES;
    let mut parts = vec![if at_times {
        clock_times(pattern.times)
    } else {
        rhythm(pattern.times)
    }];
    match days(&pattern.days) {
        Some(days) => parts.push(days),
        // "Every minute" needs no "every day" behind it.
        None if at_times => parts.push("every day".to_owned()),
        None => {}
    }
    if pattern.months != bits::range(1, 12) {
        parts.push(format!("in {}", named(pattern.months, &MONTHS)));
    }
    if let Years::Some(spans) = &pattern.years {
        parts.push(format!(
            "in {}",
            list(spans.iter().map(|&span| years(span)).collect(), "and")
        ));
    }
    parts.join(" ")
}

/// "at 09:00, 12:30 and 18:00".
fn clock_times(times: Times) -> String {
    let mut all = Vec::new();
    let with_seconds = times.seconds != 1;
    for hour in bits::members(times.hours) {
        for minute in bits::members(times.minutes) {
            for second in bits::members(times.seconds) {
                all.push(if with_seconds {
                    format!("{hour:02}:{minute:02}:{second:02}")
                } else {
                    format!("{hour:02}:{minute:02}")
                });
            }
        }
    }
    format!("at {}", list(all, "and"))
}

/// "every 15 minutes from 09:00 to 17:45", "at minute 30 of every hour".
fn rhythm(times: Times) -> String {
    let hours = Shape::of(times.hours, 23);
    if (times.seconds, times.minutes) == (1, 1) {
        return match hours {
            Shape::All => "every hour".to_owned(),
            Shape::Steps(step) => format!("every {step} hours from 00:00"),
            Shape::Range => format!("every hour {}", from_to(times)),
            _ => format!("at minute 0 of hours {}", numbers(times.hours)),
        };
    }
    let minutes = Shape::of(times.minutes, 59);
    let (head, even) = if times.seconds == 1 {
        (part("minute", times.minutes), minutes.is_even())
    } else {
        let seconds = part("second", times.seconds);
        match minutes {
            Shape::All if Shape::of(times.seconds, 59).is_even() => (seconds, true),
            Shape::All => (format!("{seconds} of every minute"), true),
            _ => (
                format!("{seconds} of {}", counted("minute", times.minutes)),
                false,
            ),
        }
    };
    match hours {
        Shape::All if even => head,
        Shape::All => format!("{head} of every hour"),
        Shape::Range | Shape::One if even => format!("{head} {}", from_to(times)),
        _ => format!("{head} of {}", counted("hour", times.hours)),
    }
}

/// "from 09:00 to 17:45".
fn from_to(times: Times) -> String {
    let clock = |time: u32| format!("{:02}:{:02}", time / 3600, time / 60 % 60);
    format!("from {} to {}", clock(times.first()), clock(times.last()))
}

/// "every minute", "every 15 minutes", "at minutes 5 and 10".
fn part(unit: &str, set: u64) -> String {
    match Shape::of(set, 59) {
        Shape::All => format!("every {unit}"),
        Shape::Steps(step) => format!("every {step} {unit}s"),
        _ => format!("at {}", counted(unit, set)),
    }
}

/// "minute 5", "minutes 5 and 10".
fn counted(unit: &str, set: u64) -> String {
    let s = if set.is_power_of_two() { "" } else { "s" };
    format!("{unit}{s} {}", numbers(set))
}

/// What a set of the numbers from 0 to a largest one looks like.
enum Shape {
    All,
    One,
    /// From 0 on, even around the clock.
    Steps(u32),
    Range,
    Other,
}

impl Shape {
    fn of(set: u64, max: u32) -> Self {
        let (first, last) = (set.trailing_zeros(), set.ilog2());
        if set == bits::range(0, max) {
            return Self::All;
        }
        if first == last {
            return Self::One;
        }
        if set == bits::range(first, last) {
            return Self::Range;
        }
        let values = max + 1;
        let step = bits::at_or_after(set, first + 1).map_or(values, |second| second - first);
        if values.is_multiple_of(step) && set == bits::span(0, max, step) {
            return Self::Steps(step);
        }
        Self::Other
    }

    /// Whether it is the same distance from each to the next.
    fn is_even(&self) -> bool {
        matches!(self, Self::All | Self::Steps(_))
    }
}

/// Which days; none when it is every day.
fn days(days: &Days) -> Option<String> {
    let of_month = (days.of_month != DaysOfMonth::every()).then(|| of_month(&days.of_month));
    let of_week = (days.of_week != DaysOfWeek::every()).then(|| of_week(&days.of_week));
    match (of_month, of_week, days.combine) {
        // A field that allows every day makes "either" no restriction.
        (None, None, _) | (None, _, Combine::Either) | (_, None, Combine::Either) => None,
        (Some(days), None, Combine::Both) | (None, Some(days), Combine::Both) => {
            Some(format!("on {days}"))
        }
        (Some(month), Some(week), Combine::Either) => Some(format!("on {month} and on {week}")),
        (Some(month), Some(week), Combine::Both) => Some(format!("on {month} if it is {week}")),
    }
}

fn of_month(days: &DaysOfMonth) -> String {
    let mut parts = Vec::new();
    if days.plain != 0 {
        let s = if days.plain.is_power_of_two() {
            ""
        } else {
            "s"
        };
        parts.push(format!("day{s} {} of the month", numbers(days.plain)));
    }
    for day in bits::members(days.nearest) {
        parts.push(format!("the weekday nearest to day {day} of the month"));
    }
    if days.last {
        parts.push("the last day of the month".to_owned());
    }
    if days.last_weekday {
        parts.push("the last weekday of the month".to_owned());
    }
    list(parts, "and")
}

fn of_week(days: &DaysOfWeek) -> String {
    let mut parts = Vec::new();
    // A week that ends with Sunday reads better: "Friday to Sunday".
    if days.plain & 1 == 1 && days.plain & 0x40 != 0 && days.plain != 0x7f {
        let shifted = days.plain & !1 | 1 << 7;
        parts.push(named(shifted, &[&WEEKDAYS[..], &["Sunday"]].concat()));
    } else if days.plain != 0 {
        parts.push(named(days.plain, &WEEKDAYS));
    }
    for (weekday, nth) in days.nth.iter().enumerate() {
        if *nth != 0 {
            let which = bits::members(*nth)
                .map(|n| ORDINALS[n as usize].to_owned())
                .collect();
            parts.push(format!(
                "the {} {} of the month",
                list(which, "and"),
                WEEKDAYS[weekday]
            ));
        }
    }
    for weekday in bits::members(days.last) {
        parts.push(format!(
            "the last {} of the month",
            WEEKDAYS[weekday as usize]
        ));
    }
    list(parts, "and")
}

fn years(span: YearSpan) -> String {
    match span {
        YearSpan { from, to, .. } if from == to => from.to_string(),
        YearSpan { from, to, step: 1 } => format!("{from} to {to}"),
        YearSpan { from, to, step } => {
            let step = u32::try_from(step).unwrap_or(u32::MAX);
            format!("every {} year from {from} to {to}", nth(step))
        }
    }
}

fn numbers(set: u64) -> String {
    runs(set, |n| n.to_string())
}

fn named(set: u64, names: &[&str]) -> String {
    runs(set, |n| names[n as usize].to_owned())
}

/// The members as a list in which three and more in a row are "a to c".
fn runs(set: u64, name: impl Fn(u32) -> String) -> String {
    let (mut parts, mut rest) = (Vec::new(), set);
    while rest != 0 {
        let first = rest.trailing_zeros();
        let last = first + (rest >> first).trailing_ones() - 1;
        match last - first {
            0 => parts.push(name(first)),
            1 => parts.extend([name(first), name(last)]),
            _ => parts.push(format!("{} to {}", name(first), name(last))),
        }
        rest &= !bits::range(first, last);
    }
    list(parts, "and")
}

/// "a", "a and b", "a, b and c".
fn list(mut parts: Vec<String>, conjunction: &str) -> String {
    let last = parts.pop().unwrap_or_default();
    if parts.is_empty() {
        last
    } else {
        format!("{} {conjunction} {last}", parts.join(", "))
    }
}

/// "2nd", "3rd", "11th".
fn nth(n: u32) -> String {
    let ending = match (n % 10, n % 100) {
        (1, tens) if tens != 11 => "st",
        (2, tens) if tens != 12 => "nd",
        (3, tens) if tens != 13 => "rd",
        _ => "th",
    };
    format!("{n}{ending}")
}

#[cfg(test)]
mod tests {
    use crate::schedule::cron::Cron;

    #[test]
    fn words() {
        let table = [
            ("* * * * *", "every minute"),
            ("* * * * * *", "every second"),
            ("*/15 * * * *", "every 15 minutes"),
            (
                "*/7 * * * *",
                "at minutes 0, 7, 14, 21, 28, 35, 42, 49 and 56 of every hour",
            ),
            ("0-20/10 * * * *", "at minutes 0, 10 and 20 of every hour"),
            ("30 * * * *", "at minute 30 of every hour"),
            ("0 * * * *", "every hour"),
            ("0 */2 * * *", "every 2 hours from 00:00"),
            ("0 9-17 * * *", "every hour from 09:00 to 17:00"),
            (
                "0 1,3,5,7,9,11,13 * * *",
                "at minute 0 of hours 1, 3, 5, 7, 9, 11 and 13",
            ),
            (
                "*/15 9-17 * * 1-5",
                "every 15 minutes from 09:00 to 17:45 on Monday to Friday",
            ),
            ("* 3 * * *", "every minute from 03:00 to 03:59"),
            (
                "*/20 1,5 * * *",
                "at 01:00, 01:20, 01:40, 05:00, 05:20 and 05:40 every day",
            ),
            ("*/10 1,5 * * *", "every 10 minutes of hours 1 and 5"),
            ("*/10 * * * * *", "every 10 seconds"),
            ("5 * * * * *", "at second 5 of every minute"),
            ("* 5 * * * *", "every second of minute 5 of every hour"),
            ("30 2 * * *", "at 02:30 every day"),
            (
                "10-12 5 4 * * *",
                "at 04:05:10, 04:05:11 and 04:05:12 every day",
            ),
            (
                "0 12 1 * MON",
                "at 12:00 on day 1 of the month and on Monday",
            ),
            (
                "0 12 1 * +MON",
                "at 12:00 on day 1 of the month if it is Monday",
            ),
            ("0 0 1-31 * MON", "at 00:00 every day"),
            ("0 0 1,15 * *", "at 00:00 on days 1 and 15 of the month"),
            (
                "0 0 L,LW,15W * *",
                "at 00:00 on the weekday nearest to day 15 of the month, the last day of the month and the last weekday of the month",
            ),
            ("0 0 * * FRI-SUN", "at 00:00 on Friday to Sunday"),
            ("0 0 * * SUN,WED", "at 00:00 on Sunday and Wednesday"),
            (
                "0 0 * * MON#1,MON#3,FRI#L",
                "at 00:00 on the first and third Monday of the month and the last Friday of the month",
            ),
            ("0 6 * DEC-DEC FRI", "at 06:00 on Friday in December"),
            (
                "0 6 * 1,3-5 *",
                "at 06:00 every day in January and March to May",
            ),
            (
                "0 0 0 1 1 * 2027",
                "at 00:00 on day 1 of the month in January in 2027",
            ),
            (
                "0 0 0 1 1 * 2026-2199/50,2030-2031",
                "at 00:00 on day 1 of the month in January in every 50th year from 2026 to 2199 and 2030 to 2031",
            ),
            ("@weekly", "at 00:00 on Sunday"),
        ];
        for (expression, words) in table {
            assert_eq!(
                Cron::parse(expression, "").unwrap().text(),
                words,
                "{expression}"
            );
        }
    }
}
