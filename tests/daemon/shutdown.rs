//! How a daemon ends.

use std::os::unix::net::UnixStream;

use rustix::process::Signal;

use crate::daemon::{Daemon, Place, wait_until};
use crate::http::Door;

const LONG: &str = "[scheduler]\nshutdown_grace = \"1s\"\n[jobs.long]\nevery = \"1s\"\n\
    kill_timeout = \"500ms\"\nshell = 'touch $PLACE/started; trap \"\" TERM; while :; do sleep 1; done'";

#[test]
fn with_the_grace_over_what_runs_is_cancelled_and_nothing_lives_on() {
    let place = Place::new(LONG);
    let daemon = place.start();
    wait_until("a start", || place.path("started").exists().then_some(()));
    assert!(daemon.terminate().success());
    let rows = place.rows();
    let run = rows.iter().find(|row| row.started_at.is_some()).unwrap();
    assert_eq!(
        (run.status.as_str(), run.reason.as_deref()),
        ("cancelled", Some("shutdown"))
    );
    assert_eq!(place.processes(), Vec::<u32>::new());
}

#[test]
fn a_second_signal_hurries() {
    let place = Place::new(&LONG.replace("\"1s\"\n[jobs", "\"1h\"\n[jobs"));
    let mut daemon = place.start();
    wait_until("a start", || place.path("started").exists().then_some(()));
    daemon.signal(Signal::TERM);
    daemon.wait_for_log("stopping");
    daemon.signal(Signal::TERM);
    assert!(daemon.wait().success());
    assert_eq!(place.processes(), Vec::<u32>::new());
}

#[test]
fn a_stop_before_it_was_ready_is_no_failure() {
    let place = Place::new("[jobs.beat]\nevery = \"1s\"\nshell = 'echo >> $PLACE/ran'");
    assert!(place.start().terminate().success());
    let before = (place.rows(), place.lines("ran"));
    // The first decisions of a life wait for the ledger.
    let holder = place.hold_ledger();
    let mut daemon = place.spawn();
    wait_until("a listener", || {
        UnixStream::connect(place.path("punctual.sock")).ok()
    });
    daemon.signal(Signal::TERM);
    daemon.wait_for_log("before the daemon was ready");
    assert!(daemon.wait().success());
    drop(holder);
    assert_eq!((place.rows(), place.lines("ran")), before);
}

#[test]
fn a_claim_that_a_shutdown_took_is_caught_up_in_the_next_life() {
    let at = punctual::clock::now()
        .saturating_add(std::time::Duration::from_secs(3))
        .unwrap();
    let job = format!("[jobs.once]\nat = \"{at:.0}\"\nshell = 'echo ran >> $PLACE/ran'");
    let place = Place::new(&job);
    let daemon = place.start();
    wait_until("the claim", || {
        place
            .rows()
            .into_iter()
            .find(|row| row.status == "scheduled")
    });
    assert!(daemon.terminate().success());
    let row = &place.rows()[0];
    assert_eq!(
        (row.status.as_str(), row.reason.as_deref()),
        ("missed", Some("shutdown"))
    );
    let _daemon = place.start();
    wait_until("the run", || {
        place
            .rows()
            .into_iter()
            .find(|row| row.status == "succeeded")
    });
    assert_eq!(place.lines("ran"), ["ran"]);
    assert_eq!(place.rows().len(), 1);
}

#[test]
fn queued_runs_wait_for_the_next_life() {
    let place = Place::new(
        "[scheduler]\nshutdown_grace = \"100ms\"\n[pools.one]\nslots = 1\n\
         [jobs.first]\nevery = \"1000d\"\npool = \"one\"\nkill_timeout = \"100ms\"\n\
         shell = '[ -e $PLACE/go ] || exec sleep 600'\n\
         [jobs.second]\nevery = \"1000d\"\npool = \"one\"\nshell = 'echo ran >> $PLACE/ran'\n",
    );
    let daemon = place.start();
    let door = Door::Unix(place.path("punctual.sock"));
    for job in ["first", "second"] {
        let trigger = door.post(&format!("/api/v1/jobs/{job}/trigger"));
        assert_eq!(trigger.status(), 202);
    }
    let status = |job: &str| {
        let rows = place.rows();
        let row = rows.iter().find(|row| row.job == job);
        row.map(|row| (row.status.clone(), row.reason.clone()))
    };
    wait_until("a run and a queue", || {
        let both = (status("first")?.0, status("second")?.0);
        (both == ("running".to_owned(), "queued".to_owned())).then_some(())
    });
    assert!(daemon.terminate().success());
    let cancelled = ("cancelled".to_owned(), Some("shutdown".to_owned()));
    assert_eq!(status("first"), Some(cancelled.clone()));
    assert_eq!(status("second").unwrap().0, "queued");
    assert_eq!(place.processes(), Vec::<u32>::new());

    let _daemon = place.start();
    wait_until("the queued run", || {
        (status("second")?.0 == "succeeded").then_some(())
    });
    assert_eq!(place.lines("ran"), ["ran"]);
    assert_eq!(status("first"), Some(cancelled));
}

#[test]
fn while_it_drains_nothing_new_is_taken_and_questions_are_answered() {
    let place = Place::new(
        "[scheduler]\nshutdown_grace = \"1h\"\n[jobs.long]\nevery = \"1000d\"\n\
         shell = 'touch $PLACE/started; while [ ! -e $PLACE/go ]; do sleep 0.05; done'\n\
         [jobs.other]\nevery = \"1s\"\ncommand = [\"true\"]\n",
    );
    let mut daemon = place.start();
    let door = Door::Unix(place.path("punctual.sock"));
    assert_eq!(door.post("/api/v1/jobs/long/trigger").status(), 202);
    wait_until("a start", || place.path("started").exists().then_some(()));
    // Ctrl-C is the same.
    daemon.signal(Signal::INT);
    daemon.wait_for_log("stopping");
    wait_until("the drain", || {
        (door.get("/readyz").status() == 503).then_some(())
    });
    let refused = door.post("/api/v1/jobs/other/trigger").send();
    assert_eq!(refused.status, 503, "{refused:?}");
    let jobs = door.get("/api/v1/jobs").ok();
    assert_eq!(jobs["items"].as_array().unwrap().len(), 2);
    let drained_at = punctual::clock::now().as_microsecond();
    std::fs::write(place.path("go"), "").unwrap();
    assert_eq!(daemon.wait().code(), Some(0));
    let rows = place.rows();
    let long = rows.iter().find(|row| row.job == "long").unwrap();
    assert_eq!(
        long.status, "succeeded",
        "within the grace it may end by itself"
    );
    let late = |row: &crate::daemon::Row| row.started_at.is_some_and(|at| at > drained_at);
    assert!(!rows.iter().any(late), "nothing new is started: {rows:?}");
    let manual = |row: &&crate::daemon::Row| row.job == "other" && row.trigger == "manual";
    assert_eq!(
        rows.iter().find(manual),
        None,
        "what was refused leaves no row"
    );
    assert_eq!(place.processes(), Vec::<u32>::new());
}

/// Its main process ends at once, and what it leaves behind hears no signal.
const LEAVES: &str = "[jobs.leaves]\nevery = \"1000d\"\nkill_timeout = \"TIME\"\n\
    shell = '''sh -c 'trap \"\" TERM; touch $PLACE/up; exec sleep 7301' & \
    while [ ! -e $PLACE/up ]; do sleep 0.02; done'''\n";

fn daemon_with_leftovers(kill_timeout: &str) -> (Place, Daemon) {
    let place = Place::new(&LEAVES.replace("TIME", kill_timeout));
    let daemon = place.start();
    let door = Door::Unix(place.path("punctual.sock"));
    assert_eq!(door.post("/api/v1/jobs/leaves/trigger").status(), 202);
    wait_until("an end", || {
        let rows = place.rows();
        rows.iter()
            .any(|row| row.status == "succeeded")
            .then_some(())
    });
    assert!(!place.processes().is_empty());
    (place, daemon)
}

#[test]
fn what_ended_runs_left_behind_is_killed_by_a_second_signal() {
    let (place, mut daemon) = daemon_with_leftovers("1h");
    daemon.signal(Signal::TERM);
    daemon.wait_for_log("stopping");
    // Nothing is left to do but to wait for it.
    wait_until("the end of the API", || {
        UnixStream::connect(place.path("punctual.sock"))
            .is_err()
            .then_some(())
    });
    daemon.signal(Signal::TERM);
    daemon.wait_for_log("hurrying");
    assert!(daemon.wait().success());
    assert_eq!(place.processes(), Vec::<u32>::new());
}

#[test]
fn what_ended_runs_left_behind_has_its_kill_timeout_and_does_not_outlive_the_daemon() {
    let (place, daemon) = daemon_with_leftovers("17s");
    let end = place.rows()[0].finished_at;
    assert!(daemon.terminate().success());
    assert_eq!(place.processes(), Vec::<u32>::new());
    let took = punctual::clock::now().as_microsecond() - end.unwrap();
    assert!(took >= 17_000_000, "{took} microseconds");
}
