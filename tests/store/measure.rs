//! Figures, printed: `cargo test --release --test store measure -- --ignored --nocapture`.

use std::time::{Duration, Instant};

use punctual::clock;
use punctual::job::{ClaimOutcome, Status, Write};
use punctual::store::{AuditScope, Cursor, Jobs, Retention, RunFilter, Watch};

use crate::home::{Home, name, t};
use crate::rows::{every, fire, flags, manual, schedule, span};

/// The value that this part of the others is at most.
fn percentile(times: &mut [Duration], percent: usize) -> Duration {
    times.sort_unstable();
    times[(times.len() * percent).div_ceil(100).max(1) - 1]
}

fn since(begun: Instant) -> Duration {
    begun.elapsed()
}

#[tokio::test]
#[ignore = "a measurement"]
async fn commits() {
    let home = Home::new();
    let claims = |offset: i64| {
        let one = move |n| Write::Claim(fire(&format!("job-{n}"), t(offset), Status::Scheduled));
        (0..1_000).map(one).collect::<Vec<_>>()
    };
    let mut times = Vec::new();
    for round in 0..20 {
        let writes = claims(round);
        let begun = clock::monotonic();
        let acked = home.write(writes).await;
        times.push(since(begun));
        assert!(acked.claims.iter().all(|it| it.1 == ClaimOutcome::Claimed));
    }
    let (p50, max) = (percentile(&mut times, 50), percentile(&mut times, 100));
    println!("1,000 claims in one commit: p50 {p50:?}, max {max:?}");

    let begun = clock::monotonic();
    let mut times = Vec::new();
    for n in 0..450 {
        let begun = clock::monotonic();
        home.write(vec![Write::Run(manual("single", t(n), Status::Queued))])
            .await;
        times.push(since(begun));
    }
    let whole = since(begun);
    let (p50, p99) = (percentile(&mut times, 50), percentile(&mut times, 99));
    println!("450 single commits: {whole:?}, p50 {p50:?}, p99 {p99:?}");
}

/// A million rows: `jobs` jobs, so that each has a share of them, one every ten seconds.
async fn filled(jobs: i64) -> Home {
    let home = Home::with(Retention {
        max_age: Duration::from_hours(24 * 365 * 100),
        ..Retention::default()
    });
    let each = 1_000_000 / jobs;
    let begun = clock::monotonic();
    let mut writes = Vec::new();
    for n in 1..=each {
        for job in 0..jobs {
            let job = format!("job-{job:05}");
            if n == 1 {
                writes.push(schedule(&job, t(0), Some(every(10))));
                writes.push(Write::Job(flags(&job, t(each * 10))));
            }
            let mut run = fire(&job, t(n * 10), Status::Succeeded);
            if n % 50 == 0 {
                run.status = Status::Failed;
            }
            writes.push(Write::Run(run));
            if writes.len() >= 10_000 {
                home.write(std::mem::take(&mut writes)).await;
            }
        }
    }
    home.write(writes).await;
    let size = std::fs::metadata(home.path()).unwrap().len() >> 20;
    println!(
        "1,000,000 rows of {jobs} jobs written in {:?}, {size} MiB",
        since(begun)
    );
    home
}

async fn audit(home: &Home) {
    let scope = AuditScope {
        job: None,
        since: None,
        now: t(100_000_000),
        watch: Watch::Down,
    };
    let begun = clock::monotonic();
    let report = home.reader.audit(scope).await.unwrap();
    println!(
        "audit of {} instants of {} jobs: {:?}",
        report.instants_checked,
        report.jobs_checked,
        since(begun)
    );
    assert_eq!(report.total_problems, 0);
    assert_eq!(report.instants_checked, 1_000_000);
}

async fn pages(home: &Home, filter: RunFilter, what: &str) {
    let (mut times, mut cursor): (Vec<_>, Option<Cursor>) = (Vec::new(), None);
    for _ in 0..300 {
        let begun = clock::monotonic();
        let page = home.reader.runs(filter.clone(), cursor, 100).await.unwrap();
        times.push(since(begun));
        cursor = page.next_cursor;
    }
    let (p50, p99) = (percentile(&mut times, 50), percentile(&mut times, 99));
    println!("300 pages of 100 runs, {what}: p50 {p50:?}, p99 {p99:?}");
}

/// What `why` reads, of a job with so many rows.
async fn records(home: &Home, each: i64) {
    let mut times = Vec::new();
    for n in 0..300 {
        let instant = t(1 + n * 7_919 % each * 10);
        let begun = clock::monotonic();
        let job = name("job-00007");
        let record = home.reader.job_record(job, Some(instant), instant);
        record.await.unwrap();
        times.push(since(begun));
    }
    let (p50, p99) = (percentile(&mut times, 50), percentile(&mut times, 99));
    println!("300 records of a job around an instant: p50 {p50:?}, p99 {p99:?}");
}

#[tokio::test]
#[ignore = "a measurement"]
async fn a_million_rows() {
    for jobs in [10_000, 100] {
        let home = filled(jobs).await;
        audit(&home).await;
        let all = RunFilter::default();
        pages(&home, all.clone(), "all").await;
        let failed = RunFilter {
            status: Some(Status::Failed),
            ..all.clone()
        };
        pages(&home, failed, "failed ones").await;
        let names: Vec<_> = (0..100).map(|n| name(&format!("job-{n:05}"))).collect();
        let one = RunFilter {
            jobs: Jobs::Only(names[7..8].to_vec()),
            ..all.clone()
        };
        pages(&home, one, "of one job").await;
        let hundred = RunFilter {
            jobs: Jobs::Only(names.clone()),
            since: Some(t(5)),
            ..all
        };
        pages(&home, hundred, "of 100 jobs").await;
        for (what, chosen) in [("100", Jobs::Only(names)), ("all", Jobs::All)] {
            let begun = clock::monotonic();
            let found = home.reader.last_runs(chosen).await.unwrap().len();
            println!(
                "last runs of {what} jobs ({found} found): {:?}",
                since(begun)
            );
        }
        records(&home, 1_000_000 / jobs).await;
        let begun = clock::monotonic();
        home.reader.statistics(name("job-00007")).await.unwrap();
        println!("statistics of a job: {:?}", since(begun));
        let begun = clock::monotonic();
        let removed = home.ledger.prune().await.unwrap();
        println!(
            "a sweep of retention ({removed} removed): {:?}",
            since(begun)
        );
        let begun = clock::monotonic();
        let home = home.reopen().await;
        println!("closed and opened again: {:?}", since(begun));
        assert_eq!(home.recovered.flags.len(), usize::try_from(jobs).unwrap());
    }
}

#[tokio::test]
async fn a_span_of_millions_costs_an_audit_nothing() {
    let home = Home::new();
    let year = 365 * 24 * 3_600;
    let instants = u64::try_from(year).unwrap();
    home.write(vec![
        schedule("a", t(0), Some(every(1))),
        Write::Job(flags("a", t(year))),
        Write::Run(span("a", t(1), t(year), instants)),
    ])
    .await;
    let scope = AuditScope {
        job: None,
        since: None,
        now: t(2 * year),
        watch: Watch::Down,
    };
    let begun = clock::monotonic();
    let report = home.reader.audit(scope).await.unwrap();
    println!("audit of a span of {instants} instants: {:?}", since(begun));
    assert_eq!(
        (report.instants_checked, report.total_problems),
        (instants, 0)
    );
    assert!(since(begun) < Duration::from_secs(2));
}
