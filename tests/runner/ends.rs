//! How attempts end.

use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use punctual::job::{AttemptEnd, StopCause};

use crate::desk::{command, desk, launch, run, shell};

fn refusal(end: AttemptEnd) -> String {
    match end {
        AttemptEnd::NotStarted(why) => why,
        other => panic!("it started: {other:?}"),
    }
}

#[test]
fn the_exit_code_is_kept_and_judged() {
    let end = run(shell("exit 0")).end;
    assert_eq!(end, AttemptEnd::Exited { code: 0, ok: true });
    let end = run(shell("exit 3")).end;
    assert_eq!(end, AttemptEnd::Exited { code: 3, ok: false });
    let mut lenient = shell("exit 3");
    lenient.success_exit_codes = vec![0, 3];
    let end = run(lenient).end;
    assert_eq!(end, AttemptEnd::Exited { code: 3, ok: true });
}

#[test]
fn a_signal_is_told_from_a_code() {
    let end = run(shell("kill -USR1 $$")).end;
    let expected = AttemptEnd::Signalled {
        signal: 10,
        core_dumped: false,
    };
    assert_eq!(end, expected);
    let end = run(shell("ulimit -c 0; kill -SEGV $$")).end;
    let expected = AttemptEnd::Signalled {
        signal: 11,
        core_dumped: false,
    };
    assert_eq!(end, expected);
}

#[test]
fn what_cannot_start_says_why_and_what_to_do() {
    let dir = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str, mode| {
        let path = dir.path().join(name);
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let cases = [
        (String::from("no-such-program"), "is not in PATH"),
        (String::from("/no/such/program"), "does not exist"),
        (file("plain", "#!/bin/sh\n", 0o644), "may not be executed"),
        (file("lost", "#!/no/such/sh\n", 0o755), "interpreter"),
        (file("text", "echo hello\n", 0o755), "#!/bin/sh"),
        (dir.path().to_str().unwrap().to_owned(), "is a folder"),
        (String::new(), "is not in PATH"),
        ("a\0b".into(), ""),
    ];
    for (program, says) in cases {
        let ended = run(command(&[&program]));
        assert!(!ended.started);
        let why = refusal(ended.end);
        assert!(why.contains(says), "{program:?}: {why}");
        assert!(why.contains("; "), "{program:?} says what to do: {why}");
    }
    let why = refusal(run(command(&["/bin/echo", "a\0b"])).end);
    assert!(why.contains("NUL"), "{why}");
    let why = refusal(run(command(&["/bin/echo", &"x".repeat(3 << 20)])).end);
    assert!(why.contains("longer than"), "{why}");
}

#[test]
fn a_working_directory_that_vanished_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let mut process = shell("pwd");
    process.working_dir = Some(dir.path().into());
    let there = run(process.clone());
    assert_eq!(there.text().trim_end(), dir.path().to_str().unwrap());
    let path = dir.path().to_str().unwrap().to_owned();
    drop(dir);
    let why = refusal(run(process).end);
    assert!(why.contains("working_dir") && why.contains(&path), "{why}");
}

#[test]
fn a_program_is_looked_for_in_the_path_it_will_have() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("greet");
    std::fs::write(&path, "#!/bin/sh\necho hello\n").unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    let mut process = command(&["greet"]);
    process.env = [(
        "PATH".to_owned(),
        punctual::job::Value::Plain(dir.path().to_str().unwrap().into()),
    )]
    .into();
    assert_eq!(run(process).text(), "hello\n");
}

#[test]
fn a_timeout_is_a_timeout_even_if_it_exits_cleanly() {
    let mut process = shell("trap 'exit 0' TERM; while :; do sleep 0.01; done");
    process.timeout = Some(Duration::from_millis(100));
    let end = run(process).end;
    let expected = AttemptEnd::TimedOut {
        code: Some(0),
        signal: None,
    };
    assert_eq!(end, expected);
}

#[test]
fn a_stop_is_told_from_a_timeout() {
    let running = launch(shell("echo ready; exec sleep 100"));
    running.says("ready");
    desk().runner.stop(running.run, 1, StopCause::Requested);
    let expected = AttemptEnd::Stopped {
        cause: StopCause::Requested,
        code: None,
        signal: Some(15),
    };
    assert_eq!(running.end().end, expected);
}

#[test]
fn a_suspended_process_can_be_stopped() {
    let mut process = shell("trap 'exit 7' TERM; echo ready; kill -STOP $$; while :; do :; done");
    process.kill_timeout = Duration::from_secs(20);
    let running = launch(process);
    running.says("ready");
    desk().runner.stop(running.run, 1, StopCause::Shutdown);
    let expected = AttemptEnd::Stopped {
        cause: StopCause::Shutdown,
        code: Some(7),
        signal: None,
    };
    assert_eq!(running.end().end, expected);
}

#[test]
fn five_hundred_at_once_all_end() {
    let all: Vec<_> = (0..500)
        .map(|n| launch(shell(&format!("echo {n}; exit {}", n % 7))))
        .collect();
    for (n, running) in (0..).zip(all) {
        let ended = running.end();
        assert_eq!(ended.text(), format!("{n}\n"));
        let (code, ok) = (n % 7, n % 7 == 0);
        assert_eq!(ended.end, AttemptEnd::Exited { code, ok });
    }
}
