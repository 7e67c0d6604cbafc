//! iCalendar files (RFC 5545): the days that their all-day events take.
//!
//! What has to do with days is understood or refused, with its place; the rest (texts, attendees,
//! alarms, time zones, to-dos, journals) is for people and other programs, and passed over.
//! A text goes through `lines` (unfolding), `event` (one event's properties), `rule` and `repeat`
//! (recurrence). Whatever is in a file, reading it takes a bounded time.

mod event;
mod lines;
mod repeat;
mod rule;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use jiff::ToSpan;
use jiff::civil::Date;

use super::report::{Complaints, Place, Problem};
use super::words;
use event::{Event, Written};
use lines::Line;
use repeat::{Budget, LAST_DAY, Spent};

/// The first day that is looked at: no schedule fires before it.
const FIRST_DAY: Date = Date::constant(1970, 1, 1);

/// The most days of one calendar: every weekend from 1970 to 2199.
pub(super) const MAX_DAYS: usize = 25_000;

/// How many periods and days all recurrences of a file may be followed through.
const MAX_STEPS: u32 = 1_000_000;

/// The most problems told of one file.
const MAX_TOLD: usize = 20;

/// The days of file number `file`. What is wrong with it is complained about.
pub(super) fn days(file: usize, text: &str, complaints: &mut Complaints) -> BTreeSet<Date> {
    let before = complaints.count();
    let mut reader = Reader::default();
    lines::read(file, text, |line| {
        match line {
            Ok(line) => reader.take(line, complaints),
            Err(place) => reader.refuse(place, complaints),
        }
        complaints.count() - before < MAX_TOLD && !reader.foreign
    });
    if complaints.count() == before {
        reader.end(Place::new(file, 0..0), complaints);
    }
    // What is left of a broken file would only lead to complaints about the rest.
    if complaints.count() > before {
        return BTreeSet::new();
    }
    let days = days_of(reader.events, complaints).unwrap_or_default();
    if days.is_empty() && complaints.count() == before {
        let sentence = "no event of this file takes a day, so it excludes nothing";
        complaints.warn(Problem::at(Place::new(file, 0..0), sentence));
    }
    days
}

/// What has been read so far.
#[derive(Debug, Default)]
struct Reader {
    /// The components that are open, the innermost last.
    open: Vec<(String, Place)>,
    /// The event that is open.
    event: Option<Written>,
    events: Vec<Event>,
    /// Whether a calendar was met.
    begun: bool,
    /// Whether the text is something else altogether.
    foreign: bool,
}

impl Reader {
    fn take(&mut self, line: Line, complaints: &mut Complaints) {
        match line.name.as_str() {
            "BEGIN" => self.begin(&line, complaints),
            "END" => self.close(&line, complaints),
            _ if self.open.is_empty() => self.refuse_outside(line.place, complaints),
            _ if self.open.len() == 1 => of_calendar(&line, complaints),
            _ if self.open.len() == 2 => {
                if let Some(event) = &mut self.event {
                    event.take(line);
                }
            }
            // Within an alarm of an event, a part of a time zone and such.
            _ => {}
        }
    }

    /// Something that is no line at all.
    fn refuse(&mut self, place: Place, complaints: &mut Complaints) {
        if self.open.is_empty() {
            return self.refuse_outside(place, complaints);
        }
        let problem = Problem::at(place, "this is no line of an iCalendar file");
        complaints.error(
            problem.help("each is `NAME:VALUE`, or begins with a space to continue the one above"),
        );
    }

    fn begin(&mut self, line: &Line, complaints: &mut Complaints) {
        let name = line.value.trim().to_ascii_uppercase();
        match (self.open.len(), name.as_str()) {
            (0, "VCALENDAR") => self.begun = true,
            (0, _) => return self.refuse_outside(line.place, complaints),
            (1, "VEVENT") => self.event = Some(Written::begun(line.place)),
            (1, "VTIMEZONE" | "VTODO" | "VJOURNAL") => {}
            (1, other) if !other.starts_with("X-") => {
                let sentence = format!(
                    "{} is not understood in a calendar of days",
                    words::quoted(other)
                );
                complaints.error(
                    Problem::at(line.place, sentence).help("only all-day events (VEVENT) count"),
                );
            }
            _ => {}
        }
        self.open.push((name, line.place));
    }

    fn close(&mut self, line: &Line, complaints: &mut Complaints) {
        let name = line.value.trim().to_ascii_uppercase();
        match self.open.last() {
            Some((open, _)) if *open == name => {}
            Some((open, place)) => {
                let sentence = format!(
                    "END:{} closes nothing: {open} is open",
                    words::quoted(&name)
                );
                complaints.error(Problem::at(line.place, sentence).also(*place, "it begins here"));
                self.foreign = true;
                return;
            }
            None => return self.refuse_outside(line.place, complaints),
        }
        self.open.pop();
        if self.open.len() == 1
            && let Some(written) = self.event.take()
        {
            self.events.extend(written.event(complaints));
        }
    }

    /// Something that stands in no calendar.
    fn refuse_outside(&mut self, place: Place, complaints: &mut Complaints) {
        let sentence = if self.begun {
            "this stands behind the end of the calendar"
        } else {
            "this is no iCalendar file: it does not begin with BEGIN:VCALENDAR"
        };
        complaints.error(
            Problem::at(place, sentence).help("export the calendar as iCalendar (.ics), in UTF-8"),
        );
        self.foreign = true;
    }

    fn end(&self, place: Place, complaints: &mut Complaints) {
        if let Some((name, place)) = self.open.last() {
            let sentence = format!("{name} does not end: the file is cut off");
            complaints.error(Problem::at(*place, sentence));
        } else if !self.begun {
            complaints.error(Problem::at(
                place,
                "this file is empty, and no iCalendar file",
            ));
        }
    }
}

/// A property of the calendar itself.
fn of_calendar(line: &Line, complaints: &mut Complaints) {
    let understood: &[&str] = match line.name.as_str() {
        "VERSION" => &["2.0"],
        "CALSCALE" => &["GREGORIAN"],
        // Others are messages about events: that one is cancelled, or declined.
        "METHOD" => &["PUBLISH", "REQUEST"],
        _ => return,
    };
    let value = line.value.trim();
    if !understood
        .iter()
        .any(|word| value.eq_ignore_ascii_case(word))
    {
        let sentence = format!(
            "{} {} of a calendar is not understood, only {}",
            line.name,
            words::quoted(value),
            understood.join(" and ")
        );
        complaints.error(Problem::at(line.place, sentence));
    }
}

/// What to do about too many days.
const HELP_TOO_MUCH: &str = "end what recurs with UNTIL or COUNT";

/// The days of all events together. None: it was complained about.
fn days_of(events: Vec<Event>, complaints: &mut Complaints) -> Option<BTreeSet<Date>> {
    let mut budget = Budget(MAX_STEPS);
    let mut spans = Vec::new();
    let mut largest = (0, None);
    for event in in_series(events, complaints)? {
        let before = spans.len();
        if let Err(Spent) = add(&event, &mut spans, &mut budget, complaints) {
            let sentence = format!(
                "up to here it takes more than {MAX_STEPS} steps to follow all that recurs in this \
                 file, and no more are taken"
            );
            complaints.error(Problem::at(event.place, sentence).help(HELP_TOO_MUCH));
            return None;
        }
        let size: i64 = spans[before..].iter().map(|span| span.len()).sum();
        if size > largest.0 {
            largest = (size, Some(event.place));
        }
    }
    let spans = merged(spans);
    let size: i64 = spans.iter().map(|span| span.len()).sum();
    if let Some(place) = largest.1
        && usize::try_from(size).is_ok_and(|size| size > MAX_DAYS)
    {
        let sentence = format!(
            "this calendar has {size} days, and may have {MAX_DAYS}; this event has the most of them"
        );
        complaints.error(Problem::at(place, sentence).help(HELP_TOO_MUCH));
        return None;
    }
    let days = spans.iter().flat_map(|span| {
        let days = span.first.series(1.day());
        days.take_while(|day| *day <= span.last)
    });
    Some(days.collect())
}

/// Events that stand in the place of one of a series take it out of that series.
fn in_series(events: Vec<Event>, complaints: &mut Complaints) -> Option<Vec<Event>> {
    let mut known: BTreeMap<(String, Option<Date>), Place> = BTreeMap::new();
    let mut replaced: BTreeMap<String, Vec<Date>> = BTreeMap::new();
    let mut good = true;
    for event in &events {
        let Some((uid, place)) = &event.uid else {
            continue;
        };
        if let Some(first) = known.insert((uid.clone(), event.instead_of), *place) {
            let problem = Problem::at(
                *place,
                "a second event has this UID, and which one counts is not said",
            );
            let problem = problem.also(first, "the first has it here");
            complaints
                .error(problem.help("remove the older one, or give each event a UID of its own"));
            good = false;
        }
        if let Some(day) = event.instead_of {
            replaced.entry(uid.clone()).or_default().push(day);
        }
    }
    let mut counted: Vec<Event> = events
        .into_iter()
        .filter(|event| !event.cancelled)
        .collect();
    for event in counted
        .iter_mut()
        .filter(|event| event.instead_of.is_none())
    {
        let days = event.uid.as_ref().and_then(|(uid, _)| replaced.get(uid));
        event.except.extend(days.into_iter().flatten());
    }
    good.then_some(counted)
}

/// Days in a row, both ends included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Span {
    first: Date,
    last: Date,
}

impl Span {
    fn len(self) -> i64 {
        i64::from((self.last - self.first).get_days()) + 1
    }
}

/// The same days, each once.
fn merged(mut spans: Vec<Span>) -> Vec<Span> {
    spans.sort_unstable();
    let mut merged: Vec<Span> = Vec::new();
    for span in spans {
        match merged.last_mut() {
            Some(before) if span.first <= before.last => before.last = before.last.max(span.last),
            _ => merged.push(span),
        }
    }
    merged
}

/// Adds the days of an event.
fn add(
    event: &Event,
    spans: &mut Vec<Span>,
    budget: &mut Budget,
    complaints: &mut Complaints,
) -> Result<(), Spent> {
    let mut written = std::iter::once(&event.first).chain(&event.more);
    if let Some(day) = written.find(|day| **day > LAST_DAY) {
        let sentence =
            format!("{day} lies behind {LAST_DAY}, the last day that a calendar may have");
        complaints.error(Problem::at(event.place, sentence));
        return Ok(());
    }
    let mut starts = vec![event.first];
    if let Some(repeat) = &event.repeat {
        let repeated = repeat.starts(event.first, budget)?;
        starts = repeated.days;
        if !repeated.in_step {
            let sentence = format!(
                "DTSTART, {}, is no day of this RRULE; it counts as the first one all the same",
                event.first
            );
            complaints.warn(Problem::at(event.place, sentence));
        }
    }
    budget.spend(1 + event.more.len() + event.except.len())?;
    let starts = starts.iter().chain(&event.more);
    let counted = starts.filter(|start| !event.except.contains(start));
    spans.extend(counted.filter_map(|&start| span(start, event.days)));
    Ok(())
}

/// So many days from `start` on, as far as they are looked at.
fn span(start: Date, days: i64) -> Option<Span> {
    let further = jiff::Span::new().try_days(days - 1);
    let last = further.and_then(|further| start.checked_add(further));
    let last = last.unwrap_or(LAST_DAY).min(LAST_DAY);
    let first = start.max(FIRST_DAY);
    (first <= last).then_some(Span { first, last })
}
