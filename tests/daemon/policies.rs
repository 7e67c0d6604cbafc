//! Policies with real processes: who waits, who gives way, who is tried again, who follows whom.

use crate::daemon::{Place, Row, wait_until};

/// A line of shell that fails if another of its kind runs beside it, and notes when it begins.
const ALONE: &str = "mkdir $PLACE/alone || { echo two >> $PLACE/overlaps; exit 9; }; \
                     trap 'rmdir $PLACE/alone; exit 7' TERM; echo $PUNCTUAL_SCHEDULED_AT >> $PLACE/begun;";

fn of_status(place: &Place, status: &str) -> Vec<Row> {
    let rows = place.rows();
    rows.into_iter()
        .filter(|row| row.status == status)
        .collect()
}

fn at_least(place: &Place, status: &str, count: usize) -> Vec<Row> {
    wait_until(&format!("{count} {status}"), || {
        Some(of_status(place, status)).filter(|rows| rows.len() >= count)
    })
}

/// The attempts of a job's runs, in order: number, status and exit code.
fn attempts(place: &Place, job: &str) -> Vec<(i64, String, Option<i64>)> {
    let ledger = place.ledger().unwrap();
    let mut statement = ledger
        .prepare(
            "SELECT number, attempts.status, attempts.exit_code FROM attempts JOIN runs \
             ON runs.id = attempts.run WHERE job = ?1 ORDER BY runs.scheduled_at, number",
        )
        .unwrap();
    let rows = statement.query_map([job], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)));
    rows.unwrap().map(Result::unwrap).collect()
}

#[test]
fn queued_runs_go_one_after_another() {
    let place = Place::new(&format!(
        "[jobs.a]\nevery = \"1s\"\nconcurrency_policy = \"queue\"\nqueue_limit = 2\n\
         shell = \"{ALONE} sleep 1.3; rmdir $PLACE/alone\"\n"
    ));
    let daemon = place.start();
    at_least(&place, "succeeded", 3);
    wait_until("one too many", || {
        let rows = place.rows().into_iter();
        let full = |row: &Row| row.reason.as_deref() == Some("queue_limit");
        rows.filter(full).count().checked_sub(1)
    });
    daemon.terminate();
    assert_eq!(place.lines("overlaps"), Vec::<String>::new());
    let begun = place.lines("begun");
    assert!(
        begun.is_sorted(),
        "in the order of their instants: {begun:?}"
    );
}

#[test]
fn a_replaced_run_is_dead_before_the_next_begins() {
    let place = Place::new(&format!(
        "[jobs.a]\nevery = \"1s\"\nconcurrency_policy = \"replace\"\n\
         shell = \"{ALONE} while :; do sleep 0.05; done\"\n"
    ));
    let daemon = place.start();
    let gone = at_least(&place, "cancelled", 3);
    daemon.terminate();
    assert_eq!(place.lines("overlaps"), Vec::<String>::new());
    for row in &gone[..3] {
        assert_eq!(row.reason.as_deref(), Some("replaced"), "{row:?}");
    }
}

#[test]
fn a_run_that_fails_is_tried_again_also_by_the_next_daemon() {
    let place = Place::new(
        "[jobs.a]\nevery = \"500d\"\nparams = { x = { default = \"y\" } }\n\
         retry = { max_retries = 3, initial_delay = \"2s\", multiplier = 1, on_exit_codes = [75] }\n\
         shell = 'echo $PUNCTUAL_ATTEMPT $PUNCTUAL_RUN_ID $PUNCTUAL_PARAM_X >> $PLACE/tries; \
         [ $PUNCTUAL_ATTEMPT = 3 ] && exit 1; exit 75'\n",
    );
    let daemon = place.start();
    crate::cli::said(&place, &["trigger", "a"]);
    wait_until("a delay", || {
        let rows = of_status(&place, "queued");
        (rows.len() == 1 && attempts(&place, "a").len() == 1).then_some(())
    });
    daemon.kill9();
    let daemon = place.start();
    let failed = at_least(&place, "failed", 1);
    assert_eq!((failed.len(), failed[0].trigger.as_str()), (1, "manual"));
    let expected = [(1, 75), (2, 75), (3, 1)];
    let expected = expected.map(|(number, code)| (number, "failed".to_owned(), Some(code)));
    assert_eq!(attempts(&place, "a"), expected);
    daemon.terminate();
    let tries = place.lines("tries");
    let told: Vec<Vec<&str>> = tries.iter().map(|line| line.split(' ').collect()).collect();
    assert_eq!(
        told.iter().map(|it| it[0]).collect::<Vec<_>>(),
        ["1", "2", "3"]
    );
    assert!(
        told.iter().all(|it| it[1] == told[0][1] && it[2] == "y"),
        "{tries:?}"
    );
}

#[test]
fn total_timeout_ends_all_of_a_run() {
    let place = Place::new(
        "[jobs.a]\non = \"startup\"\ntotal_timeout = \"2500ms\"\n\
         retry = { max_retries = 9, initial_delay = \"500ms\", multiplier = 1 }\n\
         shell = '[ $PUNCTUAL_ATTEMPT = 2 ] && exec sleep 600; exit 1'\n",
    );
    let daemon = place.start();
    let ended = at_least(&place, "timed_out", 1);
    assert_eq!(ended[0].reason.as_deref(), Some("total_timeout"));
    assert_eq!(attempts(&place, "a").len(), 2);
    daemon.terminate();
    assert_eq!(place.processes(), Vec::<u32>::new());
}

#[test]
fn a_supervised_job_is_there_once_whatever_dies() {
    let place = Place::new(
        "[jobs.worker]\non = \"startup\"\nrestart = \"always\"\n\
         retry = { initial_delay = \"300ms\", multiplier = 1 }\n\
         shell = 'echo $$ >> $PLACE/pids; exec sleep 600'\n\
         [jobs.once]\non = \"startup\"\nshell = 'echo x >> $PLACE/once'\n",
    );
    let alive = |count: usize| {
        wait_until("a worker", || {
            let pids = place.lines("pids");
            (pids.len() == count).then(|| pids[count - 1].parse::<u32>().unwrap())
        })
    };
    let daemon = place.start();
    let first = alive(1);
    let pid = rustix::process::Pid::from_raw(first.cast_signed()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
    let second = alive(2);
    let failed = at_least(&place, "failed", 1);
    assert_eq!(failed[0].trigger, "startup");
    daemon.kill9();
    let daemon = place.start();
    let third = alive(3);
    // While a process becomes another program, its environment cannot be read.
    let left = wait_until("the third worker", || {
        Some(place.processes()).filter(|left| left.contains(&third))
    });
    assert!(!left.contains(&second), "{left:?}");
    wait_until("once at each start", || {
        (place.lines("once").len() == 2).then_some(())
    });
    assert_eq!(of_status(&place, "lost").len(), 1);
    daemon.terminate();
    assert_eq!(place.processes(), Vec::<u32>::new());
}

#[test]
fn a_job_follows_two_others_and_remembers_one_over_a_kill() {
    let wait = |job: &str| {
        format!(
            "[jobs.{job}]\non = \"startup\"\nshell = 'while [ ! -e $PLACE/{job} ]; do sleep 0.05; \
             done; rm $PLACE/{job}'\n"
        )
    };
    let place = Place::new(&format!(
        "{}{}[jobs.c]\nafter = [\"a\", \"b\"]\nshell = 'echo $PUNCTUAL_TRIGGER >> $PLACE/c'\n",
        wait("a"),
        wait("b")
    ));
    let daemon = place.start();
    std::fs::write(place.path("a"), "").unwrap();
    at_least(&place, "succeeded", 1);
    daemon.kill9();
    let daemon = place.start();
    // The a of this life runs on: that of the life before counts.
    std::fs::write(place.path("b"), "").unwrap();
    wait_until("the third", || (place.lines("c").len() == 1).then_some(()));
    daemon.terminate();
    assert_eq!(place.lines("c"), ["after"]);
}
