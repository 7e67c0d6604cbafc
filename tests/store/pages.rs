//! Pages: every row once, newest first, however many arrive meanwhile.

use punctual::job::{Run, RunId, Status, Trigger, Write};
use punctual::store::{Cursor, Jobs, RunFilter};

use crate::home::{Home, name, t};
use crate::rows::{fire, manual, span};

fn ids(runs: &[Run]) -> Vec<RunId> {
    runs.iter().map(|run| run.id).collect()
}

#[tokio::test]
async fn pages_hold_still_while_rows_arrive_and_go() {
    let home = Home::new();
    let mut old: Vec<_> = (0..50)
        .map(|n| fire("a", t(n * 10), Status::Succeeded))
        .collect();
    // Equal instants, told apart by arrival alone.
    old.extend((0..50).map(|n| fire(&format!("j{n}"), t(250), Status::Running)));
    home.write(old.iter().cloned().map(Write::Run).collect())
        .await;

    let (mut seen, mut cursor): (Vec<Run>, Option<Cursor>) = (Vec::new(), None);
    for round in 0.. {
        let page = home
            .reader
            .runs(RunFilter::default(), cursor, 7)
            .await
            .unwrap();
        assert!(page.items.len() == 7 || page.next_cursor.is_none());
        seen.extend(page.items);
        // As the API hands it out and takes it back.
        cursor = page.next_cursor.map(|it| it.to_string().parse().unwrap());
        if cursor.is_none() {
            break;
        }
        home.write(vec![
            Write::Run(fire("new", t(1_000 + round), Status::Succeeded)),
            Write::Run(manual("late", t(round), Status::Succeeded)),
            Write::Run(fire("j3", t(250), Status::Failed)),
            Write::Claim(fire("b", t(2_000), Status::Scheduled)),
            Write::Withdraw(fire("b", t(2_000), Status::Scheduled).id),
        ])
        .await;
    }
    assert!(seen.is_sorted_by(|a, b| a.scheduled_at >= b.scheduled_at));
    let mut known: Vec<_> = ids(&seen);
    known.sort();
    let all = known.len();
    known.dedup();
    assert_eq!(known.len(), all, "no row twice");
    for run in &old {
        assert!(known.binary_search(&run.id).is_ok(), "no row left out");
    }
}

/// The filter, said plainly.
fn passes(filter: &RunFilter, run: &Run) -> bool {
    let last = run.span.map_or(run.scheduled_at, |span| span.last);
    let job = match &filter.jobs {
        Jobs::All => true,
        Jobs::Only(jobs) => jobs.contains(&run.job),
    };
    job && filter.trigger.is_none_or(|it| run.trigger == it)
        && filter.since.is_none_or(|it| last >= it)
        && filter.until.is_none_or(|it| run.scheduled_at < it)
        && match filter.status {
            Some(status) => run.status == status,
            None => run.status != Status::Scheduled,
        }
}

#[tokio::test]
async fn every_combination_of_filters_answers_right() {
    let home = Home::new();
    let mut rows = Vec::new();
    for n in 0..400_i64 {
        let number = usize::try_from(n).unwrap();
        let job = format!("job-{}", n % 7);
        let status = Status::ALL[number % Status::ALL.len()];
        rows.push(match n % 4 {
            0 => manual(&job, t(n), status),
            1 => span(&job, t(n), t(n + 60), 5),
            _ => fire(&job, t(n), status),
        });
    }
    home.write(rows.iter().cloned().map(Write::Run).collect())
        .await;
    let many: Vec<_> = (0..150).map(|n| name(&format!("job-{n}"))).collect();
    let jobs = [
        Jobs::All,
        Jobs::Only(vec![name("job-3")]),
        Jobs::Only(vec![name("job-1"), name("job-5"), name("none")]),
        Jobs::Only(many),
        Jobs::Only(Vec::new()),
    ];
    let statuses = [
        None,
        Some(Status::Scheduled),
        Some(Status::Succeeded),
        Some(Status::Skipped),
    ];
    let triggers = [None, Some(Trigger::Schedule), Some(Trigger::Manual)];
    for jobs in jobs {
        for status in statuses {
            for trigger in triggers {
                for (since, until) in [
                    (None, None),
                    (Some(t(100)), None),
                    (Some(t(80)), Some(t(90))),
                ] {
                    let jobs = jobs.clone();
                    let filter = RunFilter {
                        jobs,
                        status,
                        trigger,
                        since,
                        until,
                    };
                    let expected = rows.iter().rev().filter(|run| passes(&filter, run));
                    let expected: Vec<_> = expected.map(|run| run.id).collect();
                    let (mut found, mut cursor) = (Vec::new(), None);
                    loop {
                        let page = home.reader.runs(filter.clone(), cursor, 40).await.unwrap();
                        found.extend(page.items);
                        cursor = page.next_cursor;
                        if cursor.is_none() {
                            break;
                        }
                    }
                    assert_eq!(ids(&found), expected, "{filter:?}");
                }
            }
        }
    }
}
