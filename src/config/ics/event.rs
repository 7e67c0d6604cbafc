//! One `VEVENT`: the days that it takes, and which of its series it stands for.

use std::collections::BTreeSet;

use jiff::civil::Date;

use super::super::report::{Complaints, Place, Problem};
use super::super::words;
use super::lines::Line;
use super::rule::{self, Repeat};

/// The properties that have to do with days. Others are for people and programs that show them.
const PROPERTIES: [&str; 10] = [
    "DTSTART",
    "DTEND",
    "DURATION",
    "RRULE",
    "EXRULE",
    "RDATE",
    "EXDATE",
    "RECURRENCE-ID",
    "STATUS",
    "UID",
];

/// Seconds of a day.
const DAY: i64 = 86_400;

/// The lines of an event while it is being read.
#[derive(Debug)]
pub(super) struct Written {
    begin: Place,
    lines: Vec<Line>,
}

/// An event.
#[derive(Debug)]
pub(super) struct Event {
    /// The line that its days come from, for complaints.
    pub place: Place,
    /// Its own name, with the place of that.
    pub uid: Option<(String, Place)>,
    /// Its first day.
    pub first: Date,
    /// How many days each time.
    pub days: i64,
    pub repeat: Option<Repeat>,
    /// Further first days.
    pub more: Vec<Date>,
    /// First days that do not count.
    pub except: BTreeSet<Date>,
    /// The first day of its series in whose place it stands.
    pub instead_of: Option<Date>,
    /// It does not take place.
    pub cancelled: bool,
}

impl Written {
    pub(super) fn begun(begin: Place) -> Self {
        Self {
            begin,
            lines: Vec::new(),
        }
    }

    /// Keeps a line that has to do with days.
    pub(super) fn take(&mut self, line: Line) {
        if PROPERTIES.contains(&line.name.as_str()) {
            self.lines.push(line);
        }
    }

    /// What the lines mean. None: it takes no day whatever else it says, or was complained about.
    pub(super) fn event(&self, complaints: &mut Complaints) -> Option<Event> {
        for name in PROPERTIES
            .iter()
            .filter(|name| !["RDATE", "EXDATE"].contains(name))
        {
            let mut lines = self.all(name);
            if let (Some(first), Some(second)) = (lines.next(), lines.next()) {
                let sentence = format!("this event has a second {name}");
                let problem = Problem::at(second.place, sentence);
                complaints.error(problem.also(first.place, "the first is here"));
                return None;
            }
        }
        let cancelled = match self.one("STATUS") {
            None => false,
            Some(line) => match line.value.trim().to_ascii_uppercase().as_str() {
                "CANCELLED" => true,
                "CONFIRMED" | "TENTATIVE" => false,
                _ => {
                    let sentence = "the STATUS of an event is CONFIRMED, TENTATIVE or CANCELLED";
                    complaints.error(Problem::at(line.place, sentence));
                    return None;
                }
            },
        };
        let instead_of = match self.one("RECURRENCE-ID") {
            Some(line) => Some(self.instead_of(line, complaints)?),
            None if cancelled => return None,
            None => None,
        };
        let uid = self.one("UID");
        let uid = uid.map(|line| (line.value.clone(), line.place));
        if cancelled {
            let first = instead_of?;
            return Some(Event::of_one_day(self.begin, uid, first));
        }
        self.taking_place(uid, instead_of, complaints)
    }

    fn taking_place(
        &self,
        uid: Option<(String, Place)>,
        instead_of: Option<Date>,
        complaints: &mut Complaints,
    ) -> Option<Event> {
        let Some(start) = self.one("DTSTART") else {
            let problem = Problem::at(self.begin, "this event has no DTSTART");
            complaints.error(problem.help("give it its day: `DTSTART;VALUE=DATE:20261225`"));
            return None;
        };
        let first = day(start, &start.value, complaints)?;
        let days = self.days(start, first, complaints)?;
        let rule = self.one("RRULE").map(|line| repeat(line, complaints));
        let repeat = match rule {
            Some(read) => Some(read?),
            None => None,
        };
        if let Some(line) = self.one("EXRULE") {
            let problem = Problem::at(line.place, "EXRULE is not understood");
            complaints.error(problem.help("list the days that do not count with EXDATE"));
            return None;
        }
        let more = self.dates("RDATE", complaints)?;
        let except = self.dates("EXDATE", complaints)?;
        if instead_of.is_some() && (repeat.is_some() || !more.is_empty()) {
            let sentence =
                "an event with a RECURRENCE-ID is one of a series, and cannot recur itself";
            complaints.error(Problem::at(self.begin, sentence));
            return None;
        }
        let place = self.one("RRULE").unwrap_or(start).place;
        Some(Event {
            place,
            uid,
            first,
            days,
            repeat,
            more,
            except: except.into_iter().collect(),
            instead_of,
            cancelled: false,
        })
    }

    fn all(&self, name: &str) -> impl Iterator<Item = &Line> {
        self.lines.iter().filter(move |line| line.name == name)
    }

    fn one(&self, name: &str) -> Option<&Line> {
        self.all(name).next()
    }

    /// The days of all lines of a name.
    fn dates(&self, name: &str, complaints: &mut Complaints) -> Option<Vec<Date>> {
        let mut dates = Vec::new();
        for line in self.all(name) {
            for text in line.value.split(',') {
                dates.push(day(line, text, complaints)?);
            }
        }
        Some(dates)
    }

    fn instead_of(&self, line: &Line, complaints: &mut Complaints) -> Option<Date> {
        if line.param("RANGE").is_some() {
            let sentence = "a change of this and all later times of a series is not understood";
            let problem = Problem::at(line.place, sentence);
            complaints.error(problem.help("end the series with UNTIL, and begin another event"));
            return None;
        }
        if self.one("UID").is_none() {
            let sentence = "this RECURRENCE-ID belongs to no series: the event has no UID";
            complaints.error(Problem::at(line.place, sentence));
            return None;
        }
        day(line, &line.value, complaints)
    }

    /// How many days the event takes each time.
    fn days(&self, start: &Line, first: Date, complaints: &mut Complaints) -> Option<i64> {
        match (self.one("DTEND"), self.one("DURATION")) {
            (Some(end), Some(duration)) => {
                let problem = Problem::at(duration.place, "this event has both DTEND and DURATION");
                complaints.error(problem.also(end.place, "DTEND is here"));
                None
            }
            (Some(line), None) => {
                let end = day(line, &line.value, complaints)?;
                let days = i64::from((end - first).get_days());
                if days < 1 {
                    let sentence =
                        "DTEND is the day after the last, so it must be later than DTSTART";
                    complaints.error(Problem::at(line.place, sentence));
                }
                (days >= 1).then_some(days)
            }
            (None, Some(line)) => {
                let days = whole_days(&line.value);
                if days.is_none() {
                    let problem =
                        Problem::at(line.place, "this DURATION is no number of whole days");
                    complaints.error(problem.help("such as P1D or P2W"));
                }
                days
            }
            (None, None) if start.value.len() > 8 => {
                refuse_time(start, complaints);
                None
            }
            (None, None) => Some(1),
        }
    }
}

impl Event {
    /// A day of a series that does not take place.
    fn of_one_day(place: Place, uid: Option<(String, Place)>, first: Date) -> Self {
        Self {
            place,
            uid,
            first,
            days: 1,
            repeat: None,
            more: Vec::new(),
            except: BTreeSet::new(),
            instead_of: Some(first),
            cancelled: true,
        }
    }
}

fn repeat(line: &Line, complaints: &mut Complaints) -> Option<Repeat> {
    match rule::read(&line.value) {
        Ok(repeat) => Some(repeat),
        Err(sentence) => {
            let problem = Problem::at(line.place, sentence);
            complaints.error(problem.help(format!("what may stand there: {}", rule::PARTS)));
            None
        }
    }
}

/// A day: a date, or midnight of no zone, with which some programs write the days of whole-day
/// events.
fn day(line: &Line, text: &str, complaints: &mut Complaints) -> Option<Date> {
    let kind = line.param("VALUE");
    let timed = text.len() > 8 && text.as_bytes()[8].eq_ignore_ascii_case(&b'T');
    let midnight = text.get(9..) == Some("000000") && line.param("TZID").is_none();
    match kind.as_deref() {
        None | Some("DATE-TIME") if timed && !midnight => refuse_time(line, complaints),
        Some("PERIOD") => refuse_time(line, complaints),
        None | Some("DATE-TIME") if timed => return date(line, text, &text[..8], complaints),
        None | Some("DATE") => return date(line, text, text, complaints),
        Some(_) => {
            date(line, text, "", complaints);
        }
    }
    None
}

fn date(line: &Line, text: &str, digits: &str, complaints: &mut Complaints) -> Option<Date> {
    let date = day_of(digits);
    if date.is_none() {
        let sentence = format!("{} in {} is no date", words::quoted(text), line.name);
        complaints.error(Problem::at(line.place, sentence).help("such as 20261225"));
    }
    date
}

fn refuse_time(line: &Line, complaints: &mut Complaints) {
    let sentence = format!(
        "{} has a time of day, and a calendar excludes whole days: only all-day events count",
        line.name
    );
    complaints.error(Problem::at(line.place, sentence).help(
        "make it an all-day event, as in `DTSTART;VALUE=DATE:20261225`, or keep it in another file",
    ));
}

/// A date in eight digits.
pub(super) fn day_of(text: &str) -> Option<Date> {
    let plain = text.len() == 8 && text.bytes().all(|byte| byte.is_ascii_digit());
    if !plain {
        return None;
    }
    let (year, month, day) = (&text[..4], &text[4..6], &text[6..]);
    Date::new(year.parse().ok()?, month.parse().ok()?, day.parse().ok()?).ok()
}

/// The days of a duration such as `P1D`, `P2W` or `PT24H`; none: not a whole number of them.
fn whole_days(text: &str) -> Option<i64> {
    let text = text.strip_prefix('+').unwrap_or(text);
    let (days, time) = match text.strip_prefix('P')?.split_once('T') {
        Some((days, time)) if !time.is_empty() => (days, time),
        Some(_) => return None,
        None => (text.strip_prefix('P')?, ""),
    };
    if days.is_empty() && time.is_empty() {
        return None;
    }
    let days = seconds(days, &[('W', 7 * DAY), ('D', DAY)])?;
    let time = seconds(time, &[('H', 3_600), ('M', 60), ('S', 1)])?;
    let whole = days.checked_add(time)?;
    (whole > 0 && whole % DAY == 0).then_some(whole / DAY)
}

/// Numbers with units, each unit at most once and in order.
fn seconds(text: &str, units: &[(char, i64)]) -> Option<i64> {
    let mut rest = text;
    let mut sum = 0_i64;
    for &(unit, length) in units {
        let Some((number, behind)) = rest.split_once(unit) else {
            continue;
        };
        let plain = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
        let number: i64 = number.parse().ok().filter(|_| plain)?;
        sum = sum.checked_add(number.checked_mul(length)?)?;
        rest = behind;
    }
    rest.is_empty().then_some(sum)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_of_whole_days() {
        for (text, days) in [
            ("P1D", Some(1)),
            ("+P2W", Some(14)),
            ("P1W1D", Some(8)),
            ("PT24H", Some(1)),
            ("P1DT0H0M0S", Some(1)),
            ("P1DT23H59M60S", Some(2)),
            ("P", None),
            ("PT", None),
            ("P1DT", None),
            ("P0D", None),
            ("-P1D", None),
            ("PT1H", None),
            ("P1H", None),
            ("P1D1W", None),
            ("P+1D", None),
            ("P99999999999999999999D", None),
            ("P9223372036854775807W", None),
            ("1D", None),
        ] {
            assert_eq!(whole_days(text), days, "{text}");
        }
    }
}
