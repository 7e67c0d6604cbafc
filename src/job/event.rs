//! What happened, once, typed: logging, metrics and the live stream all read this.

use jiff::Timestamp;
use serde::Serialize;

use super::{JobName, Run};

/// Something that happened to a run, a job or the scheduler.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Event {
    /// When.
    pub at: Timestamp,
    /// What.
    #[serde(flatten)]
    pub kind: EventKind,
}

/// The kinds of events.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "snake_case", tag = "event")]
pub enum EventKind {
    /// A run changed; the row as it is now.
    Run(Box<Run>),
    /// A job was paused or resumed, by whom.
    JobPaused {
        /// Which.
        job: JobName,
        /// Paused, or resumed.
        paused: bool,
        /// Who.
        by: String,
    },
    /// Everything was paused or resumed, by whom.
    SchedulerPaused {
        /// Paused, or resumed.
        paused: bool,
        /// Who.
        by: String,
    },
    /// The config was read again, and its jobs and pools hold from now on.
    Reloaded,
    /// The wall clock jumped, or the machine slept: instants in between were not watched.
    ClockStepped {
        /// By how many seconds, negative for back.
        by_s: f64,
    },
    /// Something went wrong that somebody should look at; nothing else says it.
    Warning {
        /// The job it is about.
        job: JobName,
        /// What, and what to do.
        message: String,
    },
}
