//! A job, its ledger and a question, and what is said then.

mod now;
mod rows;
mod times;

use std::path::Path;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::{Explanation, Facts, History, Standing, explain};
use crate::config::{self, Environment};
use crate::dispatch::{PoolView, State};
use crate::job::{JobFlags, JobName, Plan, Reason, Run, RunId, Span, Status, Trigger};
use crate::schedule::ScheduleSpec;
use crate::store::{JobRecord, Stretch};

/// All that is known of the job `backup`.
pub struct Scene {
    pub now: Timestamp,
    pub plan: Plan,
    pub in_config: bool,
    pub state: State,
    pub flags: JobFlags,
    pub next_fire: Option<Timestamp>,
    pub running: usize,
    pub queued: usize,
    pub pool: PoolView,
    pub everything_paused: bool,
    pub draining: bool,
    pub history: Vec<Stretch>,
    pub record: JobRecord,
}

/// Noon in Paris.
pub const NOON: &str = "2026-12-01T11:00:00Z";

pub fn t(text: &str) -> Timestamp {
    text.parse().unwrap()
}

pub fn backup() -> JobName {
    JobName::new("backup").unwrap()
}

/// The plan of a job with these keys.
pub fn plan(keys: &str) -> Plan {
    let text = format!(
        "[scheduler]\ntimezone = \"Europe/Paris\"\n[jobs.backup]\ncommand = [\"true\"]\n{keys}\n"
    );
    let config = config::parse(Path::new("/x"), &text, &Environment::of_process());
    let config = config.unwrap_or_else(|report| panic!("{report}"));
    Plan::clone(&config.jobs[&backup()])
}

/// The spec of a job with these keys.
pub fn spec(keys: &str) -> ScheduleSpec {
    plan(keys).schedule().unwrap().spec().clone()
}

impl Scene {
    /// A job with these keys, seen first at the beginning of November, decided up to noon.
    pub fn of(keys: &str) -> Self {
        let plan = plan(keys);
        let now = t(NOON);
        let mut flags = JobFlags::first_seen(backup(), t("2026-11-01T00:00:00Z"));
        flags.decided_through = now;
        let history = plan.spec_in_force().map(|spec| Stretch {
            from: flags.audit_from,
            to: None,
            spec,
        });
        Self {
            now,
            in_config: true,
            state: State::Active,
            next_fire: plan.next_after(now),
            running: 0,
            queued: 0,
            pool: PoolView {
                name: plan.pool.clone(),
                slots: 512,
                used: 0,
                queued: 0,
            },
            everything_paused: false,
            draining: false,
            history: history.into_iter().collect(),
            record: JobRecord {
                flags: Some(flags.clone()),
                ..JobRecord::default()
            },
            flags,
            plan,
        }
    }

    /// A job that runs every night at half past two.
    pub fn nightly() -> Self {
        Self::of("cron = \"30 2 * * *\"")
    }

    /// With these rows, as the ledger would give them for a question.
    pub fn with(mut self, rows: impl IntoIterator<Item = Run>) -> Self {
        let mut rows: Vec<Run> = rows.into_iter().collect();
        rows.sort_by_key(|run| std::cmp::Reverse(run.scheduled_at));
        self.record.earlier = rows;
        self
    }

    /// Paused since half an hour, by somebody and for a reason.
    pub fn paused(mut self, until: Option<&str>) -> Self {
        self.flags.paused = true;
        self.flags.paused_at = Some(t("2026-12-01T10:30:00Z"));
        self.flags.paused_until = until.map(t);
        self.flags.pause_reason = Some("disk full".into());
        self.flags.paused_by = Some("uid 1000".into());
        self.state = State::Paused;
        self.next_fire = None;
        self
    }

    pub fn ask(&self, at: Option<&str>) -> Explanation {
        let job = backup();
        let at = at.map(t);
        let history = History::new(job.clone(), self.history.clone());
        let mut record = self.record.clone();
        let rows = std::mem::take(&mut record.earlier);
        if let Some(subject) = at.and_then(|at| history.subject(at)) {
            let holds = |run: &&Run| {
                let last = run.span.map_or(run.scheduled_at, |span| span.last);
                let by_clock = matches!(run.trigger, Trigger::Schedule | Trigger::CatchUp);
                by_clock && run.scheduled_at <= subject && subject <= last
            };
            record.holding = rows.iter().find(holds).cloned();
        }
        let around = at.unwrap_or(self.now);
        let earlier = rows.into_iter().filter(|run| run.scheduled_at <= around);
        record.earlier = earlier.collect();
        let standing = Standing {
            plan: &self.plan,
            state: self.state,
            flags: &self.flags,
            next_fire: self.next_fire,
            running: self.running,
            queued: self.queued,
            pool: Some(&self.pool),
            everything_paused: self.everything_paused,
            draining: self.draining,
        };
        explain(Facts {
            job: &job,
            at,
            now: self.now,
            zone: &TimeZone::UTC,
            standing: self.in_config.then_some(standing),
            history: &history,
            record: &record,
        })
    }

    /// The verdict, and the sentences below each other.
    pub fn said(&self, at: Option<&str>) -> String {
        let Explanation {
            verdict, sentences, ..
        } = self.ask(at);
        for sentence in &sentences {
            let first = sentence.chars().next().unwrap();
            assert!(!first.is_lowercase(), "{sentence}");
            assert!(
                sentence.ends_with('.') && !sentence.ends_with(".."),
                "{sentence}"
            );
            assert!(!sentence.contains("  "), "{sentence}");
        }
        format!("{}\n{}", verdict.as_str(), sentences.join("\n"))
    }
}

/// A fire that ran this night and succeeded.
pub fn fire(at: &str) -> Run {
    let at = t(at);
    let after = |micros| at + jiff::SignedDuration::from_micros(micros);
    Run {
        id: RunId::of_fire(&backup(), at),
        job: backup(),
        status: Status::Succeeded,
        trigger: Trigger::Schedule,
        scheduled_at: at,
        due_at: at,
        queued_at: None,
        retry_at: None,
        started_at: Some(after(4_100)),
        finished_at: Some(after(123_004_100)),
        attempts: 1,
        exit_code: Some(0),
        signal: None,
        http_status: None,
        reason: None,
        params: std::collections::BTreeMap::new(),
        node: "here".into(),
        requested_by: None,
        span: None,
    }
}

/// The same, but it did not start.
pub fn unstarted(at: &str, status: Status, reason: &str) -> Run {
    Run {
        status,
        reason: Some(Reason::new(reason)),
        started_at: None,
        finished_at: None,
        exit_code: None,
        attempts: 0,
        ..fire(at)
    }
}

/// Instants that did not run.
pub fn span(from: &str, to: &str, count: u64, status: Status, reason: &str) -> Run {
    Run {
        span: Some(Span { last: t(to), count }),
        ..unstarted(from, status, reason)
    }
}
