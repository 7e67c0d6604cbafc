//! How a job stands.

use super::{Scene, backup, fire, plan, span, t, unstarted};
use crate::dispatch::State;
use crate::explain::Verdict;
use crate::job::{ConcurrencyPolicy, JobName, Reason, Run, RunId, Status, Trigger};

const LAST_NIGHT: &str = "2026-12-01T01:30:00Z";

const NEXT: &str = "It runs next at Wed 2026-12-02 02:30:00 +01:00, in 14 h; its schedule is at \
                    02:30 every day (`30 2 * * *`, Europe/Paris).";

fn lines(scene: &Scene) -> Vec<String> {
    scene.said(None).lines().map(str::to_owned).collect()
}

#[test]
fn a_job_that_ran_and_runs_again() {
    let run = fire(LAST_NIGHT);
    let scene = Scene::nightly().with([run.clone()]);
    let why = scene.ask(None);
    assert_eq!(why.verdict, Verdict::ToCome);
    assert_eq!(
        why.sentences,
        [
            format!(
                "Last time it ran: due Tue 2026-12-01 02:30:00 +01:00, started 4.1 ms later, \
                 succeeded after 2 min 3 s (run {}).",
                run.id
            ),
            NEXT.to_owned()
        ]
    );
    assert_eq!(why.next_fire, Some(t("2026-12-02T01:30:00Z")));
    assert_eq!(why.instant, Some(t(LAST_NIGHT)));
    assert_eq!(why.run, Some(run));
}

#[test]
fn a_job_that_never_ran() {
    let scene = Scene::nightly();
    let first = &lines(&scene)[1];
    assert_eq!(
        first,
        "It has not run yet since the daemon first saw it, at Sun 2026-11-01 01:00:00 +01:00."
    );
    let mut scene = scene;
    scene.record.pruned_through = Some(t("2026-11-20T00:00:00Z"));
    assert!(lines(&scene)[1].contains("retention has removed its rows"));
}

#[test]
fn what_did_not_run_last_and_what_ran_before() {
    let skipped = span(
        "2026-12-01T09:00:00Z",
        "2026-12-01T10:00:00Z",
        2,
        Status::Skipped,
        Reason::MAX_CONCURRENT,
    );
    let long = Run {
        finished_at: Some(t("2026-12-01T10:30:00Z")),
        ..fire("2026-12-01T08:00:00Z")
    };
    let scene = Scene::of("cron = \"0 * * * *\"").with([skipped, long.clone()]);
    let said = lines(&scene);
    assert!(
        said[1].starts_with("Last time it did not run: the 2 instants"),
        "{said:?}"
    );
    assert!(
        said[1].contains("as `max_concurrent` allows (1 now)"),
        "{said:?}"
    );
    assert!(said[2].contains("raise `max_concurrent`"), "{said:?}");
    assert!(
        said[3].starts_with("A run of it was under way then, from"),
        "{said:?}"
    );
    assert!(
        said[4].starts_with("Before that, it ran: due Tue 2026-12-01 09:00"),
        "{said:?}"
    );
    // The one that ran is older than all rows that are read.
    let mut scene = scene;
    scene.record.earlier.pop();
    scene.record.last_ended = Some(long);
    assert!(
        lines(&scene)[3].starts_with("Before that, it ran: due"),
        "{said:?}"
    );
}

#[test]
fn runs_that_are_not_over() {
    let running = Run {
        status: Status::Running,
        finished_at: None,
        exit_code: None,
        attempts: 2,
        ..fire("2026-12-01T10:59:00Z")
    };
    let mut scene = Scene::of("cron = \"* * * * *\"").with([running.clone(), fire(LAST_NIGHT)]);
    scene.running = 1;
    let why = scene.ask(None);
    assert_eq!(why.verdict, Verdict::Row(Status::Running));
    assert_eq!(
        why.sentences[0],
        format!(
            "It runs: due Tue 2026-12-01 11:59:00 +01:00, started 4.1 ms later, running for 60 s, \
             at attempt 2 (run {}).",
            running.id
        )
    );
    assert!(why.sentences[1].starts_with("Last time it ran"));
    let many: Vec<Run> = (0..5)
        .map(|n| Run {
            id: RunId::of_manual(&backup(), t(LAST_NIGHT), n),
            ..running.clone()
        })
        .collect();
    let mut scene = scene.with(many);
    assert_eq!(lines(&scene)[4], "2 more runs of it are not over.");
    scene.record.earlier.pop();
    assert_eq!(lines(&scene)[4], "1 more run of it is not over.");
}

#[test]
fn a_first_run_that_is_not_over_is_no_lack_of_runs() {
    let first = |status, retry_at: Option<&str>, attempts| Run {
        status,
        retry_at: retry_at.map(t),
        started_at: Some(t("2026-12-01T10:59:00Z")).filter(|_| attempts > 0),
        finished_at: None,
        exit_code: None,
        attempts,
        ..fire("2026-12-01T10:59:00Z")
    };
    let lacks = |run: Run| {
        let said = Scene::of("cron = \"* * * * *\"").with([run]).said(None);
        said.contains("has not run yet")
    };
    assert!(!lacks(first(Status::Running, None, 1)));
    let delay = Some("2026-12-01T11:00:10Z");
    assert!(!lacks(first(Status::Queued, delay, 1)), "waits for a retry");
    assert!(lacks(first(Status::Queued, None, 0)), "it waits to begin");
}

/// What is said of a run that waits.
fn waits(change: impl FnOnce(&mut Scene, &mut Run)) -> String {
    let mut run = Run {
        queued_at: Some(t("2026-12-01T10:59:30Z")),
        reason: None,
        ..unstarted("2026-12-01T10:59:30Z", Status::Queued, "")
    };
    let mut scene = Scene::nightly();
    scene.queued = 1;
    change(&mut scene, &mut run);
    let id = run.id.to_string();
    let said = scene.with([run]).said(None);
    assert!(
        said.starts_with("queued\nIt waits: ") || said.starts_with("stopping"),
        "{said}"
    );
    let (_, why) = said.split_once(&format!("{id}), ")).unwrap();
    why.lines().next().unwrap().to_owned()
}

#[test]
fn what_a_run_waits_for() {
    assert_eq!(waits(|_, _| {}), "and is about to start.");
    assert_eq!(
        waits(|scene, _| {
            scene.pool.name = "cpu".into();
            (scene.pool.slots, scene.pool.used, scene.pool.queued) = (4, 4, 3);
        }),
        "for a slot of the pool cpu: its 4 slots are taken, and 3 runs wait for one."
    );
    assert_eq!(
        waits(|scene, run| {
            scene.plan.retry.max_retries = 3;
            run.attempts = 1;
            run.retry_at = Some(t("2026-12-01T11:00:10Z"));
        }),
        "until attempt 2 of at most 4, at Tue 2026-12-01 12:00:10 +01:00."
    );
    // Its delay is over, and there is no slot.
    assert_eq!(
        waits(|scene, run| {
            (scene.pool.slots, scene.pool.used, scene.pool.queued) = (1, 1, 1);
            run.attempts = 1;
            run.retry_at = Some(t("2026-12-01T10:59:50Z"));
        }),
        "for a slot of the pool default: its one slot is taken, and it alone waits for one."
    );
    assert_eq!(
        waits(|scene, run| {
            run.trigger = Trigger::CatchUp;
            scene.flags.paused = true;
        }),
        "until the pause is over: while a job is paused, nothing is caught up."
    );
    assert_eq!(
        waits(|scene, _| scene.draining = true),
        "until the daemon is started again: it is shutting down."
    );
}

#[test]
fn a_run_waits_behind_others_by_its_policy() {
    let waits = |policy, others: &[Run]| {
        let last = Run {
            reason: None,
            ..unstarted("2026-12-01T10:59:30Z", Status::Queued, "")
        };
        let mut scene = Scene::of("cron = \"* * * * *\"\nmax_concurrent = 2");
        scene.plan.concurrency_policy = policy;
        let id = last.id.to_string();
        let said = scene.with(others.iter().cloned().chain([last])).said(None);
        let (_, why) = said.split_once(&format!("{id}), ")).unwrap();
        why.lines().next().unwrap().to_owned()
    };
    let running = Run {
        status: Status::Running,
        finished_at: None,
        ..fire("2026-12-01T10:50:00Z")
    };
    // It failed, and is tried again.
    let delayed = Run {
        status: Status::Queued,
        retry_at: Some(t("2026-12-01T11:00:10Z")),
        finished_at: None,
        ..fire("2026-12-01T10:51:00Z")
    };
    let over = fire("2026-12-01T10:52:00Z");
    let starts = "and is about to start.";
    let queue = ConcurrencyPolicy::Queue;
    assert_eq!(waits(queue, &[running.clone(), over.clone()]), starts);
    let two = [running, delayed, over];
    assert_eq!(
        waits(queue, &two),
        "behind 2 runs of the job: at most 2 of it run at once, by `max_concurrent`."
    );
    assert_eq!(
        waits(ConcurrencyPolicy::Replace, &two),
        "until the run that it replaces has been stopped."
    );
    assert_eq!(waits(ConcurrencyPolicy::Allow, &two), starts);
    // What is caught up is waited for, and what is in line behind it has no place yet.
    let caught_up = |run: &Run| Run {
        trigger: Trigger::CatchUp,
        ..run.clone()
    };
    let replace = ConcurrencyPolicy::Replace;
    let mixed = [caught_up(&two[0]), two[1].clone()];
    assert_eq!(
        waits(replace, &mixed),
        "until one of the runs before it has ended; what is caught up among them is not replaced."
    );
    let in_line = Run {
        trigger: Trigger::CatchUp,
        reason: None,
        ..unstarted("2026-12-01T10:55:00Z", Status::Queued, "")
    };
    assert_eq!(waits(replace, &[caught_up(&two[0]), in_line]), starts);
}

#[test]
fn a_run_that_replaces_waits_for_what_is_caught_up() {
    let caught_up = Run {
        status: Status::Running,
        trigger: Trigger::CatchUp,
        finished_at: None,
        ..fire("2026-12-01T10:50:00Z")
    };
    let last = Run {
        reason: None,
        ..unstarted("2026-12-01T10:59:30Z", Status::Queued, "")
    };
    let keys = |policy| format!("cron = \"* * * * *\"\nconcurrency_policy = \"{policy}\"");
    let said = |policy| {
        let scene = Scene::of(&keys(policy));
        lines(&scene.with([caught_up.clone(), last.clone()]))[1].clone()
    };
    let replaces = said("replace");
    assert!(
        replaces.ends_with(
            ", until the run that is being caught up has ended: that one is not replaced."
        ),
        "{replaces}"
    );
    let queues = said("queue");
    assert!(
        queues.ends_with(
            "behind 1 run of the job: at most 1 of it runs at once, by `max_concurrent`."
        ),
        "{queues}"
    );
}

#[test]
fn calendars_are_why_not_sooner() {
    let calendar = "[calendars.off]\ndates = [\"2026-12-02\", \"2026-12-03\"]";
    let mut scene = Scene::of(&format!(
        "cron = \"30 2 * * *\"\nexclude = [\"off\"]\n{calendar}"
    ));
    scene.next_fire = scene.plan.next_firing_after(scene.now);
    let said = lines(&scene);
    assert!(
        said[2].starts_with("It runs next at Fri 2026-12-04 02:30:00 +01:00, in 2 d;")
            && said[2].contains("except on days of off"),
        "{said:?}"
    );
    assert_eq!(
        said[3],
        "Not sooner, because the job excludes the days of the calendar off."
    );
    let said = scene.said(Some("2026-12-02T01:30:00Z"));
    assert!(
        said.starts_with("to_come\n")
            && said.ends_with(
                "Its date is in the calendar off, which the job excludes.\n\
                 As things stand it will not run."
            ),
        "{said}"
    );
    let said = scene.said(Some("2026-12-04T01:30:00Z"));
    assert_eq!(said.lines().count(), 2, "{said}");
    let why = scene.paused(Some("2026-12-01T12:00:00Z")).ask(None);
    assert_eq!(why.next_fire, Some(t("2026-12-04T01:30:00Z")));
    let mut never = Scene::of(&format!(
        "at = \"2026-12-02T12:00:00Z\"\nexclude = [\"off\"]\n{calendar}"
    ));
    never.next_fire = None;
    assert!(
        never
            .said(None)
            .ends_with("its calendars exclude every instant ahead.")
    );
}

#[test]
fn catch_up_runs_wait_in_line() {
    let queued = |at| Run {
        trigger: Trigger::CatchUp,
        reason: None,
        ..unstarted(at, Status::Queued, "")
    };
    let scene = Scene::nightly().with([
        queued("2026-12-01T01:30:00Z"),
        queued("2026-11-30T01:30:00Z"),
    ]);
    let said = lines(&scene);
    assert!(
        said[1].contains("behind those of the job that are caught up before it"),
        "{said:?}"
    );
    assert!(said[2].ends_with("and is about to start."), "{said:?}");
}

#[test]
fn a_backlog_is_counted() {
    let mut scene = Scene::nightly();
    scene.flags.backlog = vec![
        (t("2026-11-11T01:29:59.999999Z"), t("2026-11-12T01:30:00Z")),
        (t("2026-11-20T01:30:00Z"), t("2026-11-21T01:30:00Z")),
    ];
    let said = lines(&scene);
    assert_eq!(
        said[2],
        "3 instants, from Wed 2026-11-11 02:30:00 +01:00 to Sat 2026-11-21 02:30:00 +01:00, wait \
         to be caught up, one at a time, the oldest first."
    );
    scene.flags.backlog.remove(0);
    assert_eq!(
        lines(&scene)[2],
        "The instant Sat 2026-11-21 02:30:00 +01:00 waits to be caught up."
    );
}

#[test]
fn paused_jobs() {
    let said = Scene::nightly().paused(None).said(None);
    let last = said.lines().last().unwrap();
    assert!(said.starts_with("paused\n"), "{said}");
    assert_eq!(
        last,
        "It is paused since Tue 2026-12-01 11:30:00 +01:00 by uid 1000 (\"disk full\"); `punctual \
         resume backup` goes on."
    );
    let why = Scene::nightly()
        .paused(Some("2026-12-05T11:00:00Z"))
        .ask(None);
    assert_eq!(why.next_fire, Some(t("2026-12-06T01:30:00Z")));
    assert!(why.sentences[1].contains("by uid 1000 until Sat 2026-12-05 12:00:00 +01:00 (\"disk"));
    assert!(why.sentences[2].starts_with("It runs next at Sun 2026-12-06 02:30:00 +01:00, in 4 d"));
    // A skip of this very pause tells of it once.
    let skipped = unstarted("2026-12-01T10:45:00Z", Status::Skipped, Reason::PAUSED);
    let said = Scene::nightly().paused(None).with([skipped]).said(None);
    assert_eq!(said.matches("It is paused since").count(), 1, "{said}");
    let mut all = Scene::nightly();
    all.everything_paused = true;
    all.next_fire = None;
    let why = all.ask(None);
    assert_eq!((why.verdict, why.next_fire), (Verdict::Paused, None));
    assert_eq!(
        why.sentences[1],
        "Everything is paused; `punctual resume --all` goes on."
    );
}

#[test]
fn jobs_that_do_not_run_any_more() {
    let mut off = Scene::of("cron = \"30 2 * * *\"\nenabled = false");
    off.state = State::Disabled;
    off.next_fire = None;
    let said = off.said(None);
    assert!(
        said.starts_with("disabled\n") && said.contains("(`enabled = false`)"),
        "{said}"
    );

    let over = |keys: &str| {
        let mut scene = Scene::of(keys);
        scene.state = State::Finished;
        scene.next_fire = None;
        scene.said(None)
    };
    let said = over("at = \"2026-11-20T12:00:00Z\"");
    assert!(
        said.starts_with("finished\n")
            && said.contains("its one instant, Fri 2026-11-20 13:00:00 +01:00, is over"),
        "{said}"
    );
    let said = over("cron = \"30 2 * * *\"\nend = \"2026-11-20T00:00:00+01:00\"");
    assert!(
        said.contains("ended at its `end`, Fri 2026-11-20"),
        "{said}"
    );
    let said = over("cron = \"0 0 2 * * * 2025\"");
    assert!(
        said.contains("no instant is left of its schedule"),
        "{said}"
    );

    let mut stopping = Scene::nightly();
    stopping.draining = true;
    let said = stopping.said(None);
    assert!(
        said.starts_with("stopping\n") && said.contains("shutting down"),
        "{said}"
    );
}

#[test]
fn a_window_that_has_not_begun() {
    let scene = Scene::of("cron = \"30 2 * * *\"\nstart = \"2027-01-01T00:00:00+01:00\"");
    let said = scene.said(None);
    assert!(
        said.contains("It runs next at Fri 2027-01-01 02:30:00 +01:00, in 30 d"),
        "{said}"
    );
    assert!(
        said.ends_with("counts from its `start`, Fri 2027-01-01 00:00:00 +01:00, on."),
        "{said}"
    );
}

#[test]
fn a_job_that_left_the_config() {
    let mut scene = Scene::nightly().with([fire(LAST_NIGHT)]);
    scene.in_config = false;
    scene.history[0].to = Some(t("2026-12-01T10:00:00Z"));
    let why = scene.ask(None);
    assert_eq!((why.verdict, why.next_fire), (Verdict::Gone, None));
    assert_eq!(
        why.sentences[0],
        "backup is not in the config any more: its schedule ended at Tue 2026-12-01 11:00:00 \
         +01:00. What the ledger has of it stays until retention removes it."
    );
    assert!(why.sentences[1].starts_with("Last time it ran"));
    assert!(
        scene
            .said(Some(LAST_NIGHT))
            .starts_with("succeeded\nIt ran")
    );
}

#[test]
fn jobs_that_events_start() {
    let scene = |keys: &str| {
        let mut scene = Scene::nightly();
        scene.plan = plan(&format!(
            "{keys}\n[jobs.dump]\nevery = \"1h\"\ncommand = [\"true\"]\n\
             [jobs.check]\nevery = \"1h\"\ncommand = [\"true\"]"
        ));
        scene.history.clear();
        scene.next_fire = None;
        scene
    };
    let mut after = scene("after = [\"dump\", { job = \"check\", status = \"failed\" }]");
    let last = |scene: &Scene| lines(scene).pop().unwrap();
    assert_eq!(
        last(&after),
        "It runs when dump has succeeded and check has failed since it last started; none of them \
         has yet."
    );
    let dump = JobName::new("dump").unwrap();
    let run = RunId::of_fire(&dump, t(LAST_NIGHT));
    after.flags.seen.insert(dump, (run, t(LAST_NIGHT)));
    assert!(after.said(None).starts_with("waiting\n"));
    assert!(
        last(&after).ends_with(&format!("; dump (run {run}) has, check not yet.")),
        "{}",
        last(&after)
    );
    let check = JobName::new("check").unwrap();
    after.flags.seen.insert(check, (run, t(LAST_NIGHT)));
    after.plan = scene(
        "after = [\"dump\", \"check\", \"more\"]\n[jobs.more]\nevery = \"1h\"\ncommand = [\"true\"]",
    )
    .plan;
    assert!(
        last(&after).ends_with(&format!(
            "dump (run {run}) and check (run {run}) have, more not yet."
        )),
        "{}",
        last(&after)
    );
    assert_eq!(
        last(&scene("after = [\"dump\"]")),
        "It runs when dump has succeeded since it last started; it has not yet."
    );
    let startup = scene("on = \"startup\"");
    assert!(startup.said(None).starts_with("waiting\n"));
    assert_eq!(last(&startup), "It runs once at each start of the daemon.");
    let mut always = scene("on = \"startup\"\nrestart = \"always\"");
    assert!(last(&always).contains("started again whenever it ends"));
    always.next_fire = Some(t("2026-12-01T11:00:10Z"));
    let why = always.ask(None);
    assert_eq!(
        (why.verdict, why.next_fire),
        (Verdict::ToCome, always.next_fire)
    );
    assert_eq!(
        last(&always),
        "It is started again at Tue 2026-12-01 11:00:10 +00:00, in 10 s."
    );
}

#[test]
fn paused_jobs_that_are_started_again() {
    let said = |restart: &str, status: Status, running| {
        let mut scene = Scene::nightly().paused(None);
        scene.plan = plan(&format!("on = \"startup\"\nrestart = \"{restart}\""));
        scene.history.clear();
        scene.running = running;
        let run = Run {
            trigger: Trigger::Startup,
            status,
            ..fire("2026-12-01T10:00:00Z")
        };
        lines(&scene.with([run])).pop().unwrap()
    };
    let (over, failed) = (Status::Succeeded, Status::Failed);
    let begins = |restart| {
        format!("It is started again when the pause is over (`restart = \"{restart}\"`).")
    };
    assert_eq!(said("always", over, 0), begins("always"));
    assert_eq!(said("on-failure", failed, 0), begins("on-failure"));
    assert!(said("on-failure", over, 0).starts_with("It runs at each start of the daemon"));
    assert!(said("always", Status::Running, 1).contains("not started again before the pause"));
    assert!(said("on-failure", Status::Running, 1).contains("and not while it is paused"));
    assert!(said("never", over, 0).contains("that does not find it paused"));
}

#[test]
fn the_next_fire_tells_of_clocks_that_change() {
    let mut scene = Scene::nightly();
    scene.now = t("2027-03-27T12:00:00Z");
    scene.next_fire = scene.plan.next_after(scene.now);
    let said = scene.said(None);
    assert!(
        said.ends_with(
            "02:30 does not exist then: on 2027-03-28 the clocks of Europe/Paris are set from \
             02:00 to 03:00, and a fixed time between runs at 03:00 instead."
        ),
        "{said}"
    );
}
