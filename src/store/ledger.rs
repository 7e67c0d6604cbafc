//! The handle to the ledger: what others hold.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::{mpsc, oneshot};

use super::health::HealthCell;
use super::lately::Lately;
use super::sqlite::{Place, WriteSide, recover};
use super::writer::{Message, Writer};
use super::{Batch, Closed, Health, NotTaken, Reader, Retention, StoreError};
use crate::clock;
use crate::job::{Attempt, JobFlags, JobName, Run};
use crate::schedule::ScheduleSpec;

/// How many batches may wait before whoever brings the next one waits, too. A thousand fires a
/// second bring three thousand; a disk that stalls for some seconds must hold nobody up.
const INBOX: usize = 65_536;

/// The ledger, taken for writing by this process alone. Cheap to clone; all clones are one.
#[derive(Debug, Clone)]
pub struct Ledger {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    inbox: mpsc::Sender<Message>,
    health: Arc<HealthCell>,
    lately: Arc<Lately>,
    writer: Mutex<Option<JoinHandle<()>>>,
    path: PathBuf,
}

/// What the last life of the daemon left.
#[derive(Debug, Clone, PartialEq)]
pub struct Recovered {
    /// What is remembered of each job ever seen.
    pub flags: BTreeMap<JobName, JobFlags>,
    /// The schedule that each job had to the end, and later than when it counted.
    pub schedules: BTreeMap<JobName, (Timestamp, ScheduleSpec)>,
    /// Runs that are `scheduled`, `queued` or `running`, and fires that the last shutdown made
    /// `missed`, oldest first.
    pub live: Vec<Run>,
    /// Their attempts.
    pub live_attempts: Vec<Attempt>,
    /// Whether everything was paused.
    pub scheduler_paused: bool,
}

impl Ledger {
    /// Opens the ledger, making it if there is none, and keeps every other daemon out of it until
    /// it is closed. One that is damaged, of another program or of a later version is refused.
    pub fn open(path: &Path, retention: Retention) -> Result<(Self, Recovered), StoreError> {
        let place = Place::take(path)?;
        let path = place.path().to_path_buf();
        let mut store = WriteSide::open(place, retention)?;
        let recovered = recover(store.connection()?, &path)?;
        let (inbox, received) = mpsc::channel(INBOX);
        let health = Arc::new(HealthCell::new());
        let lately = Arc::new(Lately::default());
        let writer = Writer::new(store, received, Arc::clone(&health), Arc::clone(&lately));
        let thread = std::thread::Builder::new()
            .name("ledger".to_owned())
            .spawn(move || writer.run())
            .map_err(|source| StoreError::File {
                path: path.clone(),
                source,
            })?;
        let shared = Arc::new(Shared {
            inbox,
            health,
            lately,
            writer: Mutex::new(Some(thread)),
            path,
        });
        Ok((Self { shared }, recovered))
    }

    /// Hands in a batch; waits while there is too much to write already. The batch is durable when
    /// its `done` is called, and what was handed in before it is durable no later.
    pub async fn submit(&self, batch: Batch) -> Result<(), Closed> {
        let changes = batch.len();
        self.shared.health.queued(changes);
        let sent = self.shared.inbox.send(Message::Batch(batch)).await;
        sent.map_err(|mpsc::error::SendError(message)| Closed(self.take_back(message, changes)))
    }

    /// The same, blocking the thread; not for a thread of a runtime.
    pub fn submit_blocking(&self, batch: Batch) -> Result<(), Closed> {
        let changes = batch.len();
        self.shared.health.queued(changes);
        let sent = self.shared.inbox.blocking_send(Message::Batch(batch));
        sent.map_err(|mpsc::error::SendError(message)| Closed(self.take_back(message, changes)))
    }

    /// The same, without waiting.
    pub fn try_submit(&self, batch: Batch) -> Result<(), NotTaken> {
        use mpsc::error::TrySendError;
        let changes = batch.len();
        self.shared.health.queued(changes);
        match self.shared.inbox.try_send(Message::Batch(batch)) {
            Ok(()) => Ok(()),
            Err(TrySendError::Full(message)) => {
                Err(NotTaken::Full(self.take_back(message, changes)))
            }
            Err(TrySendError::Closed(message)) => {
                Err(NotTaken::Closed(self.take_back(message, changes)))
            }
        }
    }

    /// Whether it takes writes.
    pub fn health(&self) -> Health {
        let mut health = self.shared.health.read();
        if self.shared.inbox.is_closed() {
            health.writable = false;
            health
                .last_error
                .get_or_insert_with(|| "it is closed".to_owned());
        }
        health
    }

    /// Questions to it.
    pub fn reader(&self) -> Reader {
        let lately = Arc::clone(&self.shared.lately);
        Reader::of(self.shared.path.clone(), Some(lately))
    }

    /// Removes now all that exceeds retention, rather than bit by bit; answers how many rows and
    /// outputs went.
    pub async fn prune(&self) -> Result<usize, StoreError> {
        let (answer, answered) = oneshot::channel();
        let sent = self.shared.inbox.send(Message::Prune(answer)).await;
        sent.map_err(|_| StoreError::Closed)?;
        answered.await.map_err(|_| StoreError::Closed)?
    }

    /// Writes what was handed in, and lets go of the ledger. If that takes longer than `within`
    /// (a full disk), it says what is unwritten and goes on trying as long as the process lives.
    pub async fn close(&self, within: Duration) -> Result<(), StoreError> {
        let (answer, answered) = oneshot::channel();
        let goodbye = async {
            if self.shared.inbox.send(Message::Close(answer)).await.is_ok() {
                // An error means that the writer has gone another way; joining it tells.
                let _ = answered.await;
            }
        };
        tokio::select! {
            () = goodbye => {}
            () = clock::elapse(within) => {
                let health = self.health();
                return Err(StoreError::Unwritten {
                    pending: health.pending,
                    detail: health.last_error.unwrap_or_else(|| "no time was left".to_owned()),
                });
            }
        }
        let slot = &self.shared.writer;
        let thread = slot.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(thread) = thread else { return Ok(()) };
        // It has said goodbye: what is left of it is closing files.
        let joined = tokio::task::spawn_blocking(move || thread.join()).await;
        match joined {
            Ok(Ok(())) => Ok(()),
            _ => Err(StoreError::Database {
                doing: "closing",
                detail: "its thread broke down; see the log".to_owned(),
            }),
        }
    }

    fn take_back(&self, message: Message, changes: usize) -> Batch {
        self.shared.health.unqueued(changes);
        match message {
            Message::Batch(batch) => batch,
            Message::Prune(_) | Message::Close(_) => unreachable!("a batch was sent"),
        }
    }
}
