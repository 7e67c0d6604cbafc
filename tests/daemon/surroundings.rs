//! How the daemon was started, and what of that its jobs see.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};

use rustix::process::Signal;

use super::daemon::{Daemon, Place, wait_until};
use super::http::Door;

/// Starts a daemon from a shell that does something before it becomes the daemon.
fn start_after(what: &str, place: &Place) -> Daemon {
    let mut command = Command::new("sh");
    command
        .args(["-c", &format!("{what}; exec \"$@\""), "sh"])
        .arg(env!("CARGO_BIN_EXE_punctual"))
        .args(place.arguments())
        .env("PLACE", place.path(""))
        .stdin(Stdio::null());
    let mut daemon = Daemon::spawn(place.with_folders(&mut command));
    daemon.wait_for_log("ready");
    daemon
}

fn door(place: &Place) -> Door {
    Door::Unix(place.path("punctual.sock"))
}

fn trigger(place: &Place, job: &str) -> String {
    door(place).trigger(job)
}

/// The status and the output of a run, once it is over.
fn ended(place: &Place, run: &str) -> (String, String) {
    let door = door(place);
    let status = door.ended(run)["status"].as_str().unwrap().to_owned();
    (status, door.get(&format!("{run}/output")).send().text())
}

/// Also when it has raised its own, and in its next life.
#[test]
fn jobs_have_the_limit_on_open_files_that_the_daemon_was_given() {
    let place = Place::new(
        "[jobs.limit]\nevery = '1000d'\nshell = 'ulimit -Sn'\n\
         [jobs.many]\nevery = '1000d'\nconcurrency_policy = 'allow'\n\
         shell = 'echo up >> $PLACE/up; while [ ! -e $PLACE/go ]; do sleep 0.1; done; ulimit -Sn'\n\
         [pools.default]\nslots = 200\n",
    );
    let mut daemon = start_after("ulimit -Sn 200", &place);
    let given = ("succeeded".to_owned(), "200\n".to_owned());
    for _ in 0..5 {
        assert_eq!(ended(&place, &trigger(&place, "limit")), given);
    }
    daemon.upgrade();
    assert_eq!(ended(&place, &trigger(&place, "limit")), given);
    // They take more descriptors than that.
    let many: Vec<_> = (0..90).map(|_| trigger(&place, "many")).collect();
    wait_until("all to run", || {
        (place.lines("up").len() == 90).then_some(())
    });
    assert!(daemon.descriptors() > 200);
    daemon.upgrade();
    fs::write(place.path("go"), "").unwrap();
    for run in many {
        assert_eq!(ended(&place, &run), given);
    }
    daemon.upgrade();
    assert_eq!(ended(&place, &trigger(&place, "limit")).0, "succeeded");
}

/// Whoever becomes the daemon by an exec may have children.
#[test]
fn what_the_daemon_had_as_a_child_before_is_left_alone() {
    let place = Place::new("[jobs.quick]\nevery = '1000d'\nshell = 'setsid true & true'\n");
    let mut daemon = start_after("sleep 1000 & echo $! > $PLACE/stranger", &place);
    let stranger = fs::read_to_string(place.path("stranger")).unwrap();
    let stranger: i32 = stranger.trim().parse().unwrap();
    let stranger = rustix::process::Pid::from_raw(stranger).unwrap();
    for _ in 0..2 {
        assert_eq!(ended(&place, &trigger(&place, "quick")).0, "succeeded");
        daemon.upgrade();
    }
    assert!(daemon.terminate().success());
    // It is there to be killed.
    rustix::process::kill_process(stranger, Signal::KILL).unwrap();
}

/// What a job needs may go between its load and its run.
#[test]
fn a_command_or_folder_that_is_gone_fails_the_run_with_a_sentence() {
    let place = Place::new("");
    let (script, folder) = (place.path("script"), place.path("folder"));
    fs::create_dir(&folder).unwrap();
    fs::write(&script, "#!/bin/sh\necho here\n").unwrap();
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
    place.configure(&format!(
        "[jobs.command]\nevery = '1000d'\ncommand = ['{}']\n\
         [jobs.folder]\nevery = '1000d'\nshell = 'echo here'\nworking_dir = '{}'\n",
        script.display(),
        folder.display()
    ));
    let daemon = place.start();
    let here = ("succeeded".to_owned(), "here\n".to_owned());
    for job in ["command", "folder"] {
        assert_eq!(ended(&place, &trigger(&place, job)), here, "{job}");
    }
    fs::remove_file(&script).unwrap();
    fs::remove_dir(&folder).unwrap();
    let door = door(&place);
    for (job, path) in [("command", &script), ("folder", &folder)] {
        let run = trigger(&place, job);
        assert_eq!(ended(&place, &run).0, "failed", "{job}");
        let reason = door.get(&run).ok()["reason"].as_str().unwrap().to_owned();
        assert!(reason.contains(&path.display().to_string()), "{reason}");
    }
    assert!(daemon.terminate().success());
}
