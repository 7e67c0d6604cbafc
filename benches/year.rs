//! A year of mixed jobs in every zone whose clock changes in it: five million fires. In simulated
//! time, then held against the schedules, then as a ledger that the audit reads.
//! `cargo bench --bench year`; the exit code is 1 if the account is not whole.
#![allow(clippy::print_stdout, reason = "a bench prints what it measured")]

#[path = "../tests/sim/year.rs"]
mod year;

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use punctual::clock::monotonic;
use punctual::job::{Run, Trigger, Write};
use punctual::store::{AuditReport, AuditScope, Batch, Ledger, Retention, Watch};
use year::{Account, Passed, Row, Verdict};

/// How many changes are handed to the ledger at once, and how many such batches it may owe.
const BATCH: usize = 20_000;
const OWED: usize = 8;

fn main() -> ExitCode {
    let zones = year::zones();
    let plans = year::plans(zones.keys());
    let jobs = plans.len();
    let (from, to) = year::year();
    let begun = monotonic();
    let mut machine = year::passed(plans, from, to);
    let simulated = seconds(begun);
    println!(
        "{} fires of {jobs} jobs in {} zones, a year simulated in {simulated:.1} s: {} steps, \
         {:.2} us a fire",
        machine.starts,
        zones.len(),
        machine.steps,
        simulated * 1e6 / float(machine.starts),
    );

    let begun = monotonic();
    let verdict = machine.kept.audit(machine.now);
    println!(
        "held against the schedules: {} in {:.1} s",
        told(&verdict),
        seconds(begun)
    );
    let runs_once = verdict.problems.is_empty() && verdict.ran == machine.starts;

    let report = match in_a_ledger(&mut machine) {
        Ok(report) => report,
        Err(error) => {
            println!("the ledger cannot be used: {error}");
            return ExitCode::FAILURE;
        }
    };
    for problem in report.problems.iter().take(20) {
        println!("{problem}");
    }
    if runs_once && report.is_clean() && report.instants_checked == verdict.instants {
        println!("whole");
        ExitCode::SUCCESS
    } else {
        println!("NOT WHOLE");
        ExitCode::FAILURE
    }
}

fn told(verdict: &Verdict) -> String {
    let Verdict {
        instants,
        ran,
        excluded,
        ahead,
        wrong,
        problems,
    } = verdict;
    let mut text = format!(
        "{instants} instants, {ran} ran, {excluded} on excluded days, {ahead} not due yet, the \
         account of {wrong} jobs is not whole"
    );
    for problem in problems {
        text.push('\n');
        text.push_str(problem);
    }
    text
}

/// Writes the account, row by row, into a ledger of its own, and has it audited as the command does.
fn in_a_ledger(machine: &mut Passed) -> Result<AuditReport, Box<dyn std::error::Error>> {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("ledger.db");
    let retention = Retention {
        max_age: Duration::from_hours(100 * 365 * 24),
        max_runs_per_job: u64::from(u32::MAX),
        ..Retention::default()
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()?;
    let (ledger, _) = Ledger::open(&path, retention)?;
    let begun = monotonic();
    let sink = Sink {
        ledger: &ledger,
        owed: Arc::default(),
    };
    let mut writes = Vec::new();
    let mut rows = 0;
    for account in &mut machine.kept.jobs {
        rows += account.rows.len();
        writes.extend(account.schedule.take().map(|(at, spec)| Write::Schedule {
            job: account.job.clone(),
            at,
            spec: Some(spec),
        }));
        writes.extend(account.flags.take().map(Write::Job));
        for row in std::mem::take(&mut account.rows) {
            writes.push(Write::Run(run(account, row)));
            if writes.len() >= BATCH {
                sink.hand_in(std::mem::take(&mut writes))?;
            }
        }
    }
    sink.hand_in(writes)?;
    sink.wait_for(0);
    let mib = std::fs::metadata(&path)?.len() >> 20;
    println!(
        "written into a ledger: {rows} rows, {mib} MiB in {:.1} s",
        seconds(begun)
    );

    let begun = monotonic();
    let scope = AuditScope {
        job: None,
        since: None,
        now: machine.now,
        watch: Watch::Down,
    };
    let report = runtime.block_on(ledger.reader().audit(scope))?;
    println!(
        "audited: {} instants of {} jobs, {} problems in {:.1} s",
        report.instants_checked,
        report.jobs_checked,
        report.total_problems,
        seconds(begun)
    );
    runtime.block_on(ledger.close(Duration::from_mins(1)))?;
    Ok(report)
}

/// The row as a run.
fn run(account: &Account, row: Row) -> Run {
    let at = Some(row.first).filter(|_| row.span.is_none());
    Run {
        id: row.id,
        job: account.job.clone(),
        status: row.status,
        trigger: Trigger::Schedule,
        scheduled_at: row.first,
        due_at: row.first,
        queued_at: None,
        retry_at: None,
        started_at: at,
        finished_at: at,
        attempts: u32::from(at.is_some()),
        exit_code: at.map(|_| 0),
        signal: None,
        reason: None,
        params: BTreeMap::new(),
        node: "n".to_owned(),
        requested_by: None,
        span: row
            .span
            .map(|(last, count)| punctual::job::Span { last, count }),
    }
}

/// The ledger, and how many batches it owes.
struct Sink<'l> {
    ledger: &'l Ledger,
    owed: Arc<(Mutex<usize>, Condvar)>,
}

impl Sink<'_> {
    fn hand_in(&self, writes: Vec<Write>) -> Result<(), punctual::store::Closed> {
        self.wait_for(OWED);
        *self.owed.0.lock().unwrap_or_else(PoisonError::into_inner) += 1;
        let owed = Arc::clone(&self.owed);
        let batch = Batch::now(writes).then(move |_| {
            *owed.0.lock().unwrap_or_else(PoisonError::into_inner) -= 1;
            owed.1.notify_one();
        });
        self.ledger.submit_blocking(batch)
    }

    /// Until the ledger owes no more than this.
    fn wait_for(&self, most: usize) {
        let owed = self.owed.0.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self.owed.1.wait_while(owed, |owed| *owed > most);
        drop(waited.unwrap_or_else(PoisonError::into_inner));
    }
}

fn seconds(since: Instant) -> f64 {
    since.elapsed().as_secs_f64()
}

#[allow(clippy::cast_precision_loss, reason = "for print")]
fn float(n: u64) -> f64 {
    n as f64
}
