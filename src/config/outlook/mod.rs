//! What lies ahead of a configuration that is valid: nights on which the clocks change, herds of
//! jobs, pools that are too small, jobs that will not run, calendars that are over. Pure: the instant to look from is an
//! argument. That a job is due again while it may still run is told where its time limit is read
//! (`overlap`), with the place.

mod calendars;
mod clocks;
mod crowds;
mod idle;

use jiff::Timestamp;

use super::Config;
use crate::job::{JobName, Plan};

pub(crate) use clocks::{fixed_local_times, local_times};

/// The most warnings of one kind; herds and clock changes repeat themselves.
const MAX_WARNINGS: usize = 20;

/// One thing that is worth a second look.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Warning {
    /// The job it is about; none: several.
    pub job: Option<JobName>,
    /// The warning, in a sentence or two: what is so, and what to do.
    pub message: String,
}

impl Warning {
    fn about(plan: &Plan, message: String) -> Self {
        Self {
            job: Some(plan.name.clone()),
            message,
        }
    }
}

/// Looks ahead from `now`.
pub fn ahead(config: &Config, now: Timestamp) -> Vec<Warning> {
    let enabled = || config.jobs.values().filter(|plan| plan.enabled);
    let idle = idle::jobs(config, now).into_iter();
    let changes = enabled().flat_map(|plan| {
        let changes = clocks::changes(plan, now).into_iter();
        changes.map(|message| Warning::about(plan, message))
    });
    let several = |message| Warning { job: None, message };
    let crowds = crowds::Crowds::ahead(enabled().map(AsRef::as_ref), now);
    let herds = crowds.herds().into_iter().map(several);
    let pools = crowds.pools(&config.pools).into_iter().map(several);
    let calendars = calendars::over(enabled().map(AsRef::as_ref), now);
    let calendars = calendars.into_iter().map(several);
    let mut warnings = some(idle, "jobs that will not run");
    warnings.extend(some(changes, "such clock changes"));
    warnings.extend(some(herds, "such seconds"));
    warnings.extend(some(pools, "such pools"));
    warnings.extend(some(calendars, "such calendars"));
    warnings
}

/// The first of the warnings of one kind, and how many more there are.
fn some(mut warnings: impl Iterator<Item = Warning>, kind: &str) -> Vec<Warning> {
    let mut shown: Vec<_> = warnings.by_ref().take(MAX_WARNINGS).collect();
    let more = warnings.count();
    if more > 0 {
        shown.push(Warning {
            job: None,
            message: format!("and {more} more {kind}"),
        });
    }
    shown
}
