//! The shapes of the API's answers. They are a contract with programs elsewhere, so they are types
//! of their own: the domain may change without them.

mod audit;
mod health;
mod job;
mod run;
mod time;

use serde::Serialize;

pub use audit::{Audit, AuditProblem, AuditedJob};
pub use health::Readiness;
pub(crate) use job::{Figures, Pause};
pub use job::{Job, JobDetail, State, next_fires};
pub use run::{Attempt, Run, RunDetail};
pub use time::{Time, seconds};

/// A part of a list.
#[derive(Debug, Serialize)]
pub struct List<T> {
    /// The items.
    pub items: Vec<T>,
    /// What `?cursor=` takes to go on; none: this was the last part.
    pub next_cursor: Option<String>,
}
