//! Changes to the ledger, as values. Each is a whole row, so applying one twice is harmless:
//! a commit that failed may have happened, and is simply done again.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Attempt, JobName, Run, RunId};
use crate::schedule::ScheduleSpec;

/// One change to the ledger.
#[derive(Debug, Clone, PartialEq)]
pub enum Write {
    /// Claim a run: its row is made as given, unless the ledger has decided this fire before
    /// ([`ClaimOutcome::Decided`]). A row that is still `scheduled` gives way; so does, to its
    /// catch-up run, one that a shutdown made `missed` ([`crate::job::Reason::SHUTDOWN`]).
    Claim(Run),
    /// A run's row, whole, made or replaced by id. A row that is final and tells of attempts is
    /// never replaced by one that tells of fewer (nor by a claim, nor withdrawn): that a process
    /// ran is not unsaid by a decision that came too late. Such a change is refused and logged.
    Run(Run),
    /// A run whose durable status is `queued` is about to be started: its row (`running`) is put
    /// as [`Write::Run`] puts it, and once it is durable it is acknowledged as a claim is, as
    /// [`ClaimOutcome::Claimed`]. One that the ledger refuses is never durable, and is answered
    /// [`ClaimOutcome::Decided`].
    Start(Run),
    /// A claim taken back: its row goes if it would give way to a claim.
    Withdraw(RunId),
    /// An attempt's row, whole, made or replaced by (run, number).
    Attempt(Attempt),
    /// What the ledger remembers of a job, whole.
    Job(JobFlags),
    /// From `at` on the job has this schedule (none: disabled or gone from the config).
    Schedule {
        /// Whose.
        job: JobName,
        /// Since when.
        at: Timestamp,
        /// What names its instants from then on.
        spec: Option<ScheduleSpec>,
    },
    /// The clock was ahead: spans of the job's instants end at the last up to `after`, or go where all of
    /// theirs are later. What has a row of its own stays.
    CutSpans {
        /// Whose.
        job: JobName,
        /// What is right now.
        after: Timestamp,
    },
    /// Everything is paused, or no longer.
    SchedulerPaused(bool),
}

/// What became of a claim, or of a start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClaimOutcome {
    /// The row is durable and ours.
    Claimed,
    /// The ledger has decided this fire already, so it must not run again: by a row of its own that
    /// is past `scheduled`, or (each is logged) by a span that holds its instant, by a row of
    /// another id at its instant, or before the history that retention has left.
    Decided,
}

/// What the ledger remembers of a job between lives of the daemon.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobFlags {
    /// Whose.
    pub job: JobName,
    /// Every instant up to here is decided: it has a row, claimed or final.
    pub decided_through: Timestamp,
    /// The account begins after here: when the job was first seen, or where retention pruned to;
    /// never later than `decided_through`, which goes back when a wrong clock is corrected.
    pub audit_from: Timestamp,
    /// Whether somebody paused it.
    pub paused: bool,
    /// When it was paused.
    pub paused_at: Option<Timestamp>,
    /// When it resumes by itself.
    pub paused_until: Option<Timestamp>,
    /// Why, in the words of who paused it.
    pub pause_reason: Option<String>,
    /// Who paused it.
    pub paused_by: Option<String>,
    /// The ends of other jobs that it has seen since it last started, by the job's name: of which
    /// run, and when. Of a job that runs `after` others.
    pub seen: BTreeMap<JobName, (RunId, Timestamp)>,
    /// Instants that nobody watched and that are still to be caught up, oldest first: each stretch
    /// goes from later than its first time up to its second. They have no rows yet.
    pub backlog: Vec<(Timestamp, Timestamp)>,
}

impl JobFlags {
    /// A job seen for the first time at `now`: nothing before counts.
    pub fn first_seen(job: JobName, now: Timestamp) -> Self {
        Self {
            job,
            decided_through: now,
            audit_from: now,
            paused: false,
            paused_at: None,
            paused_until: None,
            pause_reason: None,
            paused_by: None,
            seen: BTreeMap::new(),
            backlog: Vec::new(),
        }
    }
}
