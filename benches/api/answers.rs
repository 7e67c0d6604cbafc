//! How long answers take, one at a time: of a daemon with nothing else to do, and while 100 jobs run at
//! every second.

use std::io::{Read, Write};
use std::time::Duration;

use crate::daemon::{Client, Daemon};
use crate::floor::percentiles;
use crate::world::{BUSY, JOBS, World, job};

/// How often each question is asked. Of each in turn, so that whatever else happens on the machine
/// happens to all of them.
const TIMES: usize = 600;

struct Question {
    name: &'static str,
    method: &'static str,
    /// The target, another one each time.
    target: fn(usize) -> String,
    by: By,
    status: u16,
    took: Vec<i128>,
    bytes: usize,
}

#[derive(Clone, Copy, PartialEq)]
enum By {
    Tcp,
    Unix,
}

/// One of the jobs that run at every second.
fn busy(n: usize) -> String {
    job(n % BUSY).to_string()
}

/// One of the others; another one each time, or a trigger would be refused.
fn rare(n: usize) -> String {
    job(BUSY + n * 7 % (JOBS - BUSY)).to_string()
}

fn questions() -> Vec<Question> {
    let get = |name, target| Question {
        name,
        method: "GET",
        target,
        by: By::Tcp,
        status: 200,
        took: Vec::new(),
        bytes: 0,
    };
    let unix = Question {
        by: By::Unix,
        ..get("/jobs?limit=100, Unix socket", |_| {
            "/api/v1/jobs?limit=100".to_owned()
        })
    };
    let trigger = Question {
        method: "POST",
        status: 202,
        ..get("POST /jobs/{job}/trigger", |n| {
            format!("/api/v1/jobs/{}/trigger", rare(n))
        })
    };
    vec![
        get("/jobs?limit=100", |_| "/api/v1/jobs?limit=100".to_owned()),
        unix,
        get("/jobs?limit=100&cursor=…", |n| {
            format!("/api/v1/jobs?limit=100&cursor={}", rare(n))
        }),
        get("/jobs?limit=500", |_| "/api/v1/jobs?limit=500".to_owned()),
        get("/jobs/{job}, 2,000 runs", |n| {
            format!("/api/v1/jobs/{}", busy(n))
        }),
        get("/jobs/{job}, 80 runs", |n| {
            format!("/api/v1/jobs/{}", rare(n))
        }),
        get("/jobs/{job}/runs", |n| {
            format!("/api/v1/jobs/{}/runs", busy(n))
        }),
        get("/runs", |_| "/api/v1/runs".to_owned()),
        get("/runs?job={job}", |n| {
            format!("/api/v1/runs?job={}", busy(n))
        }),
        get("/runs?status=failed", |_| {
            "/api/v1/runs?status=failed".to_owned()
        }),
        get("/status", |_| "/api/v1/status".to_owned()),
        get("/upcoming?limit=100", |_| {
            "/api/v1/upcoming?limit=100".to_owned()
        }),
        trigger,
    ]
}

pub fn measure(world: &World) {
    let calm = all_asked(world, false);
    let busy = all_asked(world, true);
    println!("answers, each of {TIMES}, in ms; busy: while {BUSY} jobs run at every second");
    println!("calm p50     p99     max |    busy     p99     max      kB");
    for (calm, busy) in calm.into_iter().zip(busy) {
        let kilobytes = busy.bytes.div_ceil(1_000);
        let name = busy.name;
        println!(
            "{} | {} {kilobytes:7}  {name}",
            times(calm.took),
            times(busy.took)
        );
    }
}

/// All questions, answered so often, by a daemon with or without the jobs that run at every second.
fn all_asked(world: &World, busy: bool) -> Vec<Question> {
    let daemon = Daemon::start(world, busy);
    let mut tcp = daemon.connect();
    let mut unix = daemon.connect_unix();
    let mut questions = questions();
    for n in 0..TIMES {
        for question in &mut questions {
            match question.by {
                By::Tcp => question.ask(n, &mut tcp),
                By::Unix => question.ask(n, &mut unix),
            }
        }
    }
    questions
}

/// The median, the 99th percentile and the longest, in milliseconds.
fn times(took: Vec<i128>) -> String {
    let max = took.iter().copied().max().unwrap_or(0);
    let max = Duration::from_nanos(max.try_into().unwrap()).as_secs_f64() * 1e3;
    let (p50, p99) = percentiles(took);
    format!("{p50:8.2} {p99:7.2} {max:7.2}")
}

impl Question {
    fn ask<S: Read + Write>(&mut self, n: usize, client: &mut Client<S>) {
        let target = (self.target)(n);
        let answer = client.ask(self.method, &target);
        assert_eq!(answer.status, self.status, "{target}");
        self.bytes = answer.bytes;
        self.took.push(answer.took.as_nanos().cast_signed() as _);
    }
}
