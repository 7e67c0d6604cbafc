//! `punctual token new`, held against the daemon that is to know the token.

use std::process::{Command, Output};

use serde_json::Value;

use super::api::Api;
use super::daemon::Place;
use super::http::Door;

fn token_new(arguments: &[&str]) -> Output {
    // No environment: it needs no home, no config and no daemon.
    Command::new(env!("CARGO_BIN_EXE_punctual"))
        .args(["token", "new"])
        .args(arguments)
        .env_clear()
        .output()
        .unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// A daemon whose config ends in these lines, and its door on TCP.
fn daemon_with(lines: &str) -> (Place, super::daemon::Daemon, Door) {
    let place = Place::new("");
    let folder = place.folder.path().display();
    let config = format!(
        "[server]\nlisten = [\"127.0.0.1:0\"]\nunix_socket = \"{folder}/punctual.sock\"\n\
         [store]\nurl = \"sqlite:{folder}/state/punctual.db\"\n\
         [jobs.backup-a]\nevery = \"1000d\"\nshell = ':'\n\
         [jobs.other]\nevery = \"1000d\"\nshell = ':'\n{lines}"
    );
    std::fs::write(place.path("config.toml"), config).unwrap();
    let mut daemon = place.spawn();
    let line: Value = serde_json::from_str(&daemon.wait_for_log("the API listens")).unwrap();
    let door = Door::Tcp(line["address"].as_str().unwrap().parse().unwrap());
    (place, daemon, door)
}

#[test]
fn a_new_token_opens_the_daemon_that_has_its_lines() {
    let made = token_new(&[
        "--name", "de\"ploy", "--role", "operator", "--jobs", "backup-*",
    ]);
    assert!(made.status.success(), "{made:?}");
    let token = text(&made.stdout);
    let token = token.strip_suffix('\n').unwrap();
    assert!(
        token.starts_with("punctual_") && !token.contains('\n'),
        "{token}"
    );
    let told = text(&made.stderr);
    assert!(!told.contains(token), "the token is printed once");
    let lines = &told[told.find("[[server.tokens]]").unwrap()..];

    let admin = token_new(&["--name", "root", "--role", "admin", "--json"]);
    assert!(admin.stderr.is_empty(), "{admin:?}");
    let admin: Value = serde_json::from_slice(&admin.stdout).unwrap();
    let more = admin["config"].as_str().unwrap();
    assert!(more.contains(admin["hash"].as_str().unwrap()));
    assert!(admin["hash"].as_str().unwrap().starts_with("sha256:"));

    let (_place, _daemon, door) = daemon_with(&format!("{lines}\n{more}"));
    let status = |path: &str, token: &str| door.get(path).token(Some(token)).status();
    assert_eq!(status("/api/v1/jobs/backup-a", token), 200);
    assert_eq!(status("/api/v1/jobs/other", token), 404);
    assert_eq!(status("/api/v1/config/diff", token), 403);
    let admin = admin["token"].as_str().unwrap();
    assert_eq!(status("/api/v1/config/diff", admin), 200);
    let trigger = door
        .post("/api/v1/jobs/backup-a/trigger")
        .token(Some(token));
    let run = trigger.send().header("location").unwrap().to_owned();
    let run = door.get(&run).token(Some(token)).ok();
    assert_eq!(run["requested_by"], "token:de\"ploy");
}

#[test]
fn what_the_config_would_refuse_makes_no_token() {
    for (arguments, why) in [
        (
            &["--name", "", "--role", "viewer"][..],
            "1 to 64 characters",
        ),
        (
            &["--name", "a", "--role", "root"],
            "viewer, operator and admin",
        ),
        (
            &["--name", "a", "--role", "viewer", "--jobs", "A b"],
            "no pattern for job names",
        ),
        (&["--role", "viewer"], "--name"),
        (&["--name", "a"], "--role"),
    ] {
        let refused = token_new(arguments);
        assert_eq!(refused.status.code(), Some(2), "{arguments:?}");
        assert!(refused.stdout.is_empty(), "{arguments:?}");
        let told = text(&refused.stderr);
        assert!(told.contains(why), "{arguments:?}: {told}");
    }
    let unnamed = "[[server.tokens]]\nname = \"\"\nrole = \"viewer\"\nhash = \"sha256:";
    let place = Place::new(&format!("{unnamed}{}\"\n", "0".repeat(64)));
    let check = Command::new(env!("CARGO_BIN_EXE_punctual"))
        .args(["check", "--config"])
        .arg(place.path("config.toml"))
        .output()
        .unwrap();
    assert_eq!(check.status.code(), Some(2), "{check:?}");
}

#[test]
fn tokens_differ_from_one_another() {
    let make = || token_new(&["--name", "a", "--role", "viewer"]).stdout;
    assert_ne!(make(), make());
    // A daemon knows none that nobody put into its config.
    let api = Api::start("token");
    let stranger = text(&make());
    assert_eq!(
        api.tcp
            .get("/api/v1/jobs")
            .token(Some(stranger.trim()))
            .status(),
        401
    );
}
