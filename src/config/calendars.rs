//! `[calendars.NAME]`: days on which jobs that name the calendar do not run.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use jiff::civil::Date;

use super::Ground;
use super::fields::Fields;
use super::ics;
use super::read;
use super::report::{Complaints, Problem, Source};
use super::tree::{Node, Written};
use super::value;
use super::words;
use crate::schedule::Calendar;

/// The most calendars.
const MAX_CALENDARS: usize = 1_000;

/// The most calendars that a job may name.
const MAX_EXCLUDED: usize = 32;

/// The years that a date may lie in: others are slips of the finger.
const YEARS: std::ops::RangeInclusive<i16> = 1970..=2199;

/// The calendars of a configuration.
#[derive(Debug, Clone, Default)]
pub(super) struct Calendars {
    pub by_name: BTreeMap<String, Arc<Calendar>>,
    /// The files that some of them come from.
    pub files: Vec<PathBuf>,
}

/// Reads the calendars of all files. Their own files are added to `sources`, so that complaints can
/// point into them.
pub(super) fn calendars(
    written: &BTreeMap<&str, &Node>,
    ground: &Ground<'_>,
    sources: &mut Vec<Source>,
    complaints: &mut Complaints,
) -> Calendars {
    let mut calendars = Calendars::default();
    for (number, (&name, node)) in written.iter().enumerate() {
        if number == MAX_CALENDARS {
            let sentence = format!("there are more than {MAX_CALENDARS} calendars");
            complaints.error(Problem::at(node.key, sentence));
            break;
        }
        if let Err(error) = crate::job::JobName::new(name) {
            let sentence = error.to_string().replace("job name", "calendar's name");
            complaints.error(Problem::at(node.key, sentence));
        }
        let Written::Table(table) = &node.value else {
            value::mistaken(node, "a calendar is a table", complaints);
            continue;
        };
        let mut fields = Fields::over(vec![table]);
        let dates = fields.node("dates");
        let file = fields.node("file");
        fields.finish(complaints);
        let mut days = Vec::new();
        match dates {
            Some(dates) => days.extend(listed(dates, file.is_some(), complaints)),
            None if file.is_none() => complaints.doubtful(
                Problem::at(
                    node.key,
                    format!("the calendar {} has no days", words::quoted(name)),
                )
                .help("give it `dates = [\"2026-12-25\"]`, or `file = \"holidays.ics\"`, or both"),
            ),
            None => {}
        }
        if let Some(node) = file
            && let Some(path) = value::text("file", node, complaints)
        {
            let path = ground.path(path);
            days.extend(in_file(&path, node, ground, sources, complaints));
            calendars.files.push(path);
        }
        let calendar = Calendar::new(name, days);
        if calendar.day_count() > ics::MAX_DAYS {
            let sentence = format!("a calendar has at most {} days", ics::MAX_DAYS);
            complaints.error(Problem::at(node.key, sentence));
        }
        calendars
            .by_name
            .insert(name.to_owned(), Arc::new(calendar));
    }
    calendars
}

/// The days of `dates = […]`.
fn listed(node: &Node, has_file: bool, complaints: &mut Complaints) -> Vec<Date> {
    let Written::List(items) = &node.value else {
        value::mistaken(node, "`dates` is a list of dates in quotes", complaints);
        return Vec::new();
    };
    if items.is_empty() && !has_file {
        let problem = Problem::at(node.place, "`dates` holds no day");
        complaints.error(problem.help("such as [\"2026-12-25\"]"));
    }
    let mut days: BTreeMap<Date, &Node> = BTreeMap::new();
    for item in items {
        let Some(date) = date(item, complaints) else {
            continue;
        };
        if let Some(first) = days.insert(date, item) {
            complaints.error(
                Problem::at(item.place, format!("{date} stands here a second time"))
                    .also(first.place, "it stands here already"),
            );
        }
    }
    days.into_keys().collect()
}

fn date(node: &Node, complaints: &mut Complaints) -> Option<Date> {
    let (Written::Text(text) | Written::Moment(text)) = &node.value else {
        value::mistaken(node, "`dates` holds dates in quotes", complaints);
        return None;
    };
    // Dates come in many forms, and instants are none; this one alone leaves no doubt.
    let plain = text.len() == 10 && !text.starts_with(['-', '+']);
    let date: Option<Date> = text.parse().ok().filter(|_| plain);
    match date {
        None => {
            let sentence = format!("{} is not a date", words::quoted(text));
            complaints.error(Problem::at(node.place, sentence).help("such as \"2026-12-25\""));
        }
        Some(date) if !YEARS.contains(&date.year()) => {
            let sentence = format!("a date lies between {} and {}", YEARS.start(), YEARS.end());
            complaints.error(Problem::at(node.place, sentence));
        }
        Some(_) => {}
    }
    date
}

/// The days of `file = "…"`.
fn in_file(
    path: &std::path::Path,
    node: &Node,
    ground: &Ground<'_>,
    sources: &mut Vec<Source>,
    complaints: &mut Complaints,
) -> impl Iterator<Item = Date> + use<> {
    let days = match read::calendar(path, ground.environment, sources, complaints) {
        Ok(source) => {
            let number = sources.len();
            let days = ics::days(number, &source.text, complaints);
            sources.push(source);
            days
        }
        Err(sentence) => {
            let sentence = format!("the calendar {}: {sentence}", path.display());
            complaints.error(Problem::at(node.place, sentence));
            std::collections::BTreeSet::new()
        }
    };
    days.into_iter()
}

/// Reads `exclude` of a job: the calendars it names, in its order.
pub(super) fn excluded(
    fields: &mut Fields<'_>,
    ground: &Ground<'_>,
    complaints: &mut Complaints,
) -> Vec<Arc<Calendar>> {
    let known = &ground.calendars.by_name;
    let mut excluded: Vec<Arc<Calendar>> = Vec::new();
    for (node, name) in fields.texts("exclude", complaints).unwrap_or_default() {
        let Some(calendar) = known.get(name) else {
            let sentence = format!("there is no calendar {}", words::quoted(name));
            let problem = Problem::at(node.place, sentence);
            let near = words::nearest(name, known.keys().map(String::as_str));
            complaints.error(match near {
                Some(near) => problem.help(format!("did you mean {near:?}?")),
                None => {
                    problem.help("define it: `[calendars.NAME]` with its `dates` or its `file`")
                }
            });
            continue;
        };
        if excluded.iter().any(|other| other.name() == name) {
            let sentence = format!("{} stands here a second time", words::quoted(name));
            complaints.error(Problem::at(node.place, sentence));
        } else if excluded.len() == MAX_EXCLUDED {
            let sentence = format!("a job excludes at most {MAX_EXCLUDED} calendars");
            complaints.error(Problem::at(node.place, sentence));
            break;
        } else {
            excluded.push(calendar.clone());
        }
    }
    excluded
}
