//! The fires to come, of all jobs in one list.

use axum::Json;
use axum::extract::State;
use jiff::{SignedDuration, Timestamp};
use schemars::JsonSchema;
use serde::Deserialize;

use super::access::Caller;
use super::asked::{self, Asked};
use super::error::{Kind, Problem};
use super::{Context, wire};
use crate::dispatch::{JobView, Snapshot};
use crate::job::JobName;
use crate::schedule::Agenda;

/// Which fires are wanted.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Which {
    /// Up to this instant, itself included.
    #[serde(default, deserialize_with = "asked::instant")]
    until: Option<Timestamp>,
    /// Of this job alone.
    job: Option<JobName>,
    /// How many items at most, 100 unless said.
    #[schemars(range(min = 1, max = 500))]
    limit: Option<usize>,
    /// `next_cursor` of the part before.
    #[schemars(regex(pattern = r"^[0-9]{1,17}~[a-z0-9][a-z0-9._-]{0,63}$"))]
    cursor: Option<String>,
}

/// GET `/upcoming`
pub(super) async fn list(
    State(context): State<Context>,
    caller: Caller,
    Asked(which): Asked<Which>,
) -> Result<Json<wire::List<wire::Fire>>, Problem> {
    let limit = asked::limit(which.limit)?;
    let cursor = which.cursor.as_deref().map(Cursor::parse).transpose()?;
    let snapshot = context.handle.snapshot();
    if let Some(job) = &which.job
        && (snapshot.job(job.as_str()).is_none() || !caller.sees(job))
    {
        return Err(Problem::unknown_job(job.as_str()));
    }
    // Thousands of schedules may be asked: not where others wait for their answers.
    let listed = tokio::task::spawn_blocking(move || {
        let wanted = |view: &JobView| {
            let name = &view.plan.name;
            caller.sees(name) && which.job.as_ref().is_none_or(|job| job == name)
        };
        fires(&snapshot, wanted, cursor.as_ref(), which.until, limit)
    });
    let listed = listed.await.map_err(|why| {
        Problem::new(Kind::Internal, format!("the list could not be made: {why}"))
    })?;
    Ok(Json(listed))
}

/// Where a part of the list ended.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Cursor {
    at: Timestamp,
    job: JobName,
}

impl Cursor {
    fn parse(text: &str) -> Result<Self, Problem> {
        let parts = text.split_once('~').and_then(|(at, job)| {
            let at = Timestamp::from_microsecond(at.parse().ok()?).ok()?;
            let job = JobName::new(job).ok()?;
            Some(Self { at, job })
        });
        parts.ok_or_else(|| {
            let detail = "this is not a cursor: pass `next_cursor` of the page before as it is";
            Problem::new(Kind::BadQuery, detail)
        })
    }

    /// The first fire of a job behind it.
    fn first_of(&self, view: &JobView) -> Option<Timestamp> {
        let first = view.next_fire?;
        // Fires of one instant are in the order of their jobs' names.
        let tick = SignedDuration::from_micros(i64::from(view.plan.name > self.job));
        let seen = self.at.checked_sub(tick).unwrap_or(self.at);
        if first > seen {
            Some(first)
        } else {
            view.plan.next_firing_after(seen)
        }
    }
}

/// The first fires of the jobs that are wanted, in order.
fn fires(
    snapshot: &Snapshot,
    wanted: impl Fn(&JobView) -> bool,
    cursor: Option<&Cursor>,
    until: Option<Timestamp>,
    limit: usize,
) -> wire::List<wire::Fire> {
    let jobs = snapshot.jobs.iter().filter(|view| wanted(view));
    let agenda: Agenda<_> = jobs
        .filter_map(|view| {
            let first = match cursor {
                None => view.next_fire?,
                Some(cursor) => cursor.first_of(view)?,
            };
            Some((&view.plan.name, view.plan.schedule()?, first))
        })
        .collect();
    let mut coming = agenda
        .take_while(|(instant, ..)| until.is_none_or(|until| *instant <= until))
        .peekable();
    let mut items = Vec::new();
    let mut last = None;
    for (instant, job, schedule) in coming.by_ref().take(limit) {
        items.push(wire::Fire {
            job: job.clone(),
            scheduled_at: instant.into(),
            due_at: schedule.due_at(instant).into(),
        });
        last = Some(format!("{}~{job}", instant.as_microsecond()));
    }
    let next_cursor = last.filter(|_| coming.peek().is_some());
    wire::List { items, next_cursor }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{self, Environment};
    use crate::dispatch::{Dispatcher, Memory};
    use std::path::Path;

    const JOBS: &str = r#"
        [scheduler]
        timezone = "UTC"
        [jobs.a]
        every = "20s"
        command = ["true"]
        [jobs.b]
        every = "30s"
        command = ["true"]
        [jobs.off]
        every = "1s"
        enabled = false
        command = ["true"]
        [jobs.z]
        at = "2026-11-22T12:00:40Z"
        command = ["true"]
    "#;

    fn at(clock: &str) -> Timestamp {
        format!("2026-11-22T{clock}Z").parse().unwrap()
    }

    fn snapshot() -> Snapshot {
        let config = config::parse(Path::new("/x"), JOBS, &Environment::of_process()).unwrap();
        let now = at("12:00:00");
        let node = config.node.name.clone();
        let memory = Memory::default();
        let (mut dispatcher, _) = Dispatcher::recover(node, config.jobs, config.pools, memory, now);
        dispatcher.snapshot(now)
    }

    fn listed(list: &wire::List<wire::Fire>) -> Vec<String> {
        let fires = list.items.iter();
        fires
            .map(|fire| {
                format!(
                    "{} {}",
                    fire.job,
                    fire.scheduled_at.0.to_string().get(14..19).unwrap()
                )
            })
            .collect()
    }

    #[test]
    fn fires_of_all_jobs_come_in_order() {
        let list = fires(&snapshot(), |_| true, None, Some(at("12:01:00")), 100);
        let expected = [
            "a 00:20", "b 00:30", "a 00:40", "z 00:40", "a 01:00", "b 01:00",
        ];
        assert_eq!(listed(&list), expected);
        assert_eq!(list.next_cursor, None);
        let only = |view: &JobView| view.plan.name.as_str() != "a";
        let list = fires(&snapshot(), only, None, None, 2);
        assert_eq!(listed(&list), ["b 00:30", "z 00:40"]);
        assert!(list.next_cursor.is_some());
    }

    #[test]
    fn a_part_begins_with_a_fire_that_is_not_excluded() {
        let text = format!("{JOBS}exclude = [\"c\"]\n[calendars.c]\ndates = [\"2026-11-23\"]\n");
        let text = text.replace("at = \"2026-11-22T12:00:40Z\"", "every = \"12h\"");
        let config = config::parse(Path::new("/x"), &text, &Environment::of_process()).unwrap();
        let now = at("11:00:00");
        let node = config.node.name.clone();
        let memory = Memory::default();
        let (mut dispatcher, _) = Dispatcher::recover(node, config.jobs, config.pools, memory, now);
        let snapshot = dispatcher.snapshot(now);
        let view = snapshot.job("z").unwrap();
        let cursor = Cursor::parse(&format!("{}~z", at("12:00:00").as_microsecond())).unwrap();
        assert_eq!(
            cursor.first_of(view),
            Some("2026-11-24T00:00:00Z".parse().unwrap())
        );
    }

    #[test]
    fn parts_of_any_size_are_the_whole() {
        let snapshot = snapshot();
        let until = Some(at("12:03:00"));
        let whole = listed(&fires(&snapshot, |_| true, None, until, 500));
        for limit in 1..9 {
            let mut parts = Vec::new();
            let mut cursor = None;
            loop {
                let part = fires(&snapshot, |_| true, cursor.as_ref(), until, limit);
                assert!(part.items.len() <= limit);
                parts.extend(listed(&part));
                match part.next_cursor {
                    Some(next) => cursor = Some(Cursor::parse(&next).unwrap()),
                    None => break,
                }
            }
            assert_eq!(parts, whole, "by {limit}");
        }
        for text in ["", "~", "1~", "~a", "x~a", "1~A", "99999999999999999999~a"] {
            assert!(Cursor::parse(text).is_err(), "{text:?}");
        }
    }
}
