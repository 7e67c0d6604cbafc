//! Removes what exceeds retention, in steps small enough that a claim never waits long.

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, TransactionBehavior, params};

use super::rows::count;
use crate::store::Retention;

/// The most rows or outputs removed in one step.
const STEP_ROWS: usize = 500;

/// The most jobs looked at in one step when there is nothing to remove.
const STEP_JOBS: usize = 50;

const LIVE: &str = "('scheduled', 'queued', 'running')";

/// How far a sweep has come.
#[derive(Debug, Clone)]
pub(super) struct Pruning {
    retention: Retention,
    /// The last job that is done with; empty before the first.
    behind: String,
}

/// What a step did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::store) enum PruneStep {
    /// It removed so many rows or outputs, and there is more to look at.
    More(usize),
    /// Every job and the output have been looked at.
    SweepDone,
}

impl Pruning {
    pub(super) fn new(retention: Retention) -> Self {
        Self {
            retention,
            behind: String::new(),
        }
    }

    pub(super) fn retention(&self) -> Retention {
        self.retention
    }
}

/// Looks at the next jobs; after the last of them at the output.
pub(super) fn step(
    connection: &mut Connection,
    pruning: &mut Pruning,
    now: Timestamp,
) -> rusqlite::Result<PruneStep> {
    let limit = pruning.retention.max_output_bytes;
    if output_bytes(connection)? > limit {
        let removed = prune_outputs(connection, limit)?;
        if removed > 0 {
            return Ok(PruneStep::More(removed));
        }
    }
    for _ in 0..STEP_JOBS {
        let next: Option<String> = connection
            .prepare_cached("SELECT job FROM runs WHERE job > ?1 ORDER BY job LIMIT 1")?
            .query_row([&pruning.behind], |row| row.get(0))
            .optional()?;
        let Some(job) = next else {
            pruning.behind.clear();
            return Ok(PruneStep::SweepDone);
        };
        let removed = prune_job(connection, &job, pruning.retention, now)?;
        if removed < STEP_ROWS {
            pruning.behind = job;
        }
        if removed > 0 {
            return Ok(PruneStep::More(removed));
        }
    }
    Ok(PruneStep::More(0))
}

/// How much output is kept.
pub(super) fn output_bytes(connection: &Connection) -> rusqlite::Result<u64> {
    connection
        .prepare_cached("SELECT value FROM meta WHERE name = 'output_bytes'")?
        .query_row([], |row| row.get::<_, i64>(0))
        .map(|sum| u64::try_from(sum).unwrap_or(0))
}

/// A row to remove: its number, its last instant, and whether it is part of the account.
type Old = (i64, i64, bool);

/// Removes the oldest rows of a job that exceed age or number. All instants up to the last removed
/// one leave the account with them.
fn prune_job(
    connection: &mut Connection,
    job: &str,
    retention: Retention,
    now: Timestamp,
) -> rusqlite::Result<usize> {
    let too_old = now
        .checked_sub(retention.max_age)
        .map_or(i64::MIN, Timestamp::as_microsecond);
    // The newest row that is one too many.
    let surplus: Option<(i64, i64)> = connection
        .prepare_cached(
            "SELECT scheduled_at, seq FROM runs WHERE job = ?1
             ORDER BY scheduled_at DESC, seq DESC LIMIT 1 OFFSET ?2",
        )?
        .query_row(params![job, count(retention.max_runs_per_job)], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })
        .optional()?;
    let (at, seq) = surplus.unwrap_or((i64::MIN, i64::MIN));
    let old: Vec<Old> = connection
        .prepare_cached(&format!(
            "SELECT seq, coalesce(last_scheduled_at, scheduled_at),
                 trigger IN ('schedule', 'catch_up')
             FROM runs WHERE job = ?1 AND scheduled_at <= max(?2, ?3)
                 AND (coalesce(last_scheduled_at, scheduled_at) < ?2
                     OR (scheduled_at, seq) <= (?3, ?4))
                 AND status NOT IN {LIVE}
             ORDER BY scheduled_at, seq LIMIT {STEP_ROWS}"
        ))?
        .query_map(params![job, too_old, at, seq], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?))
        })?
        .collect::<rusqlite::Result<_>>()?;
    if !old.is_empty() {
        remove(connection, job, &old)?;
    }
    Ok(old.len())
}

fn remove(connection: &mut Connection, job: &str, old: &[Old]) -> rusqlite::Result<()> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    {
        let mut delete = transaction.prepare_cached("DELETE FROM runs WHERE seq = ?1")?;
        for (seq, ..) in old {
            delete.execute([seq])?;
        }
    }
    let accounted = old.iter().filter(|row| row.2).map(|row| row.1).max();
    if let Some(through) = accounted {
        // Rows of a wrong clock may lie later than all that counts as decided.
        transaction
            .prepare_cached(
                "UPDATE jobs SET pruned_through =
                     min(max(coalesce(pruned_through, ?2), ?2), decided_through)
                 WHERE job = ?1",
            )?
            .execute(params![job, through])?;
        transaction
            .prepare_cached("DELETE FROM schedules WHERE job = ?1 AND to_at <= ?2")?
            .execute(params![job, through])?;
    }
    transaction.commit()
}

/// Removes the oldest outputs beyond `limit`, but none of a live run.
fn prune_outputs(connection: &mut Connection, limit: u64) -> rusqlite::Result<usize> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let mut excess = count(output_bytes(&transaction)?.saturating_sub(limit));
    let mut removed = 0;
    {
        let mut oldest = transaction.prepare_cached(&format!(
            "SELECT outputs.seq, size FROM outputs CROSS JOIN runs ON runs.id = run
             WHERE runs.status NOT IN {LIVE} ORDER BY outputs.seq LIMIT {STEP_ROWS}"
        ))?;
        let found: Vec<(i64, i64)> = oldest
            .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?
            .collect::<rusqlite::Result<_>>()?;
        let mut delete = transaction.prepare_cached("DELETE FROM outputs WHERE seq = ?1")?;
        for (seq, size) in found {
            if excess <= 0 {
                break;
            }
            removed += delete.execute([seq])?;
            excess -= size;
        }
    }
    transaction.commit()?;
    Ok(removed)
}
