//! Time zones: by name from the zone database, and as stretches of constant offset.
//!
//! Instants are whole seconds since the Unix epoch here, offsets are seconds east of UTC.

use std::ops::Range;

use jiff::Timestamp;
use jiff::tz::TimeZone;

/// The longest zone name that is looked up; the database's longest has 32 characters.
const MAX_NAME: usize = 64;

/// How many transitions in a row may change a name or a flag without moving the clock. They are
/// looked through, so that a stretch ends where the clock moves.
const MAX_UNMOVED: usize = 16;

/// Why a name is no time zone.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ZoneError {
    /// No text at all.
    #[error("the time zone is empty: write \"UTC\", \"local\" or a name such as \"Europe/Paris\"")]
    Empty,
    /// Not what a zone name looks like.
    #[error(
        "{name:?} is not the name of a time zone: write \"UTC\", \"local\" or a name such as \
         \"Europe/Paris\""
    )]
    NotAName {
        /// What was written, shortened.
        name: String,
    },
    /// A name that the database does not have.
    #[error(
        "the time zone database has no {name:?}{}",
        near.as_ref().map(|near| format!("; did you mean {near:?}?")).unwrap_or_default()
    )]
    Unknown {
        /// What was written.
        name: String,
        /// The most similar name that exists, if one is similar.
        near: Option<String>,
    },
    /// `local` has a meaning on a machine only.
    #[error("\"local\" was not resolved to the name of a zone")]
    Local,
}

/// A zone of the database.
#[derive(Debug, Clone)]
pub struct Zone {
    tz: TimeZone,
    name: String,
}

/// A stretch of time with one offset. It begins at `start` and ends before `end`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Segment {
    /// None: since ever.
    pub start: Option<i64>,
    /// None: for ever.
    pub end: Option<i64>,
    /// What is in force.
    pub offset: i64,
    /// What was in force before `start`; the same offset where nothing was.
    pub before: i64,
}

impl Zone {
    /// The zone of an IANA name, or `UTC`. Upper and lower case are the same, as in the database.
    pub fn find(name: &str) -> Result<Self, ZoneError> {
        if name.is_empty() {
            return Err(ZoneError::Empty);
        }
        if name == "local" {
            return Err(ZoneError::Local);
        }
        if !is_zone_name(name) {
            let name = name.chars().take(MAX_NAME).collect();
            return Err(ZoneError::NotAName { name });
        }
        match TimeZone::get(name) {
            Ok(tz) if !tz.is_unknown() => {
                let name = tz.iana_name().unwrap_or(name).to_owned();
                Ok(Self { tz, name })
            }
            _ => Err(ZoneError::Unknown {
                name: name.to_owned(),
                near: similar(name),
            }),
        }
    }

    /// Its name as the database writes it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The zone as jiff knows it.
    pub fn tz(&self) -> &TimeZone {
        &self.tz
    }

    /// The stretch that an instant lies in.
    pub fn segment(&self, second: i64) -> Segment {
        let at = clamped(second);
        let offset = self.offset(at);
        // The newest transition that moved the clock, with what was in force before it.
        let moved = self
            .tz
            .preceding(clamped(second.saturating_add(1)))
            .take(MAX_UNMOVED)
            .map(|transition| transition.timestamp().as_second())
            .map(|start| (start, self.offset(clamped(start - 1))))
            .find(|&(_, before)| before != offset);
        let (start, before) = moved.map_or((None, offset), |(start, before)| (Some(start), before));
        Segment {
            start,
            end: self.end_after(at, offset),
            offset,
            before,
        }
    }

    /// The stretch behind this one.
    pub fn following(&self, segment: Segment) -> Option<Segment> {
        let start = segment.end?;
        let at = clamped(start);
        let offset = self.offset(at);
        let end = self.end_after(at, offset);
        Some(Segment {
            start: Some(start),
            end,
            offset,
            before: segment.offset,
        })
    }

    /// The stretch in front of this one.
    pub fn preceding(&self, segment: Segment) -> Option<Segment> {
        segment.start.map(|start| self.segment(start - 1))
    }

    fn offset(&self, at: Timestamp) -> i64 {
        self.tz.to_offset(at).seconds().into()
    }

    fn end_after(&self, at: Timestamp, offset: i64) -> Option<i64> {
        self.tz
            .following(at)
            .take(MAX_UNMOVED)
            .find(|transition| i64::from(transition.offset().seconds()) != offset)
            .map(|transition| transition.timestamp().as_second())
    }
}

impl Segment {
    /// The civil second that an instant of it shows.
    pub fn civil(&self, second: i64) -> i64 {
        second + self.offset
    }

    /// The civil seconds that its start jumped over.
    pub fn gap(&self) -> Option<Range<i64>> {
        let start = self.start?;
        (self.before < self.offset).then_some(start + self.before..start + self.offset)
    }

    /// Where it shows civil seconds that were shown before its start: the first one behind them.
    pub fn fold_end(&self) -> Option<i64> {
        let start = self.start?;
        (self.before > self.offset).then_some(start + self.before)
    }
}

fn clamped(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap_or(if second < 0 {
        Timestamp::MIN
    } else {
        Timestamp::MAX
    })
}

/// What a name may look like, before the database, which is files on most machines, sees it. Names
/// that are no zone but lie beside them, such as the `right/` ones, which count leap seconds, are
/// none either.
fn is_zone_name(name: &str) -> bool {
    let plain =
        |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'/' | b'_' | b'-' | b'+');
    let lower = name.to_ascii_lowercase();
    name.len() <= MAX_NAME
        && name.bytes().all(plain)
        && !name.split('/').any(str::is_empty)
        && !lower.starts_with("right/")
        && !lower.starts_with("posix/")
        && !["localtime", "posixrules", "factory"].contains(&lower.as_str())
}

/// The most similar name of the database, if any is similar enough to be meant.
fn similar(name: &str) -> Option<String> {
    let lower = name.to_ascii_lowercase();
    let likeness = |zone: &str| {
        let zone = zone.to_ascii_lowercase();
        // Many write the city alone.
        let city = zone.rsplit('/').next().unwrap_or(&zone);
        strsim::jaro_winkler(&lower, &zone).max(strsim::jaro_winkler(&lower, city))
    };
    jiff::tz::db()
        .available()
        .map(|zone| (likeness(zone.as_str()), zone.as_str().to_owned()))
        .filter(|(likeness, zone)| *likeness > 0.85 && is_zone_name(zone))
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, zone)| zone)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        for (name, shown) in [
            ("Europe/Paris", "Europe/Paris"),
            ("europe/paris", "Europe/Paris"),
            ("UTC", "UTC"),
            ("Etc/GMT+5", "Etc/GMT+5"),
        ] {
            assert_eq!(Zone::find(name).unwrap().name(), shown);
        }
        for name in [
            "../../etc/passwd",
            "/etc/localtime",
            "Europe//Paris",
            "right/Europe/Paris",
            "Europe/Paris\0",
            "EST5EDT,M3.2.0,M11.1.0",
            &"a".repeat(65),
            "localtime",
        ] {
            assert!(
                matches!(Zone::find(name), Err(ZoneError::NotAName { .. })),
                "{name}"
            );
        }
        assert_eq!(Zone::find("").unwrap_err(), ZoneError::Empty);
        assert_eq!(Zone::find("local").unwrap_err(), ZoneError::Local);
        for (name, near) in [
            ("Europe/Pariss", "Europe/Paris"),
            ("Paris", "Europe/Paris"),
            ("New_York", "America/New_York"),
        ] {
            let error = Zone::find(name).unwrap_err().to_string();
            assert!(error.contains(&format!("did you mean {near:?}")), "{error}");
        }
        assert!(matches!(
            Zone::find("NoSuchZone"),
            Err(ZoneError::Unknown { near: None, .. })
        ));
    }

    #[test]
    fn stretches_join_and_tell_gap_from_fold() {
        let zone = Zone::find("America/New_York").unwrap();
        let winter = zone.segment(1_767_225_600); // 2026-01-01
        assert_eq!((winter.offset, winter.before), (-18_000, -14_400));
        assert_eq!(winter.fold_end(), Some(winter.start.unwrap() - 14_400));
        let summer = zone.following(winter).unwrap();
        assert_eq!(summer, zone.segment(summer.start.unwrap()));
        assert_eq!(summer.gap().map(|gap| gap.end - gap.start), Some(3600));
        assert_eq!((summer.fold_end(), winter.gap()), (None, None));
        assert_eq!(zone.preceding(summer), Some(winter));
        assert_eq!(zone.segment(summer.start.unwrap() - 1), winter);
        let utc = Zone::find("UTC").unwrap().segment(0);
        assert_eq!((utc.start, utc.end, utc.offset), (None, None, 0));
    }
}
