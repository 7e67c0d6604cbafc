//! Audits.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::time::Time;
use crate::job::JobName;
use crate::store;

/// The ledger held against the schedules as they stood over time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Audit {
    /// Whether every instant is in the ledger exactly once.
    pub clean: bool,
    /// The earliest start of an account: instants later than this were looked at.
    pub from: Option<Time>,
    /// The latest instant up to which a job was looked at.
    pub through: Option<Time>,
    /// How many instants the schedules named there.
    pub instants_checked: u64,
    /// How many jobs.
    pub jobs_checked: u64,
    /// How much is wrong in all.
    pub total_problems: u64,
    /// What is wrong, the first thousand.
    pub problems: Vec<AuditProblem>,
    /// What was looked at of each job, the first thousand.
    pub accounts: Vec<AuditedJob>,
}

/// What was looked at of one job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AuditedJob {
    /// Which.
    pub job: JobName,
    /// Instants later than this,
    pub from: Time,
    /// up to and with this,
    pub through: Time,
    /// of which there are so many.
    pub instants: u64,
}

/// Something wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AuditProblem {
    /// Whose.
    pub job: JobName,
    /// Where.
    pub instant: Time,
    /// What, in a word: `missing`, `doubled`, `stray`, `wrong_count`, `undecided`, `no_mark`,
    /// `unreadable`.
    pub problem: String,
    /// The same in words.
    pub detail: String,
}

impl From<store::AuditReport> for Audit {
    fn from(report: store::AuditReport) -> Self {
        Self {
            clean: report.is_clean(),
            from: report.from.map(Time),
            through: report.through.map(Time),
            instants_checked: report.instants_checked,
            jobs_checked: report.jobs_checked,
            total_problems: report.total_problems,
            problems: report.problems.iter().map(AuditProblem::from).collect(),
            accounts: report.accounts.into_iter().map(AuditedJob::from).collect(),
        }
    }
}

impl From<&store::Problem> for AuditProblem {
    fn from(problem: &store::Problem) -> Self {
        Self {
            job: problem.job.clone(),
            instant: problem.instant.into(),
            problem: word(&problem.kind).to_owned(),
            detail: sentence(&problem.kind),
        }
    }
}

impl From<store::Account> for AuditedJob {
    fn from(account: store::Account) -> Self {
        Self {
            job: account.job,
            from: account.from.into(),
            through: account.through.into(),
            instants: account.instants,
        }
    }
}

fn word(kind: &store::ProblemKind) -> &'static str {
    use store::ProblemKind as Kind;
    match kind {
        Kind::Missing => "missing",
        Kind::Doubled => "doubled",
        Kind::Stray => "stray",
        Kind::WrongCount { .. } => "wrong_count",
        Kind::Undecided => "undecided",
        Kind::NoMark => "no_mark",
        Kind::Unreadable { .. } => "unreadable",
    }
}

fn sentence(kind: &store::ProblemKind) -> String {
    use store::ProblemKind as Kind;
    match kind {
        Kind::Missing => "no row has this instant".to_owned(),
        Kind::Doubled => "more than one row has this instant".to_owned(),
        Kind::Stray => "a row has this instant, but the schedule does not name it".to_owned(),
        Kind::WrongCount { expected, found } => {
            format!("the span from here counts {found} instants, the schedule names {expected}")
        }
        Kind::Undecided => "long past, and its row is still `scheduled`".to_owned(),
        Kind::NoMark => {
            "there is a schedule from here on, but no mark of how far it is decided".to_owned()
        }
        Kind::Unreadable { detail } => {
            format!("the schedule kept from here on cannot be read: {detail}")
        }
    }
}
