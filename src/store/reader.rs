//! Answers questions about the ledger, beside the writing and never in its way.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;
use tokio::sync::Semaphore;

use super::lately::Lately;
use super::sqlite::{self, Connection};
use super::{
    AuditReport, AuditScope, Cursor, JobRecord, JobStatistics, Jobs, KeptOutput, LastEnds,
    LastRuns, Page, RunFilter, StoreError, StoredOutput, Stretch,
};
use crate::job::{Attempt, JobName, Run, RunId};

/// How many questions are answered at once.
const QUICK: usize = 4;

/// How many audits and checks, which may take long and must not hold up the others.
const THOROUGH: usize = 1;

/// The most runs of one page.
const PAGE: usize = 500;

/// The reading end of a ledger. Cheap to clone; all clones share a few connections. Its questions
/// are answered on the blocking threads of the runtime that asks.
#[derive(Debug, Clone)]
pub struct Reader {
    pool: Arc<Pool>,
}

#[derive(Debug)]
struct Pool {
    path: PathBuf,
    quick: Arc<Semaphore>,
    thorough: Arc<Semaphore>,
    idle: Mutex<Vec<Connection>>,
    /// Beside the one who writes, who keeps it true; none in another process.
    lately: Option<Arc<Lately>>,
}

impl Reader {
    /// Opens a ledger for reading, whether a daemon runs on it or not.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        let reader = Self::of(path.to_path_buf(), None);
        let connection = sqlite::read_only(path)?;
        reader.pool.put(connection);
        Ok(reader)
    }

    pub(super) fn of(path: PathBuf, lately: Option<Arc<Lately>>) -> Self {
        Self {
            pool: Arc::new(Pool {
                path,
                quick: Arc::new(Semaphore::new(QUICK)),
                thorough: Arc::new(Semaphore::new(THOROUGH)),
                idle: Mutex::new(Vec::new()),
                lately,
            }),
        }
    }

    /// A page of at most `limit` (and never more than 500) runs, newest first, after `cursor`.
    pub async fn runs(
        &self,
        filter: RunFilter,
        cursor: Option<Cursor>,
        limit: usize,
    ) -> Result<Page<Run>, StoreError> {
        let limit = limit.clamp(1, PAGE);
        self.ask(move |it| sqlite::runs(it, &filter, cursor, limit))
            .await
    }

    /// One run.
    pub async fn run(&self, id: RunId) -> Result<Option<Run>, StoreError> {
        self.ask(move |it| sqlite::run(it, id)).await
    }

    /// The attempts of a run, first to last.
    pub async fn attempts(&self, run: RunId) -> Result<Vec<Attempt>, StoreError> {
        self.ask(move |it| sqlite::attempts(it, run)).await
    }

    /// The output of an attempt; of the last one that has any when none is named.
    pub async fn output(
        &self,
        run: RunId,
        attempt: Option<u32>,
    ) -> Result<Option<StoredOutput>, StoreError> {
        self.ask(move |it| sqlite::output(it, run, attempt)).await
    }

    /// The output of an attempt without its bytes; of the last one that has any when none is named.
    pub async fn kept_output(
        &self,
        run: RunId,
        attempt: Option<u32>,
    ) -> Result<Option<KeptOutput>, StoreError> {
        self.ask(move |it| sqlite::kept_output(it, run, attempt))
            .await
    }

    /// Adds these ranges of the bytes of an output to what is there, and reads no others. None: the
    /// output is not there any more.
    pub async fn append_output(
        &self,
        of: KeptOutput,
        ranges: Vec<Range<usize>>,
        bytes: Vec<u8>,
    ) -> Result<Option<Vec<u8>>, StoreError> {
        self.ask(move |it| sqlite::append_output(it, &of, &ranges, bytes))
            .await
    }

    /// How jobs did lately; one that never ran to an end is left out.
    pub async fn last_runs(&self, jobs: Jobs) -> Result<BTreeMap<JobName, LastRuns>, StoreError> {
        let (Some(lately), Jobs::Only(some)) = (&self.pool.lately, &jobs) else {
            return self.ask(move |it| sqlite::last_runs(it, &jobs)).await;
        };
        let (mut found, unknown, moment) = lately.last_runs(some.clone());
        if unknown.is_empty() {
            return Ok(found);
        }
        let jobs = Jobs::Only(unknown.clone());
        let mut read = self.ask(move |it| sqlite::last_runs(it, &jobs)).await?;
        lately.keep_last_runs(moment, unknown, &read);
        found.append(&mut read);
        Ok(found)
    }

    /// When jobs last succeeded, and how their newest runs ended.
    pub async fn last_ends(&self) -> Result<BTreeMap<JobName, LastEnds>, StoreError> {
        self.ask(|it| sqlite::last_ends(it)).await
    }

    /// How long a job takes and how late it starts.
    pub async fn statistics(&self, job: JobName) -> Result<JobStatistics, StoreError> {
        let Some(lately) = &self.pool.lately else {
            return self.ask(move |it| sqlite::statistics(it, &job)).await;
        };
        let (known, moment) = lately.statistics(&job);
        if let Some(known) = known {
            return Ok(known);
        }
        let of = job.clone();
        let read = self.ask(move |it| sqlite::statistics(it, &of)).await?;
        lately.keep_statistics(moment, job, &read);
        Ok(read)
    }

    /// The schedules that a job had, oldest first, as far back as its account goes.
    pub async fn schedule_history(&self, job: JobName) -> Result<Vec<Stretch>, StoreError> {
        self.ask(move |it| sqlite::schedule_history(it, &job)).await
    }

    /// What there is of a job: the row that holds `instant`, and the newest rows up to `around`.
    pub async fn job_record(
        &self,
        job: JobName,
        instant: Option<Timestamp>,
        around: Timestamp,
    ) -> Result<JobRecord, StoreError> {
        self.ask(move |it| sqlite::job_record(it, &job, instant, around))
            .await
    }

    /// Holds the ledger against the schedules as they stood over time.
    pub async fn audit(&self, scope: AuditScope) -> Result<AuditReport, StoreError> {
        self.ask_at_length(move |it| sqlite::audit(it, &scope))
            .await
    }

    async fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&mut Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        answer(&self.pool, &self.pool.quick, question).await
    }

    async fn ask_at_length<T: Send + 'static>(
        &self,
        question: impl FnOnce(&mut Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        answer(&self.pool, &self.pool.thorough, question).await
    }
}

async fn answer<T: Send + 'static>(
    pool: &Arc<Pool>,
    turns: &Arc<Semaphore>,
    question: impl FnOnce(&mut Connection) -> Result<T, StoreError> + Send + 'static,
) -> Result<T, StoreError> {
    let turn = Arc::clone(turns).acquire_owned().await;
    let turn = turn.map_err(|_| StoreError::Closed)?;
    let pool = Arc::clone(pool);
    let answered = tokio::task::spawn_blocking(move || {
        // Held until the work is done, even if whoever asked has gone.
        let _turn = turn;
        let mut connection = pool.take()?;
        let answer = question(&mut connection)?;
        pool.put(connection);
        Ok(answer)
    })
    .await;
    answered.unwrap_or_else(|error| {
        Err(StoreError::Database {
            doing: "answering",
            detail: error.to_string(),
        })
    })
}

impl Pool {
    fn take(&self) -> Result<Connection, StoreError> {
        let idle = self
            .idle
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .pop();
        idle.map_or_else(|| sqlite::read_only(&self.path), Ok)
    }

    /// A connection whose question failed is not put back: the next one opens afresh.
    fn put(&self, connection: Connection) {
        self.idle
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(connection);
    }
}
