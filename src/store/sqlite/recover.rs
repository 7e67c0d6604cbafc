//! What a new life of the daemon begins from.

use rusqlite::{Connection, Row};

use super::rows::{self, FLAG_COLUMNS, Json, Micros, RUN_COLUMNS, Text};
use super::{is_damage, while_doing};
use crate::job::JobName;
use crate::schedule::ScheduleSpec;
use crate::store::{Recovered, StoreError};

/// Reads flags, open schedules and live runs, in one look.
pub(in crate::store) fn recover(
    connection: &mut Connection,
    path: &std::path::Path,
) -> Result<Recovered, StoreError> {
    read(connection).map_err(|error| {
        if is_damage(&error) || matches!(error, rusqlite::Error::FromSqlConversionFailure(..)) {
            StoreError::Damaged {
                path: path.to_path_buf(),
                detail: error.to_string(),
            }
        } else {
            while_doing("reading what the last daemon left")(error)
        }
    })
}

fn read(connection: &mut Connection) -> rusqlite::Result<Recovered> {
    let snapshot = connection.transaction()?;
    let flags = all(
        &snapshot,
        &format!("SELECT {FLAG_COLUMNS} FROM jobs"),
        rows::flags,
    )?;
    let schedules = all(
        &snapshot,
        "SELECT job, from_at, spec FROM schedules WHERE to_at IS NULL",
        |row| {
            let job: Text<JobName> = row.get(0)?;
            let since: Micros = row.get(1)?;
            let spec: Json<ScheduleSpec> = row.get(2)?;
            Ok((job.0, (since.0, spec.0)))
        },
    )?;
    let live = all(
        &snapshot,
        &format!(
            "SELECT {RUN_COLUMNS} FROM runs WHERE status IN ('scheduled', 'queued', 'running')
                 OR (status = 'missed' AND reason = 'shutdown' AND last_scheduled_at IS NULL
                     AND attempts = 0)
             ORDER BY scheduled_at, seq"
        ),
        rows::run,
    )?;
    let live_attempts = all(
        &snapshot,
        "SELECT * FROM attempts WHERE run IN (
             SELECT id FROM runs WHERE status IN ('scheduled', 'queued', 'running'))
         ORDER BY run, number",
        rows::attempt,
    )?;
    let scheduler_paused = snapshot.query_row(
        "SELECT value FROM meta WHERE name = 'scheduler_paused'",
        [],
        |row| row.get(0),
    )?;
    Ok(Recovered {
        flags: flags.into_iter().map(|it| (it.job.clone(), it)).collect(),
        schedules: schedules.into_iter().collect(),
        live,
        live_attempts,
        scheduler_paused,
    })
}

fn all<T>(
    connection: &Connection,
    statement: &str,
    read: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
) -> rusqlite::Result<Vec<T>> {
    connection
        .prepare(statement)?
        .query_map([], read)?
        .collect()
}
