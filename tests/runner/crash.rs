//! `kill -9` of a daemon: this binary plays one in a process of its own.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use punctual::clock;
use punctual::job::{Action, AttemptEnd, JobName, RunId, StopCause};
use punctual::runner::{
    Cleared, Groups, Handed, Launch, Leader, Leftovers, Mark, Marks, Runner, kill_leftovers,
};

use crate::desk::{PATIENCE, alive_of, desk, launch, lives, new_run, numbers, shell, until};

const DIR: &str = "PUNCTUAL_TEST_DAEMON_DIR";

/// What the jobs of the daemon do: each prints the ids of processes that must not survive.
const JOBS: [&str; 5] = [
    "echo pid=$$ >>$OUT; exec sleep 1000",
    "trap '' TERM HUP; sleep 1000 & echo pid=$! >>$OUT; echo pid=$$ >>$OUT; wait",
    "(setsid sh -c 'echo pid=$$ >>$OUT; sleep 1000; :' &) ; exec sleep 1000",
    "env -i /bin/sh -c 'echo pid=$$ >>\"$1\"; exec /bin/sleep 1000' sh \"$OUT\" & exec sleep 1000",
    // All that tells whose it is, is what it prints to.
    "(env -i setsid /bin/sh -c 'echo pid=$$ >>\"$1\"; exec /bin/sleep 1000' sh \"$OUT\" &) ; exec sleep 1000",
];

/// Not a test of its own: the daemon that [`next_start`] kills.
#[test]
#[ignore = "started by another test"]
fn daemon() {
    let Some(dir) = std::env::var_os(DIR) else {
        return;
    };
    let dir = Path::new(&dir);
    let marks = Marks::open(dir).unwrap().begin().unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let (send, mut reports) = tokio::sync::mpsc::channel(16);
    let runner = Runner::start(
        marks,
        send,
        runtime.handle().clone(),
        Handed::default(),
        &Groups::none(),
    )
    .unwrap();
    for job in JOBS {
        let out = dir.join("pids");
        runner.launch(Launch {
            run: new_run(),
            attempt: 1,
            job: JobName::new("test").unwrap(),
            action: Action::Process(Arc::new(shell(job))),
            facts: vec![("OUT".into(), out.to_str().unwrap().into())],
        });
    }
    for _ in JOBS {
        runtime.block_on(reports.recv()).unwrap();
    }
    println!("running");
    runtime.block_on(std::future::pending::<()>());
}

/// This binary adopts orphans, because other tests run processes in it, and would kill those of the
/// dead daemon as strays before they are looked for. So the test runs in a process of its own,
/// which adopts them too and has no runner.
#[test]
fn nothing_survives_the_next_start() {
    alone("crash::next_start");
}

/// Runs an ignored test in a process of its own.
fn alone(name: &str) {
    let test = Command::new(std::env::current_exe().unwrap())
        .args(["--ignored", "--exact", name, "--nocapture"])
        .env(DIR, "set by the test itself")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&test.stdout);
    assert!(
        test.status.success() && said.contains("1 passed"),
        "{said}{}",
        String::from_utf8_lossy(&test.stderr)
    );
}

/// Hurrying reaches every attempt there is, so it cannot share a runner with other tests.
#[test]
fn a_second_signal_leaves_nothing_at_once() {
    alone("crash::hurry");
}

/// Not a test of its own: the inside of [`a_second_signal_leaves_nothing_at_once`].
#[test]
#[ignore = "started by another test"]
fn hurry() {
    if std::env::var_os(DIR).is_none() {
        return;
    }
    let stubborn = |line: &str| {
        let mut process = shell(&format!("trap '' TERM; echo ready; {line}"));
        // Nobody waits this long: the hurry has to cut it short.
        process.kill_timeout = Duration::from_hours(1);
        launch(process)
    };
    let stopping = stubborn("while :; do sleep 0.01; done");
    let running = stubborn("while :; do sleep 0.01; done");
    let left = stubborn("(while :; do sleep 0.01; done) & exit 0");
    stopping.says("ready");
    running.says("ready");
    let end = left.end().end;
    assert_eq!(end, AttemptEnd::Exited { code: 0, ok: true });
    assert!(
        !alive_of(left.run).is_empty(),
        "its leftover ignores the signal"
    );
    desk().runner.stop(stopping.run, 1, StopCause::Requested);
    desk().runner.hurry();
    for (attempt, cause) in [
        (&stopping, StopCause::Requested),
        (&running, StopCause::Shutdown),
    ] {
        let expected = AttemptEnd::Stopped {
            cause,
            code: None,
            signal: Some(9),
        };
        assert_eq!(attempt.end().end, expected);
    }
    let timer = tokio::runtime::Runtime::new().unwrap();
    timer.block_on(async {
        tokio::select! {
            () = desk().runner.idle() => {}
            () = clock::elapse(PATIENCE) => panic!("never idle"),
        }
    });
    for attempt in [&stopping, &running, &left] {
        assert_eq!(alive_of(attempt.run), Vec::<u32>::new());
    }
}

/// Not a test of its own: the inside of [`nothing_survives_the_next_start`].
#[test]
#[ignore = "started by another test"]
fn next_start() {
    if std::env::var_os(DIR).is_none() {
        return;
    }
    rustix::process::set_child_subreaper(Some(rustix::process::getpid())).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let mut daemon = Command::new(std::env::current_exe().unwrap())
        .args(["--ignored", "--exact", "crash::daemon", "--nocapture"])
        .env(DIR, dir.path())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(daemon.stdout.take().unwrap()).lines();
    assert!(
        lines
            .map_while(Result::ok)
            .any(|line| line.ends_with("running"))
    );
    let pids = || {
        let text = std::fs::read_to_string(dir.path().join("pids")).unwrap_or_default();
        numbers(&text, "pid")
    };
    until("all processes to run", || pids().len() == 6);
    daemon.kill().unwrap();
    daemon.wait().unwrap();
    let pids = pids();
    assert!(pids.iter().all(|&pid| lives(pid)));

    let recovery = Marks::open(dir.path()).unwrap();
    assert!(recovery.leftovers.same_boot);
    assert_eq!(recovery.leftovers.marks.len(), JOBS.len());
    let bystander = Command::new("sleep").arg("1000").spawn().unwrap();
    let mut bystander = Killed(bystander);
    let cleared = kill_leftovers(&recovery.leftovers).unwrap();
    assert!(cleared.killed >= pids.len(), "{cleared:?}");
    assert_eq!(cleared.alive, Vec::<u32>::new());
    for pid in pids {
        assert!(!lives(pid), "{pid}");
    }
    for mark in &recovery.leftovers.marks {
        assert_eq!(alive_of(mark.run), Vec::<u32>::new());
    }
    assert!(
        bystander.0.try_wait().unwrap().is_none(),
        "a bystander died"
    );
    let again = kill_leftovers(&recovery.leftovers).unwrap();
    assert_eq!(again, Cleared::default());
}

/// Orphans must be nobody's business but the test's.
#[test]
fn only_sessions_that_are_surely_ours_are_killed() {
    alone("crash::numbers_given_again");
}

/// Not a test of its own: the inside of [`only_sessions_that_are_surely_ours_are_killed`].
#[test]
#[ignore = "started by another test"]
fn numbers_given_again() {
    if std::env::var_os(DIR).is_none() {
        return;
    }
    rustix::process::set_child_subreaper(Some(rustix::process::getpid())).unwrap();
    let ours = Session::new(Some(new_run()));
    let orphaned = Session::new(Some(new_run())).without_leader();
    let strangers = Session::new(None);
    let orphaned_strangers = Session::new(None).without_leader();
    let earlier = |session: &Session| Leader {
        start_ticks: session.leader.start_ticks - 1,
        ..session.leader
    };
    // No process has this number; its mark is younger than all there is.
    let last = Leader {
        pid: 1 << 30,
        start_ticks: u64::MAX,
    };
    let marks = [
        (ours.run, ours.leader),
        (orphaned.run, orphaned.leader),
        (strangers.run, earlier(&strangers)),
        (orphaned_strangers.run, earlier(&orphaned_strangers)),
        (new_run(), last),
    ];
    let leftovers = Leftovers {
        same_boot: true,
        marks: marks
            .map(|(run, leader)| Mark {
                run,
                attempt: 1,
                leader: Some(leader),
                pipes: [0, 0],
            })
            .into(),
        adopted: Vec::new(),
    };
    let cleared = kill_leftovers(&leftovers).unwrap();
    assert_eq!(cleared.alive, Vec::<u32>::new());
    assert!(!lives(ours.leader.pid));
    assert!(lives(strangers.leader.pid));
    for session in [&ours, &orphaned] {
        assert!(!session.members.iter().any(|&pid| lives(pid)));
    }
    for session in [&strangers, &orphaned_strangers] {
        assert!(session.members.iter().all(|&pid| lives(pid)));
    }
    assert_eq!(kill_leftovers(&leftovers).unwrap(), Cleared::default());
}

/// A session of four: a leader, an orphan in a further session, a child, and one that wiped its
/// environment.
struct Session {
    run: RunId,
    leader: Leader,
    members: Vec<u32>,
    process: Child,
}

impl Session {
    /// Of an attempt of a run, or of a stranger.
    fn new(run: Option<RunId>) -> Self {
        let line = "sleep 1000 >/dev/null & echo pid=$!; \
                    env -i /bin/sleep 1000 >/dev/null & echo pid=$!; \
                    (setsid sh -c 'echo pid=$$; exec sleep 1000 >/dev/null' &); read -r end";
        let mut command = Command::new("setsid");
        command.args(["sh", "-c", line]);
        if let Some(run) = run {
            command.env("PUNCTUAL_RUN_ID", run.to_string());
            command.env("PUNCTUAL_ATTEMPT", "1");
        }
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut process = command.spawn().unwrap();
        let lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let members: Vec<u32> = lines
            .take(3)
            .map(|line| numbers(&line.unwrap(), "pid")[0])
            .collect();
        if let Some(run) = run {
            until("one to be without its environment", || {
                alive_of(run).len() == 3
            });
        }
        let pid = process.id();
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
        let behind_name = stat.rsplit_once(')').unwrap().1;
        let start_ticks = behind_name.split_whitespace().nth(19).unwrap();
        Self {
            run: run.unwrap_or_else(new_run),
            leader: Leader {
                pid,
                start_ticks: start_ticks.parse().unwrap(),
            },
            members,
            process,
        }
    }

    /// Ends the leader, so that its number is only that of the session.
    fn without_leader(mut self) -> Self {
        drop(self.process.stdin.take());
        self.process.wait().unwrap();
        assert!(self.members.iter().all(|&pid| lives(pid)));
        self
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        // Orphans, which nobody waits for: their numbers are theirs.
        for &pid in &self.members {
            let pid = rustix::process::Pid::from_raw(pid.cast_signed()).unwrap();
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
        }
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
