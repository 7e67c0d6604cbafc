//! Times, spans and counts as people say them.

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

/// How far away an instant is: `in 3 h`, `2 min ago`, `now`.
pub fn away(instant: Timestamp, now: Timestamp) -> String {
    let span = instant.duration_since(now);
    let text = coarse(span.abs());
    match span {
        _ if span.abs() < SignedDuration::from_secs(1) => "now".to_owned(),
        _ if span.is_positive() => format!("in {text}"),
        _ => format!("{text} ago"),
    }
}

/// A span in its fitting unit, rounded down.
pub fn coarse(span: SignedDuration) -> String {
    let seconds = span.as_secs();
    match seconds {
        ..120 => format!("{seconds} s"),
        120..7_200 => format!("{} min", seconds / 60),
        7_200..172_800 => format!("{} h", seconds / 3_600),
        172_800..63_072_000 => format!("{} d", seconds / 86_400),
        _ => format!("{} y", seconds / 31_536_000),
    }
}

/// How long something took, in seconds: `0.8 ms`, `3.2 s`, `2 min 5 s`, `1 h 3 min`.
#[allow(
    clippy::cast_possible_truncation,
    reason = "a span of more seconds than 2^63 is none"
)]
pub fn took(seconds: f64) -> String {
    let (sign, span) = (if seconds < 0.0 { "-" } else { "" }, seconds.abs());
    let text = match span {
        0.0..0.000_95 => format!("{:.0} µs", span * 1e6),
        0.000_95..0.009_95 => format!("{:.1} ms", span * 1e3),
        0.009_95..0.999_5 => format!("{:.0} ms", span * 1e3),
        0.999_5..9.95 => format!("{span:.1} s"),
        9.95..119.5 => format!("{span:.0} s"),
        _ => {
            let whole = span.round() as i64;
            let two = |large: i64, name: &str, small: i64, less: &str| {
                let (many, few) = (whole / large, whole % large / small);
                if few == 0 {
                    format!("{many} {name}")
                } else {
                    format!("{many} {name} {few} {less}")
                }
            };
            match whole {
                ..7_200 => two(60, "min", 1, "s"),
                7_200..172_800 => two(3_600, "h", 60, "min"),
                _ => two(86_400, "d", 3_600, "h"),
            }
        }
    };
    format!("{sign}{text}")
}

/// A number of bytes, to three digits: `3.2 MiB`, `48 MiB`.
#[allow(
    clippy::cast_precision_loss,
    reason = "three digits of a number are shown"
)]
pub fn size(bytes: u64) -> String {
    let mut amount = bytes as f64;
    let mut unit = "B";
    for larger in ["KiB", "MiB", "GiB", "TiB"] {
        // What would be shown as 1000 and more.
        if amount < 999.5 {
            break;
        }
        amount /= 1024.0;
        unit = larger;
    }
    if amount < 9.95 && unit != "B" {
        format!("{amount:.1} {unit}")
    } else {
        format!("{amount:.0} {unit}")
    }
}

/// An instant on the clock of a zone: `Mon 2026-11-23 02:30:00 +01:00`, with what there is of a
/// fraction.
pub fn clock_time(instant: Timestamp, zone: &TimeZone) -> String {
    instant
        .to_zoned(zone.clone())
        .strftime("%a %Y-%m-%d %H:%M:%S%.f %:z")
        .to_string()
}

/// So many of something.
pub fn counted(count: u64, what: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {what}{plural}")
}

/// What one of something does, or several do.
pub fn verb<'a>(count: u64, one: &'a str, several: &'a str) -> &'a str {
    if count == 1 { one } else { several }
}

/// A share from 0 to 1. Only all is 100 %, and only nothing 0 %.
pub fn percent(share: f64) -> String {
    let percent = (share * 100.0).round();
    if share < 1.0 && percent > 99.0 {
        "99 %".to_owned()
    } else if share > 0.0 && percent < 1.0 {
        "1 %".to_owned()
    } else {
        format!("{percent:.0} %")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_are_near_or_far() {
        let now: Timestamp = "2026-12-01T12:00:00Z".parse().unwrap();
        for (instant, expected) in [
            ("2026-12-01T12:00:00.9Z", "now"),
            ("2026-12-01T11:59:59.1Z", "now"),
            ("2026-12-01T12:00:01Z", "in 1 s"),
            ("2026-12-01T11:58:01Z", "119 s ago"),
            ("2026-12-01T11:58:00Z", "2 min ago"),
            ("2026-12-01T13:59:59Z", "in 119 min"),
            ("2026-12-01T15:00:00Z", "in 3 h"),
            ("2026-12-03T11:59:59Z", "in 47 h"),
            ("2026-12-08T12:00:00Z", "in 7 d"),
            ("2029-12-01T12:00:00Z", "in 3 y"),
        ] {
            assert_eq!(away(instant.parse().unwrap(), now), expected, "{instant}");
        }
    }

    #[test]
    fn spans_have_a_fitting_unit() {
        for (seconds, expected) in [
            (0.0, "0 µs"),
            (0.000_12, "120 µs"),
            (0.000_999, "1.0 ms"),
            (0.000_8, "800 µs"),
            (0.003_21, "3.2 ms"),
            (0.35, "350 ms"),
            (0.999_9, "1.0 s"),
            (3.21, "3.2 s"),
            (59.6, "60 s"),
            (125.0, "2 min 5 s"),
            (3_600.0, "60 min"),
            (7_380.0, "2 h 3 min"),
            (180_000.0, "2 d 2 h"),
            (-0.5, "-500 ms"),
        ] {
            assert_eq!(took(seconds), expected, "{seconds}");
        }
    }

    #[test]
    fn sizes_have_a_fitting_unit() {
        for (bytes, expected) in [
            (0, "0 B"),
            (999, "999 B"),
            (1_000, "1.0 KiB"),
            (3_400_000, "3.2 MiB"),
            (52_428_800, "50 MiB"),
            (1_047_900_000, "999 MiB"),
            (1_048_500_000, "1.0 GiB"),
            (5 << 50, "5120 TiB"),
        ] {
            assert_eq!(size(bytes), expected, "{bytes}");
        }
    }

    #[test]
    fn shares_do_not_lie() {
        for (share, expected) in [
            (1.0, "100 %"),
            (0.999, "99 %"),
            (0.985, "99 %"),
            (0.5, "50 %"),
            (0.001, "1 %"),
            (0.0, "0 %"),
        ] {
            assert_eq!(percent(share), expected);
        }
    }

    #[test]
    fn clock_times_are_of_the_zone() {
        let zone = TimeZone::get("Europe/Paris").unwrap();
        let instant = "2026-11-23T01:30:00.25Z".parse().unwrap();
        assert_eq!(
            clock_time(instant, &zone),
            "Mon 2026-11-23 02:30:00.25 +01:00"
        );
    }
}
