//! The shapes of the API's answers. They are a contract with programs elsewhere, so they are types
//! of their own: the domain may change without them.

mod audit;
mod event;
mod health;
mod job;
mod run;
mod session;
mod status;
mod time;
mod why;

use serde::Serialize;

pub use audit::{Audit, AuditProblem, AuditedJob};
pub use event::{Event, Missing};
pub use health::{Readiness, Store};
pub(crate) use job::{Figures, Pause};
pub use job::{Job, JobDetail, State, next_fires};
pub use run::{Attempt, Run, RunDetail};
pub use session::Who;
pub use status::{Fire, JobCounts, LastReload, Lateness, Node, Pool, Status};
pub use time::{Time, between, seconds};
pub use why::Why;

/// A part of a list.
#[derive(Debug, Serialize)]
pub struct List<T> {
    /// The items.
    pub items: Vec<T>,
    /// What `?cursor=` takes to go on; none: this was the last part.
    pub next_cursor: Option<String>,
}
