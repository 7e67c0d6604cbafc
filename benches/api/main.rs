//! What does the API cost: how long its answers take with 10,000 jobs and 1,000,000 runs in the
//! ledger, and what a flood of requests costs the jobs, against a bare `posix_spawn` loop under the
//! same flood.
//!
//! `cargo bench --bench api`, or with `-- answers` or `-- flood` the one or the other. Needs a C
//! compiler, for a child that does nothing but tell the time, wrk, some minutes and 1.5 GB.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    reason = "a benchmark, not a library"
)]
#![allow(
    unsafe_code,
    reason = "the floor is posix_spawn itself, with nothing around it"
)]

mod answers;
mod daemon;
mod flood;
#[path = "../floor/mod.rs"]
mod floor;
mod world;

use punctual::clock;

use world::{JOBS, RUNS, World};

fn main() {
    let wanted: Vec<String> = std::env::args().skip(1).collect();
    let wants = |what: &str| {
        let named = |arg: &String| arg == "answers" || arg == "flood";
        !wanted.iter().any(named) || wanted.iter().any(|arg| arg == what)
    };
    if wants("flood") && !flood::wrk_is_there() {
        eprintln!("wrk is not there: install it (Debian: apt install wrk), or run `-- answers`");
        return;
    }
    println!("{}", load());
    let begun = clock::monotonic();
    let world = World::new();
    let took = begun.elapsed().as_secs();
    println!("{JOBS} jobs, and {RUNS} runs put into the ledger in {took} s");
    if wants("answers") {
        answers::measure(&world);
    }
    if wants("flood") {
        flood::measure(&world);
    }
    println!("{}", load());
}

/// How busy the machine is.
fn load() -> String {
    let text = std::fs::read_to_string("/proc/loadavg").unwrap();
    format!("load over 1, 5 and 15 minutes: {}", text.trim())
}
