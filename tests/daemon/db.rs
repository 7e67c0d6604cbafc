//! `punctual db` beside a daemon, as an administrator has it: what it says, what it leaves, and what it refuses.

use std::fs::{self, OpenOptions};
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Output, Stdio};

use rusqlite::Connection;
use rustix::fs::{CWD, FileType, Mode, mknodat};
use serde_json::{Value, json};

use super::cli::ended;
use super::daemon::{Daemon, Place, wait_until};
use super::http::Door;

fn db(place: &Place, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_punctual"));
    command.arg("db").args(arguments).stdin(Stdio::null());
    command.args([
        "--ledger",
        place.path("state/punctual.db").to_str().unwrap(),
    ]);
    command.env_clear();
    command
}

fn done(place: &Place, arguments: &[&str]) -> Output {
    db(place, arguments).output().unwrap()
}

fn path(place: &Place, name: &str) -> String {
    place.path(name).display().to_string()
}

/// A daemon that has something to tell.
fn daemon(place: &Place) -> Daemon {
    let daemon = place.start();
    wait_until("a run", || {
        let ran = |row: &super::daemon::Row| row.status == "succeeded";
        place.rows().iter().any(ran).then_some(())
    });
    daemon
}

const BEAT: &str = "[jobs.beat]\nevery = \"1s\"\nshell = ':'";

#[test]
fn a_copy_is_whole_private_and_starts_a_daemon() {
    let place = Place::new(BEAT);
    let daemon = daemon(&place);
    let copy = path(&place, "copy.db");
    let (code, said, told) = ended(&done(&place, &["backup", &copy]));
    assert_eq!((code, told.as_str()), (Some(0), ""));
    assert!(
        said.contains(&format!("to {copy} (")) && said.ends_with("and checked it.\n"),
        "{said}"
    );
    let mode = fs::metadata(&copy).unwrap().permissions().mode();
    assert_eq!(mode & 0o7777, 0o600);

    // A second time it is there already.
    let (code, _, told) = ended(&done(&place, &["backup", &copy]));
    assert!(code == Some(1) && told.contains("exists"), "{told}");

    let as_json = done(&place, &["backup", &path(&place, "other.db"), "--json"]);
    let as_json: Value = serde_json::from_slice(&as_json.stdout).unwrap();
    let bytes = fs::metadata(place.path("other.db")).unwrap().len();
    assert_eq!(as_json["bytes"], json!(bytes));

    assert!(daemon.terminate().success());
    let elsewhere = Place::new(BEAT);
    fs::create_dir(elsewhere.path("state")).unwrap();
    fs::rename(copy, elsewhere.path("state/punctual.db")).unwrap();
    let ran_before = |place: &Place| {
        let rows = place.rows().into_iter();
        rows.filter(|row| row.status == "succeeded").count()
    };
    assert!(ran_before(&elsewhere) > 0);
    let _daemon = elsewhere.start();
    wait_until("it to go on", || (ran_before(&elsewhere) > 1).then_some(()));
}

#[test]
fn a_sound_ledger_is_told_from_a_damaged_one() {
    let place = Place::new(BEAT);
    let daemon = daemon(&place);
    let (code, said, _) = ended(&done(&place, &["check"]));
    assert!(code == Some(0) && said.ends_with(" is sound.\n"), "{said}");
    let copy = path(&place, "copy.db");
    assert!(done(&place, &["backup", &copy]).status.success());
    drop(daemon);

    // What no page tells: attempts that belong to no run.
    let torn = Connection::open(&copy).unwrap();
    let tear = "PRAGMA foreign_keys = OFF; UPDATE attempts SET run = 'none ' || run";
    torn.execute_batch(tear).unwrap();
    drop(torn);
    let damaged = Command::new(env!("CARGO_BIN_EXE_punctual"))
        .args(["db", "check", "--json", "--ledger", &copy])
        .output()
        .unwrap();
    assert_eq!(damaged.status.code(), Some(1));
    let told: Value = serde_json::from_slice(&damaged.stdout).unwrap();
    assert_eq!(told["sound"], json!(false));
    assert!(
        told["problems"][0].as_str().unwrap().contains("attempts"),
        "{told}"
    );

    let (code, _, told) = ended(&done(&place, &["check", "--config", "x"]));
    assert!(code == Some(2) && told.contains("--ledger"), "{told}");
}

#[test]
fn where_a_copy_finds_no_room_nothing_is_left_of_it() {
    let place = Place::new(BEAT);
    let _daemon = daemon(&place);
    // As on a full disk: more than so many blocks of a file cannot be written.
    let backup = db(&place, &["backup", &path(&place, "copy.db")]);
    let words: Vec<_> = backup
        .get_args()
        .map(|word| word.to_str().unwrap())
        .collect();
    let script = "trap '' XFSZ; ulimit -f 16; exec \"$0\" \"$@\"";
    let output = Command::new("bash")
        .args(["-c", script, env!("CARGO_BIN_EXE_punctual")])
        .args(words)
        .output()
        .unwrap();
    let (code, _, told) = ended(&output);
    assert!(code == Some(1) && told.starts_with("error: "), "{told}");
    assert!(!place.path("copy.db").exists());
    assert!(done(&place, &["check"]).status.success());
}

#[test]
fn a_ledger_that_grows_as_its_log_goes_into_it_says_why() {
    let place = Place::new(BEAT);
    assert!(daemon(&place).terminate().success());
    let writer = Connection::open(place.path("state/punctual.db")).unwrap();
    let commit = "PRAGMA wal_autocheckpoint = 0; CREATE TABLE filler (x); \
                  INSERT INTO filler VALUES (zeroblob(1000000))";
    writer.execute_batch(commit).unwrap();
    let (code, said, _) = ended(&done(&place, &["vacuum"]));
    assert_eq!(code, Some(0));
    let why = "now. The file is larger, as commits that stood in its log beside it";
    assert!(said.contains(why), "{said}");
    let (_, said, _) = ended(&done(&place, &["vacuum"]));
    assert!(!said.contains("larger"), "{said}");
}

#[test]
fn a_pipe_is_no_ledger_and_is_not_waited_for() {
    let place = Place::new(BEAT);
    fs::create_dir(place.path("state")).unwrap();
    let (fifo, mode) = (FileType::Fifo, Mode::from_raw_mode(0o600));
    mknodat(CWD, place.path("state/punctual.db"), fifo, mode, 0).unwrap();
    for arguments in [
        &["check"][..],
        &["vacuum"],
        &["backup", &path(&place, "copy.db")],
    ] {
        let mut child = db(&place, arguments)
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        wait_until("its end", || child.try_wait().unwrap().map(drop));
        let (code, _, told) = ended(&child.wait_with_output().unwrap());
        assert!(
            code == Some(1) && told.contains("no ordinary file"),
            "{told}"
        );
    }
    // Nor by the daemon.
    let mut daemon = place.spawn();
    daemon.wait_for_log("no ordinary file");
    assert!(!daemon.wait().success());
}

#[test]
fn what_cannot_be_written_is_told() {
    let place = Place::new(BEAT);
    let _daemon = daemon(&place);
    for arguments in [
        &["check"][..],
        &["vacuum"],
        &["backup", &path(&place, "copy.db")],
    ] {
        let full = OpenOptions::new().write(true).open("/dev/full").unwrap();
        let (code, _, told) = ended(&db(&place, arguments).stdout(full).output().unwrap());
        let told_of_it = told.contains("the output cannot be written");
        assert!(code == Some(1) && told_of_it, "{arguments:?}: {told}");
    }
}

#[test]
fn on_a_terminal_it_says_that_it_goes_on() {
    let place = Place::new(BEAT);
    assert!(daemon(&place).terminate().success());
    // Whoever holds a ledger for itself makes readers wait, too.
    let holder = Connection::open(place.path("state/punctual.db")).unwrap();
    let held = "PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE; COMMIT";
    holder.execute_batch(held).unwrap();
    let words = db(&place, &["check"]);
    let words = words.get_args().map(|word| word.to_str().unwrap());
    let line = [env!("CARGO_BIN_EXE_punctual")].into_iter().chain(words);
    let line = line.collect::<Vec<_>>().join(" ");
    let mut child = Command::new("script")
        .args(["--quiet", "--return", "--flush", "--command", &line])
        .arg(place.path("screen"))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let screen = || fs::read_to_string(place.path("screen")).unwrap_or_default();
    wait_until("a sign", || {
        screen().contains("\rchecking … 1 s").then_some(())
    });
    drop(holder);
    assert!(child.wait().unwrap().success(), "{}", screen());
    let (_, rest) = screen()
        .rsplit_once("\r\u{1b}[K")
        .map(|(a, b)| (a.to_owned(), b.to_owned()))
        .unwrap();
    assert!(rest.contains(" is sound."), "{rest}");
}

#[test]
fn a_ledger_that_is_taken_away_is_told_until_it_is_back() {
    let place = Place::new(BEAT);
    let mut daemon = daemon(&place);
    let door = Door::Unix(place.path("punctual.sock"));
    let ready = |status: u16| {
        wait_until("it to be noticed", || {
            let answer = door.get("/readyz").send();
            (answer.status == status).then_some(answer)
        })
    };
    fs::rename(place.path("state/punctual.db"), place.path("away.db")).unwrap();
    let told = ready(503).text();
    assert!(told.contains("is not the ledger that is open"), "{told}");
    daemon.wait_for_log("cannot be found any more");
    fs::rename(place.path("away.db"), place.path("state/punctual.db")).unwrap();
    ready(200);
    daemon.wait_for_log("the ledger is at its place again");
    fs::remove_file(place.path("state/punctual.db")).unwrap();
    fs::copy(
        place.path("state/punctual.db-wal"),
        place.path("state/punctual.db"),
    )
    .unwrap();
    assert!(ready(503).text().contains("another file is in its place"));
}
