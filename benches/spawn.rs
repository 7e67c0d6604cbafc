//! How long after its instant does a process's first instruction run? The runner against a bare
//! `posix_spawn` loop, same machine, same minute, alternating.
//!
//! Then the same from a daemon of 200 MB, with what another way to start 1,000 processes as another
//! user costs: as root nobody's, else one's own with a umask.
//!
//! `cargo bench --bench spawn`. Needs a C compiler, for a child that does nothing but tell the time.
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

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use punctual::clock;
use punctual::config::Accounts;
use punctual::job::{
    Action, CommandLine, Ids, JobName, KeepOutput, OutputLimits, Process, RunId,
    Signal as JobSignal, Terms,
};
use punctual::runner::{Groups, Launch, Marks, Report, Runner, Stage};

use floor::{compile, floor, median, percentiles, with_command};

const ROUNDS: usize = 7;

/// The memory of the daemon in the second part, all of it touched.
const DAEMON: usize = 200 << 20;

/// Everything that takes part.
struct Bench {
    dir: tempfile::TempDir,
    child: String,
    runtime: tokio::runtime::Runtime,
    runner: Runner,
    reports: tokio::sync::mpsc::Receiver<Report>,
    batches: u64,
}

fn main() {
    let mut bench = Bench::new();
    println!("start delay, median of {ROUNDS} rounds, in ms");
    println!("   at once | floor p50    p99 | runner p50    p99 | ratio of p50");
    for at_once in [1, 100, 200, 1000] {
        let (mut floors, mut ours) = (Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            floors.push(percentiles(bench.floor(at_once)));
            ours.push(percentiles(bench.runner(&Terms::default(), at_once)));
        }
        let (floor, runner) = (median(&floors), median(&ours));
        println!(
            "{at_once:10} | {:9.2} {:6.2} | {:10.2} {:6.2} | {:.2}",
            floor.0,
            floor.1,
            runner.0,
            runner.1,
            runner.0 / floor.0
        );
    }
    let at_once = 1000;
    println!(
        "{at_once} at once from {} MB, in ms, p50 and p99",
        DAEMON >> 20
    );
    let ballast = vec![1_u8; DAEMON];
    let (terms, user, group) = another();
    let mut rounds: [Vec<(f64, f64)>; 4] = Default::default();
    for _ in 0..ROUNDS {
        rounds[0].push(percentiles(bench.floor(at_once)));
        rounds[1].push(percentiles(bench.runner(&Terms::default(), at_once)));
        rounds[2].push(percentiles(bench.runner(&terms, at_once)));
        rounds[3].push(percentiles(bench.command(user, group, at_once)));
    }
    std::hint::black_box(&ballast);
    let names = [
        "posix_spawn, one loop",
        "the runner",
        "the runner, on a stage",
        "std::process::Command with uid and gid, one loop",
    ];
    for (name, rounds) in names.iter().zip(&rounds) {
        let (p50, p99) = median(rounds);
        println!("{p50:10.2} {p99:8.2}  {name}");
    }
}

/// What a process of another user wants, and the numbers of that user.
fn another() -> (Terms, u32, u32) {
    if !rustix::process::geteuid().is_root() {
        let umask = Terms {
            umask: Some(0o77),
            ..Terms::default()
        };
        let own = (rustix::process::getuid(), rustix::process::getgid());
        return (umask, own.0.as_raw(), own.1.as_raw());
    }
    let nobody = Accounts::System.user("nobody").unwrap().unwrap();
    let terms = Terms {
        user: Some(nobody.account),
        ids: Some(Ids {
            user: nobody.id,
            group: nobody.group,
            groups: nobody.groups,
        }),
        ..Terms::default()
    };
    (terms, nobody.id, nobody.group)
}

impl Bench {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let open = std::fs::Permissions::from_mode(0o755);
        std::fs::set_permissions(dir.path(), open).unwrap();
        let child = compile(dir.path());
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .unwrap();
        let marks = Marks::open(dir.path()).unwrap().begin().unwrap();
        let (send, reports) = tokio::sync::mpsc::channel(1024);
        let stage = Stage::at(Path::new(env!("CARGO_BIN_EXE_punctual"))).unwrap();
        let io = runtime.handle().clone();
        let runner =
            Runner::start_with_stage(stage, marks, send, io, Vec::new(), &Groups::none()).unwrap();
        Self {
            dir,
            child,
            runtime,
            runner,
            reports,
            batches: 0,
        }
    }

    fn floor(&self, at_once: usize) -> Vec<i128> {
        // On a thread of its own: what the main thread starts, a runner takes for orphans.
        std::thread::scope(|scope| {
            let floor = scope.spawn(|| floor(&self.child, at_once, self.dir.path()));
            floor.join().unwrap()
        })
    }

    fn command(&self, user: u32, group: u32, at_once: usize) -> Vec<i128> {
        std::thread::scope(|scope| {
            let start = || with_command(&self.child, user, group, at_once, self.dir.path());
            scope.spawn(start).join().unwrap()
        })
    }

    fn runner(&mut self, terms: &Terms, at_once: usize) -> Vec<i128> {
        self.batches += 1;
        let (runner, reports) = (&self.runner, &mut self.reports);
        self.runtime.block_on(async {
            let due = launch_all(runner, &self.child, terms, at_once, self.batches);
            let mut delays = Vec::new();
            while delays.len() < at_once {
                if let Report::Ended { output, end, .. } = reports.recv().await.unwrap() {
                    let text = String::from_utf8(output.bytes).unwrap();
                    let at: i128 = text.trim().parse().unwrap_or_else(|_| panic!("{end:?}"));
                    delays.push(at - due);
                }
            }
            runner.idle().await;
            delays
        })
    }
}

fn launch_all(runner: &Runner, child: &str, terms: &Terms, at_once: usize, batch: u64) -> i128 {
    let process = Arc::new(Process {
        command: CommandLine::Command(vec![child.to_owned()]),
        terms: terms.clone(),
        working_dir: None,
        env: BTreeMap::new(),
        env_file: None,
        inherit_env: false,
        stdin: None,
        success_exit_codes: vec![0],
        timeout: Some(Duration::from_mins(1)),
        kill_signal: JobSignal::TERM,
        kill_timeout: Duration::from_secs(10),
        output: OutputLimits {
            max_bytes: 1 << 20,
            keep: KeepOutput::Both,
        },
    });
    let job = JobName::new("bench").unwrap();
    let due = clock::now();
    for n in 0..at_once {
        let sequence = batch * 10_000 + n as u64;
        runner.launch(Launch {
            run: RunId::of_manual(&job, due, sequence),
            attempt: 1,
            job: job.clone(),
            action: Action::Process(Arc::clone(&process)),
            facts: Vec::new(),
        });
    }
    due.as_nanosecond()
}
