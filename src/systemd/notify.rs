//! The service manager, as the rest of the daemon speaks to it.

use std::ffi::OsString;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};

use super::address::Address;
use super::herald::{Herald, News};
use crate::clock;

/// News that may wait while the manager does not read.
const INBOX: usize = 1_024;

/// How long the end of the daemon waits for the manager to be told.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// The service manager, or nobody. Cheap to clone; nothing here waits for the manager.
#[derive(Debug, Clone)]
pub struct ServiceManager(Option<mpsc::Sender<News>>);

impl ServiceManager {
    /// Nobody.
    pub const fn nobody() -> Self {
        Self(None)
    }

    /// Whoever started this process, if it wants news (`NOTIFY_SOCKET`), and the herald that
    /// carries them once it runs.
    pub fn of_process() -> (Self, Herald) {
        Self::in_environment(std::process::id(), |name| std::env::var_os(name))
    }

    fn in_environment(own_pid: u32, variable: impl Fn(&str) -> Option<OsString>) -> (Self, Herald) {
        let Some(text) = variable("NOTIFY_SOCKET") else {
            return (Self::nobody(), Herald::idle());
        };
        let address = match Address::parse(&text) {
            Ok(address) => address,
            Err(error) => {
                tracing::warn!(
                    NOTIFY_SOCKET = %text.display(), %error,
                    "the service manager cannot be told anything; unset NOTIFY_SOCKET or start the \
                     service with another Type="
                );
                return (Self::nobody(), Herald::idle());
            }
        };
        let (news, inbox) = mpsc::channel(INBOX);
        let herald = Herald::new(address, inbox, watchdog(own_pid, variable));
        (Self(Some(news)), herald)
    }

    /// Jobs are loaded and the API listens: `READY=1`, once the scheduler ticks.
    pub fn ready(&self) {
        self.tell(News::Ready);
    }

    /// The config is about to be read again: `RELOADING=1`. Must be followed by
    /// [`Self::reloaded`], whatever comes of it.
    pub fn reloading(&self) {
        self.tell(News::Reloading {
            monotonic_usec: clock::monotonic_usec(),
        });
    }

    /// The config that holds from now on is loaded, or the old one goes on: `READY=1` again.
    pub fn reloaded(&self) {
        self.tell(News::Reloaded);
    }

    /// The daemon ends, within `limit` at the latest: `STOPPING=1`. The manager gives it that time
    /// even where its own limit is shorter.
    pub fn stopping(&self, limit: Duration) {
        self.tell(News::Stopping { limit });
    }

    /// Waits until everything said so far is delivered, for a moment; nothing is said after it.
    pub async fn farewell(self) {
        let (delivered, wait) = oneshot::channel();
        self.tell(News::Farewell(delivered));
        tokio::select! {
            // A herald that is gone has nothing left to deliver.
            _ = wait => {}
            () = clock::elapse(LAST_WORDS) => {}
        }
    }

    fn tell(&self, news: News) {
        let Some(inbox) = &self.0 else { return };
        if let Err(mpsc::error::TrySendError::Full(news)) = inbox.try_send(news) {
            tracing::error!(
                ?news,
                "the service manager does not read its news; this one is lost"
            );
        }
    }
}

/// How often the manager wants to be fed, if this very process is the one.
fn watchdog(own_pid: u32, variable: impl Fn(&str) -> Option<OsString>) -> Option<Duration> {
    let number = |name: &str| variable(name)?.to_str()?.parse::<u64>().ok();
    let for_us = match variable("WATCHDOG_PID") {
        None => true,
        Some(_) => number("WATCHDOG_PID") == Some(u64::from(own_pid)),
    };
    number("WATCHDOG_USEC")
        .filter(|&every| for_us && every > 0)
        .map(Duration::from_micros)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn every(variables: &[(&str, &str)]) -> Option<Duration> {
        watchdog(17, |name| {
            let found = variables.iter().find(|(other, _)| *other == name);
            found.map(|(_, value)| OsString::from(value))
        })
    }

    #[test]
    fn the_watchdog_is_fed_by_the_process_that_it_watches() {
        let usec = ("WATCHDOG_USEC", "30000000");
        assert_eq!(every(&[usec]), Some(Duration::from_secs(30)));
        assert_eq!(
            every(&[usec, ("WATCHDOG_PID", "17")]),
            Some(Duration::from_secs(30))
        );
        assert_eq!(every(&[usec, ("WATCHDOG_PID", "18")]), None);
        assert_eq!(every(&[usec, ("WATCHDOG_PID", "x")]), None);
        assert_eq!(every(&[("WATCHDOG_USEC", "0")]), None);
        assert_eq!(every(&[]), None);
    }

    #[tokio::test]
    async fn without_a_manager_nothing_happens() {
        let (manager, _) = ServiceManager::in_environment(17, |_| None);
        manager.ready();
        manager.farewell().await;
    }
}
