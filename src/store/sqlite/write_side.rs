//! The one connection that writes.

use rusqlite::{Connection, ErrorCode, TransactionBehavior};

use super::apply::{self, Answer};
use super::cut_spans;
use super::open::Place;
use super::prune::{self, PruneStep, Pruning};
use super::remark::Remark;
use super::rows::Micros;
use super::while_doing;
use crate::job::{ClaimOutcome, RunId, Write};
use crate::store::{Batch, Retention, StoreError};

/// Why a run's row stays as it is.
const IT_RAN: &str = "the run is over, after more attempts than this tells of";

/// What became of the claims, a list for each batch.
pub(in crate::store) type Claims = Vec<Vec<(RunId, ClaimOutcome)>>;

/// What became of a group.
#[derive(Debug, Clone)]
pub(in crate::store) struct Committed {
    pub(in crate::store) claims: Claims,
    pub(in crate::store) remarks: Vec<Remark>,
}

/// A group of which is not known whether it is durable.
pub(in crate::store) struct NotCommitted {
    pub(in crate::store) detail: String,
    /// What the group came to before the commit was tried. If it went through after all, asking
    /// again would call our own claims decided, and our own rows contradictions.
    pub(in crate::store) unless_lost: Option<Committed>,
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

    /// See [`Place::lost`].
    pub(in crate::store) fn lost(&self) -> Option<String> {
        self.place.lost()
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
    /// this one said of it.
    pub(in crate::store) fn commit(
        &mut self,
        group: &[Batch],
        known: Option<&Committed>,
    ) -> Result<Committed, NotCommitted> {
        let done = self
            .connection()
            .map_err(|error| NotCommitted {
                detail: error.to_string(),
                unless_lost: None,
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
    known: Option<&Committed>,
) -> Result<Committed, NotCommitted> {
    let before = |error: rusqlite::Error| NotCommitted {
        detail: error.to_string(),
        unless_lost: None,
    };
    let transaction = connection
        .transaction_with_behavior(TransactionBehavior::Immediate)
        .map_err(before)?;
    let committed = apply_all(&transaction, group, known).map_err(before)?;
    match transaction.commit() {
        Ok(()) => Ok(committed),
        Err(error) => Err(NotCommitted {
            detail: error.to_string(),
            unless_lost: Some(committed),
        }),
    }
}

/// Rows first, then what hangs on them, so that the order within a group does not matter there.
fn apply_all(
    connection: &Connection,
    group: &[Batch],
    known: Option<&Committed>,
) -> rusqlite::Result<Committed> {
    let mut remarks = Vec::new();
    let mut claims = Claims::with_capacity(group.len());
    for (batch_number, batch) in group.iter().enumerate() {
        let mut outcomes = Vec::new();
        for write in &batch.writes {
            let known = known.and_then(|known| known.claims.get(batch_number)?.get(outcomes.len()));
            let known = known.map(|&(_, outcome)| outcome);
            match apply_row(connection, write, known, &mut remarks) {
                Ok(Some(outcome)) => outcomes.push(outcome),
                Ok(None) => {}
                Err(error) => {
                    remarks.push(refuse(error, write)?);
                    if let Write::Claim(run) | Write::Start(run) = write {
                        // Without a row of its own it must not run.
                        outcomes.push((run.id, ClaimOutcome::Decided));
                        remarks.push(Remark::decided(run, "the ledger refuses its row"));
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
                    Err(error) => remarks.push(refuse(error, write)?),
                }
            }
        }
        for output in &batch.outputs {
            match apply::put_output(connection, output) {
                Ok(0) => orphan("output", output.run),
                Ok(_) => {}
                Err(error) => {
                    let what = ("output of", output.run, output.attempt);
                    remarks.push(refuse(error, &what)?);
                }
            }
        }
    }
    // What was said of it first is what happened.
    Ok(known.cloned().unwrap_or(Committed { claims, remarks }))
}

fn apply_row(
    connection: &Connection,
    write: &Write,
    known: Option<ClaimOutcome>,
    remarks: &mut Vec<Remark>,
) -> rusqlite::Result<Option<(RunId, ClaimOutcome)>> {
    match write {
        Write::Claim(run) => {
            let answer = match known {
                Some(outcome) => apply::claim_again(connection, run, outcome)?,
                None => apply::claim(connection, run)?,
            };
            if let Answer::DecidedOtherwise(cause) = answer {
                remarks.push(Remark::decided(run, cause));
            }
            let outcome = match answer {
                Answer::Claimed => ClaimOutcome::Claimed,
                Answer::Decided | Answer::DecidedOtherwise(_) => ClaimOutcome::Decided,
            };
            return Ok(Some((run.id, outcome)));
        }
        Write::Run(run) => {
            if apply::put_run(connection, run)? == 0 {
                remarks.push(Remark::refused(&IT_RAN, write));
            }
        }
        Write::Start(run) => {
            let outcome = match apply::put_run(connection, run)? {
                0 => {
                    remarks.push(Remark::refused(&IT_RAN, write));
                    ClaimOutcome::Decided
                }
                _ => ClaimOutcome::Claimed,
            };
            return Ok(Some((run.id, outcome)));
        }
        Write::Withdraw(id) => apply::withdraw(connection, *id)?,
        Write::Job(flags) => apply::put_flags(connection, flags)?,
        Write::Schedule { job, at, spec } => {
            apply::put_schedule(connection, job, Micros(*at), spec.as_ref())?;
        }
        Write::CutSpans { job, after } => cut_spans::apply(connection, job, *after)?,
        Write::SchedulerPaused(paused) => apply::put_scheduler_paused(connection, *paused)?,
        // After the rows.
        Write::Attempt(_) => {}
    }
    Ok(None)
}

/// A change that contradicts the ledger would fail for ever and keep every other from becoming
/// durable, so it alone is left out, loudly. Any other failure is the group's.
fn refuse(error: rusqlite::Error, what: &dyn std::fmt::Debug) -> rusqlite::Result<Remark> {
    let for_good = matches!(
        error.sqlite_error_code(),
        Some(ErrorCode::ConstraintViolation | ErrorCode::TooBig | ErrorCode::TypeMismatch)
    ) || matches!(error, rusqlite::Error::ToSqlConversionFailure(_));
    if !for_good {
        return Err(error);
    }
    Ok(Remark::refused(&error, what))
}

fn orphan(what: &'static str, run: RunId) {
    tracing::warn!(%run, what, "left out of the ledger: retention has removed its run");
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::job::{JobFlags, JobName, Run, Span, Status, Trigger};

    fn fire(second: i64) -> Run {
        let job = JobName::new("a").unwrap();
        let at = Timestamp::from_second(second).unwrap();
        Run {
            id: RunId::of_fire(&job, at),
            job,
            status: Status::Scheduled,
            trigger: Trigger::Schedule,
            scheduled_at: at,
            due_at: at,
            queued_at: None,
            retry_at: None,
            started_at: None,
            finished_at: None,
            attempts: 0,
            exit_code: None,
            signal: None,
            http_status: None,
            reason: None,
            params: std::collections::BTreeMap::new(),
            node: String::new(),
            requested_by: None,
            span: None,
        }
    }

    #[test]
    fn a_claim_that_is_decided_otherwise_is_remarked_on_once() {
        let folder = tempfile::TempDir::new().unwrap();
        let place = Place::take(&folder.path().join("ledger.db")).unwrap();
        let mut store = WriteSide::open(place, Retention::default()).unwrap();
        let flags = JobFlags::first_seen(fire(1).job, fire(9).scheduled_at);
        let mut span = fire(20);
        span.id = RunId::of_span(&span.job, span.scheduled_at, 0);
        span.status = Status::Skipped;
        span.span = Some(Span {
            last: fire(30).scheduled_at,
            count: 11,
        });
        let mut foreign = fire(40);
        foreign.id = RunId::of_manual(&foreign.job, foreign.scheduled_at, 0);
        let mut own = fire(50);
        own.status = Status::Succeeded;
        own.attempts = 1;
        let rows = vec![
            Write::Job(flags),
            Write::Run(span),
            Write::Run(foreign),
            Write::Run(own),
        ];
        assert!(store.commit(&[Batch::now(rows)], None).is_ok());
        let prune = "UPDATE jobs SET pruned_through = 5000000";
        store.connection().unwrap().execute(prune, []).unwrap();

        let claims = [5, 10, 25, 40, 50].map(fire);
        let mut writes = claims.clone().map(Write::Claim).to_vec();
        let mut unsaid = fire(50);
        unsaid.status = Status::Missed;
        writes.push(Write::Run(unsaid));
        let group = [Batch::now(writes)];
        let Ok(done) = store.commit(&group, None) else {
            panic!("it is not committed");
        };
        let expected = [
            Remark::decided(&claims[0], "retention has pruned beyond it"),
            Remark::decided(&claims[2], "it lies within a span of instants"),
            Remark::decided(&claims[3], "a row of another id has its instant"),
            Remark::refused(&IT_RAN, &group[0].writes[5]),
        ];
        assert_eq!(done.remarks, expected);
        // Tried again, it is what it was.
        let Ok(again) = store.commit(&group, Some(&done)) else {
            panic!("it is not committed");
        };
        assert_eq!((again.claims, again.remarks), (done.claims, done.remarks));
    }
}
