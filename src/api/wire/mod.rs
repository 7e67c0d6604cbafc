//! The shapes of the API's answers. They are a contract with programs elsewhere, so they are types
//! of their own: the domain may change without them.

mod audit;
mod event;
mod health;
mod job;
mod run;
mod session;
mod status;
mod texts;
mod time;
mod why;

use schemars::JsonSchema;
use serde::Serialize;

use crate::job::RunId;
pub use audit::{Audit, AuditProblem, AuditedJob};
pub use event::{Event, Missing};
pub use health::{Alive, Readiness, Store};
pub(crate) use job::{Figures, Pause};
pub use job::{Job, JobDetail, State, next_fires};
pub use run::{Attempt, Run, RunDetail};
pub use session::Who;
pub use status::{Fire, JobCounts, LastReload, Lateness, Node, Pool, Status};
pub use time::{Time, between, seconds};
pub use why::Why;

/// What was asked for is under way.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Accepted {
    /// The run that it is about.
    pub run_id: RunId,
    /// The same for people.
    pub message: String,
}

/// Whether everything is paused.
#[derive(Debug, Serialize, JsonSchema)]
pub struct SchedulerPause {
    /// Whether it is.
    pub paused: bool,
}

/// A part of a list.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "{T}List")]
pub struct List<T> {
    /// The items.
    pub items: Vec<T>,
    /// What `?cursor=` takes to go on; none: this was the last part.
    pub next_cursor: Option<String>,
}
