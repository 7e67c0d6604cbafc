//! What hangs on a run or a job: attempts, output, schedules.

use std::ops::Range;

use rusqlite::{Connection, MAIN_DB, OptionalExtension, params};

use super::rows::{self, Json, Micros, Text};
use super::while_doing;
use crate::job::{Attempt, JobName, RunId};
use crate::store::{KeptOutput, StoreError, StoredOutput, Stretch};

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

/// The output of an attempt without its bytes; of the last that has one when none is named.
pub(in crate::store) fn kept_output(
    connection: &Connection,
    run: RunId,
    attempt: Option<u32>,
) -> Result<Option<KeptOutput>, StoreError> {
    let read = || {
        connection
            .prepare_cached(
                "SELECT seq, attempt, length(bytes), segments, total_bytes, started_at, finished_at
                 FROM outputs LEFT JOIN attempts
                     ON attempts.run = outputs.run AND attempts.number = outputs.attempt
                 WHERE outputs.run = ?1 AND attempt = coalesce(?2, attempt)
                 ORDER BY attempt DESC LIMIT 1",
            )?
            .query_row(params![Text(run), attempt], |row| {
                let time = |column| {
                    let at: rusqlite::Result<Option<Micros>> = row.get(column);
                    at.map(|at| at.map(|at| at.0))
                };
                Ok(KeptOutput {
                    run,
                    seq: row.get(0)?,
                    attempt: row.get(1)?,
                    length: usize::try_from(row.get::<_, i64>(2)?).unwrap_or(usize::MAX),
                    segments: row.get(3)?,
                    total_bytes: row.get::<_, i64>(4)?.unsigned_abs(),
                    times: [time(5)?, time(6)?],
                })
            })
            .optional()
    };
    read().map_err(while_doing("reading output"))
}

/// Adds these ranges of the bytes of an output to what is there, and reads no others. None: the
/// output is not there any more.
pub(in crate::store) fn append_output(
    connection: &mut Connection,
    of: &KeptOutput,
    ranges: &[Range<usize>],
    mut bytes: Vec<u8>,
) -> Result<Option<Vec<u8>>, StoreError> {
    let mut read = || {
        let moment = connection.transaction()?;
        let there = moment
            .prepare_cached(
                "SELECT 1 FROM outputs
                 WHERE seq = ?1 AND run = ?2 AND attempt = ?3 AND total_bytes = ?4",
            )?
            .exists(params![
                of.seq,
                Text(of.run),
                of.attempt,
                rows::count(of.total_bytes)
            ])?;
        if !there {
            return Ok(false);
        }
        let kept = moment.blob_open(MAIN_DB, c"outputs", c"bytes", of.seq, true)?;
        for range in ranges {
            let begin = bytes.len();
            bytes.resize(begin + range.len(), 0);
            kept.read_at_exact(&mut bytes[begin..], range.start)?;
        }
        Ok(true)
    };
    let there = read().map_err(while_doing("reading output"))?;
    Ok(there.then_some(bytes))
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
