//! Reads what an audit needs, job by job, each from one moment of the ledger.

use jiff::{SignedDuration, Timestamp};
use rusqlite::{Connection, OptionalExtension, params};

use super::history::schedule_history;
use super::rows::{self, FLAG_COLUMNS, Micros, Text};
use super::while_doing;
use crate::job::JobName;
use crate::schedule::Schedule;
use crate::store::walk::{AccountRow, AccountSpan, History, Known, Walk, Window};
use crate::store::{Account, AuditReport, AuditScope, ProblemKind, StoreError, Stretch, Watch};

/// How long after its instant a fire of a running daemon must have been decided.
const DECIDED_WITHIN: SignedDuration = SignedDuration::from_secs(10);

/// One instant each, and spans, in order. The first come out of their index in order, the few
/// spans are sorted, and both are merged on the way: a million rows pass by one at a time.
const ROWS: &str = "
SELECT scheduled_at, NULL AS last, NULL AS count FROM runs INDEXED BY runs_fire
    WHERE job = ?1 AND trigger IN ('schedule', 'catch_up') AND last_scheduled_at IS NULL
        AND scheduled_at > ?2 AND scheduled_at <= ?3
UNION ALL
SELECT scheduled_at, last_scheduled_at, count FROM runs INDEXED BY runs_span
    WHERE job = ?1 AND last_scheduled_at IS NOT NULL AND last_scheduled_at > ?2
        AND scheduled_at <= ?3 AND trigger IN ('schedule', 'catch_up')
ORDER BY 1";

/// Holds the ledger against the schedules.
pub(in crate::store) fn audit(
    connection: &mut Connection,
    scope: &AuditScope,
) -> Result<AuditReport, StoreError> {
    let mut report = AuditReport::default();
    let jobs = match &scope.job {
        Some(job) => vec![job.clone()],
        None => jobs(connection).map_err(while_doing("auditing"))?,
    };
    for job in &jobs {
        let moment = connection.transaction().map_err(while_doing("auditing"))?;
        audit_job(&moment, job, scope, &mut report)?;
    }
    if scope.watch == Watch::Up {
        undecided(connection, scope, &mut report).map_err(while_doing("auditing"))?;
    }
    Ok(report)
}

fn jobs(connection: &Connection) -> rusqlite::Result<Vec<JobName>> {
    connection
        .prepare("SELECT job FROM jobs UNION SELECT job FROM schedules ORDER BY 1")?
        .query_map([], |row| row.get::<_, Text<JobName>>(0))?
        .map(|job| Ok(job?.0))
        .collect()
}

fn audit_job(
    moment: &Connection,
    job: &JobName,
    scope: &AuditScope,
    report: &mut AuditReport,
) -> Result<(), StoreError> {
    let stretches = schedule_history(moment, job)?;
    let flags = moment
        .prepare_cached(&format!("SELECT {FLAG_COLUMNS} FROM jobs WHERE job = ?1"))
        .and_then(|mut it| it.query_row([job.as_str()], rows::flags).optional())
        .map_err(while_doing("auditing"))?;
    let Some(flags) = flags else {
        if let Some(first) = stretches.first() {
            report.add(job, first.from, ProblemKind::NoMark);
        }
        return Ok(());
    };
    let through = through(flags.decided_through, stretches.last(), scope);
    let from = flags
        .audit_from
        .max(scope.since.unwrap_or(flags.audit_from));
    let window = Window {
        from,
        through: through.max(from),
        whole_from: flags.audit_from,
    };
    let Some(history) = readable(job, stretches, report) else {
        return Ok(());
    };
    let put_off = put_off(&flags.backlog, &history, window);
    let mut walk = Walk::new(job, &history, window, report);
    feed(moment, job, window, put_off, &mut walk).map_err(while_doing("auditing"))?;
    let instants = walk.end();
    report.add_account(Account {
        job: job.clone(),
        from: window.from,
        through: window.through,
        instants,
    });
    Ok(())
}

/// Up to where every instant must have a row.
fn through(decided: Timestamp, last: Option<&Stretch>, scope: &AuditScope) -> Timestamp {
    let jitter = last.map_or(SignedDuration::ZERO, |it| {
        SignedDuration::try_from(it.spec.jitter).unwrap_or(SignedDuration::MAX)
    });
    let due = DECIDED_WITHIN.saturating_add(jitter);
    let watched = match scope.watch {
        Watch::Up => scope.now.checked_sub(due).unwrap_or(decided),
        Watch::Down => decided,
    };
    decided.max(watched).min(scope.now)
}

/// The history with its schedules read, or a word in the report about what cannot be read.
fn readable(job: &JobName, stretches: Vec<Stretch>, report: &mut AuditReport) -> Option<History> {
    let mut known = Vec::with_capacity(stretches.len());
    for Stretch { from, to, spec } in stretches {
        match Schedule::new(spec, job.as_str()) {
            Ok(schedule) => known.push(Known { from, to, schedule }),
            Err(error) => {
                let detail = error.to_string();
                report.add(job, from, ProblemKind::Unreadable { detail });
                return None;
            }
        }
    }
    Some(History::new(known))
}

/// Instants that wait to be caught up have no rows yet, and are accounted for all the same: as if
/// each stretch of them were a row.
fn put_off(
    backlog: &[(Timestamp, Timestamp)],
    history: &History,
    window: Window,
) -> Vec<AccountRow> {
    let row = |&(after, last): &(Timestamp, Timestamp)| {
        let first = history.next_after(after).filter(|&first| first <= last)?;
        let count = None;
        let span = Some(AccountSpan { last, count });
        let seen = last > window.from && first <= window.through;
        seen.then_some(AccountRow { first, span })
    };
    backlog.iter().filter_map(row).collect()
}

fn feed(
    moment: &Connection,
    job: &JobName,
    window: Window,
    put_off: Vec<AccountRow>,
    walk: &mut Walk<'_>,
) -> rusqlite::Result<()> {
    let mut put_off = put_off.into_iter().peekable();
    let mut statement = moment.prepare_cached(ROWS)?;
    let mut rows = statement.query(params![
        job.as_str(),
        Micros(window.from),
        Micros(window.through)
    ])?;
    while let Some(row) = rows.next()? {
        let last: Option<Micros> = row.get(1)?;
        let count: Option<i64> = row.get(2)?;
        let row = AccountRow {
            first: row.get::<_, Micros>(0)?.0,
            span: last.map(|last| AccountSpan {
                last: last.0,
                count: count.map(i64::unsigned_abs),
            }),
        };
        while let Some(earlier) = put_off.next_if(|it| it.first < row.first) {
            walk.row(earlier);
        }
        walk.row(row);
    }
    put_off.for_each(|row| walk.row(row));
    Ok(())
}

/// Claims that nobody decided though their time is long over.
fn undecided(
    connection: &Connection,
    scope: &AuditScope,
    report: &mut AuditReport,
) -> rusqlite::Result<()> {
    let over = scope.now.checked_sub(DECIDED_WITHIN).unwrap_or(scope.now);
    let job = scope.job.as_ref().map(JobName::as_str);
    let mut statement = connection.prepare_cached(
        "SELECT job, scheduled_at FROM runs WHERE status = 'scheduled' AND due_at < ?1
             AND (?2 IS NULL OR +job = ?2) AND scheduled_at > coalesce(?3, scheduled_at - 1)
         ORDER BY scheduled_at, seq",
    )?;
    let mut rows = statement.query(params![Micros(over), job, scope.since.map(Micros)])?;
    while let Some(row) = rows.next()? {
        let (job, at): (Text<JobName>, Micros) = (row.get(0)?, row.get(1)?);
        report.add(&job.0, at.0, ProblemKind::Undecided);
    }
    Ok(())
}
