//! The commands that talk to a daemon, from outside.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::UnixListener;
use std::process::{Child, Command, Output, Stdio};

use serde_json::Value;

use crate::daemon::{Place, wait_until};

fn command(place: &Place, arguments: &[&str]) -> Command {
    let socket = place.path("punctual.sock");
    let mut command = Command::new(env!("CARGO_BIN_EXE_punctual"));
    command
        .args(arguments)
        .env("PUNCTUAL_SERVER", format!("unix:{}", socket.display()))
        .env_remove("PUNCTUAL_TOKEN")
        .env_remove("PUNCTUAL_TOKEN_FILE")
        .stdin(Stdio::null());
    command
}

pub fn punctual(place: &Place, arguments: &[&str]) -> Output {
    command(place, arguments).output().unwrap()
}

/// Its standard output, when all went well.
pub fn said(place: &Place, arguments: &[&str]) -> String {
    let output = punctual(place, arguments);
    assert!(output.status.success(), "{arguments:?}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

pub fn json(place: &Place, arguments: &[&str]) -> Value {
    let text = said(place, &[arguments, &["--json"]].concat());
    serde_json::from_str(&text).unwrap()
}

/// Exit code, standard output, standard error.
pub fn ended(output: &Output) -> (Option<i32>, String, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (
        output.status.code(),
        text(&output.stdout),
        text(&output.stderr),
    )
}

fn start(place: &Place, arguments: &[&str]) -> Child {
    let mut command = command(place, arguments);
    command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

/// A job of this name that only runs when it is asked to.
fn by_hand(name: &str, shell: &str) -> String {
    format!("[jobs.{name}]\ncron = \"0 0 1 1 *\"\nshell = '{shell}'\n")
}

#[test]
fn what_an_attempt_took_is_told() {
    let line = "while read -r _ _ _ _ _ _ _ _ _ _ _ _ _ user system _ </proc/$$/stat && \
                [ $((user + system)) -lt 25 ]; do :; done; \
                dd if=/dev/zero of=/dev/null bs=200M count=1; exit 0";
    let place = Place::new(&by_hand("busy", line));
    let _daemon = place.start();
    ended(&punctual(&place, &["trigger", "busy", "--wait"]));
    let runs = json(&place, &["runs"]);
    let id = runs["items"][0]["id"].as_str().unwrap();
    let attempt = &json(&place, &["run", id])["attempt_list"][0];
    let processor = attempt["cpu_seconds"].as_f64().unwrap();
    assert!((0.24..20.0).contains(&processor), "{attempt}");
    let memory = attempt["max_rss_bytes"].as_u64().unwrap();
    assert!((200 << 20..400 << 20).contains(&memory), "{attempt}");
    let text = said(&place, &["run", id]);
    assert!(text.contains("CPU") && text.contains("MEMORY"), "{text}");
    assert!(text.contains(" MiB  "), "{text}");
}

#[test]
fn jobs_and_runs_are_listed() {
    let place = Place::new(&(by_hand("one", "echo hello") + &by_hand("two", "true")));
    let _daemon = place.start();
    let text = said(&place, &["jobs"]);
    let names: Vec<_> = text
        .lines()
        .filter_map(|line| line.split(' ').next())
        .collect();
    assert_eq!(names, ["JOB", "one", "two"]);
    assert_eq!(json(&place, &["jobs"])["items"][1]["name"], "two");
    assert!(said(&place, &["job", "one"]).contains("echo hello"));
    assert_eq!(json(&place, &["job", "one"])["state"], "active");
    assert!(said(&place, &["runs", "--since", "1h"]).contains("no such runs"));

    let (code, stdout, stderr) = ended(&punctual(&place, &["trigger", "one", "--wait"]));
    assert_eq!(
        (code, stdout.as_str(), stderr.as_str()),
        (Some(0), "hello\n", "")
    );
    let runs = json(
        &place,
        &[
            "runs",
            "--job",
            "one",
            "--status",
            "succeeded",
            "--limit",
            "1",
        ],
    );
    let id = runs["items"][0]["id"].as_str().unwrap();
    assert!(said(&place, &["runs"]).contains(id));
    assert!(said(&place, &["run", id]).contains("succeeded"));
    assert_eq!(json(&place, &["run", id])["attempt_list"][0]["number"], 1);
    assert_eq!(said(&place, &["logs", id]), "hello\n");
    assert_eq!(said(&place, &["logs", id, "--follow"]), "hello\n");
    for more in [&[][..], &["--follow"], &["--follow", "--json"]] {
        let (code, stdout, stderr) = ended(&punctual(
            &place,
            &[&["logs", id, "--attempt", "9"], more].concat(),
        ));
        assert_eq!((code, stdout.as_str()), (Some(1), ""), "{more:?}: {stderr}");
        assert!(
            stderr.contains("no attempt 9, it has 1 attempt"),
            "{stderr}"
        );
    }
    assert_eq!(json(&place, &["logs", id])["output"], "hello\n");
    let events = said(&place, &["logs", id, "--follow", "--json"]);
    let last: Value = serde_json::from_str(events.lines().last().unwrap()).unwrap();
    assert_eq!(
        (&last["event"], &last["data"]["status"]),
        (&"end".into(), &"succeeded".into())
    );
}

#[test]
fn a_trigger_that_waits_streams_and_exits_with_the_jobs_code() {
    let slow = "echo first; echo oops >&2; while [ ! -e $PLACE/go ]; do sleep 0.05; done; \
                echo \"got $PUNCTUAL_PARAM_A\"; exit 7";
    let params = "params = { a = { default = \"x\" } }\n";
    let place = Place::new(
        &(by_hand("slow", slow)
            + params
            + &by_hand("killed", "kill -9 $$")
            + &by_hand("late", "exec sleep 600")
            + "timeout = \"1s\"\n"
            + &by_hand("missing", "exec /no/such/thing")),
    );
    let _daemon = place.start();
    let mut waiting = start(&place, &["trigger", "slow", "--param", "a=42", "--wait"]);
    let mut stdout = BufReader::new(waiting.stdout.take().unwrap());
    let mut line = String::new();
    stdout.read_line(&mut line).unwrap();
    assert_eq!(line, "first\n", "while it runs");
    wait_until("it shows as running", || {
        (json(&place, &["jobs"])["items"][3]["running"] == 1).then_some(())
    });
    std::fs::write(place.path("go"), "").unwrap();
    let mut rest = String::new();
    stdout.read_to_string(&mut rest).unwrap();
    let (code, _, stderr) = ended(&waiting.wait_with_output().unwrap());
    assert_eq!((code, rest.as_str()), (Some(7), "got 42\n"));
    assert!(stderr.starts_with("oops\n"), "{stderr}");
    assert!(stderr.contains("failed: exit 7"), "{stderr}");

    for (job, expected) in [
        ("killed", 137),
        ("late", 124),
        ("missing", 127),
        ("none", 125),
    ] {
        let (code, _, stderr) = ended(&punctual(&place, &["trigger", job, "--wait"]));
        assert_eq!(code, Some(expected), "{job}: {stderr}");
        assert!(!stderr.is_empty(), "{job}");
    }
    let (code, stdout, _) = ended(&punctual(
        &place,
        &["trigger", "killed", "--wait", "--json"],
    ));
    let run: Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!((code, &run["signal"]), (Some(137), &9.into()));
    let wrong = punctual(&place, &["trigger", "slow", "--param", "b=1"]);
    assert_eq!(wrong.status.code(), Some(2), "{wrong:?}");
}

#[test]
fn a_run_that_is_followed_is_cancelled() {
    let place = Place::new(&by_hand("slow", "printf \"\\033[2Jx\"; exec sleep 600"));
    let _daemon = place.start();
    let accepted = json(&place, &["trigger", "slow"]);
    let id = accepted["run_id"].as_str().unwrap();
    let mut following = start(&place, &["logs", id, "--follow"]);
    let mut bytes = [0; 5];
    following
        .stdout
        .as_mut()
        .unwrap()
        .read_exact(&mut bytes)
        .unwrap();
    assert_eq!(&bytes, b"\x1b[2Jx", "a pipe gets the bytes as they are");
    let text = said(&place, &["cancel", id]);
    assert!(text.contains("is being cancelled"), "{text}");
    assert!(following.wait().unwrap().success());
    assert_eq!(json(&place, &["run", id])["status"], "cancelled");
    assert_eq!(punctual(&place, &["cancel", id]).status.code(), Some(1));
}

#[test]
fn a_pause_outlives_a_restart() {
    let place = Place::new(&(by_hand("one", "true") + &by_hand("two", "true")));
    let daemon = place.start();
    let text = said(
        &place,
        &[
            "pause", "one", "two", "--until", "2h", "--reason", "too loud",
        ],
    );
    assert!(
        text.lines().count() == 2 && text.contains("too loud"),
        "{text}"
    );
    let partly = punctual(&place, &["resume", "none", "two"]);
    let (code, stdout, stderr) = ended(&partly);
    assert_eq!(code, Some(1));
    assert!(
        stdout.starts_with("two is active") && stderr.contains("none"),
        "{partly:?}"
    );
    assert!(daemon.terminate().success());
    let _daemon = place.start();
    let pause = json(&place, &["job", "one"]);
    assert_eq!(
        (&pause["state"], &pause["pause"]["reason"]),
        (&"paused".into(), &"too loud".into())
    );
    assert_eq!(json(&place, &["job", "two"])["state"], "active");
    assert!(said(&place, &["pause", "--all"]).contains("Everything is paused"));
    assert_eq!(json(&place, &["job", "two"])["state"], "paused");
    assert!(said(&place, &["resume", "one"]).contains("everything is"));
    said(&place, &["resume", "--all"]);
    assert_eq!(json(&place, &["job", "one"])["state"], "active");
}

#[test]
fn a_bad_reload_names_its_errors_and_changes_nothing() {
    let place = Place::new(&by_hand("one", "true"));
    let _daemon = place.start();
    let bad = "[jobs.a]\ncron = \"61 * * * *\"\nshell = \"true\"\n[jobs.b]\nevery = \"1s\"\n\
               [jobs.c]\ncrom = \"* * * * *\"\nshell = \"true\"\n";
    place.configure(bad);
    for command in ["diff", "reload"] {
        let (code, stdout, stderr) = ended(&punctual(&place, &[command]));
        assert_eq!((code, stdout.as_str()), (Some(2), ""), "{command}");
        let places = stderr.lines().filter(|line| line.contains("config.toml:"));
        assert!(places.count() >= 3, "{stderr}");
    }
    assert_eq!(
        json(&place, &["jobs"])["items"].as_array().unwrap().len(),
        1
    );

    place.configure(&(by_hand("one", "false") + &by_hand("new", "true")));
    let diff = said(&place, &["diff"]);
    assert_eq!(diff, "+ job new\n~ job one: shell\n");
    assert_eq!(said(&place, &["reload"]), format!("Reloaded:\n{diff}"));
    assert_eq!(said(&place, &["diff"]), "A reload would change nothing.\n");
    assert_eq!(json(&place, &["reload"])["added"], Value::Array(Vec::new()));
}

#[test]
fn events_are_told_and_outlast_a_restart_of_the_daemon() {
    let place = Place::new(&by_hand("one", "true"));
    let daemon = place.start();
    let mut listening = start(&place, &["events", "--json"]);
    let mut lines = BufReader::new(listening.stdout.take().unwrap()).lines();
    let mut next = |kind: &str| {
        let mut lines = lines
            .by_ref()
            .map(|line| serde_json::from_str::<Value>(&line.unwrap()).unwrap());
        lines.find(|event| event["event"] == kind).unwrap()
    };
    next("hello");
    said(&place, &["pause", "one"]);
    assert_eq!(next("job")["data"]["paused"], true);
    assert!(daemon.terminate().success());
    let _daemon = place.start();
    next("hello");
    said(&place, &["resume", "one"]);
    assert_eq!(next("job")["data"]["paused"], false);
    listening.kill().unwrap();
    listening.wait().unwrap();
}

#[test]
fn a_status_shows_how_the_daemon_is() {
    let place = Place::new(&by_hand("one", "true"));
    let _daemon = place.start();
    wait_until("the scheduler ticks", || {
        (json(&place, &["status"])["state"] == "ready").then_some(())
    });
    let text = said(&place, &["status"]);
    assert!(
        text.contains(", ready, up ") && text.contains("1 active"),
        "{text}"
    );
}

#[test]
fn failures_have_their_own_exit_codes() {
    let place = Place::new("");
    let (code, _, stderr) = ended(&punctual(&place, &["jobs"]));
    assert_eq!(code, Some(3));
    assert!(
        stderr.contains("punctual serve") && stderr.lines().count() == 1,
        "{stderr}"
    );
    assert_eq!(punctual(&place, &["run", "no-id"]).status.code(), Some(2));
    assert_eq!(punctual(&place, &["pause"]).status.code(), Some(2));
    assert_eq!(
        punctual(&place, &["pause", "a", "--all"]).status.code(),
        Some(2)
    );

    // A daemon that knows nobody.
    let socket = UnixListener::bind(place.path("punctual.sock")).unwrap();
    let server = std::thread::spawn(move || {
        let (mut stream, _) = socket.accept().unwrap();
        let mut head = BufReader::new(stream.try_clone().unwrap()).lines();
        while head.next().is_some_and(|line| !line.unwrap().is_empty()) {}
        let body =
            r#"{"type": "x", "title": "y", "status": 401, "detail": "send a \u001b[2Jtoken"}"#;
        let length = body.len();
        let head = "HTTP/1.1 401 Unauthorized\r\nContent-Type: application/problem+json\r\n";
        write!(stream, "{head}Content-Length: {length}\r\n\r\n{body}").unwrap();
    });
    let (code, stdout, stderr) = ended(&punctual(&place, &["jobs"]));
    assert_eq!((code, stdout.as_str()), (Some(4), ""));
    assert_eq!(stderr, "punctual: send a \\u{1b}[2Jtoken\n");
    server.join().unwrap();
    wait_until("the socket is gone", || {
        (punctual(&place, &["jobs"]).status.code() == Some(3)).then_some(())
    });
}

#[test]
fn an_empty_variable_is_none_and_one_that_is_no_address_or_token_is_refused() {
    let place = Place::new("");
    let _daemon = place.start();
    let asked = |variables: &[(&str, &[u8])]| {
        let mut command = command(&place, &["jobs"]);
        for (name, value) in variables {
            command.env(name, OsStr::from_bytes(value));
        }
        // Where the daemon of this place is sought without a server.
        command.env("RUNTIME_DIRECTORY", place.folder.path());
        ended(&command.output().unwrap())
    };
    let empty: &[u8] = b"";
    let (code, _, told) = asked(&[
        ("PUNCTUAL_SERVER", empty),
        ("PUNCTUAL_TOKEN_FILE", empty),
        ("PUNCTUAL_TOKEN", empty),
    ]);
    assert_eq!((code, told.as_str()), (Some(0), ""));
    for (name, value, says) in [
        (
            "PUNCTUAL_SERVER",
            &b"http://localhost:99999"[..],
            "is no server",
        ),
        ("PUNCTUAL_SERVER", b"http://127.0.0.1:", "is no server"),
        ("PUNCTUAL_SERVER", b"unix:/\xff", "is no server"),
        (
            "PUNCTUAL_TOKEN",
            b"\xff",
            "$PUNCTUAL_TOKEN is not UTF-8 text",
        ),
    ] {
        let (code, _, told) = asked(&[(name, value)]);
        assert!(
            code == Some(2) && told.contains(says),
            "{name}: {code:?} {told}"
        );
    }
}

#[test]
fn a_full_disk_is_told_by_every_command_and_fails() {
    let place = Place::new("[jobs.beat]\nevery = \"1s\"\nshell = 'echo beat'");
    let _daemon = place.start();
    let run = wait_until("a run", || {
        let runs = json(&place, &["runs", "--status", "succeeded"]);
        runs["items"][0]["id"].as_str().map(str::to_owned)
    });
    for arguments in [
        &["jobs"][..],
        &["jobs", "--json"],
        &["job", "beat"],
        &["runs"],
        &["run", &run],
        &["logs", &run],
        &["why", "beat"],
        &["status"],
        &["diff"],
        &["events"],
        &["audit"],
        &["audit", "--json"],
        &["pause", "beat"],
        &["resume", "beat"],
        &["trigger", "beat", "--wait"],
        &["trigger", "beat", "--wait", "--json"],
    ] {
        let full = std::fs::OpenOptions::new().write(true).open("/dev/full");
        let mut command = command(&place, arguments);
        let (code, _, told) = ended(&command.stdout(full.unwrap()).output().unwrap());
        // What the exit code of a job stands for has one of its own for trouble.
        let expected = if arguments[0] == "trigger" { 125 } else { 1 };
        let told_of_it = told.contains("the output cannot be written");
        assert!(
            code == Some(expected) && told_of_it,
            "{arguments:?}: {code:?} {told}"
        );
    }
}
