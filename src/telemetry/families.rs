//! What `/metrics` exports: one table. `docs/metrics.md` describes each, and a test compares.

use prometheus_client::metrics::MetricType::{self, Counter, Gauge, Histogram, Info};
use prometheus_client::registry::Unit;

/// A metric, all series of one name.
#[derive(Debug)]
pub struct Family {
    /// Its name, without the unit and the ending of its kind.
    pub name: &'static str,
    /// In a sentence.
    pub help: &'static str,
    /// What kind it is.
    pub kind: MetricType,
    /// What it is counted in, if that is part of its name.
    pub unit: Option<Unit>,
    /// The labels of its series.
    pub labels: &'static [&'static str],
}

impl Family {
    /// The name as queries have it.
    pub fn full_name(&self) -> String {
        let unit = self.unit.as_ref().map(Unit::as_str);
        let ending = match self.kind {
            Counter => Some("total"),
            Info => Some("info"),
            _ => None,
        };
        let parts = [Some(self.name), unit, ending].into_iter().flatten();
        parts.collect::<Vec<_>>().join("_")
    }
}

const fn family(
    name: &'static str,
    unit: Option<Unit>,
    kind: MetricType,
    labels: &'static [&'static str],
    help: &'static str,
) -> Family {
    Family {
        name,
        help,
        kind,
        unit,
        labels,
    }
}

/// Every metric, in the order in which they are written.
#[rustfmt::skip]
macro_rules! families {
    ($($constant:ident = $name:literal, $unit:expr, $kind:expr, $labels:expr, $help:literal;)+) => {
        $(pub(crate) static $constant: Family = family($name, $unit, $kind, &$labels, $help);)+

        /// All of them.
        pub static FAMILIES: &[&Family] = &[$(&$constant),+];
    };
}

#[rustfmt::skip]
families! {
    RUNS = "punctual_runs", None, Counter, ["job", "status", "trigger"],
        "Runs that came to an end since this daemon started; of instants that did not run, each counts.";
    RUN_DURATION = "punctual_run_duration", Some(Unit::Seconds), Histogram, [],
        "From the first start of a run to the end of its last attempt.";
    START_DELAY = "punctual_start_delay", Some(Unit::Seconds), Histogram, [],
        "From the instant at which a scheduled fire was due to its start.";
    RUNS_RUNNING = "punctual_runs_running", None, Gauge, [],
        "Runs of which an attempt is under way.";
    RUNS_QUEUED = "punctual_runs_queued", None, Gauge, ["pool"],
        "Runs that wait: for a slot, for others of their job, for their next attempt, to be caught up.";
    JOBS = "punctual_jobs", None, Gauge, ["state"],
        "Jobs of the config by state.";
    JOB_NEXT_RUN = "punctual_job_next_run_timestamp", Some(Unit::Seconds), Gauge, ["job"],
        "When the job runs next; absent while it is paused, disabled, finished or waits for an event.";
    JOB_LAST_SUCCESS = "punctual_job_last_success_timestamp", Some(Unit::Seconds), Gauge, ["job"],
        "When the newest run of the job that succeeded ended; from the ledger, so restarts keep it.";
    JOB_LAST_RUN_SUCCESSFUL = "punctual_job_last_run_successful", None, Gauge, ["job"],
        "Whether the newest run of the job that came to an end succeeded; cancelled ones aside.";
    RELOAD_SUCCESSFUL = "punctual_config_last_reload_successful", None, Gauge, [],
        "Whether the last reload of the config was taken; 1 before the first.";
    EVENTS_LOST = "punctual_metrics_events_lost", None, Counter, [],
        "Events that these figures lack, since they came faster than they were counted.";
    BUILD = "punctual_build", None, Info, ["version"],
        "The version that runs.";
    PROCESS_CPU = "process_cpu", Some(Unit::Seconds), Counter, [],
        "Processor time that the daemon took, without its jobs.";
    PROCESS_RESIDENT = "process_resident_memory", Some(Unit::Bytes), Gauge, [],
        "Memory that the daemon holds, without its jobs.";
    PROCESS_OPEN_FDS = "process_open_fds", None, Gauge, [],
        "Files and sockets that the daemon has open.";
    PROCESS_MAX_FDS = "process_max_fds", None, Gauge, [],
        "Files and sockets that it may have open.";
    PROCESS_START = "process_start_time", Some(Unit::Seconds), Gauge, [],
        "When the daemon started, or took over from the version before it.";
}
