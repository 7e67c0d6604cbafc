//! When a job runs: exactly one of `cron`, `every`, `at`, `on`, `after`, and what goes with it.

use std::sync::Arc;
use std::time::Duration;

use super::Ground;
use super::calendars;
use super::fields::Fields;
use super::job::Wholeness;
use super::report::{Complaints, Problem};
use super::tree::{Node, Written};
use super::{upstream, value, zone};
use crate::job::{JobName, Restart, When};
use crate::schedule::{MAX_EXPRESSIONS, Rule, Schedule, ScheduleSpec};

/// The keys of which a job has exactly one.
pub(super) const KEYS: [&str; 5] = ["cron", "every", "at", "on", "after"];

/// The keys that say something of instants, so they mean nothing where no clock makes a job run.
const OF_INSTANTS: [&str; 5] = ["jitter", "start", "end", "catch_up", "exclude"];

/// The shortest interval.
const SHORTEST: Duration = Duration::from_millis(100);

pub(super) fn read(
    name: &JobName,
    wholeness: Wholeness,
    fields: &mut Fields<'_>,
    ground: &Ground<'_>,
    complaints: &mut Complaints,
) -> Option<When> {
    let timezone = match fields.node("timezone") {
        Some(node) => zone::read(node, ground, complaints),
        None => Some(ground.timezone.clone()),
    };
    let (start, end) = window(fields, complaints);
    let jitter = fields.limit("jitter", None, complaints).unwrap_or_default();
    let exclude = calendars::excluded(fields, ground, complaints);
    let restart = restart(fields, complaints);
    let (key, node) = chosen(name, wholeness, fields, complaints)?;
    if key != "on" {
        complain_of_lone_restart(fields, complaints);
    }
    if matches!(key, "on" | "after") {
        complain_of_instants(key, fields, complaints);
    }
    let rule = match key {
        "cron" => Rule::Cron(expressions(node, complaints)?),
        "every" => Rule::Every(interval(node, complaints)?),
        "at" => Rule::At(value::instant("at", node, complaints)?),
        "on" => {
            value::choice("on", &[("startup", ())], node, complaints)?;
            return Some(When::Startup(restart.unwrap_or(Restart::Never)));
        }
        _ => return upstream::read(node, complaints).map(When::After),
    };
    let tzdb = ground.environment.tzdb.clone();
    let spec = ScheduleSpec {
        rule,
        timezone: timezone?,
        tzdb,
        start,
        end,
        jitter,
        exclude,
    };
    let error = match Schedule::new(spec.clone(), name.as_str()) {
        Ok(schedule) => return Some(When::Schedule(Arc::new(schedule))),
        Err(error) => error,
    };
    // Of several expressions, the caret points at the one that is wrong by itself.
    let (place, error) = culprit(node, &spec, name).unwrap_or((node.place, error));
    complaints.error(Problem::at(place, error.to_string()));
    None
}

fn restart(fields: &mut Fields<'_>, complaints: &mut Complaints) -> Option<Restart> {
    let words = [
        ("never", Restart::Never),
        ("on-failure", Restart::OnFailure),
        ("always", Restart::Always),
    ];
    fields.choice("restart", &words, complaints)
}

/// `restart` in a job's own table supervises a job that runs from the start of the daemon on.
fn complain_of_lone_restart(fields: &mut Fields<'_>, complaints: &mut Complaints) {
    if let Some(node) = fields.own("restart") {
        complaints.error(
            Problem::at(node.key, "`restart` goes with `on = \"startup\"` alone")
                .help("for another try after a failure write `retry = { max_retries = 3 }`"),
        );
    }
}

fn complain_of_instants(key: &str, fields: &mut Fields<'_>, complaints: &mut Complaints) {
    for of_instants in OF_INSTANTS {
        if let Some(node) = fields.own(of_instants) {
            let sentence = format!("`{of_instants}` means nothing beside `{key}`");
            complaints.error(
                Problem::at(node.key, sentence)
                    .help("it goes with `cron`, `every` and `at`, which name instants; remove it"),
            );
        }
    }
}

fn culprit(
    node: &Node,
    spec: &ScheduleSpec,
    name: &JobName,
) -> Option<(super::report::Place, crate::schedule::ScheduleError)> {
    let (Written::List(items), Rule::Cron(expressions)) = (&node.value, &spec.rule) else {
        return None;
    };
    items
        .iter()
        .zip(expressions)
        .find_map(|(item, expression)| {
            let alone = ScheduleSpec {
                rule: Rule::Cron(vec![expression.clone()]),
                ..spec.clone()
            };
            let error = Schedule::new(alone, name.as_str()).err()?;
            Some((item.place, error))
        })
}

fn window(
    fields: &mut Fields<'_>,
    complaints: &mut Complaints,
) -> (Option<jiff::Timestamp>, Option<jiff::Timestamp>) {
    let start = fields.instant("start", complaints);
    let end = fields.instant("end", complaints);
    if let (Some(first), Some(last)) = (start, end)
        && first >= last
        && let (Some(from), Some(to)) = (fields.node("start"), fields.node("end"))
    {
        complaints.error(
            Problem::at(to.place, "`end` must be later than `start`")
                .also(from.place, "`start` is here"),
        );
        return (start, None);
    }
    (start, end)
}

fn chosen<'t>(
    name: &JobName,
    wholeness: Wholeness,
    fields: &mut Fields<'t>,
    complaints: &mut Complaints,
) -> Option<(&'static str, &'t Node)> {
    let found = fields.rivals(&KEYS);
    match found[..] {
        [one] => Some(one),
        [] => {
            if let (Wholeness::Job, Some(place)) = (wholeness, fields.place()) {
                complaints.doubtful(
                    Problem::at(place, format!("job `{name}` has no schedule"))
                        .help("give it one of `cron`, `every`, `at`, `on` or `after`, such as `every = \"15m\"`"),
                );
            }
            None
        }
        [(first, node), (second, other), ..] => {
            complaints.error(
                Problem::at(
                    other.key,
                    format!("`{second}` cannot stand beside `{first}`"),
                )
                .also(node.key, "the other schedule is here")
                .help("a job has exactly one schedule: remove one of the two"),
            );
            None
        }
    }
}

fn expressions(node: &Node, complaints: &mut Complaints) -> Option<Vec<String>> {
    let expressions = match &node.value {
        Written::List(_) => {
            let texts = value::texts("cron", node, complaints)?;
            texts.into_iter().map(|(_, text)| text.to_owned()).collect()
        }
        Written::Text(_) => vec![value::text("cron", node, complaints)?.to_owned()],
        _ => {
            value::mistaken(
                node,
                "`cron` is an expression in quotes or a list of them",
                complaints,
            );
            return None;
        }
    };
    if (1..=MAX_EXPRESSIONS).contains(&expressions.len()) {
        return Some(expressions);
    }
    let sentence = format!("`cron` holds 1 to {MAX_EXPRESSIONS} expressions");
    complaints.error(Problem::at(node.place, sentence));
    None
}

fn interval(node: &Node, complaints: &mut Complaints) -> Option<Duration> {
    let interval = value::duration("every", node, complaints)?;
    if interval < SHORTEST {
        complaints.error(Problem::at(node.place, "`every` is at least \"100ms\""));
        return None;
    }
    Some(interval)
}
