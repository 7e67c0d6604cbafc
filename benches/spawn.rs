//! How long after its instant does a process's first instruction run? The runner against a bare
//! `posix_spawn` loop, same machine, same minute, alternating.
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
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use punctual::clock;
use punctual::job::{
    Action, CommandLine, JobName, KeepOutput, OutputLimits, Process, RunId, Signal as JobSignal,
    Terms,
};
use punctual::runner::{Launch, Marks, Report, Runner, Stage};

use floor::{compile, floor, median, percentiles};

const ROUNDS: usize = 7;

fn main() {
    let dir = tempfile::tempdir().unwrap();
    let child = compile(dir.path());
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    let marks = Marks::open(dir.path()).unwrap().begin().unwrap();
    let stage = Stage::at(Path::new(env!("CARGO_BIN_EXE_punctual"))).unwrap();
    let (send, mut reports) = tokio::sync::mpsc::channel(1024);
    let runner =
        Runner::start_with_stage(stage, marks, send, runtime.handle().clone(), Vec::new()).unwrap();
    println!("start delay, median of {ROUNDS} rounds, in ms");
    println!("   at once | floor p50    p99 | runner p50    p99 | ratio of p50");
    for at_once in [1, 100, 200, 1000] {
        let (mut floors, mut ours) = (Vec::new(), Vec::new());
        for round in 0..ROUNDS {
            // On a thread of its own: what the main thread starts, a runner takes for orphans.
            let delays = std::thread::scope(|scope| {
                let floor = scope.spawn(|| floor(&child, at_once, dir.path()));
                floor.join().unwrap()
            });
            floors.push(percentiles(delays));
            let delays = runtime.block_on(async {
                let due = launch_all(&runner, &child, at_once, round);
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
            });
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
}

fn launch_all(runner: &Runner, child: &str, at_once: usize, round: usize) -> i128 {
    let process = Arc::new(Process {
        command: CommandLine::Command(vec![child.to_owned()]),
        terms: Terms::default(),
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
        let sequence = (round * 10_000 + n) as u64;
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
