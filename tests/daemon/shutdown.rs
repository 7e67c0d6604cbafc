//! How a daemon ends.

use rustix::process::Signal;

use crate::daemon::{Place, wait_until};

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
