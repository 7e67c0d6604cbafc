//! A stretch of time in hours or days of a zone's clock.

use jiff::tz::{Offset, TimeZone};
use jiff::{SignedDuration, Timestamp, ToSpan, Zoned};

use super::forecast::Stretch;

/// Up to here there is a slot for each hour, beyond it one for each day: a week, with the hour that
/// a change of the clocks may add to it.
const HOURS: SignedDuration = SignedDuration::from_hours(7 * 24 + 1);

/// How long the slots of a stretch are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Length {
    Hour,
    Day,
}

impl Length {
    pub(super) fn of(stretch: Stretch) -> Self {
        if stretch.to.duration_since(stretch.from) <= HOURS {
            Self::Hour
        } else {
            Self::Day
        }
    }
}

/// A part of the stretch, from here to the start of the next one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Slot {
    pub start: Timestamp,
    /// Which hour or day of the month it is on the clock of the zone.
    pub number: u8,
    /// The line that it stands on: its day, or its month.
    pub line: String,
    /// What the clock is ahead of UTC.
    pub offset: Offset,
}

/// The slots of a stretch. They begin where an hour or a day of the zone's clock does, and where the
/// clock changes: an hour that comes twice is two of them, and one that is left out is none.
pub(super) fn of(stretch: Stretch, zone: &TimeZone) -> Vec<Slot> {
    let length = Length::of(stretch);
    let begin = stretch.from.to_zoned(zone.clone());
    let later = |before: &Zoned| {
        let next = match length {
            Length::Hour => next_hour(before),
            Length::Day => next_day(before),
        };
        next.filter(|next| next.timestamp() < stretch.to)
    };
    std::iter::successors(Some(begin), later)
        .map(|start| slot(&start, length))
        .collect()
}

fn slot(start: &Zoned, length: Length) -> Slot {
    let (number, line) = match length {
        Length::Hour => (start.hour(), start.strftime("%a %Y-%m-%d")),
        Length::Day => (start.day(), start.strftime("%Y-%m")),
    };
    Slot {
        start: start.timestamp(),
        number: u8::try_from(number).expect("neither hours nor days are negative"),
        line: line.to_string(),
        offset: start.offset(),
    }
}

/// The next full hour of the clock, or its next change, whichever is first.
fn next_hour(t: &Zoned) -> Option<Zoned> {
    let since = i64::from(t.minute()) * 60 + i64::from(t.second());
    let whole = t.timestamp().as_second() - i64::from(t.timestamp().subsec_nanosecond() < 0);
    let hour = Timestamp::from_second(whole - since + 3600).ok()?;
    let change = changes(t.time_zone(), t.timestamp()).next();
    let next = change.map_or(hour, |(change, _)| change.min(hour));
    Some(next.to_zoned(t.time_zone().clone()))
}

fn next_day(t: &Zoned) -> Option<Zoned> {
    let next = t.tomorrow().ok()?.start_of_day().ok()?;
    // A day that a zone left out begins where the one before it did.
    if next > *t {
        Some(next)
    } else {
        t.checked_add(24.hours()).ok()
    }
}

/// When the clock of the zone changes after `t`, each with what the clock was ahead of UTC before.
pub(super) fn changes(
    zone: &TimeZone,
    t: Timestamp,
) -> impl Iterator<Item = (Timestamp, Offset)> + '_ {
    let mut before = zone.to_offset(t);
    zone.following(t).filter_map(move |change| {
        let old = std::mem::replace(&mut before, change.offset());
        (old != before).then_some((change.timestamp(), old))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(zone: &str, from: &str, to: &str) -> Vec<String> {
        let stretch = Stretch {
            from: from.parse().unwrap(),
            to: to.parse().unwrap(),
        };
        let zone = TimeZone::get(zone).unwrap();
        of(stretch, &zone)
            .iter()
            .map(|slot| {
                let start = slot.start.to_zoned(zone.clone()).strftime("%m-%dT%H:%M%:z");
                format!("{} {} {start}", slot.line, slot.number)
            })
            .collect()
    }

    #[test]
    fn hours_are_those_of_the_clock() {
        assert_eq!(
            shown(
                "Asia/Kolkata",
                "2026-12-01T10:20:30Z",
                "2026-12-01T12:00:00Z"
            ),
            [
                "Tue 2026-12-01 15 12-01T15:50+05:30",
                "Tue 2026-12-01 16 12-01T16:00+05:30",
                "Tue 2026-12-01 17 12-01T17:00+05:30",
            ]
        );
    }

    #[test]
    fn an_hour_that_is_left_out_is_none_and_one_that_comes_twice_is_two() {
        assert_eq!(
            shown(
                "Europe/Paris",
                "2026-03-29T00:00:00Z",
                "2026-03-29T02:00:00Z"
            ),
            [
                "Sun 2026-03-29 1 03-29T01:00+01:00",
                "Sun 2026-03-29 3 03-29T03:00+02:00",
            ]
        );
        assert_eq!(
            shown(
                "Europe/Paris",
                "2026-10-25T00:00:00Z",
                "2026-10-25T03:00:00Z"
            ),
            [
                "Sun 2026-10-25 2 10-25T02:00+02:00",
                "Sun 2026-10-25 2 10-25T02:00+01:00",
                "Sun 2026-10-25 3 10-25T03:00+01:00",
            ]
        );
        // Half an hour of change: from 02:00 back to 01:30, and from 02:00 on to 02:30.
        assert_eq!(
            shown(
                "Australia/Lord_Howe",
                "2026-04-04T14:00:00Z",
                "2026-04-04T16:30:00Z"
            ),
            [
                "Sun 2026-04-05 1 04-05T01:00+11:00",
                "Sun 2026-04-05 1 04-05T01:30+10:30",
                "Sun 2026-04-05 2 04-05T02:00+10:30",
            ]
        );
        assert_eq!(
            shown(
                "Australia/Lord_Howe",
                "2026-10-03T15:00:00Z",
                "2026-10-03T17:00:00Z"
            ),
            [
                "Sun 2026-10-04 1 10-04T01:30+10:30",
                "Sun 2026-10-04 2 10-04T02:30+11:00",
                "Sun 2026-10-04 3 10-04T03:00+11:00",
            ]
        );
    }

    #[test]
    fn beyond_a_week_there_are_days() {
        let hours = shown(
            "Europe/Paris",
            "2026-10-19T22:00:00Z",
            "2026-10-26T23:00:00Z",
        );
        assert_eq!(hours.len(), 169);
        let days = shown(
            "Europe/Paris",
            "2026-10-19T22:00:00Z",
            "2026-10-27T23:00:00Z",
        );
        assert_eq!(days.len(), 8);
        assert_eq!(days[0], "2026-10 20 10-20T00:00+02:00");
        assert_eq!(days[6], "2026-10 26 10-26T00:00+01:00");
        // Samoa had no 30 December 2011.
        let samoa = shown(
            "Pacific/Apia",
            "2011-12-28T12:00:00Z",
            "2012-01-10T00:00:00Z",
        );
        assert_eq!(
            samoa[..4],
            [
                "2011-12 28 12-28T02:00-10:00",
                "2011-12 29 12-29T00:00-10:00",
                "2011-12 31 12-31T00:00+14:00",
                "2012-01 1 01-01T00:00+14:00",
            ]
        );
    }
}
