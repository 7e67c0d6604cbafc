//! Instants as text, in RFC 3339.

use jiff::Timestamp;
use jiff::fmt::temporal::Pieces;

/// Reads an instant in RFC 3339 (or RFC 9557 without a zone of its own). A date that RFC 3339 allows but
/// that lies behind the last instant, such as `9999-12-31T23:59:59Z`, is that last instant: whoever writes
/// it means "never". The error says what is wrong with the text.
pub fn parse_instant(text: &str) -> Result<Timestamp, jiff::Error> {
    text.parse::<Timestamp>().or_else(|why| {
        let is_whole = Pieces::parse(text).is_ok_and(|it| {
            it.time().is_some()
                && it.offset().is_some()
                && it.date() > jiff::civil::date(9999, 12, 29)
        });
        if is_whole {
            Ok(Timestamp::MAX)
        } else {
            Err(why)
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_lies_behind_the_last_instant_is_that() {
        for last in [
            "9999-12-31T23:59:59Z",
            "9999-12-31T23:59:59.999999+00:00",
            "9999-12-31T00:00:00-14:00",
        ] {
            assert_eq!(parse_instant(last).unwrap(), Timestamp::MAX, "{last}");
        }
        let before = "2026-12-01T10:00:00+01:00";
        assert_eq!(parse_instant(before).unwrap(), before.parse().unwrap());
    }

    #[test]
    fn what_is_no_instant_is_refused() {
        for text in [
            "",
            "9999-12-31",
            "9999-12-31T23:59:59",
            "9999-12-32T00:00:00Z",
            "9999-12-31T24:00:00Z",
            "10000-01-01T00:00:00Z",
            "-009999-01-01T00:00:00Z",
            "tomorrow",
        ] {
            assert!(parse_instant(text).is_err(), "{text}");
        }
    }
}
