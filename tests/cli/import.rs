//! `punctual import crontab` from a file and from standard input.

use std::io::Write;
use std::process::{Command, Output, Stdio};

fn import(arguments: &[&str], input: &str) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_punctual"))
        .args(["import", "crontab"])
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(input.as_bytes()).unwrap();
    drop(stdin);
    child.wait_with_output().unwrap()
}

const SYSTEM: &str = "17 * * * * root run-parts /etc/cron.hourly\n@daily root tidy\n";

#[test]
fn a_crontab_that_could_be_either_is_refused() {
    let refused = import(&["-"], SYSTEM);
    assert_eq!(refused.status.code(), Some(2));
    assert!(refused.stdout.is_empty());
    let told = String::from_utf8(refused.stderr).unwrap();
    assert!(
        told.contains("--system") && told.contains("--user"),
        "{told}"
    );

    // A crontab of another machine has users that this one does not have.
    let foreign = format!("*/10 * * * * nosuchuser /bin/x\n{SYSTEM}");
    assert_eq!(import(&["-"], &foreign).status.code(), Some(2));

    let folder = tempfile::tempdir().unwrap();
    let copy = folder.path().join("crontab");
    std::fs::write(&copy, SYSTEM).unwrap();
    let copied = import(&[copy.to_str().unwrap()], "");
    assert_eq!(copied.status.code(), Some(2));
}

#[test]
fn what_was_said_is_what_was_taken() {
    let toml = |flag| {
        let output = import(&[flag, "-"], SYSTEM);
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    let system = toml("--system");
    let first = system.lines().next().unwrap();
    assert!(
        first.ends_with("of the system: its lines name a user."),
        "{first}"
    );
    assert!(system.contains("user = \"root\""), "{system}");
    let user = toml("--user");
    assert!(
        user.lines().next().unwrap().ends_with("of a user."),
        "{user}"
    );
    assert!(user.contains("shell = \"root tidy\""), "{user}");
    let plain = import(&["-"], "1 1 * * * tidy\n");
    assert_eq!(plain.status.code(), Some(0));
}
