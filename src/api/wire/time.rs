//! Times and durations as the contract writes them.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize, Serializer};

/// An instant: RFC 3339 in UTC, always with six fractional digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize, JsonSchema)]
#[serde(transparent)]
#[schemars(inline)]
pub struct Time(pub Timestamp);

impl Serialize for Time {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("{:.6}", self.0))
    }
}

impl From<Timestamp> for Time {
    fn from(instant: Timestamp) -> Self {
        Self(instant)
    }
}

/// A span as seconds, to the microsecond.
pub fn seconds(span: Duration) -> f64 {
    // Beyond 2^52 microseconds (142 years) nothing is told apart any more.
    span.as_secs_f64()
}

/// From one instant to another, in seconds, negative when `to` is earlier.
pub fn between(from: Timestamp, to: Timestamp) -> f64 {
    let span: SignedDuration = to.duration_since(from);
    span.as_secs_f64()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_six_digits_and_a_z() {
        let text = |micros| {
            let time = Time(Timestamp::from_microsecond(micros).unwrap());
            serde_json::to_string(&time).unwrap()
        };
        assert_eq!(text(0), r#""1970-01-01T00:00:00.000000Z""#);
        assert_eq!(text(1), r#""1970-01-01T00:00:00.000001Z""#);
        assert_eq!(text(-1), r#""1969-12-31T23:59:59.999999Z""#);
        assert_eq!(
            text(1_800_000_000_500_000),
            r#""2027-01-15T08:00:00.500000Z""#
        );
    }

    #[test]
    fn spans_are_signed_seconds() {
        let at = |micros| Timestamp::from_microsecond(micros).unwrap();
        assert!((between(at(0), at(1_250_000)) - 1.25).abs() < 1e-9);
        assert!((between(at(1_250_000), at(0)) + 1.25).abs() < 1e-9);
    }
}
