//! What lies ahead of a configuration that is valid: nights on which the clocks change, herds of
//! jobs, jobs and calendars that are over. Pure: the instant to look from is an argument.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use super::Config;
use crate::job::{JobName, Plan};
use crate::schedule::{Rule, Schedule, ScheduleSpec};

/// How far ahead clock changes are looked for: each zone's next two or so.
const YEAR: Duration = Duration::from_hours(366 * 24);

/// From this many jobs due in one second on, they are a herd: starting them takes a machine with
/// few cores a good part of that second.
const HERD: usize = 100;

/// How many fires of each job are counted for herds.
const FIRES: usize = 3;

/// The most warnings of one kind; herds and clock changes repeat themselves.
const MAX_WARNINGS: usize = 20;

/// One thing that is worth a second look.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Warning {
    /// The job it is about; none: several.
    pub job: Option<JobName>,
    /// The warning, in a sentence or two.
    pub message: String,
}

/// Looks ahead from `now`.
pub fn ahead(config: &Config, now: Timestamp) -> Vec<Warning> {
    let enabled = || config.jobs.values().filter(|plan| plan.enabled);
    let about = |plan: &Plan, message| Warning {
        job: Some(plan.name.clone()),
        message,
    };
    let over = enabled().filter_map(|plan| Some(about(plan, never_again(plan, now)?)));
    let changes =
        enabled().flat_map(|plan| clock_changes(plan, now).into_iter().map(|m| about(plan, m)));
    let about_all = |message| Warning { job: None, message };
    let herds = herds(enabled(), now).into_iter().map(about_all);
    let calendars = over_calendars(enabled(), now).into_iter().map(about_all);
    let mut warnings = some(over, "jobs that will not run any more");
    warnings.extend(some(changes, "such clock changes"));
    warnings.extend(some(herds, "such seconds"));
    warnings.extend(some(calendars, "such calendars"));
    warnings
}

/// The first of the warnings of one kind, and how many more there are.
fn some(mut warnings: impl Iterator<Item = Warning>, kind: &str) -> Vec<Warning> {
    let mut shown: Vec<_> = warnings.by_ref().take(MAX_WARNINGS).collect();
    let more = warnings.count();
    if more > 0 {
        shown.push(Warning {
            job: None,
            message: format!("and {more} more {kind}"),
        });
    }
    shown
}

fn never_again(plan: &Plan, now: Timestamp) -> Option<String> {
    let schedule = plan.schedule()?;
    if schedule.next_firing_after(now).is_some() {
        return None;
    }
    Some(match schedule.spec().rule {
        _ if schedule.next_after(now).is_some() => {
            "its calendars exclude all that its schedule names for 50 years".to_owned()
        }
        Rule::At(at) => format!("its instant, {at}, is past: it will not run any more"),
        _ => "no instant of its schedule is left: it will not run any more".to_owned(),
    })
}

/// Calendars that jobs exclude and that have no day left.
fn over_calendars<'p>(
    plans: impl Iterator<Item = &'p std::sync::Arc<Plan>>,
    now: Timestamp,
) -> Vec<String> {
    // A day may have begun or not have ended elsewhere.
    let today = now.to_zoned(TimeZone::UTC).date();
    let yesterday = today.yesterday().unwrap_or(today);
    let named = plans
        .filter_map(|plan| Some(&plan.schedule()?.spec().exclude))
        .flatten();
    let over = named.filter_map(|calendar| {
        let last = calendar.last_day().filter(|&last| last < yesterday)?;
        Some((calendar.name(), last))
    });
    let over: std::collections::BTreeSet<_> = over.collect();
    over.into_iter()
        .map(|(name, last)| {
            format!(
                "the calendar `{name}` has no day after {last}, so it excludes nothing any more: \
                 bring it up to date"
            )
        })
        .collect()
}

/// The nights within a year on which a fixed local time of the job does not exist, or exists twice.
fn clock_changes(plan: &Plan, now: Timestamp) -> Vec<String> {
    let Some(spec) = plan.schedule().map(Schedule::spec) else {
        return Vec::new();
    };
    let Rule::Cron(expressions) = &spec.rule else {
        return Vec::new();
    };
    let Ok(zone) = TimeZone::get(&spec.timezone) else {
        return Vec::new();
    };
    let Some(as_written) = fixed_local_times(expressions, plan.name.as_str()) else {
        return Vec::new();
    };
    let Ok(until) = now.checked_add(YEAR) else {
        return Vec::new();
    };
    let mut found = Vec::new();
    for change in zone
        .following(now)
        .take_while(|change| change.timestamp() <= until)
    {
        let at = change.timestamp();
        let before = zone.to_offset(at - Duration::from_nanos(1));
        let after = change.offset();
        let wall = |offset: jiff::tz::Offset| {
            Timestamp::from_second(at.as_second() + i64::from(offset.seconds()))
        };
        let (Ok(from), Ok(to)) = (wall(before), wall(after)) else {
            continue;
        };
        let (low, high) = (from.min(to), from.max(to));
        let Some(time) = as_written.next_after(low - Duration::from_nanos(1)) else {
            continue;
        };
        if time >= high {
            continue;
        }
        // In the fold it runs the first time, by the old offset.
        let fire = if to > from {
            at
        } else {
            time - SignedDuration::from_secs(before.seconds().into())
        };
        if plan
            .schedule()
            .is_some_and(|it| it.excluded_by(fire).is_some())
        {
            continue;
        }
        let local = time.to_zoned(TimeZone::UTC).datetime();
        let (day, time) = (local.date(), local.strftime("%H:%M"));
        found.push(if to > from {
            let first = at.to_zoned(zone.clone()).strftime("%H:%M").to_string();
            format!(
                "on {day} the clocks of {} skip {time}: it runs at {first} instead, once",
                spec.timezone
            )
        } else {
            format!(
                "on {day} the clocks of {} show {time} twice: it runs the first time only",
                spec.timezone
            )
        });
    }
    found
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
    let fields: Vec<_> = expression.split_whitespace().collect();
    let clock = match fields.len() {
        1 => return expression.trim() != "@hourly",
        5 => 2,
        _ => 3,
    };
    fields
        .iter()
        .take(clock)
        .all(|field| !field.contains(['*', '/', '?']))
}

/// Seconds in which very many jobs are due.
fn herds<'p>(plans: impl Iterator<Item = &'p std::sync::Arc<Plan>>, now: Timestamp) -> Vec<String> {
    let mut due: BTreeMap<i64, usize> = BTreeMap::new();
    for plan in plans {
        let mut nominal = now;
        let mut last = None;
        for _ in 0..FIRES {
            let Some(next) = plan.next_firing_after(nominal) else {
                break;
            };
            nominal = next;
            let second = plan.due_at(next).as_second();
            // A job that is due several times within a second is one process of the herd at a time.
            if last.replace(second) != Some(second) {
                *due.entry(second).or_default() += 1;
            }
        }
    }
    let herds = due.into_iter().filter(|&(_, jobs)| jobs >= HERD);
    herds
        .filter_map(|(second, jobs)| Some((Timestamp::from_second(second).ok()?, jobs)))
        .map(|(at, jobs)| {
            format!(
                "{jobs} jobs are due in the second of {at}: spread them with `jitter`, or with `H` \
                 in their cron expressions"
            )
        })
        .collect()
}
