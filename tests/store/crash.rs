//! Any sequence of changes, done again, cut off, done again: the ledger says the same.

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use punctual::job::{Status, Write};
use punctual::store::{Batch, Jobs, Urgency};
use tokio::runtime::Runtime;

use crate::home::{Contents, Home, t};
use crate::rows::{attempt, every, fire, flags, manual, output, schedule, span};

/// Batches of changes to few jobs at few instants, so that they meet.
fn batches() -> impl Strategy<Value = Vec<Vec<Change>>> {
    let change =
        (0..9_usize, 0..3_usize, 0..6_i64, 0..10_usize).prop_map(|(kind, job, at, more)| Change {
            kind,
            job,
            at,
            more,
        });
    prop::collection::vec(prop::collection::vec(change, 1..6), 1..14)
}

/// What to change, small and printable.
#[derive(Debug, Clone, Copy)]
struct Change {
    kind: usize,
    job: usize,
    at: i64,
    more: usize,
}

fn batch_of(changes: &[Change]) -> Batch {
    let mut batch = Batch::now(Vec::new());
    for change in changes {
        let job = ["a", "b", "c"][change.job];
        let at = t(change.at);
        let mut claimed = fire(job, at, Status::Scheduled);
        claimed.node = format!("node-{}", change.more);
        let past_scheduled = Status::ALL[1 + change.more % 9];
        let by_hand = manual(job, at, past_scheduled);
        let id = by_hand.id;
        match change.kind {
            0 | 1 => batch.writes.push(Write::Claim(claimed)),
            2 => batch.writes.push(Write::Run(fire(job, at, past_scheduled))),
            3 => batch.writes.push(Write::Withdraw(claimed.id)),
            4 => {
                batch.writes.push(Write::Run(by_hand));
                let number = 1 + u32::from(change.more > 5);
                let row = attempt(id, number, past_scheduled);
                batch.writes.push(Write::Attempt(row));
                batch
                    .outputs
                    .push(output(id, number, &vec![b'x'; change.more * 900]));
            }
            5 => {
                let (first, last) = (t(100 + change.at), t(110 + change.at));
                batch
                    .writes
                    .push(Write::Run(span(job, first, last, change.more as u64)));
            }
            6 => batch.writes.push(Write::Job(flags(job, at))),
            7 => {
                let spec = (change.more > 3).then(|| every(1 + change.more as u64 % 2));
                batch.writes.push(schedule(job, at, spec));
            }
            _ => batch.writes.push(Write::SchedulerPaused(change.more > 4)),
        }
    }
    batch
}

async fn apply(home: &Home, batches: &[Vec<Change>]) {
    for changes in batches {
        home.put(batch_of(changes)).await;
    }
}

async fn contents_after(batches: &[Vec<Change>]) -> Contents {
    let home = Home::new();
    apply(&home, batches).await;
    home.contents().await
}

fn check(cases: u32, property: impl Fn(&Runtime, Vec<Vec<Change>>) -> Result<(), TestCaseError>) {
    let runtime = Runtime::new().unwrap();
    let config = Config {
        cases,
        failure_persistence: None,
        max_shrink_iters: 200,
        ..Config::default()
    };
    let outcome = TestRunner::new(config).run(&batches(), |it| property(&runtime, it));
    if let Err(error) = outcome {
        panic!("{error}");
    }
}

#[test]
fn doing_it_again_changes_nothing() {
    check(48, |runtime, batches| {
        let twice = [batches.clone(), batches.clone()].concat();
        let (once, twice) = runtime
            .block_on(async { (contents_after(&batches).await, contents_after(&twice).await) });
        prop_assert_eq!(once, twice);
        Ok(())
    });
}

#[test]
fn grouping_changes_nothing() {
    check(32, |runtime, batches| {
        let (single, grouped) = runtime.block_on(async {
            let home = Home::new();
            for changes in &batches {
                let mut batch = batch_of(changes);
                batch.urgency = Urgency::Soon;
                home.ledger.submit(batch).await.unwrap();
            }
            (contents_after(&batches).await, home.contents().await)
        });
        prop_assert_eq!(single, grouped);
        Ok(())
    });
}

#[test]
fn after_a_kill_all_that_was_durable_is_there_and_the_rest_can_be_done_again() {
    check(32, |runtime, batches| {
        runtime.block_on(async {
            let half = batches.len() / 2;
            let (home, all) = (Home::new(), contents_after(&batches).await);
            apply(&home, &batches[..half]).await;
            prop_assert_eq!(
                home.killed(0).contents().await,
                contents_after(&batches[..half]).await
            );
            apply(&home, &batches[half..]).await;
            prop_assert_eq!(&home.killed(0).contents().await, &all);
            // A power cut may take the end of the log: whole commits go, and doing all of it
            // again gives the same ledger.
            for cut in [1, 4_000, 30_000, 200_000] {
                let cut_off = home.killed(cut);
                prop_assert_eq!(
                    punctual::store::check(&cut_off.path()).unwrap().problems,
                    [""; 0]
                );
                apply(&cut_off, &batches).await;
                prop_assert_eq!(&cut_off.contents().await, &all);
            }
            Ok(())
        })
    });
}

#[tokio::test]
async fn a_cut_log_loses_whole_commits_from_the_end_only() {
    let home = Home::new();
    for n in 0..40 {
        let run = fire("a", t(n), Status::Succeeded);
        let writes = vec![Write::Run(run.clone()), Write::Job(flags("a", t(n)))];
        home.write(writes).await;
    }
    let mut fewest = 40;
    for cut in (0..400_000).step_by(9_973) {
        let killed = home.killed(cut);
        let rows = killed.runs(punctual::store::RunFilter {
            jobs: Jobs::Only(vec![crate::home::name("a")]),
            ..Default::default()
        });
        let rows = rows.await;
        let count = i64::try_from(rows.len()).unwrap();
        assert!(count <= fewest);
        fewest = count;
        let instants: Vec<_> = rows.iter().map(|run| run.scheduled_at).collect();
        assert_eq!(instants, (0..count).rev().map(t).collect::<Vec<_>>());
        let decided = killed
            .recovered
            .flags
            .values()
            .next()
            .map(|it| it.decided_through);
        assert_eq!(decided, instants.first().copied(), "row and mark are one");
    }
    assert!(fewest < 40, "the cuts reached into the log");
}
