//! Jobs.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::run::Run;
use super::time::Time;
use crate::dispatch::{self, JobView};
use crate::job::{JobName, Plan, When};
use crate::store::{JobStatistics, LastRuns, Spread};

/// How many fires to come a job shows.
const NEXT_FIRES: usize = 10;

/// Where a job stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "JobState")]
pub enum State {
    /// It fires.
    Active,
    /// It is paused, by itself or with everything.
    Paused,
    /// `enabled = false`.
    Disabled,
    /// Nothing of it is left to run.
    Finished,
}

impl From<dispatch::State> for State {
    fn from(state: dispatch::State) -> Self {
        match state {
            dispatch::State::Active => Self::Active,
            dispatch::State::Paused => Self::Paused,
            dispatch::State::Disabled => Self::Disabled,
            dispatch::State::Finished => Self::Finished,
        }
    }
}

/// A job of the list.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct Job {
    pub(crate) name: JobName,
    pub(crate) description: String,
    pub(crate) tags: Vec<String>,
    pub(crate) enabled: bool,
    pub(crate) state: State,
    /// The job's own pause. None while `state` says `paused`: everything is.
    pub(crate) pause: Option<Pause>,
    pub(crate) schedule: ScheduleText,
    pub(crate) next_fire: Option<Time>,
    pub(crate) last_run: Option<Run>,
    pub(crate) running: usize,
    pub(crate) queued: usize,
    /// Of the newest runs that ended, from 0 to 1.
    pub(crate) success_rate: Option<f64>,
}

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Pause {
    pub(crate) since: Option<Time>,
    pub(crate) until: Option<Time>,
    pub(crate) reason: Option<String>,
    pub(crate) by: Option<String>,
}

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub(crate) struct ScheduleText {
    pub(crate) kind: String,
    pub(crate) expression: String,
    /// None of a job that no clock makes run.
    pub(crate) timezone: Option<String>,
    pub(crate) text: String,
}

impl ScheduleText {
    fn of(when: &When) -> Self {
        Self {
            kind: when.kind().to_owned(),
            expression: when.expression(),
            timezone: when.timezone().map(str::to_owned),
            text: when.text(),
        }
    }
}

impl Job {
    /// A job as it stands, with how it did lately.
    pub fn new(view: &JobView, lately: Option<LastRuns>) -> Self {
        let (plan, flags) = (&view.plan, &view.flags);
        Self {
            name: plan.name.clone(),
            description: plan.description.clone(),
            tags: plan.tags.clone(),
            enabled: plan.enabled,
            state: view.state.into(),
            pause: flags.paused.then(|| Pause {
                since: flags.paused_at.map(Time),
                until: flags.paused_until.map(Time),
                reason: flags.pause_reason.clone(),
                by: flags.paused_by.clone(),
            }),
            schedule: ScheduleText::of(&plan.when),
            next_fire: view.next_fire.map(Time),
            success_rate: lately.as_ref().and_then(LastRuns::success_rate),
            last_run: lately.map(|lately| lately.last.into()),
            running: view.running,
            queued: view.queued,
        }
    }
}

/// A job whole.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct JobDetail {
    /// As in the list.
    #[serde(flatten)]
    pub job: Job,
    /// Its table in the config, defaults merged in, secrets shown as where they are.
    pub config: serde_json::Value,
    /// The instants that fire next; none of a job that is paused, disabled or finished.
    pub next_fires: Vec<Time>,
    /// Figures over its newest runs.
    pub statistics: Statistics,
}

/// Figures over the newest runs that ended.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct Statistics {
    pub(crate) runs: usize,
    pub(crate) duration: Option<Figures>,
    pub(crate) lateness: Option<Figures>,
}

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[allow(
    clippy::struct_field_names,
    reason = "the unit belongs to the contract's names"
)]
pub(crate) struct Figures {
    pub(crate) p50_s: f64,
    pub(crate) p99_s: f64,
    pub(crate) max_s: f64,
}

impl From<Spread> for Figures {
    fn from(spread: Spread) -> Self {
        let Spread {
            p50_s,
            p99_s,
            max_s,
        } = spread;
        Self {
            p50_s,
            p99_s,
            max_s,
        }
    }
}

impl From<JobStatistics> for Statistics {
    fn from(statistics: JobStatistics) -> Self {
        Self {
            runs: statistics.runs,
            duration: statistics.duration.map(Figures::from),
            lateness: statistics.lateness.map(Figures::from),
        }
    }
}

/// The instants from `first` on, without those that a calendar excludes.
pub fn next_fires(plan: &Plan, first: Option<Timestamp>) -> Vec<Time> {
    std::iter::successors(first, |&instant| plan.next_firing_after(instant))
        .take(NEXT_FIRES)
        .map(Time)
        .collect()
}
