//! From civil time to instants: when an expression fires in a zone.
//!
//! A wildcard expression fires at every instant whose civil time matches. A fixed one fires at the
//! first instant at which the clock shows a matching time or has jumped over it; several times in
//! one gap are one fire. Both are walked stretch by stretch of constant offset, where civil time
//! and instants differ by a constant.

use super::calendar::DAY;
use super::{Cron, Kind};
use crate::schedule::zone::{Segment, Zone};

/// More than any two offsets differ. Where the next civil match is farther away than this, the
/// stretches up to that point cannot hold a fire and are jumped over.
const MARGIN: i64 = 2 * DAY;

impl Cron {
    /// The first fire at or after an instant.
    pub fn at_or_after(&self, zone: &Zone, instant: i64) -> Option<i64> {
        let mut from = instant;
        let mut segment = zone.segment(from);
        loop {
            if segment.start == Some(from) && self.fires_at_start(segment) {
                return Some(from);
            }
            let civil = segment.civil(from).max(self.first_civil(segment));
            let found = self.parsed.pattern.at_or_after(civil);
            let fire = found.map(|found| found - segment.offset);
            if let Some(fire) = fire.filter(|&fire| segment.end.is_none_or(|end| fire < end)) {
                return Some(fire);
            }
            let next = zone.following(segment)?;
            let start = next.start?;
            from = start;
            // The clock never goes back before `from` here, so nothing fires before the match.
            if next.civil(start) >= civil {
                from = start.max(found?.saturating_sub(MARGIN));
            }
            segment = if from == start {
                next
            } else {
                zone.segment(from)
            };
        }
    }

    /// The last fire at or before an instant.
    pub fn at_or_before(&self, zone: &Zone, instant: i64) -> Option<i64> {
        let mut to = instant;
        let mut segment = zone.segment(to);
        loop {
            let civil = segment.civil(to);
            let found = self.parsed.pattern.at_or_before(civil);
            let first = self.first_civil(segment);
            if let Some(found) = found.filter(|&found| found >= first) {
                return Some(found - segment.offset);
            }
            if self.fires_at_start(segment) {
                return segment.start;
            }
            let start = segment.start?;
            to = start - 1;
            // Unless the clock was ahead of `civil` before, nothing fires behind the match.
            if segment.fold_end().is_none_or(|end| end <= civil) {
                to = to.min(found?.saturating_add(MARGIN));
            }
            segment = if to == start - 1 {
                zone.preceding(segment)?
            } else {
                zone.segment(to)
            };
        }
    }

    /// The first civil second of a stretch that may fire by its own match: a fixed expression does
    /// not fire again for civil times that were shown before.
    pub(super) fn first_civil(&self, segment: Segment) -> i64 {
        let start = segment.start.map_or(i64::MIN, |start| segment.civil(start));
        match (self.parsed.kind, segment.fold_end()) {
            (Kind::Fixed, Some(fold_end)) => fold_end,
            _ => start,
        }
    }

    /// Whether it fires at the start of a stretch for times that were jumped over there.
    pub(super) fn fires_at_start(&self, segment: Segment) -> bool {
        match (self.parsed.kind, segment.gap()) {
            (Kind::Fixed, Some(gap)) => self
                .parsed
                .pattern
                .at_or_after(gap.start)
                .is_some_and(|civil| civil < gap.end),
            _ => false,
        }
    }
}
