//! What is done about orphans for as long as the daemon lives.

use std::sync::Weak;
use std::time::Duration;

use super::{Shared, family};
use crate::clock;

/// Orphans that died are waited for at most this often.
const BETWEEN_REAPS: Duration = Duration::from_millis(100);
/// How often orphans are noted while something runs.
const BETWEEN_NOTES: Duration = Duration::from_millis(500);

/// Waits for each that died, so that no zombies pile up.
pub(super) async fn reap(mut died: tokio::signal::unix::Signal) {
    while died.recv().await.is_some() {
        family::reap_orphans();
        clock::elapse(BETWEEN_REAPS).await;
    }
}

/// What comes to the daemon as an orphan may have thrown away all that tells whose it is: should the
/// daemon be killed, the next one knows it by this.
pub(super) async fn note(shared: Weak<Shared>) {
    loop {
        clock::elapse(BETWEEN_NOTES).await;
        let Some(shared) = shared.upgrade() else {
            return;
        };
        if !shared.live().is_empty() {
            shared.marks.adopted(family::orphans_now());
        }
    }
}
