//! What an audit is asked and what it answers.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::job::JobName;

/// How many problems and how many jobs a report lists; the rest is counted.
const LISTED: usize = 1_000;

/// What to audit.
#[derive(Debug, Clone)]
pub struct AuditScope {
    /// One job; none: all of them.
    pub job: Option<JobName>,
    /// Instants later than this alone.
    pub since: Option<Timestamp>,
    /// Nothing after this is looked at.
    pub now: Timestamp,
    /// Whether somebody is there to decide what falls due.
    pub watch: Watch,
}

/// Whether a daemon runs on the ledger.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Watch {
    /// It does: what has been due for some seconds must be decided.
    Up,
    /// None does: what came after the last mark is for the next start to decide.
    Down,
}

/// The ledger held against the schedules as they stood over time.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditReport {
    /// The earliest start of an account; instants later than this were looked at.
    pub from: Option<Timestamp>,
    /// The latest instant up to which a job was looked at.
    pub through: Option<Timestamp>,
    /// How many instants the schedules named there.
    pub instants_checked: u64,
    /// How many jobs.
    pub jobs_checked: u64,
    /// What each job's account covers, of the first thousand jobs.
    pub accounts: Vec<Account>,
    /// What is wrong, the first thousand.
    pub problems: Vec<Problem>,
    /// How much is wrong in all.
    pub total_problems: u64,
}

/// What was looked at of one job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    /// Which.
    pub job: JobName,
    /// Instants later than this,
    pub from: Timestamp,
    /// up to and with this,
    pub through: Timestamp,
    /// of which there are so many.
    pub instants: u64,
}

/// Something wrong in the account of a job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// Whose.
    pub job: JobName,
    /// Where.
    pub instant: Timestamp,
    /// What.
    #[serde(flatten)]
    pub kind: ProblemKind,
}

/// What can be wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "problem", rename_all = "snake_case")]
pub enum ProblemKind {
    /// The schedule names the instant and no row has it.
    Missing,
    /// Two rows have the instant.
    Doubled,
    /// A row has the instant and no schedule names it.
    Stray,
    /// A span says another number of instants than the schedule names in it.
    WrongCount {
        /// What the schedule names.
        expected: u64,
        /// What the row says.
        found: u64,
    },
    /// The row is still `scheduled` long after its instant, and a daemon runs.
    Undecided,
    /// There is a schedule but no mark of how far the job is decided.
    NoMark,
    /// The schedule in the history cannot be read; the job was not looked at.
    Unreadable {
        /// Why.
        detail: String,
    },
}

impl AuditReport {
    /// Whether the account is whole.
    pub fn is_clean(&self) -> bool {
        self.total_problems == 0
    }

    pub(super) fn has_room(&self) -> bool {
        self.problems.len() < LISTED
    }

    pub(super) fn add(&mut self, job: &JobName, instant: Timestamp, kind: ProblemKind) {
        self.total_problems += 1;
        if self.has_room() {
            self.problems.push(Problem {
                job: job.clone(),
                instant,
                kind,
            });
        }
    }

    pub(super) fn add_account(&mut self, account: Account) {
        self.from = Some(self.from.map_or(account.from, |t| t.min(account.from)));
        self.through = self.through.max(Some(account.through));
        self.instants_checked += account.instants;
        self.jobs_checked += 1;
        if self.accounts.len() < LISTED {
            self.accounts.push(account);
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (job, at) = (&self.job, self.instant);
        match &self.kind {
            ProblemKind::Missing => write!(f, "{job}: {at} has no row"),
            ProblemKind::Doubled => write!(f, "{job}: {at} has more than one row"),
            ProblemKind::Stray => {
                write!(
                    f,
                    "{job}: {at} has a row, but the schedule does not name it"
                )
            }
            ProblemKind::WrongCount { expected, found } => write!(
                f,
                "{job}: the span from {at} counts {found} instants, the schedule names {expected}"
            ),
            ProblemKind::Undecided => {
                write!(f, "{job}: {at} is long past and its row still `scheduled`")
            }
            ProblemKind::NoMark => write!(
                f,
                "{job}: has a schedule since {at}, but no mark of how far it is decided"
            ),
            ProblemKind::Unreadable { detail } => {
                write!(
                    f,
                    "{job}: the schedule kept since {at} cannot be read: {detail}"
                )
            }
        }
    }
}
