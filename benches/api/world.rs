//! What the daemon knows: a config of 10,000 jobs, and a ledger with a month of their runs.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use punctual::clock;
use punctual::job::{Attempt, Figures, JobName, Run, RunId, Status, Trigger, Write};
use punctual::store::{Batch, Ledger, Retention};

use crate::floor::compile;

pub const JOBS: usize = 10_000;
pub const RUNS: usize = 1_000_000;

/// How many of the jobs run at every second. The ledger has twenty times as many runs of each of
/// them as of one of the others.
pub const BUSY: usize = 100;

/// How many rows become durable at once.
const AT_ONCE: usize = 50_000;

/// The folder of it all.
pub struct World {
    dir: tempfile::TempDir,
    pub child: String,
}

impl World {
    pub fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let child = compile(dir.path(), 0);
        let world = Self { dir, child };
        fill(&world.ledger());
        world
    }

    pub fn path(&self) -> &Path {
        self.dir.path()
    }

    pub fn ledger(&self) -> PathBuf {
        self.path().join("db/punctual.db")
    }

    /// The config, listening on a port of loopback; the busy jobs run at every second or hardly
    /// ever.
    pub fn config(&self, port: u16, busy: bool) -> String {
        let (place, child) = (self.path().display(), &self.child);
        let mut text = format!(
            "[server]\nlisten = [\"127.0.0.1:{port}\"]\nauth = \"none\"\n\
             unix_socket = \"{place}/s\"\n\
             [store]\nurl = \"sqlite:{place}/db/punctual.db\"\n\
             [pools.default]\nslots = 200\n"
        );
        for n in 0..JOBS {
            let name = job(n);
            let schedule = match n % 4 {
                _ if n < BUSY && busy => "every = \"1s\"".to_owned(),
                _ if n < BUSY => "every = \"365d\"".to_owned(),
                0 => format!(
                    "cron = \"{} {} * * *\"\ntimezone = \"Europe/Paris\"",
                    n % 60,
                    n % 24
                ),
                1 => format!("cron = \"{} {} * * MON-FRI\"", n % 60, n % 23),
                2 => format!("cron = \"{} {} {} * *\"", n % 60, n % 22, n % 28 + 1),
                _ => "every = \"6h\"".to_owned(),
            };
            let _ = writeln!(
                text,
                "[jobs.{name}]\n{schedule}\ncommand = [\"{child}\"]\n\
                 description = \"What it is for, number {n}\"\ntags = [\"t{}\", \"bench\"]",
                n % 10
            );
        }
        text
    }
}

/// The name of a job; those that run at every second come first, but their names come last.
pub fn job(number: usize) -> JobName {
    let name = if number < BUSY {
        format!("second-{number:02}")
    } else {
        format!("rare-{number:04}")
    };
    JobName::new(&name).unwrap()
}

/// A month of runs that have ended, in the order in which they would have come.
fn fill(path: &Path) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .unwrap();
    let (ledger, _) = Ledger::open(path, Retention::default()).unwrap();
    let step = Duration::from_hours(30 * 24) / u32::try_from(RUNS).unwrap();
    let begin = clock::now()
        .checked_sub(step * u32::try_from(RUNS + 100).unwrap())
        .unwrap();
    let mut writes = Vec::with_capacity(AT_ONCE * 2);
    for n in 0..RUNS {
        let at = begin
            .saturating_add(step * u32::try_from(n).unwrap())
            .unwrap();
        let number = if n % 5 == 0 {
            n / 5 % BUSY
        } else {
            BUSY + (n - n / 5) % (JOBS - BUSY)
        };
        let (run, attempt) = ended(job(number), at, n % 33 == 0);
        writes.push(Write::Run(run));
        writes.push(Write::Attempt(attempt));
        if writes.len() >= AT_ONCE * 2 {
            let next = Vec::with_capacity(AT_ONCE * 2);
            let batch = Batch::now(std::mem::replace(&mut writes, next));
            ledger.submit_blocking(batch).unwrap();
        }
    }
    ledger.submit_blocking(Batch::now(writes)).unwrap();
    runtime
        .block_on(ledger.close(Duration::from_mins(10)))
        .unwrap();
}

fn ended(job: JobName, at: Timestamp, failed: bool) -> (Run, Attempt) {
    let after = |ms| Some(at + SignedDuration::from_millis(ms));
    let (status, code) = if failed {
        (Status::Failed, 1)
    } else {
        (Status::Succeeded, 0)
    };
    let run = Run {
        id: RunId::of_fire(&job, at),
        job,
        status,
        trigger: Trigger::Schedule,
        scheduled_at: at,
        due_at: at,
        queued_at: None,
        retry_at: None,
        started_at: after(4),
        finished_at: after(1_500),
        attempts: 1,
        exit_code: Some(code),
        signal: None,
        http_status: None,
        reason: None,
        params: BTreeMap::new(),
        node: "bench".to_owned(),
        requested_by: None,
        span: None,
    };
    let attempt = Attempt {
        run: run.id,
        number: 1,
        status,
        started_at: after(4).unwrap(),
        finished_at: after(1_500),
        pid: Some(4_321),
        exit_code: Some(code),
        signal: None,
        http_status: None,
        reason: None,
        figures: Figures::default(),
    };
    (run, attempt)
}
