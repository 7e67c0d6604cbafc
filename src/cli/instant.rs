//! Instants as people write them on the command line.

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

use crate::schedule::parse_duration;

/// Reads RFC 3339 (`2026-12-01T09:00:00+01:00`), a local date or time (`2026-12-01`,
/// `2026-12-01T09:00`), or how long ago (`90m`, `7d`).
pub(super) fn parse(text: &str, now: Timestamp, local: &TimeZone) -> Result<Timestamp, String> {
    if let Ok(ago) = parse_duration(text) {
        let instant = now.checked_sub(ago);
        return instant.map_err(|_| format!("{text:?} ago is before all time"));
    }
    if let Ok(instant) = text.parse::<Timestamp>() {
        return Ok(instant);
    }
    let here = text.parse::<DateTime>().ok();
    here.and_then(|here| local.to_timestamp(here).ok())
        .ok_or_else(|| {
            format!(
                "{text:?} is no time: write 2026-12-01T09:00:00+01:00, a local date or time such as \
                 2026-12-01 or 2026-12-01T09:00, or how long ago, such as 90m"
            )
        })
}

#[cfg(test)]
mod tests {
    use super::*;

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
            assert_eq!(parse(text, now, &local), Ok(expected), "{text}");
        }
        for text in ["", "tomorrow", "2026-13-01", "1", "-1h", "2026-12-01T25:00"] {
            assert!(parse(text, now, &local).is_err(), "{text}");
        }
    }
}
