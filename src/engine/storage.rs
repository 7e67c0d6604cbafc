//! The crate's metadata storage, answered from the rota. The list of next ticks is the heartbeat.

use std::future::{Future, ready};
use std::pin::Pin;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use tokio_cron_scheduler::JobSchedulerError;
use tokio_cron_scheduler::MetaDataStorage;
use tokio_cron_scheduler::job::job_data::{JobAndNextTick, JobStoredData, JobType};
use tokio_cron_scheduler::store::{DataStore, InitStore};
use uuid::Uuid;

use super::rota::Rota;
use crate::clock;

type Answer<T> = Pin<Box<dyn Future<Output = Result<T, JobSchedulerError>> + Send>>;

pub(super) struct Storage {
    rota: Arc<Rota>,
}

impl Storage {
    pub(super) fn new(rota: Arc<Rota>) -> Self {
        Self { rota }
    }
}

impl MetaDataStorage for Storage {
    /// Only what is to be activated now. The crate compares in whole seconds with a clock reading
    /// from just before this call, so "a second ago" is due for certain.
    fn list_next_ticks(&mut self) -> Answer<Vec<JobAndNextTick>> {
        let handed_out = self.rota.tick();
        let due = u64::try_from(clock::now().as_second() - 1)
            .unwrap_or(1)
            .max(1);
        let ticks = handed_out.into_iter().map(|id| JobAndNextTick {
            id: Some(id.into()),
            job_type: JobType::OneShot.into(),
            next_tick: due,
            last_tick: None,
        });
        Box::pin(ready(Ok(ticks.collect())))
    }

    /// The next tick is the rota's to know.
    fn set_next_and_last_tick(
        &mut self,
        _id: Uuid,
        _next: Option<DateTime<Utc>>,
        _last: Option<DateTime<Utc>>,
    ) -> Answer<()> {
        Box::pin(ready(Ok(())))
    }

    /// Asked by nobody here; the crate's own tick does not use it.
    fn time_till_next_job(&mut self) -> Answer<Option<std::time::Duration>> {
        Box::pin(ready(Ok(None)))
    }
}

impl DataStore<JobStoredData> for Storage {
    /// The crate reads the row back after each activation, to compute a next tick from it. A
    /// one-shot row has none to compute.
    fn get(&mut self, id: Uuid) -> Answer<Option<JobStoredData>> {
        Box::pin(ready(Ok(Some(JobStoredData {
            id: Some(id.into()),
            last_updated: None,
            last_tick: None,
            next_tick: 0,
            job_type: JobType::OneShot.into(),
            count: 0,
            extra: Vec::new(),
            ran: false,
            stopped: false,
            job: None,
            time_offset_seconds: 0,
        }))))
    }

    /// Jobs come from the config, through the rota, and through nothing else.
    fn add_or_update(&mut self, _data: JobStoredData) -> Answer<()> {
        Box::pin(ready(Err(JobSchedulerError::CantAdd)))
    }

    fn delete(&mut self, _id: Uuid) -> Answer<()> {
        Box::pin(ready(Err(JobSchedulerError::CantRemove)))
    }
}

impl InitStore for Storage {
    fn init(&mut self) -> Answer<()> {
        Box::pin(ready(Ok(())))
    }

    fn inited(&mut self) -> Answer<bool> {
        Box::pin(ready(Ok(true)))
    }
}
