//! How many instants a list of expressions names in a stretch of time, without walking them.

use super::bits;
use super::calendar::{DAY, Date, date_of, day_number};
use super::pattern::{Times, split};
use super::{Cron, Kind};
use crate::schedule::zone::{Segment, Zone};

/// How many instants from `from` to `to`, both in, at least one of the expressions fires at.
pub fn count(list: &[Cron], zone: &Zone, from: i64, to: i64) -> u64 {
    if from > to {
        return 0;
    }
    let (mut total, mut segment) = (0, zone.segment(from));
    loop {
        let through = segment.end.map_or(to, |end| to.min(end - 1));
        let first = segment.start.map_or(from, |start| from.max(start));
        total += in_segment(list, segment, first, through);
        match zone.following(segment).filter(|_| through < to) {
            Some(next) => segment = next,
            None => return total,
        }
    }
}

/// The same within one stretch of constant offset.
fn in_segment(list: &[Cron], segment: Segment, first: i64, through: i64) -> u64 {
    let (low, high) = (segment.civil(first), segment.civil(through) + 1);
    if let Some(fold_end) = segment.fold_end() {
        let middle = fold_end.clamp(low, high);
        let repeating: Vec<&Cron> = list
            .iter()
            .filter(|cron| cron.parsed.kind == Kind::Wildcard)
            .collect();
        let all: Vec<&Cron> = list.iter().collect();
        return in_civil(&repeating, low, middle) + in_civil(&all, middle, high);
    }
    let all: Vec<&Cron> = list.iter().collect();
    let own = in_civil(&all, low, high);
    // What a gap adds is the fire at its end, unless that is there by itself.
    let jumped =
        segment.start == Some(first) && list.iter().any(|cron| cron.fires_at_start(segment));
    own + u64::from(jumped && in_civil(&all, low, low + 1) == 0)
}

/// How many civil seconds from `low` to before `high` match.
fn in_civil(list: &[&Cron], low: i64, high: i64) -> u64 {
    if low >= high || list.is_empty() {
        return 0;
    }
    let ((first_day, from), (last_day, to)) = (split(low), split(high - 1));
    if first_day == last_day {
        return in_day(list, first_day, from, to);
    }
    let last_second = split(DAY - 1).1;
    in_day(list, first_day, from, last_second)
        + in_whole_days(list, first_day + 1, last_day)
        + in_day(list, last_day, 0, to)
}

/// How many match on one day, from one second of it to another, both in.
fn in_day(list: &[&Cron], day: i64, from: u32, to: u32) -> u64 {
    let date = date_of(day);
    let active: Vec<Times> = list
        .iter()
        .filter(|cron| cron.parsed.pattern.days_in(date.year, date.month) >> date.day & 1 == 1)
        .map(|cron| cron.parsed.pattern.times)
        .collect();
    in_times(&active, from, to)
}

/// How many match on the days from `first` to before `end`.
fn in_whole_days(list: &[&Cron], first: i64, end: i64) -> u64 {
    let (mut total, mut day) = (0, first);
    // Days of one month that the same expressions name have the same number of times.
    let mut known: Vec<(Vec<Times>, u64)> = Vec::new();
    while day < end {
        let date = date_of(day);
        let next = day_number(following_month(date)).min(end);
        let days = u32::try_from(next - day).expect("a month has at most 31 days");
        let range = bits::range(date.day, date.day + days - 1);
        let masks: Vec<u64> = list
            .iter()
            .map(|cron| cron.parsed.pattern.days_in(date.year, date.month) & range)
            .collect();
        if let [cron] = list {
            total += u64::from(masks[0].count_ones()) * cron.parsed.pattern.times.count();
        } else {
            for in_month in bits::members(masks.iter().fold(0, |all, mask| all | mask)) {
                total += in_whole_day(list, &masks, in_month, &mut known);
            }
        }
        day = next;
    }
    total
}

/// How many match on a day of the month; `masks` are the days of each expression in it.
fn in_whole_day(
    list: &[&Cron],
    masks: &[u64],
    day: u32,
    known: &mut Vec<(Vec<Times>, u64)>,
) -> u64 {
    let active: Vec<Times> = list
        .iter()
        .zip(masks)
        .filter(|(_, mask)| *mask >> day & 1 == 1)
        .map(|(cron, _)| cron.parsed.pattern.times)
        .collect();
    if let Some((_, count)) = known.iter().find(|(times, _)| *times == active) {
        return *count;
    }
    let count = in_times(&active, 0, split(DAY - 1).1);
    known.push((active, count));
    count
}

fn following_month(date: Date) -> Date {
    match date.month {
        12 => Date {
            year: date.year + 1,
            month: 1,
            day: 1,
        },
        month => Date {
            month: month + 1,
            day: 1,
            ..date
        },
    }
}

/// How many seconds of a day, from one to another, both in, are in at least one of the sets.
fn in_times(sets: &[Times], from: u32, to: u32) -> u64 {
    let mut total = 0;
    for hour in from / 3600..=to / 3600 {
        for minute in 0..60 {
            let start = hour * 3600 + minute * 60;
            if start > to || start + 59 < from {
                continue;
            }
            let seconds = sets
                .iter()
                .filter(|set| set.hours >> hour & 1 == 1 && set.minutes >> minute & 1 == 1)
                .fold(0, |all, set| all | set.seconds);
            let range = bits::range(from.saturating_sub(start), (to - start).min(59));
            total += u64::from((seconds & range).count_ones());
        }
    }
    total
}
