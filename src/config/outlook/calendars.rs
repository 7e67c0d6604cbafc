//! Calendars that nobody brought up to date.

use std::collections::BTreeSet;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::job::Plan;

/// Calendars that jobs exclude and that have no day left.
pub(super) fn over<'p>(plans: impl Iterator<Item = &'p Plan>, now: Timestamp) -> Vec<String> {
    // A day may have begun or not have ended elsewhere.
    let today = now.to_zoned(TimeZone::UTC).date();
    let yesterday = today.yesterday().unwrap_or(today);
    let named = plans
        .filter_map(|plan| Some(&plan.schedule()?.spec().exclude))
        .flatten();
    let over = named.filter_map(|calendar| {
        let last = calendar.last_day().filter(|&last| last < yesterday)?;
        Some((calendar.name(), last))
    });
    let over: BTreeSet<_> = over.collect();
    over.into_iter()
        .map(|(name, last)| {
            format!(
                "the calendar `{name}` has no day after {last}, so it excludes nothing any more: \
                 bring it up to date"
            )
        })
        .collect()
}
