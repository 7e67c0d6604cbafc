//! Control groups: a daemon that may divide its own.
//!
//! Each test makes a group for its daemon at the top of the mounted tree, which needs root and cgroup v2;
//! and some need its controllers there (`echo +memory +cpu +pids > cgroup.subtree_control` at the top).
//! Where these are missing, a test says so and passes; `tests/emulated/run` runs all of them on a machine
//! that has them.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use rustix::process::Signal;

use super::daemon::{Daemon, Place, breathe, wait_until};
use super::http::Door;

/// A control group of a test's own.
struct Ground(PathBuf);

impl Ground {
    /// A new one, or none, which is told.
    fn new() -> Option<Self> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let top = mounted()?;
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = top.join(format!("punctual-test-{}-{number}", std::process::id()));
        match fs::create_dir(&path) {
            Ok(()) => Some(Self(path)),
            Err(why) => skip(&format!("{} cannot be made: {why}", path.display())),
        }
    }

    /// The same, with controllers in it.
    fn with_controllers() -> Option<Self> {
        let ground = Self::new()?;
        let there = fs::read_to_string(ground.0.join("cgroup.controllers")).unwrap();
        let there: Vec<_> = there.split_ascii_whitespace().collect();
        if ["memory", "cpu", "pids"]
            .iter()
            .all(|it| there.contains(it))
        {
            return Some(ground);
        }
        skip(&format!("its groups have only the controllers {there:?}"))
    }

    /// Starts a daemon in it, or in a group below it.
    fn spawn(&self, below: &str, place: &Place, program: &Path) -> Daemon {
        let mut command = Command::new("sh");
        command
            .args(["-c", "echo $$ > \"$0/cgroup.procs\" && exec \"$@\""])
            .arg(self.0.join(below))
            .arg(program)
            .args(place.arguments())
            .stdin(Stdio::null());
        Daemon::spawn(place.with_folders(&mut command))
    }

    /// Starts a daemon in it and waits until it is ready.
    fn start(&self, place: &Place) -> Daemon {
        // No process may enter a group that has controllers for those below it.
        let enabled = fs::read_to_string(self.0.join("cgroup.subtree_control"));
        let is_divided = enabled.is_ok_and(|enabled| !enabled.trim().is_empty());
        let below = if is_divided { "daemon" } else { "" };
        let mut daemon = self.spawn(below, place, env!("CARGO_BIN_EXE_punctual").as_ref());
        daemon.wait_for_log("a control group of its own");
        daemon.wait_for_log("ready");
        daemon
    }

    /// The groups of attempts that there are.
    fn attempts(&self) -> Vec<String> {
        let entries = fs::read_dir(self.0.join("jobs")).into_iter().flatten();
        let folders = entries
            .flatten()
            .filter(|it| it.file_type().is_ok_and(|it| it.is_dir()));
        folders
            .map(|it| it.file_name().into_string().unwrap())
            .collect()
    }

    fn wait_until_empty(&self) {
        wait_until("the end of every group", || {
            self.attempts().is_empty().then_some(())
        });
    }
}

impl Drop for Ground {
    fn drop(&mut self) {
        // A test that failed may have left something; nothing of it may stay on the machine.
        let _ = fs::write(self.0.join("cgroup.kill"), "1");
        let mut tries = 0;
        while fs::metadata(&self.0).is_ok() && tries < 1_000 {
            remove(&self.0);
            breathe();
            tries += 1;
        }
    }
}

fn remove(group: &Path) {
    for entry in fs::read_dir(group).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|it| it.is_dir()) {
            remove(&entry.path());
        }
    }
    // Whether it went is looked at by whoever called.
    let _ = fs::remove_dir(group);
}

/// Where cgroup v2 is mounted.
fn mounted() -> Option<PathBuf> {
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
    let line = mounts.lines().find(|line| line.contains(" - cgroup2 "));
    match line.and_then(|line| line.split(' ').nth(4)) {
        Some(point) => Some(point.into()),
        None => skip("no cgroup v2 is mounted"),
    }
}

/// Past the capture of the test's output, so that nobody takes it for a test that was made.
fn skip<T>(why: &str) -> Option<T> {
    let name = std::thread::current().name().unwrap_or_default().to_owned();
    let _ = writeln!(std::io::stderr(), "SKIPPED {name}: {why}");
    None
}

fn door(place: &Place) -> Door {
    Door::Unix(place.path("punctual.sock"))
}

fn trigger(place: &Place, job: &str) -> String {
    door(place).trigger(job)
}

fn cancel(place: &Place, run: &str) {
    let answer = door(place).post(&format!("{run}/cancel")).send();
    assert_eq!(answer.status, 202, "{answer:?}");
}

fn ended(place: &Place, run: &str) -> serde_json::Value {
    door(place).ended(run)
}

fn said(place: &Place, run: &str) -> String {
    door(place).get(&format!("{run}/output")).send().text()
}

/// The process id that a job wrote into a file, once it has.
fn pid_in(place: &Place, name: &str) -> u32 {
    wait_until(name, || {
        let text = fs::read_to_string(place.path(name)).ok()?;
        text.strip_suffix('\n')?.parse().ok()
    })
}

fn lives(pid: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let state = stat.rsplit_once(") ").map_or("", |(_, state)| state);
    !state.is_empty() && !state.starts_with(['Z', 'X'])
}

/// Waits until the process is in the group of an attempt, and says in which.
fn group_of(pid: u32) -> String {
    wait_until("a group of its own", || {
        let groups = fs::read_to_string(format!("/proc/{pid}/cgroup")).ok()?;
        let own = groups.lines().find_map(|line| line.strip_prefix("0::"))?;
        Some(own.split_once("/jobs/")?.1.to_owned())
    })
}

/// Two forks, a session of its own, nothing in its environment: no walk through `/proc` tells whose it
/// is, as long as an older attempt could be its owner.
const HIDES: &str = "(env -i setsid /bin/sh -c \"trap '' TERM HUP; echo \\$\\$ > $PLACE/hidden; \
                     while :; do /bin/sleep 1; done\" > /dev/null 2>&1 &); \
                     while [ ! -s $PLACE/hidden ]; do sleep 0.01; done";

/// A place with an older job that runs, and one that hides a process and then does something else.
fn place_with_hiding(then: &str, keys: &str) -> Place {
    Place::new(&format!(
        "kill_timeout = '300ms'\n\
         [jobs.older]\nevery = '1000d'\nshell = 'echo $$ > $PLACE/older; exec sleep 1000'\n\
         [jobs.hides]\nevery = '1000d'\nshell = '''{HIDES}; {then}'''\n{keys}\n\
         [scheduler]\nshutdown_grace = '0s'\n"
    ))
}

/// Starts the job of that name, and waits until it is in its group: what hides within the same
/// milliseconds could be of either.
fn start_older(place: &Place) -> u32 {
    trigger(place, "older");
    let older = pid_in(place, "older");
    group_of(older);
    older
}

#[test]
fn each_attempt_has_a_group_that_goes_with_it() {
    let Some(ground) = Ground::new() else { return };
    let place = Place::new(
        "[jobs.plain]\nevery = '1000d'\n\
         shell = 'until grep -q /jobs/ /proc/self/cgroup; do sleep 0.01; done; cat /proc/self/cgroup'\n\
         [jobs.staged]\nevery = '1000d'\numask = '0077'\ncommand = ['cat', '/proc/self/cgroup']\n\
         [jobs.nests]\nevery = '1000d'\numask = '0077'\nshell = '''\
         own=TOP$(grep ^0:: /proc/self/cgroup | cut -c 4-); mkdir -p $own/a/b; \
         (setsid sleep 1000 & echo $! > $own/a/b/cgroup.procs)'''\n",
    );
    let config = fs::read_to_string(place.path("config.toml")).unwrap();
    let top = mounted().unwrap().display().to_string();
    let top = if top == "/" { String::new() } else { top };
    fs::write(place.path("config.toml"), config.replace("TOP", &top)).unwrap();
    let daemon = ground.start(&place);
    for job in ["plain", "staged"] {
        let run = trigger(&place, job);
        assert_eq!(ended(&place, &run)["status"], "succeeded");
        let id = run.rsplit_once('/').unwrap().1;
        let seen = said(&place, &run);
        assert!(seen.contains(&format!("/jobs/{id}.1\n")), "{job}: {seen}");
        ground.wait_until_empty();
    }
    let run = trigger(&place, "nests");
    assert_eq!(
        ended(&place, &run)["status"],
        "succeeded",
        "{}",
        said(&place, &run)
    );
    ground.wait_until_empty();
    assert!(daemon.terminate().success());
}

#[test]
fn what_hides_dies_with_its_attempt_and_no_later() {
    for (then, keys, end) in [
        ("exit 0", "", "succeeded"),
        ("sleep 1000", "timeout = '3s'", "timed_out"),
        ("exit 0", "umask = '0077'", "succeeded"),
        ("sleep 1000", "timeout = '3s'\numask = '0077'", "timed_out"),
    ] {
        let Some(ground) = Ground::new() else { return };
        let place = place_with_hiding(then, keys);
        let _daemon = ground.start(&place);
        let older = start_older(&place);
        let run = trigger(&place, "hides");
        let hidden = pid_in(&place, "hidden");
        assert_eq!(ended(&place, &run)["status"], end);
        wait_until("the hidden process's end", || {
            (!lives(hidden)).then_some(())
        });
        wait_until("one group", || (ground.attempts().len() == 1).then_some(()));
        assert!(lives(older));
    }
}

#[test]
fn after_kill_9_nothing_of_a_group_lives() {
    let Some(ground) = Ground::new() else { return };
    let place = place_with_hiding("echo $$ > $PLACE/main; exec sleep 1000", "");
    let daemon = ground.start(&place);
    trigger(&place, "hides");
    let (hidden, main) = (pid_in(&place, "hidden"), pid_in(&place, "main"));
    assert_eq!(group_of(hidden), group_of(main));
    daemon.kill9();
    // Without it nothing tells whose the hidden one is, but the group.
    let main = rustix::process::Pid::from_raw(main.cast_signed()).unwrap();
    rustix::process::kill_process(main, Signal::KILL).unwrap();
    place.configure("");
    let _daemon = ground.start(&place);
    assert!(!lives(hidden));
    assert_eq!(ground.attempts(), Vec::<String>::new());
    assert_eq!(place.rows()[0].status, "lost");
}

#[test]
fn an_upgrade_keeps_the_groups_of_what_runs() {
    let Some(ground) = Ground::new() else { return };
    let place = place_with_hiding("sleep 1000", "");
    let mut daemon = ground.start(&place);
    let older = start_older(&place);
    let run = trigger(&place, "hides");
    let hidden = pid_in(&place, "hidden");
    let (group, of_older) = (group_of(hidden), group_of(older));
    for _ in 0..2 {
        daemon.signal(Signal::USR2);
        daemon.wait_for_log("took over");
        daemon.wait_for_log("ready");
    }
    assert_eq!(
        (group_of(hidden), group_of(older)),
        (group, of_older.clone())
    );
    cancel(&place, &run);
    assert_eq!(ended(&place, &run)["status"], "cancelled");
    wait_until("the hidden process's end", || {
        (!lives(hidden)).then_some(())
    });
    wait_until("one group", || {
        (ground.attempts() == [of_older.as_str()]).then_some(())
    });
    assert!(daemon.terminate().success());
    assert_eq!(ground.attempts(), Vec::<String>::new());
}

/// Each generation forks the next and ends, so what is found is dead already.
#[test]
fn what_forks_and_forks_is_stopped_in_one_stroke() {
    let Some(ground) = Ground::new() else { return };
    let place = Place::new(
        "[jobs.older]\nevery = '1000d'\nshell = 'echo $$ > $PLACE/older; exec sleep 1000'\n\
         [jobs.storm]\nevery = '1000d'\ntimeout = '1s'\nkill_timeout = '200ms'\n\
         shell = 'for n in 1 2 3 4; do env -i setsid $PLACE/again & done; trap \"\" TERM; \
         touch $PLACE/on; while :; do sleep 1; done'\n",
    );
    let again = place.path("again");
    fs::write(&again, "#!/bin/sh\ntrap '' TERM\nsetsid \"$0\" &\n").unwrap();
    fs::set_permissions(&again, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let _daemon = ground.start(&place);
    let older = start_older(&place);
    let run = trigger(&place, "storm");
    wait_until("the storm", || place.path("on").exists().then_some(()));
    assert_eq!(ended(&place, &run)["status"], "timed_out");
    wait_until("one group", || (ground.attempts().len() == 1).then_some(()));
    let script = again.display().to_string();
    let of_storm = || {
        let all = fs::read_dir("/proc").unwrap().flatten();
        let line = |it: fs::DirEntry| fs::read_to_string(it.path().join("cmdline")).ok();
        all.filter_map(line).any(|line| line.contains(&script))
    };
    assert!(!of_storm());
    assert!(lives(older));
}

#[test]
fn a_group_that_is_not_its_own_is_left_alone() {
    let Some(ground) = Ground::new() else { return };
    let mut other = Command::new("sh")
        .args([
            "-c",
            "echo $$ > \"$0/cgroup.procs\" && echo in && exec sleep 1000",
        ])
        .arg(&ground.0)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut first = [0; 3];
    std::io::Read::read_exact(&mut other.stdout.take().unwrap(), &mut first).unwrap();
    let place = place_with_hiding("exit 0", "");
    let mut daemon = ground.spawn("", &place, env!("CARGO_BIN_EXE_punctual").as_ref());
    let line = daemon.wait_for_log("no control groups");
    assert!(line.contains("not alone in its own group"), "{line}");
    daemon.wait_for_log("ready");
    // Without groups everything goes on as it did.
    let run = trigger(&place, "hides");
    let hidden = pid_in(&place, "hidden");
    assert_eq!(ended(&place, &run)["status"], "succeeded");
    wait_until("the hidden process's end", || {
        (!lives(hidden)).then_some(())
    });
    assert!(daemon.terminate().success());
    assert!(!ground.0.join("jobs").exists() && !ground.0.join("daemon").exists());
    other.kill().unwrap();
    other.wait().unwrap();
}

#[test]
fn two_daemons_do_not_divide_the_same_group() {
    let Some(ground) = Ground::new() else { return };
    let places = [
        place_with_hiding("exit 0", ""),
        place_with_hiding("exit 0", ""),
    ];
    let _first = ground.start(&places[0]);
    let older = start_older(&places[0]);
    let mut second = ground.spawn(
        "daemon",
        &places[1],
        env!("CARGO_BIN_EXE_punctual").as_ref(),
    );
    let line = second.wait_for_log("no control groups");
    assert!(line.contains("another daemon divides"), "{line}");
    second.wait_for_log("ready");
    assert!(second.terminate().success());
    assert!(lives(older));
}

/// Not in a group of its own, so it has no controllers either.
#[test]
fn limits_that_nothing_would_enforce_are_refused() {
    for limit in ["memory = '1GiB'", "cpu = '150%'", "pids = 20"] {
        let place = Place::new(&format!(
            "[jobs.a]\nevery = '1000d'\nshell = ':'\nlimits = {{ {limit} }}\n"
        ));
        let daemon = Command::new(env!("CARGO_BIN_EXE_punctual"))
            .args(place.arguments())
            .env("RUNTIME_DIRECTORY", place.path("run"))
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&daemon.stderr);
        assert_eq!(daemon.status.code(), Some(2), "{said}");
        assert!(said.contains("cannot be limited by this daemon"), "{said}");
        // Whoever only asks means the daemon to be, whose group nobody knows.
        let check = Command::new(env!("CARGO_BIN_EXE_punctual"))
            .arg("check")
            .arg("--config")
            .arg(place.path("config.toml"))
            .output()
            .unwrap();
        assert!(check.status.success(), "{check:?}");
    }
}

#[test]
fn what_takes_more_memory_than_it_may_is_killed_and_told() {
    let Some(ground) = Ground::with_controllers() else {
        return;
    };
    let place = Place::new(
        "[jobs.greedy]\nevery = '1000d'\nlimits.memory = '24MiB'\n\
         shell = '(sleep 1000 & echo $! > $PLACE/beside); tail /dev/zero; sleep 1000'\n\
         [jobs.modest]\nevery = '1000d'\nlimits.memory = '24MiB'\n\
         shell = 'head -c 8M /dev/zero | tail -c 8M > /dev/null; exit 3'\n",
    );
    let _daemon = ground.start(&place);
    let run = trigger(&place, "greedy");
    let end = ended(&place, &run);
    let told = ("failed", "memory_limit: 24 MiB", 9);
    let status = end["status"].as_str().unwrap();
    let reason = end["reason"].as_str().unwrap_or_default();
    assert_eq!((status, reason, end["signal"].as_i64().unwrap()), told);
    assert!(!lives(pid_in(&place, "beside")));
    let attempt = &end["attempt_list"][0];
    let peak = attempt["max_rss_bytes"].as_u64().unwrap();
    assert!((20 << 20..=24 << 20).contains(&peak), "{peak}");
    let end = ended(&place, &trigger(&place, "modest"));
    assert_eq!(
        (&end["exit_code"], end["reason"].is_null()),
        (&3.into(), true)
    );
    let peak = end["attempt_list"][0]["max_rss_bytes"].as_u64().unwrap();
    assert!((8 << 20..=24 << 20).contains(&peak), "{peak}");
}

#[test]
fn what_may_not_start_more_processes_cannot() {
    let Some(ground) = Ground::with_controllers() else {
        return;
    };
    let place = Place::new(
        "[jobs.many]\nevery = '1000d'\nlimits.pids = 5\n\
         shell = 'for n in 1 2 3 4 5 6 7 8; do sleep 1000 & done; exit 7'\n\
         [jobs.few]\nevery = '1000d'\nlimits.pids = 5\n\
         shell = 'for n in 1 2 3; do sleep 1000 & done; exit 7'\n",
    );
    let _daemon = ground.start(&place);
    let end = ended(&place, &trigger(&place, "many"));
    assert_eq!(
        (&end["status"], &end["reason"]),
        (&"failed".into(), &"pids_limit: 5".into())
    );
    let end = ended(&place, &trigger(&place, "few"));
    assert_eq!(
        (&end["exit_code"], end["reason"].is_null()),
        (&7.into(), true)
    );
    ground.wait_until_empty();
}

/// The time is that of all its processes, and no more of it than its share. A second of a processor is
/// spent each time, however long that takes: the kernel ends what has had it.
#[test]
fn what_has_a_share_of_a_processor_gets_no_more() {
    let Some(ground) = Ground::with_controllers() else {
        return;
    };
    let busy = "sh -c \"ulimit -t 1; while :; do :; done\"";
    let place = Place::new(&format!(
        "[jobs.some]\nevery = '1000d'\nlimits.cpu = '20%'\nshell = '{busy}; true'\n\
         [jobs.all]\nevery = '1000d'\numask = '0077'\nshell = '(setsid {busy} &) | cat'\n"
    ));
    let _daemon = ground.start(&place);
    let times = |job: &str| {
        let end = ended(&place, &trigger(&place, job));
        let attempt = &end["attempt_list"][0];
        let of = |key: &str| attempt[key].as_f64().unwrap();
        (of("cpu_seconds"), of("duration_s"))
    };
    let (spent, took) = times("some");
    assert!(spent > 0.8 && spent / took < 0.25, "{spent} in {took}");
    // Nobody waited for it, and yet it is counted.
    let (spent, _) = times("all");
    assert!(spent > 0.8, "{spent}");
}
