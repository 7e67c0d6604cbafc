//! The nights on which the clock of a job's zone changes, and its times with it.

use std::time::Duration;

use jiff::civil::DateTime;
use jiff::tz::{Offset, TimeZone};
use jiff::{SignedDuration, Timestamp, ToSpan};

use crate::job::Plan;
use crate::schedule::{Rule, Schedule, ScheduleSpec};

/// How far ahead clock changes are looked for: each zone's next two or so.
const YEAR: Duration = Duration::from_hours(366 * 24);

/// The smallest step between instants that matters here.
const TICK: SignedDuration = SignedDuration::from_nanos(1);

/// A change of the clock that skips or repeats local times. These are instants as a clock that stays
/// on UTC shows them.
struct Change {
    /// When.
    at: Timestamp,
    /// The first local time that does not exist, or comes twice.
    low: Timestamp,
    /// The first one behind these.
    high: Timestamp,
    /// What the clock was ahead of UTC before.
    before: Offset,
    /// Whether times are skipped, not repeated.
    skips: bool,
}

/// What the changes of the year ahead do to a job whose times of day are few enough to be meant:
/// those of fixed expressions, and those of wildcards that lie within the change alone.
pub(super) fn changes(plan: &Plan, now: Timestamp) -> Vec<String> {
    let Some(schedule) = plan.schedule() else {
        return Vec::new();
    };
    let Rule::Cron(expressions) = &schedule.spec().rule else {
        return Vec::new();
    };
    let coming = ahead(schedule.zone(), now);
    if coming.is_empty() {
        return Vec::new();
    }
    let name = plan.name.as_str();
    let fixed = fixed_local_times(expressions, name);
    let wildcards = expressions.iter().filter(|text| !is_fixed(text));
    // Where one of them names all hours, no change takes them all.
    let wildcards = if wildcards.clone().any(|text| names_all_hours(text)) {
        None
    } else {
        local_times(wildcards.cloned().collect(), name)
    };
    let mut found = Vec::new();
    for change in coming {
        let moved = fixed
            .as_ref()
            .and_then(|it| of_fixed(it, &change, schedule));
        let lost = || {
            let lost = wildcards
                .as_ref()
                .and_then(|it| of_wildcards(it, &change, schedule));
            lost.filter(|_| {
                fixed
                    .as_ref()
                    .is_none_or(|it| names_none_that_day(it, &change))
            })
        };
        found.extend(moved.or_else(lost));
    }
    found
}

/// The changes within a year that move the clock.
fn ahead(zone: &TimeZone, now: Timestamp) -> Vec<Change> {
    let Ok(until) = now.checked_add(YEAR) else {
        return Vec::new();
    };
    let changes = zone.following(now).take_while(|it| it.timestamp() <= until);
    changes
        .filter_map(|change| {
            let at = change.timestamp();
            let before = zone.to_offset(at.checked_sub(TICK).ok()?);
            let shown = |offset: Offset| {
                Timestamp::from_second(at.as_second() + i64::from(offset.seconds())).ok()
            };
            let (from, to) = (shown(before)?, shown(change.offset())?);
            (from != to).then_some(Change {
                at,
                low: from.min(to),
                high: from.max(to),
                before,
                skips: from < to,
            })
        })
        .collect()
}

/// What becomes of the first fixed time within the change.
fn of_fixed(local: &Schedule, change: &Change, schedule: &Schedule) -> Option<String> {
    let time = local
        .next_after(change.low - TICK)
        .filter(|&it| it < change.high)?;
    // It runs at the change, or the first time that the clock shows it.
    let first_pass = Timestamp::from_second(time.as_second() - i64::from(change.before.seconds()));
    let runs = if change.skips {
        Some(change.at)
    } else {
        first_pass.ok()
    };
    runs.filter(|&runs| counts_at(schedule, runs))?;
    let (day, hours) = (civil(time).date(), hours(change));
    let (zone, time) = (schedule.timezone(), clock(time));
    Some(if change.skips {
        let first = clock(change.high);
        format!(
            "on {day} the clocks of {zone} skip {time}: it runs at {first} instead, once; a time \
             outside of {hours} avoids that"
        )
    } else {
        format!(
            "on {day} the clocks of {zone} show {time} twice: it runs the first time only; a time \
             outside of {hours} avoids that"
        )
    })
}

/// What becomes of a day whose times, all of wildcards, lie within the change.
fn of_wildcards(local: &Schedule, change: &Change, schedule: &Schedule) -> Option<String> {
    let (begin, end) = day(change)?;
    let times = local.count(change.low - TICK, change.high - TICK);
    let all = local.count(begin - TICK, end - TICK);
    if times == 0 || times < all || !counts_at(schedule, change.at) {
        return None;
    }
    let (day, hours, zone) = (civil(change.low).date(), hours(change), schedule.timezone());
    let first = clock(change.high);
    Some(if change.skips {
        format!(
            "on {day} the clocks of {zone} skip {hours}: it does not run that day, since `*` and \
             steps go by elapsed time; times in a list, as in `0,30 2 * * *`, run once at {first}"
        )
    } else {
        format!(
            "on {day} the clocks of {zone} show {hours} twice: it runs in both, since `*` and steps go \
             by elapsed time; times in a list, as in `0,30 2 * * *`, run once"
        )
    })
}

fn names_none_that_day(local: &Schedule, change: &Change) -> bool {
    day(change).is_some_and(|(begin, end)| local.count(begin - TICK, end - TICK) == 0)
}

/// The local day that the change begins on.
fn day(change: &Change) -> Option<(Timestamp, Timestamp)> {
    let begin = civil(change.low).date().to_zoned(TimeZone::UTC).ok()?;
    let end = begin.checked_add(1.day()).ok()?;
    Some((begin.timestamp(), end.timestamp()))
}

/// Whether an instant lies in the schedule's window, and on no day that is excluded.
fn counts_at(schedule: &Schedule, instant: Timestamp) -> bool {
    let spec = schedule.spec();
    spec.start.is_none_or(|start| start <= instant)
        && spec.end.is_none_or(|end| instant < end)
        && schedule.excluded_by(instant).is_none()
}

fn civil(local: Timestamp) -> DateTime {
    local.to_zoned(TimeZone::UTC).datetime()
}

fn clock(local: Timestamp) -> String {
    civil(local).strftime("%H:%M").to_string()
}

/// `02:00 to 03:00`
fn hours(change: &Change) -> String {
    format!("{} to {}", clock(change.low), clock(change.high))
}

/// The fixed-time expressions of a job, read in UTC: the local times they name, each day alike.
pub(crate) fn fixed_local_times(expressions: &[String], name: &str) -> Option<Schedule> {
    let fixed = expressions.iter().filter(|text| is_fixed(text));
    local_times(fixed.cloned().collect(), name)
}

/// Expressions of a job, read in UTC.
pub(crate) fn local_times(expressions: Vec<String>, name: &str) -> Option<Schedule> {
    if expressions.is_empty() {
        return None;
    }
    let spec = ScheduleSpec {
        rule: Rule::Cron(expressions),
        timezone: "UTC".to_owned(),
        tzdb: None,
        start: None,
        end: None,
        jitter: Duration::ZERO,
        exclude: Vec::new(),
    };
    Schedule::new(spec, name).ok()
}

/// Whether no `*` and no step stands in the seconds, minutes and hours.
fn is_fixed(expression: &str) -> bool {
    !times(expression)
        .iter()
        .any(|field| field.contains(['*', '/']))
}

/// Whether the hours are `*`.
fn names_all_hours(expression: &str) -> bool {
    times(expression).last() == Some(&"*")
}

/// The fields of seconds, if there are any, minutes and hours.
fn times(expression: &str) -> Vec<&str> {
    let mut fields: Vec<_> = expression.split_whitespace().collect();
    match fields.len() {
        1 if fields == ["@hourly"] => return vec!["0", "*"],
        // The other nicknames are at midnight.
        1 => return vec!["0", "0"],
        5 => fields.truncate(2),
        _ => fields.truncate(3),
    }
    fields
}
