//! Questions to the ledger and the shape of their answers.

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use serde::Serialize;

use crate::job::{JobFlags, JobName, Run, Status, Trigger};
use crate::schedule::ScheduleSpec;

/// Which runs are wanted; the default wants all but those still `scheduled`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RunFilter {
    /// Of which jobs.
    pub jobs: Jobs,
    /// In this status alone; without it every status but `scheduled`.
    pub status: Option<Status>,
    /// Made by this alone.
    pub trigger: Option<Trigger>,
    /// With an instant at or after this (a span counts if its last instant does).
    pub since: Option<Timestamp>,
    /// With an instant before this.
    pub until: Option<Timestamp>,
}

/// A choice of jobs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Jobs {
    /// Every one.
    #[default]
    All,
    /// These.
    Only(Vec<JobName>),
}

/// A place in the list of runs, newest first. It holds while rows arrive and go, because the
/// order is by things of a row that never change: its instant, then its arrival.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cursor {
    pub(super) scheduled_at: i64,
    pub(super) seq: i64,
}

/// A cursor that nobody here gave out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("this is not a cursor: pass `next_cursor` of the page before as it is")]
pub struct CursorError;

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.scheduled_at, self.seq)
    }
}

impl FromStr for Cursor {
    type Err = CursorError;

    fn from_str(text: &str) -> Result<Self, CursorError> {
        let (scheduled_at, seq) = text.split_once('.').ok_or(CursorError)?;
        Ok(Self {
            scheduled_at: scheduled_at.parse().map_err(|_| CursorError)?,
            seq: seq.parse().map_err(|_| CursorError)?,
        })
    }
}

/// A part of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page<T> {
    /// The items.
    pub items: Vec<T>,
    /// Where the next page begins; none: this was the last.
    pub next_cursor: Option<Cursor>,
}

/// How a job did lately.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LastRuns {
    /// The newest run that ran and ended.
    pub last: Run,
    /// How many of the newest runs were looked at: those that ran and ended, cancelled ones aside.
    pub judged: u32,
    /// How many of them succeeded.
    pub succeeded: u32,
}

impl LastRuns {
    /// The share that succeeded, 0 to 1; none when there is nothing to judge.
    pub fn success_rate(&self) -> Option<f64> {
        (self.judged > 0).then(|| f64::from(self.succeeded) / f64::from(self.judged))
    }
}

/// How the newest runs of a job that ran ended.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LastEnds {
    /// When the newest ended that succeeded.
    pub success: Option<Timestamp>,
    /// When the newest ended that was not cancelled, and whether it succeeded.
    pub end: Option<(Timestamp, bool)>,
}

/// Figures over the newest runs of a job that ran and ended.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct JobStatistics {
    /// How many runs they are drawn from.
    pub runs: usize,
    /// From first start to last end.
    pub duration: Option<Spread>,
    /// From the due instant to the first start.
    pub lateness: Option<Spread>,
}

/// How a figure spreads, in seconds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Spread {
    /// Half of the values are at most this.
    pub p50_s: f64,
    /// 99 of 100 are at most this.
    pub p99_s: f64,
    /// The greatest.
    pub max_s: f64,
}

impl Spread {
    /// Of values in microseconds, by nearest rank; none of none.
    #[allow(
        clippy::cast_precision_loss,
        reason = "microseconds over 2^52 are 142 years"
    )]
    pub(super) fn of(mut micros: Vec<i64>) -> Option<Self> {
        micros.sort_unstable();
        let at = |percent: usize| {
            let rank = (micros.len() * percent).div_ceil(100).max(1);
            micros.get(rank - 1).map(|&us| us as f64 / 1e6)
        };
        Some(Self {
            p50_s: at(50)?,
            p99_s: at(99)?,
            max_s: at(100)?,
        })
    }
}

/// A stretch of time in which a job had one schedule: it names instants later than `from`, up to
/// and with `to`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Stretch {
    /// Counting from after here.
    pub from: Timestamp,
    /// To here; none: still.
    pub to: Option<Timestamp>,
    /// What named the instants.
    pub spec: ScheduleSpec,
}

/// What the ledger has of one job around one instant, all of one moment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct JobRecord {
    /// What is remembered of it; none: the ledger has never heard of it.
    pub flags: Option<JobFlags>,
    /// Up to where retention has removed its rows, if it has removed any.
    pub pruned_through: Option<Timestamp>,
    /// The row that holds the instant: that of its fire, or a span that it lies in.
    pub holding: Option<Run>,
    /// The newest rows up to then, whatever made them, newest first; spans by their first instant.
    pub earlier: Vec<Run>,
    /// The newest run up to then that ended as `succeeded`, `failed`, `timed_out`, `cancelled` or
    /// `lost`.
    pub last_ended: Option<Run>,
}

/// What a check of the ledger's files found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CheckReport {
    /// What is wrong, one sentence each, the first hundred; empty: all is well.
    pub problems: Vec<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spread_is_by_nearest_rank() {
        assert_eq!(Spread::of(Vec::new()), None);
        let one = Spread::of(vec![2_000_000]).unwrap();
        assert_eq!((one.p50_s, one.p99_s, one.max_s), (2.0, 2.0, 2.0));
        let many = Spread::of((1..=200).rev().map(|s| s * 1_000_000).collect()).unwrap();
        assert_eq!((many.p50_s, many.p99_s, many.max_s), (100.0, 198.0, 200.0));
    }

    #[test]
    fn cursors_survive_text_and_nothing_else_is_one() {
        let cursor = Cursor {
            scheduled_at: -5,
            seq: i64::MAX,
        };
        assert_eq!(cursor.to_string().parse(), Ok(cursor));
        for bad in ["", ".", "1", "1.", "a.b", "1.2.3", "99999999999999999999.1"] {
            assert_eq!(bad.parse::<Cursor>(), Err(CursorError), "{bad}");
        }
    }
}
