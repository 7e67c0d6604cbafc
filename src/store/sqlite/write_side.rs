//! The one connection that writes.

use rusqlite::{Connection, ErrorCode, TransactionBehavior};

use super::apply;
use super::open::Place;
use super::prune::{self, PruneStep, Pruning};
use super::rows::Micros;
use super::while_doing;
use crate::job::{ClaimOutcome, RunId, Write};
use crate::store::{Batch, Retention, StoreError};

/// What became of the claims, a list for each batch.
pub(in crate::store) type Claims = Vec<Vec<(RunId, ClaimOutcome)>>;

/// A group that is durable.
pub(in crate::store) struct Committed {
    pub(in crate::store) claims: Claims,
    /// How many changes the database refused for good.
    pub(in crate::store) refused: u64,
}

/// A group of which is not known whether it is durable.
pub(in crate::store) struct NotCommitted {
    pub(in crate::store) detail: String,
    /// What the claims came to before the commit was tried. If it went through after all, asking
    /// again would call our own claims decided.
    pub(in crate::store) claims: Option<Claims>,
}

/// The writing end of a ledger.
pub(in crate::store) struct WriteSide {
    place: Place,
    /// None after a failure: it is opened anew before the next try.
    connection: Option<Connection>,
    pruning: Pruning,
}

impl WriteSide {
    /// Opens the ledger, looking whether it is sound.
    pub(in crate::store) fn open(place: Place, retention: Retention) -> Result<Self, StoreError> {
        let connection = place.open_checked()?;
        Ok(Self {
            place,
            connection: Some(connection),
            pruning: Pruning::new(retention),
        })
    }

    /// The connection, opened anew if the last use of it failed.
    pub(in crate::store) fn connection(&mut self) -> Result<&mut Connection, StoreError> {
        let connection = match self.connection.take() {
            Some(connection) => connection,
            None => self.place.reopen()?,
        };
        Ok(self.connection.insert(connection))
    }

    /// Makes a group of batches durable in one transaction. `known` is what a failed try before
    /// this one said of the claims.
    pub(in crate::store) fn commit(
        &mut self,
        group: &[Batch],
        known: Option<&Claims>,
    ) -> Result<Committed, NotCommitted> {
        let done = self
            .connection()
            .map_err(|error| NotCommitted {
                detail: error.to_string(),
                claims: None,
            })
            .and_then(|connection| commit(connection, group, known));
        if done.is_err() {
            self.connection = None;
        }
        done
    }

    /// Removes a bounded part of what exceeds the limits.
    pub(in crate::store) fn prune(
        &mut self,
        now: jiff::Timestamp,
    ) -> Result<PruneStep, StoreError> {
        let mut pruning = self.pruning.clone();
        let step = self.connection().and_then(|connection| {
            prune::step(connection, &mut pruning, now).map_err(while_doing("removing old history"))
        });
        match step {
            Ok(_) => self.pruning = pruning,
            Err(_) => self.connection = None,
        }
        step
    }

    /// Whether there is more output than retention allows.
    pub(in crate::store) fn has_too_much_output(&mut self) -> bool {
        let limit = self.pruning.retention().max_output_bytes;
        self.connection()
            .is_ok_and(|connection| prune::output_bytes(connection).is_ok_and(|sum| sum > limit))
    }
}

fn commit(
    connection: &mut Connection,
    group: &[Batch],
    known: Option<&Claims>,
) -> Result<Committed, NotCommitted> {
    let before = |error: rusqlite::Error| NotCommitted {
        detail: error.to_string(),
        claims: None,
    };
    let transaction = connection
        .transaction_with_behavior(TransactionBehavior::Immediate)
        .map_err(before)?;
    let committed = apply_all(&transaction, group, known).map_err(before)?;
    match transaction.commit() {
        Ok(()) => Ok(committed),
        Err(error) => Err(NotCommitted {
            detail: error.to_string(),
            claims: Some(committed.claims),
        }),
    }
}

/// Rows first, then what hangs on them, so that the order within a group does not matter there.
fn apply_all(
    connection: &Connection,
    group: &[Batch],
    known: Option<&Claims>,
) -> rusqlite::Result<Committed> {
    let mut refused = 0;
    let mut claims = Claims::with_capacity(group.len());
    for (batch_number, batch) in group.iter().enumerate() {
        let mut outcomes = Vec::new();
        for write in &batch.writes {
            let known = known.and_then(|known| known.get(batch_number)?.get(outcomes.len()));
            match apply_row(connection, write, known.map(|&(_, outcome)| outcome)) {
                Ok(Some(outcome)) => outcomes.push(outcome),
                Ok(None) => {}
                Err(error) => {
                    refused += refuse(error, write)?;
                    if let Write::Claim(run) | Write::Start(run) = write {
                        // Without a row of its own it must not run.
                        outcomes.push((run.id, ClaimOutcome::Decided));
                    }
                }
            }
        }
        claims.push(outcomes);
    }
    for batch in group {
        for write in &batch.writes {
            if let Write::Attempt(attempt) = write {
                match apply::put_attempt(connection, attempt) {
                    Ok(0) => orphan("attempt", attempt.run),
                    Ok(_) => {}
                    Err(error) => refused += refuse(error, write)?,
                }
            }
        }
        for output in &batch.outputs {
            match apply::put_output(connection, output) {
                Ok(0) => orphan("output", output.run),
                Ok(_) => {}
                Err(error) => refused += refuse(error, &("output of", output.run, output.attempt))?,
            }
        }
    }
    Ok(Committed { claims, refused })
}

fn apply_row(
    connection: &Connection,
    write: &Write,
    known: Option<ClaimOutcome>,
) -> rusqlite::Result<Option<(RunId, ClaimOutcome)>> {
    match write {
        Write::Claim(run) => {
            let outcome = match known {
                Some(outcome) => apply::claim_again(connection, run, outcome)?,
                None => apply::claim(connection, run)?,
            };
            return Ok(Some((run.id, outcome)));
        }
        Write::Run(run) => apply::put_run(connection, run)?,
        Write::Start(run) => {
            apply::put_run(connection, run)?;
            return Ok(Some((run.id, ClaimOutcome::Claimed)));
        }
        Write::Withdraw(id) => apply::withdraw(connection, *id)?,
        Write::Job(flags) => apply::put_flags(connection, flags)?,
        Write::Schedule { job, at, spec } => {
            apply::put_schedule(connection, job, Micros(*at), spec.as_ref())?;
        }
        Write::SchedulerPaused(paused) => apply::put_scheduler_paused(connection, *paused)?,
        // After the rows.
        Write::Attempt(_) => {}
    }
    Ok(None)
}

/// A change that contradicts the ledger would fail for ever and keep every other from becoming
/// durable, so it alone is left out, loudly. Any other failure is the group's.
fn refuse(error: rusqlite::Error, what: &dyn std::fmt::Debug) -> rusqlite::Result<u64> {
    let for_good = matches!(
        error.sqlite_error_code(),
        Some(ErrorCode::ConstraintViolation | ErrorCode::TooBig | ErrorCode::TypeMismatch)
    ) || matches!(error, rusqlite::Error::ToSqlConversionFailure(_));
    if !for_good {
        return Err(error);
    }
    tracing::error!(%error, ?what, "the ledger refuses a change that contradicts it");
    Ok(1)
}

fn orphan(what: &'static str, run: RunId) {
    tracing::warn!(%run, what, "left out of the ledger: retention has removed its run");
}
