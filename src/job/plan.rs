//! A job as meant: everything decided, nothing optional that has a default.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;

use super::{Action, CatchUp, ConcurrencyPolicy, JobName};
use crate::schedule::Schedule;

/// One job, checked. Made by `config`, read by everyone else.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Its name, unique in the config.
    pub name: JobName,
    /// For people.
    pub description: String,
    /// For filters.
    pub tags: Vec<String>,
    /// What names its instants.
    pub schedule: Arc<Schedule>,
    /// What it does.
    pub action: Action,
    /// How many runs may be active at once; ignored under [`ConcurrencyPolicy::Allow`].
    pub max_concurrent: u32,
    /// What happens to a fire beyond that.
    pub concurrency_policy: ConcurrencyPolicy,
    /// A watched fire that could not start within this becomes `missed`; none: it waits.
    pub starting_deadline: Option<Duration>,
    /// What becomes of instants that nobody watched.
    pub catch_up: CatchUp,
    /// The pool that its attempts take slots of.
    pub pool: String,
    /// Its place within the pool's queue: higher first.
    pub priority: i32,
    /// A disabled job names no instants, and can still be triggered by hand.
    pub enabled: bool,
    /// What a manual trigger may pass.
    pub params: BTreeMap<String, Param>,
    /// The job's table as written with defaults merged in, secrets masked: for the API.
    pub shown: serde_json::Value,
}

/// A parameter of a manual trigger.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Param {
    /// The value when none is passed; a parameter without a default must be passed.
    pub default: Option<String>,
    /// What a value must match, whole (`regex-lite` syntax).
    pub pattern: Option<String>,
}

/// A named limit on how many attempts run at once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Pool {
    /// Its name; `default` always exists.
    pub name: String,
    /// How many attempts at once.
    pub slots: u32,
}
