//! Answers to "why".

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::run::Run;
use super::time::Time;
use crate::explain::{Explanation, InForce};
use crate::job::{JobName, Run as Row};

/// Why a job ran or did not run at a time, or when it runs next.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct Why {
    pub(crate) job: JobName,
    /// The time that was asked about; none: now.
    pub(crate) at: Option<Time>,
    /// In a word: the status of the row, or `to_come`, `undecided`, `backlog`, `not_an_instant`,
    /// `before_account`, `unaccounted`; of a job as it stands `waiting`, `paused`, `disabled`,
    /// `finished`, `stopping`, `gone` as well.
    pub(crate) verdict: String,
    /// The answer for people.
    pub(crate) sentences: Vec<String>,
    /// The instant that it is about: the one asked about, or the nearest before it.
    pub(crate) instant: Option<Time>,
    /// When that one is due, with jitter.
    pub(crate) due_at: Option<Time>,
    /// The row that holds it, a run or a span; without a time asked about, the newest.
    pub(crate) run: Option<Run>,
    /// Other runs of the job that were under way at that time, the newest first.
    pub(crate) under_way: Vec<Run>,
    /// The nearest instant before the time.
    pub(crate) before: Option<Time>,
    /// The nearest instant after it.
    pub(crate) after: Option<Time>,
    /// The schedule that was in force.
    pub(crate) schedule: Option<ScheduleThen>,
    /// When the job runs next as things stand, behind a pause that has an end as well.
    pub(crate) next_fire: Option<Time>,
}

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub(crate) struct ScheduleThen {
    pub(crate) expression: String,
    pub(crate) text: String,
    pub(crate) timezone: String,
    /// Instants later than this are of it,
    pub(crate) from: Time,
    /// up to and with this; none: it is in force still.
    pub(crate) to: Option<Time>,
}

impl Why {
    /// An explanation as it is told.
    pub fn new(job: JobName, at: Option<Timestamp>, why: Explanation) -> Self {
        Self {
            job,
            at: at.map(Time),
            verdict: why.verdict.as_str().to_owned(),
            sentences: why.sentences,
            instant: why.instant.map(Time),
            due_at: why.due_at.map(Time),
            run: why.run.map(Row::into),
            under_way: why.under_way.into_iter().map(Row::into).collect(),
            before: why.before.map(Time),
            after: why.after.map(Time),
            schedule: why.schedule.map(ScheduleThen::from),
            next_fire: why.next_fire.map(Time),
        }
    }
}

impl From<InForce> for ScheduleThen {
    fn from(then: InForce) -> Self {
        Self {
            expression: then.expression,
            text: then.text,
            timezone: then.timezone,
            from: then.from.into(),
            to: then.to.map(Time),
        }
    }
}
