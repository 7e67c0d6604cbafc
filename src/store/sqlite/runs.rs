//! Pages of runs, newest first.
//!
//! The order is `scheduled_at`, then `seq` (arrival). Both never change for a row, so a place in
//! the list means the same however many rows arrive or go; and the instant comes first, because a
//! fire that is caught up late belongs among its time.

use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension, params_from_iter};

use super::rows::{self, RUN_COLUMNS, Text};
use super::while_doing;
use crate::job::{JobName, Run, RunId, Trigger};
use crate::store::{Cursor, Jobs, Page, RunFilter, StoreError};

/// Up to so many jobs are read one after the other, each by its own index, and merged. More are
/// picked out of the list of all runs: of many jobs, something is never far.
const MERGED_JOBS: usize = 100;

/// A run and its place.
struct Placed {
    cursor: Cursor,
    run: Run,
}

/// One run.
pub(in crate::store) fn run(connection: &Connection, id: RunId) -> Result<Option<Run>, StoreError> {
    let read = || {
        connection
            .prepare_cached(&format!("SELECT {RUN_COLUMNS} FROM runs WHERE id = ?1"))?
            .query_row([Text(id)], rows::run)
            .optional()
    };
    read().map_err(while_doing("reading a run"))
}

/// A page of at most `limit` runs after `cursor`.
pub(in crate::store) fn runs(
    connection: &Connection,
    filter: &RunFilter,
    cursor: Option<Cursor>,
    limit: usize,
) -> Result<Page<Run>, StoreError> {
    // One more than asked for tells whether there is a next page.
    let wanted = limit + 1;
    let mut found = match &filter.jobs {
        Jobs::Only(jobs) if jobs.len() <= MERGED_JOBS => {
            let each = jobs
                .iter()
                .map(|job| listed(connection, filter, &Choice::One(job), cursor, wanted));
            each.collect::<Result<Vec<_>, _>>()
                .map(|lists| lists.into_iter().flatten().collect())
        }
        Jobs::Only(jobs) => listed(connection, filter, &Choice::Some(jobs), cursor, wanted),
        Jobs::All => listed(connection, filter, &Choice::All, cursor, wanted),
    }
    .map_err(while_doing("reading runs"))?;
    found.sort_by_key(|it: &Placed| std::cmp::Reverse((it.cursor.scheduled_at, it.cursor.seq)));
    let more = found.len() > limit;
    found.truncate(limit);
    Ok(Page {
        next_cursor: found.last().filter(|_| more).map(|it| it.cursor),
        items: found.into_iter().map(|it| it.run).collect(),
    })
}

/// Of which jobs one statement reads.
enum Choice<'a> {
    All,
    One(&'a JobName),
    Some(&'a [JobName]),
}

/// The first `wanted` rows: those whose own instant lies in the window, then the spans that began
/// before it and reach into it, which the order puts last.
fn listed(
    connection: &Connection,
    filter: &RunFilter,
    jobs: &Choice<'_>,
    cursor: Option<Cursor>,
    wanted: usize,
) -> rusqlite::Result<Vec<Placed>> {
    let mut statement = Statement::of(filter, jobs, cursor);
    if let Some(since) = filter.since {
        statement.and("runs.scheduled_at >= ?", since.as_microsecond());
    }
    let mut found = statement.rows(connection, wanted)?;
    if let Some(since) = filter.since.filter(|_| found.len() < wanted) {
        let mut statement = Statement::of(filter, jobs, cursor);
        statement.and("+runs.scheduled_at < ?", since.as_microsecond());
        statement.and("runs.last_scheduled_at >= ?", since.as_microsecond());
        statement
            .condition
            .push_str(" AND runs.last_scheduled_at IS NOT NULL");
        found.extend(statement.rows(connection, wanted - found.len())?);
    }
    Ok(found)
}

/// A condition under construction. A term with a `+` before its column is kept from choosing the
/// index: the most telling one that also gives the order is to lead.
struct Statement {
    condition: String,
    values: Vec<Value>,
}

impl Statement {
    fn of(filter: &RunFilter, jobs: &Choice<'_>, cursor: Option<Cursor>) -> Self {
        let mut it = Self {
            condition: String::from("true"),
            values: Vec::new(),
        };
        let mut led = false;
        match jobs {
            Choice::All => {}
            Choice::One(job) => {
                it.and("runs.job = ?", job.as_str().to_owned());
                led = true;
            }
            Choice::Some(jobs) => {
                let names: Vec<&str> = jobs.iter().map(JobName::as_str).collect();
                let names = serde_json::Value::from(names).to_string();
                it.and("+runs.job IN (SELECT value FROM json_each(?))", names);
            }
        }
        if let Some(trigger) = filter.trigger {
            let word = trigger.as_str().to_owned();
            if led || trigger == Trigger::Schedule {
                it.and("+runs.trigger = ?", word);
            } else {
                it.and("runs.trigger <> 'schedule' AND runs.trigger = ?", word);
                led = true;
            }
        }
        match filter.status {
            Some(status) if led => it.and("+runs.status = ?", status.as_str().to_owned()),
            Some(status) => it.and("runs.status = ?", status.as_str().to_owned()),
            None => it.condition.push_str(" AND +runs.status <> 'scheduled'"),
        }
        if let Some(until) = filter.until {
            it.and("runs.scheduled_at < ?", until.as_microsecond());
        }
        if let Some(cursor) = cursor {
            // The first term is what an index can use.
            it.and("runs.scheduled_at <= ?", cursor.scheduled_at);
            it.and("(runs.scheduled_at, runs.seq) < (?", cursor.scheduled_at);
            it.condition.push_str(", ?)");
            it.values.push(cursor.seq.into());
        }
        it
    }

    fn and(&mut self, term: &str, value: impl Into<Value>) {
        self.condition.push_str(" AND ");
        self.condition.push_str(term);
        self.values.push(value.into());
    }

    fn rows(mut self, connection: &Connection, limit: usize) -> rusqlite::Result<Vec<Placed>> {
        let statement = format!(
            "SELECT {RUN_COLUMNS} FROM runs WHERE {} ORDER BY scheduled_at DESC, seq DESC LIMIT ?",
            self.condition
        );
        self.values
            .push(i64::try_from(limit).unwrap_or(i64::MAX).into());
        connection
            .prepare_cached(&statement)?
            .query_map(params_from_iter(self.values), |row| {
                let cursor = Cursor {
                    scheduled_at: row.get("scheduled_at")?,
                    seq: row.get("seq")?,
                };
                Ok(Placed {
                    cursor,
                    run: rows::run(row)?,
                })
            })?
            .collect()
    }
}
