//! Rows to write.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use punctual::job::{Attempt, Figures, JobFlags, Reason, Run, RunId, Span, Status, Trigger, Write};
use punctual::schedule::{Rule, ScheduleSpec};
use punctual::store::StoredOutput;

use crate::home::{name, t};

/// The fire of a job at an instant.
pub fn fire(job: &str, at: Timestamp, status: Status) -> Run {
    let ran = status.is_final() || status == Status::Running;
    Run {
        id: RunId::of_fire(&name(job), at),
        job: name(job),
        status,
        trigger: Trigger::Schedule,
        scheduled_at: at,
        due_at: at,
        queued_at: None,
        retry_at: None,
        started_at: ran.then_some(at),
        finished_at: status.is_final().then_some(at),
        attempts: u32::from(ran),
        exit_code: None,
        signal: None,
        http_status: None,
        reason: None,
        params: BTreeMap::new(),
        node: "here".into(),
        requested_by: None,
        span: None,
    }
}

/// A manual run with every field set.
pub fn manual(job: &str, at: Timestamp, status: Status) -> Run {
    Run {
        id: RunId::of_manual(&name(job), at, 7),
        trigger: Trigger::Manual,
        queued_at: Some(at),
        exit_code: Some(-3),
        signal: Some(15),
        http_status: Some(503),
        reason: Some(Reason::new("because 'so'")),
        params: BTreeMap::from([("key".into(), "a \"value\"\n".into())]),
        requested_by: Some("uid 1000".into()),
        ..fire(job, at, status)
    }
}

/// A stretch of instants that did not run.
pub fn span(job: &str, first: Timestamp, last: Timestamp, count: u64) -> Run {
    Run {
        id: RunId::of_span(&name(job), first, 0),
        span: Some(Span { last, count }),
        reason: Some(Reason::new(Reason::PAUSED)),
        started_at: None,
        attempts: 0,
        ..fire(job, first, Status::Skipped)
    }
}

pub fn attempt(run: RunId, number: u32, status: Status) -> Attempt {
    Attempt {
        run,
        number,
        status,
        started_at: t(1),
        finished_at: status.is_final().then(|| t(2)),
        pid: Some(4_000_000),
        exit_code: Some(1),
        signal: None,
        http_status: Some(599),
        reason: Some(Reason::new("why")),
        figures: Figures {
            cpu_usec: Some(1_500_000),
            max_rss_bytes: status.is_final().then_some(50 << 20),
        },
    }
}

pub fn output(run: RunId, attempt: u32, bytes: &[u8]) -> StoredOutput {
    StoredOutput {
        run,
        attempt,
        bytes: bytes.to_vec(),
        segments: b"[]".to_vec(),
        total_bytes: bytes.len() as u64 * 2,
    }
}

pub fn flags(job: &str, decided_through: Timestamp) -> JobFlags {
    JobFlags {
        decided_through,
        ..JobFlags::first_seen(name(job), t(0))
    }
}

pub fn every(seconds: u64) -> ScheduleSpec {
    ScheduleSpec {
        rule: Rule::Every(Duration::from_secs(seconds)),
        timezone: "UTC".into(),
        tzdb: None,
        start: None,
        end: None,
        jitter: Duration::ZERO,
        exclude: Vec::new(),
    }
}

pub fn schedule(job: &str, at: Timestamp, spec: Option<ScheduleSpec>) -> Write {
    Write::Schedule {
        job: name(job),
        at,
        spec,
    }
}
