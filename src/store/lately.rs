//! How jobs did lately, as it was read last: a list of many jobs, asked for again and again, need not be
//! read from the ledger again and again. What changes a job's history takes it out, before anybody is
//! told of the change.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::{Batch, JobStatistics, LastRuns};
use crate::job::{JobName, Run, Write};

/// Of more jobs than a config may have, some are gone: all is let go of, and read anew.
const MOST: usize = 20_000;

/// What is known, shared by those who read and the one who writes.
#[derive(Debug, Default)]
pub(super) struct Lately(Mutex<Known>);

#[derive(Debug, Default)]
struct Known {
    /// How often history has changed.
    changes: u64,
    /// None: it never ran to an end.
    last_runs: HashMap<JobName, Option<LastRuns>>,
    statistics: HashMap<JobName, JobStatistics>,
}

/// Before something was read: if history has changed since, what was read may be of before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Moment(u64);

impl Lately {
    /// These changes are durable.
    pub(super) fn changed(&self, group: &[Batch]) {
        let mut known = self.known();
        known.changes += 1;
        for write in group.iter().flat_map(|batch| &batch.writes) {
            // The others touch no row of a run that ran and ended.
            if let Write::Run(Run { job, .. })
            | Write::Start(Run { job, .. })
            | Write::CutSpans { job, .. } = write
            {
                known.last_runs.remove(job);
                known.statistics.remove(job);
            }
        }
    }

    /// Any row may have gone.
    pub(super) fn pruned(&self) {
        let mut known = self.known();
        known.changes += 1;
        known.last_runs.clear();
        known.statistics.clear();
    }

    /// What is known of the last runs of these jobs, and of which of them it is not known.
    pub(super) fn last_runs(
        &self,
        jobs: Vec<JobName>,
    ) -> (BTreeMap<JobName, LastRuns>, Vec<JobName>, Moment) {
        let known = self.known();
        let mut found = BTreeMap::new();
        let mut unknown = Vec::new();
        for job in jobs {
            match known.last_runs.get(&job) {
                Some(Some(runs)) => {
                    found.insert(job, runs.clone());
                }
                Some(None) => {}
                None => unknown.push(job),
            }
        }
        (found, unknown, Moment(known.changes))
    }

    /// The last runs of these jobs were read after `moment`.
    pub(super) fn keep_last_runs(
        &self,
        moment: Moment,
        jobs: Vec<JobName>,
        read: &BTreeMap<JobName, LastRuns>,
    ) {
        let mut known = self.known();
        if moment == Moment(known.changes) {
            for job in jobs {
                let runs = read.get(&job).cloned();
                put(&mut known.last_runs, job, runs);
            }
        }
    }

    /// What is known of a job's statistics.
    pub(super) fn statistics(&self, job: &JobName) -> (Option<JobStatistics>, Moment) {
        let known = self.known();
        (known.statistics.get(job).cloned(), Moment(known.changes))
    }

    /// A job's statistics were read after `moment`.
    pub(super) fn keep_statistics(&self, moment: Moment, job: JobName, read: &JobStatistics) {
        let mut known = self.known();
        if moment == Moment(known.changes) {
            put(&mut known.statistics, job, read.clone());
        }
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn put<T>(known: &mut HashMap<JobName, T>, job: JobName, what: T) {
    if known.len() >= MOST {
        known.clear();
    }
    known.insert(job, what);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn statistics(runs: usize) -> JobStatistics {
        JobStatistics {
            runs,
            duration: None,
            lateness: None,
        }
    }

    fn job() -> JobName {
        JobName::new("a").unwrap()
    }

    #[test]
    fn what_was_read_before_a_change_is_not_kept() {
        let lately = Lately::default();
        let (_, before) = lately.statistics(&job());
        lately.changed(&[Batch::now(Vec::new())]);
        lately.keep_statistics(before, job(), &statistics(1));
        let (none, now) = lately.statistics(&job());
        assert_eq!(none, None);
        lately.keep_statistics(now, job(), &statistics(2));
        assert_eq!(lately.statistics(&job()).0, Some(statistics(2)));
        // Another job's change does not take it out; what retention removed may be anybody's.
        lately.changed(&[Batch::now(Vec::new())]);
        assert_eq!(lately.statistics(&job()).0, Some(statistics(2)));
        lately.pruned();
        assert_eq!(lately.statistics(&job()).0, None);
    }

    #[test]
    fn that_a_job_never_ran_is_known_too() {
        let lately = Lately::default();
        let (found, unknown, moment) = lately.last_runs(vec![job()]);
        assert_eq!((found.len(), &unknown), (0, &vec![job()]));
        lately.keep_last_runs(moment, unknown, &found);
        let (found, unknown, _) = lately.last_runs(vec![job()]);
        assert_eq!((found.len(), unknown.len()), (0, 0));
    }
}
