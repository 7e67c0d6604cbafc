//! A daemon whose wall clock belongs to the test, by libfaketime.
//!
//! The library stands between the daemon and the system's wall clock alone: the monotonic clock goes
//! on as it is, as in a real `date -s`. What the daemon starts has a clean environment, and so the
//! machine's time. The library reads a file at each look at the clock; to set the clock is to
//! replace the file.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use jiff::Timestamp;
use punctual::clock;

use super::audit::audit;
use super::daemon::{Daemon, Place, Row, wait_until};
use super::http::Door;

/// The library for programs with threads.
const LIBRARY: &str = "faketime/libfaketimeMT.so.1";

/// A daemon in a time of its own.
pub struct Faked {
    pub place: Place,
    pub daemon: Daemon,
    pub door: Door,
}

impl Faked {
    /// Starts a daemon with these jobs, whose clock stands at `at`.
    pub fn start(jobs: &str, at: Timestamp) -> Self {
        let library = library().unwrap_or_else(|| {
            panic!(
                "this test needs libfaketime for {}: neither a folder of /usr/lib for it, nor \
                 /usr/lib, /usr/lib64, /usr/local/lib has {LIBRARY}; on Debian: \
                 apt-get install faketime",
                std::env::consts::ARCH
            )
        });
        let place = Place::new(jobs);
        set(&place, &standing(at));
        let mut command = Command::new(env!("CARGO_BIN_EXE_punctual"));
        command
            .args(place.arguments())
            .stdin(Stdio::null())
            .env("LD_PRELOAD", library)
            .env("FAKETIME_TIMESTAMP_FILE", place.path("clock"))
            .env("FAKETIME_FMT", "%s")
            .env("FAKETIME_NO_CACHE", "1")
            .env("FAKETIME_DONT_FAKE_MONOTONIC", "1")
            .env("NO_FAKE_STAT", "1")
            .env_remove("FAKETIME")
            .env_remove("FAKETIME_SHARED");
        let mut daemon = Daemon::spawn(place.with_folders(&mut command));
        daemon.wait_for_log("ready");
        forget_shared_memory(daemon.pid());
        let door = Door::Unix(place.path("punctual.sock"));
        let this = Self {
            place,
            daemon,
            door,
        };
        assert_eq!(
            this.time(),
            at,
            "libfaketime does not set the daemon's clock"
        );
        this
    }

    /// From now on the clock stands at this whole second.
    pub fn stand_at(&self, at: Timestamp) {
        set(&self.place, &standing(at));
    }

    /// From now on the clock runs, from `at`.
    pub fn run_from(&self, at: Timestamp) {
        let ahead = at.duration_since(clock::now()).as_secs_f64();
        set(&self.place, &format!("{ahead:+.6}"));
    }

    /// What the daemon's clock shows.
    pub fn time(&self) -> Timestamp {
        let status = self.door.get("/api/v1/status").ok();
        let seen = status["nodes"][0]["last_seen"].as_str().unwrap();
        seen.parse().unwrap()
    }

    /// Waits until each of these jobs has a row of this instant in this status.
    pub fn wait_for(&self, status: &str, at: Timestamp, jobs: &[&str]) {
        wait_until(&format!("{at} {status} of {jobs:?}"), || {
            let rows = self.place.rows();
            let there = |job: &&str| rows.iter().any(|row| is(row, job, status, at));
            jobs.iter().all(there).then_some(())
        });
    }

    /// Brings these jobs to their next instant, and until they have run: the clock stands a second
    /// before it until they are claimed, then at it.
    pub fn pass(&self, at: Timestamp, jobs: &[&str]) {
        self.stand_at(at - jiff::SignedDuration::from_secs(1));
        self.wait_for("scheduled", at, jobs);
        self.stand_at(at);
        self.wait_for("succeeded", at, jobs);
    }

    /// Has the account proved whole, ends the daemon, and returns what the audit said and all rows.
    /// Every run that succeeded was one process, and there was no other.
    pub fn end(self) -> (String, Vec<Row>) {
        let server = format!("unix:{}", self.place.path("punctual.sock").display());
        let whole = audit(&["--server", &server]);
        assert_eq!(whole.status.code(), Some(0), "{whole:?}");
        assert!(self.daemon.terminate().success());
        let rows = self.place.rows();
        let ran = rows.iter().filter(|row| row.status == "succeeded");
        let mut ran: Vec<_> = ran.map(note).collect();
        let mut noted = self.place.lines("ran");
        ran.sort();
        noted.sort();
        assert_eq!(noted, ran, "each run that succeeded, and each once");
        (String::from_utf8(whole.stdout).unwrap(), rows)
    }
}

/// What each job does: a line that names it and its instant.
pub const NOTE: &str = r#"shell = 'echo "$PUNCTUAL_JOB $PUNCTUAL_SCHEDULED_AT" >> "$PLACE/ran"'"#;

fn note(row: &Row) -> String {
    format!("{} {:.6}", row.job, instant(row))
}

pub fn instant(row: &Row) -> Timestamp {
    Timestamp::from_microsecond(row.scheduled_at).unwrap()
}

fn is(row: &Row, job: &str, status: &str, at: Timestamp) -> bool {
    (row.job.as_str(), row.status.as_str(), instant(row)) == (job, status, at)
}

fn standing(at: Timestamp) -> String {
    assert_eq!(at.subsec_nanosecond(), 0, "a clock stands at whole seconds");
    at.as_second().to_string()
}

/// Whole or not at all: the daemon may look at any moment.
fn set(place: &Place, clock: &str) {
    let new = place.path("clock.new");
    std::fs::write(&new, clock).unwrap();
    std::fs::rename(new, place.path("clock")).unwrap();
}

/// Where the library is for programs like this one.
fn library() -> Option<PathBuf> {
    let folders = std::fs::read_dir("/usr/lib")
        .into_iter()
        .flatten()
        .flatten();
    let ours = folders.filter(|folder| {
        let name = folder.file_name();
        let architecture = match std::env::consts::ARCH {
            "x86" => "i386",
            other => other,
        };
        name.to_string_lossy()
            .starts_with(&format!("{architecture}-"))
    });
    let others = ["/usr/lib", "/usr/lib64", "/usr/local/lib"].map(PathBuf::from);
    ours.map(|folder| folder.path())
        .chain(others)
        .map(|folder| folder.join(LIBRARY))
        .find(|library| library.is_file())
}

/// The library makes two names for its children, of which there are none here, and leaves them
/// behind where the process is killed.
fn forget_shared_memory(pid: u32) {
    for name in ["faketime_shm", "sem.faketime_sem"] {
        // Other versions of the library make none, or others.
        let _ = std::fs::remove_file(Path::new("/dev/shm").join(format!("{name}_{pid}")));
    }
}
