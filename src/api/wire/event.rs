//! Events of the live stream.

use serde::Serialize;

use super::run::Run;
use super::time::Time;
use crate::job::{self, EventKind, JobName};
use crate::telemetry::Gap;

/// What happened.
#[derive(Debug, Serialize)]
pub struct Event<'a> {
    at: Time,
    #[serde(flatten)]
    what: What<'a>,
}

#[derive(Debug, Serialize)]
#[serde(untagged)]
enum What<'a> {
    Run {
        run: Box<Run>,
    },
    Job {
        job: &'a JobName,
        paused: bool,
        by: &'a str,
    },
    Scheduler {
        paused: bool,
        by: &'a str,
    },
    Reload {},
    Clock {
        by_s: f64,
    },
    Warning {
        job: &'a JobName,
        message: &'a str,
    },
}

impl<'a> Event<'a> {
    /// An event as it is told.
    pub fn new(event: &'a job::Event) -> Self {
        let what = match &event.kind {
            EventKind::Run(run) => What::Run {
                run: Box::new((**run).clone().into()),
            },
            EventKind::JobPaused { job, paused, by } => What::Job {
                job,
                paused: *paused,
                by,
            },
            EventKind::SchedulerPaused { paused, by } => What::Scheduler {
                paused: *paused,
                by,
            },
            EventKind::Reloaded => What::Reload {},
            EventKind::ClockStepped { by_s } => What::Clock { by_s: *by_s },
            EventKind::Warning { job, message } => What::Warning { job, message },
        };
        Self {
            at: event.at.into(),
            what,
        }
    }

    /// The name of its kind.
    pub fn kind(&self) -> &'static str {
        match self.what {
            What::Run { .. } => "run",
            What::Job { .. } => "job",
            What::Scheduler { .. } => "scheduler",
            What::Reload {} => "reload",
            What::Clock { .. } => "clock",
            What::Warning { .. } => "warning",
        }
    }
}

/// Why events are missing at this place, and what to do about it.
#[derive(Debug, Serialize)]
pub struct Missing {
    reason: &'static str,
    message: &'static str,
}

impl From<Gap> for Missing {
    fn from(gap: Gap) -> Self {
        let (reason, message) = match gap {
            Gap::Restarted => (
                "restarted",
                "the daemon has been restarted; read jobs and runs again",
            ),
            Gap::TooOld => (
                "too_old",
                "more has happened than is kept; read jobs and runs again",
            ),
            Gap::Lost => (
                "lost",
                "the daemon was too busy to tell everything; read jobs and runs again",
            ),
        };
        Self { reason, message }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::Timestamp;

    #[test]
    fn events_say_when_what_and_by_whom() {
        let event = job::Event {
            at: Timestamp::UNIX_EPOCH,
            kind: EventKind::JobPaused {
                job: JobName::new("a").unwrap(),
                paused: true,
                by: "ann".into(),
            },
        };
        let event = Event::new(&event);
        assert_eq!(event.kind(), "job");
        let expected = r#"{"at":"1970-01-01T00:00:00.000000Z","job":"a","paused":true,"by":"ann"}"#;
        assert_eq!(serde_json::to_string(&event).unwrap(), expected);
    }

    /// A row of the manual's table for each kind, with each of its fields.
    #[test]
    fn every_kind_is_in_the_manual_with_its_data() {
        let manual = include_str!("../../../docs/api.md");
        let (job, by) = (JobName::new("a").unwrap(), "ann".to_owned());
        let kinds = [
            EventKind::JobPaused {
                job: job.clone(),
                paused: true,
                by: by.clone(),
            },
            EventKind::SchedulerPaused { paused: true, by },
            EventKind::Reloaded,
            EventKind::ClockStepped { by_s: 1.0 },
            EventKind::Warning {
                job,
                message: String::new(),
            },
        ];
        let row = |kind: &str| {
            let start = format!("| `{kind}` | ");
            let row = manual.lines().find(|line| line.starts_with(&start));
            row.unwrap_or_else(|| panic!("docs/api.md has no event {kind}"))
        };
        for kind in kinds {
            let at = Timestamp::UNIX_EPOCH;
            let event = job::Event { at, kind };
            let event = Event::new(&event);
            let data = serde_json::to_value(&event).unwrap();
            for field in data.as_object().unwrap().keys().filter(|key| *key != "at") {
                let told = row(event.kind()).contains(&format!("`{field}`"));
                assert!(told, "{}: {field}", event.kind());
            }
        }
        for gap in [Gap::Restarted, Gap::TooOld, Gap::Lost] {
            let reason = Missing::from(gap).reason;
            assert!(row("gap").contains(&format!("`{reason}`")), "{reason}");
        }
        assert!(row("run").contains("`run`") && row("hello").contains("begins"));
    }
}
