//! Events as figures for `/metrics`. Nobody waits for them: events that come too fast are lost here,
//! and counted as that.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::{RecvError, TryRecvError};
use tokio::sync::watch;

use super::tally::Tally;
use crate::dispatch::Snapshot;
use crate::job::{Event, EventKind, JobName};
use crate::store::{LastEnds, Reader};

/// How many events are counted before others may look at the figures.
const AT_ONCE: usize = 1_024;

/// The figures of all jobs.
#[derive(Debug, Default)]
pub struct Metrics {
    tallies: Mutex<HashMap<JobName, Tally>>,
    lost: AtomicU64,
}

impl Metrics {
    /// Counts from now on, until there are no more events. A job that `snapshots` do not show any
    /// more is forgotten.
    pub fn begin(
        events: Receiver<Arc<Event>>,
        snapshots: watch::Receiver<Arc<Snapshot>>,
    ) -> Arc<Self> {
        let metrics = Arc::new(Self::default());
        tokio::spawn(metrics.clone().listen(events, snapshots));
        metrics
    }

    async fn listen(
        self: Arc<Self>,
        mut events: Receiver<Arc<Event>>,
        snapshots: watch::Receiver<Arc<Snapshot>>,
    ) {
        loop {
            let first = match events.recv().await {
                Ok(event) => event,
                Err(RecvError::Lagged(lost)) => {
                    self.lose(lost);
                    continue;
                }
                Err(RecvError::Closed) => return,
            };
            let mut heard = vec![first];
            while heard.len() < AT_ONCE {
                match events.try_recv() {
                    Ok(event) => heard.push(event),
                    Err(TryRecvError::Lagged(lost)) => self.lose(lost),
                    Err(TryRecvError::Empty | TryRecvError::Closed) => break,
                }
            }
            self.count(&heard);
            if heard.iter().any(|event| event.kind == EventKind::Reloaded) {
                let now = snapshots.borrow().clone();
                self.keep_only_those_of(&now);
            }
        }
    }

    fn count(&self, events: &[Arc<Event>]) {
        let mut tallies = self.tallies();
        for event in events {
            if let EventKind::Run(run) = &event.kind {
                // Looked up first: a name that is there already is not cloned.
                if let Some(tally) = tallies.get_mut(run.job.as_str()) {
                    tally.hear(run);
                } else {
                    tallies.entry(run.job.clone()).or_default().hear(run);
                }
            }
        }
    }

    fn lose(&self, lost: u64) {
        self.lost.fetch_add(lost, Ordering::Relaxed);
        tracing::warn!(
            lost,
            "the metrics do not keep up; punctual_metrics_events_lost_total counts what they lack"
        );
    }

    /// Takes up from the ledger how runs ended before this daemon started.
    pub async fn remember(self: Arc<Self>, ledger: Reader) {
        match ledger.last_ends().await {
            Ok(ends) => self.recall(ends),
            Err(error) => tracing::warn!(
                %error,
                "the metrics of jobs' last successes begin with this start; look at /readyz"
            ),
        }
    }

    fn recall(&self, ends: BTreeMap<JobName, LastEnds>) {
        let mut tallies = self.tallies();
        for (job, newest) in ends {
            tallies.entry(job).or_default().recall(newest);
        }
    }

    fn keep_only_those_of(&self, snapshot: &Snapshot) {
        self.tallies()
            .retain(|job, _| snapshot.job(job.as_str()).is_some());
    }

    /// The figures of the jobs that are `wanted`, as they are now.
    pub fn of<'j>(&self, wanted: impl Iterator<Item = &'j JobName>) -> HashMap<JobName, Tally> {
        let tallies = self.tallies();
        wanted
            .filter_map(|job| Some((job.clone(), tallies.get(job.as_str())?.clone())))
            .collect()
    }

    /// How many events are not in the figures.
    pub fn lost(&self) -> u64 {
        self.lost.load(Ordering::Relaxed)
    }

    fn tallies(&self) -> MutexGuard<'_, HashMap<JobName, Tally>> {
        // Every change leaves it whole, so a panic elsewhere does too.
        self.tallies.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::super::tally::tests::run;
    use super::*;
    use crate::job::{Status, Trigger};
    use jiff::Timestamp;
    use tokio::sync::broadcast;

    fn event(kind: EventKind) -> Arc<Event> {
        let at = Timestamp::UNIX_EPOCH;
        Arc::new(Event { at, kind })
    }

    #[tokio::test]
    async fn events_are_counted_those_that_are_lost_too() {
        let metrics = Arc::new(Metrics::default());
        let (sender, events) = broadcast::channel(16);
        let (_snapshots, seen) = watch::channel(Arc::new(Snapshot::empty(Timestamp::UNIX_EPOCH)));
        for _ in 0..100 {
            let run = Box::new(run("a", Status::Failed));
            sender.send(event(EventKind::Run(run))).unwrap();
        }
        drop(sender);
        metrics.clone().listen(events, seen).await;
        assert_eq!(metrics.lost(), 84);
        let job = JobName::new("a").unwrap();
        let found = metrics.of([&job].into_iter());
        assert_eq!(
            found[&job].ended(),
            [((Status::Failed, Trigger::Schedule), 16)]
        );
        assert!(
            metrics
                .of([&JobName::new("b").unwrap()].into_iter())
                .is_empty()
        );
    }

    #[tokio::test]
    async fn a_reload_forgets_jobs_that_are_gone() {
        let metrics = Arc::new(Metrics::default());
        let (sender, events) = broadcast::channel(16);
        let (_snapshots, seen) = watch::channel(Arc::new(Snapshot::empty(Timestamp::UNIX_EPOCH)));
        let job = JobName::new("a").unwrap();
        metrics.recall(BTreeMap::from([(job.clone(), LastEnds::default())]));
        assert_eq!(metrics.of([&job].into_iter()).len(), 1);
        sender.send(event(EventKind::Reloaded)).unwrap();
        drop(sender);
        metrics.clone().listen(events, seen).await;
        assert!(metrics.of([&job].into_iter()).is_empty());
    }
}
