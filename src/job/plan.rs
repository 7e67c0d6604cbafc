//! A job as meant: everything decided, nothing optional that has a default.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde::Serialize;

use super::{Action, CatchUp, CatchUpMode, ConcurrencyPolicy, JobName, Retry, When};
use crate::schedule::{Schedule, ScheduleSpec};

/// One job, checked. Made by `config`, read by everyone else.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Its name, unique in the config.
    pub name: JobName,
    /// For people.
    pub description: String,
    /// For filters.
    pub tags: Vec<String>,
    /// What makes it run by itself.
    pub when: When,
    /// What it does.
    pub action: Action,
    /// How many runs may be active at once; ignored under [`ConcurrencyPolicy::Allow`].
    pub max_concurrent: u32,
    /// What happens to a fire beyond that.
    pub concurrency_policy: ConcurrencyPolicy,
    /// How many runs may wait under [`ConcurrencyPolicy::Queue`].
    pub queue_limit: u32,
    /// A watched fire that could not start within this becomes `missed`; none: it waits.
    pub starting_deadline: Option<Duration>,
    /// What becomes of instants that nobody watched.
    pub catch_up: CatchUp,
    /// Whether and when a run that failed is tried again.
    pub retry: Retry,
    /// How long a run may take with all its attempts and delays, from its first start on.
    pub total_timeout: Option<Duration>,
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

impl Plan {
    /// The plan of a job that left the config and whose last runs are not over: nothing makes it run,
    /// and nothing follows from its end.
    pub fn gone(name: JobName, action: Action) -> Self {
        Self {
            name,
            description: String::new(),
            tags: Vec::new(),
            when: When::After(Vec::new()),
            action,
            max_concurrent: 1,
            concurrency_policy: ConcurrencyPolicy::Forbid,
            queue_limit: 0,
            starting_deadline: None,
            catch_up: CatchUp {
                mode: CatchUpMode::None,
                limit: 0,
                window: Duration::ZERO,
            },
            retry: Retry::default(),
            total_timeout: None,
            pool: "default".to_owned(),
            priority: 0,
            enabled: false,
            params: BTreeMap::new(),
            shown: serde_json::Value::Null,
        }
    }

    /// What names its instants, if the clock makes it run. Disabled jobs have it too.
    pub fn schedule(&self) -> Option<&Schedule> {
        self.when.schedule().map(Arc::as_ref)
    }

    /// The schedule that is in force, as the ledger's history keeps it; none: the job is disabled,
    /// or no clock makes it run.
    pub fn spec_in_force(&self) -> Option<ScheduleSpec> {
        let schedule = self.schedule().filter(|_| self.enabled)?;
        Some(schedule.spec().clone())
    }

    /// The first instant later than `t` that its schedule names, enabled or not.
    pub fn next_after(&self, t: Timestamp) -> Option<Timestamp> {
        self.schedule()?.next_after(t)
    }

    /// The first instant later than `t` that its schedule names and no calendar excludes.
    pub fn next_firing_after(&self, t: Timestamp) -> Option<Timestamp> {
        self.schedule()?.next_firing_after(t)
    }

    /// When a fire of this nominal instant is due: with the job's jitter.
    pub fn due_at(&self, nominal: Timestamp) -> Timestamp {
        self.schedule().map_or(nominal, |it| it.due_at(nominal))
    }
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
