//! One field: its values, names, ranges, steps and `H`.

use super::bits;
use crate::schedule::steady;

/// What may stand in a field.
#[derive(Debug)]
pub struct Field {
    /// As errors call it.
    pub name: &'static str,
    min: u32,
    max: u32,
    /// How many different values there are; in day-of-week 0 and 7 are one.
    count: u32,
    /// Names of values, the first of them for `first_name`.
    names: &'static [&'static str],
    first_name: u32,
    /// The largest value that `H` chooses by itself.
    hash_max: u32,
}

const MONTHS: [&str; 12] = [
    "JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC",
];
const WEEKDAYS: [&str; 7] = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"];

const fn numbers(name: &'static str, min: u32, max: u32) -> Field {
    let (names, count): (&[&str], u32) = (&[], max - min + 1);
    Field {
        name,
        min,
        max,
        count,
        names,
        first_name: 0,
        hash_max: max,
    }
}

pub static SECOND: Field = numbers("second", 0, 59);
pub static MINUTE: Field = numbers("minute", 0, 59);
pub static HOUR: Field = numbers("hour", 0, 23);
/// `H` stays within the days that every month has.
pub static DAY_OF_MONTH: Field = Field {
    hash_max: 28,
    ..numbers("day-of-month", 1, 31)
};
pub static MONTH: Field = Field {
    names: &MONTHS,
    first_name: 1,
    ..numbers("month", 1, 12)
};
pub static DAY_OF_WEEK: Field = Field {
    names: &WEEKDAYS,
    count: 7,
    hash_max: 6,
    ..numbers("day-of-week", 0, 7)
};
pub static YEAR: Field = numbers("year", 1970, 9999);

/// What is wrong with a field.
#[derive(Debug)]
pub struct Fault {
    /// The offending part.
    pub item: String,
    /// What is wrong with it, and what would be right.
    pub problem: String,
}

impl Fault {
    pub fn new(item: &str, problem: impl Into<String>) -> Self {
        Self {
            item: item.to_owned(),
            problem: problem.into(),
        }
    }
}

/// The set of a field of plain values.
pub fn set(field: &Field, text: &str, job: &str) -> Result<u64, Fault> {
    let mut set = 0;
    for part in items(text)? {
        set |= item(field, part, job)?;
    }
    Ok(set)
}

/// The items of a list, none of them empty.
pub fn items(text: &str) -> Result<impl Iterator<Item = &str>, Fault> {
    if text.split(',').any(str::is_empty) {
        let problem = if text.is_empty() {
            "there is no value"
        } else {
            "a comma stands between two values, and here one is missing"
        };
        return Err(Fault::new(text, problem));
    }
    Ok(text.split(','))
}

/// The set of one item.
pub fn item(field: &Field, item: &str, job: &str) -> Result<u64, Fault> {
    let (low, high, step) = match item.strip_prefix('H') {
        Some(rest) => hashed(field, item, rest, job)?,
        None => range(field, item)?,
    };
    Ok(fold_sunday(field, bits::span(low, high, step)))
}

/// The weekdays in front of `#` or `L`: one, or a range.
pub fn weekdays(item: &str, text: &str) -> Result<u64, Fault> {
    if text.is_empty() || text.contains(['*', '/']) {
        let problem = "a weekday or a range of them stands before # and L, as in FRI#L or MON#1";
        return Err(Fault::new(item, problem));
    }
    let (low, high) = bounds(&DAY_OF_WEEK, item, text)?;
    Ok(fold_sunday(&DAY_OF_WEEK, bits::range(low, high)))
}

/// In day-of-week 7 is 0.
fn fold_sunday(field: &Field, set: u64) -> u64 {
    if field.count == 7 {
        (set | set >> 7) & 0x7f
    } else {
        set
    }
}

/// The first value, the last value and the step of an item without `H`.
pub fn range(field: &Field, item: &str) -> Result<(u32, u32, u32), Fault> {
    let (base, step) = split_step(field, item)?;
    if base == "*" {
        // `*` is each day of the week once, so that a step meets Sunday at one end alone.
        let max = if field.count == 7 { 6 } else { field.max };
        return Ok((field.min, max, step.unwrap_or(1)));
    }
    if step.is_some() && !base.contains('-') {
        let problem = format!(
            "a step stands behind * or a range, as in */{0} or {1}-{2}/{0}",
            step.unwrap_or(1),
            if base.is_empty() {
                field.min.to_string()
            } else {
                base.to_owned()
            },
            field.max,
        );
        return Err(Fault::new(item, problem));
    }
    let (low, high) = bounds(field, item, base)?;
    Ok((low, high, step.unwrap_or(1)))
}

/// The two ends of `a-b`, or `a` twice.
fn bounds(field: &Field, item: &str, text: &str) -> Result<(u32, u32), Fault> {
    let Some((low, high)) = text.split_once('-') else {
        let value = value(field, item, text)?;
        return Ok((value, value));
    };
    let (first, mut last) = (value(field, item, low)?, value(field, item, high)?);
    // The week may be seen as ending with Sunday: FRI-SUN. A number says which one it means.
    if field.count == 7 && high.eq_ignore_ascii_case("SUN") && first > 0 {
        last = 7;
    }
    if first > last {
        let problem = format!(
            "a range runs upwards; for both ends of the field write a list, as in {low}-{0},{1}-{high}",
            if field.count == 7 { 6 } else { field.max },
            field.min,
        );
        return Err(Fault::new(item, problem));
    }
    Ok((first, last))
}

/// `item` without its step, and the step.
fn split_step<'a>(field: &Field, item: &'a str) -> Result<(&'a str, Option<u32>), Fault> {
    let Some((base, step)) = item.split_once('/') else {
        return Ok((item, None));
    };
    let number = digits(step).filter(|&step| step > 0);
    let Some(number) = number else {
        let problem = "behind / stands one whole number from 1 up, as in */5";
        return Err(Fault::new(item, problem));
    };
    if number > field.count {
        let problem = format!(
            "a step of {} is larger than the field, which has {} values; for longer intervals \
             write every instead of cron",
            step.trim_start_matches('0'),
            field.count,
        );
        return Err(Fault::new(item, problem));
    }
    Ok((base, Some(number)))
}

/// `H`, `H/15`, `H(0-29)`, `H(0-29)/10`; `rest` is what stands behind the `H`.
fn hashed(field: &Field, item: &str, rest: &str, job: &str) -> Result<(u32, u32, u32), Fault> {
    let (base, step) = split_step(field, rest).map_err(|fault| Fault::new(item, fault.problem))?;
    let (low, high) = if base.is_empty() {
        (field.min, field.hash_max)
    } else {
        let inner = base
            .strip_prefix('(')
            .and_then(|base| base.strip_suffix(')'));
        let Some(inner) = inner.filter(|inner| inner.contains('-')) else {
            let problem = "H stands alone, with a range as in H(0-29), or with a step as in H/15";
            return Err(Fault::new(item, problem));
        };
        bounds(field, item, inner)?
    };
    let values = high - low + 1;
    match step {
        None => {
            let value = low + steady::choice(field.name, job, values);
            Ok((value, value, 1))
        }
        Some(step) if step <= values => {
            Ok((low + steady::choice(field.name, job, step), high, step))
        }
        Some(step) => {
            let problem =
                format!("a step of {step} is larger than the {values} values it steps over");
            Err(Fault::new(item, problem))
        }
    }
}

/// One value: a number or a name of the field.
pub fn value(field: &Field, item: &str, text: &str) -> Result<u32, Fault> {
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        return digits(text)
            .filter(|n| (field.min..=field.max).contains(n))
            .ok_or_else(|| {
                let problem = format!("{} runs from {} to {}", field.name, field.min, field.max);
                Fault::new(item, problem)
            });
    }
    if let Some(place) = field
        .names
        .iter()
        .position(|name| name.eq_ignore_ascii_case(text))
    {
        return Ok(field.first_name + u32::try_from(place).expect("there are at most twelve names"));
    }
    Err(Fault::new(item, not_a_value(field, text)))
}

/// Digits and nothing else, as a number; more than a `u32` holds is none.
fn digits(text: &str) -> Option<u32> {
    let plain = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if plain { text.parse().ok() } else { None }
}

/// Why a text is no value of the field.
fn not_a_value(field: &Field, text: &str) -> String {
    let named = |names: &[&str]| names.iter().any(|name| name.eq_ignore_ascii_case(text));
    let numbers = format!("{} to {}", field.min, field.max);
    if text.is_empty() {
        return format!("a value is missing; {} takes {numbers}", field.name);
    }
    if text == "?" {
        return "? stands alone in day-of-month or day-of-week, and nowhere else".to_owned();
    }
    if named(&MONTHS) || named(&WEEKDAYS) {
        let kind = if named(&MONTHS) {
            "month"
        } else {
            "day-of-week"
        };
        return format!(
            "the name belongs into the {kind} field; {} takes {numbers}",
            field.name
        );
    }
    match (field.names.first(), field.names.last()) {
        (Some(first), Some(last)) => {
            format!(
                "that is no value; {} takes {numbers} or {first} to {last}",
                field.name
            )
        }
        _ => format!("that is no value; {} takes {numbers}", field.name),
    }
}
