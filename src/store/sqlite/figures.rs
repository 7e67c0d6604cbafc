//! Figures drawn from history, and the check of the files.

use std::collections::BTreeMap;

use rusqlite::{Connection, OptionalExtension};

use super::rows::{self, Micros, RUN_COLUMNS, Text, Word};
use super::while_doing;
use crate::job::{JobName, Status};
use crate::store::{JobStatistics, Jobs, LastEnds, LastRuns, Spread, StoreError};

/// How many runs a success rate is drawn from.
const JUDGED: usize = 100;

/// How many runs the spreads are drawn from.
const MEASURED: i64 = 1_000;

/// The runs that ran and ended: the condition of the index `runs_ended`, as it stands there.
pub(super) const ENDED: &str = "(status = 'succeeded' OR status = 'failed' OR status = 'timed_out' \
     OR status = 'cancelled' OR status = 'lost')";

/// How each of the jobs did lately; a job that never ran to an end is left out. All of one moment,
/// which also spares the locks of each.
pub(in crate::store) fn last_runs(
    connection: &mut Connection,
    jobs: &Jobs,
) -> Result<BTreeMap<JobName, LastRuns>, StoreError> {
    let mut read = || {
        let moment = connection.transaction()?;
        match jobs {
            Jobs::Only(jobs) => last_runs_of_some(&moment, jobs),
            Jobs::All => last_runs_of_all(&moment),
        }
    };
    read().map_err(while_doing("reading the last runs"))
}

fn last_runs_of_some(
    moment: &Connection,
    jobs: &[JobName],
) -> rusqlite::Result<BTreeMap<JobName, LastRuns>> {
    let mut found = BTreeMap::new();
    for job in jobs {
        if let Some(last) = last_runs_of(moment, job.as_str())? {
            found.insert(job.clone(), last);
        }
    }
    Ok(found)
}

/// From one job to the next by the index, never over all the rows.
fn last_runs_of_all(moment: &Connection) -> rusqlite::Result<BTreeMap<JobName, LastRuns>> {
    let mut found = BTreeMap::new();
    let mut next = moment.prepare_cached(&format!(
        "SELECT job FROM runs INDEXED BY runs_ended WHERE job > ?1 AND {ENDED} ORDER BY job LIMIT 1"
    ))?;
    let mut behind = String::new();
    while let Some(Text(job)) = next
        .query_row([&behind], |row| row.get::<_, Text<JobName>>(0))
        .optional()?
    {
        job.as_str().clone_into(&mut behind);
        if let Some(last) = last_runs_of(moment, job.as_str())? {
            found.insert(job, last);
        }
    }
    Ok(found)
}

fn last_runs_of(connection: &Connection, job: &str) -> rusqlite::Result<Option<LastRuns>> {
    let last = connection
        .prepare_cached(&format!(
            "SELECT {RUN_COLUMNS} FROM runs INDEXED BY runs_ended WHERE job = ?1 AND {ENDED}
             ORDER BY scheduled_at DESC LIMIT 1"
        ))?
        .query_row([job], rows::run)
        .optional()?;
    let Some(last) = last else { return Ok(None) };
    let (judged, succeeded) = connection
        .prepare_cached(&format!(
            "SELECT count(*), coalesce(sum(status = 'succeeded'), 0)
             FROM (SELECT status FROM runs INDEXED BY runs_ended WHERE job = ?1 AND {ENDED}
                 AND status <> 'cancelled' ORDER BY scheduled_at DESC LIMIT {JUDGED})"
        ))?
        .query_row([job], |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok(Some(LastRuns {
        last,
        judged,
        succeeded,
    }))
}

/// When each job last succeeded, and how its newest run that was not cancelled ended; a job that
/// never ran to an end is left out.
pub(in crate::store) fn last_ends(
    connection: &Connection,
) -> Result<BTreeMap<JobName, LastEnds>, StoreError> {
    let newest = |and: &str| {
        format!(
            "SELECT status, finished_at FROM runs INDEXED BY runs_ended WHERE job = ?1 AND {ENDED}
             AND {and} AND finished_at IS NOT NULL ORDER BY scheduled_at DESC LIMIT 1"
        )
    };
    let (success, end) = (
        newest("status = 'succeeded'"),
        newest("status <> 'cancelled'"),
    );
    let read = || {
        let mut found = BTreeMap::new();
        let mut behind = String::new();
        while let Some(job) = next_ended(connection, &behind)? {
            let ask = |question: &str| {
                connection
                    .prepare_cached(question)?
                    .query_row([job.as_str()], |row| {
                        Ok((row.get::<_, Word<Status>>(0)?.0, row.get::<_, Micros>(1)?.0))
                    })
                    .optional()
            };
            let ends = LastEnds {
                success: ask(&success)?.map(|(_, at)| at),
                end: ask(&end)?.map(|(status, at)| (at, status == Status::Succeeded)),
            };
            job.as_str().clone_into(&mut behind);
            found.insert(job, ends);
        }
        Ok(found)
    };
    read().map_err(while_doing("reading the last ends"))
}

/// The next job by name with a run that ran and ended: by the index, never over all the rows.
fn next_ended(connection: &Connection, behind: &str) -> rusqlite::Result<Option<JobName>> {
    connection
        .prepare_cached(&format!(
            "SELECT job FROM runs INDEXED BY runs_ended WHERE job > ?1 AND {ENDED} ORDER BY job LIMIT 1"
        ))?
        .query_row([behind], |row| row.get::<_, Text<JobName>>(0))
        .optional()
        .map(|job| job.map(|job| job.0))
}

/// How long a job takes and how late it starts.
pub(in crate::store) fn statistics(
    connection: &Connection,
    job: &JobName,
) -> Result<JobStatistics, StoreError> {
    let read = || -> rusqlite::Result<Vec<[Option<i64>; 3]>> {
        connection
            .prepare_cached(&format!(
                "SELECT due_at, started_at, finished_at FROM runs INDEXED BY runs_ended WHERE job = ?1 AND {ENDED}
                 ORDER BY scheduled_at DESC LIMIT {MEASURED}"
            ))?
            .query_map([job.as_str()], |row| {
                Ok([row.get(0)?, row.get(1)?, row.get(2)?])
            })?
            .collect()
    };
    let times = read().map_err(while_doing("reading statistics"))?;
    let between = |from: usize, to: usize| {
        let spans = times.iter().filter_map(|row| Some(row[to]? - row[from]?));
        Spread::of(spans.collect())
    };
    Ok(JobStatistics {
        runs: times.len(),
        duration: between(1, 2),
        lateness: between(0, 1),
    })
}
