//! From text to sets. Strict: what has no one meaning is refused with a sentence.

use super::days::{Combine, Days, DaysOfMonth, DaysOfWeek};
use super::error::{CronError, quoted};
use super::field::{
    self, DAY_OF_MONTH, DAY_OF_WEEK, Fault, Field, HOUR, MINUTE, MONTH, SECOND, YEAR,
};
use super::pattern::{Pattern, Times};
use super::years::{YearSpan, Years};

/// The longest expression that is looked at, in bytes: room for three lists of all sixty values.
pub const MAX_TEXT: usize = 1024;

/// The nicknames and what they stand for.
const NICKNAMES: [(&str, &str); 7] = [
    ("@yearly", "0 0 1 1 *"),
    ("@annually", "0 0 1 1 *"),
    ("@monthly", "0 0 1 * *"),
    ("@weekly", "0 0 * * 0"),
    ("@daily", "0 0 * * *"),
    ("@midnight", "0 0 * * *"),
    ("@hourly", "0 * * * *"),
];

/// What an expression says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parsed {
    /// The sets.
    pub pattern: Pattern,
    /// How it meets clock changes.
    pub kind: Kind,
}

/// How an expression meets a change of the clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Fixed times: each happens once, whatever the clock does.
    Fixed,
    /// A wildcard or a step in seconds, minutes or hours: elapsed time.
    Wildcard,
}

/// Reads an expression; `job` chooses the values of `H`.
pub fn parse(text: &str, job: &str) -> Result<Parsed, CronError> {
    let [second, minute, hour, day_of_month, month, day_of_week, year] = fields(text)?;
    let in_field = |field: &'static Field| move |fault| of_field(text, field, fault);
    let set = |field: &'static Field, value| field::set(field, value, job).map_err(in_field(field));
    let times = Times {
        seconds: set(&SECOND, second)?,
        minutes: set(&MINUTE, minute)?,
        hours: set(&HOUR, hour)?,
    };
    let of_month = days_of_month(day_of_month, job).map_err(in_field(&DAY_OF_MONTH))?;
    let months = set(&MONTH, month)?;
    let (plus, week) = match day_of_week.strip_prefix('+') {
        Some(rest) => (true, rest),
        None => (false, day_of_week),
    };
    let of_week = days_of_week(week, job).map_err(in_field(&DAY_OF_WEEK))?;
    // As in Vixie cron it is the leading `*` that counts, so `*/2` in one field and `MON` in the
    // other means: on Mondays, if the day is odd.
    let open = |field: &str| field.starts_with(['*', '?']);
    let both = plus || open(day_of_month) || open(week);
    let combine = if both { Combine::Both } else { Combine::Either };
    let years = years(year).map_err(in_field(&YEAR))?;
    let pattern = Pattern::new(
        times,
        Days {
            of_month,
            of_week,
            combine,
        },
        months,
        years,
    );
    if !pattern.names_a_day() {
        return Err(CronError::Never {
            expression: quoted(text),
        });
    }
    let repeats = [second, minute, hour]
        .iter()
        .any(|field| field.contains(['*', '/']));
    let kind = if repeats { Kind::Wildcard } else { Kind::Fixed };
    Ok(Parsed { pattern, kind })
}

/// The seven fields: second, minute, hour, day-of-month, month, day-of-week, year.
fn fields(text: &str) -> Result<[&str; 7], CronError> {
    if text.len() > MAX_TEXT {
        return Err(CronError::TooLong { length: text.len() });
    }
    // Space and tab alone separate; anything else that looks like space is an error in its field.
    let words: Vec<&str> = text
        .split([' ', '\t'])
        .filter(|word| !word.is_empty())
        .collect();
    match words[..] {
        [] => Err(CronError::Empty),
        [nickname, ref rest @ ..] if nickname.starts_with('@') => match meaning(nickname)? {
            expression if rest.is_empty() => fields(expression),
            _ => {
                let hint = "a nickname stands alone, without fields".to_owned();
                Err(CronError::Nickname {
                    nickname: quoted(text),
                    hint,
                })
            }
        },
        [m, h, dom, mon, dow] => Ok(["0", m, h, dom, mon, dow, "*"]),
        [s, m, h, dom, mon, dow] => Ok([s, m, h, dom, mon, dow, "*"]),
        [s, m, h, dom, mon, dow, y] => Ok([s, m, h, dom, mon, dow, y]),
        _ => Err(CronError::Fields {
            expression: quoted(text),
            found: words.len(),
        }),
    }
}

fn of_field(expression: &str, field: &'static Field, fault: Fault) -> CronError {
    CronError::Field {
        expression: quoted(expression),
        field: field.name,
        item: quoted(&fault.item),
        problem: fault.problem,
    }
}

fn meaning(nickname: &str) -> Result<&'static str, CronError> {
    if let Some((_, expression)) = NICKNAMES.iter().find(|(name, _)| *name == nickname) {
        return Ok(expression);
    }
    let lower = nickname.to_ascii_lowercase();
    let hint = if lower == "@reboot" {
        "a job that runs when the daemon starts has on = \"startup\" instead of cron".to_owned()
    } else if lower.starts_with("@every") {
        "an interval is written every = \"5m\" instead of cron".to_owned()
    } else if NICKNAMES.iter().any(|(name, _)| *name == lower) {
        format!("nicknames are written in small letters, {lower}")
    } else {
        let names: Vec<&str> = NICKNAMES.iter().map(|(name, _)| *name).collect();
        format!("there are {}", names.join(", "))
    };
    Err(CronError::Nickname {
        nickname: quoted(nickname),
        hint,
    })
}

fn days_of_month(text: &str, job: &str) -> Result<DaysOfMonth, Fault> {
    if text == "?" {
        return Ok(DaysOfMonth::every());
    }
    let mut days = DaysOfMonth::default();
    for item in field::items(text)? {
        match item {
            "L" => days.last = true,
            "LW" => days.last_weekday = true,
            _ => match item.strip_suffix('W') {
                Some(day) => days.nearest |= 1 << nearest_to(item, day)?,
                None => days.plain |= field::item(&DAY_OF_MONTH, item, job)?,
            },
        }
    }
    Ok(days)
}

/// The day of `15W`.
fn nearest_to(item: &str, day: &str) -> Result<u32, Fault> {
    if !day.is_empty() && day.bytes().all(|byte| byte.is_ascii_digit()) {
        return field::value(&DAY_OF_MONTH, item, day);
    }
    Err(Fault::new(
        item,
        "W stands behind one day of the month, as in 15W, or behind L, as in LW",
    ))
}

fn days_of_week(text: &str, job: &str) -> Result<DaysOfWeek, Fault> {
    if text == "?" {
        return Ok(DaysOfWeek::every());
    }
    let mut days = DaysOfWeek::default();
    for item in field::items(text)? {
        if let Some((weekdays, which)) = item.split_once('#') {
            let weekdays = field::weekdays(item, weekdays)?;
            match which {
                "L" => days.last |= weekdays,
                "1" | "2" | "3" | "4" | "5" => {
                    let n = which.parse::<u32>().expect("it is one of five digits");
                    for weekday in super::bits::members(weekdays) {
                        days.nth[weekday as usize] |= 1 << n;
                    }
                }
                _ => {
                    let problem = "behind # stands 1 to 5 for the first to the fifth of the month, or L for the last";
                    return Err(Fault::new(item, problem));
                }
            }
        } else if let Some(weekdays) = item.strip_suffix('L') {
            days.last |= field::weekdays(item, weekdays)?;
        } else {
            days.plain |= field::item(&DAY_OF_WEEK, item, job)?;
        }
    }
    Ok(days)
}

fn years(text: &str) -> Result<Years, Fault> {
    if text == "*" {
        return Ok(Years::Any);
    }
    let mut spans = Vec::new();
    for item in field::items(text)? {
        if item.starts_with('H') {
            return Err(Fault::new(item, "H has no meaning in the year field"));
        }
        let (from, to, step) = field::range(&YEAR, item)?;
        spans.push(YearSpan {
            from: from.into(),
            to: to.into(),
            step: step.into(),
        });
    }
    Ok(Years::Some(spans))
}
