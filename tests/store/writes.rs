//! Each kind of change, and what becomes of it.

use punctual::clock;
use punctual::job::{Attempt, ClaimOutcome, JobFlags, Reason, Run, RunId, Status, Trigger, Write};
use punctual::store::{Batch, Spread, Stretch};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::home::{Home, name, t, until};
use crate::rows::{attempt, every, fire, flags, manual, output, schedule, span};

#[tokio::test]
async fn rows_come_back_as_they_were_written() {
    let home = Home::new();
    let mut runs: Vec<_> = Status::ALL
        .iter()
        .zip(0..)
        .map(|(&status, n)| manual("a", t(n), status))
        .collect();
    runs.push(span("b", t(5), t(50), u64::from(u32::MAX) + 1));
    let id = runs[2].id;
    let attempts: Vec<_> = (1..=3).map(|n| attempt(id, n, Status::Failed)).collect();
    let mut batch = Batch::now(runs.iter().cloned().map(Write::Run).collect());
    batch
        .writes
        .extend(attempts.iter().cloned().map(Write::Attempt));
    batch.outputs = vec![output(id, 1, b"one"), output(id, 3, b"\0three\xff")];
    home.put(batch).await;

    for run in &runs {
        assert_eq!(home.reader.run(run.id).await.unwrap().as_ref(), Some(run));
    }
    assert_eq!(home.reader.attempts(id).await.unwrap(), attempts);
    let last = home.reader.output(id, None).await.unwrap();
    assert_eq!(last, Some(output(id, 3, b"\0three\xff")));
    let first = home.reader.output(id, Some(1)).await.unwrap();
    assert_eq!(first, Some(output(id, 1, b"one")));
    assert_eq!(home.reader.output(id, Some(2)).await.unwrap(), None);
    let nobody = RunId::of_manual(&name("a"), t(99), 0);
    assert_eq!(home.reader.run(nobody).await.unwrap(), None);

    let home = home.reopen().await;
    let live: Vec<_> = runs
        .iter()
        .filter(|run| !run.status.is_final())
        .cloned()
        .collect();
    assert_eq!(home.recovered.live, live);
    assert_eq!(home.recovered.live_attempts, attempts, "of the running one");
}

#[tokio::test]
async fn a_job_is_remembered() {
    let home = Home::new();
    assert_eq!(home.recovered.flags.len(), 0);
    let paused = JobFlags {
        paused: true,
        paused_at: Some(t(1)),
        paused_until: Some(t(9)),
        pause_reason: Some("moving house".into()),
        paused_by: Some("ops".into()),
        ..flags("a", t(5))
    };
    home.write(vec![
        Write::Job(flags("a", t(3))),
        Write::Job(flags("b", t(3))),
        Write::Job(paused.clone()),
        Write::SchedulerPaused(true),
        schedule("a", t(0), Some(every(5))),
        schedule("b", t(0), Some(every(7))),
        schedule("b", t(4), None),
    ])
    .await;
    let home = home.reopen().await;
    assert_eq!(home.recovered.flags[&name("a")], paused);
    assert_eq!(home.recovered.flags[&name("b")], flags("b", t(3)));
    assert_eq!(
        home.recovered.schedules.get(&name("a")).map(|it| &it.1),
        Some(&every(5))
    );
    assert_eq!(home.recovered.schedules.get(&name("b")), None, "closed");
    assert!(home.recovered.scheduler_paused);
    home.write(vec![Write::SchedulerPaused(false)]).await;
    assert!(!home.reopen().await.recovered.scheduler_paused);
}

#[tokio::test]
async fn schedule_history_says_one_thing_of_each_moment() {
    let home = Home::new();
    let stretch = |from, to: Option<i64>, seconds| Stretch {
        from: t(from),
        to: to.map(t),
        spec: every(seconds),
    };
    let steps = [
        (0, Some(5), vec![stretch(0, None, 5)]),
        (10, Some(5), vec![stretch(0, None, 5)]),
        (
            20,
            Some(7),
            vec![stretch(0, Some(20), 5), stretch(20, None, 7)],
        ),
        (
            30,
            None,
            vec![stretch(0, Some(20), 5), stretch(20, Some(30), 7)],
        ),
        (
            35,
            None,
            vec![stretch(0, Some(20), 5), stretch(20, Some(30), 7)],
        ),
        // The same again where it stopped is the same stretch going on.
        (
            30,
            Some(7),
            vec![stretch(0, Some(20), 5), stretch(20, None, 7)],
        ),
        // A clock set back: what was said of later is taken back.
        (
            10,
            Some(9),
            vec![stretch(0, Some(10), 5), stretch(10, None, 9)],
        ),
        (10, Some(5), vec![stretch(0, None, 5)]),
    ];
    for (at, seconds, expected) in steps {
        home.write(vec![schedule("a", t(at), seconds.map(every))])
            .await;
        let history = home.reader.schedule_history(name("a")).await.unwrap();
        assert_eq!(history, expected, "after {seconds:?} from {at}");
    }
}

#[tokio::test]
async fn a_claim_yields_to_what_is_decided_and_to_nothing_else() {
    let home = Home::new();
    let claim = |at| Write::Claim(fire("a", t(at), Status::Scheduled));
    let outcomes = |acked: punctual::store::Acked| {
        acked
            .claims
            .into_iter()
            .map(|(_, it)| it)
            .collect::<Vec<_>>()
    };
    assert_eq!(
        outcomes(home.write(vec![claim(1)]).await),
        [ClaimOutcome::Claimed]
    );
    assert_eq!(
        outcomes(home.write(vec![claim(1)]).await),
        [ClaimOutcome::Claimed],
        "again"
    );

    for (&status, at) in Status::ALL.iter().skip(1).zip(10..) {
        let decided = fire("a", t(at), status);
        let acked = home
            .write(vec![Write::Run(decided.clone()), claim(at)])
            .await;
        assert_eq!(outcomes(acked), [ClaimOutcome::Decided], "{status}");
        assert_eq!(home.reader.run(decided.id).await.unwrap(), Some(decided));
    }

    // Caught up, in a span, under another id: decided all the same.
    let mut caught_up = fire("a", t(30), Status::Running);
    caught_up.trigger = Trigger::CatchUp;
    let foreign = punctual::job::Run {
        id: RunId::of_manual(&name("a"), t(31), 0),
        ..fire("a", t(31), Status::Succeeded)
    };
    let rows = [caught_up, foreign, span("a", t(40), t(50), 11)];
    home.write(rows.into_iter().map(Write::Run).collect()).await;
    let acked = home
        .write([30, 31, 40, 45, 50, 51].map(claim).to_vec())
        .await;
    let mut expected = vec![ClaimOutcome::Decided; 5];
    expected.push(ClaimOutcome::Claimed);
    assert_eq!(outcomes(acked), expected);

    // A manual run of the same instant is another thing.
    let write = Write::Run(manual("a", t(60), Status::Running));
    assert_eq!(
        outcomes(home.write(vec![write, claim(60)]).await),
        [ClaimOutcome::Claimed]
    );
    // And so is the same instant of another job.
    let other = Write::Claim(fire("b", t(10), Status::Scheduled));
    assert_eq!(
        outcomes(home.write(vec![other]).await),
        [ClaimOutcome::Claimed]
    );
    assert_eq!(home.ledger.health().refused, 0);
}

#[tokio::test]
async fn only_a_claim_can_be_withdrawn() {
    let home = Home::new();
    let claimed = fire("a", t(1), Status::Scheduled);
    let started = fire("a", t(2), Status::Running);
    let rows = vec![Write::Claim(claimed.clone()), Write::Run(started.clone())];
    home.write(rows).await;
    home.write(vec![
        Write::Withdraw(claimed.id),
        Write::Withdraw(started.id),
    ])
    .await;
    assert_eq!(home.reader.run(claimed.id).await.unwrap(), None);
    assert_eq!(home.reader.run(started.id).await.unwrap(), Some(started));
}

#[tokio::test]
async fn what_contradicts_the_ledger_is_left_out_and_the_rest_goes_on() {
    let home = Home::new();
    let kept = fire("a", t(1), Status::Succeeded);
    let mut double = kept.clone();
    double.id = RunId::of_manual(&name("a"), t(1), 0);
    let late = attempt(RunId::of_manual(&name("a"), t(9), 0), 1, Status::Running);
    let after = fire("a", t(2), Status::Succeeded);
    let mut batch = Batch::now(vec![
        Write::Run(kept.clone()),
        Write::Run(double.clone()),
        Write::Attempt(late.clone()),
        Write::Run(after.clone()),
    ]);
    batch.outputs = vec![output(late.run, 1, b"late")];
    home.put(batch).await;
    assert_eq!(home.reader.run(double.id).await.unwrap(), None);
    assert_eq!(
        home.reader.attempts(late.run).await.unwrap(),
        Vec::<Attempt>::new()
    );
    assert_eq!(home.reader.run(kept.id).await.unwrap(), Some(kept));
    assert_eq!(home.reader.run(after.id).await.unwrap(), Some(after));
    let health = home.ledger.health();
    assert!(health.writable);
    assert_eq!((health.refused, health.pending), (1, 0));
}

#[tokio::test]
async fn what_ran_is_not_unsaid() {
    let home = Home::new();
    let ran = fire("a", t(1), Status::Succeeded);
    let mut missed = fire("a", t(1), Status::Missed);
    missed.attempts = 0;
    missed.reason = Some(Reason::new(Reason::SHUTDOWN));
    let mut queued = fire("a", t(1), Status::Queued);
    queued.trigger = Trigger::CatchUp;
    let mut unstarted = fire("a", t(1), Status::Running);
    unstarted.attempts = 0;
    let late = vec![
        Write::Run(missed),
        Write::Run(queued.clone()),
        Write::Claim(queued.clone()),
        Write::Withdraw(ran.id),
        Write::Start(unstarted),
    ];
    home.write(vec![Write::Run(ran.clone())]).await;
    let acked = home.write(late.clone()).await;
    let decided = (ran.id, ClaimOutcome::Decided);
    assert_eq!(acked.claims, [decided, decided]);
    assert_eq!(home.reader.run(ran.id).await.unwrap().as_ref(), Some(&ran));
    assert_eq!(home.ledger.health().refused, 3, "two rows and a start");

    // A shutdown took nothing from what it stopped.
    let mut stopped = fire("a", t(2), Status::Missed);
    stopped.reason = Some(Reason::new(Reason::SHUTDOWN));
    let mut caught_up = fire("a", t(2), Status::Queued);
    caught_up.trigger = Trigger::CatchUp;
    let batch = vec![
        Write::Run(stopped.clone()),
        Write::Claim(caught_up),
        Write::Withdraw(stopped.id),
    ];
    let acked = home.write(batch).await;
    assert_eq!(acked.claims, [(stopped.id, ClaimOutcome::Decided)]);
    let row = home.reader.run(stopped.id).await.unwrap();
    assert_eq!(row.as_ref(), Some(&stopped));

    // As many attempts or more say as much, and so does any row of a run that goes on.
    let mut again = ran.clone();
    again.status = Status::Failed;
    let mut more = again.clone();
    more.status = Status::Running;
    more.attempts = 2;
    let mut back = queued;
    back.trigger = Trigger::Schedule;
    for row in [again, more, back] {
        home.write(vec![Write::Run(row.clone())]).await;
        assert_eq!(home.reader.run(ran.id).await.unwrap(), Some(row));
    }
    assert_eq!(home.ledger.health().refused, 3);
    assert_eq!(home.reopen().await.recovered.live.len(), 1);
}

#[tokio::test]
async fn a_thousand_claims_are_one_commit() {
    let home = Home::new();
    // While the thread is busy with the first batch, the others gather behind it.
    let order = Arc::new(Mutex::new(Vec::new()));
    let (let_go, gate) = std::sync::mpsc::channel::<()>();
    let (holding, holds) = tokio::sync::oneshot::channel();
    let hold = Batch::now(vec![]).then(move |_| {
        holding.send(()).unwrap();
        gate.recv().unwrap();
    });
    home.ledger.submit(hold).await.unwrap();
    holds.await.unwrap();
    let size = || std::fs::metadata(home.path().with_extension("db-wal")).map_or(0, |it| it.len());
    let begun = clock::monotonic();
    for n in 0..1_000 {
        let order = Arc::clone(&order);
        let run = fire(&format!("job-{n}"), t(1), Status::Scheduled);
        let batch = Batch::soon(vec![Write::Claim(run)]).then(move |acked| {
            assert_eq!(acked.claims[0].1, ClaimOutcome::Claimed);
            order.lock().unwrap().push(n);
        });
        home.ledger.submit(batch).await.unwrap();
    }
    assert_eq!(home.ledger.health().pending, 1_000);
    let before = size();
    let_go.send(()).unwrap();
    until("the thousandth", || order.lock().unwrap().len() == 1_000).await;
    println!(
        "1,000 claims, handed in one by one, durable after {:?}",
        begun.elapsed()
    );
    assert_eq!(*order.lock().unwrap(), (0..1_000).collect::<Vec<_>>());
    // A thousand commits would write each page that they share a thousand times over.
    let written = size() - before;
    assert!(written < 1 << 20, "{written} bytes of log");
}

#[tokio::test]
async fn what_is_urgent_takes_along_what_is_not() {
    let home = Home::new();
    let done = Arc::new(AtomicUsize::new(0));
    for _ in 0..10 {
        let done = Arc::clone(&done);
        let count = move |_| {
            done.fetch_add(1, Ordering::SeqCst);
        };
        let batch = Batch::soon(vec![Write::SchedulerPaused(true)]).then(count);
        home.ledger.submit(batch).await.unwrap();
    }
    home.write(vec![Write::SchedulerPaused(false)]).await;
    assert_eq!(
        done.load(Ordering::SeqCst),
        10,
        "in order, so all before it"
    );
}

#[tokio::test]
async fn a_panic_of_a_listener_is_its_own() {
    let home = Home::new();
    let batch = Batch::now(vec![]).then(|_| panic!("on purpose"));
    home.ledger.submit(batch).await.unwrap();
    home.write(vec![Write::SchedulerPaused(true)]).await;
    assert!(home.ledger.health().writable);
}

#[tokio::test]
async fn closing_writes_what_was_handed_in_and_takes_no_more() {
    let home = Home::new();
    let runs: Vec<_> = (0..200)
        .map(|n| fire("a", t(n), Status::Succeeded))
        .collect();
    for run in &runs {
        let batch = Batch::soon(vec![Write::Run(run.clone())]);
        home.ledger.submit(batch).await.unwrap();
    }
    let ledger = home.ledger.clone();
    let home = home.reopen().await;
    for run in runs {
        assert!(home.reader.run(run.id).await.unwrap().is_some());
    }
    let refused = ledger
        .submit(Batch::now(vec![Write::SchedulerPaused(true)]))
        .await;
    assert_eq!(
        refused.unwrap_err().0.writes.len(),
        1,
        "the batch comes back"
    );
    assert!(!ledger.health().writable);
    assert_eq!(ledger.health().pending, 0);
    ledger.close(Duration::from_mins(1)).await.unwrap();
}

/// Somebody may mean "for ever" by it.
#[tokio::test]
async fn the_last_instant_and_the_first_are_read_as_they_were_written() {
    let home = Home::new();
    let micros = |at: jiff::Timestamp| {
        let nanos = at.as_nanosecond().div_euclid(1_000) * 1_000;
        jiff::Timestamp::from_nanosecond(nanos).unwrap()
    };
    let flags = JobFlags {
        paused: true,
        paused_at: Some(jiff::Timestamp::MIN),
        paused_until: Some(micros(jiff::Timestamp::MAX)),
        ..flags("a", t(0))
    };
    home.write(vec![Write::Job(flags.clone())]).await;
    let home = home.reopen().await;
    assert_eq!(home.recovered.flags[&name("a")], flags);
}

#[tokio::test]
async fn figures_are_drawn_from_what_ran() {
    let home = Home::new();
    let mut writes = Vec::new();
    for n in 0..150 {
        let mut run = fire("a", t(n * 10), Status::Succeeded);
        run.started_at = Some(t(n * 10 + 1));
        run.finished_at = Some(t(n * 10 + 3));
        if n % 10 == 0 {
            run.status = Status::Failed;
        } else if n % 10 == 5 {
            run.status = Status::Cancelled;
        }
        writes.push(Write::Run(run));
    }
    let last = fire("a", t(1_490), Status::Succeeded).id;
    writes.push(Write::Run(span("a", t(2_000), t(3_000), 101)));
    writes.push(Write::Run(fire("a", t(4_000), Status::Running)));
    writes.push(Write::Run(fire("b", t(4_000), Status::Scheduled)));
    home.write(writes).await;

    let all = home
        .reader
        .last_runs(punctual::store::Jobs::All)
        .await
        .unwrap();
    assert_eq!(all.len(), 1, "b never ran");
    let a = &all[&name("a")];
    assert_eq!((a.last.id, a.judged, a.succeeded), (last, 100, 89));
    let some = punctual::store::Jobs::Only(vec![name("b"), name("a")]);
    assert_eq!(home.reader.last_runs(some).await.unwrap(), all);

    let figures = home.reader.statistics(name("a")).await.unwrap();
    assert_eq!(figures.runs, 150);
    let spread = |s| {
        Some(Spread {
            p50_s: s,
            p99_s: s,
            max_s: s,
        })
    };
    assert_eq!(figures.duration, spread(2.0));
    assert_eq!(figures.lateness, spread(1.0));
    assert_eq!(
        home.reader.statistics(name("b")).await.unwrap().duration,
        None
    );
}

/// What was asked before is remembered, and no longer than it is true.
#[tokio::test]
async fn figures_are_those_of_now() {
    let home = Home::new();
    let both = punctual::store::Jobs::Only(vec![name("a"), name("b")]);
    let ask = async || {
        let last = home.reader.last_runs(both.clone()).await.unwrap();
        let of = |job: &str| {
            last.get(&name(job))
                .map(|it| (it.last.scheduled_at, it.judged))
        };
        let runs = home.reader.statistics(name("a")).await.unwrap().runs;
        (of("a"), of("b"), runs)
    };
    assert_eq!(ask().await, (None, None, 0));
    home.write(vec![Write::Run(fire("a", t(10), Status::Succeeded))])
        .await;
    assert_eq!(ask().await, (Some((t(10), 1)), None, 1));
    home.write(vec![Write::Run(fire("b", t(10), Status::Failed))])
        .await;
    assert_eq!(ask().await, (Some((t(10), 1)), Some((t(10), 1)), 1));
    home.write(vec![Write::Run(fire("a", t(20), Status::Succeeded))])
        .await;
    assert_eq!(ask().await, (Some((t(20), 2)), Some((t(10), 1)), 2));
    // Both are older than any history that is kept.
    home.ledger.prune().await.unwrap();
    assert_eq!(ask().await, (None, None, 0));
}

#[tokio::test]
async fn a_start_is_acknowledged_among_the_claims() {
    let home = Home::new();
    let queued = fire("a", t(1), Status::Queued);
    let running = fire("a", t(1), Status::Running);
    let other = fire("a", t(2), Status::Scheduled);
    home.write(vec![Write::Run(queued)]).await;
    let batch = vec![
        Write::Claim(other.clone()),
        Write::Start(running.clone()),
        Write::Claim(running.clone()),
    ];
    for _ in 0..2 {
        let acked = home.write(batch.clone()).await;
        let expected = [
            (other.id, ClaimOutcome::Claimed),
            (running.id, ClaimOutcome::Claimed),
            (running.id, ClaimOutcome::Decided),
        ];
        assert_eq!(acked.claims, expected);
        let row = home.reader.run(running.id).await.unwrap();
        assert_eq!(row.as_ref(), Some(&running));
    }
    assert_eq!(home.ledger.health().refused, 0);
}

#[tokio::test]
async fn what_a_wrong_clock_has_given_up_is_taken_out_of_spans() {
    let home = Home::new();
    let ran = fire("a", t(500), Status::Succeeded);
    let spans = [
        span("a", t(10), t(90), 9),
        span("a", t(100), t(400), 31),
        span("a", t(510), t(600), 10),
        span("b", t(100), t(400), 31),
        // No instants, but what happened while the clock was ahead.
        Run {
            trigger: Trigger::Startup,
            ..span("a", t(700), t(800), 4)
        },
    ];
    let mut writes = vec![
        schedule("a", t(0), Some(every(10))),
        schedule("b", t(0), Some(every(10))),
        Write::Run(ran.clone()),
    ];
    writes.extend(spans.iter().cloned().map(Write::Run));
    home.write(writes).await;
    for _ in 0..2 {
        // Done again, it is what it was. The history of what was still to come may be another by then.
        home.write(vec![
            Write::CutSpans {
                job: name("a"),
                after: t(255),
            },
            schedule("a", t(255), Some(every(20))),
        ])
        .await;
        let left = async |run: RunId| {
            let run = home.reader.run(run).await.unwrap()?;
            run.span.map(|span| (span.last, span.count))
        };
        assert_eq!(left(spans[0].id).await, Some((t(90), 9)));
        assert_eq!(left(spans[1].id).await, Some((t(250), 16)));
        assert_eq!(left(spans[2].id).await, None);
        assert_eq!(left(spans[3].id).await, Some((t(400), 31)));
        assert_eq!(left(spans[4].id).await, Some((t(800), 4)));
        assert_eq!(home.reader.run(spans[2].id).await.unwrap(), None);
        assert_eq!(home.reader.run(ran.id).await.unwrap(), Some(ran.clone()));
    }
    let claim = Write::Claim(fire("a", t(260), Status::Scheduled));
    let acked = home.write(vec![claim]).await;
    assert_eq!(acked.claims[0].1, ClaimOutcome::Claimed);
}
