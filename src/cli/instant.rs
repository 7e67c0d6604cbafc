//! Instants as people write them on the command line.

use std::time::Duration;

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

use crate::clock;
use crate::schedule::{parse_duration, parse_instant};

/// A time since when: RFC 3339 (`2026-12-01T09:00:00+01:00`), a local date or time (`2026-12-01`,
/// `2026-12-01T09:00`), or how long ago (`90m`, `7d`).
pub(super) fn ago(text: &str) -> Result<Timestamp, String> {
    parse(text, clock::now(), &TimeZone::system(), Direction::Ago)
}

/// A time until when: as [`ago`], but a span is from now on.
pub(super) fn ahead(text: &str) -> Result<Timestamp, String> {
    parse(text, clock::now(), &TimeZone::system(), Direction::Ahead)
}

/// A time on the clock of `local`: as [`ago`], or `now`, or a span from `origin`: `+1d` and `1d` are
/// after it, `-1d` is before it.
pub(super) fn around(
    text: &str,
    origin: Timestamp,
    now: Timestamp,
    local: &TimeZone,
) -> Result<Timestamp, String> {
    if text == "now" {
        return Ok(from_whole_second(now, Duration::ZERO));
    }
    match text.strip_prefix('-') {
        Some(span) if parse_duration(span).is_ok() => parse(span, origin, local, Direction::Ago),
        _ => {
            let unsigned = text.strip_prefix('+').unwrap_or(text);
            parse(unsigned, origin, local, Direction::Ahead)
        }
    }
}

/// Where a span leads from now.
#[derive(Debug, Clone, Copy)]
enum Direction {
    Ago,
    Ahead,
}

fn parse(
    text: &str,
    now: Timestamp,
    local: &TimeZone,
    direction: Direction,
) -> Result<Timestamp, String> {
    let (beside, beyond) = match direction {
        Direction::Ago => ("how long ago", format!("{text:?} ago is before all time")),
        Direction::Ahead => (
            "how long from now",
            format!("{text:?} from now is after all time"),
        ),
    };
    if let Ok(span) = parse_duration(text) {
        let instant = match direction {
            Direction::Ago => now.checked_sub(span),
            Direction::Ahead => from_whole_second(now, span).checked_add(span),
        };
        return instant.map_err(|_| beyond);
    }
    if let Ok(instant) = parse_instant(text) {
        return Ok(instant);
    }
    let here = text.parse::<DateTime>().ok();
    here.and_then(|here| local.to_timestamp(here).ok())
        .ok_or_else(|| {
            format!(
                "{text:?} is no time: write 2026-12-01T09:00:00+01:00, a local date or time such as \
                 2026-12-01 or 2026-12-01T09:00, or {beside}, such as 90m"
            )
        })
}

/// From when a span of whole seconds leads to a whole second: nobody means the fraction of now.
fn from_whole_second(now: Timestamp, span: Duration) -> Timestamp {
    if span.subsec_nanos() == 0 {
        Timestamp::from_second(now.as_second()).unwrap_or(now)
    } else {
        now
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stretch_of_time_may_be_written_by_its_length() {
        let local = TimeZone::get("Europe/Paris").unwrap();
        let now = "2026-12-02T00:00:00.25Z".parse().unwrap();
        let origin = "2026-12-01T00:00:00Z".parse().unwrap();
        for (text, expected) in [
            ("now", "2026-12-02T00:00:00Z"),
            ("+90m", "2026-12-01T01:30:00Z"),
            ("90m", "2026-12-01T01:30:00Z"),
            ("-90m", "2026-11-30T22:30:00Z"),
            ("2026-12-01T09:00", "2026-12-01T08:00:00Z"),
            ("2026-12-01T09:00Z", "2026-12-01T09:00:00Z"),
        ] {
            let expected = expected.parse().unwrap();
            assert_eq!(around(text, origin, now, &local), Ok(expected), "{text}");
        }
        for text in ["", "-", "+", "+-1h", "--1h", "-now", "yesterday"] {
            assert!(around(text, origin, now, &local).is_err(), "{text}");
        }
    }

    #[test]
    fn people_write_instants_in_many_ways() {
        let now: Timestamp = "2026-12-02T00:00:00Z".parse().unwrap();
        let local = TimeZone::get("Europe/Paris").unwrap();
        for (text, expected) in [
            ("2026-12-01T09:00:00+01:00", "2026-12-01T08:00:00Z"),
            ("2026-12-01T09:00:00Z", "2026-12-01T09:00:00Z"),
            ("2026-12-01", "2026-11-30T23:00:00Z"),
            ("2026-12-01T09:00", "2026-12-01T08:00:00Z"),
            ("2026-12-01 09:00:30", "2026-12-01T08:00:30Z"),
            ("90m", "2026-12-01T22:30:00Z"),
            ("1d", "2026-12-01T00:00:00Z"),
        ] {
            let expected = expected.parse().unwrap();
            assert_eq!(
                parse(text, now, &local, Direction::Ago),
                Ok(expected),
                "{text}"
            );
        }
        let ahead = parse("90m", now, &local, Direction::Ahead);
        assert_eq!(ahead, Ok("2026-12-02T01:30:00Z".parse().unwrap()));
        let later = now + jiff::SignedDuration::from_millis(250);
        for (text, expected) in [
            ("90m", "2026-12-02T01:30:00Z"),
            ("500ms", "2026-12-02T00:00:00.75Z"),
        ] {
            let ahead = parse(text, later, &local, Direction::Ahead);
            assert_eq!(ahead, Ok(expected.parse().unwrap()), "{text}");
        }
        for text in ["", "tomorrow", "2026-13-01", "1", "-1h", "2026-12-01T25:00"] {
            assert!(parse(text, now, &local, Direction::Ago).is_err(), "{text}");
        }
    }
}
