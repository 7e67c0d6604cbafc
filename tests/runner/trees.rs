//! Nothing of an attempt lives on.

use std::time::Duration;

use punctual::clock;
use punctual::job::{AttemptEnd, StopCause};

use crate::desk::{alive_of, desk, launch, lives, numbers, run, shell, until};

#[test]
fn what_ignores_the_signal_is_killed_with_all_below() {
    let line = "trap '' TERM; (trap '' TERM; echo child; while :; do sleep 0.01; done) & \
                echo parent; while :; do sleep 0.01; done";
    let mut process = shell(line);
    process.timeout = Some(Duration::from_millis(300));
    let running = launch(process);
    let ended = running.end();
    let expected = AttemptEnd::TimedOut {
        code: None,
        signal: Some(9),
    };
    assert_eq!(ended.end, expected);
    assert!(ended.text().contains("child") && ended.text().contains("parent"));
    until("the tree to be dead", || alive_of(running.run).is_empty());
}

/// Two forks and a session of its own, as a daemon does it, out of reach of group and session.
const DAEMONISE: &str =
    "(setsid sh -c 'trap \"\" TERM HUP; echo daemon=$$; while :; do sleep 0.01; done' &) ";

#[test]
fn a_double_forked_daemon_does_not_outlive_its_attempt() {
    let running = launch(shell(&format!("{DAEMONISE}; exec sleep 0.3")));
    let text = running.says("daemon=");
    let daemon = numbers(&text, "daemon")[0];
    assert!(lives(daemon));
    let end = running.end().end;
    assert_eq!(end, AttemptEnd::Exited { code: 0, ok: true });
    until("the daemon to be dead", || !lives(daemon));
    until("all to be dead", || alive_of(running.run).is_empty());
}

/// It shook off session and environment while an older attempt runs, whose it could be as well.
#[test]
fn a_daemon_that_wiped_its_environment_is_found_too() {
    let older = launch(shell("exec sleep 1000"));
    older.pid();
    let line = "(env -i setsid /bin/sh -c 'trap \"\" TERM; echo daemon=$$; \
                while :; do /bin/sleep 0.01; done' &) ; exec sleep 1000";
    let running = launch(shell(line));
    let daemon = numbers(&running.says("daemon="), "daemon")[0];
    desk().runner.stop(running.run, 1, StopCause::Requested);
    running.end();
    // It prints where its attempt does.
    until("the daemon to be dead", || !lives(daemon));
    desk().runner.stop(older.run, 1, StopCause::Requested);
    older.end();
}

/// What the signal takes is what told whose the others are.
#[test]
fn what_was_asked_to_stop_is_killed_though_its_parents_are_gone() {
    let older = launch(shell("exec sleep 1000"));
    older.pid();
    let line = "env -i setsid /bin/sh -c 'trap \"\" TERM; echo child=$$; exec >/dev/null 2>&1; \
                while :; do /bin/sleep 0.01; done' & exec sleep 1000";
    let mut process = shell(line);
    process.kill_timeout = Duration::from_millis(300);
    let running = launch(process);
    let child = numbers(&running.says("child="), "child")[0];
    desk().runner.stop(running.run, 1, StopCause::Requested);
    running.end();
    until("the child to be dead", || !lives(child));
    desk().runner.stop(older.run, 1, StopCause::Requested);
    older.end();
}

#[test]
fn a_background_child_that_holds_the_pipe_does_not_hold_the_run() {
    let begun = clock::monotonic();
    let running = launch(shell("sleep 1000 & echo child=$!; exit 4"));
    let ended = running.end();
    assert_eq!(ended.end, AttemptEnd::Exited { code: 4, ok: false });
    assert!(begun.elapsed() < Duration::from_secs(20));
    let child = numbers(&ended.text(), "child")[0];
    until("the child to be dead", || !lives(child));
}

#[test]
fn a_leftover_is_asked_first_and_may_finish() {
    let dir = tempfile::tempdir().unwrap();
    let done = dir.path().join("done");
    let line = format!(
        "(trap 'echo stopping; echo finished >{0}.new; mv {0}.new {0}; exit' TERM; echo armed >&3; \
         while :; do sleep 0.01; done) 3>{1} & while ! [ -s {1} ]; do sleep 0.01; done",
        done.display(),
        dir.path().join("armed").display()
    );
    let mut process = shell(&line);
    process.kill_timeout = Duration::from_secs(20);
    let ended = run(process);
    assert_eq!(ended.end, AttemptEnd::Exited { code: 0, ok: true });
    until("the leftover to finish", || done.exists());
}

#[test]
fn a_stop_reaches_what_left_the_session() {
    let running = launch(shell(&format!("{DAEMONISE}; exec sleep 1000")));
    let daemon = numbers(&running.says("daemon="), "daemon")[0];
    desk().runner.stop(running.run, 1, StopCause::Shutdown);
    let end = running.end().end;
    assert!(matches!(end, AttemptEnd::Stopped { .. }), "{end:?}");
    until("the daemon to be dead", || !lives(daemon));
}

#[test]
fn no_zombie_is_left_of_main_or_orphan() {
    let running = launch(shell("(setsid sleep 0.05 &) ; echo orphan"));
    let pid = running.pid();
    running.end();
    let own = std::process::id();
    let main_thread = format!("/proc/self/task/{own}/children");
    until("the main process to be waited for", || {
        !std::path::Path::new(&format!("/proc/{pid}")).exists()
    });
    until("dead orphans to be waited for", || {
        std::fs::read_to_string(&main_thread)
            .unwrap()
            .split_ascii_whitespace()
            .all(|child| lives(child.parse().unwrap()))
    });
}

#[test]
fn something_that_forks_and_forks_is_stopped() {
    let line = "f() { sleep 0.02; f & f & wait; }; trap '' TERM; ulimit -u 2>/dev/null; \
                echo forking; for i in 1 2 3 4 5 6; do (setsid sh -c 'while :; do sleep 0.05 & \
                sleep 0.01; done' &) ; done; wait; exec sleep 1000";
    let running = launch(shell(line));
    running.says("forking");
    desk().runner.stop(running.run, 1, StopCause::Requested);
    running.end();
    until("all to be dead", || alive_of(running.run).is_empty());
}
