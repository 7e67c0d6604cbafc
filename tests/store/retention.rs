//! What goes, what stays, and that the account stays whole.

use std::time::Duration;

use punctual::clock;
use punctual::job::{ClaimOutcome, JobFlags, Status, Write};
use punctual::store::{AuditScope, Batch, Jobs, Retention, RunFilter, Watch};

use crate::home::{Home, name, t};
use crate::rows::{attempt, every, fire, flags, manual, output, schedule, span};

fn few(max_runs_per_job: u64) -> Retention {
    Retention {
        max_age: Duration::from_hours(24 * 365 * 100),
        max_runs_per_job,
        ..Retention::default()
    }
}

async fn audit(home: &Home) -> punctual::store::AuditReport {
    let scope = AuditScope {
        job: None,
        since: None,
        now: t(1_000_000),
        watch: Watch::Down,
    };
    home.reader.audit(scope).await.unwrap()
}

/// A job that fires every ten seconds, with `instants` of them decided.
fn account(job: &str, instants: i64) -> Vec<Write> {
    let mut writes = vec![
        schedule(job, t(0), Some(every(10))),
        Write::Job(flags(job, t(instants * 10))),
    ];
    let fires = (1..=instants).map(|n| fire(job, t(n * 10), Status::Succeeded));
    writes.extend(fires.map(Write::Run));
    writes
}

#[tokio::test]
async fn the_oldest_rows_beyond_the_number_go_and_the_account_begins_later() {
    let home = Home::with(few(100));
    home.write(account("a", 1_700)).await;
    home.write(account("b", 100)).await;
    // Live since long ago; by hand long ago, with all that hangs on it.
    let live = fire("a", t(20), Status::Running);
    let by_hand = manual("a", t(15), Status::Failed);
    let mut batch = Batch::now(vec![
        Write::Run(live.clone()),
        Write::Run(by_hand.clone()),
        Write::Attempt(attempt(by_hand.id, 1, Status::Failed)),
    ]);
    batch.outputs = vec![output(by_hand.id, 1, b"words")];
    home.put(batch).await;

    assert_eq!(
        home.ledger.prune().await.unwrap(),
        1_700 - 100,
        "one by hand, one live"
    );
    let of_a = RunFilter {
        jobs: Jobs::Only(vec![name("a")]),
        ..RunFilter::default()
    };
    let left = home.runs(of_a).await;
    assert_eq!(left.len(), 101);
    assert_eq!(left[99].scheduled_at, t(16_010), "the newest hundred");
    assert_eq!(left[100], live, "and what lives");
    assert_eq!(home.reader.attempts(by_hand.id).await.unwrap(), []);
    assert_eq!(home.reader.output(by_hand.id, None).await.unwrap(), None);

    let report = audit(&home).await;
    assert_eq!(report.problems, []);
    assert_eq!(report.instants_checked, 200);
    let start = |job: &str| {
        report
            .accounts
            .iter()
            .find(|it| it.job == name(job))
            .unwrap()
            .from
    };
    assert_eq!((start("a"), start("b")), (t(16_000), t(0)));

    // What went stays decided, and a daemon that knows an older start cannot move it back.
    let again = Write::Claim(fire("a", t(500), Status::Scheduled));
    let acked = home
        .write(vec![Write::Job(flags("a", t(17_000))), again])
        .await;
    assert_eq!(acked.claims[0].1, ClaimOutcome::Decided);
    assert_eq!(audit(&home).await.problems, []);
    assert_eq!(home.ledger.prune().await.unwrap(), 0);
    let home = home.reopen().await;
    assert_eq!(home.recovered.flags[&name("a")].audit_from, t(16_000));
}

#[tokio::test]
async fn rows_older_than_the_age_go_with_the_schedules_of_their_time() {
    let hour = 3_600;
    let now = clock::now();
    let ago = |seconds: i64| now - jiff::SignedDuration::from_secs(seconds);
    let home = Home::with(Retention {
        max_age: Duration::from_hours(10),
        ..Retention::default()
    });
    let mut first = JobFlags::first_seen(name("a"), ago(100 * hour));
    first.decided_through = now;
    home.write(vec![
        Write::Job(first),
        schedule("a", ago(100 * hour), Some(every(7))),
        schedule("a", ago(50 * hour), Some(every(9))),
        schedule("a", ago(5 * hour), Some(every(11))),
        Write::Run(span("a", ago(99 * hour), ago(40 * hour), 5)),
        Write::Run(fire("a", ago(30 * hour), Status::Succeeded)),
        Write::Run(span("a", ago(20 * hour), ago(9 * hour), 5)),
        Write::Run(fire("a", ago(hour), Status::Succeeded)),
    ])
    .await;
    assert_eq!(home.ledger.prune().await.unwrap(), 2);
    let left: Vec<_> = home.runs(RunFilter::default()).await;
    let left: Vec<_> = left.iter().map(|run| run.scheduled_at).collect();
    assert_eq!(
        left,
        [ago(hour), ago(20 * hour)],
        "a span counts by its end"
    );
    let history = home.reader.schedule_history(name("a")).await.unwrap();
    assert_eq!(history.len(), 2);
    assert_eq!(history[0].spec, every(9));
    let home = home.reopen().await;
    assert_eq!(home.recovered.flags[&name("a")].audit_from, ago(30 * hour));
}

#[tokio::test]
async fn too_much_output_goes_oldest_first_and_rows_stay() {
    let home = Home::with(Retention {
        max_output_bytes: 100_000,
        ..few(10_000)
    });
    let live = fire("a", t(0), Status::Running);
    let runs: Vec<_> = (1..30)
        .map(|n| fire("a", t(n), Status::Succeeded))
        .collect();
    let mut batch = Batch::now(vec![Write::Run(live.clone())]);
    batch.writes.extend(runs.iter().cloned().map(Write::Run));
    batch.outputs = vec![output(live.id, 1, &[b'l'; 10_000])];
    batch
        .outputs
        .extend(runs.iter().map(|run| output(run.id, 1, &[b'x'; 10_000])));
    // Written again, it counts once.
    batch.outputs.push(output(runs[28].id, 1, &[b'y'; 9_000]));
    home.put(batch).await;
    home.ledger.prune().await.unwrap();

    let mut kept = Vec::new();
    for run in std::iter::once(&live).chain(&runs) {
        assert!(home.reader.run(run.id).await.unwrap().is_some());
        if home.reader.output(run.id, None).await.unwrap().is_some() {
            kept.push(run.scheduled_at);
        }
    }
    let mut expected = vec![t(0)];
    expected.extend((21..30).map(t));
    assert_eq!(kept, expected);
}

#[tokio::test]
async fn no_limit_touches_a_live_run() {
    let home = Home::with(few(0));
    let runs: Vec<_> = Status::ALL
        .iter()
        .zip(0..)
        .map(|(&status, n)| fire("a", t(n), status))
        .collect();
    home.write(runs.iter().cloned().map(Write::Run).collect())
        .await;
    assert_eq!(home.ledger.prune().await.unwrap(), 7);
    let live: Vec<_> = runs
        .into_iter()
        .filter(|run| !run.status.is_final())
        .collect();
    assert_eq!(home.reopen().await.recovered.live, live);
}

#[tokio::test]
async fn rows_of_a_wrong_clock_do_not_silence_the_right_one() {
    for swept_before_the_correction in [true, false] {
        let home = Home::with(few(100));
        home.write(account("a", 1_700)).await;
        if swept_before_the_correction {
            assert_eq!(home.ledger.prune().await.unwrap(), 1_600);
        }
        // A new schedule counts from the new now, and knows the account as it was.
        let corrected = JobFlags {
            audit_from: t(16_000),
            ..flags("a", t(5))
        };
        for _ in 0..2 {
            home.write(vec![Write::Job(corrected.clone())]).await;
        }
        home.ledger.prune().await.unwrap();
        let claims = [12, 16_500].map(|at| Write::Claim(fire("a", t(at), Status::Scheduled)));
        let acked = home.write(claims.to_vec()).await;
        let outcomes: Vec<_> = acked.claims.iter().map(|it| it.1).collect();
        let expected = [ClaimOutcome::Claimed, ClaimOutcome::Decided];
        assert_eq!(outcomes, expected, "those that had their fire have a row");
        let home = home.reopen().await;
        let known = &home.recovered.flags[&name("a")];
        assert_eq!((known.audit_from, known.decided_through), (t(5), t(5)));
    }
}
