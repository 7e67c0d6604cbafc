//! The config read again while everything runs.

use std::os::unix::fs::symlink;
use std::path::PathBuf;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Duration;

use rustix::process::Signal;
use serde_json::json;

use super::daemon::{Daemon, Place, assert_each_second_once, wait_until};
use super::http::Door;

const BEAT: &str = "[jobs.beat]\nevery = \"1s\"\nshell = 'echo beat >> $PLACE/beats'\n";

fn door(place: &Place) -> Door {
    Door::Unix(place.path("punctual.sock"))
}

fn jobs(place: &Place) -> Vec<String> {
    let listed = door(place).get("/api/v1/jobs").send().json();
    let items = listed["items"].as_array().unwrap().clone();
    items
        .iter()
        .map(|job| job["name"].as_str().unwrap().to_owned())
        .collect()
}

fn beats(place: &Place, more: usize) {
    let enough = place.lines("beats").len() + more;
    wait_until("beats", || {
        (place.lines("beats").len() >= enough).then_some(())
    });
}

fn sighup(daemon: &mut Daemon) {
    daemon.signal(Signal::HUP);
    daemon.wait_for_log("configuration reloaded");
}

#[test]
fn a_hangup_takes_the_new_jobs_and_leaves_what_runs_alone() {
    let place = Place::new(&format!(
        "{BEAT}[jobs.long]\nevery = \"1000d\"\nshell = 'until [ -e $PLACE/go ]; do sleep 0.05; \
         done'\n[jobs.gone]\nevery = \"1s\"\nshell = ':'\n"
    ));
    let mut daemon = place.start();
    let answer = door(&place).post("/api/v1/jobs/long/trigger").send();
    assert_eq!(answer.status, 202);
    let run = answer.json()["run_id"].as_str().unwrap().to_owned();
    door(&place).post("/api/v1/jobs/beat/pause").send();
    place.configure(&format!(
        "{BEAT}[jobs.long]\nevery = \"999d\"\nshell = ':'\n[jobs.new]\nevery = \"1s\"\nshell = ':'\n"
    ));
    sighup(&mut daemon);
    assert_eq!(jobs(&place), ["beat", "long", "new"]);
    let beat = door(&place).get("/api/v1/jobs/beat").send().json();
    assert_eq!(beat["state"], "paused", "a reload keeps the pause");
    let status = || {
        door(&place)
            .get(&format!("/api/v1/runs/{run}"))
            .send()
            .json()["status"]
            .clone()
    };
    wait_until("its row", || (status() == "running").then_some(()));
    std::fs::write(place.path("go"), "").unwrap();
    wait_until("its end", || (status() == "succeeded").then_some(()));
    let audit = door(&place).get("/api/v1/audit").send().json();
    assert_eq!(audit["clean"], true, "{audit}");
}

#[test]
fn a_bad_config_names_every_error_and_changes_nothing() {
    let place = Place::new(BEAT);
    let daemon = place.start();
    place.configure("[jobs.beat]\nevry = \"1s\"\n[jobs.BAD]\nevery = \"5x\"\nshell = ':'\n");
    let answer = door(&place).post("/api/v1/reload").send();
    assert_eq!(answer.status, 422);
    let problem = answer.json();
    let errors = problem["errors"].as_array().unwrap();
    assert!(errors.len() >= 3, "{problem:#}");
    for error in errors {
        let whole = error["file"].is_string() && error["line"].is_u64() && error["column"].is_u64();
        assert!(whole && error["message"].is_string(), "{error}");
    }
    assert_eq!(door(&place).get("/api/v1/config/diff").send().status, 422);
    assert_eq!(jobs(&place), ["beat"]);
    beats(&place, 2);
    assert!(daemon.terminate().success());
    assert_each_second_once(&place.rows(), "beat");
}

#[test]
fn the_difference_is_shown_before_and_after() {
    let place = Place::new(BEAT);
    let _daemon = place.start();
    let diff = || door(&place).get("/api/v1/config/diff").send().json();
    let nothing = diff();
    assert_eq!(nothing["changed"], json!([]));
    let slower = BEAT
        .replace("1s", "2s")
        .replace("[jobs.beat]", "[jobs.beat]\npriority = 1");
    place.configure(&format!(
        "{slower}[jobs.new]\nevery = \"1s\"\nshell = ':'\n"
    ));
    let expected = diff();
    assert_eq!(expected["added"], json!(["new"]));
    assert_eq!(
        expected["changed"],
        json!([{ "job": "beat", "keys": ["every", "priority"], "schedule": true }])
    );
    let answer = door(&place).post("/api/v1/reload").send();
    assert_eq!(answer.status, 200);
    assert_eq!(answer.json(), expected);
    assert_eq!(diff(), nothing);
}

#[test]
fn a_storm_of_hangups_ends_in_the_last_config() {
    let place = Place::new(BEAT);
    let daemon = place.start();
    for n in 0..1_000 {
        if n % 100 == 0 {
            replace(
                &place,
                &format!("{BEAT}[jobs.n{n}]\nevery = \"1s\"\nshell = ':'\n"),
            );
        }
        daemon.signal(Signal::HUP);
    }
    replace(
        &place,
        &format!("{BEAT}[jobs.last]\nevery = \"1s\"\nshell = ':'\n"),
    );
    daemon.signal(Signal::HUP);
    wait_until("the last config", || {
        (jobs(&place) == ["beat", "last"]).then_some(())
    });
    beats(&place, 2);
    assert!(daemon.terminate().success());
    assert_each_second_once(&place.rows(), "beat");
}

#[test]
fn changed_files_are_taken_when_the_config_says_so() {
    let watch = format!("[scheduler]\nwatch_config = true\n{BEAT}");
    let place = Place::new(&watch);
    let mut daemon = place.start();
    // Replaced at once, as editors do.
    replace(
        &place,
        &format!("{watch}[jobs.renamed]\nevery = \"1s\"\nshell = ':'\n"),
    );
    daemon.wait_for_log("configuration reloaded");
    assert_eq!(jobs(&place), ["beat", "renamed"]);
    // Written in place.
    place.configure(&watch);
    daemon.wait_for_log("configuration reloaded");
    assert_eq!(jobs(&place), ["beat"]);
    // A folder that was not there before.
    std::fs::create_dir(place.path("conf.d")).unwrap();
    daemon.wait_for_log("configuration reloaded");
    let more = "[jobs.more]\nevery = \"1s\"\nshell = ':'\n";
    std::fs::write(place.path("conf.d/more.toml"), more).unwrap();
    daemon.wait_for_log("configuration reloaded");
    assert_eq!(jobs(&place), ["beat", "more"]);
}

#[test]
fn a_file_beside_the_config_that_never_rests_holds_nothing_up() {
    let watch = format!("[scheduler]\nwatch_config = true\n{BEAT}");
    let place = Place::new(&watch);
    let mut daemon = place.start();
    let restless = place.path("state.json");
    let (stop, stopped) = mpsc::channel::<()>();
    let writer = std::thread::spawn(move || {
        // Oftener than a change takes to settle, until the test is over.
        while stopped.recv_timeout(Duration::from_millis(50)) == Err(RecvTimeoutError::Timeout) {
            std::fs::write(&restless, "{}").unwrap();
        }
    });
    wait_until("a write", || {
        place.path("state.json").exists().then_some(())
    });
    let renamed = format!("{watch}[jobs.renamed]\nevery = \"1s\"\nshell = ':'\n");
    replace(&place, &renamed);
    daemon.wait_for_log("configuration reloaded");
    assert_eq!(jobs(&place), ["beat", "renamed"]);
    drop(stop);
    writer.join().unwrap();
    // Nor was it read for the other file's sake: each reload is in the log before the next.
    place.configure(&watch);
    let line = daemon.wait_for_log("configuration reloaded");
    assert!(line.contains("renamed"), "{line}");
}

#[test]
fn links_that_lead_elsewhere_at_once_are_taken_when_the_config_says_so() {
    // As Kubernetes does it for a ConfigMap: `config.toml` and `conf.d` lead through `..data`.
    let watch = format!("[scheduler]\nwatch_config = true\n{BEAT}");
    let place = Place::new(&watch);
    let version = |name: &str, job: &str| {
        std::fs::create_dir_all(place.path(name).join("conf.d")).unwrap();
        std::fs::copy(place.path("original"), place.path(name).join("config.toml")).unwrap();
        let more = format!("[jobs.{job}]\nevery = \"1s\"\nshell = ':'\n");
        std::fs::write(place.path(name).join("conf.d/more.toml"), more).unwrap();
        symlink(name, place.path("..data_tmp")).unwrap();
        std::fs::rename(place.path("..data_tmp"), place.path("..data")).unwrap();
    };
    std::fs::rename(place.path("config.toml"), place.path("original")).unwrap();
    version("..1", "one");
    symlink("..data/config.toml", place.path("config.toml")).unwrap();
    symlink("..data/conf.d", place.path("conf.d")).unwrap();
    let mut daemon = place.start();
    assert_eq!(jobs(&place), ["beat", "one"]);
    for (name, job) in [("..2", "two"), ("..3", "three")] {
        version(name, job);
        daemon.wait_for_log("configuration reloaded");
        assert_eq!(jobs(&place), ["beat", job]);
    }
}

#[test]
fn a_changed_calendar_is_taken_when_the_config_says_so() {
    let calendar = |day: &str| {
        format!(
            "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nBEGIN:VEVENT\r\nDTSTART;VALUE=DATE:{day}\r\n\
             RRULE:FREQ=YEARLY\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"
        )
    };
    let text = format!(
        "[scheduler]\nwatch_config = true\n{BEAT}[calendars.holidays]\n\
         file = \"calendars/holidays.ics\"\n[jobs.yearly]\ncron = \"0 12 24,25 12 *\"\n\
         timezone = \"UTC\"\nshell = ':'\nexclude = [\"holidays\"]\n"
    );
    let place = Place::new(&text);
    let file = place.path("calendars/holidays.ics");
    std::fs::create_dir(place.path("calendars")).unwrap();
    std::fs::write(&file, calendar("20201224")).unwrap();
    let mut daemon = place.start();
    let days = || {
        let job = door(&place).get("/api/v1/jobs/yearly").send().json();
        let fires = job["next_fires"].as_array().unwrap().iter().skip(1);
        let days = fires.map(|fire| fire.as_str().unwrap()[5..10].to_owned());
        days.collect::<std::collections::BTreeSet<_>>()
    };
    assert_eq!(days(), ["12-25".to_owned()].into());
    std::fs::write(&file, calendar("20201225")).unwrap();
    daemon.wait_for_log("configuration reloaded");
    assert_eq!(days(), ["12-24".to_owned()].into());
    // A broken one changes nothing, and is told with its place.
    std::fs::write(&file, "BEGIN:VCALENDAR\r\nVERSION:3.0\r\nEND:VCALENDAR\r\n").unwrap();
    daemon.wait_for_log("holidays.ics:2:1: VERSION");
    assert_eq!(days(), ["12-24".to_owned()].into());
}

/// Writes the config beside, and renames it into place.
fn replace(place: &Place, jobs: &str) {
    let aside: PathBuf = place.path("config.toml");
    place.configure_as("aside", jobs);
    std::fs::rename(place.path("aside"), aside).unwrap();
}
