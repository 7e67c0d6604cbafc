//! `after`: the jobs that a job runs after, and whether all of that comes to an end.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::fields::Fields;
use super::report::{Complaints, Problem};
use super::tree::{Node, Table, Written};
use super::{value, words};
use crate::job::{JobName, Plan, Status, Upstream};

/// The most jobs that one may wait for.
const MAX_UPSTREAMS: usize = 100;

/// The ends that can be waited for, by name.
fn ends() -> Vec<(&'static str, Status)> {
    let named = Upstream::ENDS.iter().map(|end| (end.as_str(), *end));
    named.collect()
}

/// Reads the list. That the jobs are there is looked at once all are read ([`check`]).
pub(super) fn read(node: &Node, complaints: &mut Complaints) -> Option<Vec<Upstream>> {
    let items = match &node.value {
        Written::List(items) => items.as_slice(),
        Written::Text(_) | Written::Table(_) => std::slice::from_ref(node),
        _ => {
            value::mistaken(node, "`after` is a list of jobs", complaints);
            return None;
        }
    };
    if items.is_empty() || items.len() > MAX_UPSTREAMS {
        let sentence = format!("`after` holds 1 to {MAX_UPSTREAMS} jobs");
        complaints.error(Problem::at(node.place, sentence));
        return None;
    }
    let mut upstreams: Vec<Upstream> = Vec::new();
    for item in items {
        let upstream = one(item, complaints)?;
        if upstreams.iter().any(|known| known.job == upstream.job) {
            let sentence = format!("`after` names job `{}` twice", upstream.job);
            complaints.error(
                Problem::at(item.place, sentence)
                    .help("a job is waited for once, with one end: remove one of the two"),
            );
            return None;
        }
        upstreams.push(upstream);
    }
    Some(upstreams)
}

/// A job's name, or `{ job = "NAME", status = "END" }`.
fn one(item: &Node, complaints: &mut Complaints) -> Option<Upstream> {
    let Written::Table(table) = &item.value else {
        let job = job_name(item, complaints)?;
        let status = Status::Succeeded;
        return Some(Upstream { job, status });
    };
    let mut fields = Fields::over(vec![table]);
    let named = fields.node("job");
    if named.is_none() {
        let problem = Problem::at(item.place, "`after` needs the `job` to run after");
        complaints.error(problem.help("such as { job = \"backup\", status = \"failed\" }"));
    }
    let job = named.and_then(|node| job_name(node, complaints));
    let status = fields.choice("status", &ends(), complaints);
    let written = fields.node("status").is_some();
    fields.finish(complaints);
    let status = if written { status? } else { Status::Succeeded };
    Some(Upstream { job: job?, status })
}

fn job_name(node: &Node, complaints: &mut Complaints) -> Option<JobName> {
    let text = value::text("after", node, complaints)?;
    match JobName::new(text) {
        Ok(name) => Some(name),
        Err(error) => {
            complaints.error(Problem::at(node.place, error.to_string()));
            None
        }
    }
}

/// Complains about upstreams that are no job of the config, and about jobs that wait for each
/// other in a circle. `named` are all jobs as written, those with errors among them.
pub(super) fn check(
    jobs: &BTreeMap<JobName, Arc<Plan>>,
    named: &BTreeMap<&str, &Node>,
    defaults: &[&Table],
    complaints: &mut Complaints,
) {
    let mut whole = true;
    for (name, plan) in jobs {
        for upstream in plan.when.upstreams() {
            if !named.contains_key(upstream.job.as_str()) {
                whole = false;
                missing(name, upstream, named, defaults, complaints);
            }
        }
    }
    if whole {
        circles(jobs, named, defaults, complaints);
    }
}

fn missing(
    name: &JobName,
    upstream: &Upstream,
    named: &BTreeMap<&str, &Node>,
    defaults: &[&Table],
    complaints: &mut Complaints,
) {
    let Some(node) = written(name, named, defaults) else {
        return;
    };
    let sentence = format!(
        "job `{name}` runs after `{}`, which is no job",
        upstream.job
    );
    let problem = Problem::at(node.place, sentence);
    let others = named
        .keys()
        .copied()
        .filter(|&other| other != name.as_str());
    complaints.error(match words::nearest(upstream.job.as_str(), others) {
        Some(near) => problem.help(format!("did you mean {near:?}?")),
        None => problem.help("name a job of [jobs]"),
    });
}

/// Every circle is told once, where its first job by name says so.
fn circles(
    jobs: &BTreeMap<JobName, Arc<Plan>>,
    named: &BTreeMap<&str, &Node>,
    defaults: &[&Table],
    complaints: &mut Complaints,
) {
    let mut done: BTreeSet<&JobName> = BTreeSet::new();
    for name in jobs.keys() {
        let mut path: Vec<(&JobName, usize)> = Vec::new();
        if !done.contains(name) {
            path.push((name, 0));
        }
        while let Some((job, next)) = path.last_mut() {
            let upstreams = jobs.get(*job).map_or(&[][..], |plan| plan.when.upstreams());
            let Some(upstream) = upstreams.get(*next) else {
                done.insert(job);
                path.pop();
                continue;
            };
            *next += 1;
            let upstream = &upstream.job;
            if let Some(start) = path.iter().position(|(job, _)| *job == upstream) {
                let circle: Vec<_> = path[start..].iter().map(|(job, _)| job.as_str()).collect();
                let sentence = format!("jobs wait for each other: {}", told(&circle));
                if let Some(node) = written(upstream, named, defaults) {
                    complaints.error(
                        Problem::at(node.place, sentence)
                            .help("none of them could ever run; break the circle"),
                    );
                }
            } else if !done.contains(upstream) {
                path.push((upstream, 0));
            }
        }
    }
}

/// `a after b after a`, however long the circle is.
fn told(circle: &[&str]) -> String {
    const SHOWN: usize = 8;
    let mut names: Vec<&str> = circle.iter().copied().take(SHOWN).collect();
    if circle.len() > SHOWN {
        names.push("…");
    }
    names.extend(circle.first());
    names.join(" after ")
}

/// Where a job's `after` stands: in its own table, or in the defaults.
fn written<'t>(
    name: &JobName,
    named: &BTreeMap<&str, &'t Node>,
    defaults: &[&'t Table],
) -> Option<&'t Node> {
    let own = named.get(name.as_str()).and_then(|node| match &node.value {
        Written::Table(table) => table.entries.get("after"),
        _ => None,
    });
    own.or_else(|| defaults.iter().find_map(|table| table.entries.get("after")))
}
