//! What there is of one job around one instant: a handful of rows, each found by an index however
//! many others there are.

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, ToSql, params};

use super::figures::ENDED;
use super::rows::{self, FLAG_COLUMNS, Micros, RUN_COLUMNS};
use super::while_doing;
use crate::job::{JobName, Run};
use crate::store::{JobRecord, StoreError};

/// How many of the rows before an instant are read: a run that is still under way then is among
/// them, unless very many have begun since.
const EARLIER: usize = 100;

/// The record of a job: the row that holds `instant`, and the rows up to `around`.
pub(in crate::store) fn job_record(
    connection: &mut Connection,
    job: &JobName,
    instant: Option<Timestamp>,
    around: Timestamp,
) -> Result<JobRecord, StoreError> {
    read(connection, job, instant, around).map_err(while_doing("reading a job's record"))
}

fn read(
    connection: &mut Connection,
    job: &JobName,
    instant: Option<Timestamp>,
    around: Timestamp,
) -> rusqlite::Result<JobRecord> {
    // One moment of the ledger: what is decided and its row belong together.
    let moment = connection.transaction()?;
    let mut record = memory(&moment, job)?;
    if let Some(instant) = instant {
        record.holding = holding(&moment, job, instant)?;
    }
    record.earlier = moment
        .prepare_cached(&earlier())?
        .query_map(params![job.as_str(), Micros(around)], rows::run)?
        .collect::<rusqlite::Result<_>>()?;
    record.last_ended = one(&moment, &last_ended(), &[&job.as_str(), &Micros(around)])?;
    Ok(record)
}

/// What is remembered of the job, without any rows.
fn memory(moment: &Connection, job: &JobName) -> rusqlite::Result<JobRecord> {
    let found = moment
        .prepare_cached(&format!(
            "SELECT {FLAG_COLUMNS}, pruned_through FROM jobs WHERE job = ?1"
        ))?
        .query_row([job.as_str()], |row| {
            Ok(JobRecord {
                flags: Some(rows::flags(row)?),
                pruned_through: row
                    .get::<_, Option<Micros>>("pruned_through")?
                    .map(|it| it.0),
                ..JobRecord::default()
            })
        })
        .optional()?;
    Ok(found.unwrap_or_default())
}

/// The row of the fire at an instant, or the span that the instant lies in.
fn holding(moment: &Connection, job: &JobName, at: Timestamp) -> rusqlite::Result<Option<Run>> {
    let key: [&dyn ToSql; 2] = [&job.as_str(), &Micros(at)];
    if let Some(fire) = one(moment, &fire(), &key)? {
        return Ok(Some(fire));
    }
    let span = one(moment, &span_from(), &key)?;
    Ok(span.filter(|span| span.scheduled_at <= at))
}

fn one(
    moment: &Connection,
    statement: &str,
    values: &[&dyn ToSql],
) -> rusqlite::Result<Option<Run>> {
    moment
        .prepare_cached(statement)?
        .query_row(values, rows::run)
        .optional()
}

/// The fire of an instant.
fn fire() -> String {
    format!(
        "SELECT {RUN_COLUMNS} FROM runs INDEXED BY runs_fire
         WHERE job = ?1 AND scheduled_at = ?2
             AND trigger IN ('schedule', 'catch_up') AND last_scheduled_at IS NULL"
    )
}

/// The first span of instants that ends at one or after it: if one holds the instant, it is this.
/// Spans of events are no instants, though they may lie around some: the job may have had another
/// occasion then.
fn span_from() -> String {
    format!(
        "SELECT {RUN_COLUMNS} FROM runs INDEXED BY runs_span
         WHERE job = ?1 AND last_scheduled_at IS NOT NULL AND last_scheduled_at >= ?2
             AND trigger IN ('schedule', 'catch_up')
         ORDER BY last_scheduled_at LIMIT 1"
    )
}

/// The newest rows up to an instant.
fn earlier() -> String {
    format!(
        "SELECT {RUN_COLUMNS} FROM runs INDEXED BY runs_by_job
         WHERE job = ?1 AND scheduled_at <= ?2
         ORDER BY scheduled_at DESC, seq DESC LIMIT {EARLIER}"
    )
}

/// The newest of them that came to an end of its own.
fn last_ended() -> String {
    format!(
        "SELECT {RUN_COLUMNS} FROM runs INDEXED BY runs_ended
         WHERE job = ?1 AND {ENDED} AND scheduled_at <= ?2
         ORDER BY scheduled_at DESC LIMIT 1"
    )
}

#[cfg(test)]
mod tests {
    use super::super::schema;
    use super::*;

    #[test]
    fn every_row_is_found_by_an_index_and_none_is_sorted() {
        let mut connection = Connection::open_in_memory().unwrap();
        schema::migrate(&mut connection).unwrap();
        for (statement, index) in [
            (fire(), "runs_fire (job=? AND scheduled_at=?)"),
            (span_from(), "runs_span (job=? AND last_scheduled_at>?)"),
            (earlier(), "runs_by_job (job=? AND scheduled_at<?)"),
            (last_ended(), "runs_ended (job=? AND scheduled_at<?)"),
        ] {
            let plan: Vec<String> = connection
                .prepare(&format!("EXPLAIN QUERY PLAN {statement}"))
                .unwrap()
                .query_map(["a", "1"], |row| row.get("detail"))
                .unwrap()
                .map(Result::unwrap)
                .collect();
            assert_eq!(
                plan,
                [format!("SEARCH runs USING INDEX {index}")],
                "{statement}"
            );
        }
    }
}
