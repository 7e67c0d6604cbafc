//! SIGUSR2: the next version takes over in the same process, and what runs goes on.

use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::PathBuf;

use rustix::process::Signal;
use sha2::Digest;

use super::daemon::{Daemon, Place, Row, assert_each_second_once, jobs, wait_until};
use super::http::Door;
use crate::web::{Server, answer};

/// Runs until it is let go, and says what it sees.
const PATIENT: &str = r#"
    [jobs.patient]
    every = "1000d"
    shell = 'echo "one $PPID"; echo err >&2; touch $PLACE/up; while [ ! -e $PLACE/go ]; do sleep 0.02; done; echo "two $PPID"; exit 3'
"#;

/// A place with a program of its own, which a test may replace.
fn place_with_program(jobs: &str) -> (Place, PathBuf) {
    let place = Place::new(jobs);
    let program = place.path("punctual");
    copy_to(&program);
    (place, program)
}

/// By another process: what this one has open for writing, a process that it just starts has, too, and
/// such a file cannot be executed.
fn copy_to(program: &std::path::Path) {
    let mut copy = std::process::Command::new("cp");
    copy.arg(env!("CARGO_BIN_EXE_punctual")).arg(program);
    assert!(copy.status().unwrap().success());
}

fn start(place: &Place, program: &std::path::Path) -> Daemon {
    let mut daemon = place.spawn_program(program);
    daemon.wait_for_log("ready");
    daemon
}

/// Puts a script in the program's place, as a package does: by another file.
fn replace(program: &std::path::Path, script: &str) {
    let new = program.with_extension("new");
    std::fs::write(&new, script).unwrap();
    std::fs::set_permissions(&new, PermissionsExt::from_mode(0o755)).unwrap();
    std::fs::rename(new, program).unwrap();
}

fn door(place: &Place) -> Door {
    Door::Unix(place.path("punctual.sock"))
}

fn trigger(place: &Place, job: &str) {
    door(place).trigger(job);
}

fn the_run(place: &Place, job: &str) -> Row {
    let mut rows = place.rows();
    rows.retain(|row| row.job == job);
    assert_eq!(rows.len(), 1, "{rows:?}");
    rows.remove(0)
}

fn ended(place: &Place, job: &str) -> Row {
    let live = ["scheduled", "queued", "running"];
    wait_until("the run's end", || {
        Some(the_run(place, job)).filter(|row| !live.contains(&row.status.as_str()))
    })
}

fn output_of(place: &Place, job: &str) -> String {
    let runs = door(place).get(&format!("/api/v1/jobs/{job}/runs")).ok();
    let id = runs["items"][0]["id"].as_str().unwrap().to_owned();
    door(place)
        .get(&format!("/api/v1/runs/{id}/output"))
        .send()
        .text()
}

fn wait_for(place: &Place, file: &str) {
    wait_until(file, || place.path(file).exists().then_some(()));
}

#[test]
fn a_job_goes_on_as_a_child_of_the_same_process_and_nothing_of_it_is_lost() {
    let (place, program) = place_with_program(PATIENT);
    let mut daemon = start(&place, &program);
    let pid = daemon.pid();
    trigger(&place, "patient");
    wait_for(&place, "up");
    for _ in 0..3 {
        daemon.upgrade();
    }
    assert_eq!(the_run(&place, "patient").status, "running");
    std::fs::write(place.path("go"), "").unwrap();
    let row = ended(&place, "patient");
    assert_eq!((row.status.as_str(), row.reason), ("failed", None));
    let said = output_of(&place, "patient");
    let mut lines: Vec<_> = said.lines().map(str::to_owned).collect();
    lines.sort();
    assert_eq!(
        lines,
        ["err".to_owned(), format!("one {pid}"), format!("two {pid}")]
    );
    assert!(daemon.terminate().success());
}

#[test]
fn a_secret_that_an_upgrade_cuts_in_two_is_not_seen() {
    let (place, program) = place_with_program(
        r#"
        [jobs.teller]
        every = "1000d"
        env = { TOKEN = { env = "THE_TOKEN" } }
        shell = 'printf "<${TOKEN%%-*}"; touch $PLACE/up; while [ ! -e $PLACE/go ]; do sleep 0.02; done; printf -- "-%s>" "${TOKEN#*-}"'
        "#,
    );
    let mut command = std::process::Command::new(&program);
    command
        .args(place.arguments())
        .env("THE_TOKEN", "correct-horse");
    let mut daemon = Daemon::spawn(place.with_folders(&mut command));
    daemon.wait_for_log("ready");
    trigger(&place, "teller");
    wait_for(&place, "up");
    daemon.upgrade();
    std::fs::write(place.path("go"), "").unwrap();
    ended(&place, "teller");
    assert_eq!(output_of(&place, "teller"), "<***>");
}

#[test]
fn a_timeout_and_a_stop_under_way_go_on() {
    let (place, program) = place_with_program(
        r#"
        [jobs.slow]
        every = "1000d"
        timeout = "3s"
        shell = 'touch $PLACE/up; sleep 1000'
        [jobs.stubborn]
        every = "1000d"
        kill_timeout = "3s"
        shell = 'trap "touch $PLACE/told" TERM; touch $PLACE/ready; while :; do sleep 0.05; done'
        "#,
    );
    let mut daemon = start(&place, &program);
    trigger(&place, "slow");
    trigger(&place, "stubborn");
    wait_for(&place, "up");
    wait_for(&place, "ready");
    let runs = door(&place).get("/api/v1/jobs/stubborn/runs").ok();
    let id = runs["items"][0]["id"].as_str().unwrap().to_owned();
    assert_eq!(
        door(&place)
            .post(&format!("/api/v1/runs/{id}/cancel"))
            .send()
            .status,
        202
    );
    wait_for(&place, "told");
    daemon.upgrade();
    assert_eq!(ended(&place, "slow").status, "timed_out");
    let stubborn = ended(&place, "stubborn");
    assert_eq!(
        (stubborn.status.as_str(), stubborn.reason.as_deref()),
        ("cancelled", Some("requested"))
    );
    wait_until("their processes' end", || {
        place.processes().is_empty().then_some(())
    });
}

#[test]
fn a_version_that_cannot_start_leaves_this_one_as_it_is() {
    let (place, program) = place_with_program(PATIENT);
    let mut daemon = start(&place, &program);
    trigger(&place, "patient");
    wait_for(&place, "up");
    let config = place.path("config.toml");
    let good = std::fs::read_to_string(&config).unwrap();
    let refused = |daemon: &mut Daemon, why: &str| {
        daemon.signal(Signal::USR2);
        let line = daemon.wait_for_log("no upgrade, this version goes on");
        assert!(line.contains(why), "{line}");
    };

    replace(&program, "#!/bin/sh\necho 'no such luck' >&2\nexit 7\n");
    refused(&mut daemon, "no such luck");
    // More than a pipe holds.
    replace(
        &program,
        "#!/bin/sh\necho 'no end of bad luck' >&2\nhead -c 300000 /dev/zero | tr '\\0' x >&2\nexit 7\n",
    );
    refused(&mut daemon, "no end of bad luck");
    replace(&program, "neither a script nor a program");
    refused(&mut daemon, "cannot be run");
    replace(
        &program,
        "#!/bin/sh\necho '{\"version\":\"9\",\"form\":999,\"ledger\":999}'\n",
    );
    refused(&mut daemon, "restart the service");
    std::fs::remove_file(&program).unwrap();
    refused(&mut daemon, "cannot be run");
    copy_to(&program);
    std::fs::write(&config, "nonsense").unwrap();
    refused(&mut daemon, "cannot take over");
    std::fs::write(&config, &good).unwrap();

    // It passes its trial, and then finds another config than it was tried with.
    let real = env!("CARGO_BIN_EXE_punctual");
    let folder = place.folder.path().display();
    std::fs::write(place.path("bad.toml"), "nonsense").unwrap();
    replace(
        &program,
        &format!(
            "#!/bin/sh\n[ \"$1\" = serve ] || exec {real} \"$@\"\n\
             exec {real} serve --log-format json --config {folder}/bad.toml\n"
        ),
    );
    refused(&mut daemon, "bad.toml");
    daemon.wait_for_log("ready");

    // Its complaint is longer than any variable that carries it back may be.
    let deep = format!("{}bad.toml", "a folder whose name is long/".repeat(130));
    std::fs::create_dir_all(place.path(&deep).parent().unwrap()).unwrap();
    let unknown = (0..100).map(|n| format!("unknown{n} = 1\n"));
    std::fs::write(place.path(&deep), unknown.collect::<String>()).unwrap();
    replace(
        &program,
        &format!(
            "#!/bin/sh\n[ \"$1\" = serve ] || exec {real} \"$@\"\n\
             exec {real} serve --log-format json --config '{folder}/{deep}'\n"
        ),
    );
    refused(&mut daemon, "bytes left out here");
    daemon.wait_for_log("ready");

    assert_eq!(the_run(&place, "patient").status, "running");
    std::fs::write(place.path("go"), "").unwrap();
    assert_eq!(ended(&place, "patient").status, "failed");
    assert!(output_of(&place, "patient").contains("two"));
    // The one that took everything back can be followed as well.
    copy_to(&place.path("next"));
    std::fs::rename(place.path("next"), &program).unwrap();
    daemon.upgrade();
}

#[test]
fn upgraded_under_load_nothing_starts_twice_and_every_instant_is_accounted_for() {
    // Names that no other test has: the id of a run is made of its job's name and its instant, and another
    // daemon that recovers from a crash ends whatever has the id of one of its own in its environment.
    let jobs = jobs(40, |n| {
        format!(
            "[jobs.up{n}]\nevery = \"1s\"\ncatch_up = \"none\"\nshell = 'echo \"{n} $PUNCTUAL_SCHEDULED_AT\" >> \
             $PLACE/starts; sleep 0.{n:02}'\n"
        )
    });
    // With nothing to catch up, every instant has its row as soon as it is decided.
    let place = Place::new(&jobs);
    let mut daemon = place.start();
    for _ in 0..8 {
        let enough = place.lines("starts").len() + 30;
        wait_until("some starts", || {
            (place.lines("starts").len() >= enough).then_some(())
        });
        daemon.upgrade();
    }
    let enough = place.lines("starts").len() + 60;
    wait_until("a life after", || {
        (place.lines("starts").len() >= enough).then_some(())
    });
    assert!(daemon.terminate().success());
    let starts = place.counts("starts");
    let twice: Vec<_> = starts.iter().filter(|&(_, &times)| times > 1).collect();
    assert!(twice.is_empty(), "started twice: {twice:?}");
    let rows = place.rows();
    for n in 0..40 {
        assert_each_second_once(&rows, &format!("up{n}"));
    }
    // Some never ran, for what the contract names alone: the end of the daemon, the run before, or a
    // machine that stood still for more than 5 s, so that nobody watched.
    let lawful = |row: &&Row| match (row.status.as_str(), row.reason.as_deref()) {
        ("succeeded", None) => row.started_at.is_some(),
        ("missed", Some("shutdown" | "unwatched")) | ("skipped", Some("max_concurrent")) => {
            row.started_at.is_none()
        }
        _ => false,
    };
    let lost: Vec<_> = rows.iter().filter(|row| !lawful(row)).collect();
    assert!(lost.is_empty(), "{lost:?}");
    let ran = rows.iter().filter(|row| row.started_at.is_some());
    assert_eq!(ran.count(), starts.len(), "every row that ran did so once");
}

#[test]
fn clients_that_come_meanwhile_are_answered() {
    let place = Place::new(PATIENT);
    let mut daemon = place.start();
    let over = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        let asking = scope.spawn(|| {
            let mut asked = 0;
            while !over.load(std::sync::atomic::Ordering::Relaxed) {
                let answer = door(&place).get("/healthz").send();
                assert_eq!(answer.status, 200);
                asked += 1;
            }
            asked
        });
        for _ in 0..5 {
            daemon.upgrade();
        }
        over.store(true, std::sync::atomic::Ordering::Relaxed);
        assert!(asking.join().unwrap() > 0);
    });
}

#[test]
fn after_kill_9_of_the_next_version_nothing_of_the_old_runs_is_left() {
    let place = Place::new(PATIENT);
    let mut daemon = place.start();
    trigger(&place, "patient");
    wait_for(&place, "up");
    daemon.upgrade();
    let old = place.processes();
    assert!(!old.is_empty());
    daemon.kill9();
    place.configure("");
    let _daemon = place.start();
    assert_eq!(place.processes(), Vec::<u32>::new());
    assert_eq!(the_run(&place, "patient").status, "lost");
}

/// How many processes wait while the program under them changes.
const MANY: usize = 500;

#[test]
fn upgraded_in_the_middle_of_everything_that_jobs_do_to_a_daemon() {
    // What comes first belongs to the table [defaults].
    let jobs = r#"
        output = { max_bytes = "64KiB", keep = "both" }
        kill_timeout = "200ms"
        [pools.default]
        slots = 1000
        [jobs.flood]
        every = "1000d"
        shell = 'exec 2> /dev/null; yes "a line as long as any" & P=$!; eval "$GO"; kill $P; wait $P; echo; echo the end'
        [jobs.double-fork]
        every = "1000d"
        shell = '(setsid sh -c "sleep 1000 & sleep 1000" > /dev/null 2>&1 &); eval "$GO"'
        [jobs.holds-the-pipe]
        every = "1000d"
        shell = 'sleep 1000 & eval "$GO"; echo over'
        [jobs.closes-its-pipes]
        every = "1000d"
        shell = 'exec > /dev/null 2>&1; eval "$GO"; exit 5'
        [jobs.hears-nothing]
        every = "1000d"
        timeout = "4s"
        shell = 'trap "" TERM; while :; do sleep 0.05; done'
        [jobs.escapes]
        every = "1000d"
        shell = 'printf "\033[2J\377"; eval "$GO"; printf "\303"; sleep 0.1; printf "\244\n"'
        [jobs.many]
        every = "1000d"
        concurrency_policy = "allow"
        shell = 'echo up >> $PLACE/ups; read -r _ < $PLACE/gate; echo "$PUNCTUAL_RUN_ID" >> $PLACE/many'
        "#;
    let go = "while [ ! -e $PLACE/go ]; do sleep 0.05; done";
    let (place, program) = place_with_program(&jobs.replace("eval \"$GO\"", go));
    let mut gate = std::process::Command::new("mkfifo");
    assert!(gate.arg(place.path("gate")).status().unwrap().success());
    let mut daemon = start(&place, &program);
    let single = [
        "flood",
        "double-fork",
        "holds-the-pipe",
        "closes-its-pipes",
        "hears-nothing",
        "escapes",
    ];
    for job in single {
        trigger(&place, job);
    }
    for _ in 0..MANY {
        trigger(&place, "many");
    }
    wait_until("many processes", || {
        (place.lines("ups").len() == MANY).then_some(())
    });
    for _ in 0..3 {
        daemon.upgrade();
    }
    std::fs::write(place.path("go"), "").unwrap();
    let end = |job| {
        let row = ended(&place, job);
        (row.status, row.reason)
    };
    let succeeded = ("succeeded".to_owned(), None);
    for job in ["flood", "double-fork", "holds-the-pipe", "escapes"] {
        assert_eq!(end(job), succeeded, "{job}");
    }
    assert_eq!(end("closes-its-pipes").0, "failed");
    assert_eq!(end("hears-nothing").0, "timed_out");
    let flood = output_of(&place, "flood");
    let tail = &flood[flood.len().saturating_sub(200)..];
    assert!(flood.ends_with("the end\n"), "{tail:?}");
    assert!(flood.len() < 66 << 10 && flood.contains("bytes left out here"));
    assert!(output_of(&place, "holds-the-pipe").ends_with("over\n"));
    wait_until("many ends", || {
        // Whoever waits at the gate goes on when somebody has opened it; nobody may be there.
        let _ = std::fs::OpenOptions::new()
            .write(true)
            .custom_flags(rustix::fs::OFlags::NONBLOCK.bits().cast_signed())
            .open(place.path("gate"));
        (place.lines("many").len() == MANY).then_some(())
    });
    assert!(place.counts("many").values().all(|&times| times == 1));
    wait_until("the end of every process", || {
        place.processes().is_empty().then_some(())
    });
    wait_until("many rows that say so", || {
        let rows = place.rows();
        let mut many = rows.iter().filter(|row| row.job == "many");
        many.all(|row| row.status == "succeeded").then_some(())
    });
    let rows = place.rows();
    assert_eq!(rows.iter().filter(|row| row.job == "many").count(), MANY);
    assert!(daemon.terminate().success());
}

#[test]
fn a_request_is_waited_for_and_dropped_when_the_grace_is_over() {
    let (let_go, gate) = std::sync::mpsc::channel::<()>();
    let gate = std::sync::Mutex::new(gate);
    let server = Server::start(move |asked, wire| {
        if asked.path == "/waits" {
            // Until the test lets it go, or has ended.
            let _ = gate.lock().unwrap().recv();
        }
        answer(wire, "200 OK", "done")
    });
    let url = server.url("");
    let place = Place::new(&format!(
        "[scheduler]\nshutdown_grace = '4s'\n\
         [jobs.waits]\nevery = '1000d'\nhttp = {{ url = '{url}/waits' }}\n\
         [jobs.tick]\nevery = '200ms'\ncommand = ['true']\n"
    ));
    let mut daemon = place.start();
    trigger(&place, "waits");
    wait_until("the request", || (!server.asked().is_empty()).then_some(()));
    daemon.signal(Signal::USR2);
    daemon.wait_for_log("the next version takes over");
    // Meanwhile everything goes on.
    let ticks = |place: &Place| place.rows().iter().filter(|row| row.job == "tick").count();
    let before = ticks(&place);
    wait_until("fires", || (ticks(&place) > before + 2).then_some(()));
    let_go.send(()).unwrap();
    daemon.wait_for_log("took over");
    daemon.wait_for_log("ready");
    assert_eq!(the_run(&place, "waits").status, "succeeded");

    trigger(&place, "waits");
    wait_until("the request", || (server.asked().len() > 1).then_some(()));
    daemon.upgrade();
    let rows = place.rows();
    let mut dropped = rows.iter().filter(|row| row.status == "cancelled");
    let reason = dropped.next().unwrap().reason.clone().unwrap();
    assert!(
        reason.starts_with("shutdown") && reason.contains("may have acted"),
        "{reason}"
    );
}

/// No handler lives through an exec, so without care a signal kills the process in the milliseconds
/// until the next version has its own.
#[test]
fn signals_in_the_middle_of_upgrades_do_no_harm() {
    let place = Place::new("[jobs.a]\nevery = '1d'\nshell = ':'\n");
    let mut daemon = place.start();
    let over = std::sync::atomic::AtomicBool::new(false);
    let pid = rustix::process::Pid::from_raw(daemon.pid().cast_signed()).unwrap();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !over.load(std::sync::atomic::Ordering::Relaxed) {
                rustix::process::kill_process(pid, Signal::HUP).unwrap();
                std::thread::yield_now();
            }
        });
        let upgraded = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            for _ in 0..5 {
                daemon.upgrade();
            }
        }));
        over.store(true, std::sync::atomic::Ordering::Relaxed);
        upgraded.unwrap();
    });
    assert!(daemon.terminate().success());
}

#[test]
fn a_signal_to_end_that_comes_during_an_upgrade_ends_this_version_or_the_next() {
    for moment in ["the next version takes over", "handing over"] {
        let place = Place::new(&format!("{PATIENT}[scheduler]\nshutdown_grace = '0s'\n"));
        let mut daemon = place.start();
        trigger(&place, "patient");
        wait_for(&place, "up");
        daemon.signal(Signal::USR2);
        daemon.wait_for_log(moment);
        daemon.signal(Signal::TERM);
        if moment == "handing over" {
            daemon.wait_for_log("took over");
        }
        daemon.wait_for_log("stopped");
        assert!(daemon.wait().success(), "{moment}");
        let row = the_run(&place, "patient");
        assert_eq!(
            (row.status.as_str(), row.reason.as_deref()),
            ("cancelled", Some("shutdown"))
        );
    }
}

#[test]
fn a_version_that_fails_with_its_sockets_open_leaves_their_files() {
    let (place, program) = place_with_program(PATIENT);
    let mut daemon = start(&place, &program);
    trigger(&place, "patient");
    wait_for(&place, "up");
    let (real, folder) = (
        env!("CARGO_BIN_EXE_punctual"),
        place.folder.path().display(),
    );
    let config = std::fs::read_to_string(place.path("config.toml")).unwrap();
    let elsewhere = config.replace("/punctual.sock", "/other.sock");
    let with = |config: &str| {
        replace(
            &program,
            &format!(
                "#!/bin/sh\n[ \"$1\" = serve ] || exec {real} \"$@\"\n\
                 exec {real} serve --log-format json --config {folder}/{config}\n"
            ),
        );
    };
    // On another ledger, whose start marks have no folder.
    let ledger = std::fs::canonicalize(place.path("state"))
        .unwrap()
        .join("second.db");
    let digest = sha2::Sha256::digest(ledger.as_os_str().as_encoded_bytes());
    let hex = digest[..8].iter().map(|byte| format!("{byte:02x}"));
    let marks = format!("run/started-{}", hex.collect::<String>());
    std::fs::write(place.path(&marks), "no folder").unwrap();
    let inode = || {
        std::fs::metadata(place.path("punctual.sock"))
            .unwrap()
            .ino()
    };
    let socket = inode();
    for (name, config) in [("same.toml", &config), ("moved.toml", &elsewhere)] {
        let config = config.replace("/punctual.db", "/second.db");
        std::fs::write(place.path(name), config).unwrap();
        with(name);
        daemon.signal(Signal::USR2);
        daemon.wait_for_log("it belongs to somebody else, or is no folder");
        daemon.wait_for_log("no upgrade, this version goes on");
        daemon.wait_for_log("ready");
        assert_eq!(the_run(&place, "patient").status, "running");
        assert_eq!(door(&place).get("/healthz").send().status, 200);
        // The same one: who connected to it meanwhile waits in it.
        assert_eq!(inode(), socket);
        assert!(!place.path("other.sock").exists());
    }
    // One that goes on takes the file along, or away.
    std::fs::write(place.path("elsewhere.toml"), elsewhere).unwrap();
    with("elsewhere.toml");
    daemon.upgrade();
    assert!(!place.path("punctual.sock").exists());
    assert!(place.path("other.sock").exists());
    std::fs::write(place.path("go"), "").unwrap();
    assert!(daemon.terminate().success());
    assert!(!place.path("other.sock").exists());
}

#[test]
fn while_the_ledger_takes_no_writes_there_is_no_upgrade() {
    let place = Place::new("[jobs.beat]\nevery = '1s'\ncommand = ['true']\n");
    let mut daemon = place.start();
    let refused = |daemon: &mut Daemon| {
        daemon.signal(Signal::USR2);
        let line = daemon.wait_for_log("no upgrade, this version goes on");
        assert!(line.contains("the ledger cannot be written"), "{line}");
    };
    let holder = place.hold_ledger();
    // At first nobody knows that; once it is known, nothing is tried.
    refused(&mut daemon);
    wait_until("bad news", || {
        (door(&place).get("/readyz").status() == 503).then_some(())
    });
    refused(&mut daemon);
    assert_eq!(door(&place).get("/healthz").status(), 200);
    drop(holder);
    daemon.wait_for_log("the ledger can be written again");
    daemon.upgrade();
    assert_each_second_once(&place.rows(), "beat");

    let holder = place.hold_ledger();
    daemon.signal(Signal::USR2);
    daemon.wait_for_log("the next version takes over");
    daemon.signal(Signal::TERM);
    daemon.wait_for_log("stopping");
    drop(holder);
    assert!(daemon.wait().success());
}

#[test]
fn a_signal_to_end_does_not_wait_for_a_trial_and_leaves_nothing_of_it() {
    let (place, program) = place_with_program("");
    let mut daemon = start(&place, &program);
    let told = place.path("trial");
    let script = format!(
        "#!/bin/sh\necho $$ > {0}.new; mv {0}.new {0}; exec sleep 1000\n",
        told.display()
    );
    replace(&program, &script);
    daemon.signal(Signal::USR2);
    wait_for(&place, "trial");
    daemon.signal(Signal::TERM);
    let line = daemon.wait_for_log("no upgrade");
    assert!(line.contains("this version is to stop"), "{line}");
    daemon.wait_for_log("stopped");
    assert!(daemon.wait().success());
    let trial = std::fs::read_to_string(told).unwrap();
    assert!(!std::path::Path::new("/proc").join(trial.trim()).exists());
}

#[test]
fn signals_to_end_are_heard_while_an_upgrade_waits_for_a_request() {
    let (_never, gate) = std::sync::mpsc::channel::<()>();
    let gate = std::sync::Mutex::new(gate);
    let server = Server::start(move |_, wire| {
        // Until the test has ended.
        let _ = gate.lock().unwrap().recv();
        answer(wire, "200 OK", "late")
    });
    let place = Place::new(&format!(
        "[scheduler]\nshutdown_grace = '1h'\n\
         [jobs.waits]\nevery = '1000d'\nhttp = {{ url = '{}' }}\n",
        server.url("/")
    ));
    let mut daemon = place.start();
    trigger(&place, "waits");
    wait_until("the request", || (!server.asked().is_empty()).then_some(()));
    daemon.signal(Signal::USR2);
    daemon.wait_for_log("the next version takes over");
    daemon.signal(Signal::TERM);
    daemon.wait_for_log("stopping");
    daemon.signal(Signal::TERM);
    daemon.wait_for_log("stopped");
    assert!(daemon.wait().success());
    assert_eq!(the_run(&place, "waits").status, "cancelled");
}
