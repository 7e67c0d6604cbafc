//! What a flood of requests costs the jobs: 100 of them at every second, against a bare
//! `posix_spawn` loop that starts as many, with a daemon beside it that has the same flood and no
//! such jobs. In turns.

use std::process::{Child, Command, Stdio};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use punctual::clock;
use rusqlite::Connection;

use crate::daemon::{Daemon, pause};
use crate::floor::{floor_since, median, percentiles};
use crate::world::{BUSY, World};

const ROUNDS: usize = 5;

/// The seconds of a round that count.
const SECONDS: usize = 12;

/// How long the flood is there before they begin.
const BEFORE: Duration = Duration::from_secs(2);

/// How long it lasts in all.
const LASTS: &str = "17s";

/// What is asked for, each by a thread of its own with as many connections.
const TARGETS: [&str; 2] = ["/api/v1/jobs?limit=100", "/api/v1/status"];
const CONNECTIONS: &str = "-c32";

pub fn wrk_is_there() -> bool {
    let asked = Command::new("wrk").arg("-v").stdout(Stdio::null()).status();
    asked.is_ok()
}

/// One side of the comparison.
#[derive(Default)]
struct Side {
    calm: Vec<(f64, f64)>,
    flooded: Vec<(f64, f64)>,
    /// Requests a second, of all targets.
    rates: Vec<f64>,
    missing: usize,
}

pub fn measure(world: &World) {
    let (mut jobs, mut floor) = (Side::default(), Side::default());
    for _ in 0..ROUNDS {
        {
            let daemon = Daemon::start(world, true);
            jobs.round(&daemon, || of_jobs(world));
        }
        let daemon = Daemon::start(world, false);
        floor.round(&daemon, || of_the_loop(world));
    }
    println!("{BUSY} processes at every second, {SECONDS} s, median of {ROUNDS} rounds; in ms:");
    println!(" calm p50     p99 | flooded p50     p99 | requests/s");
    floor.print("posix_spawn, one loop");
    jobs.print("the daemon's jobs");
    let ratio = |of: fn(&Side) -> &Vec<(f64, f64)>| median(of(&jobs)).0 / median(of(&floor)).0;
    println!(
        "ratio of the medians: calm {:.2}, flooded {:.2} | runs missing: {}",
        ratio(|side| &side.calm),
        ratio(|side| &side.flooded),
        jobs.missing
    );
}

impl Side {
    fn round(&mut self, daemon: &Daemon, delays: impl Fn() -> Vec<i128>) {
        let mut take = |delays: Vec<i128>| {
            self.missing += BUSY * SECONDS - delays.len();
            percentiles(delays)
        };
        self.calm.push(take(delays()));
        let floods = TARGETS.map(|target| flood(&daemon.url(target)));
        pause(BEFORE);
        self.flooded.push(take(delays()));
        self.rates.push(floods.into_iter().map(rate).sum());
    }

    fn print(&self, name: &str) {
        let (calm, flooded) = (median(&self.calm), median(&self.flooded));
        let mut rates = self.rates.clone();
        rates.sort_by(f64::total_cmp);
        println!(
            "{:9.2} {:7.2} | {:11.2} {:7.2} | {:10.0}  {name}",
            calm.0,
            calm.1,
            flooded.0,
            flooded.1,
            rates[rates.len() / 2]
        );
    }
}

fn flood(url: &str) -> Child {
    Command::new("wrk")
        .args(["-t1", CONNECTIONS, "-d", LASTS, url])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

/// Requests a second, as wrk says when it is done; all of them were answered well.
fn rate(flood: Child) -> f64 {
    let said = flood.wait_with_output().unwrap().stdout;
    let said = String::from_utf8(said).unwrap();
    assert!(!said.contains("Non-2xx"), "{said}");
    let line = said
        .lines()
        .find_map(|line| line.strip_prefix("Requests/sec:"));
    line.expect("wrk says how many").trim().parse().unwrap()
}

/// The second behind the next one: what begins there has not begun yet.
fn a_second_ahead() -> Timestamp {
    Timestamp::from_second(clock::now().as_second() + 2).unwrap()
}

/// How late the loop starts its children.
fn of_the_loop(world: &World) -> Vec<i128> {
    let first = a_second_ahead();
    let mut delays = Vec::new();
    for n in 0..SECONDS {
        let due = first + SignedDuration::from_secs(n.try_into().unwrap());
        let left = due.duration_since(clock::now());
        pause(left.try_into().unwrap_or_default());
        delays.extend(floor_since(due, &world.child, BUSY, world.path()));
    }
    delays
}

/// How late the daemon's jobs start, by what they printed.
fn of_jobs(world: &World) -> Vec<i128> {
    let first = a_second_ahead();
    let end = first + SignedDuration::from_secs(SECONDS.try_into().unwrap());
    pause(end.duration_since(clock::now()).try_into().unwrap());
    let ledger = Connection::open(world.ledger()).unwrap();
    ledger.busy_timeout(Duration::from_secs(30)).unwrap();
    let mut delays = Vec::new();
    // The last of them have yet to end, and to be written down.
    for _ in 0..50 {
        delays = printed(&ledger, first, end);
        if delays.len() >= BUSY * SECONDS {
            break;
        }
        pause(Duration::from_millis(200));
    }
    delays
}

fn printed(ledger: &Connection, first: Timestamp, end: Timestamp) -> Vec<i128> {
    let mut statement = ledger
        .prepare(
            "SELECT runs.scheduled_at, outputs.bytes FROM runs JOIN outputs ON outputs.run = runs.id
             WHERE job GLOB 'second-*' AND scheduled_at >= ?1 AND scheduled_at < ?2",
        )
        .unwrap();
    let window = [first.as_microsecond(), end.as_microsecond()];
    let rows = statement.query_map(window, |row| {
        let bytes: Vec<u8> = row.get(1)?;
        let started: i128 = String::from_utf8(bytes).unwrap().trim().parse().unwrap();
        Ok(started - i128::from(row.get::<_, i64>(0)?) * 1_000)
    });
    rows.unwrap().map(Result::unwrap).collect()
}
