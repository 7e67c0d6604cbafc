//! Times that somebody asks about.

use super::{Scene, backup, fire, plan, span, spec, t, unstarted};
use crate::explain::Verdict;
use crate::job::{Reason, Run, RunId, Status, Trigger};
use crate::store::Stretch;

const LAST_NIGHT: &str = "2026-12-01T01:30:00Z";

#[test]
fn an_instant_that_ran() {
    let run = fire(LAST_NIGHT);
    let scene = Scene::nightly().with([run.clone()]);
    let why = scene.ask(Some(LAST_NIGHT));
    assert_eq!(why.verdict, Verdict::Row(Status::Succeeded));
    assert_eq!(
        why.sentences,
        [format!(
            "It ran: due Tue 2026-12-01 02:30:00 +01:00, started 4.1 ms later, succeeded after 2 \
             min 3 s (run {}).",
            run.id
        )]
    );
    assert_eq!(why.instant, Some(t(LAST_NIGHT)));
    assert_eq!(why.before, Some(t("2026-11-30T01:30:00Z")));
    assert_eq!(why.after, Some(t("2026-12-02T01:30:00Z")));
    assert_eq!(why.next_fire, why.after);
    let schedule = why.schedule.as_ref().unwrap();
    assert_eq!(schedule.expression, "30 2 * * *");
    assert_eq!((schedule.from, schedule.to), (scene.history[0].from, None));
    assert_eq!(why.run, Some(run));
}

#[test]
fn a_time_between_instants() {
    let run = fire(LAST_NIGHT);
    let scene = Scene::nightly().with([run.clone()]);
    let why = scene.ask(Some("2026-12-01T09:00:00Z"));
    assert_eq!(why.verdict, Verdict::NotAnInstant);
    assert_eq!(
        why.sentences,
        [
            "Tue 2026-12-01 10:00:00 +01:00 is not an instant of its schedule, at 02:30 every day \
             (`30 2 * * *`, Europe/Paris)."
                .to_owned(),
            "The nearest instant before it is Tue 2026-12-01 02:30:00 +01:00.".to_owned(),
            format!(
                "It ran: due Tue 2026-12-01 02:30:00 +01:00, started 4.1 ms later, succeeded after \
                 2 min 3 s (run {}).",
                run.id
            ),
            "The nearest instant after it is Wed 2026-12-02 02:30:00 +01:00 (in 14 h).".to_owned(),
        ]
    );
    assert_eq!(why.instant, Some(t(LAST_NIGHT)));
    assert_eq!(why.run, Some(run));
}

#[test]
fn a_time_within_a_span_that_is_no_instant_of_it() {
    let (from, to) = ("2026-11-20T01:30:00Z", "2026-11-29T01:30:00Z");
    let scene = Scene::nightly().with([span(from, to, 10, Status::Skipped, Reason::PAUSED)]);
    let why = scene.ask(Some("2026-11-25T12:00:00Z"));
    assert_eq!(why.verdict, Verdict::NotAnInstant);
    assert_eq!(why.instant, Some(t("2026-11-25T01:30:00Z")));
    assert!(why.sentences[2].starts_with("It did not run: the 10 instants"));
}

#[test]
fn instants_to_come() {
    let tomorrow = Some("2026-12-02T01:30:00Z");
    let scene = Scene::nightly();
    assert_eq!(
        scene.said(tomorrow),
        "to_come\nIt is still to come: Wed 2026-12-02 02:30:00 +01:00, in 14 h."
    );
    let paused = scene.paused(None);
    assert_eq!(
        paused.said(tomorrow),
        "to_come\nIt is still to come: Wed 2026-12-02 02:30:00 +01:00, in 14 h.\n\
         It is paused since Tue 2026-12-01 11:30:00 +01:00 by uid 1000 (\"disk full\"); `punctual \
         resume backup` goes on.\n\
         As things stand it will not run."
    );
    let until = Scene::nightly().paused(Some("2026-12-01T12:00:00Z"));
    assert_eq!(
        until.said(tomorrow).lines().count(),
        2,
        "the pause is over by then"
    );
    let at_its_end = Scene::nightly().paused(tomorrow);
    assert!(at_its_end.said(tomorrow).contains("will not run"));
    let mut all = Scene::nightly();
    all.everything_paused = true;
    assert!(
        all.said(tomorrow)
            .contains("`punctual resume --all` goes on")
    );
    let claimed = unstarted("2026-12-01T11:00:04Z", Status::Scheduled, "x");
    let scene = Scene::of("every = \"1s\"").with([Run {
        reason: None,
        ..claimed
    }]);
    let said = scene.said(Some("2026-12-01T11:00:04Z"));
    assert!(
        said.starts_with(
            "scheduled\nIt is claimed: due Tue 2026-12-01 12:00:04 +01:00, to start in 4.0 s"
        ),
        "{said}"
    );
}

#[test]
fn jitter_is_told() {
    let scene = Scene::of("cron = \"30 2 * * *\"\njitter = \"10m\"");
    let due = scene.plan.due_at(t("2026-12-02T01:30:00Z"));
    let why = scene.ask(Some("2026-12-02T01:30:00Z"));
    assert_eq!(why.due_at, Some(due));
    assert!(
        why.sentences[0].ends_with("later by its jitter."),
        "{why:?}"
    );
    let start = scene.plan.due_at(t(LAST_NIGHT)).to_string();
    let said = scene.said(Some(&start));
    assert!(
        said.contains("but the start of one, put off by its `jitter` (up to 10m)"),
        "{said}"
    );
}

#[test]
fn times_before_the_account() {
    let mut scene = Scene::nightly();
    let early = Some("2026-10-20T00:30:00Z");
    assert_eq!(
        scene.said(early),
        "before_account\nNothing is known of Tue 2026-10-20 02:30:00 +02:00: the account of this \
         job begins at Sun 2026-11-01 01:00:00 +01:00, when the daemon first saw it."
    );
    let mark = t("2026-11-20T01:30:00Z");
    scene.record.pruned_through = Some(mark);
    scene.record.flags.as_mut().unwrap().audit_from = mark;
    let said = scene.said(Some("2026-11-20T01:30:00Z"));
    assert!(
        said.starts_with("before_account\nNothing is known of Fri 2026-11-20")
            && said.contains("retention"),
        "{said}"
    );
    // Between two instants, the first of which is pruned.
    let said = scene.said(Some("2026-11-20T12:00:00Z"));
    assert!(
        said.starts_with("not_an_instant") && said.contains("Nothing is known of Fri"),
        "{said}"
    );
}

#[test]
fn instants_without_a_row() {
    let mut scene = Scene::nightly();
    let said = scene.said(Some(LAST_NIGHT));
    assert!(
        said.starts_with("unaccounted\nThe account has a gap")
            && said.contains("punctual audit --job backup"),
        "{said}"
    );
    let flags = scene.record.flags.as_mut().unwrap();
    flags.decided_through = t("2026-11-30T01:30:00Z");
    let said = scene.said(Some(LAST_NIGHT));
    assert!(
        said.starts_with("undecided\nIt is not decided yet"),
        "{said}"
    );
    scene.draining = true;
    assert!(
        scene
            .said(Some(LAST_NIGHT))
            .contains("its next start decides")
    );
    let flags = scene.record.flags.as_mut().unwrap();
    flags.decided_through = t(LAST_NIGHT);
    flags.backlog = vec![(t("2026-11-27T01:30:00Z"), t(LAST_NIGHT))];
    assert!(
        scene
            .said(Some(LAST_NIGHT))
            .starts_with("backlog\nIt waits to be caught up")
    );
    let edge = scene.said(Some("2026-11-27T01:30:00Z"));
    assert!(
        edge.starts_with("unaccounted"),
        "later than its first time: {edge}"
    );
}

#[test]
fn another_schedule_then() {
    let mut scene = Scene::nightly().with([fire("2026-11-10T03:00:00Z")]);
    let changed = t("2026-11-15T10:00:00Z");
    scene.history = vec![
        Stretch {
            from: t("2026-11-01T00:00:00Z"),
            to: Some(changed),
            spec: spec("cron = \"0 4 * * *\""),
        },
        Stretch {
            from: changed,
            to: None,
            spec: scene.history[0].spec.clone(),
        },
    ];
    let said = scene.said(Some("2026-11-10T03:00:00Z"));
    assert!(
        said.ends_with(
            "At that time its schedule was at 04:00 every day (`0 4 * * *`, Europe/Paris), until \
             Sun 2026-11-15 11:00:00 +01:00; now it is at 02:30 every day (`30 2 * * *`, \
             Europe/Paris)."
        ),
        "{said}"
    );
    let said = scene.said(Some("2026-11-10T01:30:00Z"));
    assert!(
        said.contains("is not an instant of its schedule, at 04:00 every day"),
        "{said}"
    );
    // The nearest are found over the change.
    let why = scene.ask(Some("2026-11-15T12:00:00Z"));
    assert_eq!(why.before, Some(t("2026-11-15T03:00:00Z")));
    assert_eq!(why.after, Some(t("2026-11-16T01:30:00Z")));
    let why = scene.ask(Some("2026-11-15T09:00:00Z"));
    assert_eq!(why.after, Some(t("2026-11-16T01:30:00Z")));
}

#[test]
fn no_schedule_then() {
    let mut scene = Scene::nightly();
    let (off, on) = (t("2026-11-10T10:00:00Z"), t("2026-11-15T10:00:00Z"));
    let spec = scene.history[0].spec.clone();
    scene.history[0].to = Some(off);
    scene.history.push(Stretch {
        from: on,
        to: None,
        spec,
    });
    let said = scene.said(Some("2026-11-12T01:30:00Z"));
    assert!(
        said.starts_with(
            "not_an_instant\nAt Thu 2026-11-12 02:30:00 +01:00 no schedule of it was in force: it \
             was disabled or not in the config, from Tue 2026-11-10 11:00:00 +01:00 to Sun \
             2026-11-15 11:00:00 +01:00.\nThe nearest instant before it is Tue 2026-11-10"
        ),
        "{said}"
    );
    scene.history.pop();
    let said = scene.said(Some("2026-11-12T01:30:00Z"));
    assert!(
        said.contains(", since Tue 2026-11-10 11:00:00 +01:00."),
        "{said}"
    );
}

#[test]
fn outside_of_the_window() {
    let scene = Scene::of(
        "cron = \"30 2 * * *\"\nstart = \"2026-11-10T00:00:00+01:00\"\n\
         end = \"2026-11-20T00:00:00+01:00\"",
    );
    let said = scene.said(Some("2026-11-05T01:30:00Z"));
    assert!(
        said.contains("counts from its `start`, Tue 2026-11-10 00:00:00 +01:00, on."),
        "{said}"
    );
    let said = scene.said(Some("2026-11-25T01:30:00Z"));
    assert!(
        said.contains("which ended at its `end`, Fri 2026-11-20 00:00:00 +01:00."),
        "{said}"
    );
}

#[test]
fn other_runs_under_way() {
    let manual = Run {
        id: RunId::of_manual(&backup(), t(LAST_NIGHT), 1),
        trigger: Trigger::Manual,
        requested_by: Some("ann".into()),
        finished_at: None,
        status: Status::Running,
        ..fire("2026-11-30T01:29:00Z")
    };
    let skipped = unstarted(LAST_NIGHT, Status::Skipped, Reason::MAX_CONCURRENT);
    let over = fire("2026-11-29T01:30:00Z");
    let scene = Scene::nightly().with([manual.clone(), skipped.clone(), over]);
    let why = scene.ask(Some(LAST_NIGHT));
    assert_eq!(why.run, Some(skipped));
    assert_eq!(why.under_way, std::slice::from_ref(&manual));
    assert_eq!(
        why.sentences.last().unwrap(),
        &format!(
            "A manual run of it was under way then, since Mon 2026-11-30 02:29:00 +01:00: \
             running (run {}).",
            manual.id
        )
    );
    let many: Vec<Run> = (0..6)
        .map(|n| Run {
            id: RunId::of_manual(&backup(), t(LAST_NIGHT), n),
            ..manual.clone()
        })
        .collect();
    let said = Scene::nightly().with(many.clone()).said(Some(LAST_NIGHT));
    assert!(
        said.ends_with("3 more runs of it were under way then."),
        "{said}"
    );
    let four = many.into_iter().take(4);
    let said = Scene::nightly().with(four).said(Some(LAST_NIGHT));
    assert!(
        said.ends_with("1 more run of it was under way then."),
        "{said}"
    );
}

#[test]
fn a_run_is_under_way_from_its_start_to_before_its_end() {
    let run = Run {
        started_at: Some(t("2026-12-01T01:30:00Z")),
        finished_at: Some(t("2026-12-01T02:00:00Z")),
        ..fire(LAST_NIGHT)
    };
    let scene = Scene::of("cron = \"0 4 * * *\"").with([run]);
    for (at, under_way) in [
        ("2026-12-01T01:29:59Z", 0),
        ("2026-12-01T01:30:00.000001Z", 1),
        ("2026-12-01T01:59:59Z", 1),
        ("2026-12-01T02:00:00Z", 0),
    ] {
        assert_eq!(scene.ask(Some(at)).under_way.len(), under_way, "{at}");
    }
    let exact = Run {
        trigger: Trigger::Manual,
        started_at: Some(t(LAST_NIGHT)),
        ..fire(LAST_NIGHT)
    };
    let scene = Scene::of("cron = \"0 4 * * *\"").with([exact]);
    assert_eq!(scene.ask(Some(LAST_NIGHT)).under_way.len(), 1);
}

#[test]
fn a_skip_of_the_pause_that_is_on_tells_of_it() {
    let skipped = |from, to| {
        let row = span(from, to, 2, Status::Skipped, Reason::PAUSED);
        let scene = Scene::of("cron = \"*/15 * * * *\"")
            .paused(None)
            .with([row]);
        scene.said(Some(from)).contains("It is paused since")
    };
    assert!(skipped("2026-12-01T10:30:00Z", "2026-12-01T10:45:00Z"));
    assert!(skipped("2026-12-01T10:15:00Z", "2026-12-01T10:45:00Z"));
    assert!(!skipped("2026-12-01T10:00:00Z", "2026-12-01T10:15:00Z"));
}

#[test]
fn jobs_that_no_clock_starts() {
    let mut scene = Scene::of("cron = \"30 2 * * *\"");
    scene.plan = plan("on = \"startup\"");
    scene.history.clear();
    scene.next_fire = None;
    let run = Run {
        trigger: Trigger::Startup,
        ..fire("2026-12-01T01:00:00Z")
    };
    let scene = scene.with([run.clone()]);
    let why = scene.ask(Some("2026-12-01T01:01:00Z"));
    assert_eq!(why.verdict, Verdict::NotAnInstant);
    assert_eq!(why.under_way, std::slice::from_ref(&run));
    assert_eq!(
        why.sentences,
        [
            "No clock makes it run, so Tue 2026-12-01 01:01:00 +00:00 is no instant of it: it runs \
             when the daemon starts."
                .to_owned(),
            format!(
                "A start-up run of it was under way then, from Tue 2026-12-01 01:00:00 +00:00 \
                 to Tue 2026-12-01 01:02:03 +00:00: succeeded (run {}).",
                run.id
            ),
        ]
    );
    let why = scene.ask(Some("2026-12-01T09:00:00Z"));
    assert_eq!(why.run, Some(run));
    assert!(
        why.sentences[1].starts_with("Before that, it ran: made at"),
        "{why:?}"
    );
}

#[test]
fn a_row_that_no_schedule_names_is_told_all_the_same() {
    let scene = Scene::nightly().with([fire("2026-11-10T05:00:00Z")]);
    let said = scene.said(Some("2026-11-10T05:00:00Z"));
    assert!(said.starts_with("succeeded\nIt ran: due"), "{said}");
    assert!(
        said.contains("No schedule that the ledger remembers names this time"),
        "{said}"
    );
}

/// What is said of the clocks, if anything.
fn clocks(cron: &str, at: &str) -> Option<String> {
    let mut scene = Scene::of(&format!(
        "cron = \"{cron}\"\ntimezone = \"America/New_York\""
    ));
    scene.history[0].from = t("2026-01-01T00:00:00Z");
    scene.record.flags.as_mut().unwrap().audit_from = scene.history[0].from;
    let said = scene.ask(Some(at)).sentences;
    said.into_iter().find(|line| line.contains("the clocks of"))
}

#[test]
fn nights_on_which_the_clocks_change() {
    let set = "on 2026-03-08 the clocks of America/New_York are set from 02:00 to 03:00";
    let moved = format!(
        "02:30 does not exist then: {set}, and a fixed time between runs at 03:00 instead."
    );
    // At the instant that it was moved to, and at the time that a clock without the gap would show.
    for at in ["2026-03-08T03:00:00-04:00", "2026-03-08T03:30:00-04:00"] {
        assert_eq!(clocks("30 2 * * *", at), Some(moved.clone()), "{at}");
    }
    assert_eq!(clocks("30 2 * * *", "2026-03-08T04:00:00-04:00"), None);
    assert_eq!(clocks("30 2 * * *", "2026-03-09T02:30:00-04:00"), None);
    assert_eq!(
        clocks("*/20 2 * * *", "2026-03-08T03:20:00-04:00"),
        Some(format!(
            "02:00 does not exist then: {set}, and what is not a fixed time is left out."
        ))
    );
    assert_eq!(clocks("*/30 * * * *", "2026-03-08T03:00:00-04:00"), None);
    assert_eq!(
        clocks("0 12 * * *", "2026-03-08T03:30:00-04:00"),
        Some(format!("O{}; no local time between exists.", &set[1..]))
    );
    assert_eq!(clocks("0 3 * * *", "2026-03-08T03:00:00-04:00"), None);
    let own = "2026-03-08T03:30:00-04:00";
    assert_eq!(clocks("30 2,3 * * *", own), None, "an instant of its own");

    let set = "on 2026-11-01 the clocks of America/New_York are set from 02:00 to 01:00";
    let once =
        format!("01:30 comes twice then: {set}, and a fixed time runs the first time alone.");
    for at in ["2026-11-01T01:30:00-04:00", "2026-11-01T01:30:00-05:00"] {
        assert_eq!(clocks("30 1 * * *", at), Some(once.clone()), "{at}");
    }
    let twice =
        format!("01:00 comes twice then: {set}, and what is not a fixed time runs both times.");
    for at in ["2026-11-01T01:00:00-04:00", "2026-11-01T01:00:00-05:00"] {
        assert_eq!(clocks("*/30 1 * * *", at), Some(twice.clone()), "{at}");
    }
    assert_eq!(clocks("30 1 * * *", "2026-11-01T01:15:00-05:00"), None);
    assert_eq!(clocks("0 2 * * *", "2026-11-01T02:00:00-05:00"), None);
    let verdict = |at| {
        let scene = Scene::of("cron = \"30 1 * * *\"\ntimezone = \"America/New_York\"");
        scene.ask(Some(at)).verdict
    };
    assert_eq!(verdict("2026-11-01T01:30:00-05:00"), Verdict::NotAnInstant);
}

#[test]
fn a_day_that_a_zone_left_out() {
    let mut scene = Scene::of("cron = \"0 9 * * *\"\ntimezone = \"Pacific/Apia\"");
    scene.history[0].from = t("2011-01-01T00:00:00Z");
    let said = scene.said(Some("2011-12-30T10:00:00Z"));
    assert!(
        said.contains(
            "09:00 does not exist then: on 2011-12-30 the clocks of Pacific/Apia are set from \
             00:00 to 2011-12-31 00:00"
        ),
        "{said}"
    );
}
