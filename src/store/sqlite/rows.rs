//! Values of `job` as rows of the database and back.

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use rusqlite::Row;
use rusqlite::types::{FromSql, FromSqlError, FromSqlResult, ToSql, ToSqlOutput, ValueRef};

use crate::job::{Attempt, Figures, JobFlags, JobName, Reason, Run, RunId, Span, Status, Trigger};

/// The columns that [`run`] reads, in this order.
pub(super) const RUN_COLUMNS: &str = "seq, id, job, status, trigger, scheduled_at, \
     last_scheduled_at, count, due_at, queued_at, retry_at, started_at, finished_at, attempts, \
     exit_code, signal, http_status, reason, params, node, requested_by";

/// The columns that [`flags`] reads, by name.
pub(super) const FLAG_COLUMNS: &str = "job, decided_through, \
     max(audit_from, coalesce(pruned_through, audit_from)) AS audit_from, paused, paused_at, \
     paused_until, pause_reason, paused_by, seen, backlog";

/// An instant, kept as microseconds since the epoch.
#[derive(Debug, Clone, Copy)]
pub(super) struct Micros(pub(super) Timestamp);

impl ToSql for Micros {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(self.0.as_microsecond().into())
    }
}

impl FromSql for Micros {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        // Microseconds end 999,999 before the last instant there is, which somebody may have named.
        Timestamp::from_nanosecond(i128::from(value.as_i64()?) * 1_000)
            .map(Self)
            .map_err(FromSqlError::other)
    }
}

/// A value kept as its own text.
pub(super) struct Text<T>(pub(super) T);

impl<T: fmt::Display> ToSql for Text<T> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(self.0.to_string().into())
    }
}

impl<T: FromStr<Err: std::error::Error + Send + Sync + 'static>> FromSql for Text<T> {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        value
            .as_str()?
            .parse()
            .map(Self)
            .map_err(FromSqlError::other)
    }
}

/// A value kept as JSON.
pub(super) struct Json<T>(pub(super) T);

impl<T: serde::Serialize> ToSql for Json<T> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        serde_json::to_string(&self.0)
            .map(Into::into)
            .map_err(|error| rusqlite::Error::ToSqlConversionFailure(error.into()))
    }
}

impl<T: serde::de::DeserializeOwned> FromSql for Json<T> {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        serde_json::from_str(value.as_str()?)
            .map(Self)
            .map_err(FromSqlError::other)
    }
}

impl ToSql for Word<Status> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(self.0.as_str().into())
    }
}

impl ToSql for Word<Trigger> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(self.0.as_str().into())
    }
}

impl FromSql for Word<Status> {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        word(value, Status::parse)
    }
}

impl FromSql for Word<Trigger> {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        word(value, Trigger::parse)
    }
}

/// One of a closed set of words.
pub(super) struct Word<T>(pub(super) T);

fn word<T>(value: ValueRef<'_>, parse: fn(&str) -> Option<T>) -> FromSqlResult<Word<T>> {
    let text = value.as_str()?;
    let unknown = || FromSqlError::Other(format!("{text:?} is no word of the ledger").into());
    parse(text).map(Word).ok_or_else(unknown)
}

/// The optional instant of a column.
fn time(row: &Row<'_>, column: &str) -> rusqlite::Result<Option<Timestamp>> {
    Ok(row.get::<_, Option<Micros>>(column)?.map(|at| at.0))
}

/// The optional count of a column.
fn amount(row: &Row<'_>, column: &str) -> rusqlite::Result<Option<u64>> {
    Ok(row.get::<_, Option<i64>>(column)?.map(i64::unsigned_abs))
}

/// A count as the database keeps it.
pub(super) fn count(n: u64) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}

/// The values of a row from left to right: by name, each costs a search over the names of all.
struct InOrder<'row, 'statement> {
    row: &'row Row<'statement>,
    next: usize,
}

impl InOrder<'_, '_> {
    fn next<T: FromSql>(&mut self) -> rusqlite::Result<T> {
        let value = self.row.get(self.next);
        self.next += 1;
        value
    }

    fn time(&mut self) -> rusqlite::Result<Option<Timestamp>> {
        Ok(self.next::<Option<Micros>>()?.map(|at| at.0))
    }
}

/// A row of [`RUN_COLUMNS`].
pub(super) fn run(row: &Row<'_>) -> rusqlite::Result<Run> {
    let mut row = InOrder { row, next: 0 };
    // In the order of the columns.
    let _seq: i64 = row.next()?;
    let id = row.next::<Text<RunId>>()?.0;
    let job = row.next::<Text<JobName>>()?.0;
    let status = row.next::<Word<Status>>()?.0;
    let trigger = row.next::<Word<Trigger>>()?.0;
    let scheduled_at = row.next::<Micros>()?.0;
    let last = row.time()?;
    let instants: Option<i64> = row.next()?;
    Ok(Run {
        id,
        job,
        status,
        trigger,
        scheduled_at,
        due_at: row.next::<Micros>()?.0,
        queued_at: row.time()?,
        retry_at: row.time()?,
        started_at: row.time()?,
        finished_at: row.time()?,
        attempts: row.next()?,
        exit_code: row.next()?,
        signal: row.next()?,
        http_status: row.next()?,
        reason: row.next::<Option<String>>()?.map(Reason),
        params: row.next::<Json<_>>()?.0,
        node: row.next()?,
        requested_by: row.next()?,
        span: last.map(|last| Span {
            last,
            count: instants.map_or(0, i64::unsigned_abs),
        }),
    })
}

/// A row of the table `attempts`.
pub(super) fn attempt(row: &Row<'_>) -> rusqlite::Result<Attempt> {
    Ok(Attempt {
        run: row.get::<_, Text<RunId>>("run")?.0,
        number: row.get("number")?,
        status: row.get::<_, Word<Status>>("status")?.0,
        started_at: row.get::<_, Micros>("started_at")?.0,
        finished_at: time(row, "finished_at")?,
        pid: row.get("pid")?,
        exit_code: row.get("exit_code")?,
        signal: row.get("signal")?,
        http_status: row.get("http_status")?,
        reason: row.get::<_, Option<String>>("reason")?.map(Reason),
        figures: Figures {
            cpu_usec: amount(row, "cpu_usec")?,
            max_rss_bytes: amount(row, "max_rss_bytes")?,
        },
    })
}

/// A row of [`FLAG_COLUMNS`].
pub(super) fn flags(row: &Row<'_>) -> rusqlite::Result<JobFlags> {
    Ok(JobFlags {
        job: row.get::<_, Text<JobName>>("job")?.0,
        decided_through: row.get::<_, Micros>("decided_through")?.0,
        audit_from: row.get::<_, Micros>("audit_from")?.0,
        paused: row.get("paused")?,
        paused_at: time(row, "paused_at")?,
        paused_until: time(row, "paused_until")?,
        pause_reason: row.get("pause_reason")?,
        paused_by: row.get("paused_by")?,
        seen: row.get::<_, Json<_>>("seen")?.0,
        backlog: row.get::<_, Json<_>>("backlog")?.0,
    })
}
