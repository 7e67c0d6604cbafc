//! Scenarios as text, each with the ledger that is expected of it.
//!
//! ```text
//! == what it shows
//! begin 11:00:00                    when the daemon starts, 12:00:00 if not said
//! job a every 1s lasts 300ms        the config
//! process b exits 1                 how processes behave, of a job that is in the config already
//! 12:00:03.5 pause a                what is done, at times of a true clock
//! 12:00:08 end
//! --
//! a 12:00:01 12:00:02 12:00:03 succeeded      a single fire by its instant
//! a [12:00:04..12:00:08 x5] skipped (paused)  a span by its first, last and count
//! 12:00:03.5 > pause a: done                  what was answered; ! what was warned of
//! ```

use std::fmt::Write as _;
use std::path::Path;

use jiff::{SignedDuration, Timestamp};
use punctual::dispatch::Command;
use punctual::job::Pool;

use crate::table;
use crate::words::{duration, job, job_name, show_time, split, time};
use crate::world::{Commit, UnderWay, Wake, World};

/// Runs every scenario of a file; says which came out otherwise than expected.
pub fn check(file: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(file).unwrap();
    let mut failures = Vec::new();
    let mut blessed = String::new();
    let mut scenarios = text.split("\n== ");
    blessed.push_str(scenarios.next().unwrap().trim_end());
    for scenario in scenarios {
        let (name, body) = scenario.split_once('\n').unwrap();
        let (actions, expected) = body.split_once("--\n").unwrap_or((body, ""));
        let place = format!("{}: {name}", file.file_name().unwrap().display());
        let actual = std::panic::catch_unwind(|| run(actions))
            .unwrap_or_else(|panic| format!("panicked: {}\n", message(panic.as_ref())));
        let expected = expected.trim();
        if actual.trim() != expected {
            failures.push(format!("{place}\n{}", difference(expected, actual.trim())));
        }
        let _ = write!(blessed, "\n\n== {name}\n{actions}--\n{}", actual.trim());
    }
    blessed.push('\n');
    if std::env::var_os("PUNCTUAL_BLESS").is_some() {
        std::fs::write(file, blessed).unwrap();
    }
    failures
}

fn message(panic: &(dyn std::any::Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied())
        .unwrap_or("?")
}

/// Lines that are missing and lines that should not be there, in their place.
fn difference(expected: &str, actual: &str) -> String {
    let (old, new): (Vec<_>, Vec<_>) = (expected.lines().collect(), actual.lines().collect());
    let mut lines = Vec::new();
    let (mut i, mut j) = (0, 0);
    while i < old.len() || j < new.len() {
        if i < old.len() && j < new.len() && old[i] == new[j] {
            lines.push(format!("    {}", old[i]));
            (i, j) = (i + 1, j + 1);
        } else if i < old.len() && !new[j.min(new.len())..].contains(&old[i]) {
            lines.push(format!("  - {}", old[i]));
            i += 1;
        } else if j < new.len() {
            lines.push(format!("  + {}", new[j]));
            j += 1;
        } else {
            lines.push(format!("  - {}", old[i]));
            i += 1;
        }
    }
    lines.join("\n")
}

/// Plays a scenario, and renders what became of it.
pub fn run(actions: &str) -> String {
    let mut world = World::new(origin(actions));
    play(&mut world, actions)
}

/// When a scenario begins.
pub fn origin(actions: &str) -> Timestamp {
    let begin = actions.lines().find_map(|line| line.strip_prefix("begin "));
    time(begin.unwrap_or("12:00:00"))
}

/// Plays a scenario in a world that has begun with it, and renders what became of it.
pub fn play(world: &mut World, actions: &str) -> String {
    let origin = origin(actions);
    for line in actions.lines().filter(|line| !line.starts_with("begin ")) {
        let line = line.split("  #").next().unwrap_or(line).trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        if line.starts_with(|c: char| c.is_ascii_digit() || c == '-') {
            if world.elapsed().is_zero() {
                world.start();
            }
            let (at, action) = line.split_once(' ').unwrap();
            let at = time(at).duration_since(origin);
            world.run_until(at.unsigned_abs());
            act(world, action.trim());
        } else {
            configure(world, line);
        }
    }
    world.check();
    assert_eq!(world.unanswered(), 0, "a command was never answered");
    table::render(world)
}

/// The config and the machine, which a scenario can change at any time; `reload` makes it known.
fn configure(world: &mut World, line: &str) {
    let (verb, rest) = line.split_once(' ').unwrap();
    let words = split(rest);
    let nth = |n: usize| words[n].as_str();
    match verb {
        "job" => {
            let (plan, behaviour) = job(rest);
            world.add_job(plan, behaviour);
        }
        "process" => {
            // The schedule is there to be read; how its processes behave is what is taken.
            let (name, behaviour) = rest.split_once(' ').unwrap();
            let (plan, behaviour) = job(&format!("{name} every 1d {behaviour}"));
            world.behaviours.insert(plan.name.clone(), behaviour);
        }
        "drop" => {
            world.plans.remove(&job_name(rest));
        }
        "drop-pool" => {
            world.pools.remove(rest);
        }
        "pool" => {
            let pool = Pool {
                name: nth(0).to_owned(),
                slots: nth(1).parse().unwrap(),
            };
            world.pools.insert(pool.name.clone(), pool);
        }
        "wakes" => {
            world.wakes = vec![match nth(0) {
                "on-time" => Wake::OnTime,
                "late" => Wake::Late(duration(nth(1))),
                "lost" => Wake::Lost,
                "doubled" => Wake::Doubled(duration(nth(1))),
                other => panic!("{other}: no fate of wakes"),
            }];
        }
        "commits" => {
            let span = duration(nth(1));
            world.commits = match nth(0) {
                "take" => vec![Commit::Done(span)],
                "fail" => vec![Commit::Failed(span), Commit::Done(span)],
                "unknown" => vec![Commit::Unknown(span), Commit::Done(span)],
                other => panic!("{other}: no fate of commits"),
            };
        }
        other => panic!("{other:?} is neither config nor machine"),
    }
}

/// One thing that is done.
fn act(world: &mut World, action: &str) {
    let words = split(action);
    let nth = |n: usize| words.get(n).map_or("", String::as_str);
    let until = || (nth(2) == "until").then(|| time(nth(3)));
    match (nth(0), nth(1)) {
        ("end", _) => {}
        ("start", _) => world.start(),
        ("kill", "durable") => world.kill(UnderWay::Durable),
        ("kill", _) => world.kill(UnderWay::Lost),
        ("reboot", _) => world.reboot(UnderWay::Lost),
        ("drain", _) => world.drain(),
        ("upgrade", takes) => world.upgrade(duration(takes)),
        ("stop-all", _) => world.stop_all(),
        ("reload", _) => world.reload(),
        ("clock", by) => {
            let (sign, span) = by.split_at(1);
            let span = SignedDuration::try_from(duration(span)).unwrap();
            world.step_clock(if sign == "-" { -span } else { span });
        }
        ("suspend", span) => world.suspend(duration(span)),
        ("pause", "all") => world.command(action, Command::PauseAll),
        ("resume", "all") => world.command(action, Command::ResumeAll),
        ("pause", job) => {
            let (job, until) = (job_name(job), until());
            let reason = None;
            world.command(action, Command::Pause { job, until, reason });
        }
        ("resume", job) => {
            let job = job_name(job);
            world.command(action, Command::Resume { job });
        }
        ("trigger", job) => {
            let job = job_name(job);
            let keyed = |word: &&String| word.starts_with("key:");
            let key = words[2..].iter().find(keyed).map(|key| key[4..].to_owned());
            let params = words[2..].iter().filter(|word| !keyed(word)).map(|pair| {
                let (name, value) = pair.split_once('=').unwrap();
                (name.to_owned(), value.to_owned())
            });
            let params = params.collect();
            world.command(action, Command::Trigger { job, params, key });
        }
        ("cancel", job) => {
            let live = world.live_run(&job_name(job));
            let run = live.unwrap_or_else(|| panic!("nothing of {job} to cancel"));
            world.command(action, Command::Cancel { run });
        }
        ("show", job) => show(world, job),
        _ => configure(world, action),
    }
}

/// How a job stands, as the API shows it.
fn show(world: &mut World, job: &str) {
    let now = world.now();
    let daemon = world.daemon.as_ref();
    let said = match daemon.and_then(|daemon| daemon.view_of(&job_name(job))) {
        None => format!("? {job}: unknown"),
        Some(view) => {
            let state = format!("{:?}", view.state).to_lowercase();
            let next = view.next_fire.map_or("none".to_owned(), show_time);
            let (running, queued) = (view.running, view.queued);
            format!("? {job}: {state}, next {next}, running {running}, queued {queued}")
        }
    };
    world.said.push((now, said));
}
