//! Warns of jobs that are likely to be due again while they still run.
//!
//! How long a run takes, nobody can read from a config. But who writes a time limit or retries into
//! a job expects runs that need them, so what a job itself says of `timeout`, `total_timeout` and
//! `retry` is held against the time between its fires. The default of an hour, and what
//! `[defaults]` says for all jobs, are no such expectation.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::report::{Complaints, Problem};
use super::tree::{Node, Table};
use crate::job::{ConcurrencyPolicy, Plan, Retry};
use crate::schedule::{Rule, Schedule, format_duration};

/// How many fires are looked at for the shortest time between them.
const FIRES: usize = 24;

/// How long a run may last, by what its job says, and where that stands.
struct Length<'t> {
    key: &'static str,
    written: &'t Node,
    longest: Duration,
    /// Whether it is the delays between attempts alone, which a run that fails surely takes.
    delays: bool,
}

/// Warns if a run that is as long as it may be meets more fires than may run beside it.
pub(super) fn warn(plan: &Plan, table: &Table, complaints: &mut Complaints) {
    let schedule = plan.schedule().filter(|_| plan.enabled);
    let (Some(schedule), Some(fate)) = (schedule, fate(plan)) else {
        return;
    };
    let Some(length) = length(plan, table) else {
        return;
    };
    let most = usize::try_from(plan.max_concurrent).unwrap_or(usize::MAX);
    let Some(again) = due_again(schedule, most, length.longest) else {
        return;
    };
    let (job, longest) = (&plan.name, format_duration(length.longest));
    let sentence = match (length.delays, plan.retry.max_retries) {
        (true, retries) => format!(
            "a run of job `{job}` that fails goes on for {longest}, the delays before its \
             {retries} retries, but {again}: {fate}"
        ),
        (false, 0) => format!("job `{job}` may run for {longest} but {again}: {fate}"),
        (false, retries) => format!(
            "job `{job}` may run for {longest} with its {retries} retries but {again}: {fate}"
        ),
    };
    let more = match plan.concurrency_policy {
        ConcurrencyPolicy::Replace => "choose another `concurrency_policy`",
        _ => "let more run at once (`max_concurrent`)",
    };
    let key = length.key;
    complaints.warn(Problem::at(length.written.place, sentence).help(format!(
        "shorten `{key}`, {more}, or leave it if that is meant"
    )));
}

/// What becomes of a fire, or of what it meets; none: nothing does.
fn fate(plan: &Plan) -> Option<String> {
    match plan.concurrency_policy {
        ConcurrencyPolicy::Allow => None,
        ConcurrencyPolicy::Forbid => Some("fires that find it running are skipped".to_owned()),
        ConcurrencyPolicy::Queue => Some(format!(
            "fires that find it running wait, and are skipped when {} do (`queue_limit`)",
            plan.queue_limit
        )),
        ConcurrencyPolicy::Replace => {
            Some("a fire that finds it running stops that run".to_owned())
        }
    }
}

/// The longest run that the job's own table speaks of.
fn length<'t>(plan: &Plan, table: &'t Table) -> Option<Length<'t>> {
    let own = |key| Some((key, table.entries.get(key)?));
    let retry = &plan.retry;
    let delays = delays(retry);
    let within_total = |length: Duration| match plan.total_timeout {
        Some(total) => length.min(total),
        None => length,
    };
    let limit = own("timeout").or_else(|| own("total_timeout"));
    if let Some((key, written)) = limit {
        let attempts = retry.max_retries.saturating_add(1);
        let whole = plan
            .action
            .timeout()
            .map(|one| one.saturating_mul(attempts).saturating_add(delays));
        return Some(Length {
            key,
            written,
            longest: whole.map_or(plan.total_timeout, |whole| Some(within_total(whole)))?,
            delays: false,
        });
    }
    let (key, written) = own("retry").filter(|_| retry.max_retries > 0)?;
    Some(Length {
        key,
        written,
        longest: within_total(delays),
        delays: true,
    })
}

/// All delays between the attempts of a run that always fails, without their jitter, in whole
/// seconds where they are longer than one.
fn delays(retry: &Retry) -> Duration {
    let (first, longest) = (
        retry.initial_delay.as_secs_f64(),
        retry.max_delay.as_secs_f64(),
    );
    let retries = f64::from(retry.max_retries);
    let grows = retry.multiplier > 1.0 && first > 0.0;
    let seconds = if grows && first < longest {
        let growing = (longest / first).log(retry.multiplier).ceil().min(retries);
        let sum = first * (retry.multiplier.powf(growing) - 1.0) / (retry.multiplier - 1.0);
        sum + (retries - growing) * longest
    } else {
        retries * first.min(longest)
    };
    let whole = if seconds < 1.0 {
        (seconds * 1e3).round() / 1e3
    } else {
        seconds.round()
    };
    Duration::try_from_secs_f64(whole).unwrap_or(Duration::MAX)
}

/// How soon after a fire there are so many more that, with it, they are more than `most`, if that is
/// sooner than `length`: in words.
///
/// The fires are the first ones since the Unix epoch: whether a config is good must not depend on
/// the day.
fn due_again(schedule: &Schedule, most: usize, length: Duration) -> Option<String> {
    let first = schedule.next_after(Timestamp::UNIX_EPOCH)?;
    if most > FIRES {
        let last = first.checked_add(length).ok()?.checked_sub(TICK).ok()?;
        let times = schedule.count(first, last);
        return (times >= most as u64).then(|| again(times, length));
    }
    // The fires of an interval are all alike.
    let looked_at = match schedule.spec().rule {
        Rule::Every(_) => 1,
        Rule::Cron(_) | Rule::At(_) => FIRES,
    };
    let fires = std::iter::successors(Some(first), |&t| schedule.next_after(t));
    let fires: Vec<_> = fires.take(looked_at + most).collect();
    let spans = fires.windows(most + 1).filter_map(|some| {
        let (first, last) = (some.first()?, some.last()?);
        Duration::try_from(last.duration_since(*first)).ok()
    });
    let shortest = spans.min().filter(|&shortest| shortest < length)?;
    Some(again(most as u64, shortest))
}

fn again(times: u64, within: Duration) -> String {
    let within = format_duration(within);
    match times {
        1 => format!("is due again after {within}"),
        _ => format!("is due {times} times more within {within}"),
    }
}

/// What is before an instant by this much is not that instant.
const TICK: SignedDuration = SignedDuration::from_micros(1);
