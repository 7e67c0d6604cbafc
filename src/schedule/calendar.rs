//! Calendars: named sets of days on which a job does not run.

use std::fmt::Write as _;

use jiff::ToSpan;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};

/// Days by a name, such as the holidays of a country.
///
/// The schedule history of the ledger keeps it as `{"calendar": "holidays", "days": "2026-12-25/12-26
/// 2027-01-01 05-01"}`: runs of days in order, with the year where it is not that of the day before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Kept", into = "Kept")]
pub struct Calendar {
    name: String,
    runs: Vec<Run>,
}

/// Days in a row, both ends included, as numbers of days since 1970-01-01.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Run {
    first: i32,
    last: i32,
}

/// The form in the ledger. It may gain fields, and never loses or renames one.
#[derive(Serialize, Deserialize)]
struct Kept {
    calendar: String,
    days: String,
}

impl Calendar {
    /// A calendar of these days, in any order.
    pub fn new(name: impl Into<String>, days: impl IntoIterator<Item = Date>) -> Self {
        let mut numbers: Vec<i32> = days.into_iter().map(number).collect();
        numbers.sort_unstable();
        let mut runs: Vec<Run> = Vec::new();
        for day in numbers {
            match runs.last_mut() {
                Some(run) if day <= run.last + 1 => run.last = day,
                _ => runs.push(Run {
                    first: day,
                    last: day,
                }),
            }
        }
        runs.shrink_to_fit();
        Self {
            name: name.into(),
            runs,
        }
    }

    /// What the config calls it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// How many days it has.
    pub fn day_count(&self) -> usize {
        let days = self.runs.iter().map(|run| run.last - run.first + 1);
        days.map(|days| usize::try_from(days).unwrap_or(0)).sum()
    }

    /// Its last day.
    pub fn last_day(&self) -> Option<Date> {
        self.runs.last().map(|run| date(run.last))
    }

    /// Whether it has this day.
    pub fn contains(&self, day: Date) -> bool {
        matches!(self.look(number(day)), Look::In { .. })
    }

    fn look(&self, day: i32) -> Look {
        let place = self.runs.partition_point(|run| run.last < day);
        match self.runs.get(place) {
            Some(run) if run.first <= day => Look::In { through: run.last },
            Some(run) => Look::Out {
                through: run.first - 1,
            },
            None => Look::Out { through: i32::MAX },
        }
    }
}

/// Whether a calendar has a day, and the last day in a row for which that is so.
enum Look {
    In { through: i32 },
    Out { through: i32 },
}

/// The first of the calendars that has this day, by its place in the list, and the last day in a row
/// of which the same is to say.
pub(super) fn look(calendars: &[impl AsRef<Calendar>], day: i32) -> (Option<usize>, i32) {
    let mut clear = i32::MAX;
    for (place, calendar) in calendars.iter().enumerate() {
        match calendar.as_ref().look(day) {
            // An earlier one that begins within this run takes over there.
            Look::In { through } => return (Some(place), through.min(clear)),
            Look::Out { through } => clear = clear.min(through),
        }
    }
    (None, clear)
}

/// 1970-01-01.
const EPOCH: Date = Date::constant(1970, 1, 1);

fn number(date: Date) -> i32 {
    (date - EPOCH).get_days()
}

/// The date of a number that came from a date.
fn date(number: i32) -> Date {
    EPOCH.saturating_add(number.days())
}

impl From<Calendar> for Kept {
    fn from(calendar: Calendar) -> Self {
        let mut days = String::new();
        let mut year = None;
        for run in &calendar.runs {
            let (first, last) = (date(run.first), date(run.last));
            if !days.is_empty() {
                days.push(' ');
            }
            write_day(&mut days, first, &mut year);
            if first != last {
                days.push('/');
                write_day(&mut days, last, &mut year);
            }
        }
        Self {
            calendar: calendar.name,
            days,
        }
    }
}

fn write_day(text: &mut String, day: Date, year: &mut Option<i16>) {
    let written = if year.replace(day.year()) == Some(day.year()) {
        write!(text, "{}", day.strftime("%m-%d"))
    } else {
        write!(text, "{day}")
    };
    written.expect("writing to a string cannot fail");
}

/// Days that the ledger holds and this version cannot read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("\"{text}\" is no day or run of days of a calendar")]
pub struct DaysError {
    text: String,
}

impl TryFrom<Kept> for Calendar {
    type Error = DaysError;

    fn try_from(kept: Kept) -> Result<Self, DaysError> {
        let mut year = None;
        let mut runs: Vec<Run> = Vec::new();
        for text in kept.days.split_ascii_whitespace() {
            let (first, last) = text.split_once('/').unwrap_or((text, text));
            let run = read_day(first, &mut year)
                .and_then(|first| Some((first, read_day(last, &mut year)?)))
                .map(|(first, last)| Run { first, last })
                .filter(|run| run.first <= run.last)
                .filter(|run| runs.last().is_none_or(|before| before.last < run.first));
            runs.push(run.ok_or_else(|| DaysError {
                text: text.chars().take(40).collect(),
            })?);
        }
        Ok(Self {
            name: kept.calendar,
            runs,
        })
    }
}

fn read_day(text: &str, year: &mut Option<i16>) -> Option<i32> {
    let date: Date = match (text.len(), *year) {
        (5, Some(year)) => format!("{year:04}-{text}").parse().ok()?,
        _ => text.parse().ok()?,
    };
    *year = Some(date.year());
    Some(number(date))
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil::date as day;
    use proptest::prelude::*;

    fn calendar(days: &[Date]) -> Calendar {
        Calendar::new("c", days.iter().copied())
    }

    /// Ledgers hold this form.
    #[test]
    fn its_form_in_the_ledger_never_changes() {
        let holidays = Calendar::new(
            "holidays",
            [
                day(2026, 12, 26),
                day(2026, 12, 25),
                day(2027, 1, 1),
                day(2027, 5, 1),
                day(2027, 12, 31),
                day(2028, 1, 1),
                day(2028, 1, 6),
                day(2027, 5, 1),
            ],
        );
        let text = r#"{"calendar":"holidays","days":"2026-12-25/12-26 2027-01-01 05-01 12-31/2028-01-01 01-06"}"#;
        assert_eq!(serde_json::to_string(&holidays).unwrap(), text);
        assert_eq!(serde_json::from_str::<Calendar>(text).unwrap(), holidays);
        assert_eq!(
            (holidays.day_count(), holidays.last_day()),
            (7, Some(day(2028, 1, 6)))
        );
        let read = |days: &str| {
            Calendar::try_from(Kept {
                calendar: "c".to_owned(),
                days: days.to_owned(),
            })
        };
        for wrong in [
            "x",
            "01-01",
            "2026-13-01",
            "2026-01-02 01-02",
            "2026-01-02/01-01",
            "2026-01-02 01-01",
            "2026-01-02/",
        ] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
        assert_eq!(read("").unwrap().day_count(), 0);
    }

    proptest! {
        /// It has the days that it was made of and no other, before and after the ledger.
        #[test]
        fn it_is_a_set(mut days in prop::collection::vec(-200..200_i32, 0..60)) {
            let calendar = Calendar::new("c", days.iter().map(|&n| date(n)));
            let kept = serde_json::to_string(&calendar).unwrap();
            let read: Calendar = serde_json::from_str(&kept).unwrap();
            prop_assert_eq!(&read, &calendar);
            for n in -210..210 {
                prop_assert_eq!(calendar.contains(date(n)), days.contains(&n));
            }
            days.sort_unstable();
            days.dedup();
            prop_assert_eq!(calendar.day_count(), days.len());
            prop_assert_eq!(calendar.last_day(), days.last().map(|&n| date(n)));
        }

        /// What a look says holds for each day up to where it says so, and not for the one after.
        #[test]
        fn a_look_holds_as_far_as_it_says(
            lists in prop::collection::vec(prop::collection::vec(0..40_i32, 0..20), 0..4),
            from in -5..45_i32,
        ) {
            let calendars: Vec<_> = lists
                .iter()
                .map(|days| std::sync::Arc::new(calendar(&days.iter().map(|&n| date(n)).collect::<Vec<_>>())))
                .collect();
            let which = |day: i32| lists.iter().position(|days| days.contains(&day));
            let (found, through) = look(&calendars, from);
            prop_assert_eq!(found, which(from));
            prop_assert!(through >= from);
            for day in from..=through.min(60) {
                prop_assert_eq!(which(day), found);
            }
            if through < 60 {
                prop_assert_ne!(which(through + 1), found);
            }
        }
    }
}
