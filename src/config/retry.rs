//! `retry` and `total_timeout`: how often a run that failed is tried again, and how long all of it
//! may take.

use std::ops::RangeInclusive;
use std::time::Duration;

use super::fields::Fields;
use super::report::{Complaints, Problem};
use super::tree::{Node, Written};
use super::value;
use crate::job::{Retry, Status};

/// The most retries.
const MAX_RETRIES: i64 = 10_000;

pub(super) fn read(fields: &mut Fields<'_>, complaints: &mut Complaints) -> Retry {
    let plain = Retry::default();
    let Some(mut fields) = fields.table("retry", complaints) else {
        return plain;
    };
    let max_retries = fields.whole("max_retries", &(0..=MAX_RETRIES), complaints);
    let initial_delay = fields.duration("initial_delay", complaints);
    let max_delay = fields.duration("max_delay", complaints);
    let multiplier = number("multiplier", &(1.0..=100.0), &mut fields, complaints);
    let jitter = number("jitter", &(0.0..=1.0), &mut fields, complaints);
    let on = fields.node("on").and_then(|node| ends(node, complaints));
    let codes = fields.node("on_exit_codes");
    let codes =
        codes.and_then(|node| super::shape::numbers("on_exit_codes", 0, 255, node, complaints));
    if let (Some(first), Some(longest), Some(node)) =
        (initial_delay, max_delay, fields.node("max_delay"))
        && first > longest
    {
        complaints.error(
            Problem::at(node.place, "`max_delay` is shorter than `initial_delay`")
                .help("make it at least as long: it bounds every delay"),
        );
    }
    fields.finish(complaints);
    let initial_delay = initial_delay.unwrap_or(plain.initial_delay);
    Retry {
        max_retries: max_retries.unwrap_or(plain.max_retries),
        initial_delay,
        multiplier: multiplier.unwrap_or(plain.multiplier),
        // A first delay that is longer than the default bound is what was asked for.
        max_delay: max_delay.unwrap_or(plain.max_delay.max(initial_delay)),
        jitter: jitter.unwrap_or(plain.jitter),
        on: on.unwrap_or(plain.on),
        on_exit_codes: codes.map_or(plain.on_exit_codes, |codes| {
            codes
                .into_iter()
                .filter_map(|code| code.try_into().ok())
                .collect()
        }),
    }
}

/// How long a run may take with all its attempts and delays.
pub(super) fn total_timeout(
    fields: &mut Fields<'_>,
    complaints: &mut Complaints,
) -> Option<Duration> {
    fields.limit("total_timeout", None, complaints)
}

/// The ends after which a run is tried again.
fn ends(node: &Node, complaints: &mut Complaints) -> Option<Vec<Status>> {
    let Written::List(items) = &node.value else {
        value::mistaken(node, "`on` is a list of ends in quotes", complaints);
        return None;
    };
    let ends = [("failed", Status::Failed), ("timed_out", Status::TimedOut)];
    let read: Vec<_> = items
        .iter()
        .filter_map(|item| value::choice("on", &ends, item, complaints))
        .collect();
    (read.len() == items.len()).then_some(read)
}

fn number(
    key: &'static str,
    bounds: &RangeInclusive<f64>,
    fields: &mut Fields<'_>,
    complaints: &mut Complaints,
) -> Option<f64> {
    let node = fields.node(key)?;
    let number = match node.value {
        #[allow(
            clippy::cast_precision_loss,
            reason = "what lies within the bounds is small"
        )]
        Written::Whole(Some(number)) => Some(number as f64),
        Written::Fraction(number) => Some(number),
        _ => None,
    };
    let number = number.filter(|number| bounds.contains(number));
    if number.is_none() {
        let (low, high) = (bounds.start(), bounds.end());
        let sentence = format!("`{key}` is a number between {low:.1} and {high:.1}");
        complaints.error(Problem::at(node.place, sentence));
    }
    number
}
