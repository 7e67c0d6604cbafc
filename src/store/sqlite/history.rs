//! What hangs on a run or a job: attempts, output, schedules.

use rusqlite::{Connection, OptionalExtension, params};

use super::rows::{self, Json, Micros, Text};
use super::while_doing;
use crate::job::{Attempt, JobName, RunId};
use crate::store::{StoreError, StoredOutput, Stretch};

/// The attempts of a run, first to last.
pub(in crate::store) fn attempts(
    connection: &Connection,
    run: RunId,
) -> Result<Vec<Attempt>, StoreError> {
    let read = || {
        connection
            .prepare_cached("SELECT * FROM attempts WHERE run = ?1 ORDER BY number")?
            .query_map([Text(run)], rows::attempt)?
            .collect::<rusqlite::Result<_>>()
    };
    read().map_err(while_doing("reading attempts"))
}

/// The output of an attempt; of the last that has one when none is named.
pub(in crate::store) fn output(
    connection: &Connection,
    run: RunId,
    attempt: Option<u32>,
) -> Result<Option<StoredOutput>, StoreError> {
    let read = || {
        connection
            .prepare_cached(
                "SELECT attempt, bytes, segments, total_bytes FROM outputs
                 WHERE run = ?1 AND attempt = coalesce(?2, attempt)
                 ORDER BY attempt DESC LIMIT 1",
            )?
            .query_row(params![Text(run), attempt], |row| {
                Ok(StoredOutput {
                    run,
                    attempt: row.get(0)?,
                    bytes: row.get(1)?,
                    segments: row.get(2)?,
                    total_bytes: row.get::<_, i64>(3)?.unsigned_abs(),
                })
            })
            .optional()
    };
    read().map_err(while_doing("reading output"))
}

/// The schedules that a job had, oldest first.
pub(in crate::store) fn schedule_history(
    connection: &Connection,
    job: &JobName,
) -> Result<Vec<Stretch>, StoreError> {
    let read = || {
        connection
            .prepare_cached(
                "SELECT from_at, to_at, spec FROM schedules WHERE job = ?1 ORDER BY from_at",
            )?
            .query_map([job.as_str()], |row| {
                Ok(Stretch {
                    from: row.get::<_, Micros>(0)?.0,
                    to: row.get::<_, Option<Micros>>(1)?.map(|to| to.0),
                    spec: row.get::<_, Json<_>>(2)?.0,
                })
            })?
            .collect::<rusqlite::Result<_>>()
    };
    read().map_err(while_doing("reading the schedule history"))
}
