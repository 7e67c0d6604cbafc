//! Pages of runs, newest first.
//!
//! The order is `scheduled_at`, then `seq` (arrival). Both never change for a row, so a place in
//! the list means the same however many rows arrive or go; and the instant comes first, because a
//! fire that is caught up late belongs among its time.

use std::cmp::Reverse;

use jiff::Timestamp;
use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension, params_from_iter};

use super::rows::{self, RUN_COLUMNS, Text};
use super::while_doing;
use crate::job::{JobName, Run, RunId, Trigger};
use crate::store::{Cursor, Jobs, Page, RunFilter, StoreError};

/// Up to so many jobs are read one after the other, each by its own index. More are picked out of
/// the list of all runs: of many jobs, something is never far.
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
    let list = List {
        filter,
        cursor,
        wanted,
    };
    let mut found = list.read(connection).map_err(while_doing("reading runs"))?;
    let more = found.len() > limit;
    found.truncate(limit);
    Ok(Page {
        next_cursor: found.last().filter(|_| more).map(|it| it.cursor),
        items: found.into_iter().map(|it| it.run).collect(),
    })
}

/// Of which jobs one statement reads.
#[derive(Clone, Copy)]
enum Choice<'a> {
    All,
    One(&'a JobName),
    Some(&'a [JobName]),
}

/// What is asked for.
struct List<'a> {
    filter: &'a RunFilter,
    cursor: Option<Cursor>,
    wanted: usize,
}

impl List<'_> {
    fn read(&self, connection: &Connection) -> rusqlite::Result<Vec<Placed>> {
        match &self.filter.jobs {
            Jobs::All => self.of(connection, Choice::All, None),
            Jobs::Only(jobs) if jobs.len() > MERGED_JOBS => {
                self.of(connection, Choice::Some(jobs), None)
            }
            Jobs::Only(jobs) => {
                let mut best: Vec<Placed> = Vec::new();
                for job in jobs {
                    // Once there are enough, older ones than the oldest are not even read.
                    let enough = best.len() >= self.wanted;
                    let oldest = best
                        .last()
                        .filter(|_| enough)
                        .map(|it| it.cursor.scheduled_at);
                    best.extend(self.of(connection, Choice::One(job), oldest)?);
                    best.sort_by_key(|it| Reverse((it.cursor.scheduled_at, it.cursor.seq)));
                    best.truncate(self.wanted);
                }
                Ok(best)
            }
        }
    }

    /// The first rows of a choice of jobs, none older than `oldest`: those whose own instant lies
    /// in the window, then the spans that began before it and reach into it, which the order puts
    /// last.
    fn of(
        &self,
        connection: &Connection,
        jobs: Choice<'_>,
        oldest: Option<i64>,
    ) -> rusqlite::Result<Vec<Placed>> {
        let since = self.filter.since.map(Timestamp::as_microsecond);
        let mut own = Statement::of(self.filter, jobs, self.cursor);
        if let Some(from) = since.max(oldest) {
            own.and("scheduled_at >= ?", from);
        }
        let mut found = own.rows(connection, self.wanted)?;
        if let Some(since) = since.filter(|_| found.len() < self.wanted) {
            let mut before = Statement::of(self.filter, jobs, self.cursor);
            before.index = match jobs {
                Choice::One(_) => "runs_span",
                _ => "runs_span_end",
            };
            before.and(
                "last_scheduled_at IS NOT NULL AND last_scheduled_at >= ?",
                since,
            );
            before.and("scheduled_at < ?", since);
            before.and("scheduled_at >= ?", oldest.unwrap_or(i64::MIN));
            found.extend(before.rows(connection, self.wanted - found.len())?);
        }
        Ok(found)
    }
}

/// A condition under construction, and the index that is to serve it: the most telling one that
/// also gives the order. The database is not left to guess.
struct Statement {
    index: &'static str,
    condition: String,
    values: Vec<Value>,
}

impl Statement {
    fn of(filter: &RunFilter, jobs: Choice<'_>, cursor: Option<Cursor>) -> Self {
        let mut it = Self {
            index: match (jobs, filter.trigger, filter.status) {
                (Choice::One(_), ..) => "runs_by_job",
                (_, Some(trigger), _) if trigger != Trigger::Schedule => "runs_by_trigger",
                (_, _, Some(_)) => "runs_by_status",
                _ => "runs_by_time",
            },
            condition: String::from("true"),
            values: Vec::new(),
        };
        match jobs {
            Choice::All => {}
            Choice::One(job) => it.and("job = ?", job.as_str().to_owned()),
            Choice::Some(jobs) => {
                let names: Vec<&str> = jobs.iter().map(JobName::as_str).collect();
                let names = serde_json::Value::from(names).to_string();
                it.and("+job IN (SELECT value FROM json_each(?))", names);
            }
        }
        if let Some(trigger) = filter.trigger {
            if trigger != Trigger::Schedule {
                it.condition.push_str(" AND trigger <> 'schedule'");
            }
            it.and("trigger = ?", trigger.as_str().to_owned());
        }
        match filter.status {
            Some(status) => it.and("status = ?", status.as_str().to_owned()),
            None => it.condition.push_str(" AND status <> 'scheduled'"),
        }
        if let Some(until) = filter.until {
            it.and("scheduled_at < ?", until.as_microsecond());
        }
        if let Some(cursor) = cursor {
            // The first term is what an index can use.
            it.and("scheduled_at <= ?", cursor.scheduled_at);
            it.and("(scheduled_at, seq) < (?", cursor.scheduled_at);
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
            "SELECT {RUN_COLUMNS} FROM runs INDEXED BY {} WHERE {}
             ORDER BY scheduled_at DESC, seq DESC LIMIT ?",
            self.index, self.condition
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
