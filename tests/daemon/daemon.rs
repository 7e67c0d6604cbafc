//! Starts `punctual serve` on a config of the test's, in a folder of its own.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;

use punctual::clock;
use rusqlite::{Connection, OpenFlags};

/// Nothing here takes longer than this on a machine that is merely busy.
pub const PATIENCE: Duration = Duration::from_mins(1);

/// A folder with a config, a ledger and, now and then, a daemon.
pub struct Place {
    pub folder: tempfile::TempDir,
}

/// A running daemon; killed when dropped.
pub struct Daemon {
    child: Child,
    log: Receiver<String>,
    seen: Vec<String>,
}

/// A row of the ledger, as far as tests look at it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    pub job: String,
    pub status: String,
    pub trigger: String,
    pub scheduled_at: i64,
    pub started_at: Option<i64>,
    pub finished_at: Option<i64>,
    pub reason: Option<String>,
    pub last: Option<i64>,
    pub count: Option<i64>,
}

impl Place {
    /// A new folder whose config has these jobs. Every job finds the folder in `$PLACE`.
    pub fn new(jobs: &str) -> Self {
        let place = Self {
            folder: tempfile::tempdir().unwrap(),
        };
        place.configure(jobs);
        place
    }

    /// Writes the config anew.
    pub fn configure(&self, jobs: &str) {
        self.configure_as("config.toml", jobs);
    }

    /// Writes a config into a file of another name.
    pub fn configure_as(&self, name: &str, jobs: &str) {
        let folder = self.folder.path().display();
        let config = format!(
            "[server]\nlisten = []\nauth = \"none\"\nunix_socket = \"{folder}/punctual.sock\"\n\
             [store]\nurl = \"sqlite:{folder}/state/punctual.db\"\n\
             [defaults]\nenv = {{ PLACE = \"{folder}\" }}\n{jobs}"
        );
        std::fs::write(self.path(name), config).unwrap();
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Starts a daemon and waits until it says that it is ready.
    pub fn start(&self) -> Daemon {
        let mut daemon = self.spawn();
        daemon.wait_for_log("ready");
        daemon
    }

    /// Starts a daemon.
    pub fn spawn(&self) -> Daemon {
        self.spawn_program(env!("CARGO_BIN_EXE_punctual").as_ref())
    }

    /// Starts a daemon from another file.
    pub fn spawn_program(&self, program: &std::path::Path) -> Daemon {
        let mut command = Command::new(program);
        command.args(self.arguments()).stdin(Stdio::null());
        Daemon::spawn(self.with_folders(&mut command))
    }

    /// Has a daemon keep everything here.
    pub fn with_folders<'a>(&self, command: &'a mut Command) -> &'a mut Command {
        command.env("RUNTIME_DIRECTORY", self.path("run"))
    }

    /// What a daemon here is called with.
    pub fn arguments(&self) -> [String; 5] {
        let config = self.path("config.toml").display().to_string();
        ["serve", "--log-format", "json", "--config", &config].map(str::to_owned)
    }

    /// All rows of the ledger, by job and instant.
    pub fn rows(&self) -> Vec<Row> {
        let Some(ledger) = self.ledger() else {
            return Vec::new();
        };
        let mut statement = ledger
            .prepare(
                "SELECT job, status, trigger, scheduled_at, started_at, reason, \
                 last_scheduled_at, count, finished_at FROM runs ORDER BY job, scheduled_at",
            )
            .unwrap();
        let rows = statement.query_map([], |row| {
            Ok(Row {
                job: row.get(0)?,
                status: row.get(1)?,
                trigger: row.get(2)?,
                scheduled_at: row.get(3)?,
                started_at: row.get(4)?,
                reason: row.get(5)?,
                last: row.get(6)?,
                count: row.get(7)?,
                finished_at: row.get(8)?,
            })
        });
        rows.unwrap().map(Result::unwrap).collect()
    }

    /// The ledger, read-only, if there is one yet.
    pub fn ledger(&self) -> Option<Connection> {
        let path = self.path("state/punctual.db");
        let ledger = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY).ok()?;
        ledger.busy_timeout(PATIENCE).unwrap();
        Some(ledger)
    }

    /// Another program that holds the ledger: until it is dropped, no write goes through.
    pub fn hold_ledger(&self) -> Connection {
        let holder = Connection::open(self.path("state/punctual.db")).unwrap();
        holder.busy_timeout(PATIENCE).unwrap();
        holder.execute_batch("BEGIN IMMEDIATE").unwrap();
        holder
    }

    /// What jobs have written to this file, line by line.
    pub fn lines(&self, name: &str) -> Vec<String> {
        let text = std::fs::read_to_string(self.path(name)).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }

    /// How often each line stands in a file that jobs write to.
    pub fn counts(&self, name: &str) -> BTreeMap<String, usize> {
        let mut counts = BTreeMap::new();
        for line in self.lines(name) {
            *counts.entry(line).or_default() += 1;
        }
        counts
    }

    /// Processes that carry a run of this place in their environment.
    pub fn processes(&self) -> Vec<u32> {
        let needle = format!("PLACE={}", self.folder.path().display());
        let mut found = Vec::new();
        for entry in std::fs::read_dir("/proc").unwrap().flatten() {
            let Ok(pid) = entry.file_name().to_string_lossy().parse::<u32>() else {
                continue;
            };
            let environment = std::fs::read(entry.path().join("environ")).unwrap_or_default();
            if environment
                .split(|&b| b == 0)
                .any(|part| part == needle.as_bytes())
            {
                found.push(pid);
            }
        }
        found
    }
}

impl Drop for Place {
    /// What a killed daemon has left behind goes with its folder.
    fn drop(&mut self) {
        for pid in self.processes() {
            if let Some(pid) = rustix::process::Pid::from_raw(pid.cast_signed()) {
                // It may have ended meanwhile.
                let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
            }
        }
    }
}

impl Daemon {
    /// Starts a daemon by this command.
    pub fn spawn(command: &mut Command) -> Self {
        if command.get_envs().all(|(name, _)| name != "RUST_LOG") {
            command.env("RUST_LOG", "info");
        }
        let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
        let stderr = BufReader::new(child.stderr.take().unwrap());
        let (lines, log) = channel();
        std::thread::spawn(move || {
            for line in stderr.lines().map_while(Result::ok) {
                if lines.send(line).is_err() {
                    return;
                }
            }
        });
        Self {
            child,
            log,
            seen: Vec::new(),
        }
    }

    /// Waits for a log line that contains this, and returns it.
    pub fn wait_for_log(&mut self, text: &str) -> String {
        let deadline = clock::monotonic() + PATIENCE;
        loop {
            let left = deadline.saturating_duration_since(clock::monotonic());
            match self.log.recv_timeout(left) {
                Ok(line) => {
                    self.seen.push(line.clone());
                    if line.contains(text) {
                        return line;
                    }
                }
                Err(RecvTimeoutError::Timeout) => panic!("no {text:?} in time: {:#?}", self.seen),
                Err(RecvTimeoutError::Disconnected) => {
                    panic!("it ended without {text:?}: {:#?}", self.seen)
                }
            }
        }
    }

    /// Its process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// How many files and sockets it has open.
    pub fn descriptors(&self) -> usize {
        let open = std::fs::read_dir(format!("/proc/{}/fd", self.pid()));
        open.unwrap().count()
    }

    /// `kill -9`, and waits until it is gone.
    pub fn kill9(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Sends a signal.
    pub fn signal(&self, signal: rustix::process::Signal) {
        let pid = rustix::process::Pid::from_raw(self.child.id().cast_signed()).unwrap();
        rustix::process::kill_process(pid, signal).unwrap();
    }

    /// SIGUSR2, and waits until the next version has taken over.
    pub fn upgrade(&mut self) {
        self.signal(rustix::process::Signal::USR2);
        self.wait_for_log("took over");
        self.wait_for_log("ready");
    }

    /// SIGTERM, and waits until it is gone.
    pub fn terminate(mut self) -> ExitStatus {
        self.signal(rustix::process::Signal::TERM);
        self.child.wait().unwrap()
    }

    /// SIGTERM, and every line of its log.
    pub fn log_to_its_end(mut self) -> Vec<String> {
        self.signal(rustix::process::Signal::TERM);
        let mut lines = std::mem::take(&mut self.seen);
        lines.extend(self.log.iter());
        lines
    }

    /// Waits until it ends by itself.
    pub fn wait(mut self) -> ExitStatus {
        self.child.wait().unwrap()
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // It may be gone already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The tables of so many jobs.
pub fn jobs(count: usize, table: impl Fn(usize) -> String) -> String {
    (0..count).map(table).collect()
}

/// Waits until `level` gives something; looks again every few milliseconds.
pub fn wait_until<T>(what: &str, mut level: impl FnMut() -> Option<T>) -> T {
    let deadline = clock::monotonic() + PATIENCE;
    loop {
        if let Some(value) = level() {
            return value;
        }
        assert!(clock::monotonic() < deadline, "not in time: {what}");
        breathe();
    }
}

/// A short pause between two looks at a level.
pub fn breathe() {
    let (_sender, receiver) = channel::<()>();
    let _ = receiver.recv_timeout(Duration::from_millis(5));
}

/// `punctual audit`-free look at the account: every instant of a per-second job from the first row
/// to `through` has exactly one row.
pub fn assert_each_second_once(rows: &[Row], job: &str) {
    const SECOND: i64 = 1_000_000;
    let mut instants = Vec::new();
    for row in rows
        .iter()
        .filter(|row| row.job == job && row.trigger != "manual")
    {
        let last = row.last.unwrap_or(row.scheduled_at);
        let before = instants.len();
        instants.extend((row.scheduled_at..=last).step_by(usize::try_from(SECOND).unwrap()));
        let count = i64::try_from(instants.len() - before).unwrap();
        assert_eq!(row.count.unwrap_or(1), count, "{row:?}");
    }
    instants.sort_unstable();
    for pair in instants.windows(2) {
        assert_eq!(
            pair[1] - pair[0],
            SECOND,
            "job {job}: doubled or missing at {pair:?}"
        );
    }
}
