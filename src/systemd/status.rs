//! The line that `systemctl status` shows.

use crate::daemon::Readiness;
use crate::dispatch::Snapshot;

/// How it goes, in one line.
pub(super) fn line(snapshot: &Snapshot, readiness: &Readiness, stopping: bool) -> String {
    if stopping || snapshot.draining {
        let running: usize = snapshot.jobs.iter().map(|job| job.running).sum();
        return match running {
            0 => "stopping".to_owned(),
            1 => "stopping, waiting for 1 run".to_owned(),
            runs => format!("stopping, waiting for {runs} runs"),
        };
    }
    let jobs = match snapshot.jobs.len() {
        1 => "1 job".to_owned(),
        jobs => format!("{jobs} jobs"),
    };
    if !readiness.ticking {
        return format!("{jobs}, but the scheduler does not tick");
    }
    if !readiness.store.writable {
        return format!("{jobs}, but the ledger cannot be written; the log says why");
    }
    if snapshot.paused {
        return format!("{jobs}, everything paused");
    }
    let next = snapshot
        .jobs
        .iter()
        .filter_map(|job| Some((job.next_fire?, &job.plan.name)))
        .min();
    match next {
        Some((at, job)) => format!("{jobs}, next {job} at {at}"),
        None => format!("{jobs}, no next fire"),
    }
}
