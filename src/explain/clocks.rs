//! What the clocks of a zone did around an instant, where a local time does not exist or comes twice.

use jiff::Timestamp;
use jiff::tz::{Offset, TimeZone};

use super::history::just_before;
use crate::config::outlook::{fixed_local_times, local_times};
use crate::schedule::{Rule, Schedule};

/// A moment at which the clocks of a zone are set.
struct Change {
    at: Timestamp,
    before: Offset,
    after: Offset,
}

impl Change {
    /// What the clock would show at `t` by an offset: as a time of its own, in UTC.
    fn wall(t: Timestamp, offset: Offset) -> Option<Timestamp> {
        t.checked_add(jiff::SignedDuration::from_secs(offset.seconds().into()))
            .ok()
    }

    /// From and to what the clocks are set.
    fn set(&self) -> Option<(Timestamp, Timestamp)> {
        let from = Self::wall(self.at, self.before)?;
        Some((from, Self::wall(self.at, self.after)?))
    }
}

/// What there is to say about the clocks at `t`, of which a schedule named the instant or (it is
/// what somebody asked about) did not.
pub(super) fn note(schedule: &Schedule, job: &str, t: Timestamp, named: bool) -> Option<String> {
    let Rule::Cron(expressions) = &schedule.spec().rule else {
        return None;
    };
    let zone = schedule.zone();
    let change = change_around(zone, t)?;
    let (from, to) = change.set()?;
    let (low, high) = (from.min(to), from.max(to));
    let within = |times: &Schedule| {
        let time = times.next_after(just_before(low))?;
        (time < high).then_some(time)
    };
    let fixed = fixed_local_times(expressions, job);
    let all = local_times(expressions.clone(), job);
    let place = schedule.timezone();
    let day = low.strftime("%Y-%m-%d").to_string();
    let same_day = day == high.strftime("%Y-%m-%d").to_string();
    let date = (!same_day).then(|| to.strftime("%Y-%m-%d ").to_string());
    let (from, to) = (clock(from), date.unwrap_or_default() + &clock(to));
    let set = format!("on {day} the clocks of {place} are set from {from} to {to}");
    if change.after > change.before {
        let moved = fixed.as_ref().and_then(within);
        let left_out = all.as_ref().and_then(within);
        return match (moved, left_out) {
            (Some(time), _) if !named || t == change.at => Some(format!(
                "{} does not exist then: {set}, and a fixed time between runs at {to} instead.",
                clock(time)
            )),
            _ if named => None,
            (None, Some(time)) => Some(format!(
                "{} does not exist then: {set}, and what is not a fixed time is left out.",
                clock(time)
            )),
            _ => Some(format!(
                "On {day} the clocks of {place} are set from {from} to {to}; no local time between \
                 exists."
            )),
        };
    }
    let wall = Change::wall(t, zone.to_offset(t))?;
    let shows = |times: &Schedule| times.next_after(just_before(wall)) == Some(wall);
    let what = if fixed.as_ref().is_some_and(shows) {
        "a fixed time runs the first time alone"
    } else if all.as_ref().is_some_and(shows) {
        "what is not a fixed time runs both times"
    } else {
        return None;
    };
    Some(format!(
        "{} comes twice then: {set}, and {what}.",
        clock(wall)
    ))
}

/// The change whose skipped hour `t` stands right behind, or in whose repeated hours it lies.
fn change_around(zone: &TimeZone, t: Timestamp) -> Option<Change> {
    let from_t = t.checked_add(jiff::SignedDuration::from_nanos(1)).ok()?;
    let newest = zone.preceding(from_t).next().map(|it| it.timestamp());
    let next = zone.following(t).next().map(|it| it.timestamp());
    [newest, next].into_iter().flatten().find_map(|at| {
        let change = Change {
            at,
            before: zone.to_offset(just_before(at)),
            after: zone.to_offset(at),
        };
        let by = change.after.duration_since(change.before);
        let near = if by.is_positive() {
            at <= t && t.duration_since(at) < by
        } else {
            by <= t.duration_since(at) && t.duration_since(at) < by.abs()
        };
        near.then_some(change)
    })
}

/// A local time, to the minute where it is whole.
fn clock(local: Timestamp) -> String {
    let form = if local.as_second() % 60 == 0 {
        "%H:%M"
    } else {
        "%H:%M:%S"
    };
    local.strftime(form).to_string()
}
