//! How late does the whole daemon start real processes? Against a bare `posix_spawn` loop on the
//! same machine in the same run.
//!
//! `cargo bench --bench on_time`. Needs a C compiler, for a child that does nothing but tell the
//! time. 200 jobs at every second for 20 s; then 1,000 jobs at one instant, three times.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    reason = "a benchmark, not a library"
)]
#![allow(
    unsafe_code,
    reason = "the floor is posix_spawn itself, with nothing around it"
)]

mod floor;

use std::fmt::Write as _;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use punctual::clock;
use rusqlite::Connection;

use floor::{compile, floor, median, percentiles};

fn main() {
    let dir = tempfile::tempdir().unwrap();
    let child = compile(dir.path(), 0);
    let calm = || {
        (0..7)
            .map(|_| percentiles(floor(&child, 200, dir.path())))
            .collect::<Vec<_>>()
    };
    let before = calm();
    let jobs = every_second(&child, 200);
    let (delays, missing) = run(dir.path(), "seconds", &jobs, 200 * 20);
    let floors: Vec<_> = before.into_iter().chain(calm()).collect();
    report(
        "200 jobs at every second, 20 s",
        median(&floors),
        percentiles(delays),
        missing,
    );

    let mut rounds = Vec::new();
    let mut floors = Vec::new();
    let mut missing = 0;
    for round in 0..3 {
        floors.push(percentiles(floor(&child, 1_000, dir.path())));
        let at = clock::now().saturating_add(Duration::from_secs(8)).unwrap();
        let jobs = at_once(&child, 1_000, &format!("{at:.0}"));
        let (delays, lost) = run(dir.path(), &format!("once-{round}"), &jobs, 1_000);
        missing += lost;
        rounds.push(percentiles(delays));
    }
    report(
        "1,000 jobs at one instant, median of 3",
        median(&floors),
        median(&rounds),
        missing,
    );
}

fn report(what: &str, floor: (f64, f64), ours: (f64, f64), missing: i64) {
    println!(
        "{what}: floor p50 {:.2} ms p99 {:.2} ms | daemon p50 {:.2} ms p99 {:.2} ms | ratio of \
         p50 {:.2} | rows missing or doubled: {missing}",
        floor.0,
        floor.1,
        ours.0,
        ours.1,
        ours.0 / floor.0
    );
}

fn every_second(child: &str, jobs: usize) -> String {
    (0..jobs).fold(String::new(), |mut text, n| {
        let _ = writeln!(text, "[jobs.j{n}]\nevery = \"1s\"\ncommand = [\"{child}\"]");
        text
    })
}

fn at_once(child: &str, jobs: usize, at: &str) -> String {
    let pool = "[pools.default]\nslots = 1000\n".to_owned();
    (0..jobs).fold(pool, |mut text, n| {
        let _ = writeln!(text, "[jobs.j{n}]\nat = \"{at}\"\ncommand = [\"{child}\"]");
        text
    })
}

/// Runs a daemon until `wanted` runs have succeeded; their start delays, and how many rows there
/// are too few or too many.
fn run(dir: &Path, name: &str, jobs: &str, wanted: i64) -> (Vec<i128>, i64) {
    let folder = dir.join(name);
    std::fs::create_dir(&folder).unwrap();
    let place = folder.display();
    let config = format!(
        "[server]\nlisten = []\nauth = \"none\"\nunix_socket = \"{place}/s\"\n\
         [store]\nurl = \"sqlite:{place}/db/punctual.db\"\n{jobs}"
    );
    std::fs::write(folder.join("config.toml"), config).unwrap();
    let mut daemon = start(&folder);
    let ledger = loop {
        if let Ok(ledger) = Connection::open(folder.join("db/punctual.db")) {
            break ledger;
        }
    };
    ledger.busy_timeout(Duration::from_secs(30)).unwrap();
    let done = || -> i64 {
        let count = "SELECT count(*) FROM runs WHERE status = 'succeeded'";
        ledger.query_row(count, [], |row| row.get(0)).unwrap()
    };
    while done() < wanted {
        let (_keep, silence) = std::sync::mpsc::channel::<()>();
        let _ = silence.recv_timeout(Duration::from_millis(500));
    }
    let pid = rustix::process::Pid::from_raw(daemon.id().cast_signed()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    daemon.wait().unwrap();
    let mut statement = ledger
        .prepare(
            "SELECT runs.scheduled_at, outputs.bytes FROM runs JOIN outputs ON outputs.run = runs.id
             WHERE status = 'succeeded'",
        )
        .unwrap();
    let delays = statement
        .query_map([], |row| {
            let bytes: Vec<u8> = row.get(1)?;
            let started: i128 = String::from_utf8(bytes).unwrap().trim().parse().unwrap();
            Ok(started - i128::from(row.get::<_, i64>(0)?) * 1_000)
        })
        .unwrap()
        .map(Result::unwrap)
        .collect();
    (delays, gaps(&ledger))
}

/// Instants between the first and the last of a per-second job without exactly one row.
fn gaps(ledger: &Connection) -> i64 {
    ledger
        .query_row(
            "SELECT coalesce(sum(abs((max_at - min_at) / 1000000 + 1 - instants)), 0) FROM (
                 SELECT max(coalesce(last_scheduled_at, scheduled_at)) AS max_at,
                     min(scheduled_at) AS min_at, sum(coalesce(count, 1)) AS instants
                 FROM runs GROUP BY job)",
            [],
            |row| row.get(0),
        )
        .unwrap()
}

fn start(folder: &Path) -> Child {
    let mut daemon = Command::new(env!("CARGO_BIN_EXE_punctual"))
        .args(["serve", "--log-format", "json", "--config"])
        .arg(folder.join("config.toml"))
        .env("RUNTIME_DIRECTORY", folder.join("run"))
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut log = BufReader::new(daemon.stderr.take().unwrap());
    let mut line = String::new();
    while !line.contains("ready") {
        line.clear();
        assert_ne!(
            log.read_line(&mut line).unwrap(),
            0,
            "the daemon did not start"
        );
    }
    // The rest is read and dropped, so that a full pipe never holds the daemon.
    std::thread::spawn(move || std::io::copy(&mut log, &mut std::io::sink()));
    daemon
}
