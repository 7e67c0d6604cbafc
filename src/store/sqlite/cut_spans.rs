//! Spans that a clock which was ahead has made reach into what is yet to come.

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, params};

use super::rows::{Micros, count};
use crate::job::JobName;
use crate::schedule::{Schedule, ScheduleSpec};

/// Takes the instants later than `after` out of the job's spans. Those of events (a start-up, the end of
/// another job) hold no instants: what they tell of has happened.
pub(super) fn apply(
    connection: &Connection,
    job: &JobName,
    after: Timestamp,
) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "DELETE FROM runs WHERE job = ?1 AND last_scheduled_at > ?2
                 AND last_scheduled_at IS NOT NULL AND scheduled_at > ?2
                 AND trigger IN ('schedule', 'catch_up')",
        )?
        .execute(params![job.as_str(), Micros(after)])?;
    let across: Vec<(i64, Micros)> = connection
        .prepare_cached(
            "SELECT rowid, scheduled_at FROM runs WHERE job = ?1 AND last_scheduled_at > ?2
                 AND last_scheduled_at IS NOT NULL AND trigger IN ('schedule', 'catch_up')",
        )?
        .query_map(params![job.as_str(), Micros(after)], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })?
        .collect::<rusqlite::Result<_>>()?;
    for (row, Micros(first)) in across {
        // Of a schedule that no version can read any more it is not known which instants there are.
        let Some(schedule) = schedule_at(connection, job, first)? else {
            continue;
        };
        let last = schedule
            .last_through(after)
            .map_or(first, |last| last.max(first));
        let before = first.saturating_sub(std::time::Duration::from_micros(1));
        let instants = schedule.count(before.unwrap_or(Timestamp::MIN), last);
        connection
            .prepare_cached("UPDATE runs SET last_scheduled_at = ?2, count = ?3 WHERE rowid = ?1")?
            .execute(params![row, Micros(last), count(instants)])?;
    }
    Ok(())
}

/// The schedule that named this instant.
fn schedule_at(
    connection: &Connection,
    job: &JobName,
    instant: Timestamp,
) -> rusqlite::Result<Option<Schedule>> {
    let spec: Option<String> = connection
        .prepare_cached(
            "SELECT spec FROM schedules WHERE job = ?1 AND from_at < ?2
                 AND (to_at IS NULL OR to_at >= ?2)",
        )?
        .query_row(params![job.as_str(), Micros(instant)], |row| row.get(0))
        .optional()?;
    let spec = spec.and_then(|spec| serde_json::from_str::<ScheduleSpec>(&spec).ok());
    Ok(spec.and_then(|spec| Schedule::new(spec, job.as_str()).ok()))
}
