//! The audit finds what was done to the ledger behind its back.

use punctual::job::{Status, Trigger, Write};
use punctual::store::{AuditReport, AuditScope, ProblemKind, Watch};

use crate::home::{Home, name, t};
use crate::rows::{every, fire, flags, manual, schedule, span};

/// A job of every kind of row: every 10 s up to 1000, every 30 s from then to 2000; singles, spans
/// (one of them over the change), a caught-up run, and runs by hand that are no part of it.
async fn sound() -> Home {
    let home = Home::new();
    let mut writes = vec![
        schedule("a", t(0), Some(every(10))),
        schedule("a", t(1_000), Some(every(20))),
        Write::Job(flags("a", t(2_000))),
        Write::Run(span("a", t(510), t(700), 20)),
        Write::Run(span("a", t(910), t(1_100), 15)),
        Write::Run(manual("a", t(333), Status::Succeeded)),
        Write::Run(manual("a", t(340), Status::Succeeded)),
    ];
    let singles = (10..=500).step_by(10).chain((710..=900).step_by(10));
    for at in singles.chain((1_120..=2_000).step_by(20)) {
        let mut run = fire("a", t(at), Status::Succeeded);
        if at == 710 {
            run.trigger = Trigger::CatchUp;
        }
        writes.push(Write::Run(run));
    }
    home.write(writes).await;
    home
}

async fn audited(home: &Home, since: Option<i64>, now: i64, watch: Watch) -> AuditReport {
    let scope = AuditScope {
        job: None,
        since: since.map(t),
        now: t(now),
        watch,
    };
    home.reader.audit(scope).await.unwrap()
}

fn found(report: &AuditReport) -> Vec<(jiff::Timestamp, ProblemKind)> {
    let problems = report.problems.iter();
    problems.map(|it| (it.instant, it.kind.clone())).collect()
}

#[tokio::test]
async fn a_sound_ledger_is_found_sound() {
    let home = sound().await;
    let report = audited(&home, None, 9_999, Watch::Down).await;
    assert_eq!(found(&report), []);
    assert_eq!((report.instants_checked, report.jobs_checked), (150, 1));
    assert_eq!((report.from, report.through), (Some(t(0)), Some(t(2_000))));
    // From within a span, to within a span.
    let part = audited(&home, Some(600), 1_000, Watch::Down).await;
    assert_eq!((found(&part), part.instants_checked), (vec![], 40));
    assert!(part.is_clean());
    let json = serde_json::to_value(&report).unwrap();
    assert_eq!(serde_json::from_value::<AuditReport>(json).unwrap(), report);
}

#[tokio::test]
async fn each_wound_is_found() {
    use ProblemKind::{Doubled, Missing, Stray, WrongCount};
    let us = |seconds| t(seconds).as_microsecond();
    let set_back = format!(
        "UPDATE runs SET scheduled_at = {} WHERE scheduled_at = {}",
        us(215),
        us(220)
    );
    let copied =
        |from: i64, to: i64| {
            format!(
            "INSERT INTO runs (id, job, status, trigger, scheduled_at, last_scheduled_at, count,
                 due_at, attempts, params, node)
             SELECT 'x' || id, job, status, trigger, {}, {}, 1, due_at, attempts, params, node
             FROM runs WHERE scheduled_at = {} LIMIT 1",
            us(to), us(to), us(from)
        )
        };
    let wounds = [
        (
            format!("DELETE FROM runs WHERE scheduled_at = {}", us(200)),
            vec![(200, Missing)],
        ),
        (
            format!("DELETE FROM runs WHERE scheduled_at >= {}", us(1_980)),
            vec![(1_980, Missing), (2_000, Missing)],
        ),
        (set_back, vec![(215, Stray), (220, Missing)]),
        (copied(200, 200), vec![(200, Doubled)]),
        (copied(200, 600), vec![(600, Doubled)]),
        (copied(200, 205), vec![(205, Stray)]),
        (
            format!(
                "UPDATE runs SET count = 19 WHERE scheduled_at = {}",
                us(510)
            ),
            vec![(
                510,
                WrongCount {
                    expected: 20,
                    found: 19,
                },
            )],
        ),
        (
            format!(
                "UPDATE runs SET last_scheduled_at = {} WHERE scheduled_at = {}",
                us(720),
                us(510)
            ),
            vec![
                (
                    510,
                    WrongCount {
                        expected: 22,
                        found: 20,
                    },
                ),
                (710, Doubled),
                (720, Doubled),
            ],
        ),
        (
            format!("DELETE FROM runs WHERE last_scheduled_at = {}", us(1_100)),
            (910..=1_000)
                .step_by(10)
                .chain((1_020..=1_100).step_by(20))
                .map(|at| (at, Missing))
                .collect(),
        ),
        (
            format!(
                "UPDATE runs SET trigger = 'manual' WHERE scheduled_at = {}",
                us(30)
            ),
            vec![(30, Missing)],
        ),
    ];
    for (wound, expected) in wounds {
        let home = sound().await;
        home.vandalise(&wound);
        let report = audited(&home, None, 9_999, Watch::Down).await;
        let mut expected: Vec<_> = expected
            .into_iter()
            .map(|(at, kind)| (t(at), kind))
            .collect();
        // A row that is set off can come before the gap it leaves.
        expected.sort_by_key(|it| it.0);
        let mut found = found(&report);
        found.sort_by_key(|it| it.0);
        // A copied row claims one instant, which off the schedule is none.
        found.retain(|it| {
            !matches!(
                it.1,
                WrongCount {
                    expected: 0,
                    found: 1
                }
            )
        });
        assert_eq!(found, expected, "{wound}");
        assert!(!report.is_clean());
    }
}

#[tokio::test]
async fn a_running_daemon_must_have_decided_what_was_due() {
    let home = sound().await;
    assert_eq!(found(&audited(&home, None, 2_029, Watch::Up).await), []);
    let report = audited(&home, None, 2_050, Watch::Up).await;
    assert_eq!(
        found(&report),
        [
            (t(2_020), ProblemKind::Missing),
            (t(2_040), ProblemKind::Missing)
        ]
    );
    assert_eq!(found(&audited(&home, None, 2_050, Watch::Down).await), []);

    // A claim that stays a claim.
    let claimed = [2_020, 2_040].map(|at| Write::Claim(fire("a", t(at), Status::Scheduled)));
    home.write(claimed.to_vec()).await;
    let report = audited(&home, None, 2_050, Watch::Up).await;
    assert_eq!(found(&report), [(t(2_020), ProblemKind::Undecided)]);
    assert!(audited(&home, None, 2_050, Watch::Down).await.is_clean());
}

#[tokio::test]
async fn a_job_that_left_names_nothing_more() {
    let home = sound().await;
    home.write(vec![schedule("a", t(2_000), None)]).await;
    assert!(audited(&home, None, 100_000, Watch::Up).await.is_clean());
}

#[tokio::test]
async fn what_cannot_be_judged_is_said() {
    let home = sound().await;
    home.write(vec![schedule("b", t(5), Some(every(10)))]).await;
    let report = audited(&home, None, 9_999, Watch::Down).await;
    assert_eq!(found(&report), [(t(5), ProblemKind::NoMark)]);
    let sentence = report.problems[0].to_string();
    assert!(
        sentence.starts_with("b: has a schedule since"),
        "{sentence}"
    );
    let scope = AuditScope {
        job: Some(name("a")),
        since: None,
        now: t(9_999),
        watch: Watch::Down,
    };
    assert!(home.reader.audit(scope).await.unwrap().is_clean());
}

#[tokio::test]
async fn what_waits_to_be_caught_up_is_accounted_for_without_rows() {
    let home = Home::new();
    let mut memory = flags("a", t(100));
    memory.backlog = vec![(t(20), t(40)), (t(70), t(80))];
    let mut writes = vec![
        schedule("a", t(0), Some(every(10))),
        Write::Run(span("a", t(10), t(20), 2)),
        Write::Job(memory.clone()),
    ];
    let singles = [50, 60, 70, 90, 100].map(|at| fire("a", t(at), Status::Succeeded));
    writes.extend(singles.map(Write::Run));
    home.write(writes).await;
    let report = audited(&home, None, 9_999, Watch::Down).await;
    assert_eq!((found(&report), report.instants_checked), (vec![], 10));
    // From within what waits.
    let part = audited(&home, Some(30), 9_999, Watch::Down).await;
    assert_eq!((found(&part), part.instants_checked), (vec![], 7));

    // One that waits and has run is there twice; one that neither waits nor ran is missing.
    let mut writes = vec![Write::Run(fire("a", t(30), Status::Succeeded))];
    memory.backlog = vec![(t(20), t(40))];
    writes.push(Write::Job(memory));
    home.write(writes).await;
    let report = audited(&home, None, 9_999, Watch::Down).await;
    let expected = [(t(30), ProblemKind::Doubled), (t(80), ProblemKind::Missing)];
    assert_eq!(found(&report), expected);
}
