//! Runs and attempts.

use std::collections::BTreeMap;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::time::{Time, between};
use crate::job;

/// A row of the ledger.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct Run {
    pub(crate) id: job::RunId,
    pub(crate) job: job::JobName,
    pub(crate) status: job::Status,
    pub(crate) trigger: job::Trigger,
    pub(crate) scheduled_at: Time,
    pub(crate) due_at: Time,
    pub(crate) queued_at: Option<Time>,
    /// When its next attempt is to start, while it waits between two.
    pub(crate) retry_at: Option<Time>,
    pub(crate) started_at: Option<Time>,
    pub(crate) finished_at: Option<Time>,
    pub(crate) lateness_s: Option<f64>,
    pub(crate) duration_s: Option<f64>,
    pub(crate) attempts: u32,
    pub(crate) exit_code: Option<i32>,
    pub(crate) signal: Option<i32>,
    pub(crate) http_status: Option<u16>,
    pub(crate) reason: Option<job::Reason>,
    pub(crate) params: BTreeMap<String, String>,
    pub(crate) requested_by: Option<String>,
    pub(crate) node: String,
    pub(crate) count: Option<u64>,
    pub(crate) last_scheduled_at: Option<Time>,
}

impl From<job::Run> for Run {
    fn from(run: job::Run) -> Self {
        let duration = run.started_at.zip(run.finished_at);
        Self {
            id: run.id,
            job: run.job,
            status: run.status,
            trigger: run.trigger,
            scheduled_at: run.scheduled_at.into(),
            due_at: run.due_at.into(),
            queued_at: run.queued_at.map(Time),
            retry_at: run.retry_at.map(Time),
            started_at: run.started_at.map(Time),
            finished_at: run.finished_at.map(Time),
            lateness_s: run.started_at.map(|started| between(run.due_at, started)),
            duration_s: duration.map(|(started, finished)| between(started, finished)),
            attempts: run.attempts,
            exit_code: run.exit_code,
            signal: run.signal,
            http_status: run.http_status,
            reason: run.reason,
            params: run.params,
            requested_by: run.requested_by,
            node: run.node,
            count: run.span.map(|span| span.count),
            last_scheduled_at: run.span.map(|span| span.last.into()),
        }
    }
}

/// A run with its attempts.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct RunDetail {
    /// The run.
    #[serde(flatten)]
    pub run: Run,
    /// First to last.
    pub attempt_list: Vec<Attempt>,
}

/// One execution.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct Attempt {
    pub(crate) number: u32,
    pub(crate) status: job::Status,
    pub(crate) started_at: Time,
    pub(crate) finished_at: Option<Time>,
    pub(crate) duration_s: Option<f64>,
    pub(crate) pid: Option<u32>,
    pub(crate) exit_code: Option<i32>,
    pub(crate) signal: Option<i32>,
    pub(crate) http_status: Option<u16>,
    pub(crate) reason: Option<job::Reason>,
    pub(crate) cpu_seconds: Option<f64>,
    pub(crate) max_rss_bytes: Option<u64>,
}

impl From<job::Attempt> for Attempt {
    fn from(attempt: job::Attempt) -> Self {
        Self {
            number: attempt.number,
            status: attempt.status,
            started_at: attempt.started_at.into(),
            finished_at: attempt.finished_at.map(Time),
            duration_s: attempt
                .finished_at
                .map(|at| between(attempt.started_at, at)),
            pid: attempt.pid,
            exit_code: attempt.exit_code,
            signal: attempt.signal,
            http_status: attempt.http_status,
            reason: attempt.reason,
            cpu_seconds: attempt
                .figures
                .cpu_usec
                .map(|usec| Duration::from_micros(usec).as_secs_f64()),
            max_rss_bytes: attempt.figures.max_rss_bytes,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::job::{JobName, Reason, RunId, Span, Status, Trigger};
    use jiff::Timestamp;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn run() -> job::Run {
        let job = JobName::new("backup").unwrap();
        let due = at("2026-12-01T02:30:00.25Z");
        job::Run {
            id: RunId::of_fire(&job, due),
            job,
            status: Status::Failed,
            trigger: Trigger::Schedule,
            scheduled_at: at("2026-12-01T02:30:00Z"),
            due_at: due,
            queued_at: None,
            retry_at: None,
            started_at: Some(at("2026-12-01T02:30:01.5Z")),
            finished_at: Some(at("2026-12-01T02:30:02Z")),
            attempts: 1,
            exit_code: Some(3),
            signal: None,
            http_status: None,
            reason: None,
            params: BTreeMap::new(),
            node: "n".into(),
            requested_by: None,
            span: None,
        }
    }

    #[test]
    fn a_run_has_the_names_and_units_of_the_contract() {
        let shown = serde_json::to_value(Run::from(run())).unwrap();
        for name in "id job status trigger scheduled_at due_at queued_at started_at finished_at \
                     lateness_s duration_s attempts exit_code signal http_status reason params \
                     node count last_scheduled_at"
            .split_whitespace()
        {
            assert!(shown.get(name).is_some(), "{name}");
        }
        assert_eq!(shown["scheduled_at"], "2026-12-01T02:30:00.000000Z");
        assert_eq!(shown["lateness_s"], 1.25);
        assert_eq!(shown["duration_s"], 0.5);
        assert_eq!(shown["status"], "failed");
        assert!(shown["count"].is_null());
    }

    #[test]
    fn a_span_tells_its_last_instant_and_count() {
        let span = job::Run {
            status: Status::Skipped,
            started_at: None,
            finished_at: None,
            reason: Some(Reason::new(Reason::PAUSED)),
            span: Some(Span {
                last: at("2026-12-01T03:00:00Z"),
                count: 4,
            }),
            ..run()
        };
        let shown = serde_json::to_value(Run::from(span)).unwrap();
        assert_eq!(shown["count"], 4);
        assert_eq!(shown["last_scheduled_at"], "2026-12-01T03:00:00.000000Z");
        assert_eq!(shown["reason"], "paused");
        assert!(shown["lateness_s"].is_null() && shown["duration_s"].is_null());
    }
}
