//! Changes to the ledger, as statements. Each leaves the same rows when it is done again.

use rusqlite::{Connection, OptionalExtension, named_params, params};

use super::rows::{Json, Micros, Text, Word, count};
use crate::job::{Attempt, ClaimOutcome, JobFlags, JobName, Run, RunId, Trigger};
use crate::schedule::ScheduleSpec;
use crate::store::StoredOutput;

const INSERT_RUN: &str = "
INSERT INTO runs (id, job, status, trigger, scheduled_at, last_scheduled_at, count, due_at,
    queued_at, retry_at, started_at, finished_at, attempts, exit_code, signal, http_status, reason,
    params, node, requested_by)
VALUES (:id, :job, :status, :trigger, :scheduled_at, :last_scheduled_at, :count, :due_at,
    :queued_at, :retry_at, :started_at, :finished_at, :attempts, :exit_code, :signal, :http_status,
    :reason, :params, :node, :requested_by)
ON CONFLICT (id) DO UPDATE SET status = excluded.status, trigger = excluded.trigger,
    last_scheduled_at = excluded.last_scheduled_at, count = excluded.count,
    due_at = excluded.due_at, queued_at = excluded.queued_at, retry_at = excluded.retry_at,
    started_at = excluded.started_at,
    finished_at = excluded.finished_at, attempts = excluded.attempts,
    exit_code = excluded.exit_code, signal = excluded.signal, http_status = excluded.http_status,
    reason = excluded.reason,
    params = excluded.params, node = excluded.node, requested_by = excluded.requested_by";

/// What says that a process ran, and how that ended, does not give way to what says less.
const UNLESS_IT_RAN: &str = " WHERE runs.attempts <= excluded.attempts
    OR runs.status = 'scheduled' OR runs.status = 'queued' OR runs.status = 'running'";

/// Only a row that is still `scheduled` gives way to a claim, or one that a shutdown took the
/// chance to run from to its catch-up; a row of another id at the same instant (made by hand) does
/// not.
const UNLESS_DECIDED: &str = " WHERE runs.status = 'scheduled'
    OR (excluded.trigger = 'catch_up' AND runs.status = 'missed' AND runs.reason = 'shutdown'
        AND runs.last_scheduled_at IS NULL AND runs.attempts = 0)
ON CONFLICT DO NOTHING";

/// An instant can also be decided without a row of its own: within a span, or so long ago that
/// retention took the row.
const DECIDED_OTHERWISE: &str = "
SELECT EXISTS (SELECT 1 FROM jobs WHERE job = ?1 AND pruned_through >= ?2),
    EXISTS (SELECT 1 FROM runs WHERE job = ?1 AND last_scheduled_at >= ?2
        AND last_scheduled_at IS NOT NULL AND scheduled_at <= ?2
        AND trigger IN ('schedule', 'catch_up'))";

/// Makes or replaces a run's row; answers 0 if the row there is tells of more.
pub(super) fn put_run(connection: &Connection, run: &Run) -> rusqlite::Result<usize> {
    insert_run(connection, run, &[INSERT_RUN, UNLESS_IT_RAN].concat())
}

/// The answer to a claim.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Answer {
    Claimed,
    /// By the row of its own id.
    Decided,
    /// By something else, and by what.
    DecidedOtherwise(&'static str),
}

/// Claims a fire, unless it is decided.
pub(super) fn claim(connection: &Connection, run: &Run) -> rusqlite::Result<Answer> {
    let of_schedule = matches!(run.trigger, Trigger::Schedule | Trigger::CatchUp);
    let (pruned, in_a_span) = if of_schedule {
        connection
            .prepare_cached(DECIDED_OTHERWISE)?
            .query_row(params![run.job.as_str(), Micros(run.scheduled_at)], |row| {
                Ok((row.get(0)?, row.get(1)?))
            })?
    } else {
        (false, false)
    };
    if !pruned && !in_a_span {
        let statement = [INSERT_RUN, UNLESS_DECIDED].concat();
        if insert_run(connection, run, &statement)? > 0 {
            return Ok(Answer::Claimed);
        }
    }
    let has_its_row = connection
        .prepare_cached("SELECT EXISTS (SELECT 1 FROM runs WHERE id = ?1)")?
        .query_row([Text(run.id)], |row| row.get(0))?;
    Ok(match (has_its_row, pruned, in_a_span) {
        (true, ..) => Answer::Decided,
        (_, true, _) => Answer::DecidedOtherwise("retention has pruned beyond it"),
        (.., true) => Answer::DecidedOtherwise("it lies within a span of instants"),
        _ => Answer::DecidedOtherwise("a row of another id has its instant"),
    })
}

/// Does a claim again whose outcome is known from an earlier try.
pub(super) fn claim_again(
    connection: &Connection,
    run: &Run,
    outcome: ClaimOutcome,
) -> rusqlite::Result<Answer> {
    Ok(match outcome {
        ClaimOutcome::Claimed => {
            put_run(connection, run)?;
            Answer::Claimed
        }
        ClaimOutcome::Decided => Answer::Decided,
    })
}

fn insert_run(connection: &Connection, run: &Run, statement: &str) -> rusqlite::Result<usize> {
    connection
        .prepare_cached(statement)?
        .execute(named_params! {
            ":id": Text(run.id),
            ":job": run.job.as_str(),
            ":status": Word(run.status),
            ":trigger": Word(run.trigger),
            ":scheduled_at": Micros(run.scheduled_at),
            ":last_scheduled_at": run.span.map(|span| Micros(span.last)),
            ":count": run.span.map(|span| count(span.count)),
            ":due_at": Micros(run.due_at),
            ":queued_at": run.queued_at.map(Micros),
            ":retry_at": run.retry_at.map(Micros),
            ":started_at": run.started_at.map(Micros),
            ":finished_at": run.finished_at.map(Micros),
            ":attempts": run.attempts,
            ":exit_code": run.exit_code,
            ":signal": run.signal,
            ":http_status": run.http_status,
            ":reason": run.reason.as_ref().map(|reason| &reason.0),
            ":params": Json(&run.params),
            ":node": run.node,
            ":requested_by": run.requested_by,
        })
}

/// Takes a claim back.
pub(super) fn withdraw(connection: &Connection, id: RunId) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "DELETE FROM runs WHERE id = ?1 AND (status = 'scheduled'
                 OR (status = 'missed' AND reason = 'shutdown' AND last_scheduled_at IS NULL
                     AND attempts = 0))",
        )?
        .execute([Text(id)])
        .map(drop)
}

/// Makes or replaces an attempt's row; answers 0 if there is no such run.
pub(super) fn put_attempt(connection: &Connection, it: &Attempt) -> rusqlite::Result<usize> {
    connection
        .prepare_cached(
            "INSERT INTO attempts (run, number, status, started_at, finished_at, pid, exit_code,
                 signal, http_status, reason, cpu_usec, max_rss_bytes)
             SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12
             WHERE EXISTS (SELECT 1 FROM runs WHERE id = ?1)
             ON CONFLICT (run, number) DO UPDATE SET status = excluded.status,
                 started_at = excluded.started_at, finished_at = excluded.finished_at,
                 pid = excluded.pid, exit_code = excluded.exit_code, signal = excluded.signal,
                 http_status = excluded.http_status, reason = excluded.reason,
                 cpu_usec = excluded.cpu_usec, max_rss_bytes = excluded.max_rss_bytes",
        )?
        .execute(params![
            Text(it.run),
            it.number,
            Word(it.status),
            Micros(it.started_at),
            it.finished_at.map(Micros),
            it.pid,
            it.exit_code,
            it.signal,
            it.http_status,
            it.reason.as_ref().map(|reason| &reason.0),
            it.figures.cpu_usec.map(count),
            it.figures.max_rss_bytes.map(count),
        ])
}

/// Keeps the output of an attempt; answers 0 if there is no such run.
pub(super) fn put_output(connection: &Connection, it: &StoredOutput) -> rusqlite::Result<usize> {
    connection
        .prepare_cached(
            "INSERT INTO outputs (run, attempt, size, total_bytes, segments, bytes)
             SELECT ?1, ?2, ?3, ?4, ?5, ?6 WHERE EXISTS (SELECT 1 FROM runs WHERE id = ?1)
             ON CONFLICT (run, attempt) DO UPDATE SET size = excluded.size,
                 total_bytes = excluded.total_bytes, segments = excluded.segments,
                 bytes = excluded.bytes",
        )?
        .execute(params![
            Text(it.run),
            it.attempt,
            count(it.bytes.len() as u64 + it.segments.len() as u64),
            count(it.total_bytes),
            it.segments,
            it.bytes,
        ])
}

/// Remembers a job's flags. Retention's own mark stays, for it lies no later than what is decided.
/// If that goes back before it, the clock was wrong: the account begins again there, or every
/// instant up to the mark would pass for decided.
pub(super) fn put_flags(connection: &Connection, it: &JobFlags) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "INSERT INTO jobs (job, decided_through, audit_from, paused, paused_at, paused_until,
                 pause_reason, paused_by, seen, backlog)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)
             ON CONFLICT (job) DO UPDATE SET decided_through = excluded.decided_through,
                 pruned_through = min(pruned_through, excluded.decided_through),
                 audit_from = excluded.audit_from, paused = excluded.paused,
                 paused_at = excluded.paused_at, paused_until = excluded.paused_until,
                 pause_reason = excluded.pause_reason, paused_by = excluded.paused_by,
                 seen = excluded.seen, backlog = excluded.backlog",
        )?
        .execute(params![
            it.job.as_str(),
            Micros(it.decided_through),
            Micros(it.audit_from.min(it.decided_through)),
            it.paused,
            it.paused_at.map(Micros),
            it.paused_until.map(Micros),
            it.pause_reason,
            it.paused_by,
            Json(&it.seen),
            Json(&it.backlog),
        ])
        .map(drop)
}

/// From `at` on the job's history says `spec`, whatever it said of that time before. The history
/// is kept in one form only (no two stretches of one schedule touch), so that saying a thing
/// again, or a sequence of things, changes nothing.
pub(super) fn put_schedule(
    connection: &Connection,
    job: &JobName,
    at: Micros,
    spec: Option<&ScheduleSpec>,
) -> rusqlite::Result<()> {
    let job = job.as_str();
    let is_spec = |kept: &str| {
        spec.is_some_and(|spec| {
            serde_json::from_str(kept).is_ok_and(|kept: ScheduleSpec| kept == *spec)
        })
    };
    let open: Option<String> = connection
        .prepare_cached(
            "SELECT spec FROM schedules WHERE job = ?1 AND to_at IS NULL AND from_at <= ?2",
        )?
        .query_row(params![job, at], |row| row.get(0))
        .optional()?;
    if open.is_some_and(|kept| is_spec(&kept)) {
        return Ok(());
    }
    connection
        .prepare_cached("DELETE FROM schedules WHERE job = ?1 AND from_at >= ?2")?
        .execute(params![job, at])?;
    connection
        .prepare_cached(
            "UPDATE schedules SET to_at = ?2 WHERE job = ?1 AND (to_at IS NULL OR to_at > ?2)",
        )?
        .execute(params![job, at])?;
    let Some(spec) = spec else { return Ok(()) };
    let touching: Option<String> = connection
        .prepare_cached("SELECT spec FROM schedules WHERE job = ?1 AND to_at = ?2")?
        .query_row(params![job, at], |row| row.get(0))
        .optional()?;
    if touching.is_some_and(|kept| is_spec(&kept)) {
        connection
            .prepare_cached("UPDATE schedules SET to_at = NULL WHERE job = ?1 AND to_at = ?2")?
            .execute(params![job, at])?;
    } else {
        connection
            .prepare_cached("INSERT INTO schedules (job, from_at, spec) VALUES (?1, ?2, ?3)")?
            .execute(params![job, at, Json(spec)])?;
    }
    Ok(())
}

/// Remembers whether everything is paused.
pub(super) fn put_scheduler_paused(connection: &Connection, paused: bool) -> rusqlite::Result<()> {
    connection
        .prepare_cached("UPDATE meta SET value = ?1 WHERE name = 'scheduler_paused'")?
        .execute([paused])
        .map(drop)
}
