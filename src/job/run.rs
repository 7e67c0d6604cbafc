//! A run and its attempts, as the ledger keeps them.

use std::collections::BTreeMap;
use std::fmt;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{JobName, RunId};

/// Where a run stands. The last seven are final.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "RunStatus")]
pub enum Status {
    /// Claimed in the ledger, its instant a few seconds away.
    Scheduled,
    /// Due, waiting for a slot, a predecessor or a retry delay.
    Queued,
    /// An attempt runs.
    Running,
    /// The last attempt ended as wanted.
    Succeeded,
    /// The last attempt ended otherwise.
    Failed,
    /// The last attempt took too long.
    TimedOut,
    /// Stopped on purpose.
    Cancelled,
    /// Not run, by policy.
    Skipped,
    /// Not run, because the daemon was down or late.
    Missed,
    /// The daemon or node died under it.
    Lost,
}

/// What made a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Trigger {
    /// Its instant came.
    Schedule,
    /// Its instant passed unwatched, and the policy runs it later.
    CatchUp,
    /// Somebody asked.
    Manual,
    /// The daemon started.
    Startup,
    /// Another job ended.
    After,
}

macro_rules! wire_names {
    ($type:ty: $($variant:ident = $name:literal),+ $(,)?) => {
        impl $type {
            /// All values, in the order of the contract.
            pub const ALL: &[Self] = &[$(Self::$variant),+];

            /// The name in the API, the ledger and the metrics.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $name),+ }
            }

            /// The value of a name.
            pub fn parse(name: &str) -> Option<Self> {
                match name { $($name => Some(Self::$variant),)+ _ => None }
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(self.as_str())
            }
        }
    };
}

wire_names!(Status:
    Scheduled = "scheduled", Queued = "queued", Running = "running", Succeeded = "succeeded",
    Failed = "failed", TimedOut = "timed_out", Cancelled = "cancelled", Skipped = "skipped",
    Missed = "missed", Lost = "lost",
);
wire_names!(Trigger:
    Schedule = "schedule", CatchUp = "catch_up", Manual = "manual", Startup = "startup",
    After = "after",
);

impl Status {
    /// Whether a run in this status changes no more.
    pub fn is_final(self) -> bool {
        !matches!(self, Self::Scheduled | Self::Queued | Self::Running)
    }
}

/// Why a run ended as it did, where the status alone does not say. The texts are part of the API.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Reason(pub String);

impl Reason {
    /// The job, or everything, was paused.
    pub const PAUSED: &str = "paused";
    /// `max_concurrent` runs of the job were active.
    pub const MAX_CONCURRENT: &str = "max_concurrent";
    /// It could not start within `starting_deadline`.
    pub const STARTING_DEADLINE: &str = "starting_deadline";
    /// Nobody watched the instant: the daemon was down, the machine asleep, or the clock jumped.
    pub const UNWATCHED: &str = "unwatched";
    /// The daemon was shutting down.
    pub const SHUTDOWN: &str = "shutdown";
    /// The daemon died while it ran.
    pub const DAEMON_DIED: &str = "daemon_died";
    /// The machine restarted between claim and recovery: whether it ran is not known.
    pub const REBOOT: &str = "reboot";
    /// The signal that ended it had it dump core.
    pub const CORE_DUMPED: &str = "core_dumped";
    /// It was killed, having reached its limit on memory, which stands behind.
    pub const MEMORY_LIMIT: &str = "memory_limit";
    /// Something of it was killed, as the machine, or what the daemon may have of it, had no memory left.
    pub const OUT_OF_MEMORY: &str = "out_of_memory";
    /// It could not start a process for its limit on their number, which stands behind; then it failed.
    pub const PIDS_LIMIT: &str = "pids_limit";
    /// Somebody asked for it.
    pub const REQUESTED: &str = "requested";
    /// Its job left the config while it was queued.
    pub const JOB_REMOVED: &str = "job_removed";
    /// The daemon started again, and with it a new run of a job that runs from its start on.
    pub const RESTARTED: &str = "restarted";
    /// A newer fire of its job took its place.
    pub const REPLACED: &str = "replaced";
    /// As many runs of the job wait already as may.
    pub const QUEUE_LIMIT: &str = "queue_limit";
    /// Its `total_timeout` was over.
    pub const TOTAL_TIMEOUT: &str = "total_timeout";
    /// Its local date is in a calendar that the job excludes; the calendar's name stands behind.
    pub const EXCLUDED: &str = "excluded";

    /// Stands behind the constant where a request was under way that was given up.
    pub const MAY_HAVE_ACTED: &str =
        ": its request was under way, and the server may have acted on it";

    /// A reason from one of the constants, or a sentence.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }
}

/// One row of the ledger: a fire, a manual run, or (with `span`) a stretch of instants.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Run {
    /// Its id.
    pub id: RunId,
    /// Its job.
    pub job: JobName,
    /// Where it stands.
    pub status: Status,
    /// What made it.
    pub trigger: Trigger,
    /// The nominal instant; of a manual run the time of the request; of a span the first instant.
    pub scheduled_at: Timestamp,
    /// `scheduled_at` and the job's jitter; lateness and deadlines count from here.
    pub due_at: Timestamp,
    /// When it began to wait, if it did.
    pub queued_at: Option<Timestamp>,
    /// When its next attempt is to start, while it waits between two.
    pub retry_at: Option<Timestamp>,
    /// When its first attempt started.
    pub started_at: Option<Timestamp>,
    /// When its last attempt ended.
    pub finished_at: Option<Timestamp>,
    /// How many attempts there were, the running one included.
    pub attempts: u32,
    /// Exit code of the last attempt, if it exited.
    pub exit_code: Option<i32>,
    /// Signal that ended the last attempt, if one did.
    pub signal: Option<i32>,
    /// Status of the answer to the last attempt's HTTP request, if there was one.
    pub http_status: Option<u16>,
    /// Why, where the status alone does not say.
    pub reason: Option<Reason>,
    /// What a manual trigger passed.
    pub params: BTreeMap<String, String>,
    /// The node that runs it.
    pub node: String,
    /// Who asked, for a manual run.
    pub requested_by: Option<String>,
    /// Set on span rows alone.
    pub span: Option<Span>,
}

/// What a span row adds: it stands for every instant from `scheduled_at` to `last`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Span {
    /// The last instant of the stretch, itself in it.
    pub last: Timestamp,
    /// How many instants it stands for.
    pub count: u64,
}

/// One execution of a run's action.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attempt {
    /// Its run.
    pub run: RunId,
    /// From 1.
    pub number: u32,
    /// `running`, or how it ended.
    pub status: Status,
    /// When its process was started.
    pub started_at: Timestamp,
    /// When it ended.
    pub finished_at: Option<Timestamp>,
    /// The process id of its main process.
    pub pid: Option<u32>,
    /// Exit code, if it exited.
    pub exit_code: Option<i32>,
    /// Signal that ended it, if one did.
    pub signal: Option<i32>,
    /// Status of the answer to its HTTP request, if there was one.
    pub http_status: Option<u16>,
    /// Why, where the status alone does not say.
    pub reason: Option<Reason>,
    /// What it took.
    #[serde(default)]
    pub figures: Figures,
}

/// What an attempt took of the machine, as far as it is known.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Figures {
    /// Processor time in microseconds, that of all its processors added up.
    pub cpu_usec: Option<u64>,
    /// The most memory it had at once.
    pub max_rss_bytes: Option<u64>,
}

/// Why the runner was told to stop an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StopCause {
    /// Somebody cancelled the run.
    Requested,
    /// A newer run of its job takes its place.
    Replaced,
    /// The run's `total_timeout` is over.
    TotalTimeout,
    /// The daemon shuts down.
    Shutdown,
}

/// What an attempt had too little of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Strain {
    /// Its own limit on memory, in bytes.
    MemoryLimit(u64),
    /// Memory of the machine, or of what the daemon with all its jobs may have.
    OutOfMemory,
    /// Its own limit on processes.
    PidsLimit(u32),
}

/// How an attempt ended, as the runner saw it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AttemptEnd {
    /// It exited with a code; `ok`: one of the success codes.
    Exited {
        /// The exit code.
        code: i32,
        /// Whether the code counts as success.
        ok: bool,
    },
    /// A signal that nobody here sent ended it.
    Signalled {
        /// The signal's number.
        signal: i32,
        /// Whether it dumped core.
        core_dumped: bool,
    },
    /// It failed, and ran into this before.
    Strained {
        /// Into what.
        strain: Strain,
        /// The exit code, if it exited.
        code: Option<i32>,
        /// The signal that ended it, if one did.
        signal: Option<i32>,
    },
    /// It ran into its `timeout` and was stopped.
    TimedOut {
        /// The exit code, if it exited on the signal.
        code: Option<i32>,
        /// The signal that ended it, if one did.
        signal: Option<i32>,
    },
    /// It was stopped because it was told to.
    Stopped {
        /// Who wanted it.
        cause: StopCause,
        /// The exit code, if it exited on the signal.
        code: Option<i32>,
        /// The signal that ended it, if one did.
        signal: Option<i32>,
    },
    /// The answer to its HTTP request was judged, or none could be had.
    Answered {
        /// The answer's status, if one came.
        status: Option<u16>,
        /// Why it counts as failure; none: it is a success.
        failure: Option<String>,
    },
    /// Its HTTP request ran into its `timeout` and was given up.
    TooSlow {
        /// The answer's status, if one came.
        status: Option<u16>,
        /// How far it had come, as a sentence.
        why: String,
    },
    /// Its HTTP request was under way, and was given up because it was told to.
    Dropped {
        /// Who wanted it.
        cause: StopCause,
        /// The answer's status, if one came.
        status: Option<u16>,
    },
    /// It could not be started; the sentence says why.
    NotStarted(String),
}
