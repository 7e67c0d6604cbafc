//! Which instants of a schedule its calendars exclude. They are named all the same: what does not
//! run is accounted for.

use jiff::{SignedDuration, Timestamp};

use super::calendar::look;
use super::{Schedule, TICK, floor_second};

/// How far ahead an instant is looked for as long as all are excluded.
pub const FIRING_HORIZON: SignedDuration = SignedDuration::from_hours(50 * 8_766);

/// Seconds of a civil day.
const DAY: i64 = 86_400;

impl Schedule {
    /// The name of the first of its calendars that has the local date of this instant.
    pub fn excluded_by(&self, instant: Timestamp) -> Option<&str> {
        self.calendar_of(instant).map(|place| self.calendar(place))
    }

    /// The first instant strictly later than `t` that no calendar excludes.
    ///
    /// Excluded days are passed as a whole. None: there is no such instant, or all that the schedule
    /// names are excluded for longer than the [`FIRING_HORIZON`].
    pub fn next_firing_after(&self, t: Timestamp) -> Option<Timestamp> {
        let mut next = self.next_after(t)?;
        if self.spec().exclude.is_empty() {
            return Some(next);
        }
        let horizon = next.checked_add(FIRING_HORIZON).unwrap_or(Timestamp::MAX);
        while self.calendar_of(next).is_some() {
            let end = self.stretch_end(next, horizon)?;
            next = self.next_after(end - TICK)?;
        }
        Some(next)
    }

    /// How far what is true of the instant `first` is true of all: the last instant, not later than
    /// `through`, up to which all are excluded by the same calendar, or none is excluded. With the
    /// name of that calendar.
    ///
    /// Costs a step for each excluded stretch of days on the way, however many instants there are.
    pub fn excluded_run(&self, first: Timestamp, through: Timestamp) -> (Timestamp, Option<&str>) {
        let place = self.calendar_of(first);
        let name = place.map(|place| self.calendar(place));
        let mut seen = first;
        loop {
            let end = self.stretch_end(seen, through);
            // The next instant may lie beyond days of which something else is true.
            let next = end.and_then(|end| self.next_after(end - TICK));
            match next.filter(|&next| next <= through) {
                Some(next) if self.calendar_of(next) == place => seen = next,
                _ => {
                    let reached = end.map_or(through, |end| end - TICK);
                    let last = self.last_through(reached);
                    return (last.map_or(seen, |last| last.max(seen)), name);
                }
            }
        }
    }

    fn calendar(&self, place: usize) -> &str {
        self.spec().exclude[place].name()
    }

    /// The first of its calendars, by place in the list, that excludes an instant.
    fn calendar_of(&self, instant: Timestamp) -> Option<usize> {
        if self.spec().exclude.is_empty() {
            return None;
        }
        let second = floor_second(instant);
        let offset = i64::from(self.zone().to_offset(instant).seconds());
        look(&self.spec().exclude, day_of(second + offset)).0
    }

    /// The first moment after `t` at which another calendar excludes, or none does any more, or one
    /// begins to. None: that is not before `limit`.
    fn stretch_end(&self, t: Timestamp, limit: Timestamp) -> Option<Timestamp> {
        let calendars = &self.spec().exclude;
        if calendars.is_empty() {
            return None;
        }
        let second = floor_second(t);
        let mut segment = self.0.zone.segment(second);
        let (place, mut through) = look(calendars, day_of(segment.civil(second)));
        loop {
            let days_end = (i64::from(through) + 1) * DAY - segment.offset;
            let end = segment.end.map_or(days_end, |end| end.min(days_end));
            let end = Timestamp::from_second(end)
                .ok()
                .filter(|&end| end <= limit)?;
            if end.as_second() == days_end {
                return Some(end);
            }
            // Where the clock moves, the date may jump in either direction.
            segment = self.0.zone.following(segment)?;
            let (other, further) = look(calendars, day_of(segment.civil(end.as_second())));
            if other != place {
                return Some(end);
            }
            through = further;
        }
    }
}

/// The number of the day, since 1970-01-01, of a civil second.
fn day_of(civil: i64) -> i32 {
    i32::try_from(civil.div_euclid(DAY)).expect("the days of all timestamps are a few million")
}
