//! The crate's job code: one closure for all jobs, which waits for the exact instant.

use std::future::{Future, ready};
use std::pin::Pin;
use std::sync::Arc;

use tokio::sync::RwLock;
use tokio_cron_scheduler::{
    Context, JobCode, JobSchedulerError, JobToRunAsync, PinnedGetFuture, ToCode,
};
use uuid::Uuid;

use super::rota::Rota;

pub(super) struct Code {
    closure: Arc<RwLock<Box<JobToRunAsync>>>,
}

impl Code {
    pub(super) fn new(rota: Arc<Rota>) -> Self {
        let closure: Box<JobToRunAsync> =
            Box::new(move |id, _scheduler| Box::pin(rota.clone().activated(id)));
        Self {
            closure: Arc::new(RwLock::new(closure)),
        }
    }
}

impl ToCode<Box<JobToRunAsync>> for Code {
    fn init(
        &mut self,
        _context: &Context,
    ) -> Pin<Box<dyn Future<Output = Result<(), JobSchedulerError>> + Send>> {
        Box::pin(ready(Ok(())))
    }

    fn get(&mut self, _id: Uuid) -> PinnedGetFuture<Box<JobToRunAsync>> {
        Box::pin(ready(Ok(Some(self.closure.clone()))))
    }
}

impl JobCode for Code {}
