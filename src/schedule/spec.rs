//! A schedule as data: what the config means and what the ledger's schedule history keeps.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::Calendar;

/// Everything that decides which instants a job names. Kept in the ledger, so that an audit can
/// walk a schedule as it was then: fields may be added (with a serde default), never renamed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScheduleSpec {
    /// What names instants.
    pub rule: Rule,
    /// The IANA name of the zone that cron expressions are read in. `local` is resolved on reading.
    pub timezone: String,
    /// The version of the zone database that was in force, for people.
    #[serde(default)]
    pub tzdb: Option<String>,
    /// The schedule counts from here on, this instant included.
    pub start: Option<Timestamp>,
    /// The schedule counts up to here, this instant excluded.
    pub end: Option<Timestamp>,
    /// The most that a start is put off, spread over jobs by name.
    #[serde(default)]
    pub jitter: Duration,
    /// The calendars on whose days it does not run, by local date in `timezone`. They take no part
    /// in which instants are named.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub exclude: Vec<Arc<Calendar>>,
}

impl ScheduleSpec {
    /// Whether both name the same instants, due at the same times: calendars and the version of the
    /// zone database are left aside.
    pub fn names_the_same(&self, other: &Self) -> bool {
        let naming = |spec: &Self| Self {
            tzdb: None,
            exclude: Vec::new(),
            ..spec.clone()
        };
        naming(self) == naming(other)
    }
}

/// What names instants.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rule {
    /// One or more cron expressions; an instant named by two of them is one instant.
    Cron(Vec<String>),
    /// A fixed span of elapsed time, aligned to `start`, else to the Unix epoch.
    Every(Duration),
    /// Once.
    At(Timestamp),
}
