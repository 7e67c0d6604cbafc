//! SIGTERM and SIGINT: the first drains, the second hurries. SIGHUP: the config is read again.
//! SIGUSR2: the next version takes over.
//!
//! All of them are for the main thread alone; every other thread holds them, as it is begun while the
//! main thread does, or says so itself. So the main thread can hold them for the whole process, and does
//! where nobody listens: until the first handlers are there, and on the way from one life to the next.
//! The kernel keeps what comes meanwhile, through the exec too, and none kills the daemon or is missed.

use std::sync::Arc;

use nix::sys::signal::{SigSet, Signal as Number};
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::reload::Reloader;

/// Has the signals wait, for this thread and those that it begins.
pub fn hold() {
    let held = all().thread_block();
    held.expect("only signals that nobody knows cannot be held");
}

/// Lets them in, at this thread: to be called on the main thread, once somebody listens.
pub(super) fn let_in() {
    let let_in = all().thread_unblock();
    let_in.expect("only signals that nobody knows cannot be let in");
}

fn all() -> SigSet {
    [
        Number::SIGHUP,
        Number::SIGINT,
        Number::SIGTERM,
        Number::SIGUSR2,
    ]
    .into_iter()
    .collect()
}

/// The signals that end the daemon.
pub(super) struct Ends {
    terminate: Signal,
    interrupt: Signal,
}

impl Ends {
    /// From here on they no longer kill the process.
    pub(super) fn listen() -> std::io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    /// The next one, by name.
    pub(super) async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
        }
    }

    /// One that has come already, by name.
    pub(super) async fn come(&mut self) -> Option<&'static str> {
        tokio::select! {
            biased;
            signal = self.next() => Some(signal),
            () = std::future::ready(()) => None,
        }
    }
}

/// Reloads at each SIGHUP; signals that come during a reload are one more reload.
pub(super) async fn reload_on_hangup(mut hangups: Signal, reloader: Arc<Reloader>) {
    while hangups.recv().await.is_some() {
        // How it went is in the log: nobody waits for an answer to a signal.
        let _ = reloader.reload("SIGHUP").await;
    }
}

/// SIGUSR2, which from here on no longer kills the process.
pub(super) fn upgrades() -> std::io::Result<Signal> {
    signal(SignalKind::user_defined2())
}

/// SIGHUP, which from here on no longer kills the process.
pub(super) fn hangups() -> std::io::Result<Signal> {
    signal(SignalKind::hangup())
}
