//! What there is of one job around one instant.

use std::time::Duration;

use jiff::Timestamp;
use punctual::job::{Run, RunId, Status, Trigger, Write};
use punctual::store::{JobRecord, Retention};

use crate::home::{Home, name, t};
use crate::rows::{every, fire, flags, manual, schedule, span};

async fn record(home: &Home, instant: Timestamp) -> JobRecord {
    let record = home.reader.job_record(name("a"), Some(instant), instant);
    record.await.unwrap()
}

async fn written(home: &Home, rows: &[Run]) {
    home.write(rows.iter().cloned().map(Write::Run).collect())
        .await;
}

#[tokio::test]
async fn the_row_that_holds_an_instant() {
    let home = Home::new();
    let caught_up = Run {
        trigger: Trigger::CatchUp,
        ..fire("a", t(20), Status::Succeeded)
    };
    let (ten, long, last) = (
        fire("a", t(10), Status::Succeeded),
        span("a", t(30), t(60), 4),
        span("a", t(80), t(80), 1),
    );
    let claimed = fire("a", t(90), Status::Scheduled);
    let others = [
        manual("a", t(15), Status::Succeeded),
        fire("b", t(25), Status::Succeeded),
        span("b", t(0), t(1_000), 100),
    ];
    let own = [&ten, &caught_up, &long, &last, &claimed].map(Run::clone);
    written(&home, &own).await;
    written(&home, &others).await;
    for (at, expected) in [
        (5, None),
        (10, Some(&ten)),
        (15, None),
        (20, Some(&caught_up)),
        (25, None),
        (30, Some(&long)),
        // That the schedule names it is for others to know.
        (45, Some(&long)),
        (60, Some(&long)),
        (61, None),
        (80, Some(&last)),
        (81, None),
        (90, Some(&claimed)),
        (91, None),
    ] {
        assert_eq!(
            record(&home, t(at)).await.holding.as_ref(),
            expected,
            "{at}"
        );
    }
    let none = home.reader.job_record(name("a"), None, t(100)).await;
    assert_eq!(none.unwrap().holding, None);
    let unknown = home.reader.job_record(name("c"), Some(t(10)), t(10)).await;
    assert_eq!(unknown.unwrap(), JobRecord::default());
}

#[tokio::test]
async fn a_span_of_events_holds_no_instant() {
    let home = Home::new();
    let of_events = |from, to| Run {
        trigger: Trigger::After,
        ..span("a", t(from), t(to), 2)
    };
    let instants = span("a", t(100), t(200), 4);
    written(&home, &[of_events(10, 30), of_events(90, 150)]).await;
    written(&home, std::slice::from_ref(&instants)).await;
    for (at, expected) in [(20, None), (95, None), (120, Some(&instants))] {
        let found = record(&home, t(at)).await.holding;
        assert_eq!(found.as_ref(), expected, "{at}");
    }
}

#[tokio::test]
async fn the_rows_before_it_newest_first() {
    let home = Home::new();
    let mut rows: Vec<_> = (0..150).map(|n| fire("a", t(n), Status::Skipped)).collect();
    rows[7].status = Status::Failed;
    rows[20] = manual("a", t(20), Status::Running);
    written(&home, &rows).await;
    written(&home, &[fire("b", t(5), Status::Succeeded)]).await;
    let ids = |runs: &[Run]| runs.iter().map(|run| run.id).collect::<Vec<RunId>>();
    let found = record(&home, t(30)).await;
    let expected: Vec<_> = rows[..=30].iter().rev().cloned().collect();
    assert_eq!(ids(&found.earlier), ids(&expected));
    assert_eq!(found.last_ended.as_ref(), Some(&rows[7]));
    let found = record(&home, t(140)).await;
    let expected: Vec<_> = rows[41..=140].iter().rev().cloned().collect();
    assert_eq!(ids(&found.earlier), ids(&expected), "a hundred of them");
    assert_eq!(
        found.last_ended.as_ref(),
        Some(&rows[7]),
        "older than those"
    );
    assert_eq!(record(&home, t(6)).await.last_ended, None);
}

#[tokio::test]
async fn what_is_remembered_of_it_and_up_to_where_it_is_pruned() {
    let home = Home::with(Retention {
        max_age: Duration::from_hours(24 * 365 * 100),
        max_runs_per_job: 3,
        ..Retention::default()
    });
    home.write(vec![
        schedule("a", t(0), Some(every(10))),
        Write::Job(flags("a", t(50))),
    ])
    .await;
    let found = record(&home, t(10)).await;
    assert_eq!(found.flags, Some(flags("a", t(50))));
    assert_eq!(found.pruned_through, None);
    let rows: Vec<_> = (1..=5)
        .map(|n| fire("a", t(n * 10), Status::Succeeded))
        .collect();
    written(&home, &rows).await;
    home.ledger.prune().await.unwrap();
    let found = record(&home, t(10)).await;
    assert_eq!(found.pruned_through, Some(t(20)));
    assert_eq!(
        found.flags.unwrap().audit_from,
        t(20),
        "the account begins there"
    );
    assert_eq!(found.holding, None);
}
