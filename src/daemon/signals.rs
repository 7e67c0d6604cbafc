//! SIGTERM and SIGINT: the first drains, the second hurries. SIGHUP: the config is read again.
//! SIGUSR2: the next version takes over.

use std::sync::Arc;

use tokio::signal::unix::{Signal, SignalKind, signal};

use super::reload::Reloader;

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
