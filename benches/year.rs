//! A year of mixed jobs in every zone whose clock changes in it, five million fires, in simulated
//! time, and then held against the schedules: `cargo bench --bench year`. With `-- ledger` all rows
//! are written into a ledger, too, which the audit reads; that takes minutes and two gigabytes. The
//! exit code is 1 if the account is not whole.
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
    let took = Took::begin();
    let mut machines = simulated(&zones.keys().collect::<Vec<_>>());
    let fires: u64 = machines.iter().map(|machine| machine.starts).sum();
    println!(
        "{fires} fires of {} jobs in {} zones, a year simulated in {took} on {} threads, {:.1} us \
         of it a fire",
        machines
            .iter()
            .map(|machine| machine.kept.jobs.len())
            .sum::<usize>(),
        zones.len(),
        machines.len(),
        took.of_processor() * 1e6 / float(fires),
    );

    let took = Took::begin();
    let verdicts = machines
        .iter()
        .map(|machine| machine.kept.audit(machine.now));
    let verdict = verdicts.fold(Verdict::default(), Verdict::and);
    println!("held against the schedules: {} in {took}", told(&verdict));
    let mut whole = verdict.wrong == 0 && verdict.ran == fires;
    if std::env::args().any(|argument| argument == "ledger") {
        match in_a_ledger(&mut machines) {
            Ok(report) => {
                for problem in report.problems.iter().take(20) {
                    println!("{problem}");
                }
                whole &= report.is_clean() && report.instants_checked == verdict.instants;
            }
            Err(error) => {
                println!("the ledger cannot be used: {error}");
                whole = false;
            }
        }
    }
    if whole {
        println!("whole");
        ExitCode::SUCCESS
    } else {
        println!("NOT WHOLE");
        ExitCode::FAILURE
    }
}

/// Lets the year pass: as many daemons as the machine has processors, each with its part of the
/// zones.
fn simulated(zones: &[&String]) -> Vec<Passed> {
    let parts = std::thread::available_parallelism().map_or(1, usize::from);
    let (from, to) = year::year();
    std::thread::scope(|scope| {
        let threads: Vec<_> = zones
            .chunks(zones.len().div_ceil(parts))
            .map(|zones| {
                let plans = year::plans(zones.iter().copied());
                scope.spawn(move || year::passed(plans, from, to))
            })
            .collect();
        let joined = threads.into_iter().map(std::thread::ScopedJoinHandle::join);
        joined
            .map(|machine| machine.expect("it does not panic"))
            .collect()
    })
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
fn in_a_ledger(machines: &mut [Passed]) -> Result<AuditReport, Box<dyn std::error::Error>> {
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
    let took = Took::begin();
    let sink = Sink {
        ledger: &ledger,
        owed: Arc::default(),
    };
    let mut writes = Vec::new();
    let accounts = machines
        .iter_mut()
        .flat_map(|machine| &mut machine.kept.jobs);
    for account in accounts {
        writes.extend(account.schedule.take().map(|(at, spec)| Write::Schedule {
            job: account.job.clone(),
            at,
            spec: Some(spec),
        }));
        writes.extend(account.flags.take().map(Write::Job));
    }
    // In the order in which a daemon writes them.
    let jobs = machines.iter().flat_map(|machine| &machine.kept.jobs);
    let mut order: Vec<_> = jobs
        .flat_map(|account| account.rows.iter().map(move |row| (account, row)))
        .collect();
    order.sort_by_key(|(_, row)| row.first);
    let rows = order.len();
    for (account, row) in order {
        writes.push(Write::Run(run(account, *row)));
        if writes.len() >= BATCH {
            sink.hand_in(std::mem::take(&mut writes))?;
        }
    }
    sink.hand_in(writes)?;
    sink.wait_for(0);
    let mib = std::fs::metadata(&path)?.len() >> 20;
    println!("written into a ledger: {rows} rows, {mib} MiB in {took}");

    let took = Took::begin();
    let scope = AuditScope {
        job: None,
        since: None,
        now: year::year().1,
        watch: Watch::Down,
    };
    let report = runtime.block_on(ledger.reader().audit(scope))?;
    println!(
        "audited: {} instants of {} jobs, {} problems in {took}",
        report.instants_checked, report.jobs_checked, report.total_problems
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
        http_status: None,
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

/// How long something took: by the clock, and by the processor, which a busy machine shares out.
struct Took {
    begun: Instant,
    processor: f64,
}

impl Took {
    fn begin() -> Self {
        Self {
            begun: monotonic(),
            processor: processor(),
        }
    }

    fn seconds(&self) -> f64 {
        self.begun.elapsed().as_secs_f64()
    }

    fn of_processor(&self) -> f64 {
        processor() - self.processor
    }
}

impl std::fmt::Display for Took {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "{:.1} s ({:.1} s of processor time)",
            self.seconds(),
            self.of_processor()
        )
    }
}

/// The processor time of this process so far, in seconds.
fn processor() -> f64 {
    let spent = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    let whole = u64::try_from(spent.tv_sec).unwrap_or_default();
    let nanos = u32::try_from(spent.tv_nsec).unwrap_or_default();
    Duration::new(whole, nanos).as_secs_f64()
}

#[allow(clippy::cast_precision_loss, reason = "for print")]
fn float(n: u64) -> f64 {
    n as f64
}
