//! `punctual next`

use std::fmt::Write as _;

use jiff::tz::TimeZone;
use jiff::{Timestamp, civil};
use serde::Serialize;

use super::{Exit, view};
use crate::clock;
use crate::schedule::{Rule, Schedule, ScheduleSpec, parse_duration};

/// Shows the next instants of a cron expression or an interval.
///
/// The first line puts the schedule into words. An expression with `H` is read as the job NAME of
/// `--job` would; without one the expression itself takes the place of the name.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// A cron expression of 5, 6 or 7 fields, or a nickname such as @daily, as one argument
    #[arg(
        value_name = "EXPR",
        allow_hyphen_values = true,
        required_unless_present = "every"
    )]
    expression: Option<String>,

    /// An interval such as 90s or 1h30m instead of an expression
    #[arg(
        long,
        value_name = "DURATION",
        allow_hyphen_values = true,
        conflicts_with = "expression"
    )]
    every: Option<String>,

    /// The instant that the interval is counted from, itself the first; else the Unix epoch
    #[arg(
        long,
        value_name = "TIME",
        requires = "every",
        conflicts_with = "expression",
        allow_hyphen_values = true
    )]
    start: Option<String>,

    /// The time zone: an IANA name, UTC, or local
    #[arg(long, value_name = "ZONE", default_value = "local")]
    tz: String,

    /// Show instants later than this one (RFC 3339, or a local time of the zone); else than now
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    from: Option<String>,

    /// How many instants to show
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u16).range(1..=10_000))]
    count: u16,

    /// The job that H chooses for
    #[arg(long, value_name = "NAME", conflicts_with = "every")]
    job: Option<String>,

    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// What `--json` prints.
#[derive(Debug, Serialize)]
struct Answer {
    expression: String,
    timezone: String,
    fires: Vec<String>,
}

/// Runs the command.
pub fn run(args: &Args) -> Exit {
    match answer(args) {
        Ok(text) => view::print(&text),
        Err(sentence) => {
            eprintln!("error: {sentence}");
            Exit::Usage
        }
    }
}

/// What is printed, or a sentence that says why there is nothing to print.
fn answer(args: &Args) -> Result<String, String> {
    let schedule = schedule(args)?;
    let zone = schedule.zone();
    let from = match &args.from {
        Some(text) => instant("--from", text, zone)?,
        None => clock::now(),
    };
    let fires: Vec<Timestamp> =
        std::iter::successors(schedule.next_after(from), |&fire| schedule.next_after(fire))
            .take(args.count.into())
            .collect();
    if fires.is_empty() {
        let from = from.display_with_offset(zone.to_offset(from));
        return Err(format!(
            "{} names no instant after {from}",
            schedule.expression()
        ));
    }
    if args.json {
        let answer = Answer {
            expression: schedule.expression(),
            timezone: schedule.timezone().to_owned(),
            fires: fires.iter().map(|&fire| rfc3339(fire, zone)).collect(),
        };
        let text = serde_json::to_string(&answer).map_err(|error| error.to_string())?;
        return Ok(text + "\n");
    }
    Ok(table(&schedule, &fires))
}

fn table(schedule: &Schedule, fires: &[Timestamp]) -> String {
    let mut text = format!("{} ({})\n", schedule.text(), schedule.timezone());
    for fire in fires {
        let shown = fire
            .to_zoned(schedule.zone().clone())
            .strftime("%a %Y-%m-%d %H:%M:%S%.f %:z");
        writeln!(text, "{shown}").expect("writing to a String cannot fail");
    }
    text
}

fn rfc3339(instant: Timestamp, zone: &TimeZone) -> String {
    instant
        .display_with_offset(zone.to_offset(instant))
        .to_string()
}

fn schedule(args: &Args) -> Result<Schedule, String> {
    let timezone = if args.tz == "local" {
        local_zone()?
    } else {
        args.tz.clone()
    };
    let mut spec = ScheduleSpec {
        rule: Rule::Cron(args.expression.iter().cloned().collect()),
        timezone,
        tzdb: None,
        start: None,
        end: None,
        jitter: std::time::Duration::ZERO,
        exclude: Vec::new(),
    };
    if let Some(every) = &args.every {
        let period = parse_duration(every).map_err(|error| format!("--every: {error}"))?;
        spec.rule = Rule::Every(period);
        if let Some(start) = &args.start {
            let zone = TimeZone::get(&spec.timezone).unwrap_or(TimeZone::UTC);
            spec.start = Some(instant("--start", start, &zone)?);
        }
    }
    let job = args.job.as_ref().or(args.expression.as_ref());
    Schedule::new(spec, job.map_or("", String::as_str)).map_err(|error| error.to_string())
}

/// The name of the machine's zone. A machine that has none set runs on UTC.
pub(super) fn local_zone() -> Result<String, String> {
    match TimeZone::try_system() {
        Ok(zone) if zone.is_unknown() => Ok("UTC".to_owned()),
        Ok(zone) => zone.iana_name().map(str::to_owned).ok_or_else(|| {
            "the machine's time zone has no name: give one, such as --tz Europe/Paris".to_owned()
        }),
        Err(_) => Ok("UTC".to_owned()),
    }
}

/// An instant as written: with an offset, or a local time of the zone that is not ambiguous there.
fn instant(option: &str, text: &str, zone: &TimeZone) -> Result<Timestamp, String> {
    if let Ok(instant) = text.parse::<Timestamp>() {
        return Ok(instant);
    }
    let Ok(local) = text.parse::<civil::DateTime>() else {
        let shown: String = text.chars().take(60).collect();
        return Err(format!(
            "{option} {shown:?} is no time: write it as 2026-03-29T01:30:00+01:00 or \
             2026-03-29T00:30:00Z"
        ));
    };
    let found = zone.to_ambiguous_timestamp(local);
    let is_ambiguous = found.is_ambiguous();
    found.unambiguous().map_err(|_| {
        if is_ambiguous {
            format!(
                "{option} {text} does not exist or comes twice in this time zone, where the clock \
                 changes: add the offset, as in {local}+01:00"
            )
        } else {
            format!(
                "{option} {text} lies outside of the time that can be told, up to {}",
                Timestamp::MAX
            )
        }
    })
}
