//! Jobs that will not run, though they are enabled.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use jiff::Timestamp;

use super::Warning;
use crate::config::Config;
use crate::job::{JobName, Plan, Status, Upstream};
use crate::schedule::Rule;

/// Jobs whose schedule is over, and those that wait for an end that does not come by itself.
pub(super) fn jobs(config: &Config, now: Timestamp) -> Vec<Warning> {
    let mut found = Vec::new();
    // Jobs that do not run by themselves, whose followers are still to be looked at.
    let mut idle: VecDeque<&JobName> = VecDeque::new();
    for plan in config.jobs.values() {
        match over(plan, now) {
            _ if !plan.enabled => idle.push_back(&plan.name),
            Some(message) => {
                found.push(Warning::about(plan, message));
                idle.push_back(&plan.name);
            }
            None => {}
        }
    }
    let mut told: BTreeSet<&JobName> = idle.iter().copied().collect();
    let waiting = || config.jobs.values().filter(|plan| plan.enabled);
    let mut followers: BTreeMap<&JobName, Vec<&Plan>> = BTreeMap::new();
    for plan in waiting() {
        for upstream in plan.when.upstreams() {
            followers.entry(&upstream.job).or_default().push(plan);
            let waited_for = config.jobs.get(&upstream.job);
            if waited_for.is_some_and(|it| never_ends_so(it, upstream)) && told.insert(&plan.name) {
                found.push(Warning::about(plan, without_limit(upstream)));
                idle.push_back(&plan.name);
            }
        }
    }
    while let Some(job) = idle.pop_front() {
        for &plan in followers.get(job).into_iter().flatten() {
            if told.insert(&plan.name) {
                let disabled = config.jobs.get(job).is_some_and(|plan| !plan.enabled);
                found.push(Warning::about(plan, follows(job, disabled)));
                idle.push_back(&plan.name);
            }
        }
    }
    found
}

/// Why no instant of its schedule is to come, if it has one.
fn over(plan: &Plan, now: Timestamp) -> Option<String> {
    let schedule = plan.schedule()?;
    if schedule.next_firing_after(now).is_some() {
        return None;
    }
    Some(match schedule.spec().rule {
        _ if schedule.next_after(now).is_some() => {
            "its calendars exclude all that its schedule names for 50 years; choose others in \
             `exclude`"
                .to_owned()
        }
        Rule::At(at) => format!(
            "its instant, {at}, is past: it will not run any more; correct the time, or remove the \
             job"
        ),
        _ => "no instant of its schedule is left: it will not run any more; correct the schedule, \
              or remove the job"
            .to_owned(),
    })
}

/// Whether no run of the job can end in the way that is waited for.
fn never_ends_so(plan: &Plan, upstream: &Upstream) -> bool {
    let unlimited = plan.action.timeout().is_none() && plan.total_timeout.is_none();
    upstream.status == Status::TimedOut && unlimited
}

fn without_limit(upstream: &Upstream) -> String {
    let job = &upstream.job;
    format!(
        "it runs after `{job}` has timed out, which never happens: `{job}` has no time limit; give \
         it a `timeout`, or wait for another end"
    )
}

fn follows(job: &JobName, disabled: bool) -> String {
    let why = if disabled {
        "is disabled; enable that one"
    } else {
        "will not run by itself either; correct that one"
    };
    format!("it runs after `{job}`, which {why}, or trigger it by hand when this one is to run")
}
