//! How long after its instant does a process's first instruction run? The runner against a bare
//! `posix_spawn` loop, same machine, same minute, alternating.
//!
//! Then the same from a daemon of 200 MB and with children that stay, as what is over at once needs no
//! control group: with and without one; as another user (as root nobody, else oneself with a umask), with
//! and without one; and what another way to start as another user costs.
//!
//! `cargo bench --bench spawn`. Needs a C compiler, for a child that does nothing but tell the time, and
//! for control groups root and cgroup v2.
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
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use punctual::clock;
use punctual::config::Accounts;
use punctual::job::{
    Action, CommandLine, Ids, JobName, KeepOutput, OutputLimits, Process, RunId,
    Signal as JobSignal, Terms,
};
use punctual::runner::{Groups, Handed, Launch, Marks, Report, Runner, Stage};

use floor::{compile, floor, median, percentiles, with_command};

const ROUNDS: usize = 7;

/// The memory of the daemon in the second part, all of it touched.
const DAEMON: usize = 200 << 20;

/// Everything that takes part.
struct Bench {
    dir: tempfile::TempDir,
    child: String,
    runtime: tokio::runtime::Runtime,
    apart: Ours,
    in_groups: Ours,
    ground: Ground,
    batches: u64,
}

/// A runner.
struct Ours {
    runner: Runner,
    reports: tokio::sync::mpsc::Receiver<Report>,
}

fn main() {
    let mut bench = Bench::new();
    println!("start delay, median of {ROUNDS} rounds, in ms");
    println!("   at once | floor p50    p99 | runner p50    p99 | ratio of p50");
    for at_once in [1, 100, 200, 1000] {
        let (mut floors, mut ours) = (Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            floors.push(percentiles(bench.floor(at_once)));
            let delays = bench.runner(false, &Terms::default(), at_once);
            ours.push(percentiles(delays));
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
    bench.child = compile(bench.dir.path(), 300);
    let ballast = vec![1_u8; DAEMON];
    for at_once in [1, 1000] {
        bench.ways(at_once);
    }
    std::hint::black_box(&ballast);
    bench.ground.leave();
}

/// A control group for the benchmark, at the top of the tree.
struct Ground {
    path: PathBuf,
    groups: Groups,
}

impl Ground {
    fn enter() -> Self {
        let mounts = std::fs::read_to_string("/proc/self/mountinfo").unwrap();
        let mount = mounts.lines().find(|line| line.contains(" - cgroup2 "));
        let top = mount.and_then(|line| line.split(' ').nth(4)).unwrap_or("/");
        let path = Path::new(top).join(format!("punctual-bench-{}", std::process::id()));
        let entered = std::fs::create_dir(&path)
            .and_then(|()| std::fs::write(path.join("cgroup.procs"), "0"));
        let groups = match entered {
            Ok(()) => Groups::claim(),
            Err(why) => {
                println!(
                    "without control groups, as {} is none: {why}",
                    path.display()
                );
                Groups::none()
            }
        };
        Self { path, groups }
    }

    /// Back to where everybody is.
    fn leave(&self) {
        let top = self.path.parent().unwrap();
        // Whatever of this fails leaves an empty folder behind.
        let _ = std::fs::write(top.join("cgroup.procs"), "0");
        for made in ["jobs", "daemon", ""] {
            let _ = std::fs::remove_dir(self.path.join(made));
        }
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
        let child = compile(dir.path(), 0);
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .unwrap();
        let ground = Ground::enter();
        let ours = |name: &str, groups: &Groups| {
            let marks = dir.path().join(name);
            std::fs::create_dir(&marks).unwrap();
            let marks = Marks::open(&marks).unwrap().begin().unwrap();
            let (send, reports) = tokio::sync::mpsc::channel(1024);
            let stage = Stage::at(Path::new(env!("CARGO_BIN_EXE_punctual"))).unwrap();
            let io = runtime.handle().clone();
            let runner =
                Runner::start_with_stage(stage, marks, send, io, Handed::default(), groups);
            let runner = runner.unwrap();
            Ours { runner, reports }
        };
        Self {
            apart: ours("apart", &Groups::none()),
            in_groups: ours("in-groups", &ground.groups),
            ground,
            dir,
            child,
            runtime,
            batches: 0,
        }
    }

    /// Every way to start so many, in turn.
    fn ways(&mut self, at_once: usize) {
        let (terms, user, group) = another();
        let plain = Terms::default();
        let mut rounds: [Vec<(f64, f64)>; 6] = Default::default();
        for _ in 0..ROUNDS {
            let delays = [
                self.floor(at_once),
                self.runner(false, &plain, at_once),
                self.runner(true, &plain, at_once),
                self.runner(false, &terms, at_once),
                self.runner(true, &terms, at_once),
                self.command(user, group, at_once),
            ];
            for (rounds, delays) in rounds.iter_mut().zip(delays) {
                rounds.push(percentiles(delays));
            }
        }
        let names = [
            "posix_spawn, one loop",
            "the runner",
            "the runner, into a control group behind the start",
            "the runner, on a stage",
            "the runner, on a stage in a control group",
            "std::process::Command with uid and gid, one loop",
        ];
        println!(
            "{at_once} at once from {} MB, in ms, p50 and p99",
            DAEMON >> 20
        );
        for (name, rounds) in names.iter().zip(&rounds) {
            let (p50, p99) = median(rounds);
            println!("{p50:10.2} {p99:8.2}  {name}");
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

    fn runner(&mut self, in_groups: bool, terms: &Terms, at_once: usize) -> Vec<i128> {
        self.batches += 1;
        let child = &self.child;
        let Ours { runner, reports } = if in_groups {
            &mut self.in_groups
        } else {
            &mut self.apart
        };
        self.runtime.block_on(async {
            let due = launch_all(runner, child, terms, at_once, self.batches);
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
