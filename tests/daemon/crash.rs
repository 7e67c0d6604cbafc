//! `kill -9` at any moment: nothing twice, nothing nowhere, nothing left alive.

use std::collections::BTreeMap;
use std::time::Duration;

use punctual::clock;

use crate::daemon::{Place, assert_each_second_once, jobs, wait_until};
use crate::http::Door;

#[test]
fn ten_times_killed_under_load() {
    let jobs = jobs(40, |n| {
        format!(
            "[jobs.j{n}]\nevery = \"1s\"\ncatch_up = \"all\"\nshell = 'echo \
                 \"{n} $PUNCTUAL_SCHEDULED_AT\" >> $PLACE/starts; sleep 0.{n:02}'\n"
        )
    });
    let place = Place::new(&jobs);
    // A different moment in each round, spread over the second in which everything happens.
    for round in 0..10_u64 {
        let daemon = place.start();
        let enough = place.lines("starts").len() + 20;
        wait_until("some starts", || {
            (place.lines("starts").len() >= enough).then_some(())
        });
        let moment = clock::monotonic() + Duration::from_millis(round * 97);
        wait_until("the moment", || {
            (clock::monotonic() >= moment).then_some(())
        });
        daemon.kill9();
    }
    let mut daemon = place.start();
    assert_eq!(
        old_children(&place),
        Vec::<u32>::new(),
        "children of killed daemons live"
    );
    let enough = place.lines("starts").len() + 60;
    wait_until("a life after", || {
        (place.lines("starts").len() >= enough).then_some(())
    });
    daemon.signal(rustix::process::Signal::TERM);
    daemon.wait_for_log("stopped");
    assert!(daemon.wait().success());
    let starts = place.counts("starts");
    let twice: Vec<_> = starts.iter().filter(|&(_, &times)| times > 1).collect();
    assert!(twice.is_empty(), "started twice: {twice:?}");
    let rows = place.rows();
    for n in 0..40 {
        assert_each_second_once(&rows, &format!("j{n}"));
    }
    let live = ["scheduled", "queued", "running"];
    assert!(
        !rows.iter().any(|row| live.contains(&row.status.as_str())),
        "{rows:?}"
    );
}

#[test]
fn what_ran_is_lost_and_its_whole_tree_is_gone() {
    let place = Place::new(
        "[jobs.tree]\nevery = \"1s\"\nshell = '(setsid sleep 1000 &) ; sleep 1000 & touch \
         $PLACE/up; sleep 1000'",
    );
    let daemon = place.start();
    wait_until("three sleepers", || {
        (place.path("up").exists() && place.processes().len() >= 4).then_some(())
    });
    let old = place.processes();
    daemon.kill9();
    place.configure("");
    let _daemon = place.start();
    let left: Vec<_> = place
        .processes()
        .into_iter()
        .filter(|pid| old.contains(pid))
        .collect();
    assert_eq!(left, Vec::<u32>::new());
    let rows = place.rows();
    let lost: Vec<_> = rows.iter().filter(|row| row.status == "lost").collect();
    assert_eq!(lost.len(), 1, "{rows:?}");
    assert_eq!(lost[0].reason.as_deref(), Some("daemon_died"));
}

/// Two daemons may have jobs of the same names, which run at the same instants.
/// It has no environment, session, output or parent that would tell whose it is; only that it was seen.
#[test]
fn what_shook_off_everything_is_gone_too() {
    let place = Place::new("");
    let (script, hidden) = (place.path("hide.sh"), place.path("hidden"));
    let hide = format!("echo $$ >{}; exec sleep 1000", hidden.display());
    std::fs::write(&script, hide).unwrap();
    place.configure(&format!(
        "[jobs.hides]\nevery = '1000d'\nshell = '(setsid env -i /bin/sh {} \
         >/dev/null 2>&1 </dev/null &); exec sleep 1000'",
        script.display()
    ));
    let daemon = place.start();
    Door::Unix(place.path("punctual.sock")).trigger("hides");
    let pid = wait_until("the process", || {
        let pid = std::fs::read_to_string(&hidden).ok()?;
        pid.trim().parse::<u32>().ok()
    });
    let noted = format!("O {pid} ");
    wait_until("its mark", || {
        let mut folders = std::fs::read_dir(place.path("run")).ok()?.flatten();
        let marks = |folder: std::fs::DirEntry| {
            std::fs::read_to_string(folder.path().join("started")).unwrap_or_default()
        };
        folders
            .any(|folder| marks(folder).contains(&noted))
            .then_some(())
    });
    daemon.kill9();
    let lives = || {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"));
        stat.is_ok_and(|stat| !stat.contains(") Z "))
    };
    assert!(lives());
    let _daemon = place.start();
    assert!(!lives());
}

#[test]
fn runs_of_another_daemon_live_on() {
    let same = "[jobs.a]\nevery = '1s'\nconcurrency_policy = 'allow'\n\
                shell = 'echo \"$PUNCTUAL_RUN_ID $$\" >> $PLACE/runs; exec sleep 1000'\n\
                [scheduler]\nshutdown_grace = '0s'\n";
    let (ours, others) = (Place::new(same), Place::new(same));
    let (daemon, _other) = (ours.start(), others.start());
    let runs = |place: &Place| -> BTreeMap<String, u32> {
        let lines = place.lines("runs").into_iter();
        lines
            .map(|line| {
                let (run, pid) = line.split_once(' ').unwrap();
                (run.to_owned(), pid.parse().unwrap())
            })
            .collect()
    };
    let (old, same_runs) = wait_until("runs of the same id", || {
        let (old, theirs) = (runs(&ours), runs(&others));
        let same: Vec<u32> = theirs
            .into_iter()
            .filter(|(run, _)| old.contains_key(run))
            .map(|(_, pid)| pid)
            .collect();
        (same.len() >= 2).then_some((old, same))
    });
    daemon.kill9();
    ours.configure("");
    let _next = ours.start();
    let lives = |pid: &u32| {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        let state = stat.rsplit_once(") ").map_or("", |(_, state)| state);
        !state.is_empty() && !state.starts_with('Z')
    };
    assert!(!old.values().any(lives), "what the killed daemon left");
    assert!(same_runs.iter().all(lives), "what belongs to the other");
}

/// Processes of runs that a daemon before this one started.
fn old_children(place: &Place) -> Vec<u32> {
    let lost: Vec<String> = {
        let ledger = place.ledger().unwrap();
        let mut statement = ledger
            .prepare("SELECT id FROM runs WHERE status = 'lost'")
            .unwrap();
        statement
            .query_map([], |row| row.get(0))
            .unwrap()
            .map(Result::unwrap)
            .collect()
    };
    let of_lost = |pid: &u32| {
        let environment = std::fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
        let text = String::from_utf8_lossy(&environment).into_owned();
        lost.iter().any(|id| text.contains(id.as_str()))
    };
    place.processes().into_iter().filter(of_lost).collect()
}
