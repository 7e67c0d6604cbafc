//! What makes a job run by itself.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{JobName, Status};
use crate::schedule::Schedule;

/// What makes a job run by itself. One variant a kind.
#[derive(Debug, Clone)]
pub enum When {
    /// The clock: `cron`, `every` or `at`. These name instants.
    Schedule(Arc<Schedule>),
    /// `on = "startup"`: each start of the daemon.
    Startup(Restart),
    /// `after`: the ends of other jobs, all of them since this job last started.
    After(Vec<Upstream>),
}

/// Whether a job that runs from the start of the daemon on is started again when it ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Restart {
    /// It runs once.
    Never,
    /// When it ended otherwise than `succeeded`, and nobody cancelled it.
    OnFailure,
    /// However it ended.
    Always,
}

/// An end of another job that is waited for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Upstream {
    /// Whose.
    pub job: JobName,
    /// Which; final, and of a run that was started or was to be.
    pub status: Status,
}

impl Upstream {
    /// The ends that can be waited for.
    pub const ENDS: [Status; 5] = [
        Status::Succeeded,
        Status::Failed,
        Status::TimedOut,
        Status::Cancelled,
        Status::Lost,
    ];
}

impl fmt::Display for Upstream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.job, self.status)
    }
}

impl When {
    /// The schedule, if the clock makes it run.
    pub fn schedule(&self) -> Option<&Arc<Schedule>> {
        match self {
            Self::Schedule(schedule) => Some(schedule),
            Self::Startup(_) | Self::After(_) => None,
        }
    }

    /// Whether and when it is started again, if it runs from the start of the daemon on.
    pub fn restart(&self) -> Option<Restart> {
        match self {
            Self::Startup(restart) => Some(*restart),
            Self::Schedule(_) | Self::After(_) => None,
        }
    }

    /// What it waits for; empty unless other jobs make it run.
    pub fn upstreams(&self) -> &[Upstream] {
        match self {
            Self::After(upstreams) => upstreams,
            Self::Schedule(_) | Self::Startup(_) => &[],
        }
    }

    /// `cron`, `every`, `at`, `startup` or `after`.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Schedule(schedule) => schedule.kind(),
            Self::Startup(_) => "startup",
            Self::After(_) => "after",
        }
    }

    /// What was written there, as text.
    pub fn expression(&self) -> String {
        match self {
            Self::Schedule(schedule) => schedule.expression(),
            Self::Startup(_) => "startup".to_owned(),
            Self::After(upstreams) => {
                let named = upstreams.iter().map(|up| match up.status {
                    Status::Succeeded => up.job.to_string(),
                    _ => up.to_string(),
                });
                named.collect::<Vec<_>>().join(", ")
            }
        }
    }

    /// The same in words, such as "at 02:30 every day".
    pub fn text(&self) -> String {
        match self {
            Self::Schedule(schedule) => schedule.text(),
            Self::Startup(Restart::Never) => "when the daemon starts".to_owned(),
            Self::Startup(Restart::OnFailure) => {
                "when the daemon starts, and again when it fails".to_owned()
            }
            Self::Startup(Restart::Always) => {
                "when the daemon starts, and again when it ends".to_owned()
            }
            Self::After(upstreams) => {
                let ends = upstreams.iter().map(ToString::to_string);
                format!("after {}", ends.collect::<Vec<_>>().join(" and "))
            }
        }
    }

    /// The zone that its times are read in; none without times.
    pub fn timezone(&self) -> Option<&str> {
        self.schedule().map(|schedule| schedule.timezone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_for_what_no_clock_starts() {
        let upstream = |job: &str, status| Upstream {
            job: JobName::new(job).unwrap(),
            status,
        };
        let after = When::After(vec![
            upstream("backup", Status::Succeeded),
            upstream("dump", Status::Failed),
        ]);
        assert_eq!(after.kind(), "after");
        assert_eq!(after.expression(), "backup, dump failed");
        assert_eq!(after.text(), "after backup succeeded and dump failed");
        assert_eq!(after.timezone(), None);
        let startup = When::Startup(Restart::OnFailure);
        assert_eq!(startup.expression(), "startup");
        assert!(startup.upstreams().is_empty());
    }
}
