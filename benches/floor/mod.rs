//! The floor: a bare `posix_spawn` loop, and the child that both sides start.

use std::ffi::CString;
use std::os::fd::AsRawFd;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;
use std::ptr;

use jiff::Timestamp;
use punctual::clock;

/// Prints the wall clock, in nanoseconds, as its first act, and then stays for a while.
const CHILD: &str = r#"
#include <stdio.h>
#include <time.h>
#include <unistd.h>
int main(void) {
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    char line[32];
    int n = snprintf(line, sizeof line, "%lld\n", t.tv_sec * 1000000000LL + t.tv_nsec);
    int failed = write(1, line, n) != n;
    usleep(STAYS);
    return failed;
}
"#;

/// Builds the child, which stays for so many milliseconds.
pub fn compile(dir: &Path, stays: u32) -> String {
    let program = dir.join(format!("child-{stays}"));
    let source = dir.join("child.c");
    std::fs::write(&source, CHILD).unwrap();
    let built = Command::new("cc")
        .args(["-O2", "-static", &format!("-DSTAYS={stays}000"), "-o"])
        .args([&program, &source])
        .status()
        .expect("a C compiler named cc");
    assert!(built.success());
    program.to_str().unwrap().to_owned()
}

/// One thread, one loop, nothing but `posix_spawn`; all children write to one file.
#[allow(dead_code, reason = "not every benchmark uses it")]
pub fn floor(child: &str, at_once: usize, dir: &Path) -> Vec<i128> {
    floor_since(clock::now(), child, at_once, dir)
}

/// The same, its children due since an instant.
pub fn floor_since(due: Timestamp, child: &str, at_once: usize, dir: &Path) -> Vec<i128> {
    let path = dir.join("floor");
    let file = std::fs::File::create(&path).unwrap();
    rustix::fs::fcntl_setfl(&file, rustix::fs::OFlags::APPEND).unwrap();
    let program = CString::new(child).unwrap();
    let argv = [program.as_ptr().cast_mut(), ptr::null_mut()];
    let env = [ptr::null_mut()];
    let mut pids = Vec::with_capacity(at_once);
    // SAFETY: the structs are initialised before use and destroyed after; all pointers outlive the
    // calls.
    unsafe {
        let mut actions = std::mem::zeroed();
        assert_eq!(libc::posix_spawn_file_actions_init(&raw mut actions), 0);
        libc::posix_spawn_file_actions_adddup2(&raw mut actions, file.as_raw_fd(), 1);
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
    }
    written(&path, due.as_nanosecond(), at_once)
}

/// One thread, one loop, the standard library's way to start as another user: fork, and then exec.
#[allow(dead_code, reason = "one of the benchmarks uses it")]
pub fn with_command(child: &str, user: u32, group: u32, at_once: usize, dir: &Path) -> Vec<i128> {
    let path = dir.join("command");
    let file = std::fs::File::create(&path).unwrap();
    rustix::fs::fcntl_setfl(&file, rustix::fs::OFlags::APPEND).unwrap();
    let mut command = Command::new(child);
    command.env_clear().uid(user).gid(group);
    let due = clock::now().as_nanosecond();
    let start = |_| {
        let output = file.try_clone().unwrap();
        command.stdout(output).spawn().unwrap()
    };
    let children: Vec<_> = (0..at_once).map(start).collect();
    for mut child in children {
        assert!(child.wait().unwrap().success());
    }
    written(&path, due, at_once)
}

/// How long after `due` each of the children wrote.
fn written(path: &Path, due: i128, at_once: usize) -> Vec<i128> {
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
pub fn percentiles(mut delays: Vec<i128>) -> (f64, f64) {
    delays.sort_unstable();
    let at = |part: usize| delays[(delays.len() - 1) * part / 100] as f64 / 1e6;
    (at(50), at(99))
}

/// The round whose median is the median of the rounds.
pub fn median(rounds: &[(f64, f64)]) -> (f64, f64) {
    let mut rounds = rounds.to_vec();
    rounds.sort_by(|a, b| a.0.total_cmp(&b.0));
    rounds[rounds.len() / 2]
}
