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

use std::collections::BTreeMap;
use std::ffi::CString;
use std::os::fd::AsRawFd;
use std::path::Path;
use std::process::Command;
use std::ptr;
use std::sync::Arc;
use std::time::Duration;

use punctual::clock;
use punctual::job::{
    CommandLine, JobName, KeepOutput, OutputLimits, Process, RunId, Signal as JobSignal,
};
use punctual::runner::{Launch, Marks, Report, Runner};

/// Prints the wall clock, in nanoseconds, as its first act.
const CHILD: &str = r#"
#include <stdio.h>
#include <time.h>
#include <unistd.h>
int main(void) {
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    char line[32];
    int n = snprintf(line, sizeof line, "%lld\n", t.tv_sec * 1000000000LL + t.tv_nsec);
    return write(1, line, n) != n;
}
"#;

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
    let (send, mut reports) = tokio::sync::mpsc::channel(1024);
    let runner = Runner::start(marks, send, runtime.handle().clone()).unwrap();
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

fn compile(dir: &Path) -> String {
    let (source, program) = (dir.join("child.c"), dir.join("child"));
    std::fs::write(&source, CHILD).unwrap();
    let built = Command::new("cc")
        .args(["-O2", "-static", "-o"])
        .args([&program, &source])
        .status()
        .expect("a C compiler named cc");
    assert!(built.success());
    program.to_str().unwrap().to_owned()
}

fn launch_all(runner: &Runner, child: &str, at_once: usize, round: usize) -> i128 {
    let process = Arc::new(Process {
        command: CommandLine::Command(vec![child.to_owned()]),
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
            process: Arc::clone(&process),
            facts: Vec::new(),
        });
    }
    due.as_nanosecond()
}

/// One thread, one loop, nothing but `posix_spawn`; all children write to one file.
fn floor(child: &str, at_once: usize, dir: &Path) -> Vec<i128> {
    let path = dir.join("floor");
    let file = std::fs::File::create(&path).unwrap();
    rustix::fs::fcntl_setfl(&file, rustix::fs::OFlags::APPEND).unwrap();
    let program = CString::new(child).unwrap();
    let argv = [program.as_ptr().cast_mut(), ptr::null_mut()];
    let env = [ptr::null_mut()];
    let mut pids = Vec::with_capacity(at_once);
    // SAFETY: the structs are initialised before use and destroyed after; all pointers outlive the
    // calls.
    let due = unsafe {
        let mut actions = std::mem::zeroed();
        assert_eq!(libc::posix_spawn_file_actions_init(&raw mut actions), 0);
        libc::posix_spawn_file_actions_adddup2(&raw mut actions, file.as_raw_fd(), 1);
        let due = clock::now().as_nanosecond();
        for _ in 0..at_once {
            let mut pid = 0;
            let (file, arguments) = (program.as_ptr(), argv.as_ptr());
            let started = libc::posix_spawn(
                &raw mut pid,
                file,
                &raw const actions,
                ptr::null(),
                arguments,
                env.as_ptr(),
            );
            assert_eq!(started, 0);
            pids.push(pid);
        }
        libc::posix_spawn_file_actions_destroy(&raw mut actions);
        for pid in pids {
            assert_eq!(libc::waitpid(pid, ptr::null_mut(), 0), pid);
        }
        due
    };
    let text = std::fs::read_to_string(path).unwrap();
    let delays: Vec<i128> = text
        .lines()
        .map(|line| line.parse::<i128>().unwrap() - due)
        .collect();
    assert_eq!(delays.len(), at_once);
    delays
}

/// Median and 99th percentile, in milliseconds.
#[allow(clippy::cast_precision_loss, reason = "nanoseconds of a second fit")]
fn percentiles(mut delays: Vec<i128>) -> (f64, f64) {
    delays.sort_unstable();
    let at = |part: usize| delays[(delays.len() - 1) * part / 100] as f64 / 1e6;
    (at(50), at(99))
}

/// The round whose median is the median of the rounds.
fn median(rounds: &[(f64, f64)]) -> (f64, f64) {
    let mut rounds = rounds.to_vec();
    rounds.sort_by(|a, b| a.0.total_cmp(&b.0));
    rounds[rounds.len() / 2]
}
