//! A ledger in a folder of its own, and what can be done to it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;

use jiff::Timestamp;
use punctual::clock;
use punctual::job::{Attempt, JobFlags, JobName, Run, Status, Write};
use punctual::store::{
    Acked, Batch, Ledger, Reader, Recovered, Retention, RunFilter, StoreError, StoredOutput,
    Stretch,
};
use tempfile::TempDir;
use tokio::sync::oneshot;

/// Nothing in these tests takes this long unless it is broken.
const PATIENCE: Duration = Duration::from_mins(1);

pub struct Home {
    folder: TempDir,
    pub ledger: Ledger,
    pub recovered: Recovered,
    pub reader: Reader,
}

/// Everything that a ledger says, in a form that can be compared.
#[derive(Debug, PartialEq)]
pub struct Contents {
    pub runs: Vec<Run>,
    pub attempts: Vec<Attempt>,
    pub outputs: Vec<StoredOutput>,
    pub flags: BTreeMap<JobName, JobFlags>,
    pub history: BTreeMap<JobName, Vec<Stretch>>,
    pub scheduler_paused: bool,
}

impl Home {
    pub fn new() -> Self {
        Self::with(Retention::default())
    }

    pub fn with(retention: Retention) -> Self {
        Self::within(TempDir::new().unwrap(), retention)
    }

    fn within(folder: TempDir, retention: Retention) -> Self {
        let (ledger, recovered) =
            Ledger::open(&folder.path().join("ledger.db"), retention).unwrap();
        Self {
            reader: ledger.reader(),
            folder,
            ledger,
            recovered,
        }
    }

    pub fn path(&self) -> PathBuf {
        self.folder.path().join("ledger.db")
    }

    /// Hands in a batch and waits until it is durable.
    pub async fn put(&self, mut batch: Batch) -> Acked {
        let (tell, told) = oneshot::channel();
        batch = batch.then(move |acked| tell.send(acked).unwrap());
        self.ledger.submit(batch).await.unwrap();
        told.await.unwrap()
    }

    pub async fn write(&self, writes: Vec<Write>) -> Acked {
        self.put(Batch::now(writes)).await
    }

    /// Closes it and opens it again.
    pub async fn reopen(self) -> Self {
        self.ledger.close(PATIENCE).await.unwrap();
        Self::within(self.folder, Retention::default())
    }

    /// What is on the disk now, elsewhere, as if the daemon had been killed; the end of the log
    /// cut by so many bytes, as a power cut may leave it.
    pub fn killed(&self, cut: u64) -> Self {
        let folder = TempDir::new().unwrap();
        for ending in ["", "-wal"] {
            let name = format!("ledger.db{ending}");
            let copy = folder.path().join(&name);
            std::fs::copy(self.folder.path().join(&name), &copy).unwrap();
            if ending == "-wal" {
                let file = std::fs::File::options().write(true).open(copy).unwrap();
                let left = file.metadata().unwrap().len().saturating_sub(cut);
                file.set_len(left).unwrap();
            }
        }
        Self::within(folder, Retention::default())
    }

    /// Lays hands on the ledger behind its back.
    pub fn vandalise(&self, sql: &str) {
        vandalise(&self.path(), sql);
    }

    /// Everything, as the next life of the daemon sees it.
    pub async fn contents(self) -> Contents {
        let home = self.reopen().await;
        let mut runs = home.runs(RunFilter::default()).await;
        let claimed = RunFilter {
            status: Some(Status::Scheduled),
            ..RunFilter::default()
        };
        runs.extend(home.runs(claimed).await);
        runs.sort_by_key(|run| run.id);
        let (mut attempts, mut outputs) = (Vec::new(), Vec::new());
        for run in &runs {
            for attempt in home.reader.attempts(run.id).await.unwrap() {
                let number = Some(attempt.number);
                outputs.extend(home.reader.output(run.id, number).await.unwrap());
                attempts.push(attempt);
            }
        }
        let mut history = BTreeMap::new();
        for job in ["a", "b", "c"] {
            let stretches = home.reader.schedule_history(name(job)).await.unwrap();
            history.insert(name(job), stretches);
        }
        Contents {
            runs,
            attempts,
            outputs,
            flags: home.recovered.flags,
            history,
            scheduler_paused: home.recovered.scheduler_paused,
        }
    }

    /// All runs of a filter, page by page.
    pub async fn runs(&self, filter: RunFilter) -> Vec<Run> {
        let (mut all, mut cursor) = (Vec::new(), None);
        loop {
            let page = self.reader.runs(filter.clone(), cursor, 500).await.unwrap();
            all.extend(page.items);
            cursor = page.next_cursor;
            if cursor.is_none() {
                return all;
            }
        }
    }
}

pub fn vandalise(path: &Path, sql: &str) {
    let connection = rusqlite::Connection::open(path).unwrap();
    connection.execute_batch(sql).unwrap();
}

/// The sentence that refuses a ledger.
pub fn refused(path: &Path) -> StoreError {
    match Ledger::open(path, Retention::default()) {
        Ok(_) => panic!("{} was opened", path.display()),
        Err(error) => error,
    }
}

/// Waits for a level, not for a time.
pub async fn until(what: &str, mut level: impl FnMut() -> bool) {
    let begun = clock::monotonic();
    while !level() {
        assert!(begun.elapsed() < PATIENCE, "{what} never came");
        clock::elapse(Duration::from_millis(2)).await;
    }
}

/// Runs one ignored test of this suite in a process of its own, begun by a line of shell.
pub fn in_child(test: &str, shell: &str, folder: &Path) -> Output {
    let line = format!("{shell}; exec \"$0\" --exact {test} --ignored --nocapture");
    Command::new("/bin/sh")
        .arg("-c")
        .arg(line)
        .arg(std::env::current_exe().unwrap())
        .env("PUNCTUAL_TEST_FOLDER", folder)
        .output()
        .unwrap()
}

/// The folder that [`in_child`] was given.
pub fn child_folder() -> PathBuf {
    PathBuf::from(std::env::var_os("PUNCTUAL_TEST_FOLDER").expect("only run by its parent test"))
}

pub fn name(job: &str) -> JobName {
    JobName::new(job).unwrap()
}

/// Seconds after a round instant of 2026.
pub fn t(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_780_000_000 + seconds).unwrap()
}
