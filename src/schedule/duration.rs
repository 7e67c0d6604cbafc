//! Spans of time as people write them: `90s`, `1h30m`, `250ms`, `7d`, `2w`.

use std::fmt::Write as _;
use std::time::Duration;

/// The longest text that is looked at.
const MAX_TEXT: usize = 64;

/// The longest duration, 100 years of 365 days: longer is a slip of the finger, and every sum of an
/// instant and a duration stays within what a timestamp can hold.
const MAX_MILLIS: u64 = 36_500 * 86_400_000;

/// Units, largest first, with their length in milliseconds. A day is 24 hours, a week 7 days.
const UNITS: [(&str, u64); 6] = [
    ("w", 7 * 86_400_000),
    ("d", 86_400_000),
    ("h", 3_600_000),
    ("m", 60_000),
    ("s", 1_000),
    ("ms", 1),
];

/// Why a text is no duration. Each is a whole sentence for people.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DurationError {
    /// Nothing was given.
    #[error("a duration is missing: write a number and a unit, such as \"90s\" or \"1h30m\"")]
    Empty,
    /// More text than any duration needs.
    #[error("a duration has at most {MAX_TEXT} characters, such as \"90s\" or \"1h30m\"")]
    TooMuchText,
    /// A part does not begin with a digit.
    #[error(
        "\"{text}\" is not a duration: a whole number was expected before \"{rest}\"; write \
         \"90s\" or \"1h30m\""
    )]
    NoNumber {
        /// The whole text.
        text: String,
        /// From where it could not be read.
        rest: String,
    },
    /// A number without a unit.
    #[error(
        "\"{text}\" is not a duration: {number} has no unit; write ms, s, m, h, d or w behind it, \
         such as \"{number}s\""
    )]
    NoUnit {
        /// The whole text.
        text: String,
        /// The number.
        number: String,
    },
    /// A unit that does not exist.
    #[error("\"{text}\" is not a duration: \"{unit}\" is no unit; the units are ms, s, m, h, d, w")]
    UnknownUnit {
        /// The whole text.
        text: String,
        /// What stands where the unit should.
        unit: String,
    },
    /// A unit twice, or a larger one after a smaller one.
    #[error(
        "\"{text}\" is not a duration: each unit stands once and the larger one first, such as \
         \"1h30m\""
    )]
    Order {
        /// The whole text.
        text: String,
    },
    /// Longer than the longest.
    #[error("the duration \"{text}\" is too long: the longest is 36500d (100 years)")]
    TooLong {
        /// The whole text.
        text: String,
    },
}

/// Reads a duration: whole numbers, each with one of the units ms, s, m, h, d (24 h) and w (7 d), the
/// larger unit first, no spaces. Zero (`0s`) is a duration; callers refuse it where it has no meaning.
pub fn parse_duration(text: &str) -> Result<Duration, DurationError> {
    if text.is_empty() {
        return Err(DurationError::Empty);
    }
    if text.len() > MAX_TEXT {
        return Err(DurationError::TooMuchText);
    }
    let owned = || text.to_owned();
    let (mut rest, mut millis, mut units) = (text, 0_u64, &UNITS[..]);
    while !rest.is_empty() {
        let (number, tail) = split_where(rest, |c| !c.is_ascii_digit());
        if number.is_empty() {
            let rest = rest.to_owned();
            return Err(DurationError::NoNumber {
                text: owned(),
                rest,
            });
        }
        let (unit, tail) = split_where(tail, |c| c.is_ascii_digit());
        if unit.is_empty() {
            let number = number.to_owned();
            return Err(DurationError::NoUnit {
                text: owned(),
                number,
            });
        }
        if !UNITS.iter().any(|&(name, _)| name == unit) {
            let unit = unit.to_owned();
            return Err(DurationError::UnknownUnit {
                text: owned(),
                unit,
            });
        }
        let Some(place) = units.iter().position(|&(name, _)| name == unit) else {
            return Err(DurationError::Order { text: owned() });
        };
        millis = (number.parse::<u64>().ok())
            .and_then(|n| n.checked_mul(units[place].1))
            .and_then(|n| n.checked_add(millis))
            .filter(|&n| n <= MAX_MILLIS)
            .ok_or_else(|| DurationError::TooLong { text: owned() })?;
        units = &units[place + 1..];
        rest = tail;
    }
    Ok(Duration::from_millis(millis))
}

/// The text before the first character of the kind, and the rest.
fn split_where(text: &str, kind: impl Fn(char) -> bool) -> (&str, &str) {
    text.split_at(text.find(kind).unwrap_or(text.len()))
}

/// The duration as [`parse_duration`] reads it, with days as the largest unit: `1h30m`, `7d`, `0s`.
/// What is finer than a millisecond is left off.
pub fn format_duration(duration: Duration) -> String {
    let mut millis = duration.as_millis();
    let mut text = String::new();
    for (name, length) in &UNITS[1..] {
        let n = millis / u128::from(*length);
        millis %= u128::from(*length);
        if n > 0 {
            write!(text, "{n}{name}").expect("writing to a String cannot fail");
        }
    }
    if text.is_empty() {
        text.push_str("0s");
    }
    text
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_people_write() {
        let table = [
            ("250ms", 250),
            ("90s", 90_000),
            ("1h30m", 5_400_000),
            ("7d", 604_800_000),
            ("2w", 1_209_600_000),
            ("1d12h0m5s7ms", 129_605_007),
            ("0s", 0),
            ("007s", 7_000),
            ("36500d", MAX_MILLIS),
        ];
        for (text, millis) in table {
            assert_eq!(
                parse_duration(text),
                Ok(Duration::from_millis(millis)),
                "{text}"
            );
        }
    }

    #[test]
    fn what_is_refused_says_why() {
        let table = [
            ("", "missing"),
            ("5", "5 has no unit"),
            ("1h30", "30 has no unit"),
            ("5x", "\"x\" is no unit"),
            ("5M", "\"M\" is no unit"),
            ("-5m", "before \"-5m\""),
            ("+5m", "before \"+5m\""),
            ("s", "before \"s\""),
            (" 5s", "before \" 5s\""),
            ("5s ", "\"s \" is no unit"),
            ("1h 30m", "\"h \" is no unit"),
            ("1.5h", "\".\" is no unit"),
            ("５s", "before \"５s\""),
            ("30m1h", "the larger one first"),
            ("1h2h", "each unit stands once"),
            ("36501d", "too long"),
            ("36500d1ms", "too long"),
            ("99999999999999999999s", "too long"),
            ("18446744073709551615w", "too long"),
        ];
        for (text, part) in table {
            let error = parse_duration(text).unwrap_err().to_string();
            assert!(error.contains(part), "{text:?}: {error}");
        }
        assert_eq!(
            parse_duration(&"1".repeat(65)),
            Err(DurationError::TooMuchText)
        );
    }

    proptest! {
        #[test]
        fn written_and_read_back(millis in 0..=MAX_MILLIS) {
            let duration = Duration::from_millis(millis);
            prop_assert_eq!(parse_duration(&format_duration(duration)), Ok(duration));
        }

        #[test]
        fn no_text_panics(text in ".{0,80}", near in "([0-9]{1,3}(ms|s|m|h|d|w|x| )){0,6}") {
            let _ = parse_duration(&text);
            let _ = parse_duration(&near);
        }
    }
}
