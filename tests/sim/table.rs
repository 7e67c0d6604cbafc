//! A ledger as text.

use std::fmt::Write as _;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use punctual::job::{Run, Status, Trigger};

use crate::words::show_time;
use crate::world::World;

/// What lateness is too small to be shown.
const ON_TIME: SignedDuration = SignedDuration::from_millis(50);

/// Rows by job and instant, those alike on one line; then what was said. Claims of fires to come
/// are left out.
pub fn render(world: &World) -> String {
    let mut rows: Vec<&Run> = world
        .ledger
        .runs
        .values()
        .filter(|run| run.status != Status::Scheduled || run.due_at <= world.now())
        .collect();
    rows.sort_by_key(|run| (&run.job, run.scheduled_at, run.trigger != Trigger::Manual));
    let mut text = String::new();
    let mut open: Option<Line> = None;
    for run in rows {
        let key = (run.job.to_string(), outcome(run) + &attempts(run, world));
        match &mut open {
            Some((job, times, how)) if *job == key.0 && *how == key.1 => {
                times.push(times_of(run));
            }
            _ => {
                flush(&mut text, open.take());
                open = Some((key.0, vec![times_of(run)], key.1));
            }
        }
    }
    flush(&mut text, open);
    for (at, said) in &world.said {
        let _ = writeln!(text, "{} {said}", at_hundredths(*at));
    }
    text
}

/// A job, the times of rows that are alike, and how they ended.
type Line = (String, Vec<String>, String);

/// The most rows that a line names one by one.
const NAMED: usize = 40;

fn flush(text: &mut String, line: Option<Line>) {
    if let Some((job, times, how)) = line {
        let times = match times.as_slice() {
            [first, .., last] if times.len() > NAMED => {
                format!("{first} ... {last} ({} rows)", times.len())
            }
            few => few.join(" "),
        };
        let _ = writeln!(text, "{job} {times} {how}");
    }
}

fn times_of(run: &Run) -> String {
    let of_schedule = matches!(run.trigger, Trigger::Schedule | Trigger::CatchUp);
    let first = if of_schedule {
        show_time(run.scheduled_at)
    } else {
        at_hundredths(run.scheduled_at)
    };
    match run.span {
        Some(span) if span.count == 1 && span.last == run.scheduled_at => format!("[{first}]"),
        Some(span) => {
            let last = if run.trigger == Trigger::Schedule {
                show_time(span.last)
            } else {
                at_hundredths(span.last)
            };
            format!("[{first}..{last} x{}]", span.count)
        }
        None => first,
    }
}

fn outcome(run: &Run) -> String {
    let mut how = String::new();
    if run.trigger != Trigger::Schedule {
        how.push_str(run.trigger.as_str());
        how.push(' ');
    }
    how.push_str(run.status.as_str());
    if let Some(reason) = &run.reason {
        let _ = write!(how, " ({})", reason.0);
    }
    if let Some(code) = run.exit_code.filter(|&code| code != 0) {
        let _ = write!(how, " code {code}");
    }
    if let Some(signal) = run.signal {
        let _ = write!(how, " signal {signal}");
    }
    let late = run.started_at.map(|at| at.duration_since(run.due_at));
    if let Some(late) = late.filter(|&late| late >= ON_TIME) {
        let late = Duration::try_from(late).unwrap();
        let late = Duration::from_millis(u64::try_from(late.as_millis()).unwrap() / 10 * 10);
        let _ = write!(how, " late {late:?}");
    }
    for (name, value) in &run.params {
        let _ = write!(how, " {name}={value}");
    }
    how
}

/// When each attempt started, if there were several.
fn attempts(run: &Run, world: &World) -> String {
    if run.attempts < 2 {
        return String::new();
    }
    let first = (run.id, 0);
    let all = world.ledger.attempts.range(first..=(run.id, run.attempts));
    let starts: Vec<_> = all.map(|(_, it)| at_hundredths(it.started_at)).collect();
    format!(", attempts {}", starts.join(" "))
}

/// Hundredths of a second: how long a commit takes is not what a scenario is about.
fn at_hundredths(at: Timestamp) -> String {
    let ms = at.as_millisecond().div_euclid(10) * 10;
    show_time(Timestamp::from_millisecond(ms).unwrap())
}
